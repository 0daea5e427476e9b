"""Sources that show another source in another form: pooled, transposed, without some rows, columns side by side.

=====================  ===========================================================
source                 shows
=====================  ===========================================================
``PooledSource``       ``(N, C, H, W)`` as ``(N, C)``: means over places, or the one place there is
``TransposedSource``   ``(d, N)`` as ``(N, d)``, where the file does not store strides
``KeptRows``           the rows that a mask keeps
``TableMatrix``        vectors of one length as the columns of a matrix
=====================  ===========================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sphereufm.errors import InvalidInputError, check_integer
from sphereufm.features.readers.plain.narrow import unit_roundoff
from sphereufm.features.readers.plain.ranges import row_range
from sphereufm.features.readers.source import AnyArray, ArraySource, MemorySource
from sphereufm.features.readers.stored import StoredArray

# rows that are gathered where whole blocks would be thrown away
_ROWS = 4096


@dataclass(frozen=True, kw_only=True, eq=False)
class PooledSource:
    """Means over all axes behind the second; a single place is taken as it is."""

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
        parts = [block.copy() for block in self.blocks(_ROWS)]
        return np.concatenate(parts) if parts else np.empty(self.shape, self.dtype)

    def run_of_rows(self, start: int, stop: int) -> ArraySource:
        """A run of rows."""
        return replace(self, source=row_range(self.source, start, stop))


@dataclass(frozen=True, kw_only=True, eq=False)
class KeptRows:
    """The rows of a source that a mask keeps.

    Examples
    --------
    >>> whole = MemorySource(name="x", array=np.arange(5))
    >>> KeptRows(source=whole, keep=np.array([True, False, True, True, False])).read()
    array([0, 2, 3])
    """

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
        step = check_integer("rows", rows, 1)
        buffer = np.empty((min(step, self.shape[0]), *self.shape[1:]), self.dtype)
        filled = at = 0
        for block in self.source.blocks(step):
            wanted = block[self.keep[at : at + len(block)]]
            at += len(block)
            while len(wanted):
                count = min(len(wanted), step - filled)
                buffer[filled : filled + count] = wanted[:count]
                filled, wanted = filled + count, wanted[count:]
                if filled == step:
                    yield buffer
                    filled = 0
        if filled:
            yield buffer[:filled]

    def read(self) -> AnyArray:
        """Return the kept rows."""
        return np.asarray(self.source.read()[self.keep])

    def run_of_rows(self, start: int, stop: int) -> ArraySource:
        """A run of the kept rows."""
        places = np.flatnonzero(self.keep)[start:stop]
        low, high = (int(places[0]), int(places[-1]) + 1) if places.size else (0, 0)
        return replace(self, source=row_range(self.source, low, high), keep=self.keep[low:high])


@dataclass(frozen=True, kw_only=True, eq=False)
class TableMatrix:
    """Vectors in memory, side by side."""

    name: str
    columns: tuple[str, ...]
    parts: dict[str, MemorySource]

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""
        return (*self.parts[self.columns[0]].shape, len(self.columns))

    @property
    def dtype(self) -> np.dtype[Any]:
        """One type for all columns."""
        return np.result_type(*(self.parts[c].dtype for c in self.columns))

    def blocks(self, rows: int) -> Iterator[AnyArray]:
        """Row blocks."""
        yield from MemorySource(name=self.name, array=self.read()).blocks(rows)

    def read(self) -> AnyArray:
        """Return the matrix."""
        return np.stack([self.parts[c].read() for c in self.columns], axis=1).astype(self.dtype, copy=False)

    def without(self, names: frozenset[str] | set[str]) -> TableMatrix:
        """The matrix without some columns."""
        return replace(self, columns=tuple(c for c in self.columns if c not in names))


def pooled(source: ArraySource, pool: str | None) -> ArraySource:
    """Features of two axes from what has more; axes of length one are dropped, others need ``pool``.

    Raises InvalidInputError if there are places to be averaged without a pooling, or no pooling makes
    features of the shape.
    """
    shape = source.shape
    if len(shape) <= 2:
        return source
    if len(shape) == 3 and shape[1] == 1:  # one token of a sequence
        return PooledSource(source=_swapped(source))
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


def _swapped(source: ArraySource) -> ArraySource:
    """``(N, 1, d)`` as ``(N, d, 1)``."""
    if isinstance(source, StoredArray):
        n, _, d = source.shape
        a, b, c = source.strides
        return replace(source, shape=(n, d, 1), strides=(a, c, b))
    return MemorySource(name=source.name, array=source.read().swapaxes(1, 2))


def transposed(source: ArraySource) -> ArraySource:
    """A matrix with rows and columns exchanged; by strides where the file has them, else in memory."""
    if len(source.shape) != 2:
        raise InvalidInputError(f"{source.name} has shape {source.shape}; only a matrix can be transposed")
    if isinstance(source, StoredArray):
        return replace(source, shape=source.shape[::-1], strides=source.strides[::-1])
    return MemorySource(name=source.name, array=source.read().T)


def stored_rounding(source: ArraySource) -> float:
    """Relative rounding of the numbers as they were saved: the coarsest type among all parts."""
    parts = getattr(source, "parts", None)
    if parts:
        return max(map(stored_rounding, parts.values() if isinstance(parts, dict) else parts))
    inner = getattr(source, "source", None)
    if inner is not None:
        return stored_rounding(inner)
    return unit_roundoff(getattr(source, "stored", source.dtype))
