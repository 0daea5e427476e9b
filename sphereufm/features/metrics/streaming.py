"""The passes over a file: in chunks, on one or several processors, resumable.

Rows are cut into chunks of a fixed size; what is gathered of each is absorbed in the order of the chunks.  So one
thread, several threads and a run that was killed and resumed give the same bits.

What a run has done so far is kept in an uncompressed ``.npz`` of plain numbers, written aside and renamed.  It holds a
SHA-256 of everything the result depends on: shape, type and place of the features, labels, classifier, options.  A
checkpoint of something else is refused, not overwritten.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sphereufm.errors import InvalidInputError, UnreadableFileError
from sphereufm.features.feature_set import FeatureSet
from sphereufm.features.metrics.companion import Array, Companion, Gathered
from sphereufm.features.metrics.statistics import (
    BLOCK_ROWS,
    LONGEST,
    ClassMoments,
    Frame,
    MomentsPass,
    Rows,
    Scatter,
    check_longest,
    chunk_rows,
    make_unit,
    row_lengths,
)
from sphereufm.features.readers import open_arrays
from sphereufm.features.readers.source import ArraySource, MemorySource, finite_blocks
from sphereufm.features.readers.views import row_range, starts_anywhere
from sphereufm.files import write_aside
from sphereufm.parallel import Workers
from sphereufm.progress import Progress, silent

_SECONDS_BETWEEN = 5.0  # checkpoints
_LAYOUT = b"3"  # of checkpoints
_STAGES = {"moments": "pass 1 of 2", "scatter": "pass 2 of 2", "more": "one more pass"}


@dataclass(frozen=True, kw_only=True)
class Streaming:
    """How a file is gone through."""

    workers: int = 1  #: threads of this process
    scheduler: str | None = None  #: address of a Dask scheduler whose workers are used instead
    #: File that keeps what was done so far: an interrupted run resumes from it to the same result; removed at the end.
    checkpoint: str | None = None
    progress: Progress = silent  #: ``progress("pass 1 of 2", rows done, rows)``


class Checkpoint:
    """A file with the merged statistics of the chunks done, or nothing where no file is wanted.

    ``identity``: what the result depends on.
    """

    def __init__(self, path: str | None = None, identity: Iterable[bytes] = ()) -> None:
        self._path = None if path is None else Path(path)
        sha = hashlib.sha256(_LAYOUT)
        for part in identity:
            sha.update(len(part).to_bytes(8, "little") + part)
        self._arrays: dict[str, Any] = {"identity": np.frombuffer(sha.digest(), dtype=np.uint8)}
        self._written = time.monotonic()
        if self._path is not None and self._path.exists():
            held = {name: source.read() for name, source in open_arrays(self._path).items()}
            if "identity" not in held or {name.partition("/")[0] for name in held} - {"identity", *_STAGES}:
                raise UnreadableFileError(
                    f"checkpoint={str(path)!r} is not a checkpoint; choose another --checkpoint"
                )
            if held["identity"].tobytes() != sha.digest():
                raise InvalidInputError(
                    f"checkpoint={str(path)!r} belongs to other features, labels, classifier or options, or to another "
                    "version; remove it, or choose another --checkpoint"
                )
            self._arrays = held

    def restore(self, stage: str, total: Gathered) -> int:
        """Take up what a stage has gathered; returns the number of chunks done, 0 where it was not begun."""
        head = f"{stage}/"
        held = {name.removeprefix(head): a for name, a in self._arrays.items() if name.startswith(head)}
        if held:
            total.restore(held)
        return int(held.get("done", 0))

    def save(self, stage: str, done: int, total: Gathered, at_once: bool = False) -> None:
        """Remember a stage, at most every five seconds unless ``at_once``."""
        path = self._path
        if path is None or not (at_once or time.monotonic() - self._written >= _SECONDS_BETWEEN):
            return
        self._arrays |= {f"{stage}/{name}": np.asarray(a) for name, a in total.arrays().items()}
        self._arrays[f"{stage}/done"] = np.asarray(done)

        def write(aside: Path) -> None:
            with open(aside, "wb") as handle:
                np.savez(handle, allow_pickle=False, **self._arrays)

        write_aside(path, write)
        self._written = time.monotonic()

    def remove(self) -> None:
        """Remove the file: the run is complete."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


