r"""A canonical order of the columns: where it succeeds, equivalent points differ by a rotation only.

Each column gets a *colour*, a real number made of quantities that the group leaves alone: at first of its profile
(:mod:`~sphereufm.geometry.symmetry.invariants`).  Then the column of the largest colour among those far from the span
so far is singled out, and every column learns its coordinate along the new direction, those of the columns at each
angle, and those of its block: a round of colour refinement,

    z_j += b_k <e_k, x_j>,     c_j += z_j + mean_i phi(G_ij) sin(pi z_i) + mean_{i in block of j} sin(pi z_i),

each term with a weight of its own, ``phi(g) = g + g^2 / 2``.  After as many rounds as the rank columns of equal
colour coincide, and sorting by colours, blocks by means over them, gives a permutation of the group.

Columns that a symmetry of the point relates tie, and any of them may be singled out with the same outcome.  Where
rounding decides between others, equivalent points are ordered differently: a comparison must then align
(:mod:`~sphereufm.geometry.symmetry.alignment`).  The order is a short cut and proves nothing by itself.

========  ===============  =====================================
symbol    shape            meaning
========  ===============  =====================================
``X``     ``(B, d, M)``    points, unit columns
``G``     ``(B, M, M)``    Gram matrices
``c, z``  ``(B, M)``       colours, sums of coordinates
========  ===============  =====================================

References
----------
B. McKay, A. Piperno, *Practical graph isomorphism II*, J. Symbolic Computation 2014 (refinement, individualisation).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array, column_norms
from sphereufm.geometry.symmetry.groups import ColumnPermutations, SymmetryGroup, best_rotations
from sphereufm.geometry.symmetry.invariants import GOLDEN, Columns, on_distinct_columns, profiles_of

# A column may be singled out if it is this far, relative to the farthest, from the span of those before.
_FAR = 0.5


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


def is_rotation_of(X: Array, Y: Array, tolerance: float, *, proper: bool = False) -> bool:
    """Whether ``|Q x_j - y_j| <= tolerance`` for every column and the ``Q`` that is best in the mean.

    ``X`` and ``Y``, shape ``(d, M)``; ``proper``: ``Q`` is of SO(d), else of O(d).
    """
    return bool(column_norms(best_rotations(Y @ X.T, proper) @ X - Y).max() <= tolerance)


def _refined(X: Array, colours: Array, columns: Columns) -> Array:
    """Colours after one round a dimension."""
    G = np.swapaxes(X, -1, -2) @ X
    phi = (G + 0.5 * G * G) * (columns.copies / columns.copies.sum())
    inside = (columns.block[:, None] == columns.block) * columns.copies
    means = (inside / inside.sum(axis=1, keepdims=True)).T
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


def _weights(count: int, number: int) -> Array:
    """Weights in (1/2, 1], no two of them in a simple ratio, different for each number."""
    return 1.0 - np.remainder((np.arange(count) + 17.0 * number) * GOLDEN, 1.0) / 2.0
