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
"""

from __future__ import annotations

import numpy as np

from sphereufm.errors import check_array, check_integer
from sphereufm.geometry.spheres import Array
from sphereufm.geometry.symmetry.groups import ColumnPermutations, SymmetryGroup

__all__ = ["canonical_key", "column_profiles", "invariants"]

_POWERS = (1, 2, 3, 4)
_COORDINATES = 4
# (sqrt(5) - 1) / 2: its multiples are spread evenly modulo one (Weyl), and no small fraction is near it
GOLDEN = 0.6180339887498949


def invariants(X: Array, symmetry: SymmetryGroup) -> Array:
    """Numbers that are equal, to rounding, for all points of one orbit.

    They do not depend on the ambient dimension either: rows of zeros change nothing.  Inequivalent points can
    share them (as graphs can share their degrees); :func:`~sphereufm.geometry.symmetry.alignment.align` decides.

    Parameters
    ----------
    X : ndarray, shape (..., d, M)
        Points, unit columns.
    symmetry : SymmetryGroup

    Returns
    -------
    ndarray, shape (..., n)
        ``n`` depends on the group only, and grows linearly with ``M``.  Each number changes by at most ``t``
        when columns move by angles up to ``t``.

    Raises
    ------
    InvalidInputError
        If ``X`` is no finite array with as many columns as the group permutes.

    Examples
    --------
    >>> X = np.array([[1.0, 0.0, 0.6], [0.0, 1.0, 0.8]])
    >>> group = SymmetryGroup.full(3)
    >>> bool(np.allclose(invariants(X, group), invariants(-X[:, [2, 0, 1]], group)))
    True
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

    Examples
    --------
    >>> X = np.array([[1.0, 0.0, 0.6], [0.0, 1.0, 0.8]])
    >>> F = column_profiles(X, SymmetryGroup.full(3))
    >>> bool(np.allclose(F[:, [2, 0, 1]], column_profiles(X[:, [2, 0, 1]], SymmetryGroup.full(3))))
    True
    """
    permutations = symmetry.permutations
    G = np.swapaxes(X, -1, -2) @ X
    a = _kind_weights(permutations)
    same_block = permutations.block_of[:, None] == permutations.block_of
    sizes = same_block.sum(axis=1)
    rows = []
    power = np.ones_like(G)
    for p in _POWERS:
        power = power * G
        weighted = power * a / (2 * p)
        rows += [weighted.mean(axis=-1), (weighted * same_block).sum(axis=-1) / sizes]
    others = G * a / 2
    diagonal = np.arange(len(a))
    others[..., diagonal, diagonal] = 0.0
    inside = others * same_block
    for part in (others, inside):
        rows += [part.max(axis=-1), part.min(axis=-1)]
    profiles = np.stack(rows, axis=-2)
    if symmetry.orthogonal:
        return profiles
    return np.concatenate([profiles, _directions(X.shape[-2]) @ X], axis=-2)


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


def _kind_weights(permutations: ColumnPermutations) -> Array:
    """Weight in (1/2, 1] of each column, different for different cell kinds."""
    return 1.0 - np.remainder(permutations.cell_kind * GOLDEN, 1.0) / 2.0


def _directions(d: int) -> Array:
    """A few fixed unit vectors, shape ``(min(d, 4), d)``: the axes themselves where there are few."""
    if d <= _COORDINATES:
        return np.eye(d)
    angles = np.arange(1, _COORDINATES + 1)[:, None] * np.arange(1, d + 1) * (2.0 * np.pi * GOLDEN)
    V = np.cos(angles)
    return V / np.linalg.norm(V, axis=1, keepdims=True)
