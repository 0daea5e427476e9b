"""Steps in Krylov spaces: adaptive cubic regularisation, and Newton's method on the gradient.

The Krylov space of the cubic model survives rejections.  Newton's method polishes a point to the nearest critical
point, whatever its index; far from one it is no good, and the trust region takes over.  Its step is the least-squares
solution of ``Hess s = -grad`` (MINRES), which needs neither a positive nor a regular Hessian: orbits of a symmetry are
in its kernel, and the gradient is orthogonal to them.

References
----------
N. Agarwal, N. Boumal, B. Bullins, C. Cartis, *Adaptive regularization with cubics on manifolds*, Math. Program. 2021.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array
from sphereufm.solvers.oracle import Oracle, Points, Rows
from sphereufm.solvers.strategies import Step, Strategy
from sphereufm.solvers.strategies.krylov import Krylov
from sphereufm.solvers.strategies.line_search import Search
from sphereufm.solvers.strategies.trust_region import ACCEPT, TrustRegion, try_step

_GOOD = 0.9
_SHRINK = 0.1
_GROW = 5.0
# the space grows until the model's gradient is below theta |s|^2 sigma, or the forcing term
_THETA = 0.5
# after a rejection the regularisation is at least this share of the Hessian's size: less would not be felt, and
# let rounding move along the Hessian's kernel (orbits of a symmetry)
_FELT = 1e-10
_MOST_REJECTIONS = 25
# relative gradient norm below which Newton steps are taken
_NEAR = 1e-2
_LONGEST_MOVE = 0.5
_HALVINGS = 12
# full reorthogonalisation makes larger spaces dear
_LARGEST_SPACE = 300


@dataclass(frozen=True, kw_only=True)
class AdaptiveCubic:
    """Adaptive cubic regularisation (ARC)."""

    name: str = field(default="adaptive-cubic", init=False)

    def start(self, oracle: Oracle, points: Points) -> _Cubic:
        """Begin a run at ``points``."""
        size = points.cost.size
        never = np.zeros(size, dtype=np.intp)
        return _Cubic(oracle, np.zeros(size), never, never > 0, Krylov.of(points.gradient))


@dataclass(eq=False)
class _Cubic:
    """Regularisation (zero: not chosen yet), rejections in a row, and Krylov space of each item."""

    oracle: Oracle
    sigma: Array
    rejections: NDArray[np.intp]
    stayed: NDArray[np.bool_]  #: whether the item is still at the point to which its space belongs
    space: Krylov

    def step(self, points: Points) -> Step:
        """Minimise each item's cubic model, and try the steps together."""
        if (moved := np.flatnonzero(~self.stayed)).size:
            self.space.begin(moved, points.gradient[moved])
        # sigma |s|^2 is a gradient
        self.sigma = np.where(self.sigma == 0.0, np.maximum(self.space.norm, 1e-300), self.sigma)
        U, model = _in_space(
            self.oracle,
            points,
            self.space,
            lambda rows: self.space.cubic(rows, self.sigma[rows]),
            partial(self._enough, points),
            self.oracle.problem.spheres.dimension,
        )
        decrease = -model
        trial, rho = try_step(self.oracle, points, U, decrease)
        accepted = rho > ACCEPT
        self.stayed = ~accepted
        factor = np.where(rho > _GOOD, _SHRINK, np.where(accepted, 1.0, _GROW))
        felt = np.where(accepted, 0.0, _FELT * self.space.largest(np.arange(decrease.size)))
        self.sigma = np.maximum(self.sigma * factor, np.maximum(felt, 1e-300))
        self.rejections = np.where(accepted, 0, self.rejections + 1)
        stalled = (self.rejections > _MOST_REJECTIONS) | ~(accepted | (decrease > 0.0))
        return Step(points.moved(accepted, trial), stalled, ~trial.finite)

    def _enough(self, points: Points, rows: Rows, y: Array) -> Array:
        """Residual at which a minimiser is good enough."""
        cubic = _THETA * self.sigma[rows] * np.einsum("bk,bk->b", y, y)
        return self.oracle.forcing(points.relative_norm[rows]) * np.maximum(self.space.norm[rows], cubic)


@dataclass(frozen=True, kw_only=True)
class NewtonPolish:
    """Newton steps that shrink the relative gradient norm, after trust regions where that norm is large.

    The steps do not look at the cost and so stay at saddles: run with ``Settings(escape_saddles=False)`` to polish
    one.
    """

    name: str = field(default="newton", init=False)

    def start(self, oracle: Oracle, points: Points) -> _Newton:
        """Begin a run at ``points``."""
        return _Newton(oracle, TrustRegion().start(oracle, points))


@dataclass(eq=False)
class _Newton:
    """Newton remembers nothing; the trust region does."""

    oracle: Oracle
    far: Strategy

    def step(self, points: Points) -> Step:
        """One Newton step for each item once all are near, halved until the relative gradient norm falls."""
        if (points.relative_norm > _NEAR).any():
            return self.far.step(points)
        self.far = TrustRegion().start(self.oracle, points)
        space, most = Krylov.of(points.gradient), min(self.oracle.problem.spheres.dimension, _LARGEST_SPACE)
        # residuals that give quadratic convergence
        target = self.oracle.forcing(points.relative_norm, 1.0) * space.norm
        U, _ = _in_space(self.oracle, points, space, space.least_residual, lambda rows, _: target[rows], most)
        ray = self.oracle.ray(points, U)
        first = ray.bounded(np.ones(points.cost.size), 1.0, _LONGEST_MOVE)
        search = Search(self.oracle, points, ray, first)
        search.backtrack(
            lambda trial: trial.finite & (trial.relative_norm < search.of(points.relative_norm)), _HALVINGS
        )
        return Step(search.points, search.failed, search.non_finite)


def _in_space(
    oracle: Oracle,
    points: Points,
    space: Krylov,
    small: Callable[[Rows], tuple[Array, ...]],
    enough: Callable[[Rows, Array], Array],
    most: int,
) -> tuple[Array, Array]:
    """Solutions ``U`` of small problems, and their values; spaces grow until residuals, the last answer, will do."""
    U, values = np.zeros_like(points.X), np.zeros(space.size.size)
    # two calls are kept back for the trial
    new = np.flatnonzero((space.size == 0) & ~space.exhausted & oracle.affordable(3))
    if new.size:
        space.grow(new, oracle.products(points))
    todo, product = np.flatnonzero(space.size), oracle.products(points)
    while todo.size:
        found = small(todo)
        y, value, residual = found[0], found[1], found[-1]
        able = (space.size < most) & ~space.exhausted & oracle.affordable(3)
        ended = (residual <= enough(todo, y)) | ~able[todo] | oracle.expired()
        done, todo = todo[ended], todo[~ended]
        if done.size:
            U[done], values[done] = space.combine(done, y[ended]), value[ended]
        if todo.size:
            space.grow(todo, product)
    return U, values
