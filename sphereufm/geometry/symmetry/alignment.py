r"""Alignment: an explicit group element that carries one point onto another, or none.

``align(X, Y, symmetry)`` looks for ``Q`` in O(d), or in SO(d), and a permutation ``s`` of the group with
``Q X[:, s] = Y`` to a tolerance.

1. Columns can only go to columns of equal profile (:mod:`~sphereufm.geometry.symmetry.invariants`).
2. A frame of ``Y`` is chosen and its preimages in ``X`` are sought by backtracking
   (:mod:`~sphereufm.geometry.symmetry.placements`).  Columns of ``X`` at one place count once, so that coinciding
   columns cost nothing; symmetric points succeed at the first try.
3. A placed frame determines ``Q``.  Blocks and columns are then matched by assignment
   (:mod:`~sphereufm.geometry.symmetry.matching`), and ``Q`` is polished by the orthogonal Procrustes problem on all
   columns, in turns, until the tolerance is met or the permutation stays.

An alignment that is returned has been checked column by column.  None is the outcome of a complete search in
floating point: no branch is given up unless some quantity differs by more than the tolerance allows.  Between
the tolerance and a fraction of it (of the order of ``1 / (k sqrt(M))``, ``k`` the rank) either answer may
come, since Procrustes minimises the sum of squares and not the maximum.  A search that does not end within
its work limit raises an error; it is never taken for None.

References
----------
P. Schönemann, *A generalized solution of the orthogonal Procrustes problem*, Psychometrika 1966.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sphereufm.errors import InvalidInputError, check_array, check_positive
from sphereufm.geometry.spheres import Array, column_angles, column_norms
from sphereufm.geometry.symmetry.groups import SymmetryGroup, best_rotations, is_rotation_of
from sphereufm.geometry.symmetry.invariants import Columns, column_profiles
from sphereufm.geometry.symmetry.matching import match_columns, position_labels
from sphereufm.geometry.symmetry.placements import (
    SMALLEST_PIVOT,
    Frame,
    Work,
    choose_frame,
    placements,
)
from sphereufm.tolerances import ALIGNMENT_ROUNDING

WORK = 20_000
# A finished frame costs as much as this many columns that are tried.
_STEPS_A_MATCHING = 10
# Rounds of matching and rotating; more than two are needed only near the tolerance.
_ROUNDS = 8
# Columns may be off one by this: points of an unfinished search are aligned, too.
_OFF_SPHERE = 1e-3
# Places closer than this many tolerances count once; the search allows for it.
SAME_PLACE = 0.1


@dataclass(frozen=True, kw_only=True, eq=False)
class Alignment:
    """A group element with ``Q X[:, permutation]`` near ``Y``."""

    Q: Array  #: shape ``(d, d)``: orthogonal
    permutation: NDArray[np.intp]  #: shape ``(M,)``
    distance: float  #: largest angle between ``Q X[:, permutation]`` and ``Y`` in a column, in radians

    def __repr__(self) -> str:
        return f"<Alignment of {len(self.permutation)} columns, to {self.distance:.2g} radians>"


def align(
    X: Array, Y: Array, symmetry: SymmetryGroup, tolerance: float = 1e-6, *, work: int = WORK
) -> Alignment | None:
    """Find an element of the group that carries ``X`` to ``Y``.

    Parameters
    ----------
    X, Y : ndarray, shape (d, M)
        Points, unit columns, of any rank.
    symmetry : SymmetryGroup
        Where it has no rotations, ``Q`` is the identity.
    tolerance : float
        Largest allowed angle in a column, in radians: ``distance <= tolerance``.
    work : int
        Steps of the search, of some 50 microseconds each for a few dozen columns.

    Returns
    -------
    Alignment or None
        None where no element of the group brings the points that close; see the module's text for the
        answer near the tolerance.

    Raises
    ------
    InvalidInputError
        If the arrays are no points of unit columns, differ in shape, or have another number of them than the group.
    AlignmentUndecidedError
        If the search was stopped by its work limit.

    Examples
    --------
    >>> X = np.array([[1.0, 0.0, 0.6], [0.0, 1.0, 0.8]])
    >>> found = align(X, X[::-1, [2, 0, 1]], SymmetryGroup.full(3))
    >>> found.permutation
    array([2, 0, 1])
    >>> align(X, X[:, [2, 0, 1]], SymmetryGroup.rotations(3)) is None
    True
    """
    X = check_point("X", X, symmetry)
    Y = check_array("Y", check_point("Y", Y, symmetry), X.shape)
    tolerance = check_positive("tolerance", tolerance)
    if not symmetry.has_rotations:
        # the decision is exact
        s = match_columns(X, Y, symmetry.permutations, 2.0 * np.sin(min(tolerance, np.pi) / 2.0))
        return None if s is None else _alignment(X, Y, np.eye(len(X)), s)
    # singular values move by at most the Frobenius distance (Mirsky)
    off = np.linalg.svd(X, compute_uv=False) - np.linalg.svd(Y, compute_uv=False)
    if np.abs(off).max() > np.sqrt(X.shape[1]) * tolerance + ALIGNMENT_ROUNDING:
        return None
    possible, places = possible_preimages(X, Y, symmetry, tolerance)
    if not possible.any(axis=1).all():
        return None
    frame = choose_frame(Y, symmetry.permutations, possible.sum(axis=1), (1.0 + SAME_PLACE) * tolerance)
    candidates = [places[possible[f]] for f in frame.columns]
    return search(X, Y, symmetry, frame, candidates, tolerance, Work(work))


def check_point(name: str, value: ArrayLike, symmetry: SymmetryGroup) -> Array:
    """One point of unit columns, as many as the group permutes, in any dimension; else InvalidInputError."""
    columns = symmetry.permutations.columns
    X = check_array(name, value, (None, columns))
    if X.ndim != 2 or np.abs(column_norms(X) - 1.0).max() > _OFF_SPHERE:
        raise InvalidInputError(f"{name} must be one point of {columns} unit columns, shape (d, {columns})")
    return X


def carriers(symmetry: SymmetryGroup, X: Array, Y: Array, tolerance: float) -> NDArray[np.intp]:
    """Listed elements that carry ``X`` to ``Y``, entry by entry, or up to rotations where they are symmetries, too."""
    if symmetry.finite is None:
        return np.empty(0, dtype=np.intp)
    images = symmetry.finite.images(X)
    off = images - Y
    if symmetry.has_rotations:
        off = np.swapaxes(images, -1, -2) @ images - Y.T @ Y
    found = np.flatnonzero(np.abs(off).max(axis=(-1, -2)) <= tolerance)
    if symmetry.is_proper:
        found = found[[is_rotation_of(image, Y, 2.0 * tolerance, proper=True) for image in images[found]]]
    return found


def possible_preimages(
    X: Array, Y: Array, symmetry: SymmetryGroup, tolerance: float
) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
    """Which places of ``X`` each column of ``Y`` could come from, ``(M, places)``, and a column at each place."""
    permutations = symmetry.permutations
    F, target = column_profiles(X, symmetry), column_profiles(Y, symmetry)
    labels = position_labels(X, permutations, SAME_PLACE * tolerance)
    _, places = np.unique(labels, return_index=True)
    # equal columns have the same preimages, and those at one place may differ in their blocks, hence in their profiles:
    # one that fits is enough
    ours, theirs = Columns.distinct(X, permutations), Columns.distinct(Y, permutations)
    close = theirs.kind[:, None] == ours.kind
    for row, wanted in zip(F[:, ours.first], target[:, theirs.first], strict=True):
        close &= np.abs(wanted[:, None] - row) <= tolerance + ALIGNMENT_ROUNDING
    j, i = np.nonzero(close)
    possible = np.zeros((theirs.first.size, places.size), dtype=np.bool_)
    possible[j, labels[ours.first[i]]] = True
    return possible[theirs.label], places


def search(
    X: Array,
    Y: Array,
    symmetry: SymmetryGroup,
    frame: Frame,
    candidates: list[NDArray[np.intp]],
    tolerance: float,
    work: Work,
) -> Alignment | None:
    """Try every placement of a frame of ``Y`` on candidate columns of ``X``."""
    permutations = symmetry.permutations
    left_out = 2.0 * SMALLEST_PIVOT * tolerance
    radius = float(np.sqrt(np.square(frame.slack).sum() + left_out**2))
    for E in placements(X, frame, permutations, candidates, work):
        work.charge(_STEPS_A_MATCHING)
        s = match_columns(E.T @ X, frame.coordinates, permutations, radius)
        found = None if s is None else _polish(X, Y, symmetry, s, radius, tolerance)
        if found is not None:
            return found
    return None


def _polish(
    X: Array, Y: Array, symmetry: SymmetryGroup, s: NDArray[np.intp], radius: float, tolerance: float
) -> Alignment | None:
    """Rotate and match in turns, which lowers the sum of squares, until the tolerance is met or nothing moves."""
    for _ in range(_ROUNDS):
        found = _alignment(X, Y, best_rotations(Y @ X[:, s].T, symmetry.is_proper), s)
        if found.distance <= tolerance:
            return found
        better = match_columns(found.Q @ X, Y, symmetry.permutations, radius)
        if better is None or np.array_equal(better, s):
            return None
        s = better
    return None


def _alignment(X: Array, Y: Array, Q: Array, s: NDArray[np.intp]) -> Alignment:
    """The element, with the distance that it leaves."""
    return Alignment(Q=Q, permutation=s, distance=float(column_angles(Q @ X[:, s], Y).max()))
