r"""Leaving saddles: negative curvature where the gradient vanishes.

At a point whose gradient meets the tolerance three questions are asked, the cheapest first.

1. Does the point show that it is a global minimiser (:func:`~sphereufm.problem.capabilities.global_minima`,
   numerical)?  Then there is nothing to leave.
2. Does an explicit direction of the problem (for the cross-entropy: of Theorem S's proof) have negative curvature?
3. Does a Lanczos process on the Hessian, started from a random tangent, find a negative Ritz value?

Hessians are scaled by the columns' gradient scales, ``D^{-1/2} Hess D^{-1/2}``, so that "negative" means the same at
every temperature.  A few dozen Lanczos steps can miss weak negative curvature: none found is no proof of a minimum.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sphereufm.geometry.spheres import Array, column_norms, project, retract, tangent_norm
from sphereufm.problem import capabilities
from sphereufm.problem.interface import Evaluation, SphereProblem
from sphereufm.solvers.oracle import Rows
from sphereufm.solvers.strategies.krylov import Krylov

# Hessian products that the proof's directions take, at most
_DIRECTION_PRODUCTS = 8
_LANCZOS_STEPS = 40
# Ritz values can cost more than the products between them
_RITZ_EVERY = 5
# a Ritz value counts as negative below this share of the largest
_NEGATIVE = 1e-6
# or this, for costs whose curvatures may differ by any factor; a lower cost along it decides
_NEGATIVE_OWN = 1e-13
# a Ritz pair is accurate when its residual is below this share of its value
_RESIDUAL = 0.1
_INVARIANT = 1e-12
_HALVINGS = 40


def negative_curvature(
    problem: SphereProblem, point: Evaluation, rng: np.random.Generator, afford: Callable[[], bool]
) -> tuple[Array, float] | None:
    """Return a unit tangent and the negative curvature along it, or ``None`` where none was found.

    * ``point``: at one point ``X``, shape (d, M).
    * ``rng``: for the first Lanczos vector.
    * ``afford``: called before each Hessian product; false ends the search.
    """
    if capabilities.offers(problem, "descent_direction") and all(
        afford() for _ in range(_DIRECTION_PRODUCTS)
    ):
        known = capabilities.descent_direction(problem, point.X)
        if known is not None and known.curvature < -_NEGATIVE * _curvature_scale(point, known.U):
            return known.U, known.curvature
    scale = point.gradient_scale
    root = 1.0 / np.sqrt(np.where(scale > 0.0, scale, scale.max()))
    if not np.isfinite(root).all():
        return None
    start = project(point.X, problem.spheres.random_tangent(rng, point.X) / root)
    share = _NEGATIVE if capabilities.is_well_scaled(problem) else _NEGATIVE_OWN
    U = _lanczos(point, root, start, share, afford)
    if U is None or not afford():
        return None
    U = project(point.X, U * (root / root.max()))
    if not (size := float(tangent_norm(U))) > 0.0:
        return None
    U /= size
    curvature = float(np.vdot(U, point.hessian_product(U)))
    return (U, curvature) if curvature < 0.0 else None


def slide(
    problem: SphereProblem, point: Evaluation, U: Array, curvature: float, afford: Callable[[], bool]
) -> Array | None:
    """Return a lower point along ``U`` or ``-U``, downhill first, or ``None``.

    The step ``t`` is halved from 1 until ``f(R(X, t U)) <= f(X) + t^2 curvature / 8`` where the gradient is finite.
    """
    if float(np.vdot(point.gradient, U)) > 0.0:
        U = -U
    cost = float(point.cost)
    t = 1.0
    for _ in range(_HALVINGS):
        for sign in (1.0, -1.0):
            if not afford():
                return None
            X = retract(point.X, sign * t * U)
            there = problem.at(X)
            if float(there.cost) < cost + 0.125 * t * t * curvature and np.isfinite(there.gradient).all():
                return X
        t *= 0.5
    return None


def newton_length(point: Evaluation, afford: Callable[[], bool]) -> float:
    """Radians of the longest column of the Newton step, from below: by 40 Hessian products at most.

    A gradient of 1e-9 of its scale says little where a curvature is 1e-9 of the largest.  Minimising the residual over
    growing Krylov spaces gives steps of growing length.

    ``point``: at one point ``X``, shape (d, M).  ``afford``: called before each Hessian product; false ends
    the search.
    """
    scale = point.gradient_scale
    unit = float(scale.max())
    root = np.sqrt(np.maximum(scale / unit, _INVARIANT))
    space, only = Krylov.of((point.gradient / unit / root)[None]), np.array([0])

    product, length = _scaled(point, 1.0 / root, unit), 0.0
    for size in range(1, _LANCZOS_STEPS + 1):
        if space.exhausted[0] or not afford():
            break
        space.grow(only, product)
        if size % _RITZ_EVERY == 0 or space.exhausted[0]:
            y, residual = space.least_residual(only)
            length = float(column_norms(space.combine(only, y)[0] / root).max())
            if residual[0] <= _RESIDUAL * space.norm[0]:
                break
    return length


def _scaled(point: Evaluation, root: Array, unit: float) -> Callable[[Rows, Array], Array]:
    """Products with ``diag(root) Hess diag(root) / unit`` at one point, as a Krylov space asks for them."""

    def product(_: Rows, V: Array) -> Array:
        return project(point.X, point.hessian_product(V[0] * root) / unit * root)[None]

    return product


def _curvature_scale(point: Evaluation, U: Array) -> float:
    """Curvature that a tangent would have if every column had the size of its gradient scale."""
    return float((point.gradient_scale * np.square(U).sum(axis=0)).sum())


def _lanczos(
    point: Evaluation, root: Array, start: Array, share: float, afford: Callable[[], bool]
) -> Array | None:
    """Ritz vector of the least Ritz value if that is negative by a share of the largest."""
    space, only = Krylov.of(start[None]), np.array([0])

    product = _scaled(point, root, 1.0)
    last = bool(space.exhausted[0])
    while not last:
        if not afford():
            return None
        space.grow(only, product)
        size = int(space.size[0])
        beta = float(space.off[0, size - 1])
        # beyond an invariant space there is only noise
        invariant = bool(space.exhausted[0]) or beta <= _INVARIANT * float(space.largest(only)[0])
        last = invariant or size == _LANCZOS_STEPS
        if size % _RITZ_EVERY and not last:
            continue
        values, vectors = (part[0] for part in space.ritz(only))
        least, largest = float(values[0]), float(np.abs(values).max())
        accurate = beta * abs(vectors[-1, 0]) < _RESIDUAL * -least
        if least < -share * largest and (accurate or last):
            return space.combine(only, vectors[None, :, 0])[0]
    return None
