"""Arrays that lie in a file, as they are or deflated in an archive: read by offset, shape and strides.

An element with index ``i`` lies at ``offset + itemsize * sum_a i_a * strides_a``.  Blocks are filled by
``readinto``, not by mapping: mapped pages would count as resident memory, and a file that shrinks under a
map kills the process.  Strided views (slices and transposes of a larger storage) are read in spans: a span
that holds much more than the wanted elements is halved along its longest axis.

Rows that follow one another in a deflated entry stream through a bounded decompressor; any other order of the numbers
needs the whole entry in memory, within the limits for that.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from sphereufm.errors import check_integer
from sphereufm.features.readers.limits import WHOLE_EXPANSION, check_expansion
from sphereufm.features.readers.plain.narrow import delivered_dtype
from sphereufm.features.readers.plain.zips import ZipEntry, inflate
from sphereufm.features.readers.source import AnyArray
from sphereufm.features.readers.stored import StoredFile, read_exactly

_SPAN_BYTES = 2**16  # spans up to this size are read whole, whatever share of them is wanted
_PIECE = 2**20


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredArray:
    """An array inside a file."""

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
    entry: ZipEntry | None = None  #: the deflated entry in which bytes count; None for the file itself

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the blocks."""
        return delivered_dtype(self.stored)

    def blocks(self, rows: int) -> Iterator[AnyArray]:
        """Row blocks, read one at a time."""
        step = check_integer("rows", rows, 1)
        if not self.shape:
            yield self.read()
        elif self.entry is not None and not _is_contiguous(self.shape, self.strides):
            whole = self.read()
            for start in range(0, len(whole), step):
                yield whole[start : start + step]
        else:
            buffer = np.empty((min(step, self.shape[0]), *self.shape[1:]), self.stored)
            parts = (buffer[: self.shape[0] - start] for start in range(0, self.shape[0], step))
            for part in self._in_place(parts) if self.entry is None else self._inflated(self.entry, parts):
                yield self._delivered(part)

    def read(self) -> AnyArray:
        """Return the whole array; a deflated one if its entry is in proportion to its compressed size."""
        whole = np.empty(self.shape, self.stored)
        if self.entry is not None:
            check_expansion(self.name, self.entry.size, self.entry.packed, WHOLE_EXPANSION)
            raw = b"".join(inflate(self.file, self.entry))
            if whole.size:
                span = _span(whole.shape, self.strides)
                whole[...] = self._seen(np.frombuffer(raw, self.stored, span, self.offset), whole)
        else:
            with self.file.open() as handle:
                self._fill(handle, self.offset, whole)
        return self._delivered(whole)

    def _seen(self, packed: AnyArray, part: AnyArray) -> AnyArray:
        """A span of elements by the strides, in the shape of ``part``."""
        steps = tuple(s * self.stored.itemsize for s in self.strides)
        return np.lib.stride_tricks.as_strided(packed, part.shape, steps)

    def _delivered(self, part: AnyArray) -> AnyArray:
        """Native numbers with their lazy signs."""
        native = np.conjugate(deliver(part)) if self.conjugate else deliver(part)
        return np.negative(native) if self.negate else native

    def _in_place(self, parts: Iterator[AnyArray]) -> Iterator[AnyArray]:
        """Fill consecutive blocks from the file."""
        at = self.offset
        with self.file.open() as handle:
            for part in parts:
                self._fill(handle, at, part)
                at += len(part) * self.strides[0] * self.stored.itemsize
                yield part

    def _inflated(self, entry: ZipEntry, parts: Iterator[AnyArray]) -> Iterator[AnyArray]:
        """Fill consecutive blocks from the decompressor, to the end of the entry, where it is checked."""
        stream = _Stream(inflate(self.file, entry))
        for start in range(0, self.offset, _PIECE):
            skipped = bytearray(min(_PIECE, self.offset - start))
            read_exactly(stream, memoryview(skipped), self.name)
        for part in parts:
            read_exactly(stream, part.reshape(-1).view(np.uint8).data, self.name)
            yield part
        for _ in stream.pieces:
            pass

    def _fill(self, handle: BinaryIO, offset: int, part: AnyArray) -> None:
        """Read the elements of ``part`` from a first byte and the strides."""
        itemsize, span = self.stored.itemsize, _span(part.shape, self.strides)
        if part.size == 0:
            return
        if not part.flags.c_contiguous:
            own = np.empty(part.shape, part.dtype)
            self._fill(handle, offset, own)
            part[...] = own
        elif _is_contiguous(part.shape, self.strides):
            handle.seek(offset)
            read_exactly(handle, part.reshape(-1).view(np.uint8).data, self.name)
        elif span <= 2 * part.size or span * itemsize <= _SPAN_BYTES:
            raw = np.empty(span, self.stored)
            handle.seek(offset)
            read_exactly(handle, raw.view(np.uint8).data, self.name)
            part[...] = self._seen(raw, part)
        else:
            axis = max(range(part.ndim), key=lambda a: (part.shape[a] - 1) * self.strides[a])
            half = part.shape[axis] // 2
            first, second = np.split(part, [half], axis=axis)
            self._fill(handle, offset, first)
            self._fill(handle, offset + half * self.strides[axis] * itemsize, second)


class _Stream:
    """Byte pieces that are read like a file."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.pieces, self.left = pieces, memoryview(b"")

    def readinto(self, view: memoryview) -> int:
        """Fill the beginning of ``view``; returns how much of it."""
        if not len(self.left):
            self.left = memoryview(next(self.pieces, b""))
        piece, self.left = self.left[: len(view)], self.left[len(view) :]
        view[: len(piece)] = piece
        return len(piece)


def contiguous_strides(shape: tuple[int, ...], fortran: bool = False) -> tuple[int, ...]:
    """Steps in elements of a packed array, last axis fastest (first axis for ``fortran``)."""
    return tuple(math.prod(shape[:a] if fortran else shape[a + 1 :]) for a in range(len(shape)))


def deliver(part: AnyArray) -> AnyArray:
    """Native numbers from stored ones: byte order, booleans 0 or 1, narrow floats widened to float32."""
    if part.dtype.kind == "b":
        return part.view(np.uint8) != 0
    return part.astype(delivered_dtype(part.dtype), copy=False)


def _is_contiguous(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    """Whether the elements are packed in C order; axes of length 1 do not matter."""
    packed = contiguous_strides(shape)
    return all(n == 1 or s == p for n, s, p in zip(shape, strides, packed, strict=True))


def _span(shape: tuple[int, ...], strides: tuple[int, ...]) -> int:
    """Elements from the first to the last."""
    return 1 + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
