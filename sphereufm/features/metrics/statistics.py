r"""Statistics of classes, streamed over row blocks in float64 and mergeable.

Two passes.  The first gives the class means ``m_k`` about a centre ``c`` near the data, the mean of the first rows; the
second looks at residuals ``r_i = h_i - c - m_{y_i}`` about them, rows of ``R``, so nothing cancels.  Of these it keeps
``S = sum_i B^T r_i r_i^T B`` with ``B``, shape ``(d, r)``, an orthonormal basis of the span of the centred class means,
or the identity.

Sums about a common centre, and scatter of residuals about the final means, add up.  Rows are cut into the same chunks
whoever works on them: results do not depend on the number of workers, to the last bit.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sphereufm.errors import InvalidInputError
from sphereufm.features.metrics.companion import Array, Companion, Gathered, View, add_to_classes
from sphereufm.features.readers.source import ArraySource, finite_blocks

# a block of 512 x 2048 doubles is 8 MB: two of them stay near the processor
BLOCK_ROWS = 512
CHUNK_ROWS = 64 * BLOCK_ROWS
# entries of a chunk, which is held whole where a file cannot be entered in the middle: 64 MB in single precision
_CHUNK_ENTRIES = 1 << 24
# entries that stay near the processor while they are gone through several times: a megabyte of doubles
_NEAR_ENTRIES = 1 << 17
# squares of longer rows overflow, and shorter ones vanish
LONGEST, _SHORTEST = 1e100, 1e-100


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """A run of rows to be measured."""

    source: ArraySource  #: features, shape ``(n, d)``
    labels: NDArray[np.intp]  #: shape ``(n,)``
    first_row: int  #: number of its first row in the whole, for messages
    normalize: bool  #: whether each row is divided by its length; zero rows stay zero

    def blocks(self, rows: int) -> Iterator[tuple[slice, NDArray[Any], NDArray[np.intp]]]:
        """Yield blocks of finite rows: which of the whole they are, features, labels."""
        at = 0
        for block in finite_blocks(self.source, rows, self.first_row):
            run = slice(self.first_row + at, self.first_row + at + len(block))
            yield run, block, self.labels[at : at + len(block)]
            at += len(block)


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassMoments:
    """What the first pass knows."""

    centre: Array  #: shape ``(d,)``
    counts: NDArray[np.intp]  #: shape ``(K,)``
    means: Array  #: shape ``(K, d)``: class means relative to the centre; zero where a class is empty
    mean: Array  #: shape ``(d,)``: the sample mean relative to the centre
    squares: float  #: ``sum_i |h_i|^2``
    least_entry: float  #: smallest entry of all features; nonnegative after a ReLU
    norms: tuple[float, float]  #: smallest and largest length of a row as it was saved
    zero_rows: int  #: rows without direction

    @cached_property
    def base(self) -> Array:
        """The class means themselves, ``(K, d)``."""
        return self.means + self.centre

    @cached_property
    def rounding(self) -> float:
        """Length of what sums in another order leave: a few roundings of a feature's, however short class means are."""
        typical = math.sqrt(self.squares / self.counts.sum())
        return rounding_of(float(np.linalg.norm(self.centre) + row_lengths(self.means).max() + typical))

    @cached_property
    def centred(self) -> Array:
        """The class means about the sample mean, ``(K, d)``."""
        return without_rounding(self.means - self.mean, self.rounding)

    @property
    def present(self) -> NDArray[np.bool_]:
        """Which classes have samples."""
        return self.counts > 0

    @property
    def weighted(self) -> Array:
        """``A``, ``(K, d)``, with ``A^T A`` the scatter of the class means, each weighted by its samples."""
        return np.asarray(np.sqrt(self.counts / self.counts.sum())[:, None] * (self.means - self.mean))


