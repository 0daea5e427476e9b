"""Adaptive cubic regularisation with a Krylov space that survives rejections.

References
----------
N. Agarwal, N. Boumal, B. Bullins, C. Cartis, *Adaptive regularization with cubics on manifolds*, Math. Program. 2021.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array
from sphereufm.solvers.oracle import Oracle, Points, Rows
from sphereufm.solvers.strategies import Step
from sphereufm.solvers.strategies.krylov import Krylov
from sphereufm.solvers.strategies.trust_region import ACCEPT, try_step

_GOOD = 0.9
_SHRINK = 0.1
_GROW = 5.0
# the space grows until the model's gradient is below theta |s|^2 sigma, or the forcing term
_THETA = 0.5
# after a rejection the regularisation is at least this share of the Hessian's size: less would not be felt, and
# let rounding move along the Hessian's kernel (orbits of a symmetry)
_FELT = 1e-10
_MOST_REJECTIONS = 25


@dataclass(frozen=True, kw_only=True)
class AdaptiveCubic:
    """Adaptive cubic regularisation (ARC)."""

    name: str = field(default="adaptive-cubic", init=False)

    def start(self, oracle: Oracle, points: Points) -> _Run:
        """Begin a run at ``points``."""
        size = points.cost.size
        never = np.zeros(size, dtype=np.intp)
        return _Run(oracle, np.zeros(size), never, never > 0, Krylov.of(points.gradient))


@dataclass(eq=False)
class _Run:
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
        U, decrease = self._model_steps(points)
        trial, rho = try_step(self.oracle, points, U, decrease)
        accepted = rho > ACCEPT
        self.stayed = ~accepted
        factor = np.where(rho > _GOOD, _SHRINK, np.where(accepted, 1.0, _GROW))
        felt = np.where(accepted, 0.0, _FELT * self.space.largest(np.arange(decrease.size)))
        self.sigma = np.maximum(self.sigma * factor, np.maximum(felt, 1e-300))
        self.rejections = np.where(accepted, 0, self.rejections + 1)
        stalled = (self.rejections > _MOST_REJECTIONS) | ~(accepted | (decrease > 0.0))
        return Step(points.moved(accepted, trial), stalled, ~trial.finite)

    def _model_steps(self, points: Points) -> tuple[Array, Array]:
        """Approximate minimisers of the cubic models, and the decrease of their quadratic parts."""
        space, oracle = self.space, self.oracle
        U, decrease = np.zeros_like(points.X), np.zeros(self.sigma.size)
        # two calls are kept back for the trial
        new = np.flatnonzero((space.size == 0) & ~space.exhausted & oracle.affordable(3))
        if new.size:
            space.grow(new, oracle.products(points))
        todo, product = np.flatnonzero(space.size), oracle.products(points)
        while todo.size:
            y, model, residual = space.cubic(todo, self.sigma[todo])
            able = (
                (space.size < self.oracle.problem.spheres.dimension) & ~space.exhausted & oracle.affordable(3)
            )
            ended = (residual <= self._enough(points, todo, y)) | ~able[todo] | oracle.expired()
            done, todo = todo[ended], todo[~ended]
            if done.size:
                U[done], decrease[done] = space.combine(done, y[ended]), -model[ended]
            if todo.size:
                space.grow(todo, product)
        return U, decrease

    def _enough(self, points: Points, rows: Rows, y: Array) -> Array:
        """Residual at which a minimiser is good enough."""
        cubic = _THETA * self.sigma[rows] * np.einsum("bk,bk->b", y, y)
        return self.oracle.forcing(points.relative_norm[rows]) * np.maximum(self.space.norm[rows], cubic)
