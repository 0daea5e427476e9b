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

Partial means merge by Chan's formula, ``m = m_a + (m_b - m_a) n_b / (n_a + n_b)``, written on sums about a common
centre.  Residuals are taken about the final means, where Chan's correction of the scatter vanishes, so partial
scatters add up.  Rows are cut into the same chunks whichever process works on them: results do not depend on the number
of workers, to the last bit.

References
----------
T. Chan, G. Golub, R. LeVeque, *Algorithms for computing the sample variance*, The American Statistician 1983.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sphereufm.features.metrics.companion import Companion, View
from sphereufm.features.readers import ArraySource, finite_blocks

Array = NDArray[np.float64]

# a block of 512 x 2048 doubles is 8 MB: two of them stay near the processor
BLOCK_ROWS = 512
CHUNK_ROWS = 64 * BLOCK_ROWS


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

    def merge(self, other: ClassMoments) -> ClassMoments:
        """Moments of both runs of rows, about this one's centre.

        Examples
        --------
        >>> from sphereufm.features.readers.source import MemorySource
        >>> H, y = np.array([[1.0], [2.0], [6.0]]), np.array([0, 0, 0])
        >>> def part(rows, centre):
        ...     run = Rows(source=MemorySource(name="f", array=H[rows]), labels=y[rows], first_row=0, normalize=False)
        ...     return class_moments(run, np.array([centre]), 1)
        >>> both = part(slice(0, 2), 1.0).merge(part(slice(2, 3), 5.0))
        >>> both.means + both.centre
        array([[3.]])
        """
        moved = other.sums
        if not np.array_equal(self.centre, other.centre):
            moved = moved + other.counts[:, None] * (other.centre - self.centre)
        return ClassMoments(
            centre=self.centre,
            counts=self.counts + other.counts,
            sums=self.sums + moved,
            squares=self.squares + other.squares,
            least_entry=min(self.least_entry, other.least_entry),
            norms=(min(self.norms[0], other.norms[0]), max(self.norms[1], other.norms[1])),
            zero_rows=self.zero_rows + other.zero_rows,
        )

    @property
    def means(self) -> Array:
        """Class means relative to the centre, ``(K, d)``; zero where a class is empty."""
        return self.sums / np.maximum(self.counts, 1)[:, None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """What the second pass looks through."""

    centre: Array  #: shape ``(d,)``
    means: Array  #: shape ``(K, d)``: relative to the centre
    present: NDArray[np.bool_]  #: shape ``(K,)``
    basis: Array  #: shape ``(d, r)``
    places: Array  #: shape ``(K, r)``: class means in the basis, about the sample mean
    full: bool  #: whether the scatter is kept in all d directions
    #: Shape ``(d, r)`` or ``(d, r + K)``: the basis and, where there is one, the classifier: one product with
    #: both.
    directions: Array
    #: Shape ``(K, K)``, or None: row k: the classifier's products with the mean of class k.
    mean_products: Array | None
    bias: Array | None  #: shape ``(K,)``, or None: added to products for logits
    middle: Array  #: shape ``(d,)``: the sample mean itself

    @property
    def base(self) -> Array:
        """The class means themselves, ``(K, d)``."""
        return self.means + self.centre


@dataclass(frozen=True, kw_only=True, eq=False)
class Scatter:
    """What the second pass knows."""

    squares: Array  #: shape ``(K,)``: ``sum |h_i - m_k|^2`` over each class
    products: Array  #: shape ``(r, r)`` or ``(d, d)``: ``S`` of the module
    #: Shape ``(K, r)``: squared coordinates of residuals in the basis, summed over each class.
    class_squares: Array
    mean_hits: int  #: samples whose nearest class mean is that of their label
    #: ``classifier_hits`` and ``agreements``: samples whose label is the classifier's choice; whose nearest
    #: class mean is its choice.
    classifier_hits: int | None
    agreements: int | None

    def merge(self, other: Scatter) -> Scatter:
        """Scatter of both runs of rows, about the same means."""
        return Scatter(
            squares=self.squares + other.squares,
            products=self.products + other.products,
            class_squares=self.class_squares + other.class_squares,
            mean_hits=self.mean_hits + other.mean_hits,
            classifier_hits=_sum(self.classifier_hits, other.classifier_hits),
            agreements=_sum(self.agreements, other.agreements),
        )


def class_moments(rows: Rows, centre: Array, classes: int) -> ClassMoments:
    """First pass over a run of rows.

    Raises InvalidInputError if a row holds NaN or infinity.
    """
    sums = np.zeros((classes, centre.size))
    squares, least, low, high, zeros, at = 0.0, np.inf, np.inf, 0.0, 0, 0
    for block in finite_blocks(rows.source, near_rows(centre.size), rows.first_row):
        H = block.astype(np.float64)
        lengths = _lengths(H)
        least = min(least, float(block.min()))
        low, high = min(low, float(lengths.min())), max(high, float(lengths.max()))
        zeros += int(np.count_nonzero(lengths == 0.0))
        if rows.normalize:
            H /= np.where(lengths == 0.0, 1.0, lengths)[:, None]
            lengths = np.minimum(lengths / np.where(lengths == 0.0, 1.0, lengths), 1.0)
        with np.errstate(over="ignore"):  # rows of such lengths are refused when all norms are known
            squares += float(lengths @ lengths)
        H -= centre
        # row by row: a matrix of sums does not fit the cache, one row of it does
        for label, row in zip(rows.labels[at : at + len(block)].tolist(), H, strict=True):
            sums[label] += row
        at += len(block)
    counts = np.bincount(rows.labels, minlength=classes).astype(np.intp)
    return ClassMoments(
        centre=centre,
        counts=counts,
        sums=sums,
        squares=squares,
        least_entry=float(least),
        norms=(float(low), float(high)),
        zero_rows=zeros,
    )


def scatter(rows: Rows, frame: Frame, companion: Companion | None = None) -> Scatter:
    """Second pass over a run of rows; a companion gathers what it wants of each block.

    Raises InvalidInputError if a row holds NaN or infinity.
    """
    K, r = frame.places.shape
    squares, size = np.zeros(K), frame.means.shape[1] if frame.full else r
    products, class_squares = np.zeros((size, size)), np.zeros((K, r))
    hits, chosen, agreed, at = 0, 0, 0, 0
    base = frame.base
    base_squares = np.square(base).sum(axis=1)
    half_squares = 0.5 * np.square(frame.places).sum(axis=1)
    half_squares[~frame.present] = np.inf
    for block in finite_blocks(rows.source, BLOCK_ROWS, rows.first_row):
        y = rows.labels[at : at + len(block)]
        at += len(block)
        R, lengths = _residuals(block, y, frame, rows.normalize)
        squares += np.bincount(y, weights=lengths, minlength=K)
        seen = R @ frame.directions
        Y = seen[:, :r]
        products += R.T @ R if frame.full else Y.T @ Y
        for label, row in zip(y.tolist(), np.square(Y), strict=True):
            class_squares[label] += row
        if companion is not None and not rows.normalize:
            # |h|^2 = |r|^2 + 2 <r, m> + |m|^2, where m - middle lies in the span of the basis
            lengths += 2.0 * (np.einsum("nr,nr->n", Y, frame.places[y]) + R @ frame.middle) + base_squares[y]
        Y += frame.places[y]
        nearest = np.argmax(Y @ frame.places.T - half_squares, axis=1)
        hits += int(np.count_nonzero(nearest == y))
        if frame.mean_products is not None:
            logits = seen[:, r:] + frame.mean_products[y]
            if companion is not None:
                sizes = None if rows.normalize else np.sqrt(np.maximum(lengths, 0.0))
                companion.add(View(residuals=R, base=base, labels=y, products=logits, lengths=sizes))
            choice = np.argmax(logits if frame.bias is None else logits + frame.bias, axis=1)
            chosen += int(np.count_nonzero(choice == y))
            agreed += int(np.count_nonzero(choice == nearest))
    known = frame.mean_products is not None
    return Scatter(
        squares=squares,
        products=products,
        class_squares=class_squares,
        mean_hits=hits,
        classifier_hits=chosen if known else None,
        agreements=agreed if known else None,
    )


def near_rows(dimension: int) -> int:
    """Rows of which a megabyte of doubles stays near the processor while it is gone through several times."""
    return max(16, min(BLOCK_ROWS, (1 << 17) // dimension))


def _residuals(
    block: NDArray[np.generic], y: NDArray[np.intp], frame: Frame, normalize: bool
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
            H -= frame.centre
        else:
            np.subtract(block[part], frame.centre, out=H, dtype=np.float64)
        # row by row: gathering the means first would write them all to memory
        for label, row in zip(y[part].tolist(), H, strict=True):
            row -= frame.means[label]
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


def _sum(a: int | None, b: int | None) -> int | None:
    """Sum of two counts that are both known or both not."""
    return None if a is None or b is None else a + b
