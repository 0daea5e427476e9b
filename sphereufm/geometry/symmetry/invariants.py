r"""Numbers that a symmetry group leaves unchanged, and a key made of them.

Each column ``j`` has a *profile*: functions of its row of the Gram matrix that forget the order of the other
columns but not their cell kinds.  With fixed weights ``a_l`` in (1/2, 1] that depend on the cell kind only,

    m_p(j) = mean_l a_l G_jl^p / (2 p),  p = 1 .. 4,    max_l a_l G_jl / 2,    min_l a_l G_jl / 2   (l != j),

over all columns and over the column's own block.  Where the group has no rotations, a few coordinates of
the column join them.  The invariants are the profiles, each sorted within its cell kind, and the singular
values divided by ``sqrt(M)``.  Sorting and singular values do not enlarge differences, so every number
changes by at most the largest angle between corresponding columns: invariants that differ by more than
``t`` prove that no group element brings two points within ``t``.

========  =============  =============================================
symbol    shape          meaning
========  =============  =============================================
``X``     ``(d, M)``     a point, unit columns
``G``     ``(M, M)``     Gram matrix ``X^T X``
``F``     ``(F, M)``     profiles, one column for each column of ``X``
========  =============  =============================================

Equal columns of a cell have equal profiles: where columns are many, those of one place are computed once and counted
as often as they occur.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sphereufm.errors import check_array, check_integer
from sphereufm.geometry.spheres import Array
from sphereufm.geometry.symmetry.groups import ColumnPermutations, SymmetryGroup

_POWERS = (1, 2, 3, 4)
_COORDINATES = 4
# Columns this close, a few hundred roundings, may count as one; from so many columns on it pays to look.
_SAME_COLUMN = 1e-13
_MANY_COLUMNS = 100
# (sqrt(5) - 1) / 2: its multiples are spread evenly modulo one (Weyl), and no small fraction is near it
GOLDEN = 0.6180339887498949


def invariants(X: Array, symmetry: SymmetryGroup) -> Array:
    """Numbers that are equal, to rounding, for all points of one orbit.

    ``X``, shape ``(..., d, M)``: points, unit columns; result, shape ``(..., n)``.  Each number changes by at most
    ``t`` when columns move by angles up to ``t``; rows of zeros change nothing.  Inequivalent points can share them (as
    graphs can share their degrees); :func:`~sphereufm.geometry.symmetry.alignment.align` decides.
    """
    return np.concatenate(_parts(X, symmetry), axis=-1)


def canonical_key(X: Array, symmetry: SymmetryGroup, decimals: int = 6) -> tuple[int, ...]:
    """Bucket of a point: equal for equivalent points, except at the edge of a bucket.

    Each family of invariants gives two numbers, its mean and its mean square, which are cut into steps of
    ``10**-decimals``.  The steps are shifted by an irrational part of a step, so that values such as 0, 1/2
    and 1 lie inside one.  Equivalent points have different keys only where a number falls within rounding of
    an edge; different points can share a key.  Equality proper is decided by
    :func:`~sphereufm.geometry.symmetry.alignment.align`.

    Parameters
    ----------
    X : ndarray, shape (d, M)
    symmetry : SymmetryGroup
    decimals : int
        Between 1 and 12.

    Examples
    --------
    >>> X = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> canonical_key(X, SymmetryGroup.full(2)) == canonical_key(X[::-1], SymmetryGroup.full(2))
    True
    """
    scale = 10.0 ** min(check_integer("decimals", decimals, 1), 12)
    numbers = [number for part in _parts(X, symmetry) for number in (part.mean(), np.square(part).mean())]
    return tuple(int(bucket) for bucket in np.floor(np.array(numbers) * scale + GOLDEN))


def column_profiles(X: Array, symmetry: SymmetryGroup) -> Array:
    """Profile of each column, shape ``(..., F, M)``; a group element permutes its columns and no more.

    Columns that a group element relates to within angles of ``t`` have profiles that agree to ``t``.
    """

    def profiles(points: Array, columns: Columns) -> Array:
        return profiles_of(points, columns, symmetry.has_rotations)

    return on_distinct_columns(profiles, X, symmetry.permutations)


def profiles_of(X: Array, columns: Columns, rotated: bool) -> Array:
    """Profiles ``(..., F, m)`` of columns ``(..., d, m)`` that stand for several each."""
    G = np.swapaxes(X, -1, -2) @ X
    # weight in (1/2, 1], different for different cell kinds
    a = 1.0 - np.remainder(columns.kind * GOLDEN, 1.0) / 2.0
    same_block = columns.block[:, None] == columns.block
    inside = same_block * columns.copies
    among = a * columns.copies / columns.copies.sum()
    in_block = a * inside / inside.sum(axis=1, keepdims=True)
    rows = []
    power = np.ones_like(G)
    for p in _POWERS:
        power = power * G
        rows += [power @ among / (2 * p), np.einsum("...jl,jl->...j", power, in_block) / (2 * p)]
    others = G * a / 2
    # a column that stands for several has others at its own place; itself it counts as zero
    alone = np.flatnonzero(columns.copies == 1)
    others[..., alone, alone] = 0.0
    for part in (others, others * same_block):
        rows += [part.max(axis=-1, initial=0.0), part.min(axis=-1, initial=0.0)]
    profiles = np.stack(rows, axis=-2)
    return profiles if rotated else np.concatenate([profiles, _directions(X.shape[-2]) @ X], axis=-2)


@dataclass(frozen=True, eq=False)
class Columns:
    """Columns that stand for equal ones of their cells."""

    first: NDArray[np.intp]  #: shape ``(m,)``: number among all columns
    #: ``kind`` and ``block``, shape ``(m,)``: of the cell.
    kind: NDArray[np.intp]
    block: NDArray[np.intp]
    copies: NDArray[np.intp]  #: shape ``(m,)``: how many it stands for
    label: NDArray[np.intp]  #: shape ``(M,)``: which of them stands for each column

    @classmethod
    def every(cls, permutations: ColumnPermutations) -> Columns:
        """Each for itself."""
        every = np.arange(permutations.columns)
        return cls(every, permutations.cell_kind, permutations.block_of, np.ones_like(every), every)

    @classmethod
    def distinct(cls, X: Array, permutations: ColumnPermutations) -> Columns:
        """One for the columns of a cell that agree to 1e-13, where columns are many.

        Some that agree may be left apart, which changes nothing.
        """
        if permutations.columns < _MANY_COLUMNS:
            return cls.every(permutations)
        keys = np.vstack([permutations.cell_of, np.floor(X / _SAME_COLUMN + GOLDEN)])
        _, first, label, copies = np.unique(
            keys, axis=1, return_index=True, return_inverse=True, return_counts=True
        )
        kind, block = permutations.cell_kind[first], permutations.block_of[first]
        return cls(first, kind, block, copies, label.ravel())


def on_distinct_columns(
    function: Callable[[Array, Columns], Array], X: Array, permutations: ColumnPermutations
) -> Array:
    """Values ``(..., m)`` of columns ``(..., d, m)`` for all columns of ``X``, equal ones being looked at once.

    Points of few columns are all given to ``function`` together; there that is quicker.
    """
    if permutations.columns < _MANY_COLUMNS or not X.size:
        return function(X, Columns.every(permutations))
    values = []
    for point in X.reshape(-1, *X.shape[-2:]):
        columns = Columns.distinct(point, permutations)
        values.append(function(point[None, :, columns.first], columns)[0][..., columns.label])
    return np.array(values).reshape(*X.shape[:-2], *values[0].shape)


def _parts(X: Array, symmetry: SymmetryGroup) -> list[Array]:
    """The families of invariants: singular values, then each profile sorted within cell kinds."""
    columns = symmetry.permutations.columns
    X = check_array("X", X, (None, columns))
    values = np.linalg.svd(X, compute_uv=False)
    sigma = np.zeros((*X.shape[:-2], columns))
    sigma[..., : values.shape[-1]] = values
    profiles = column_profiles(X, symmetry)
    members = symmetry.permutations.kind_columns
    ordered = np.concatenate([np.sort(profiles[..., each], axis=-1) for each in members], axis=-1)
    return [sigma / np.sqrt(columns), *np.moveaxis(ordered, -2, 0)]


def _directions(d: int) -> Array:
    """A few fixed unit vectors, shape ``(min(d, 4), d)``: the axes themselves where there are few."""
    if d <= _COORDINATES:
        return np.eye(d)
    angles = np.arange(1, _COORDINATES + 1)[:, None] * np.arange(1, d + 1) * (2.0 * np.pi * GOLDEN)
    V = np.cos(angles)
    return V / np.linalg.norm(V, axis=1, keepdims=True)
