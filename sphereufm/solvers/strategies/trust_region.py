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
from sphereufm.solvers.strategies import Step

ACCEPT = 0.1
_GOOD = 0.75
_LEVELS = 8
_SHRINK = 0.25
_LEAST_RADIUS = 1e-14
# costs that differ by fewer roundings than this are compared by slopes
_TRUSTED = 1e3


@dataclass(frozen=True, kw_only=True)
class TrustRegion:
    """Trust regions with truncated conjugate gradients."""

    name: str = field(default="trust-region", init=False)

    def start(self, oracle: Oracle, points: Points) -> _Run:
        """Begin a run at ``points``."""
        # half a turn of every column
        largest = 0.5 * np.pi * float(np.linalg.norm(oracle.factors))
        radius = np.zeros(points.cost.size)
        return _Run(oracle, largest, radius, Path.towards(points.X, radius))


@dataclass(slots=True, eq=False)
class Path:
    """Steps of one truncated CG for a decreasing sequence of radii; the first may end inside its radius."""

    #: ``steps``, shape ``(B, L, d, M)``, ``radii``, ``length`` and (predicted) ``decrease``, shape ``(B, L)``.
    steps: Array
    radii: Array
    length: Array
    decrease: Array
    crossed: NDArray[np.bool_]  #: shape ``(B, L)``: whether the step ends on the boundary
    level: NDArray[np.intp]  #: shape ``(B,)``: which step is in use, counted from one; zero if none is

    @classmethod
    def towards(cls, X: Array, radius: Array) -> Path:
        """No steps yet."""
        radii = radius[:, None] * _SHRINK ** np.arange(_LEVELS)
        # pages that no level writes to are never touched
        steps = np.zeros((X.shape[0], _LEVELS, *X.shape[1:]))
        crossed = np.zeros(radii.shape, dtype=bool)
        return cls(
            steps, radii, radii.copy(), np.zeros_like(radii), crossed, np.zeros(radius.size, dtype=np.intp)
        )

    def cross(
        self,
        leaving: NDArray[np.bool_],
        vectors: tuple[Array, Array],
        norms: tuple[Array, Array, Array],
        models: tuple[Array, Array, Array],
    ) -> None:
        """Keep ``s + t p`` on the boundary of every level that the next iterate would leave for the first time."""
        items, levels = np.nonzero(leaving & ~self.crossed)
        if not items.size:
            return
        s, p = vectors
        ss, sp, pp, model, slope, curvature = (each[items] for each in (*norms, *models))
        room = np.maximum(self.radii[items, levels] ** 2 - ss, 0.0)
        # positive root of pp t^2 + 2 sp t = room, in the form that does not cancel
        t = room / (sp + np.sqrt(sp * sp + pp * room))
        self.steps[items, levels] = s[items] + t[:, None, None] * p[items]
        self.decrease[items, levels] = -(model + t * slope + 0.5 * t * t * curvature)
        self.crossed[items, levels] = True

    def close(self, s: Array, ss: Array, model: Array) -> None:
        """The last iterate is the first step where it lies inside the first radius."""
        self.level[:] = 1
        inside = ~self.crossed[:, 0]
        self.steps[inside, 0] = s[inside]
        self.length[inside, 0], self.decrease[inside, 0] = np.sqrt(ss[inside]), -model[inside]

    def current(self) -> tuple[Array, Array, Array, NDArray[np.bool_]]:
        """Step in use, its length and predicted decrease, and whether it ends on the boundary."""
        here = np.arange(self.level.size), self.level - 1
        return self.steps[here], self.length[here], self.decrease[here], self.crossed[here]

    def shorten(self, length: Array) -> NDArray[np.bool_]:
        """Go to the first level whose radius is below ``length``; False where there is none."""
        self.level = (self.radii >= 0.999 * length[:, None]).sum(axis=1) + 1
        self.level[self.level > _LEVELS] = 0
        return self.level > 0


@dataclass(eq=False)
class _Run:
    """Radius of each item (zero: none yet), and the steps that its last truncated CG left for smaller radii."""

    oracle: Oracle
    largest: float
    radius: Array
    path: Path

    def step(self, points: Points) -> Step:
        """Try the step for the current radius."""
        self.radius[self.radius == 0.0] = self.largest / 8.0
        self._solve_where_needed(points)
        U, length, predicted, boundary = self.path.current()
        trial, rho = try_step(self.oracle, points, U, predicted)
        accepted = rho > ACCEPT
        self._next_radius(rho, length, boundary)
        stalled = (self.radius < _LEAST_RADIUS * self.largest) | ~(predicted > 0.0)
        return Step(points.moved(accepted, trial), stalled & ~accepted, ~trial.finite)

    def _solve_where_needed(self, points: Points) -> None:
        """Truncated CG for the items whose kept steps are used up or out of date."""
        rows = np.flatnonzero(self.path.level == 0)
        if rows.size == self.radius.size:
            self.path = self._truncated_cg(points, rows, self.radius)
        elif rows.size:
            fresh = self._truncated_cg(points.take(rows), rows, self.radius[rows])
            self.path = batch.put(self.path, rows, fresh)

    def _next_radius(self, rho: Array, length: Array, boundary: NDArray[np.bool_]) -> None:
        """Shrink to the next kept step after a rejection; grow after a good step to the boundary."""
        accepted = rho > ACCEPT
        grown = np.minimum(2.0 * self.radius, self.largest)
        poor = np.minimum(self.radius, np.maximum(length, 1e-300)) * _SHRINK
        after = np.where(rho < 0.25, poor, np.where((rho > _GOOD) & boundary, grown, self.radius))
        kept = self.path.shorten(length)
        shorter = np.where(kept, self.path.radii[np.arange(length.size), self.path.level - 1], poor)
        self.radius = np.where(accepted, after, shorter)
        self.path.level[accepted] = 0

    def _truncated_cg(self, points: Points, rows: NDArray[np.intp], radius: Array) -> Path:
        """Steihaug's method from zero, keeping the step for every level's radius."""
        path = Path.towards(points.X, radius)
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
            leaving = working[:, None] & (ahead[:, None] >= path.radii**2)
            path.cross(leaving, (s, p), (ss, sp, pp), (model, slope, curvature))
            working &= ~leaving[:, 0]
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


def try_step(oracle: Oracle, points: Points, U: Array, predicted: Array) -> tuple[Points, Array]:
    """Points at the ends of the steps, and actual over predicted decrease, minus infinity where it means nothing."""
    ray = oracle.ray(points, U)
    trial = oracle.at(ray.at(np.ones(predicted.size)))
    ratio = actual_decrease(points, trial, ray) / np.where(predicted > 0.0, predicted, 1.0)
    return trial, np.where(trial.finite & (predicted > 0.0) & np.isfinite(ratio), ratio, -np.inf)
