"""Arrays that lie uncompressed in a file: read by offset, shape and strides.

An element with index ``i`` lies at ``offset + itemsize * sum_a i_a * strides_a``.  Blocks are filled by
``readinto``, not by mapping: mapped pages would count as resident memory, and a file that shrinks under a
map kills the process.  Strided views (slices and transposes of a larger storage) are read in spans: a span
that holds much more than the wanted elements is halved along its longest axis.
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from sphereufm.errors import UnreadableFileError, check_integer
from sphereufm.features.readers.limits import check_expansion, printable
from sphereufm.features.readers.plain.narrow import delivered_dtype
from sphereufm.features.readers.source import AnyArray

_SPAN_BYTES = 2**16  # spans up to this size are read whole, whatever share of them is wanted


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """A regular file, and what identified it when it was first opened."""

    path: Path
    size: int
    stamp: tuple[int, int, int]

    @classmethod
    def at(cls, path: str | os.PathLike[str]) -> StoredFile:
        """Identify the file at ``path``.

        Raises UnreadableFileError if there is no such file, it is a device or a pipe, or it is mostly a hole.
        """
        where = Path(path)
        try:
            status = os.stat(where)
        except (OSError, ValueError) as error:
            raise UnreadableFileError(
                f"path={str(where)!r} cannot be opened: {_reason(error)}; give a saved file"
            ) from error
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableFileError(f"path={str(where)!r} is not a regular file; give a saved file")
        used = getattr(status, "st_blocks", 0) * 512
        if used:
            check_expansion(f"{printable(where.name)} (a file with holes)", status.st_size, used)
        stamp = (status.st_dev, status.st_ino, status.st_mtime_ns)
        return cls(path=where, size=status.st_size, stamp=stamp)

    @property
    def name(self) -> str:
        """The file's name, for messages."""
        return printable(self.path.name)

    def open(self) -> BinaryIO:
        """Open the file for reading.

        Raises UnreadableFileError if it cannot be opened, or is no longer the file that was identified.
        """
        try:
            handle = open(self.path, "rb", buffering=0)  # noqa: SIM115  (the caller closes it)
        except OSError as error:
            raise UnreadableFileError(
                f"path={str(self.path)!r} cannot be opened: {_reason(error)}"
            ) from error
        status = os.fstat(handle.fileno())
        if (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size) != (*self.stamp, self.size):
            handle.close()
            raise UnreadableFileError(f"{self.name} changed while it was read; read a finished file")
        return handle

    def read_at(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes from ``offset``, fewer at the end of the file."""
        with self.open() as handle:
            handle.seek(offset)
            return _read_up_to(handle, min(size, max(self.size - offset, 0)))


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredArray:
    """An uncompressed array inside a file."""

    name: str  #: for messages: ``"file.npz:feats"``
    file: StoredFile  #: where it lies
    offset: int  #: first byte of element ``(0, ..., 0)``
    stored: np.dtype[Any]  #: type on the disk, any byte order, or one of ml_dtypes
    #: ``shape`` and ``strides``: lengths and steps in elements; steps are nonnegative.  The caller has
    #: checked that all elements lie inside the file.
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    #: ``negate`` and ``conjugate``: lazy sign and conjugation, as torch saves them.
    negate: bool = False
    conjugate: bool = False

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the blocks."""
        return delivered_dtype(self.stored)

    def blocks(self, rows: int) -> Iterator[AnyArray]:
        """Row blocks, read one at a time."""
        step = check_integer("rows", rows, 1)
        if not self.shape:
            yield self.read()
            return
        count, row_shape = self.shape[0], self.shape[1:]
        buffer = np.empty((min(step, count), *row_shape), self.stored)
        with self.file.open() as handle:
            for start in range(0, count, step):
                part = buffer[: min(step, count - start)]
                self._fill(handle, self.offset + start * self.strides[0] * self.stored.itemsize, part)
                yield deliver(part, self.negate, self.conjugate)

    def read(self) -> AnyArray:
        """Return the whole array."""
        whole = np.empty(self.shape, self.stored)
        with self.file.open() as handle:
            self._fill(handle, self.offset, whole)
        return deliver(whole, self.negate, self.conjugate)

    def _fill(self, handle: BinaryIO, offset: int, part: AnyArray) -> None:
        """Read the elements of ``part`` (C-contiguous) from a first byte and the strides."""
        if part.size == 0:
            return
        itemsize = self.stored.itemsize
        useful = part.size
        span = 1 + sum((n - 1) * s for n, s in zip(part.shape, self.strides, strict=True))
        if span == useful and is_contiguous(part.shape, self.strides):
            handle.seek(offset)
            read_exactly(handle, part.reshape(-1).view(np.uint8).data, self.name)
        elif span <= 2 * useful or span * itemsize <= _SPAN_BYTES:
            raw = np.empty(span, self.stored)
            handle.seek(offset)
            read_exactly(handle, raw.view(np.uint8).data, self.name)
            steps = tuple(s * itemsize for s in self.strides)
            part[...] = np.lib.stride_tricks.as_strided(raw, part.shape, steps)
        else:
            axis = max(range(part.ndim), key=lambda a: (part.shape[a] - 1) * self.strides[a])
            half = part.shape[axis] // 2
            first, second = np.split(part, [half], axis=axis)
            self._fill_piece(handle, offset, first)
            self._fill_piece(handle, offset + half * self.strides[axis] * itemsize, second)

    def _fill_piece(self, handle: BinaryIO, offset: int, piece: AnyArray) -> None:
        """Fill a piece that may not be contiguous in memory."""
        if piece.flags.c_contiguous:
            self._fill(handle, offset, piece)
        else:
            own = np.empty(piece.shape, piece.dtype)
            self._fill(handle, offset, own)
            piece[...] = own


def contiguous_strides(shape: tuple[int, ...], fortran: bool = False) -> tuple[int, ...]:
    """Steps in elements of a packed array, last axis fastest (first axis for ``fortran``)."""
    if fortran:
        return tuple(math.prod(shape[:a]) for a in range(len(shape)))
    return tuple(math.prod(shape[a + 1 :]) for a in range(len(shape)))


def read_exactly(handle: BinaryIO, view: memoryview, name: str) -> None:
    """Fill ``view`` from ``handle``.

    Raises UnreadableFileError if the file ends first.
    """
    done = 0
    while done < len(view):
        try:
            count = handle.readinto(view[done:])  # type: ignore[attr-defined]
        except OSError as error:
            raise UnreadableFileError(f"{name} cannot be read: {_reason(error)}") from error
        if not count:
            raise UnreadableFileError(f"{name} ends {len(view) - done} bytes early; the file is truncated")
        done += count


def deliver(part: AnyArray, negate: bool = False, conjugate: bool = False) -> AnyArray:
    """Native numbers from stored ones: byte order, booleans 0 or 1, narrow floats widened to float32, lazy signs."""
    if part.dtype.kind == "b":
        native: AnyArray = part.view(np.uint8) != 0
    else:
        native = part.astype(delivered_dtype(part.dtype), copy=False)
    if conjugate:
        native = np.conjugate(native)
    return np.negative(native) if negate else native


def is_contiguous(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    """Whether the elements are packed in C order; axes of length 1 do not matter."""
    packed = contiguous_strides(shape)
    return all(n == 1 or s == p for n, s, p in zip(shape, strides, packed, strict=True))


def _read_up_to(handle: BinaryIO, size: int) -> bytes:
    """Read until ``size`` bytes or the end of the file."""
    pieces = []
    while size > 0 and (piece := handle.read(min(size, 2**24))):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def _reason(error: Exception) -> str:
    """The system's words for an error, without the path again."""
    return getattr(error, "strerror", None) or str(error)
