"""A run of rows of a source, itself a source: how several processes share one file.

Uncompressed arrays, arrays in memory and shards start at the first row in no time; others read and drop what
comes before.  Sources are plain values that pickle, so a worker gets its range, not its rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np

from sphereufm.errors import InvalidInputError, check_integer
from sphereufm.features.readers.source import AnyArray, ArraySource, JoinedSource, MemorySource
from sphereufm.features.readers.stored import StoredArray


@runtime_checkable
class HasRows(Protocol):
    """A view of another source that knows how to make a view of a run of its rows."""

    def run_of_rows(self, start: int, stop: int) -> ArraySource:
        """Rows ``start .. stop - 1``."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class SkippingSource:
    """Rows ``start .. stop - 1`` of a source that can only be read from its beginning.

    Examples
    --------
    >>> whole = MemorySource(name="x", array=np.arange(10))
    >>> [block.tolist() for block in SkippingSource(source=whole, start=3, stop=8).blocks(2)]
    [[3, 4], [5, 6], [7]]
    """

    source: ArraySource
    start: int
    stop: int

    @property
    def name(self) -> str:
        """Name of the whole, with the range."""
        return f"{self.source.name}[{self.start}:{self.stop}]"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape, rows first."""
        return (self.stop - self.start, *self.source.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the blocks."""
        return self.source.dtype

    def blocks(self, rows: int) -> Iterator[AnyArray]:
        """Row blocks, full but for the last; what comes before is read and dropped."""
        step = check_integer("rows", rows, 1)
        buffer = np.empty((min(step, self.shape[0]), *self.shape[1:]), self.dtype)
        filled = at = 0
        for block in self.source.blocks(step):
            low, high = max(self.start - at, 0), min(self.stop - at, len(block))
            at += len(block)
            while low < high:
                count = min(high - low, step - filled)
                buffer[filled : filled + count] = block[low : low + count]
                filled, low = filled + count, low + count
                if filled == step:
                    yield buffer
                    filled = 0
            if at >= self.stop:
                break
        if filled:
            yield buffer[:filled]

    def read(self) -> AnyArray:
        """Return the rows in one array."""
        parts = [block.copy() for block in self.blocks(2**14)]
        return np.concatenate(parts) if parts else np.empty(self.shape, self.dtype)


def row_range(source: ArraySource, start: int, stop: int) -> ArraySource:
    """Return rows ``start .. stop - 1`` of a source.

    ``source``: at least one axis; ``start`` and ``stop``: ``0 <= start <= stop <= source.shape[0]``.  Raises
    InvalidInputError if the range does not lie in the source.
    """
    low, high = check_integer("start", start, 0), check_integer("stop", stop, 0)
    count = source.shape[0] if source.shape else 0
    if not low <= high <= count:
        raise InvalidInputError(f"rows {low}:{high} do not lie in {source.name}, which has {count} rows")
    if isinstance(source, MemorySource):
        return replace(source, array=source.array[low:high])
    if isinstance(source, StoredArray):
        first = source.offset + low * source.strides[0] * source.stored.itemsize
        return replace(source, offset=first, shape=(high - low, *source.shape[1:]))
    if isinstance(source, JoinedSource):
        return _range_of_parts(source, low, high)
    if isinstance(source, HasRows):
        return source.run_of_rows(low, high)
    return SkippingSource(source=source, start=low, stop=high)


def _range_of_parts(source: JoinedSource, low: int, high: int) -> ArraySource:
    """The parts that a range touches, the outer ones cut."""
    parts, at = [], 0
    for part in source.parts:
        size = part.shape[0]
        first, last = max(low - at, 0), min(high - at, size)
        if first < last:
            parts.append(row_range(part, first, last))
        at += size
    return replace(source, parts=tuple(parts), shape=(high - low, *source.shape[1:]))