@dataclass(frozen=True, kw_only=True, eq=False)
class MomentsPass:
    """The first pass: sums over the classes, about a centre."""

    centre: Array
    classes: int

    def nothing(self) -> Gathered:
        """What it gathers of no rows."""
        sums = {"sums": np.zeros((self.classes, self.centre.size)), "squares": np.zeros(())}
        largest = dict.fromkeys(("minus_least_entry", "minus_shortest", "longest"), -np.inf)
        return Gathered(added={**sums, "zero_rows": np.zeros((), dtype=np.intp)}, largest=largest)

    def over(self, rows: Rows) -> Gathered:
        """Gather a run of rows."""
        found = self.nothing()
        for _, block, y in rows.blocks(near_rows(self.centre.size)):
            H = block.astype(np.float64)
            lengths = measured_lengths(rows.source.name, H, rows.normalize)
            found.raise_to("minus_least_entry", -float(block.min()))
            found.raise_to("minus_shortest", -lengths.min())
            found.raise_to("longest", lengths.max())
            found.added["zero_rows"] += np.count_nonzero(lengths == 0.0)
            found.added["squares"] += np.count_nonzero(lengths) if rows.normalize else lengths @ lengths
            H -= self.centre
            add_to_classes(found.added["sums"], H, y)
        return found


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """The second pass: residuals about the class means, and decisions; a companion gathers more of each block."""

    moments: ClassMoments
    basis: Array  #: B, shape ``(d, r)``
    places: Array  #: shape ``(K, r)``: class means in the basis, about the sample mean
    sizes: Array  #: shape ``(r,)``: singular values of the centred class means, one for each direction
    full: bool  #: whether the scatter is kept in all d directions
    classifier: Array | None  #: rows, shape ``(K, d)``
    bias: Array | None  #: shape ``(K,)``
    #: Shape ``(K, K)``: in row k those of the classifier with the mean of class k.
    mean_products: Array | None
    companion: Companion | None = None

    def nothing(self) -> Gathered:
        """What it gathers of no rows."""
        (K, r), d = self.places.shape, self.moments.centre.size
        size = d if self.full else r
        hits = ("mean_hits", "classifier_hits", "agreements")
        sums = {"squares": np.zeros(K), "products": np.zeros((size, size)), "class_squares": np.zeros((K, r))}
        found = Gathered(added={**sums, **{name: np.zeros((), dtype=np.intp) for name in hits}})
        if self.companion is not None:
            self.companion.begin(found)
        return found

    def over(self, rows: Rows) -> Gathered:
        """Gather a run of rows."""
        found, moments, W, (K, r) = self.nothing(), self.moments, self.classifier, self.places.shape
        sums = found.added
        # one product with the basis and the classifier
        directions = self.basis if W is None else np.concatenate([self.basis, W.T], axis=1)
        half_squares = 0.5 * np.square(self.places).sum(axis=1)
        half_squares[~moments.present] = np.inf
        for run, block, y in rows.blocks(BLOCK_ROWS):
            R, squares, lengths = _residuals(rows, block, y, moments)
            sums["squares"] += np.bincount(y, weights=squares, minlength=K)
            seen = R @ directions
            Y = seen[:, :r]
            sums["products"] += R.T @ R if self.full else Y.T @ Y
            add_to_classes(sums["class_squares"], np.square(Y), y)
            Y += self.places[y]
            nearest = np.argmax(Y @ self.places.T - half_squares, axis=1)
            sums["mean_hits"] += np.count_nonzero(nearest == y)
            if self.mean_products is not None:
                logits = seen[:, r:] + self.mean_products[y]
                if self.companion is not None:
                    view = View(rows=run, residuals=R, labels=y, products=logits, lengths=lengths)
                    self.companion.add(found, view)
                choice = np.argmax(logits if self.bias is None else logits + self.bias, axis=1)
                sums["classifier_hits"] += np.count_nonzero(choice == y)
                sums["agreements"] += np.count_nonzero(choice == nearest)
        return found


