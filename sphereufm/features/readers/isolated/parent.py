"""Formats that are read by large C and C++ libraries, in a process of their own.

A damaged HDF5 or Parquet file can make its library abort, which no Python code can catch (one changed byte
does it in Parquet's size statistics).  So the library runs in a child process that may not write files, has
bounded memory, and sends descriptions and row blocks through a pipe; if it dies, that is one clear error
here.  While this process computes on one block, the child decodes the next.

The child says that it is ready, then sends lines of JSON; a line with ``"rows"`` is followed by that many rows
of plain numbers, and the last line says that this is the end.  Everything it sends is checked against what was asked.
"""

from __future__ import annotations

import importlib.util
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias

import numpy as np

from sphereufm.errors import MissingExtraError, UnreadableFileError, check_integer
from sphereufm.features.readers.limits import WHOLE_EXPANSION, check_expansion, check_shape, printable
from sphereufm.features.readers.source import AnyArray, ArraySource, RefusedSource
from sphereufm.features.readers.stored import StoredFile, read_exactly

Format: TypeAlias = Literal["hdf5", "parquet", "feather", "stream"]

_LIBRARIES = {"hdf5": "h5py", "parquet": "pyarrow", "feather": "pyarrow", "stream": "pyarrow"}
_MAX_LINE = 2**26
_MAX_REASON = 2**16
READY = b"ready\n"
"""The child's first line: it has started, and what happens from here on is about the file."""