@dataclass(frozen=True, kw_only=True, eq=False)
class Passes:
    """Passes over the same features."""

    data: FeatureSet
    normalize: bool
    how: Streaming
    kept: Checkpoint

    @property
    def counts(self) -> NDArray[np.intp]:
        """Samples of each class."""
        return np.bincount(self.data.labels, minlength=self.data.classes).astype(np.intp)

    def moments(self) -> ClassMoments:
        """Counts, means and norms."""
        data = self.data
        centre = _centre(data, self.normalize)  # the same whether the pass was begun before or not
        found = self._through("moments", MomentsPass(centre=centre, classes=data.classes))
        most, sums = found.largest, found.added["sums"]
        check_longest(data.features.name, most["longest"])
        return ClassMoments(
            centre=centre,
            counts=self.counts,
            means=sums / np.maximum(self.counts, 1)[:, None],
            mean=sums.sum(axis=0) / len(data.labels),
            squares=float(found.added["squares"]),
            least_entry=-most["minus_least_entry"],
            norms=(-most["minus_shortest"], most["longest"]),
            zero_rows=int(found.added["zero_rows"]),
        )

    def scatter(self, frame: Frame, companion: Companion | None = None) -> tuple[Scatter, Gathered]:
        """Scatter about the class means, and decisions; and what the companion gathers of the same blocks."""
        found = self._through("scatter", replace(frame, companion=companion))
        own = {name: found.added[name] for name in frame.nothing().added}
        return Scatter(frame=frame, counts=self.counts, **own), found

    def more(self, frame: Frame, companion: Companion) -> Gathered:
        """What another companion gathers in one more pass, of which no checkpoint is kept."""
        bare = replace(frame, basis=frame.basis[:, :0], places=frame.places[:, :0], full=False)
        return replace(self, kept=Checkpoint())._through("more", replace(bare, companion=companion))

    def _through(self, stage: str, what: MomentsPass | Frame) -> Gathered:
        """What is gathered of all chunks, from where a checkpoint is."""
        total, how, (N, dimension) = what.nothing(), self.how, self.data.features.shape
        done = self.kept.restore(stage, total)
        with Workers(how.workers, how.scheduler, threads=True) as workers:
            for part in workers.map(_gather, self._chunks(done), what):
                total.absorb(part)
                done += 1
                self.kept.save(stage, done, total)
                how.progress(_STAGES[stage], min(done * chunk_rows(dimension), N), N)
        self.kept.save(stage, done, total, at_once=True)
        return total

    def _chunks(self, done: int) -> Iterator[Rows]:
        """The chunks from number ``done`` on; a file that cannot be entered in the middle is read through once."""
        whole, (N, dimension) = self.data.features, self.data.features.shape
        step = chunk_rows(dimension)
        starts = range(done * step, N, step)
        sources: Iterator[ArraySource] = (row_range(whole, start, min(start + step, N)) for start in starts)
        if starts and not starts_anywhere(whole):
            rest = whole if done == 0 else row_range(whole, starts[0], N)
            sources = (MemorySource(name=whole.name, array=block.copy()) for block in rest.blocks(step))
        for start, source in zip(starts, sources, strict=True):
            labels = self.data.labels[start : start + step]
            yield Rows(source=source, labels=labels, first_row=start, normalize=self.normalize)


def last_layer(features: FeatureSet, normalize: bool) -> tuple[Array | None, Array | None]:
    """Classifier rows and bias as they are measured."""
    W, bias = features.classifier, features.bias
    if W is None:
        return None, None
    if not normalize:
        check_longest("classifier", row_lengths(W).max())
        if bias is not None and np.abs(bias).max() > LONGEST:
            raise InvalidInputError(f"bias has entries above {LONGEST:g}; rescale the last layer")
        return W, bias
    W = W.copy()
    lengths = make_unit(W)
    if not lengths.all():
        raise InvalidInputError(
            f"classifier row {int(np.argmin(lengths))} is zero and has no direction; leave out --normalize"
        )
    return W, None


def _gather(rows: Rows, what: MomentsPass | Frame) -> Gathered:
    """A chunk, by a worker."""
    return what.over(rows)


def _centre(data: FeatureSet, normalize: bool) -> Array:
    """Mean of the first rows; in single precision where the data are, so that subtracting it is exact."""
    first: Array = next(finite_blocks(data.features, BLOCK_ROWS)).astype(np.float64)
    kind = data.features.dtype
    if normalize:
        make_unit(first)
    short = not normalize and kind.itemsize <= 4 and kind.kind == "f"
    return first.mean(axis=0).astype(np.float32 if short else np.float64).astype(np.float64)