@dataclass(frozen=True, kw_only=True, eq=False)
class Scatter:
    """What both passes know."""

    frame: Frame
    counts: NDArray[np.intp]  #: shape ``(K,)``: samples of the second pass, which may be held out
    squares: Array  #: shape ``(K,)``: ``sum |h_i - m_k|^2`` over each class
    products: Array  #: shape ``(r, r)`` or ``(d, d)``: ``S`` of the module
    class_squares: Array  #: shape ``(K, r)``: squared coordinates of residuals, summed over each class
    #: Numbers of samples whose nearest class mean is that of their label; with a classifier, whose label is its choice;
    #: whose nearest class mean is its choice.
    mean_hits: NDArray[np.intp]
    classifier_hits: NDArray[np.intp]
    agreements: NDArray[np.intp]


def chunk_rows(dimension: int) -> int:
    """Rows of a chunk, a multiple of those of a block."""
    return BLOCK_ROWS * max(1, min(CHUNK_ROWS, _CHUNK_ENTRIES // dimension) // BLOCK_ROWS)


def near_rows(dimension: int) -> int:
    """Rows that stay near the processor."""
    return max(16, min(BLOCK_ROWS, _NEAR_ENTRIES // dimension))


def rounding_of(length: float) -> float:
    """What may be rounding in means of vectors of such a length."""
    return 16.0 * sys.float_info.epsilon * length


def without_rounding(A: Array, rounding: float) -> Array:
    """Rows, those that are no longer than rounding replaced by zero: they have no direction."""
    return A * (row_lengths(A) > rounding)[:, None]


def check_longest(name: str, length: float) -> None:
    """Refuse rows of which the longest has such a length."""
    if length > LONGEST or 0.0 < length < _SHORTEST:
        raise InvalidInputError(
            f"{name} has rows of length up to {length:.3g}, but the longest must lie between {_SHORTEST:g} and "
            f"{LONGEST:g}; rescale them"
        )


def measured_lengths(name: str, H: Array, normalize: bool) -> Array:
    """Lengths of some of the rows of ``name``, which are divided by them where that is wanted."""
    lengths = make_unit(H) if normalize else row_lengths(H)
    if lengths.max() > LONGEST:  # at once: nothing can be squared
        check_longest(name, lengths.max())
    return lengths


def make_unit(H: Array) -> Array:
    """Divide each row by its length, but for zero rows, in place; returns the lengths."""
    lengths = row_lengths(H)
    H /= np.where(lengths == 0.0, 1.0, lengths)[:, None]
    return lengths


def row_lengths(H: Array) -> Array:
    """Lengths of rows; scaled where squares would overflow or vanish."""
    lengths = np.sqrt(np.einsum("nd,nd->n", H, H))
    odd = ~((lengths > 1e-140) & (lengths < 1e140))
    if odd.any():
        top = np.abs(H[odd]).max(axis=1)
        scale = np.where(top == 0.0, 1.0, top)
        lengths[odd] = scale * np.sqrt(np.square(H[odd] / scale[:, None]).sum(axis=1))
    return lengths


def _residuals(
    rows: Rows, block: NDArray[np.generic], y: NDArray[np.intp], moments: ClassMoments
) -> tuple[Array, Array, Array | None]:
    """``h_i - c - m_{y_i}``, the centre first, where the difference is nearly exact; squared lengths; ``|h_i|``."""
    R, squares, lengths = np.empty(block.shape), np.empty(len(block)), np.empty(len(block))
    step = near_rows(block.shape[1])
    for start in range(0, len(block), step):
        part = slice(start, start + step)
        H = R[part]
        H[...] = block[part]
        lengths[part] = measured_lengths(rows.source.name, H, rows.normalize)
        H -= moments.centre
        # row by row: gathering the means first would write them all to memory
        for label, row in zip(y[part].tolist(), H, strict=True):
            row -= moments.means[label]
        squares[part] = np.einsum("nd,nd->n", H, H)
    return R, squares, None if rows.normalize else lengths
