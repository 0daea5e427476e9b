"""Sources that show others in another form: pooled, transposed, some of their rows or columns.

Uncompressed arrays, arrays in memory and shards of them start at any row in no time; others read and drop what comes
before.  Sources are plain values that pickle, so a worker gets its range, not its rows.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sphereufm.errors import InvalidInputError, check_integer
from sphereufm.features.readers.isolated.parent import IsolatedArray
from sphereufm.features.readers.source import ArraySource, MemorySource, SourceView, joined
from sphereufm.features.readers.stored import StoredArray, unit_roundoff


def kept_rows(source: ArraySource, keep: NDArray[np.bool_]) -> SourceView:
    """The rows of a source that a mask keeps."""
    shape = (int(np.count_nonzero(keep)), *source.shape[1:])
    return SourceView(name=source.name, shape=shape, dtype=source.dtype, parts=(source,), keep=keep)


def row_range(source: ArraySource, start: int, stop: int) -> ArraySource:
    """Return rows ``start .. stop - 1`` of a source."""
    low, high = check_integer("start", start, 0), check_integer("stop", stop, 0)
    count = source.shape[0] if source.shape else 0
    if not low <= high <= count:
        raise InvalidInputError(f"rows {low}:{high} do not lie in {source.name}, which has {count} rows")
    shape = (high - low, *source.shape[1:])
    if isinstance(source, SourceView):
        keep = source.keep
        if keep is not None:
            places = np.flatnonzero(keep)[low:high]
            low, high = (int(places[0]), int(places[-1]) + 1) if places.size else (0, 0)
            keep = keep[low:high]
        starts = np.cumsum([0, *(part.shape[0] for part in source.parts)]).tolist()
        pieces = [
            row_range(part, max(low - at, 0), min(high - at, part.shape[0]))
            for at, part in zip(starts, source.parts, strict=False)
            if max(low, at) < min(high, at + part.shape[0])
        ]
        return replace(source, parts=tuple(pieces), shape=shape, keep=keep)
    if isinstance(source, MemorySource):
        return replace(source, array=source.array[low:high])
    if isinstance(source, StoredArray) and starts_anywhere(source):
        offset = source.offset + low * source.strides[0] * source.stored.itemsize
        return replace(source, offset=offset, shape=shape)
    places = np.arange(count)
    return kept_rows(source, (places >= low) & (places < high))


def starts_anywhere(source: ArraySource) -> bool:
    """Whether a run of rows can be reached without those before it."""
    if isinstance(source, SourceView):
        return all(map(starts_anywhere, source.parts))
    return isinstance(source, MemorySource) or (isinstance(source, StoredArray) and not source.file.deflated)


def pooled(source: ArraySource, pool: str | None) -> ArraySource:
    """Features of two axes from what has more; axes of length one are dropped, others need ``pool``."""
    shape = source.shape
    if len(shape) <= 2 or 0 in shape:
        return source
    width = shape[2] if len(shape) == 3 and shape[1] == 1 else shape[1]  # one token of a sequence
    single = math.prod(shape[1:]) == width
    if single or (len(shape) == 4 and pool == "mean"):
        dtype = source.dtype if single else np.dtype(np.float64)
        return SourceView(name=source.name, shape=(shape[0], width), dtype=dtype, parts=(source,))
    if len(shape) == 4:
        fact = f"{source.name} has shape {shape}, channels by places"
        raise InvalidInputError(f"{fact}; average over the places with --pool mean")
    return source


def transposed(source: ArraySource) -> ArraySource:
    """A matrix with rows and columns exchanged; by strides where the file has them, else in memory."""
    if len(source.shape) != 2:
        raise InvalidInputError(f"{source.name} has shape {source.shape}; only a matrix can be transposed")
    if isinstance(source, StoredArray):
        return replace(source, shape=source.shape[::-1], strides=source.strides[::-1])
    return MemorySource(name=source.name, array=source.read().T)


def matrix(name: str, columns: tuple[str, ...], arrays: Mapping[str, ArraySource]) -> ArraySource:
    """Columns of a table side by side; those of one library's file are read together."""
    parts = [arrays[key] for key in columns]
    first, dtype = parts[0], np.result_type(*(part.dtype for part in parts))
    if isinstance(first, IsolatedArray):
        return first.matrix(name, columns, dtype)
    held = np.stack([part.read() for part in parts], axis=1, dtype=dtype)
    return MemorySource(name=name, array=held, columns=columns)


def without(source: ArraySource, names: Collection[str | None]) -> ArraySource:
    """A matrix of a table's columns without some of them; other arrays as they are."""
    columns: tuple[str, ...] = getattr(source, "columns", ())
    kept = [i for i, column in enumerate(columns) if column not in names]
    few = tuple(columns[i] for i in kept)
    if few == columns:
        return source
    if isinstance(source, SourceView):
        return joined(source.name, tuple(without(part, names) for part in source.parts))
    if isinstance(source, IsolatedArray):
        return source.matrix(source.name, few, source.dtype)
    return MemorySource(name=source.name, array=source.read()[:, kept], columns=few)


def stored_rounding(source: ArraySource) -> float:
    """Relative rounding of the numbers as they were saved: the coarsest type among all parts."""
    if isinstance(source, SourceView):
        return max(map(stored_rounding, source.parts), default=0.0)
    return unit_roundoff(getattr(source, "stored", source.dtype))
