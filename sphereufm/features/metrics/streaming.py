"""The two passes over a file: in chunks, on one or several processors, resumable.

Rows are cut into chunks of a fixed size; each chunk's statistics are computed apart and merged in the order of the
chunks.  So one process, several processes and a run that was killed and resumed give the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from sphereufm.errors import InvalidInputError
from sphereufm.features.feature_set import FeatureSet
from sphereufm.features.metrics.checkpoint import Checkpoint
from sphereufm.features.metrics.companion import Companion
from sphereufm.features.metrics.statistics import (
    BLOCK_ROWS,
    CHUNK_ROWS,
    Array,
    ClassMoments,
    Frame,
    Rows,
    Scatter,
    class_moments,
    scatter,
)
from sphereufm.features.readers import MemorySource, finite_blocks, row_range
from sphereufm.features.readers.plain.ranges import SkippingSource
from sphereufm.parallel import ordered_map

# squares of longer rows overflow, and shorter ones vanish
_LONGEST, _SHORTEST = 1e100, 1e-100


@dataclass(frozen=True, kw_only=True)
class Streaming:
    """How a file is gone through."""

    workers: int = 1  #: processes on this machine
    scheduler: str | None = None  #: address of a Dask scheduler whose workers are used instead
    #: File that keeps what was done so far; an interrupted run resumes from it to the same result, and it is
    #: removed at the end.
    checkpoint: str | None = None
    #: Called with the number of rows done in this pass, the number of all, and the pass, 1 or 2.
    progress: Callable[[int, int, int], None] | None = None


def first_pass(data: FeatureSet, normalize: bool, how: Streaming, kept: Checkpoint) -> ClassMoments:
    """Counts, means and norms.

    Raises InvalidInputError if a row holds NaN or infinity, or rows are so long or so short that squares
    leave double precision.
    """
    state = kept.load("moments")
    done, moments = (0, None) if state is None else (state[0], ClassMoments(**_moments_from(state[1])))
    centre = _centre(data, normalize) if moments is None else moments.centre
    tasks = ((rows, centre, data.classes) for rows in _chunks(data, normalize, done))
    for part in ordered_map(_moments_task, tasks, how.workers, how.scheduler):
        moments = part if moments is None else moments.merge(part)
        done += 1
        kept.save("moments", done, vars(moments))
        _report(how, done, data, 1)
    assert moments is not None
    _check_lengths(data.features.name, moments)
    kept.save("moments", done, vars(moments), at_once=True)
    return moments


def second_pass(
    data: FeatureSet,
    frame: Frame,
    normalize: bool,
    how: Streaming,
    kept: Checkpoint,
    companion: Companion | None = None,
) -> Scatter:
    """Scatter about the class means, and decisions; the companion gathers what it wants of the same blocks.

    Raises InvalidInputError if a row holds NaN or infinity.
    """
    state = kept.load("scatter")
    done, total = (0, None) if state is None else (state[0], Scatter(**_scatter_from(state[1])))
    if state is not None and companion is not None:
        head = "companion."
        companion.restore({k[len(head) :]: a for k, a in state[1].items() if k.startswith(head)})
    maker = None if companion is None else companion.maker()
    tasks = ((rows, frame, maker) for rows in _chunks(data, normalize, done))
    for part, gathered in ordered_map(_scatter_task, tasks, how.workers, how.scheduler):
        total = part if total is None else total.merge(part)
        done += 1
        if companion is not None:
            companion.absorb(gathered)
        more = {} if companion is None else {f"companion.{k}": a for k, a in companion.arrays().items()}
        kept.save("scatter", done, vars(total) | more)
        _report(how, done, data, 2)
    assert total is not None
    return total


def _moments_task(task: tuple[Rows, Array, int]) -> ClassMoments:
    """First pass over one chunk, in a worker."""
    return class_moments(*task)


def _scatter_task(
    task: tuple[Rows, Frame, Callable[[], Companion] | None],
) -> tuple[Scatter, Companion | None]:
    """Second pass over one chunk, in a worker."""
    rows, frame, maker = task
    own = None if maker is None else maker()
    return scatter(rows, frame, own), own


def _chunks(data: FeatureSet, normalize: bool, done: int) -> Iterator[Rows]:
    """The chunks from number ``done`` on; a file that cannot be entered in the middle is read through once."""
    whole, N = data.features, data.features.shape[0]
    starts = range(done * CHUNK_ROWS, N, CHUNK_ROWS)
    if not starts:
        return
    if _is_read_from_its_beginning(row_range(whole, 0, 1)):
        rest = whole if done == 0 else row_range(whole, starts[0], N)
        sources: Iterator[Any] = (
            MemorySource(name=whole.name, array=block.copy()) for block in rest.blocks(CHUNK_ROWS)
        )
    else:
        sources = (row_range(whole, start, min(start + CHUNK_ROWS, N)) for start in starts)
    for start, source in zip(starts, sources, strict=True):
        labels = data.labels[start : start + CHUNK_ROWS]
        yield Rows(source=source, labels=labels, first_row=start, normalize=normalize)


def _is_read_from_its_beginning(source: Any) -> bool:
    """Whether a run of rows, or what it is a view of, can only be reached through the rows before it."""
    return isinstance(source, SkippingSource) or (
        hasattr(source, "source") and _is_read_from_its_beginning(source.source)
    )


def _centre(data: FeatureSet, normalize: bool) -> Array:
    """Mean of the first rows; in single precision where the data are, so that subtracting it is exact."""
    source = data.features
    first = next(finite_blocks(source, BLOCK_ROWS)).astype(np.float64)
    if normalize:
        lengths = np.linalg.norm(first, axis=1, keepdims=True)
        first /= np.where(lengths == 0.0, 1.0, lengths)
        return first.mean(axis=0)
    centre: Array = first.mean(axis=0)
    if source.dtype.itemsize <= 4 and source.dtype.kind == "f":
        centre = centre.astype(np.float32).astype(np.float64)
    return centre


def _check_lengths(name: str, moments: ClassMoments) -> None:
    """Refuse rows whose squares leave double precision."""
    low, high = moments.norms
    if high > _LONGEST or 0.0 < high < _SHORTEST:
        raise InvalidInputError(
            f"{name} has rows of length {low:.3g} to {high:.3g}, but the longest must lie between "
            f"{_SHORTEST:g} and {_LONGEST:g}; rescale the features"
        )


def _report(how: Streaming, done: int, data: FeatureSet, number: int) -> None:
    """Tell the caller how far the pass is."""
    if how.progress is not None:
        samples = data.features.shape[0]
        how.progress(min(done * CHUNK_ROWS, samples), samples, number)


def _moments_from(arrays: dict[str, Any]) -> dict[str, Any]:
    """Fields of :class:`ClassMoments` from the arrays of a file."""
    return {
        "centre": arrays["centre"],
        "counts": arrays["counts"].astype(np.intp),
        "sums": arrays["sums"],
        "squares": float(arrays["squares"]),
        "least_entry": float(arrays["least_entry"]),
        "norms": (float(arrays["norms"][0]), float(arrays["norms"][1])),
        "zero_rows": int(arrays["zero_rows"]),
    }


def _scatter_from(arrays: dict[str, Any]) -> dict[str, Any]:
    """Fields of :class:`Scatter` from the arrays of a file; a missing count is one that was not known."""
    counts = {
        name: int(arrays[name]) if name in arrays else None for name in ("classifier_hits", "agreements")
    }
    return {
        "squares": arrays["squares"],
        "products": arrays["products"],
        "class_squares": arrays["class_squares"],
        "mean_hits": int(arrays["mean_hits"]),
        **counts,
    }
