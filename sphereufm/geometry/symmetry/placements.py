r"""Rotations that could carry one configuration onto another, found by placing a frame.

A *frame* of ``Y`` is a sequence of columns ``f_1, .., f_k`` that spans it, each well away from the span of
those before.  A rotation with ``Q X[:, s] = Y`` is determined by the columns of ``X`` that it carries to the
frame, so these are sought by backtracking, one after the other.

With the Gram-Schmidt bases of the frame and of its chosen preimages, every column has coordinates that the
rotation preserves.  After ``k`` steps three *marks* are made of them,

    z_j = sum_{l <= k} b_l c_lj,    m_j = mean_i phi(G_ij) sin(pi z_i),    n_j = mean_{i in block of j} sin(pi z_i),

with ``phi(g) = g + g^2 / 2`` and fixed ``b_l`` in (1/2, 1].  A generic sum tells different coordinates apart;
the others are a round of colour refinement along angles (``phi`` is injective on [-1, 1]) and along blocks.
A choice is given up as soon as coordinates of a frame column differ from those of its preimage, or the marks
of all columns, sorted within each cell kind, differ.

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
``G``     ``(M, M)``    Gram matrix
========  ============  =================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sphereufm.errors import InvalidInputError, SphereUFMError
from sphereufm.geometry.spheres import Array, column_norms
from sphereufm.geometry.symmetry.groups import ColumnPermutations
from sphereufm.geometry.symmetry.invariants import golden_weights
from sphereufm.tolerances import ALIGNMENT_ROUNDING

# A frame column may be this much shorter, seen from those before, than the best, if it has fewer candidates.
_PIVOT_RATIO = 0.5
# What is left of a column below this many tolerances says nothing about a direction.
SMALLEST_PIVOT = 4.0


class AlignmentUndecidedError(SphereUFMError):
    """A search for a group element was stopped by its work limit: equivalence is undecided."""


@dataclass(eq=False)
class Work:
    """Steps that a search may still take."""

    left: int

    def charge(self, steps: int) -> None:
        """Take steps; raise :class:`AlignmentUndecidedError` when there are not as many left."""
        if steps > self.left:
            raise AlignmentUndecidedError(
                "the search for a group element was stopped by its work limit; give a larger work="
            )
        self.left -= steps


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """A frame of a configuration, and what its preimages must agree with."""

    columns: tuple[int, ...]  #: length k
    coordinates: Array  #: shape ``(k, M)``: of all columns
    marks: Array  #: shape ``(k, 3, M)``: of all columns, after each step
    pivots: Array  #: shape ``(k,)``: distance of each frame column from the span of those before
    slack: Array  #: shape ``(k,)``: allowed difference of each coordinate
    mark_slack: Array  #: shape ``(k, 3)``: allowed difference of each mark


@dataclass(frozen=True, eq=False)
class _Branch:
    """Columns of ``X`` chosen so far, and what all columns are seen from them."""

    X: Array
    phi: Array  #: shape ``(M, M)``: ``phi(G) / M``
    in_block: Array  #: shape ``(M, M)``: means over blocks
    basis: Array  #: shape ``(k, d)``: Gram-Schmidt basis
    rows: Array  #: shape ``(k, M)``: coordinates
    marks: Array  #: shape ``(3, M)``
    pivot: float = 0.0  #: distance of the last column from the span of those before

    @classmethod
    def root(cls, X: Array, permutations: ColumnPermutations) -> _Branch:
        """No column is chosen."""
        d, M = X.shape
        G = X.T @ X
        same = permutations.block_of[:, None] == permutations.block_of
        phi, in_block = (G + G * G / 2.0) / M, same / same.sum(axis=1, keepdims=True)
        return cls(X, phi, in_block, np.empty((0, d)), np.empty((0, M)), np.zeros((3, M)))

    def extended(self, column: int) -> _Branch:
        """With one column more."""
        v = self.X[:, column]
        # twice is enough to be orthogonal to rounding
        for _ in range(2):
            v = v - (self.basis @ v) @ self.basis
        length = float(np.sqrt(v @ v))
        e = v / length if length > 0.0 else v
        row = e @ self.X
        z = self.marks[0] + golden_weights(len(self.basis)) * row
        colour = np.sin(np.pi * z)
        marks = np.array([z, self.phi @ colour, self.in_block @ colour])
        basis, rows = np.vstack([self.basis, e]), np.vstack([self.rows, row])
        return replace(self, basis=basis, rows=rows, marks=marks, pivot=length)


def choose_frame(
    Y: Array, permutations: ColumnPermutations, choices: NDArray[np.intp], tolerance: float
) -> Frame:
    """Choose columns that span ``Y``, shape ``(d, M)``, those with few possible preimages (``choices``) first.

    Directions in which no column reaches farther than a few tolerances are left out.
    """
    if SMALLEST_PIVOT * tolerance >= 1.0:
        raise InvalidInputError("tolerance must be below 0.2 radians; beyond it no column shows a direction")
    branches = [_Branch.root(Y, permutations)]
    columns: list[int] = []
    residual = Y.copy()
    left = [column_norms(residual)]
    while len(columns) < min(Y.shape) and left[-1].max() > SMALLEST_PIVOT * tolerance:
        far = np.flatnonzero(left[-1] >= _PIVOT_RATIO * left[-1].max())
        columns.append(int(far[np.lexsort((-left[-1][far], choices[far]))[0]]))
        branch = branches[-1].extended(columns[-1])
        branches.append(branch)
        residual = residual - np.outer(branch.basis[-1], branch.rows[-1])
        left.append(column_norms(residual))
    C = branches[-1].rows
    slack = 2.0 * tolerance * _amplification(C, columns, np.array(left[1:])) + ALIGNMENT_ROUNDING
    first = np.cumsum(golden_weights(np.arange(len(columns))) * slack)
    return Frame(
        columns=tuple(columns),
        coordinates=C,
        marks=np.array([branch.marks for branch in branches[1:]]),
        pivots=np.array([branch.pivot for branch in branches[1:]]),
        slack=slack,
        # a Gram entry differs by 2 tolerances, phi of it by twice that; |phi| <= 3/2
        mark_slack=np.stack([first, 4.0 * tolerance + 1.5 * np.pi * first, np.pi * first], axis=1),
    )


def placements(
    X: Array,
    frame: Frame,
    permutations: ColumnPermutations,
    candidates: Sequence[NDArray[np.intp]],
    work: Work,
) -> Iterator[Array]:
    """Generate Gram-Schmidt bases ``(d, k)`` of all possible preimages in ``X`` of the other configuration's frame.

    ``candidates``, length k: columns of ``X`` to try for each frame column; one for each distinct place is enough.
    Each column that is tried takes a step of ``work``.
    """
    kind = permutations.cell_kind
    wanted = [_sorted_within(marks, kind) for marks in frame.marks]
    stack = [(_Branch.root(X, permutations), iter(candidates[0].tolist()))]
    while stack:
        branch, columns = stack[-1]
        column = next(columns, None)
        if column is None:
            stack.pop()
            continue
        work.charge(1)
        branch = branch.extended(column)
        if not _agrees(frame, branch, wanted, kind):
            continue
        if len(stack) == len(frame.columns):
            yield branch.basis.T
        else:
            stack.append((branch, iter(_fitting(frame, branch, candidates[len(stack)]))))


def _agrees(frame: Frame, branch: _Branch, wanted: list[Array], kind: NDArray[np.intp]) -> bool:
    """Whether the last choice has the right distance from those before, and leaves the right marks."""
    k = len(branch.rows) - 1
    if abs(branch.pivot - frame.pivots[k]) > frame.slack[k]:
        return False
    off = np.abs(_sorted_within(branch.marks, kind) - wanted[k])
    return bool((off <= frame.mark_slack[k][:, None]).all())


def _fitting(frame: Frame, branch: _Branch, columns: NDArray[np.intp]) -> list[int]:
    """Columns whose coordinates and first marks so far agree with those of the next frame column."""
    k = len(branch.rows)
    j = frame.columns[k]
    off = np.abs(branch.rows[:, columns] - frame.coordinates[:k, j, None])
    # the last mark belongs to a column and its block, not to the place that the column stands for
    marks = np.abs(branch.marks[:2, columns] - frame.marks[k - 1, :2, j, None])
    fits = (off <= frame.slack[:k, None]).all(axis=0)
    fits &= (marks <= frame.mark_slack[k - 1, :2, None]).all(axis=0)
    return columns[fits].tolist()


def _sorted_within(marks: Array, kind: NDArray[np.intp]) -> Array:
    """Sort each row within each cell kind."""
    return np.array([row[np.lexsort((row, kind))] for row in marks])


def _amplification(C: Array, columns: list[int], left: Array) -> Array:
    """How much larger than the columns' differences those of each coordinate can be, shape ``(k,)``."""
    nu = np.abs(np.linalg.inv(np.triu(C[:, columns]))).sum(axis=0)
    pull = nu[:, None] * np.abs(C)
    before = np.cumsum(pull, axis=0) - pull
    return 1.0 + (before + nu[:, None] * left).max(axis=1)
