"""Texts of numbers and names: CSV, TSV, and one value a line.

The first row is a header if one of its cells is no number while the cell below it is.  A column is of numbers if every
cell is one.  Files above 16 MiB are refused: text of that size is better saved as numbers.

References
----------
``csv`` in the standard library.
"""

from __future__ import annotations

import csv
import io

import numpy as np

from sphereufm.errors import UnreadableFileError
from sphereufm.features.readers.limits import MAX_ENTRIES, printable
from sphereufm.features.readers.source import AnyArray, ArraySource, MemorySource
from sphereufm.features.readers.stored import StoredFile

_MOST_BYTES = 2**24
_LOOKED_AT = 2**14
_MARK = "\ufeff"  # some programs begin a text so
_SEPARATORS = ",;\t "


def looks_like_text(file: StoredFile) -> bool:
    """Whether the beginning is printable text with a digit or a letter in it."""
    head = file.read_at(0, _LOOKED_AT)
    text = head.decode("utf-8", "ignore").removeprefix(_MARK)
    whole = (
        len(head) - len(head.decode("utf-8", "ignore").encode()) <= 3
    )  # a letter may be cut in two at the end
    return whole and any(map(str.isalnum, text)) and all(c.isprintable() or c in "\r\n\t" for c in text)


def open_text(file: StoredFile, name: str) -> dict[str, ArraySource]:
    """Return the columns of a table by the names of its header, else by their numbers; a lone one is ``"array"``."""
    if file.size > _MOST_BYTES:
        raise UnreadableFileError(
            f"{name} is a text of {file.size} bytes; save so many numbers with numpy.save"
        )
    rows = _rows(name, file.read_at(0, file.size))
    header = _header(rows)
    body = rows[1:] if header else rows
    if len(body) < 2:
        raise UnreadableFileError(f"{name} is a text without rows of values; give a table with rows")
    keys = header or [str(i) for i in range(len(rows[0]))]
    if len(set(keys)) != len(keys):
        raise UnreadableFileError(f"{name} has two columns of one name; rename one")
    columns = {key: _column([row[i] for row in body]) for i, key in enumerate(keys)}
    if len(columns) == 1:
        columns = {"array": next(iter(columns.values()))}
    return {key: MemorySource(name=f"{name}:{printable(key)}", array=array) for key, array in columns.items()}


def _rows(name: str, content: bytes) -> list[list[str]]:
    """The cells of all rows that are not empty."""
    try:
        text = content.decode("utf-8").removeprefix(_MARK)
    except UnicodeDecodeError as error:
        raise UnreadableFileError(f"{name} is a text that is not in UTF-8; save it again") from error
    first = next((line for line in text.splitlines() if line.strip() and line[0] != "#"), "")
    separator = max(_SEPARATORS, key=lambda s: (first.count(s), -_SEPARATORS.index(s)))
    lines = io.StringIO(text, newline="")
    try:
        cells = csv.reader(lines, delimiter=separator, skipinitialspace=True)
        rows = [[cell.strip() for cell in row] for row in cells if row and not row[0].startswith("#")]
    except csv.Error as error:
        raise UnreadableFileError(f"{name} is no table of text: {error}") from error
    rows = [row for row in rows if any(row)]
    if not rows or len({len(row) for row in rows}) > 1 or len(rows[0]) > MAX_ENTRIES:
        raise UnreadableFileError(
            f"{name} is a text whose rows have different numbers of values, or none; save it again as a table"
        )
    return rows


def _header(rows: list[list[str]]) -> list[str] | None:
    """The first row, where it names columns of numbers or a role."""
    if len(rows) < 2:
        return None
    named = [not _is_number(top) and _is_number(below) for top, below in zip(rows[0], rows[1], strict=True)]
    all_words = not any(map(_is_number, rows[0])) and (
        len(rows[0]) > 1 or rows[0][0].lower() in ("label", "labels")
    )
    return rows[0] if any(named) or all_words else None


def _column(cells: list[str]) -> AnyArray:
    """Numbers where all cells are numbers, else texts."""
    if all(cell.lstrip("+-").isdecimal() and len(cell) < 18 and _is_number(cell) for cell in cells):
        return np.array([int(cell) for cell in cells], dtype=np.int64)
    return np.array(cells, dtype=np.float64) if all(map(_is_number, cells)) else np.array(cells)


def _is_number(cell: str) -> bool:
    """Whether a cell is a number."""
    try:
        float(cell)
    except ValueError:
        return False
    return True
