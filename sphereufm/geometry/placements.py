r"""Rotations that could carry one configuration onto another, found by placing a frame.

A *frame* of ``Y`` is a sequence of columns ``f_1, .., f_k`` that spans it, each well away from the span of
those before.  A rotation with ``Q X[:, s] = Y`` is determined by the columns of ``X`` that it carries to the
frame, so these are sought by backtracking, one after the other.

With the Gram-Schmidt bases of the frame and of its chosen preimages, every column has coordinates that the
rotation preserves.  A choice is given up as soon as the coordinates of a frame column differ from those of
its preimage, or the coordinates of all columns, sorted within each cell kind, differ.

If corresponding columns differ by up to ``t``, then, to first order in ``t``, coordinate ``k`` of any column
``j`` differs by at most

    t (1 + max_j (sum_{l<k} nu_l |c_lj| + nu_k |res_kj|)),       nu_l = |R^{-1} e_l|_1,

where ``R`` is the triangular factor of the frame and ``res_kj`` what is left of column ``j`` after ``k``
steps: from ``Q^T dQ = skew(lower(Q^T dA R^{-1}))``.  Twice that much is allowed, so that no branch with a
solution is given up.

========  ============  =================================================
symbol    shape         meaning
========  ============  =================================================
``E``     ``(d, k)``    Gram-Schmidt basis of a frame or its preimages
``C``     ``(k, M)``    coordinates ``E^T X`` of all columns
========  ============  =================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sphereufm.errors import SphereUFMError
from sphereufm.geometry.spheres import Array, column_norms
from sphereufm.geometry.symmetry import ColumnPermutations

__all__ = ["AlignmentUndecidedError", "Frame", "Work", "choose_frame", "placements"]

# A frame column may be this much shorter, seen from those before, than the best, if it has fewer candidates.
_PIVOT_RATIO = 0.5
# What is left of a column below this many tolerances says nothing about a direction.
SMALLEST_PIVOT = 4.0
_ROUNDING = 1e-12


class AlignmentUndecidedError(SphereUFMError):
    """A search for a group element was stopped by its work limit: equivalence is undecided."""


@dataclass(eq=False)
class Work:
    """Steps that a search may still take.

    Examples
    --------
    >>> work = Work(1)
    >>> work.spend(1)
    >>> work.left
    0
    """

    left: int

    def spend(self, steps: int) -> None:
        """Take steps; raise :class:`AlignmentUndecidedError` when there are not as many left."""
        if steps > self.left:
            raise AlignmentUndecidedError(
                "the search for a group element was stopped by its work limit; give a larger work="
            )
        self.left -= steps


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """A frame of a configuration, and what its preimages must agree with.

    Attributes
    ----------
    columns : tuple of int, length k
    coordinates : ndarray, shape (k, M)
        Of all columns.
    basis : ndarray, shape (d, k)
        Gram-Schmidt basis.
    pivots : ndarray, shape (k,)
        Distance of each frame column from the span of those before.
    slack : ndarray, shape (k,)
        Allowed difference of each coordinate.
    """

    columns: tuple[int, ...]
    coordinates: Array
    basis: Array
    pivots: Array
    slack: Array


@dataclass(eq=False)
class _GramSchmidt:
    """An orthonormal basis that grows by one column of ``X`` at a time."""

    X: Array
    basis: list[Array] = field(default_factory=list)
    rows: list[Array] = field(default_factory=list)

    def push(self, column: int) -> float:
        """Add a column; return its distance from the span of those before."""
        v = self.X[:, column].copy()
        for e, row in zip(self.basis, self.rows, strict=True):
            v -= row[column] * e
        for e in self.basis:
            v -= (e @ v) * e
        length = float(np.sqrt(v @ v))
        e = v / length if length > 0.0 else v
        self.basis.append(e)
        self.rows.append(e @ self.X)
        return length

    def pop(self) -> None:
        """Take the last column back."""
        self.basis.pop()
        self.rows.pop()


def choose_frame(Y: Array, choices: NDArray[np.intp], tolerance: float) -> Frame:
    """Choose columns that span ``Y``, those with few possible preimages first.

    Parameters
    ----------
    Y : ndarray, shape (d, M)
    choices : ndarray of int, shape (M,)
        Number of possible preimages of each column.
    tolerance : float
        Directions in which no column reaches farther than a few tolerances are left out.

    Examples
    --------
    >>> Y = np.array([[1.0, 1.0, 0.6], [0.0, 0.0, 0.8]])
    >>> choose_frame(Y, np.array([1, 1, 1]), 1e-6).columns
    (0, 2)
    """
    d, M = Y.shape
    process = _GramSchmidt(Y)
    columns: list[int] = []
    pivots: list[float] = []
    residual = Y.copy()
    left = [column_norms(residual)]
    while len(columns) < min(d, M) and left[-1].max() > SMALLEST_PIVOT * tolerance:
        far = np.flatnonzero(left[-1] >= _PIVOT_RATIO * left[-1].max())
        columns.append(int(far[np.lexsort((-left[-1][far], choices[far]))[0]]))
        pivots.append(process.push(columns[-1]))
        residual = residual - np.outer(process.basis[-1], process.rows[-1])
        left.append(column_norms(residual))
    C = np.array(process.rows)
    return Frame(
        columns=tuple(columns),
        coordinates=C,
        basis=np.array(process.basis).T,
        pivots=np.array(pivots),
        slack=2.0 * tolerance * _amplification(C, columns, np.array(left[1:])) + _ROUNDING,
    )


def placements(
    X: Array,
    frame: Frame,
    permutations: ColumnPermutations,
    candidates: Sequence[NDArray[np.intp]],
    work: Work,
) -> Iterator[Array]:
    """Generate Gram-Schmidt bases ``(d, k)`` of all possible preimages of a frame in ``X``.

    Parameters
    ----------
    X : ndarray, shape (d, M)
    frame : Frame
        Of the other configuration.
    permutations : ColumnPermutations
    candidates : sequence of arrays of int, length k
        Columns of ``X`` to try for each frame column; one for each distinct place is enough.
    work : Work
        One step is taken for each column that is tried.

    Raises
    ------
    AlignmentUndecidedError
        When the work limit is reached.
    """
    kind = permutations.cell_kind
    wanted = [_sorted_within(row, kind) for row in frame.coordinates]
    process = _GramSchmidt(X)
    stack = [iter(_fitting(frame, process, candidates[0]))]
    while stack:
        k = len(stack) - 1
        column = next(stack[-1], None)
        if column is None:
            stack.pop()
            if stack:
                process.pop()
            continue
        work.spend(1)
        pivot = process.push(column)
        fits = abs(pivot - frame.pivots[k]) <= frame.slack[k]
        fits = fits and np.abs(_sorted_within(process.rows[k], kind) - wanted[k]).max() <= frame.slack[k]
        if fits and k + 1 < len(frame.columns):
            stack.append(iter(_fitting(frame, process, candidates[k + 1])))
            continue
        if fits:
            yield np.array(process.basis).T
        process.pop()


def _fitting(frame: Frame, process: _GramSchmidt, columns: NDArray[np.intp]) -> list[int]:
    """Columns whose coordinates so far agree with those of the next frame column."""
    k = len(process.rows)
    if k == 0:
        return columns.tolist()
    off = np.abs(np.array(process.rows)[:, columns] - frame.coordinates[:k, frame.columns[k], None])
    fits = (off <= frame.slack[:k, None]).all(axis=0)
    return columns[fits].tolist()


def _sorted_within(row: Array, kind: NDArray[np.intp]) -> Array:
    """Sort values within each cell kind."""
    return row[np.lexsort((row, kind))]


def _amplification(C: Array, columns: list[int], left: Array) -> Array:
    """How much larger than the columns' differences those of each coordinate can be, shape ``(k,)``."""
    nu = np.abs(np.linalg.inv(np.triu(C[:, columns]))).sum(axis=0)
    before = np.cumsum(nu[:, None] * np.abs(C), axis=0) - nu[:, None] * np.abs(C)
    return 1.0 + (before + nu[:, None] * left).max(axis=1)
