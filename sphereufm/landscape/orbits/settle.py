r"""From where a search stopped to the critical point meant: Newton's method down to rounding, or no claim.

A small gradient is no critical point: beside steep directions a soft one can be a radian off.  So the Newton step has
to be small, too.  It is taken in the eigenbasis of the column-scaled Hessian off the orbit's tangent space, and only
along eigenvectors whose gradient stands above its rounding.  Beside a degenerate critical point the steps shrink
linearly (by two thirds where the cost is of fourth order) until rounding ends them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sphereufm.geometry.spheres import Array, column_norms, retract
from sphereufm.geometry.tangent_spaces import from_coordinates, to_coordinates
from sphereufm.problem.interface import SphereProblem, relative_gradient_norm
from sphereufm.spectra.curvature_signs import curvature_signs, extent, slope_noise
from sphereufm.spectra.matrix import eigenpairs, hessian_matrix, idle_coordinates, positive_scale

_ROUNDINGS = 16.0 * float(np.finfo(np.float64).eps)
_MOST_STEPS = 40
# radians; a longer Newton step in the end means that the point is not known
_CLOSE = 1e-2
_LONGEST = 0.1
# two points that are each known to a radius, and rounding that was measured a little small
_MARGIN = 4.0
# radians that a bound on rounding may leave open
_SOFT = 1e-8


@dataclass(frozen=True, kw_only=True, eq=False)
class Settled:
    """A critical point as well as floating point knows it."""

    X: Array  #: shape ``(d, M)``
    #: Radians within which it is known; a few roundings are left out.  Positive at degenerate points.
    uncertainty: float
    flat: int  #: directions along which no sign of the curvature is decided


def settle(problem: SphereProblem, X: Array) -> Settled | None:
    """Newton's method from a point near a critical one; None if it does not lead to one close by.

    ``problem``: in the point's own span where O(d) is a symmetry; ``X``, shape ``(d, M)``.
    """
    if X.shape[0] == 1 or not problem.spheres.dimension:
        return Settled(X=X, uncertainty=0.0, flat=0)
    norm, length = float(relative_gradient_norm(problem.at(X))), np.inf
    for _ in range(_MOST_STEPS):
        step = _step(problem, X)
        if step is None:
            return None
        move, U = step
        length = float(column_norms(move).max())
        if length == 0.0:
            break
        moved = retract(X, move * min(1.0, _LONGEST / length))
        after = float(relative_gradient_norm(problem.at(moved)))
        if not after < norm:
            break
        X, norm = moved, after
    if not length <= _CLOSE:
        return None
    found = curvature_signs(problem, X, U)
    if found.rough:
        return None
    zero = U[found.signs == 0]
    uncertainty = max(extent(problem, X, zero), _MARGIN * found.radius)
    return Settled(X=X, uncertainty=uncertainty, flat=len(zero))


def _step(problem: SphereProblem, X: Array) -> tuple[Array, Array] | None:
    """Newton step off the orbit, and the eigenvectors that it was made of; None where the Hessian is not finite."""
    point = problem.at(X)
    unit = float(point.gradient_scale.max())
    if not 0.0 < unit < np.inf:
        return None
    root = np.repeat(np.sqrt(positive_scale(point) / unit), len(X) - 1)
    matrix = hessian_matrix(problem, X) / unit / root / root[:, None]
    g = to_coordinates(X, point.gradient / unit) / root
    if not (np.isfinite(matrix).all() and np.isfinite(g).all()):
        return None
    rank = len(X) if problem.symmetry.orthogonal else None
    values, vectors = eigenpairs(matrix, idle_coordinates(problem, X, rank) * root[:, None])
    # in these coordinates a column's gradient is known to this, root^2 in root's units
    noise = np.abs(vectors) @ (_ROUNDINGS * root)
    along = vectors @ g
    U = from_coordinates(X, vectors / root)
    # that bound leaves a soft direction open: there the rounding is measured
    soft = np.flatnonzero((np.abs(along) <= noise) & (noise > _SOFT * np.abs(values)) & (values != 0.0))
    if soft.size:
        noise[soft] = slope_noise(problem, X, U[soft], unit)
    significant = (np.abs(along) > noise) & (values != 0.0)
    c = np.where(significant, -along / np.where(significant, values, 1.0), 0.0)
    return np.tensordot(c, U, axes=1), U
