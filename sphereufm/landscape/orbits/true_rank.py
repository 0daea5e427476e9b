r"""Points that a search left beside a critical point of lower rank: they are that point.

Along a soft direction a search ends where the gradient is small, which may be some 1e-3 radians from a critical point
``Z`` of lower rank (at ``tau = 12`` curvatures of 2e-10 occur).  ``Y`` is taken for ``Z``, its rows of greatest
singular values in columns of unit length, if the costs agree and the slopes on the way from ``Z`` to ``Y``
are at least those of a curvature of decided sign: then the gradient at ``Y`` is small, but no zero.  Along a family
the curvature vanishes, and its members keep their ranks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array, column_norms, logarithm
from sphereufm.geometry.symmetry.groups import principal_frame, vertical_basis
from sphereufm.landscape.orbits.found import Found
from sphereufm.landscape.orbits.settle import settle
from sphereufm.landscape.points import embed
from sphereufm.problem import capabilities
from sphereufm.problem.interface import SphereProblem
from sphereufm.spectra.curvature_signs import explains_slope
from sphereufm.tolerances import SAME_COST

# Columns this much shorter than one in fewer rows belong to no point close by.
_SHORTENED = 0.2
# Relative; costs that differ by more are not looked into: for a soft direction they hardly differ.
_NEAR_COST = 1e-6
# Coordinates of the largest points that are looked at; the Hessians of others take longer than the search.
_MOST_COORDINATES = 300


def at_true_ranks(problem: SphereProblem, points: Sequence[Found]) -> list[Found]:
    """The points, those beside a critical point of lower rank replaced by it.

    ``problem``: points are left as they are where O(d) is no symmetry.
    """
    if not problem.symmetry.orthogonal:
        return list(points)
    out = list(points)
    for rows, M in dict.fromkeys(point.X.shape for point in points):
        places = [i for i, point in enumerate(points) if point.X.shape == (rows, M)]
        # squared lengths of the columns of the first rows, (points, rows, M)
        lengths = np.square([points[i].X for i in places]).cumsum(axis=1)
        off = np.abs(np.sqrt(lengths) - 1.0).max(axis=-1)
        for k in np.flatnonzero((off[:, :-1] <= _SHORTENED).any(axis=1)):
            i = places[k]
            out[i] = _at_true_rank(problem, points[i], 1 + np.flatnonzero(off[k] <= _SHORTENED))
    return out


def _at_true_rank(problem: SphereProblem, found: Found, ranks: NDArray[np.intp]) -> Found:
    """The critical point of least rank, of those given, that the point is meant for."""
    for rank in ranks.tolist():
        if rank >= found.rank or (rank > 1 and found.X.size > _MOST_COORDINATES):
            break
        inner = capabilities.in_span(problem, rank)
        cut = found.X[:rank] / column_norms(found.X[:rank])
        near = abs(float(inner.at(cut).cost) - found.cost) <= _NEAR_COST * abs(found.cost)
        settled = settle(inner, cut) if near else None
        if settled is None:
            continue
        cost = float(inner.at(settled.X).cost)
        if abs(cost - found.cost) <= SAME_COST * abs(cost) and _is_meant(problem, settled.X, found):
            return Found(X=_framed(settled.X), rank=rank, cost=cost, radius=settled.uncertainty)
    return found


def _framed(X: Array) -> Array:
    """In its principal frame, exact where the rank is one."""
    frame = principal_frame(X, len(X))
    return np.sign(frame) if len(X) == 1 else frame


def _is_meant(problem: SphereProblem, Z: Array, found: Found) -> bool:
    """Whether a curvature keeps the slope from zero on the way from ``Z`` to the point, rotations taken off."""
    inner = capabilities.in_span(problem, found.rank)
    Z = embed(Z, found.rank)
    U = logarithm(Z, found.X)
    # steep columns are turned least: their rounding would hide soft ones
    root = np.sqrt(inner.at(Z).gradient_scale)
    turns = (vertical_basis(Z) * root).reshape(-1, U.size)
    amounts = np.linalg.lstsq(turns.T, (U * root).ravel(), rcond=None)[0]
    U = U - np.tensordot(amounts, (turns.reshape(-1, *U.shape) / root), axes=1)
    return bool(column_norms(U).any()) and explains_slope(inner, Z, U)
