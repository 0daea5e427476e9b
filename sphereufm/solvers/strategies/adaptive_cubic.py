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
from sphereufm.solvers.strategies.krylov import Krylov
from sphereufm.solvers.strategies.trust_region import ACCEPT, try_step
from sphereufm.solvers.strategy import Step

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
        return _Run(oracle, points)


class _Run:
    """Regularisation (zero: not chosen yet) and Krylov space of each item."""

    def __init__(self, oracle: Oracle, points: Points) -> None:
        self.oracle = oracle
        self.sigma = np.zeros(points.cost.size)
        self.rejections = np.zeros(points.cost.size, dtype=np.intp)
        self.space = Krylov(points.gradient)
        # items that have left the point to which their space belongs
        self.moved = np.zeros(points.cost.size, dtype=bool)
        self.most = oracle.problem.spheres.dimension

    def keep(self, rows: NDArray[np.bool_]) -> None:
        """Go on with some of the items."""
        self.sigma, self.rejections, self.moved = self.sigma[rows], self.rejections[rows], self.moved[rows]
        self.space.keep(rows)

    def forget(self, rows: NDArray[np.bool_]) -> None:
        """Start afresh with some items."""
        self.sigma[rows] = 0.0
        self.rejections[rows] = 0
        self.moved[rows] = True

    def step(self, points: Points) -> Step:
        """Minimise each item's cubic model, and try the steps together."""
        self._renew(points)
        U, decrease = self._model_steps(points)
        tried = try_step(self.oracle, points, U, decrease)
        if tried is None:
            none = np.zeros(decrease.size, dtype=bool)
            return Step(points, none, none)
        trial, rho = tried
        self.moved = accepted = rho > ACCEPT
        factor = np.where(rho > _GOOD, _SHRINK, np.where(accepted, 1.0, _GROW))
        felt = np.where(accepted, 0.0, _FELT * self.space.largest(np.arange(decrease.size)))
        self.sigma = np.maximum(self.sigma * factor, np.maximum(felt, 1e-300))
        self.rejections = np.where(accepted, 0, self.rejections + 1)
        stalled = (self.rejections > _MOST_REJECTIONS) | ~(accepted | (decrease > 0.0))
        return Step(points.moved(accepted, trial), stalled, ~trial.finite)

    def _renew(self, points: Points) -> None:
        """Begin the spaces of items that have moved, and choose the regularisation of new ones."""
        rows = np.flatnonzero(self.moved)
        if rows.size:
            self.space.begin(rows, points.gradient[rows])
        # sigma |s|^2 is a gradient
        first = np.maximum(self.space.norm, 1e-300)
        self.sigma = np.where(self.sigma == 0.0, first, self.sigma)

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
            able = (space.size < self.most) & ~space.exhausted & oracle.affordable(3)
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
