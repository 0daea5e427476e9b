r"""Statistics of classes, streamed over row blocks in float64 and mergeable.

Two passes.  The first gives the class means, the second looks at residuals about them, so nothing cancels:

============  ===========  ==============================================================================
symbol        shape        meaning
============  ===========  ==============================================================================
``c``         ``(d,)``     a centre near the data: the mean of the first rows
``n_k``       ``(K,)``     samples of class k
``m_k``       ``(K, d)``   class means, relative to ``c``
``R``         ``(n, d)``   residuals ``h_i - c - m_{y_i}`` of a block
``B``         ``(d, r)``   orthonormal basis of the span of the centred class means
``S``         ``(r, r)``   ``sum_i B^T r_i r_i^T B``; with ``B = I`` the whole scatter matrix
============  ===========  ==============================================================================

Sums about a common centre, and scatter of residuals about the final means, add up.  Rows are cut into the same chunks
whoever works on them: results do not depend on the number of workers, to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sphereufm.features.metrics.companion import Companion, Gathered, View, add_to_classes
from sphereufm.features.readers import ArraySource, finite_blocks

Array = NDArray[np.float64]

# a block of 512 x 2048 doubles is 8 MB: two of them stay near the processor
BLOCK_ROWS = 512
CHUNK_ROWS = 64 * BLOCK_ROWS
# entries of a chunk, which is held whole where a file cannot be entered in the middle: 64 MB in single precision
_CHUNK_ENTRIES = 1 << 24


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """A run of rows to be measured."""

    source: ArraySource  #: features, shape ``(n, d)``
    labels: NDArray[np.intp]  #: shape ``(n,)``
    first_row: int  #: number of its first row in the whole, for messages
    normalize: bool  #: whether each row is divided by its length; zero rows stay zero


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassMoments:
    """What the first pass knows."""

    centre: Array  #: shape ``(d,)``
    counts: NDArray[np.intp]  #: shape ``(K,)``
    sums: Array  #: shape ``(K, d)``: sums of ``h_i - centre`` over each class
    squares: float  #: ``sum_i |h_i|^2``
    least_entry: float  #: smallest entry of all features; nonnegative after a ReLU
    norms: tuple[float, float]  #: smallest and largest length of a row as it was saved
    zero_rows: int  #: rows without direction

    @cached_property
    def means(self) -> Array:
        """Class means relative to the centre, ``(K, d)``; zero where a class is empty."""
        return self.sums / np.maximum(self.counts, 1)[:, None]

    @cached_property
    def base(self) -> Array:
        """The class means themselves, ``(K, d)``."""
        return self.means + self.centre

    @cached_property
    def mean(self) -> Array:
        """The sample mean relative to the centre."""
        return np.asarray(self.sums.sum(axis=0) / self.counts.sum())

    @property
    def present(self) -> NDArray[np.bool_]:
        """Which classes have samples."""
        return self.counts > 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """What the second pass looks through."""

    moments: ClassMoments
    places: Array  #: shape ``(K, r)``: class means in the basis, about the sample mean
    sizes: Array  #: shape ``(r,)``: singular values of the centred class means, one for each direction
    full: bool  #: whether the scatter is kept in all d directions
    #: Shape ``(d, r)`` or ``(d, r + K)``: the basis B and, where there is one, the classifier: one product with both.
    directions: Array
    #: Shape ``(K, K)`` or None: row k: the classifier's products with the mean of class k.
    mean_products: Array | None
    bias: Array | None  #: shape ``(K,)`` or None: added to products for logits

    @property
    def basis(self) -> Array:
        """B, shape ``(d, r)``."""
        return self.directions[:, : self.places.shape[1]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Scatter:
    """What the second pass knows."""

    squares: Array  #: shape ``(K,)``: ``sum |h_i - m_k|^2`` over each class
    products: Array  #: shape ``(r, r)`` or ``(d, d)``: ``S`` of the module
    #: Shape ``(K, r)``: squared coordinates of residuals in the basis, summed over each class.
    class_squares: Array
    #: Numbers of samples whose nearest class mean is that of their label; with a classifier, whose label is its choice;
    #: whose nearest class mean is its choice.
    mean_hits: NDArray[np.intp]
    classifier_hits: NDArray[np.intp]
    agreements: NDArray[np.intp]


def chunk_rows(dimension: int) -> int:
    """Rows of a chunk, a multiple of those of a block."""
    return BLOCK_ROWS * max(1, min(CHUNK_ROWS, _CHUNK_ENTRIES // dimension) // BLOCK_ROWS)


def moments_of_nothing(classes: int, dimension: int) -> Gathered:
    """What the first pass gathers, of no rows."""
    return Gathered(
        added={
            "sums": np.zeros((classes, dimension)),
            "squares": np.zeros(()),
            "zero_rows": np.zeros((), dtype=np.intp),
        },
        largest=dict.fromkeys(("minus_least_entry", "minus_shortest", "longest"), -np.inf),
    )


def class_moments(rows: Rows, centre: Array, classes: int) -> list[Gathered]:
    """First pass over a run of rows."""
    found, at = moments_of_nothing(classes, centre.size), 0
    for block in finite_blocks(rows.source, near_rows(centre.size), rows.first_row):
        H = block.astype(np.float64)
        lengths = _lengths(H)
        found.raise_to("minus_least_entry", -float(block.min()))
        found.raise_to("minus_shortest", -lengths.min())
        found.raise_to("longest", lengths.max())
        found.added["zero_rows"] += np.count_nonzero(lengths == 0.0)
        if rows.normalize:
            H /= np.where(lengths == 0.0, 1.0, lengths)[:, None]
            lengths = np.minimum(lengths / np.where(lengths == 0.0, 1.0, lengths), 1.0)
        with np.errstate(over="ignore"):  # rows of such lengths are refused when all norms are known
            found.added["squares"] += lengths @ lengths
        H -= centre
        add_to_classes(found.added["sums"], H, rows.labels[at : at + len(block)])
        at += len(block)
    return [found]


def scatter_of_nothing(frame: Frame) -> Gathered:
    """What the second pass gathers, of no rows."""
    (K, r), d = frame.places.shape, frame.moments.centre.size
    size = d if frame.full else r
    sums = {"squares": np.zeros(K), "products": np.zeros((size, size)), "class_squares": np.zeros((K, r))}
    hits = ("mean_hits", "classifier_hits", "agreements")
    return Gathered(added={**sums, **{name: np.zeros((), dtype=np.intp) for name in hits}})


def scatter(rows: Rows, frame: Frame, like: Companion | None = None) -> list[Gathered]:
    """Second pass over a run of rows; a companion like the given one gathers what it wants of each block."""
    (K, r), at, moments = frame.places.shape, 0, frame.moments
    found, companion = scatter_of_nothing(frame), None if like is None else like.fresh()
    sums = found.added
    base_squares, middle = np.einsum("kd,kd->k", moments.base, moments.base), moments.mean + moments.centre
    half_squares = 0.5 * np.square(frame.places).sum(axis=1)
    half_squares[~moments.present] = np.inf
    for block in finite_blocks(rows.source, BLOCK_ROWS, rows.first_row):
        y = rows.labels[at : at + len(block)]
        R, lengths = _residuals(block, y, moments, rows.normalize)
        sums["squares"] += np.bincount(y, weights=lengths, minlength=K)
        seen = R @ frame.directions
        Y = seen[:, :r]
        sums["products"] += R.T @ R if frame.full else Y.T @ Y
        add_to_classes(sums["class_squares"], np.square(Y), y)
        if companion is not None and not rows.normalize:
            # |h|^2 = |r|^2 + 2 <r, m> + |m|^2, where m - middle lies in the span of the basis
            lengths += 2.0 * (np.einsum("nr,nr->n", Y, frame.places[y]) + R @ middle) + base_squares[y]
        Y += frame.places[y]
        nearest = np.argmax(Y @ frame.places.T - half_squares, axis=1)
        sums["mean_hits"] += np.count_nonzero(nearest == y)
        if frame.mean_products is not None:
            logits = seen[:, r:] + frame.mean_products[y]
            if companion is not None:
                sizes = None if rows.normalize else np.sqrt(np.maximum(lengths, 0.0))
                first = rows.first_row + at
                run = slice(first, first + len(block))
                companion.add(View(rows=run, residuals=R, labels=y, products=logits, lengths=sizes))
            choice = np.argmax(logits if frame.bias is None else logits + frame.bias, axis=1)
            sums["classifier_hits"] += np.count_nonzero(choice == y)
            sums["agreements"] += np.count_nonzero(choice == nearest)
        at += len(block)
    return [found] if companion is None else [found, companion.gathered]


def near_rows(dimension: int) -> int:
    """Rows of which a megabyte of doubles stays near the processor while it is gone through several times."""
    return max(16, min(BLOCK_ROWS, (1 << 17) // dimension))


def _residuals(
    block: NDArray[np.generic], y: NDArray[np.intp], moments: ClassMoments, normalize: bool
) -> tuple[Array, Array]:
    """``h_i - c - m_{y_i}``, the centre first, where the difference is nearly exact; and squared lengths."""
    R, squares, step = np.empty(block.shape), np.empty(len(block)), near_rows(block.shape[1])
    for start in range(0, len(block), step):
        part = slice(start, start + step)
        H = R[part]
        if normalize:
            H[...] = block[part]
            lengths = _lengths(H)
            H /= np.where(lengths == 0.0, 1.0, lengths)[:, None]
            H -= moments.centre
        else:
            np.subtract(block[part], moments.centre, out=H, dtype=np.float64)
        # row by row: gathering the means first would write them all to memory
        for label, row in zip(y[part].tolist(), H, strict=True):
            row -= moments.means[label]
        squares[part] = np.einsum("nd,nd->n", H, H)
    return R, squares


def _lengths(H: Array) -> Array:
    """Lengths of rows; scaled where squares would overflow or vanish."""
    lengths = np.sqrt(np.einsum("nd,nd->n", H, H))
    odd = ~((lengths > 1e-140) & (lengths < 1e140))
    if odd.any():
        top = np.abs(H[odd]).max(axis=1)
        scale = np.where(top == 0.0, 1.0, top)
        lengths[odd] = scale * np.sqrt(np.square(H[odd] / scale[:, None]).sum(axis=1))
    return lengths
