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
from sphereufm.geometry.symmetry.groups import numerical_rank
from sphereufm.geometry.tangent_spaces import from_coordinates, to_coordinates, vertical_coordinates
from sphereufm.problem.interface import SphereProblem, relative_gradient_norm
from sphereufm.spectra.curvature_signs import curvature_signs, extent, slope_noise
from sphereufm.spectra.matrix import hessian_matrix

_ROUNDINGS = 16.0 * float(np.finfo(np.float64).eps)
_MOST_STEPS = 40
# radians; a longer Newton step in the end means that the point is not known
_CLOSE = 1e-2
_LONGEST = 0.1
# two points that are each known to a radius, and rounding that was measured a little small
_MARGIN = 4.0
# radians that a bound on rounding may leave open
_SOFT = 1e-8
# of the largest column's
_LEAST_SCALE = 1e-200


@dataclass(frozen=True, kw_only=True, eq=False)
class Settled:
    """A critical point as well as floating point knows it."""

    X: Array  #: shape ``(d, M)``
    #: Radians within which it is known; a few roundings are left out.  Positive at degenerate points.
    uncertainty: float
    flat: int  #: directions along which no sign of the curvature is decided


@dataclass(frozen=True, eq=False, slots=True)
class _Newton:
    """One Newton step and the eigenvectors that it was made of, as tangents."""

    move: Array
    vectors: Array


def settle(problem: SphereProblem, X: Array) -> Settled | None:
    """Newton's method from a point near a critical one; None if it does not lead to one close by.

    ``problem``: in the point's own span where O(d) is a symmetry; ``X``, shape ``(d, M)``.
    """
    if X.shape[0] == 1 or not problem.spheres.dimension:
        return Settled(X=X, uncertainty=0.0, flat=0)
    newton: _Newton | None = None
    norm, length = float(relative_gradient_norm(problem.at(X))), np.inf
    for _ in range(_MOST_STEPS):
        newton = _step(problem, X)
        if newton is None:
            return None
        length = float(column_norms(newton.move).max())
        if length == 0.0:
            break
        moved = retract(X, newton.move * min(1.0, _LONGEST / length))
        after = float(relative_gradient_norm(problem.at(moved)))
        if not after < norm:
            break
        X, norm = moved, after
    if newton is None or not length <= _CLOSE:
        return None
    vectors = newton.vectors
    found = curvature_signs(problem, X, vectors)
    if found.rough:
        return None
    zero = vectors[found.signs == 0]
    uncertainty = max(extent(problem, X, zero), _MARGIN * found.radius)
    return Settled(X=X, uncertainty=uncertainty, flat=len(zero))


def _step(problem: SphereProblem, X: Array) -> _Newton | None:
    """Newton step off the orbit; None where the Hessian is not finite."""
    point = problem.at(X)
    unit = float(point.gradient_scale.max())
    if not 0.0 < unit < np.inf:
        return None
    root = np.repeat(np.sqrt(np.maximum(point.gradient_scale / unit, _LEAST_SCALE)), len(X) - 1)
    matrix = hessian_matrix(problem, X) / unit / root / root[:, None]
    g = to_coordinates(X, point.gradient / unit) / root
    if not (np.isfinite(matrix).all() and np.isfinite(g).all()):
        return None
    basis = _off_orbit(problem, X, root)
    values, vectors = np.linalg.eigh(basis.T @ matrix @ basis)
    vectors = basis @ vectors
    # in these coordinates a column's gradient is known to this, root^2 in root's units
    noise = np.abs(vectors).T @ (_ROUNDINGS * root)
    along = vectors.T @ g
    tangents = from_coordinates(X, (vectors / root[:, None]).T)
    # that bound leaves a soft direction open: there the rounding is measured
    soft = np.flatnonzero((np.abs(along) <= noise) & (noise > _SOFT * np.abs(values)) & (values != 0.0))
    if soft.size:
        noise[soft] = slope_noise(problem, X, tangents[soft], unit)
    significant = (np.abs(along) > noise) & (values != 0.0)
    c = np.where(significant, -along / np.where(significant, values, 1.0), 0.0)
    return _Newton(move=np.tensordot(c, tangents, axes=1), vectors=tangents)


def _off_orbit(problem: SphereProblem, X: Array, root: Array) -> Array:
    """Orthonormal basis of the scaled coordinates in use, normal to the orbit."""
    used = problem.spheres.used
    if not problem.symmetry.has_rotations:
        return np.eye(used.size)[:, used]
    rank = len(X) if problem.symmetry.orthogonal else numerical_rank(X)
    kernel = vertical_coordinates(X, rank) * root[:, None]
    return np.linalg.qr(kernel, mode="complete")[0][:, kernel.shape[1] :]
