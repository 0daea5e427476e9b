r"""What a symmetry group leaves unchanged: numbers, a key made of them, and an order of the columns.

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

**Order.** Each column gets a *colour*, a real number, at first of its profile.  Then the column of the largest colour
among those far from the span so far is singled out, and every column learns its coordinate along the new direction,
those of the columns at each angle, and those of its block: a round of colour refinement,

    z_j += b_k <e_k, x_j>,     c_j += z_j + mean_i phi(G_ij) sin(pi z_i) + mean_{i in block of j} sin(pi z_i),

each term with a weight of its own, ``phi(g) = g + g^2 / 2``.  After as many rounds as the rank columns of equal colour
coincide, and sorting by colours, blocks by means over them, gives a permutation of the group; where it succeeds,
equivalent points so ordered differ by a rotation only.  Columns that a symmetry of the point relates tie, and any of
them may be singled out with the same outcome.  Where rounding decides between others, equivalent points are ordered
differently: a comparison must then align (:mod:`~sphereufm.geometry.symmetry.alignment`).  The order is a short cut and
proves nothing by itself.

References
----------
B. McKay, A. Piperno, *Practical graph isomorphism II*, J. Symbolic Computation 2014 (refinement, individualisation).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sphereufm.errors import check_array, check_integer
from sphereufm.geometry.spheres import Array, column_norms
from sphereufm.geometry.symmetry.groups import ColumnPermutations, SymmetryGroup

_POWERS = (1, 2, 3, 4)
_COORDINATES = 4
# Columns this close, a few hundred roundings, may count as one; from so many columns on it pays to look.
_SAME_COLUMN = 1e-13
_MANY_COLUMNS = 100
# (sqrt(5) - 1) / 2: its multiples are spread evenly modulo one (Weyl), and no small fraction is near it
GOLDEN = 0.6180339887498949
# A column may be singled out if it is this far, relative to the farthest, from the span of those before.
_FAR = 0.5


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
    :func:`~sphereufm.geometry.symmetry.alignment.align`.  ``X``, shape ``(d, M)``; ``decimals``: at least 1, and those
    beyond 12 say no more.

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
    a = golden_weights(columns.kind)
    among, in_block = a * columns.copies / columns.copies.sum(), a * columns.in_block
    rows = []
    power = np.ones_like(G)
    for p in _POWERS:
        power = power * G
        rows += [power @ among / (2 * p), np.einsum("...jl,jl->...j", power, in_block) / (2 * p)]
    others = G * a / 2
    # a column that stands for several has others at its own place; itself it counts as zero
    alone = np.flatnonzero(columns.copies == 1)
    others[..., alone, alone] = 0.0
    for part in (others, others * (in_block > 0.0)):
        rows += [part.max(axis=-1, initial=0.0), part.min(axis=-1, initial=0.0)]
    profiles = np.stack(rows, axis=-2)
    return profiles if rotated else np.concatenate([profiles, _directions(X.shape[-2]) @ X], axis=-2)


def canonical_orders(X: Array, symmetry: SymmetryGroup) -> NDArray[np.intp]:
    """Permutations ``s`` of the group that bring each point's columns into an order of their own, shape ``(B, M)``.

    ``X``, shape ``(B, d, M)``.
    """

    def colours(points: Array, columns: Columns) -> Array:
        profiles = profiles_of(points, columns, symmetry.has_rotations)
        first = _weights(profiles.shape[-2], 1) @ profiles
        if symmetry.has_rotations:
            return _refined(points, first, columns)
        return np.asarray(first + _weights(points.shape[-2], 2) @ points)

    return _sorted_by(on_distinct_columns(colours, X, symmetry.permutations), symmetry.permutations)


@dataclass(frozen=True, eq=False)
class Columns:
    """Columns that stand for equal ones of their cells."""

    first: NDArray[np.intp]  #: shape ``(m,)``: number among all columns
    #: ``kind`` and ``block``, shape ``(m,)``: of the cell.
    kind: NDArray[np.intp]
    block: NDArray[np.intp]
    copies: NDArray[np.intp]  #: shape ``(m,)``: how many it stands for
    label: NDArray[np.intp]  #: shape ``(M,)``: which of them stands for each column

    @property
    def in_block(self) -> Array:
        """Weights of the columns of its block in their mean, one row a column, shape ``(m, m)``."""
        inside = (self.block[:, None] == self.block) * self.copies
        return np.asarray(inside / inside.sum(axis=1, keepdims=True))

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


def _refined(X: Array, colours: Array, columns: Columns) -> Array:
    """Colours after one round a dimension."""
    G = np.swapaxes(X, -1, -2) @ X
    phi = (G + 0.5 * G * G) * (columns.copies / columns.copies.sum())
    means = columns.in_block.T
    items = np.arange(len(X))
    residual, z = X, np.zeros_like(colours)
    for weight, *parts in np.array([_weights(X.shape[-2], number) for number in (3, 4, 5, 6)]).T:
        left = column_norms(residual)
        far = left >= _FAR * left.max(axis=-1, keepdims=True)
        chosen = np.where(far, colours, -np.inf).argmax(axis=-1)
        e = residual[items, :, chosen] / np.maximum(left[items, chosen], 1e-300)[:, None]
        residual = residual - e[..., None] * (e[:, None, :] @ residual)
        z = z + weight * (e[:, None, :] @ X)[:, 0]
        seen = np.sin(np.pi * z)
        terms = (z, (phi @ seen[..., None])[..., 0], seen @ means)
        colours = colours + sum(part * term for part, term in zip(parts, terms, strict=True))
    return colours


def _sorted_by(colours: Array, permutations: ColumnPermutations) -> NDArray[np.intp]:
    """Blocks of a kind sorted by means over their colours, columns of a cell by their colours."""
    s = np.empty(colours.shape, dtype=np.intp)
    for cells in permutations.kind_cells:
        if not cells:
            continue
        keys = sum(
            np.sin(colours[:, cell] + number).mean(axis=-1) for number, cell in enumerate(cells) if cell.size
        )
        blocks = np.argsort(keys, axis=-1)
        for cell in cells:
            order = np.argsort(colours[:, cell], axis=-1)
            columns = np.take_along_axis(np.broadcast_to(cell, order.shape), order, axis=-1)
            s[:, cell] = np.take_along_axis(columns, blocks[..., None], axis=-2)
    return s


def golden_weights(numbers: NDArray[Any] | int) -> Array:
    """Weights in (1/2, 1] of whole numbers, no two of them in a simple ratio."""
    return 1.0 - np.remainder(np.multiply(numbers, GOLDEN), 1.0) / 2.0


def _weights(count: int, number: int) -> Array:
    """So many weights, others for each number."""
    return golden_weights(np.arange(count) + 17 * number)
