"""Formats that are read by large C and C++ libraries, in a process of their own.

A damaged HDF5 or Parquet file can make its library abort, which no Python code can catch.  So the library runs in a
child process that may not write files, has bounded memory, and sends descriptions and row blocks through a pipe; if it
dies, that is one clear error here.  While this process computes on one block, the child decodes the next.

The child says that it is ready, then sends lines of JSON; a line with ``"rows"`` is followed by that many rows
of plain numbers, and the last line says that this is the end.  Everything it sends is checked against what was asked.
"""

from __future__ import annotations

import importlib.util
import json
import math
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias

import numpy as np

from sphereufm.errors import MissingExtraError, UnreadableFileError, check_integer
from sphereufm.features.readers import limits
from sphereufm.features.readers.source import AnyArray, ArraySource, RefusedSource
from sphereufm.features.readers.stored import StoredFile, read_exactly

Format: TypeAlias = Literal["hdf5", "parquet", "feather", "stream"]
Described: TypeAlias = "dict[str, Any] | str"
"""Shape, type, bytes in the file and texts of an array, as they travel in JSON; or why it is not read."""

READY = b"ready\n"
"""The child's first line: it has started, and what happens from here on is about the file."""

_MAX_LINE = 2**26
_MAX_REASON = 2**16
_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from sphereufm.features.readers.isolated.child import main; main()"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class IsolatedArray:
    """An array that a child process reads, one row block at a time."""

    name: str
    file: StoredFile
    format: Format
    key: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    packed: int  #: its bytes in the file
    categories: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()  #: those of a table that a matrix is made of

    @classmethod
    def of(cls, file: StoredFile, form: Format, key: str, described: dict[str, Any]) -> IsolatedArray:
        """An array as the other process describes it, checked again."""
        name = f"{file.name}:{limits.printable(key)}"
        shape, dtype = limits.check_shape(name, described["shape"]), np.dtype(described["dtype"])
        if dtype.kind not in "biufc" or not dtype.isnative:
            raise limits.refused(name, f"its entries are of type {dtype}; save plain numbers")
        limits.check_expansion(name, math.prod(shape) * dtype.itemsize, described["packed"])
        known: dict[str, Any] = {"key": key, "shape": shape, "dtype": dtype, "packed": described["packed"]}
        known |= {field: tuple(described.get(field, ())) for field in ("categories", "columns")}
        return cls(name=name, file=file, format=form, **known)

    def matrix(self, name: str, columns: tuple[str, ...], dtype: np.dtype[Any]) -> IsolatedArray:
        """Several columns of the same table, side by side."""
        shape = (self.shape[0], len(columns))
        return replace(self, name=name, shape=shape, dtype=dtype, categories=(), columns=columns)

    def blocks(self, rows: int) -> Iterator[AnyArray]:
        """Row blocks, each sent by a child that lives as long as the iteration."""
        step = check_integer("rows", rows, 1)
        count = self.shape[0] if self.shape else 1
        buffer = np.empty((min(step, count), *self.shape[1:]), self.dtype)
        described = {name: getattr(self, name) for name in ("shape", "packed", "categories", "columns")}
        order = {"key": self.key, "rows": step, "array": {**described, "dtype": self.dtype.str}}
        with _child(self.file, self.format, order) as pipe:
            for start in range(0, count, step):
                part = buffer[: count - start]
                self._expect(pipe, {"rows": len(part)})
                read_exactly(pipe, part.reshape(-1).view(np.uint8).data, self.name)
                yield part if self.shape else part.reshape(())
            self._expect(pipe, {"end": True})

    def read(self) -> AnyArray:
        """Return the whole array, if it is in proportion to its bytes in the file."""
        size = math.prod(self.shape) * self.dtype.itemsize
        limits.check_expansion(self.name, size, self.packed, limits.WHOLE_EXPANSION)
        blocks = self.blocks(max(self.shape[0], 1) if self.shape else 1) if size else ()
        return [np.empty(self.shape, self.dtype), *blocks][-1]

    def _expect(self, pipe: BinaryIO, message: dict[str, Any]) -> None:
        """The child must say just this next: more or fewer rows than claimed are an error."""
        if _line(pipe, self.file) != message:
            raise limits.refused(self.name, f"it has not the {self.shape} numbers it claims")


def open_isolated(file: StoredFile, form: Format) -> dict[str, ArraySource]:
    """Return the arrays of a file that a library reads, by key."""
    library, name = "h5py" if form == "hdf5" else "pyarrow", file.name
    if importlib.util.find_spec(library) is None:
        raise MissingExtraError(f'{name} needs {library}; install it with pip install "sphereufm[features]"')
    with _child(file, form, {}) as pipe:
        described = _line(pipe, file).get("arrays")
    if not isinstance(described, dict) or not described:
        raise limits.refused(name, "it holds no arrays; give a file of saved arrays")
    try:
        return listed(file, form, described)
    except (KeyError, TypeError) as error:
        raise _died(file) from error


def listed(file: StoredFile, form: Format, described: Mapping[str, Described]) -> dict[str, ArraySource]:
    """The arrays of a file as the child describes them."""
    found: dict[str, ArraySource] = {}
    for key, item in described.items():
        title = f"{file.name}:{limits.printable(key)}"
        if isinstance(item, str):
            found[key] = RefusedSource(name=title, reason=limits.printable(item, 300))
            continue
        try:
            found[key] = IsolatedArray.of(file, form, key, item)
        except UnreadableFileError as error:
            found[key] = RefusedSource(name=title, reason=limits.why(error))
    return found


@contextmanager
def _child(file: StoredFile, form: Format, task: dict[str, Any]) -> Iterator[BinaryIO]:
    """A child process at work on one file, killed when it is no longer needed."""
    where = {"path": str(file.path.absolute()), "size": file.size, "stamp": file.stamp}
    package = Path(__file__).resolve().parents[4]
    # -P keeps the working directory, where a hostile pyarrow.py may lie, out of the child's path; the package's own
    # folder comes first, so that the child runs this version and no other that is installed.
    command = [sys.executable, "-P", "-c", _START, str(package)]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, bufsize=2**20, **pipes) as process:  # type: ignore[call-overload]
        try:
            with suppress(BrokenPipeError), process.stdin as orders:
                # where the child has ended already, its first line says why
                orders.write(json.dumps({**where, "format": form, **task}).encode())
            if process.stdout.readline(len(READY)) != READY:
                text = process.stderr.read(_MAX_REASON).decode(errors="replace").strip()
                reason = text.splitlines()[-1] if text else f"exit code {process.wait()}"
                raise UnreadableFileError(
                    f"{file.name} cannot be read: the process that reads it could not start "
                    f"({limits.printable(reason, 300)}); try again"
                )
            yield process.stdout
        finally:
            process.kill()


def _line(pipe: BinaryIO, file: StoredFile) -> dict[str, Any]:
    """The child's next line; an error there is raised here."""
    try:
        message = json.loads(pipe.readline(_MAX_LINE))
    except ValueError as error:
        raise _died(file) from error
    if not isinstance(message, dict):
        raise _died(file)
    if "error" in message:
        raise UnreadableFileError(limits.printable(str(message["error"]), 600))
    return message


def _died(file: StoredFile) -> UnreadableFileError:
    """The child is gone without a word."""
    return limits.refused(file.name, "the library that reads it crashed or ran out of memory")
