r"""Riemannian trust regions with truncated conjugate gradients that remember, batched.

The path of truncated CG does not depend on the radius, and its iterates only grow.  So one run yields the minimiser on
the path for the radius ``Delta_0`` and for ``Delta_0 / 4, Delta_0 / 16, ...``: they are kept (*levels*), and after a
rejection the next one is taken without a further Hessian product.

The actual decrease ``f - f_+`` cancels near convergence.  Where it is not well above the rounding error of the
costs it is replaced by the trapezoidal rule ``-(phi'(0) + phi'(1)) / 2`` along the step, which uses gradients alone.

References
----------
P.-A. Absil, C. Baker, K. Gallivan, *Trust-region methods on Riemannian manifolds*, Found. Comput. Math. 2007.
N. Boumal, *An Introduction to Optimization on Smooth Manifolds*, 2023, section 6.4.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array, project
from sphereufm.solvers import batch
from sphereufm.solvers.oracle import Oracle, Points, Ray, inner
from sphereufm.solvers.strategies.step_path import LEVELS, SHRINK, StepPath
from sphereufm.solvers.strategy import Step

ACCEPT = 0.1
_GOOD = 0.75
_LEAST_RADIUS = 1e-14
# costs that differ by fewer roundings than this are compared by slopes
_TRUSTED = 1e3


@dataclass(frozen=True, kw_only=True)
class TrustRegion:
    """Trust regions with truncated conjugate gradients."""

    name: str = field(default="trust-region", init=False)

    def start(self, oracle: Oracle, points: Points) -> _Run:
        """Begin a run at ``points``."""
        return _Run(oracle, points)


class _Run:
    """Radius of each item, and the steps that its last truncated CG left for smaller radii."""

    def __init__(self, oracle: Oracle, points: Points) -> None:
        size = points.cost.size
        self.oracle = oracle
        # half a turn of every column
        self.largest = 0.5 * np.pi * float(np.linalg.norm(oracle.factors))
        self.radius = np.full(size, self.largest / 8.0)
        self.path = StepPath.empty(points.X)

    def keep(self, rows: NDArray[np.bool_]) -> None:
        """Go on with some of the items."""
        self.radius, self.path = self.radius[rows], batch.take(self.path, rows)

    def forget(self, rows: NDArray[np.bool_]) -> None:
        """Start afresh with some items."""
        self.radius[rows] = self.largest / 8.0
        self.path.level[rows] = LEVELS

    def step(self, points: Points) -> Step:
        """Try the step for the current radius."""
        self._solve_where_needed(points)
        U, predicted, boundary = self.path.current()
        tried = try_step(self.oracle, points, U, predicted)
        if tried is None:
            none = np.zeros(self.radius.size, dtype=bool)
            return Step(points, none, none)
        trial, rho = tried
        accepted = rho > ACCEPT
        self._next_radius(rho, accepted, boundary)
        stalled = (self.radius < _LEAST_RADIUS * self.largest) | ~(predicted > 0.0)
        return Step(points.moved(accepted, trial), stalled & ~accepted, ~trial.finite)

    def _solve_where_needed(self, points: Points) -> None:
        """Truncated CG for the items whose kept steps are used up or out of date."""
        needed = self.path.level >= LEVELS
        if not needed.any():
            return
        if needed.all():
            self.path = self._truncated_cg(points, np.arange(needed.size), self.radius)
        else:
            rows = np.flatnonzero(needed)
            self.path = batch.put(
                self.path, rows, self._truncated_cg(points.take(rows), rows, self.radius[rows])
            )

    def _next_radius(self, rho: Array, accepted: NDArray[np.bool_], boundary: NDArray[np.bool_]) -> None:
        """Shrink to the next kept step after a rejection; grow after a good step to the boundary."""
        length = self.path.length()
        grown = np.minimum(2.0 * self.radius, self.largest)
        poor = np.minimum(self.radius, np.maximum(length, 1e-300)) * SHRINK
        after = np.where(rho < 0.25, poor, np.where((rho > _GOOD) & boundary, grown, self.radius))
        self.path.skip_to_shorter(length)
        self.radius = np.where(accepted, after, np.where(self.path.level < LEVELS, self.path.radius(), poor))
        self.path.level[accepted] = LEVELS

    def _truncated_cg(self, points: Points, rows: NDArray[np.intp], radius: Array) -> StepPath:
        """Steihaug's method from zero, keeping the step for every level's radius."""
        path = StepPath.empty(points.X)
        path.start(radius)
        r = points.gradient.copy()
        square = inner(r, r)
        target = self.oracle.forcing(points.relative_norm) * np.sqrt(square)
        s, p = np.zeros_like(r), -r
        # squared lengths and products
        ss, sp, pp = np.zeros_like(square), np.zeros_like(square), square.copy()
        model = np.zeros_like(square)
        working = square > 0.0
        everyone = None if rows.size == self.radius.size else rows
        for _ in range(self.oracle.problem.spheres.dimension):
            # two calls are kept back for the trial
            working &= self.oracle.affordable(3)[rows]
            if not working.any() or self.oracle.expired():
                break
            image = self.oracle.hessian(points, p, working, everyone)
            curvature, slope = inner(p, image), -square
            alpha = np.divide(square, curvature, out=np.full_like(square, np.inf), where=curvature > 0.0)
            bounded = np.where(np.isfinite(alpha), alpha, 0.0)
            ahead = np.where(curvature > 0.0, ss + 2.0 * bounded * sp + bounded**2 * pp, np.inf)
            path.cross(working, ahead, (s, p), (ss, sp, pp), (model, slope, curvature))
            working &= ahead < path.radii[:, 0] ** 2
            if not working.any():
                break
            a = np.where(working, bounded, 0.0)
            s += a[:, None, None] * p
            model = model + a * slope + 0.5 * a * a * curvature
            r += a[:, None, None] * image
            before, square = square, np.where(working, inner(r, r), square)
            ss = np.where(working, ahead, ss)
            working &= (np.sqrt(square) > target) & (square > 0.0)
            beta = square / np.where(before > 0.0, before, 1.0)
            p *= beta[:, None, None]
            p -= r
            p = project(points.X, p)
            sp, pp = beta * (sp + a * pp), square + beta**2 * pp
        path.close(s, ss, model)
        return path


def actual_decrease(points: Points, trial: Points, ray: Ray) -> Array:
    """``f - f_+`` at ``t = 1``, from slopes where the costs cancel, shape (B,)."""
    difference = points.cost - trial.cost
    slopes = -0.5 * (ray.slope + ray.slope_at(np.ones(difference.size), trial))
    return np.where(np.abs(difference) > _TRUSTED * points.noise, difference, slopes)


def try_step(oracle: Oracle, points: Points, U: Array, predicted: Array) -> tuple[Points, Array] | None:
    """Points at the ends of the steps, and actual over predicted decrease, minus infinity where it means nothing.

    None where the budget does not allow it.
    """
    if not oracle.affordable(2).all():
        return None
    ray = oracle.ray(points, U)
    trial = oracle.at(ray.at(np.ones(predicted.size)))
    ratio = actual_decrease(points, trial, ray) / np.where(predicted > 0.0, predicted, 1.0)
    return trial, np.where(trial.finite & (predicted > 0.0) & np.isfinite(ratio), ratio, -np.inf)
