r"""Permutations that match two configurations column by column, without any rotation.

Given the columns of ``Y`` and ``X`` and a radius, a permutation ``s`` of the group is sought with ``|y_j -
x_s(j)| <= radius`` for every ``j`` and the least sum of squares: an assignment of columns inside each pair
of cells, and an assignment of blocks above it.  The decision is exact: None means that there is no such
permutation.

References
----------
D. F. Crouse, *On implementing 2D rectangular assignment algorithms*, IEEE Trans. AES 2016 (SciPy's solver).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array
from sphereufm.geometry.symmetry.groups import ColumnPermutations
from sphereufm.geometry.symmetry.invariants import Columns

# Squares of distances that differ by no more differ by what critical points are known to: places 1e-10 apart are one.
_ROUNDING = 1e-20


def match_columns(
    X: Array, Y: Array, permutations: ColumnPermutations, radius: float
) -> NDArray[np.intp] | None:
    """The ``s`` of the group with ``X[:, s]`` nearest to ``Y`` among those that keep every column within the radius."""
    s = np.empty(permutations.columns, dtype=np.intp)
    if all(_match_blocks(X, Y, cells, radius, s) for cells in permutations.kind_cells):
        return s
    return None


def position_labels(X: Array, permutations: ColumnPermutations, gap: float) -> NDArray[np.intp]:
    """Number the places of columns, shape ``(M,)``: one for those of a cell kind that steps of at most ``gap`` join."""
    columns = Columns.distinct(X, permutations)
    places = X[:, columns.first]
    near = (_squared_distances(places, places) <= gap * gap) & (columns.kind[:, None] == columns.kind)
    names = columns.kind * len(near) + _smallest_reachable(near)
    return np.unique(names, return_inverse=True)[1][columns.label]


def _smallest_reachable(near: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Smallest node of each node's component; clusters of coinciding columns are cliques: two rounds do."""
    names = np.arange(len(near))
    while True:
        smaller = np.where(near, names, len(near)).min(axis=1)
        if np.array_equal(smaller, names):
            return names
        names = smaller


def _match_blocks(
    X: Array, Y: Array, cells: Sequence[NDArray[np.intp]], radius: float, s: NDArray[np.intp]
) -> bool:
    """Fill ``s`` for the blocks of one kind; False where they cannot be matched."""
    if not cells:
        return True
    count = len(cells[0])
    # squared distances (block of Y, column, block of X, column), too large where a pair is out of reach
    out_of_reach = 8.0 * max(sum(cell.size for cell in cells), 1)
    tables = [_squares(X, Y, cell, radius, out_of_reach) for cell in cells]
    cost = np.zeros((count, count))
    for table in tables:
        cost += _block_costs(table, out_of_reach, cost < out_of_reach)
    partners = assigned(np.minimum(cost, out_of_reach))
    if not (cost[np.arange(count), partners] < out_of_reach).all():
        return False
    for b, image in enumerate(partners):
        for cell, table in zip(cells, tables, strict=True):
            order = assigned(table[b, :, image, :]) if cell.shape[1] > 1 else slice(None)
            s[cell[b]] = cell[image][order]
    return True


def _squares(X: Array, Y: Array, cell: NDArray[np.intp], radius: float, out_of_reach: float) -> Array:
    """Squared distances from the cell's columns in ``Y`` to those in ``X``, shape ``(B, n, B, n)``."""
    columns = cell.ravel()
    squares = _squared_distances(Y[:, columns], X[:, columns])
    squares[squares > radius * radius] = out_of_reach
    return squares.reshape(*cell.shape, *cell.shape)


def _block_costs(table: Array, out_of_reach: float, wanted: NDArray[np.bool_]) -> Array:
    """Least sum of squares for each pair of cells, shape ``(B, B)``; computed where it may be finite."""
    if table.shape[1] <= 1:
        return table.sum(axis=(1, 3))
    lower = np.maximum(table.min(axis=3).max(axis=1), table.min(axis=1).max(axis=2))
    cost = np.full(lower.shape, out_of_reach)
    for b, image in np.argwhere(wanted & (lower < out_of_reach)):
        pair = table[b, :, image, :]
        cost[b, image] = min(pair[np.arange(len(pair)), assigned(pair)].sum(), out_of_reach)
    return cost


def _squared_distances(Y: Array, X: Array) -> Array:
    """From each column of ``Y`` to each of ``X``, by differences, which near places need."""
    return sum((np.square(np.subtract.outer(y, x)) for y, x in zip(Y, X, strict=True)), np.zeros(()))


def assigned(cost: Array) -> NDArray[np.intp]:
    """Partner of each row at the least sum: its nearest, those at one place in turn, and SciPy's where that fails."""
    near = cost <= cost.min(axis=1, keepdims=True) + _ROUNDING
    place = near.argmax(axis=1)
    partners = np.empty(len(cost), dtype=np.intp)
    partners[np.argsort(place, kind="stable")] = np.argsort(place[near.argmax(axis=0)], kind="stable")
    if near[np.arange(len(cost)), partners].all():
        return partners
    from scipy.optimize import linear_sum_assignment  # to load it takes longer than a small search

    return np.asarray(linear_sum_assignment(cost)[1])