_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from sphereufm.features.readers.isolated.child import main; main()"
)


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One array of a file, as the child describes it: plain values that travel as JSON."""

    key: str
    columns: tuple[str, ...] = ()  #: the dataset, or columns of a table, that it is made of
    shape: tuple[int, ...] = ()
    dtype: str = "|O"
    stored: int = 0  #: bytes in the file
    refused: str = ""  #: a reason, or empty
    names: tuple[str, ...] = ()  #: what the numbers of a column of texts stand for

    @classmethod
    def of(cls, item: dict[str, Any]) -> Listed:
        """The description that travelled as JSON, where tuples become lists."""
        plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in item.items()}
        return cls(**plain)


@dataclass(frozen=True, kw_only=True, eq=False)
class IsolatedArray:
    """An array that a child process reads, one row block at a time."""

    name: str
    file: StoredFile
    format: Format
    listed: Listed
    columns: tuple[str, ...] = ()  #: those of a table that a matrix is made of

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape, rows first."""
        return self.listed.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the blocks."""
        return np.dtype(self.listed.dtype)

    @property
    def categories(self) -> tuple[str, ...]:
        """Texts that the numbers stand for; empty where they are numbers."""
        return self.listed.names

    def matrix(self, name: str, columns: tuple[str, ...], dtype: np.dtype[Any]) -> IsolatedArray:
        """Several columns of the same table, side by side."""
        shape = (self.shape[0], len(columns))
        listed = replace(self.listed, key=name, columns=columns, shape=shape, dtype=dtype.str)
        return replace(self, name=name, listed=listed, columns=columns)

    def without(self, names: set[str]) -> IsolatedArray:
        """A matrix without some of its columns."""
        kept = tuple(c for c in self.columns if c not in names)
        return self if kept == self.columns else self.matrix(self.name, kept, self.dtype)

    def blocks(self, rows: int) -> Iterator[AnyArray]:
        """Row blocks, each sent by a child that lives as long as the iteration."""
        step = check_integer("rows", rows, 1)
        count = self.shape[0] if self.shape else 1
        buffer = np.empty((min(step, count), *self.shape[1:]), self.dtype)
        with _child(self.file, self.format, {"listed": asdict(self.listed), "rows": step}) as pipe:
            for start in range(0, count, step):
                part = buffer[: count - start]
                self._expect(pipe, {"rows": len(part)})
                read_exactly(pipe, part.reshape(-1).view(np.uint8).data, self.name)
                yield part if self.shape else part.reshape(())
            self._expect(pipe, {"end": True})

    def read(self) -> AnyArray:
        """Return the whole array, if it is in proportion to its bytes in the file."""
        size = math.prod(self.shape) * self.dtype.itemsize
        check_expansion(self.name, size, self.listed.stored, WHOLE_EXPANSION)
        blocks = self.blocks(max(self.shape[0], 1) if self.shape else 1) if size else ()
        return [np.empty(self.shape, self.dtype), *blocks][-1]

    def _expect(self, pipe: BinaryIO, message: dict[str, Any]) -> None:
        """The child must say just this next: more or fewer rows than claimed are an error."""
        if _line(pipe, self.file) != message:
            raise UnreadableFileError(
                f"{self.name} has not the {self.shape} numbers it claims; save it again"
            )


def open_isolated(file: StoredFile, form: Format) -> dict[str, ArraySource]:
    """Return the arrays of a file that a library reads, by key."""
    library, name = _LIBRARIES[form], file.name
    if importlib.util.find_spec(library) is None:
        raise MissingExtraError(f'{name} needs {library}; install it with pip install "sphereufm[features]"')
    with _child(file, form, {}) as pipe:
        described = _line(pipe, file).get("arrays")
    if not isinstance(described, list) or not described:
        raise UnreadableFileError(f"{name} holds no arrays")
    try:
        return {item["key"]: _source(file, form, item) for item in described}
    except (KeyError, TypeError) as error:
        raise _died(file) from error


def _source(file: StoredFile, form: Format, item: dict[str, Any]) -> ArraySource:
    """One described array, with its shape and type checked again on this side."""
    title = f"{file.name}:{printable(item['key'])}"
    if item["refused"]:
        return RefusedSource(name=title, reason=printable(item["refused"]))
    listed = Listed.of({**item, "shape": check_shape(title, item["shape"])})
    dtype = np.dtype(listed.dtype)
    if dtype.kind not in "biufc" or not dtype.isnative:
        raise UnreadableFileError(f"{title} has entries of type {dtype}; save plain numbers instead")
    check_expansion(title, math.prod(listed.shape) * dtype.itemsize, listed.stored)
    return IsolatedArray(name=title, file=file, format=form, listed=listed)


@contextmanager
def _child(file: StoredFile, form: Format, task: dict[str, Any]) -> Iterator[BinaryIO]:
    """A child process at work on one file, killed when it is no longer needed."""
    order = {
        "path": str(file.path.absolute()),
        "size": file.size,
        "stamp": file.stamp,
        "format": form,
        **task,
    }
    package = Path(__file__).resolve().parents[4]
    # -P keeps the working directory, where a hostile pyarrow.py may lie, out of the child's path; the package's own
    # folder comes first, so that the child runs this version and no other that is installed.
    command = [sys.executable, "-P", "-c", _START, str(package)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=2**20
    )
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise UnreadableFileError(f"{file.name} cannot be read: no pipe to the reading process")
    try:
        try:
            with process.stdin as orders:
                orders.write(json.dumps(order).encode())
        except BrokenPipeError:
            pass  # its first line, or the want of it, says why
        if process.stdout.readline(len(READY)) != READY:
            raise _not_started(file, process)
        yield process.stdout  # type: ignore[misc]  # a BufferedReader reads like a BinaryIO
    except BrokenPipeError as error:
        raise _died(file) from error
    finally:
        process.kill()
        process.stdout.close()
        process.stderr.close()
        process.wait()


def _not_started(file: StoredFile, process: subprocess.Popen[bytes]) -> UnreadableFileError:
    """The child ended before it looked at the file, which is not to blame."""
    text = process.stderr.read(_MAX_REASON).decode(errors="replace") if process.stderr is not None else ""
    reason = printable(text.strip().splitlines()[-1] if text.strip() else f"exit code {process.wait()}", 300)
    return UnreadableFileError(
        f"{file.name} cannot be read: the process that reads it could not start ({reason}); try again"
    )


def _line(pipe: BinaryIO, file: StoredFile) -> dict[str, Any]:
    """The child's next line; an error there is raised here."""
    try:
        message = json.loads(pipe.readline(_MAX_LINE))
    except ValueError as error:
        raise _died(file) from error
    if not isinstance(message, dict):
        raise _died(file)
    if "error" in message:
        raise UnreadableFileError(printable(str(message["error"]), 600))
    return message


def _died(file: StoredFile) -> UnreadableFileError:
    """The child is gone without a word."""
    return UnreadableFileError(
        f"{file.name} is damaged or hostile: the library that reads it crashed or ran out of memory"
    )
