"""Texts of numbers and names: CSV, TSV, and one value a line.

The first row is a header if one of its cells is no number while the cell below it is.  A column is of numbers if every
cell is one; an empty cell among numbers is a missing one, NaN.  Lines with ``#`` are comments in front of a table, and
in it where they have another width or stand below a number; below names they are names.  Files above 16 MiB are
refused: text of that size is better saved as numbers.

References
----------
``csv`` in the standard library.
"""

from __future__ import annotations

import csv
import io

import numpy as np

from sphereufm.features.readers.limits import MAX_ENTRIES, printable, refused
from sphereufm.features.readers.source import ArraySource, MemorySource, text_source
from sphereufm.features.readers.stored import StoredFile

_MOST_BYTES = 2**24
_LOOKED_AT = 2**14
_MARK = "\ufeff"  # some programs begin a text so
_SEPARATORS = ",;\t "


def looks_like_text(file: StoredFile) -> bool:
    """Whether the beginning is printable text with a digit or a letter in it."""
    head = file.read_at(0, _LOOKED_AT)
    text = head.decode("utf-8", "ignore")
    whole = len(head) - len(text.encode()) <= 3  # a letter may be cut in two at the end
    shown = text.removeprefix(_MARK)
    return whole and any(map(str.isalnum, shown)) and all(c.isprintable() or c in "\r\n\t" for c in shown)


def open_text(file: StoredFile) -> dict[str, ArraySource]:
    """Return the columns of a table by the names of its header, else by their numbers; a lone one is ``"array"``."""
    name = file.name
    if file.size > _MOST_BYTES:
        raise refused(name, f"it is a text of {file.size} bytes; save numbers with numpy.save")
    width, cells = _cells(name, file.read_at(0, file.size))
    header = _header(cells[:width], cells[width : 2 * width])
    begin = width if header else 0
    if len(cells) < begin + 2 * max(width, 1):
        raise refused(name, "it is a text without rows of values; give a table with rows")
    keys = header or [str(i) for i in range(width)]
    if len(set(keys)) != width:
        raise refused(name, "it has two columns of one name; rename one")
    keys = keys if width > 1 else ["array"]
    columns = (cells[begin + i :: width] for i in range(width))
    return {
        key: _column(f"{name}:{printable(key)}", column) for key, column in zip(keys, columns, strict=True)
    }


def _cells(name: str, content: bytes) -> tuple[int, list[str]]:
    """Number of columns, and the cells of all rows that are not empty: in one list, since rows take much memory."""
    width, cells = 0, list[str]()
    try:
        text = content.decode("utf-8").removeprefix(_MARK)
        first = next(
            (line for line in io.StringIO(text, newline=None) if line.strip() and line[0] != "#"), ""
        )
        separator = max(_SEPARATORS, key=lambda s: (first.count(s), -_SEPARATORS.index(s)))
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
        filled = filter(any, ([cell.strip() for cell in line] for line in lines))
        for row in filled:
            if row[0].startswith("#") and _is_comment(row, cells, width):
                continue
            width = width or len(row)
            if len(row) != width or width > MAX_ENTRIES:
                raise refused(name, "it is a text whose rows have different numbers of values, or too many")
            cells += row
    except UnicodeDecodeError as error:
        raise refused(name, "it is a text that is not in UTF-8") from error
    except csv.Error as error:
        raise refused(name, f"it is no table of text: {error}") from error
    return width, cells


def _is_comment(row: list[str], before: list[str], width: int) -> bool:
    """Whether a line with ``#`` is no row of the table before it: of another width, or below a number."""
    return not before or len(row) != width or _is_number(before[-width])


def _header(first: list[str], second: list[str]) -> list[str] | None:
    """The first row, where it names columns of numbers or a role."""
    named = [not _is_number(top) and _is_number(below) for top, below in zip(first, second, strict=False)]
    lone = len(first) == 1 and first[0].lower() not in ("label", "labels")
    all_words = not lone and not any(map(_is_number, first))
    return first if any(named) or all_words else None


def _column(name: str, cells: list[str]) -> ArraySource:
    """Numbers where all cells that are not empty are numbers, else texts."""
    filled = [cell for cell in cells if cell]
    if not filled or not all(map(_is_number, filled)):
        return text_source(name, cells)
    try:
        array = np.array([int(cell) for cell in cells], dtype=np.int64)
    except OverflowError:  # names, since as floats they would lose digits
        return text_source(name, cells)
    except ValueError:
        array = np.array([float(cell or "nan") for cell in cells])
    return MemorySource(name=name, array=array)


def _is_number(cell: str) -> bool:
    """Whether a cell is a number; one with underscores, which Python takes for one, is a name."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell
