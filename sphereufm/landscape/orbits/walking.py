r"""Families of critical points that have no name: recognised by walking along them.

A null direction of the Hessian beyond the orbit need not be a direction of critical points.  So one walks: from
``X`` a short geodesic along the null vector ``z``, then the Newton search back to a critical point.  The
walk *succeeds* if what is found has the same cost and its Gram matrix has moved as the step meant it to: then
``X`` lies on a curve of critical points that is no orbit, as far as floating point can tell.  The number of
independent null directions that can be walked is the family's local dimension; it is compared with the
nullity, which bounds it from above.

Points of one cost that can be walked are entered as one family.  That they are connected is not claimed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array, retract
from sphereufm.geometry.symmetry.groups import numerical_rank
from sphereufm.geometry.tangent_spaces import from_coordinates, vertical_coordinates
from sphereufm.landscape.orbits.lower import cost_noise
from sphereufm.landscape.points import embed
from sphereufm.landscape.search.squared_gradient import find_critical_points
from sphereufm.problem import capabilities
from sphereufm.problem.interface import SphereProblem
from sphereufm.spectra.matrix import hessian_matrix
from sphereufm.tolerances import ROUNDINGS

__all__ = ["null_directions", "walkable_dimension"]

# Lengths of trial steps in radians (Frobenius norm of the tangent vector).
_STEPS = (0.05, 0.4)
# An eigenvalue below this fraction of the largest may belong to a null direction: near a singular stratum of
# a family others are as small as the square of the distance from it.
_SOFT = 1e-6
# Part of the intended movement that must be left after the way back.
_KEPT = 0.3
_MOST_DIRECTIONS = 16
_MIXTURES = 8


def walkable_dimension(problem: SphereProblem, X: Array) -> int:
    """Count the null directions at ``X`` along which critical points of the same cost follow.

    Parameters
    ----------
    problem : SphereProblem
        In any dimension that ``X`` fits.
    X : ndarray, shape (r, M)
        A critical point in its own span; as found where O(d) is no symmetry.

    Returns
    -------
    int
        Zero for an isolated class.  At most 16 directions are tried.

    Examples
    --------
    A global minimiser is isolated; at collapsed classifiers (here a point of rank one) features may move.

    >>> from sphereufm.problem.ufm import UFMProblem
    >>> problem = UFMProblem(class_sizes=(2, 2), dim=2, tau=1.0)
    >>> walkable_dimension(problem, np.array([[1.0, -1.0, 1.0, 1.0, -1.0, -1.0]]))
    0
    >>> walkable_dimension(problem, np.array([[1.0, 1.0, 1.0, -1.0, 1.0, -1.0]])) > 0
    True
    """
    d = problem.spheres.shape[0]
    inner = capabilities.in_span(problem, min(X.shape[0] + 1, d))
    Y = embed(X, inner.spheres.shape[0])
    directions = null_directions(inner, Y, X.shape[0])[:_MOST_DIRECTIONS]
    count = len(directions)
    for length in _STEPS:
        followed = directions[_can_be_followed(inner, Y, directions, length)]
        if len(followed):
            return min(len(followed), count)
        # where branches of a family cross, null vectors may point between them
        directions = _mixed(directions)
    return 0


def _can_be_followed(problem: SphereProblem, X: Array, directions: Array, length: float) -> NDArray[np.bool_]:
    """Whether critical points of the same cost, degenerate too, lie in each direction."""
    if not len(directions):
        return np.zeros(0, dtype=np.bool_)
    steps = retract(np.broadcast_to(X, directions.shape), length * directions)
    search = find_critical_points(problem, steps, tolerance=1e-11)
    meant, left = _distance(problem, X, steps), _distance(problem, X, search.X)
    start = problem.at(X)
    before, after = float(start.cost), problem.at(search.X).cost
    same = np.abs(after - before) <= cost_noise(start) + ROUNDINGS * abs(before)
    followed = search.converged & same & (left >= _KEPT * meant)
    for i in np.flatnonzero(followed):
        followed[i] = len(null_directions(problem, search.X[i], numerical_rank(search.X[i]))) > 0
    return followed


def _mixed(directions: Array) -> Array:
    """Random directions of the null space, where it has several."""
    if len(directions) < 2:
        return directions
    weights = np.random.default_rng(0).standard_normal((_MIXTURES, len(directions)))
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    return np.einsum("mk,kdj->mdj", weights, directions)


def null_directions(problem: SphereProblem, X: Array, rank: int) -> Array:
    """Null vectors of the Hessian beyond the orbit, orthonormal, shape ``(k, d, M)``.

    Directions out of the span count once here, though the Hessian repeats them for every further dimension.

    Parameters
    ----------
    problem : SphereProblem
    X : ndarray, shape (d, M)
    rank : int
        Rank of ``X``.
    """
    d, M = X.shape
    used = np.swapaxes(problem.spheres.mask[1:], -1, -2).ravel()
    matrix = hessian_matrix(problem, X)
    basis = np.eye(len(matrix))[:, used]
    if problem.symmetry.orthogonal:
        flat = vertical_coordinates(X, rank)
        basis = np.linalg.qr(flat, mode="complete")[0][:, flat.shape[1] :]
    values, vectors = np.linalg.eigh(basis.T @ matrix @ basis)
    if not values.size:
        return np.empty((0, d, M))
    soft = np.abs(values) <= _SOFT * np.abs(values).max()
    c = (basis @ vectors[:, soft]).T.reshape(-1, M, d - 1)
    return from_coordinates(np.broadcast_to(X, (len(c), d, M)), np.swapaxes(c, -1, -2))


def _distance(problem: SphereProblem, X: Array, Y: Array) -> Array:
    """How far each of ``Y`` is from ``X``: of Gram matrices where O(d) is a symmetry, else of the points."""
    if not problem.symmetry.orthogonal:
        return np.sqrt(np.square(Y - X).sum(axis=(-1, -2)))
    gap = np.swapaxes(Y, -1, -2) @ Y - X.T @ X
    return np.sqrt(np.square(gap).sum(axis=(-1, -2)))
