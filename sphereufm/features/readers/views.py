"""Sources that show another source in another form: pooled, transposed, some of its rows.

Uncompressed arrays, arrays in memory and shards of them start at any row in no time; others read and drop what comes
before.  Sources are plain values that pickle, so a worker gets its range, not its rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sphereufm.errors import InvalidInputError, check_integer
from sphereufm.features.readers.plain.narrow import unit_roundoff
from sphereufm.features.readers.plain.stored_array import StoredArray
from sphereufm.features.readers.source import (
    AnyArray,
    ArraySource,
    JoinedSource,
    MemorySource,
    full_blocks,
    read_blocks,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class PooledSource:
    """``(N, C, H, W)`` as ``(N, C)``: means over all axes behind the second; a single place is taken as it is."""

    source: ArraySource

    @property
    def name(self) -> str:
        """What is pooled."""
        return self.source.name

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and channels."""
        return self.source.shape[:2]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Double where means are taken."""
        return self.source.dtype if self._single else np.dtype(np.float64)

    @property
    def _single(self) -> bool:
        """Whether there is one place."""
        return all(n == 1 for n in self.source.shape[2:])

    def blocks(self, rows: int) -> Iterator[AnyArray]:
        """Pooled row blocks."""
        for block in self.source.blocks(rows):
            flat = block.reshape(len(block), block.shape[1], -1)
            yield flat[:, :, 0] if self._single else flat.mean(axis=2, dtype=np.float64)

    def read(self) -> AnyArray:
        """Return all rows, pooled."""
        return read_blocks(self)


@dataclass(frozen=True, kw_only=True, eq=False)
class KeptRows:
    """The rows of a source that a mask keeps."""

    source: ArraySource
    keep: NDArray[np.bool_]

    @property
    def name(self) -> str:
        """What the rows are of."""
        return self.source.name

    @property
    def shape(self) -> tuple[int, ...]:
        """Kept rows first."""
        return (int(np.count_nonzero(self.keep)), *self.source.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the blocks."""
        return self.source.dtype

    def blocks(self, rows: int) -> Iterator[AnyArray]:
        """Row blocks, full but for the last."""
        return full_blocks(self._pieces(rows), self, rows)

    def read(self) -> AnyArray:
        """Return the kept rows."""
        return read_blocks(self)

    def _pieces(self, rows: int) -> Iterator[AnyArray]:
        """Kept rows of each block, up to the last of them."""
        at, stop = 0, int(np.flatnonzero(self.keep)[-1]) + 1 if self.keep.any() else 0
        for block in self.source.blocks(rows) if stop else ():
            yield block[self.keep[at : at + len(block)]]
            at += len(block)
            if at >= stop:
                break


def row_range(source: ArraySource, start: int, stop: int) -> ArraySource:
    """Return rows ``start .. stop - 1`` of a source."""
    low, high = check_integer("start", start, 0), check_integer("stop", stop, 0)
    count = source.shape[0] if source.shape else 0
    if not low <= high <= count:
        raise InvalidInputError(f"rows {low}:{high} do not lie in {source.name}, which has {count} rows")
    if isinstance(source, JoinedSource):
        return _range_of_parts(source, low, high)
    if isinstance(source, PooledSource):
        return replace(source, source=row_range(source.source, low, high))
    if isinstance(source, KeptRows):
        places = np.flatnonzero(source.keep)[low:high]
        first, last = (int(places[0]), int(places[-1]) + 1) if places.size else (0, 0)
        return KeptRows(source=row_range(source.source, first, last), keep=source.keep[first:last])
    if isinstance(source, MemorySource):
        return replace(source, array=source.array[low:high])
    if isinstance(source, StoredArray) and starts_anywhere(source):
        offset = source.offset + low * source.strides[0] * source.stored.itemsize
        return replace(source, offset=offset, shape=(high - low, *source.shape[1:]))
    places = np.arange(count)
    return KeptRows(source=source, keep=(places >= low) & (places < high))


def starts_anywhere(source: ArraySource) -> bool:
    """Whether a run of rows can be reached without those before it."""
    if isinstance(source, (PooledSource, KeptRows)):
        return starts_anywhere(source.source)
    if isinstance(source, JoinedSource):
        return all(map(starts_anywhere, source.parts))
    return isinstance(source, MemorySource) or (isinstance(source, StoredArray) and source.entry is None)


def pooled(source: ArraySource, pool: str | None) -> ArraySource:
    """Features of two axes from what has more; axes of length one are dropped, others need ``pool``."""
    shape = source.shape
    if len(shape) <= 2:
        return source
    if len(shape) == 3 and shape[1] == 1:  # one token of a sequence
        return PooledSource(source=_turned(source, (0, 2, 1)))
    if all(n == 1 for n in shape[2:]) or (len(shape) == 4 and pool == "mean"):
        return PooledSource(source=source)
    if len(shape) == 4:
        raise InvalidInputError(
            f"{source.name} has shape {shape}, channels by places; average over the places with --pool mean"
        )
    raise InvalidInputError(
        f"{source.name} has shape {shape}, but features must be (N, d), one row a sample; flatten or pool it first, or "
        "name others as FILE:KEY"
    )


def transposed(source: ArraySource) -> ArraySource:
    """A matrix with rows and columns exchanged."""
    if len(source.shape) != 2:
        raise InvalidInputError(f"{source.name} has shape {source.shape}; only a matrix can be transposed")
    return _turned(source, (1, 0))


def stored_rounding(source: ArraySource) -> float:
    """Relative rounding of the numbers as they were saved: the coarsest type among all parts."""
    if isinstance(source, JoinedSource):
        return max(map(stored_rounding, source.parts))
    if isinstance(source, (PooledSource, KeptRows)):
        return stored_rounding(source.source)
    return unit_roundoff(getattr(source, "stored", source.dtype))


def _turned(source: ArraySource, axes: tuple[int, ...]) -> ArraySource:
    """Axes in another order; by strides where the file has them, else in memory."""
    if isinstance(source, StoredArray):
        shape, strides = (tuple(lengths[a] for a in axes) for lengths in (source.shape, source.strides))
        return replace(source, shape=shape, strides=strides)
    return MemorySource(name=source.name, array=source.read().transpose(axes))


def _range_of_parts(source: JoinedSource, low: int, high: int) -> ArraySource:
    """The parts that a range touches, the outer ones cut."""
    parts, at = [], 0
    for part in source.parts:
        first, last = max(low - at, 0), min(high - at, part.shape[0])
        if first < last:
            parts.append(row_range(part, first, last))
        at += part.shape[0]
    return replace(source, parts=tuple(parts), shape=(high - low, *source.shape[1:]))
