"""The two passes over a file: in chunks, on one or several processors, resumable.

Rows are cut into chunks of a fixed size; what is gathered of each is absorbed in the order of the chunks.  So one
thread, several threads and a run that was killed and resumed give the same bits.

What a run has done so far is kept in an uncompressed ``.npz`` of plain numbers, written aside and renamed.  It holds a
SHA-256 of everything the result depends on: shape, type and place of the features, labels, classifier, options.  A
checkpoint of something else is refused, not overwritten.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sphereufm.errors import InvalidInputError, OutputError, UnreadableFileError
from sphereufm.features.feature_set import FeatureSet
from sphereufm.features.metrics.companion import Companion, Gathered
from sphereufm.features.metrics.statistics import (
    BLOCK_ROWS,
    Array,
    ClassMoments,
    Frame,
    Rows,
    Scatter,
    chunk_rows,
    class_moments,
    moments_of_nothing,
    scatter,
    scatter_of_nothing,
)
from sphereufm.features.readers import ArraySource, MemorySource, finite_blocks, open_arrays, row_range
from sphereufm.features.readers.views import starts_anywhere
from sphereufm.parallel import Workers
from sphereufm.progress import Progress, silent

# squares of longer rows overflow, and shorter ones vanish
_LONGEST, _SHORTEST = 1e100, 1e-100
_SECONDS_BETWEEN = 5.0  # checkpoints


@dataclass(frozen=True, kw_only=True)
class Streaming:
    """How a file is gone through."""

    workers: int = 1  #: threads of this process
    scheduler: str | None = None  #: address of a Dask scheduler whose workers are used instead
    #: File that keeps what was done so far; an interrupted run resumes from it to the same result, and
    #: it is removed at the end.
    checkpoint: str | None = None
    progress: Progress = silent  #: ``progress("pass 1 of 2", rows done, rows)``


def last_layer(features: FeatureSet, normalize: bool) -> tuple[Array | None, Array | None]:
    """Classifier rows and bias as they are measured."""
    W = features.classifier
    if W is None or not normalize:
        return W, features.bias
    lengths = np.linalg.norm(W, axis=1)
    if not (lengths > 0.0).all():
        raise InvalidInputError(
            f"classifier row {int(np.argmin(lengths))} is zero and has no direction; leave out --normalize"
        )
    return W / lengths[:, None], None


def first_pass(data: FeatureSet, normalize: bool, how: Streaming, kept: Checkpoint) -> ClassMoments:
    """Counts, means and norms."""
    # the same whether the pass was begun before or not
    centre, total = _centre(data, normalize), moments_of_nothing(data.classes, data.features.shape[1])
    run = _Run(stage="moments", number=1, data=data, normalize=normalize, how=how, kept=kept)
    run.through(class_moments, (centre, data.classes), [total])
    sums, most = total.added, total.largest
    moments = ClassMoments(
        centre=centre,
        counts=np.bincount(data.labels, minlength=data.classes).astype(np.intp),
        sums=sums["sums"],
        squares=float(sums["squares"]),
        least_entry=-most["minus_least_entry"],
        norms=(-most["minus_shortest"], most["longest"]),
        zero_rows=int(sums["zero_rows"]),
    )
    low, high = moments.norms
    if high > _LONGEST or 0.0 < high < _SHORTEST:
        raise InvalidInputError(
            f"{data.features.name} has rows of length {low:.3g} to {high:.3g}, but the longest must lie between "
            f"{_SHORTEST:g} and {_LONGEST:g}; rescale the features"
        )
    return moments


def second_pass(
    data: FeatureSet,
    frame: Frame,
    normalize: bool,
    how: Streaming,
    kept: Checkpoint,
    companion: Companion | None = None,
) -> Scatter:
    """Scatter about the class means, and decisions; the companion gathers what it wants of the same blocks."""
    total, beside = scatter_of_nothing(frame), [] if companion is None else [companion.gathered]
    run = _Run(stage="scatter", number=2, data=data, normalize=normalize, how=how, kept=kept)
    run.through(scatter, (frame, None if companion is None else companion.fresh()), [total, *beside])
    return Scatter(**total.added)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Run:
    """A pass over the features."""

    stage: str
    number: int
    data: FeatureSet
    normalize: bool
    how: Streaming
    kept: Checkpoint

    def through(
        self, function: Callable[..., list[Gathered]], shared: tuple[Any, ...], totals: list[Gathered]
    ) -> None:
        """Let the totals absorb what the function gathers of each chunk, from where a checkpoint is."""
        done = self.kept.restore(self.stage, totals)
        how, (samples, dimension) = self.how, self.data.features.shape
        chunks = _chunks(self.data, self.normalize, done)
        with Workers(how.workers, how.scheduler, threads=True) as workers:
            for parts in workers.map(function, chunks, *shared):
                for total, part in zip(totals, parts, strict=True):
                    total.absorb(part)
                done += 1
                self.kept.save(self.stage, done, totals)
                how.progress(f"pass {self.number} of 2", min(done * chunk_rows(dimension), samples), samples)
        self.kept.save(self.stage, done, totals, at_once=True)


def _chunks(data: FeatureSet, normalize: bool, done: int) -> Iterator[Rows]:
    """The chunks from number ``done`` on; a file that cannot be entered in the middle is read through once."""
    whole, (N, dimension) = data.features, data.features.shape
    step = chunk_rows(dimension)
    starts = range(done * step, N, step)
    if not starts:
        return
    sources: Iterator[ArraySource] = (row_range(whole, start, min(start + step, N)) for start in starts)
    if not starts_anywhere(whole):
        rest = whole if done == 0 else row_range(whole, starts[0], N)
        sources = (MemorySource(name=whole.name, array=block.copy()) for block in rest.blocks(step))
    for start, source in zip(starts, sources, strict=True):
        labels = data.labels[start : start + step]
        yield Rows(source=source, labels=labels, first_row=start, normalize=normalize)


def _centre(data: FeatureSet, normalize: bool) -> Array:
    """Mean of the first rows; in single precision where the data are, so that subtracting it is exact."""
    source = data.features
    first: Array = next(finite_blocks(source, BLOCK_ROWS)).astype(np.float64)
    if normalize:
        lengths = np.linalg.norm(first, axis=1, keepdims=True)
        first /= np.where(lengths == 0.0, 1.0, lengths)
    short = not normalize and source.dtype.itemsize <= 4 and source.dtype.kind == "f"
    return first.mean(axis=0).astype(np.float32 if short else np.float64).astype(np.float64)


class Checkpoint:
    """A file with the merged statistics of the chunks done, or nothing where no file is wanted.

    ``identity``: what the result depends on.
    """

    def __init__(self, path: str | None, identity: list[bytes]) -> None:
        self._path = None if path is None else Path(path)
        sha = hashlib.sha256()
        for part in identity:
            sha.update(len(part).to_bytes(8, "little") + part)
        self._identity = sha.digest()
        self._arrays: dict[str, Any] = {}
        self._written = time.monotonic()
        if self._path is not None and self._path.exists():
            self._arrays = _read(self._path)
            if self._arrays.pop("identity").tobytes() != self._identity:
                raise InvalidInputError(
                    f"checkpoint={str(self._path)!r} belongs to other features, labels, classifier or options; "
                    "remove it, or choose another --checkpoint"
                )

    def restore(self, stage: str, totals: Sequence[Gathered]) -> int:
        """Take up the sums of a stage; returns the number of chunks done, 0 where it was not begun."""
        if f"{stage}/done" not in self._arrays:
            return 0
        for number, total in enumerate(totals):
            head = f"{stage}/{number}."
            total.restore({name[len(head) :]: a for name, a in self._arrays.items() if name.startswith(head)})
        return int(self._arrays[f"{stage}/done"])

    def save(self, stage: str, done: int, totals: Sequence[Gathered], at_once: bool = False) -> None:
        """Remember a stage, at most every five seconds unless ``at_once``."""
        if self._path is None or not (at_once or time.monotonic() - self._written >= _SECONDS_BETWEEN):
            return
        for number, total in enumerate(totals):
            self._arrays |= {f"{stage}/{number}.{name}": np.asarray(a) for name, a in total.arrays().items()}
        self._arrays[f"{stage}/done"] = np.asarray(done)
        self._write(self._path)
        self._written = time.monotonic()

    def remove(self) -> None:
        """Remove the file: the run is complete."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _write(self, path: Path) -> None:
        """Write all stages to a temporary name, then rename."""
        aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        identity = np.frombuffer(self._identity, dtype=np.uint8)
        try:
            with open(aside, "wb") as handle:
                np.savez(handle, allow_pickle=False, identity=identity, **self._arrays)
            os.replace(aside, path)
        except OSError as error:
            aside.unlink(missing_ok=True)
            raise OutputError(f"checkpoint={str(path)!r} cannot be written: {error.strerror}") from error


def _read(path: Path) -> dict[str, Any]:
    """All arrays of a checkpoint."""
    arrays = {name: source.read() for name, source in open_arrays(path).items()}
    if "identity" not in arrays or not all(
        name == "identity" or name.startswith(("moments/", "scatter/")) for name in arrays
    ):
        raise UnreadableFileError(
            f"checkpoint={str(path)!r} is not a checkpoint; choose another --checkpoint"
        )
    return arrays
