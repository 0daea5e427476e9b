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

from collections.abc import Callable, Iterator

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
# rows of the one item of a space
_ONLY = np.array([0])


def negative_curvature(
    problem: SphereProblem, point: Evaluation, rng: np.random.Generator, afford: Callable[[], bool]
) -> tuple[Array, float] | None:
    """Return a unit tangent and the negative curvature along it, or ``None`` where none was found.

    ``point``: at one point ``X``, shape (d, M).  ``afford``: called before each Hessian product; false ends the search.
    """
    known_ways = capabilities.offers(problem, "descent_direction")
    if known_ways and all(afford() for _ in range(_DIRECTION_PRODUCTS)):
        known = capabilities.descent_direction(problem, point.X)
        if known is not None:
            # as if every column had the size of its gradient scale
            largest = float((point.gradient_scale * np.square(known.U).sum(axis=0)).sum())
            if known.curvature < -_NEGATIVE * largest:
                return known.U, known.curvature
    scale = point.gradient_scale
    root = 1.0 / np.sqrt(np.where(scale > 0.0, scale, scale.max()))
    if not np.isfinite(root).all():
        return None
    start = project(point.X, problem.spheres.random_tangent(rng, point.X) / root)
    share = _NEGATIVE if capabilities.is_well_scaled(problem) else _NEGATIVE_OWN
    U = _lowest(point, root, start, share, afford)
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
    for t in 0.5 ** np.arange(_HALVINGS):
        for step in (t, -t):
            if not afford():
                return None
            X = retract(point.X, step * U)
            there = problem.at(X)
            enough = float(point.cost) + 0.125 * t * t * curvature
            if float(there.cost) < enough and np.isfinite(there.gradient).all():
                return X
    return None


def newton_length(point: Evaluation, afford: Callable[[], bool]) -> float:
    """Radians of the longest column of the Newton step, from below: by 40 Hessian products at most.

    A gradient of 1e-9 of its scale says little where a curvature is 1e-9 of the largest.  Minimising the residual over
    growing Krylov spaces gives steps of growing length.
    """
    unit = float(point.gradient_scale.max())
    root = np.sqrt(np.maximum(point.gradient_scale / unit, _INVARIANT))
    length, start = 0.0, point.gradient / unit / root
    for space, _ in _growing(point, 1.0 / root, unit, start, afford):
        y, residual = space.least_residual(_ONLY)
        length = float(column_norms(space.combine(_ONLY, y)[0] / root).max())
        if residual[0] <= _RESIDUAL * space.norm[0]:
            break
    return length


def _lowest(
    point: Evaluation, root: Array, start: Array, share: float, afford: Callable[[], bool]
) -> Array | None:
    """Ritz vector of the least Ritz value if that is negative by a share of the largest."""
    for space, last in _growing(point, root, 1.0, start, afford):
        values, vectors = (part[0] for part in space.ritz(_ONLY))
        least, largest = float(values[0]), float(np.abs(values).max())
        accurate = float(space.off[0, values.size - 1]) * abs(vectors[-1, 0]) < _RESIDUAL * -least
        if least < -share * largest and (accurate or last):
            return space.combine(_ONLY, vectors[None, :, 0])[0]
    return None


def _growing(
    point: Evaluation, root: Array, unit: float, start: Array, afford: Callable[[], bool]
) -> Iterator[tuple[Krylov, bool]]:
    """Krylov space of ``diag(root) Hess diag(root) / unit``, every few products, and whether it grows no more."""
    space = Krylov.of(start[None])

    def product(_: Rows, V: Array) -> Array:
        return project(point.X, point.hessian_product(V[0] * root) / unit * root)[None]

    last = bool(space.exhausted[0])
    while not last and afford():
        space.grow(_ONLY, product)
        size = int(space.size[0])
        # beyond an invariant space there is only noise
        invariant = space.off[0, size - 1] <= _INVARIANT * space.largest(_ONLY)[0]
        last = bool(space.exhausted[0] or invariant) or size == _LANCZOS_STEPS
        if size and (last or size % _RITZ_EVERY == 0):
            yield space, last
