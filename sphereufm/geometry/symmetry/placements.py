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

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sphereufm.errors import SphereUFMError
from sphereufm.geometry.spheres import Array, column_norms
from sphereufm.geometry.symmetry.groups import ColumnPermutations
from sphereufm.geometry.symmetry.invariants import GOLDEN
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


@dataclass(eq=False)
class _Branch:
    """Columns of ``X`` chosen so far: their Gram-Schmidt basis, and coordinates and marks of all columns."""

    X: Array
    block_of: NDArray[np.intp]
    basis: list[Array] = field(default_factory=list)
    rows: list[Array] = field(default_factory=list)
    marks: list[Array] = field(default_factory=list)
    pivots: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        G = self.X.T @ self.X
        self._phi = (G + G * G / 2.0) / G.shape[0]
        self._block_sizes = np.bincount(self.block_of)

    def push(self, column: int) -> None:
        """Add a column."""
        v = self.X[:, column].copy()
        # twice is enough to be orthogonal to rounding
        for _ in range(2):
            for e in self.basis:
                v -= (e @ v) * e
        length = float(np.sqrt(v @ v))
        e = v / length if length > 0.0 else v
        z = _mark_weight(len(self.basis)) * (e @ self.X)
        if self.marks:
            z = z + self.marks[-1][0]
        self.basis.append(e)
        self.rows.append(e @ self.X)
        colour = np.sin(np.pi * z)
        # a block without columns has no mean, and no column that would ask for it
        means = np.bincount(self.block_of, weights=colour) / np.maximum(self._block_sizes, 1)
        self.marks.append(np.array([z, self._phi @ colour, means[self.block_of]]))
        self.pivots.append(length)

    def pop(self) -> None:
        """Take the last column back."""
        for part in (self.basis, self.rows, self.marks, self.pivots):
            part.pop()


def choose_frame(
    Y: Array, permutations: ColumnPermutations, choices: NDArray[np.intp], tolerance: float
) -> Frame:
    """Choose columns that span ``Y``, shape ``(d, M)``, those with few possible preimages (``choices``) first.

    Directions in which no column reaches farther than a few tolerances are left out.
    """
    branch = _Branch(Y, permutations.block_of)
    columns: list[int] = []
    residual = Y.copy()
    left = [column_norms(residual)]
    while len(columns) < min(Y.shape) and left[-1].max() > SMALLEST_PIVOT * tolerance:
        far = np.flatnonzero(left[-1] >= _PIVOT_RATIO * left[-1].max())
        columns.append(int(far[np.lexsort((-left[-1][far], choices[far]))[0]]))
        branch.push(columns[-1])
        residual = residual - np.outer(branch.basis[-1], branch.rows[-1])
        left.append(column_norms(residual))
    C = np.array(branch.rows)
    slack = 2.0 * tolerance * _amplification(C, columns, np.array(left[1:])) + ALIGNMENT_ROUNDING
    first = np.cumsum([_mark_weight(k) * slack[k] for k in range(len(columns))])
    return Frame(
        columns=tuple(columns),
        coordinates=C,
        marks=np.array(branch.marks),
        pivots=np.array(branch.pivots),
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
    branch = _Branch(X, permutations.block_of)
    stack = [iter(candidates[0].tolist())]
    while stack:
        column = next(stack[-1], None)
        if column is None:
            stack.pop()
            if stack:
                branch.pop()
            continue
        work.charge(1)
        branch.push(column)
        if _agrees(frame, branch, wanted, kind):
            if len(stack) < len(frame.columns):
                stack.append(iter(_fitting(frame, branch, candidates[len(stack)])))
                continue
            yield np.array(branch.basis).T
        branch.pop()


def _agrees(frame: Frame, branch: _Branch, wanted: list[Array], kind: NDArray[np.intp]) -> bool:
    """Whether the last choice has the right distance from those before, and leaves the right marks."""
    k = len(branch.rows) - 1
    if abs(branch.pivots[k] - frame.pivots[k]) > frame.slack[k]:
        return False
    off = np.abs(_sorted_within(branch.marks[k], kind) - wanted[k])
    return bool((off <= frame.mark_slack[k][:, None]).all())


def _fitting(frame: Frame, branch: _Branch, columns: NDArray[np.intp]) -> list[int]:
    """Columns whose coordinates and first marks so far agree with those of the next frame column."""
    k = len(branch.rows)
    j = frame.columns[k]
    off = np.abs(np.array(branch.rows)[:, columns] - frame.coordinates[:k, j, None])
    # the last mark belongs to a column and its block, not to the place that the column stands for
    marks = np.abs(branch.marks[-1][:2, columns] - frame.marks[k - 1, :2, j, None])
    fits = (off <= frame.slack[:k, None]).all(axis=0)
    fits &= (marks <= frame.mark_slack[k - 1, :2, None]).all(axis=0)
    return columns[fits].tolist()


def _sorted_within(marks: Array, kind: NDArray[np.intp]) -> Array:
    """Sort each row within each cell kind."""
    return np.array([row[np.lexsort((row, kind))] for row in marks])


def _mark_weight(k: int) -> float:
    """Weight in (1/2, 1] of coordinate ``k``: multiples of the golden ratio modulo one."""
    return 1.0 - math.fmod(k * GOLDEN, 1.0) / 2.0


def _amplification(C: Array, columns: list[int], left: Array) -> Array:
    """How much larger than the columns' differences those of each coordinate can be, shape ``(k,)``."""
    nu = np.abs(np.linalg.inv(np.triu(C[:, columns]))).sum(axis=0)
    pull = nu[:, None] * np.abs(C)
    before = np.cumsum(pull, axis=0) - pull
    return 1.0 + (before + nu[:, None] * left).max(axis=1)
