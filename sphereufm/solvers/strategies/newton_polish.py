"""Newton's method on the gradient: polishes a point to the nearest critical point, whatever its index.

Far from critical points Newton's method is no good: there the trust region takes over.

The step is the least-squares solution of ``Hess s = -grad`` in a Krylov space (MINRES), which needs neither a positive
nor a regular Hessian: orbits of a symmetry are in its kernel, and the gradient is orthogonal to them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sphereufm.geometry.spheres import Array
from sphereufm.solvers.oracle import Oracle, Points
from sphereufm.solvers.strategies import Step, Strategy
from sphereufm.solvers.strategies.krylov import Krylov
from sphereufm.solvers.strategies.line_search import Search
from sphereufm.solvers.strategies.trust_region import TrustRegion

# relative gradient norm below which Newton steps are taken
_NEAR = 1e-2
_LONGEST_MOVE = 0.5
_HALVINGS = 12
# full reorthogonalisation makes larger spaces dear
_LARGEST_SPACE = 300


@dataclass(frozen=True, kw_only=True)
class NewtonPolish:
    """Newton steps that shrink the relative gradient norm, after trust regions where that norm is large.

    The steps do not look at the cost and so stay at saddles: run with ``Settings(escape_saddles=False)`` to polish
    one.
    """

    name: str = field(default="newton", init=False)

    def start(self, oracle: Oracle, points: Points) -> _Run:
        """Begin a run at ``points``."""
        return _Run(oracle, TrustRegion().start(oracle, points))


@dataclass(eq=False)
class _Run:
    """Newton remembers nothing; the trust region does."""

    oracle: Oracle
    far: Strategy

    def step(self, points: Points) -> Step:
        """One Newton step for each item once all are near, halved until the relative gradient norm falls."""
        if (points.relative_norm > _NEAR).any():
            return self.far.step(points)
        self.far = TrustRegion().start(self.oracle, points)
        ray = self.oracle.ray(points, self._newton_steps(points))
        first = ray.bounded(np.ones(points.cost.size), 1.0, _LONGEST_MOVE)
        search = Search(self.oracle, points, ray, first)
        search.backtrack(
            lambda trial: trial.finite & (trial.relative_norm < search.of(points.relative_norm)), _HALVINGS
        )
        return Step(search.points, search.failed, search.non_finite)

    def _newton_steps(self, points: Points) -> Array:
        """Solve to residuals that give quadratic convergence."""
        oracle, space = self.oracle, Krylov.of(points.gradient)
        target = oracle.forcing(points.relative_norm, 1.0) * space.norm
        most = min(oracle.problem.spheres.dimension, _LARGEST_SPACE)
        product, todo = oracle.products(points), np.arange(target.size)
        while True:
            # two calls are kept back for the trial
            able = (space.size < most) & ~space.exhausted & oracle.affordable(3)
            if oracle.expired():
                able &= space.size == 0
            todo = todo[able[todo]]
            if not todo.size:
                break
            space.grow(todo, product)
            todo = todo[space.least_residual(todo)[1] > target[todo]]
        U, rows = np.zeros_like(points.X), np.flatnonzero(space.size)
        if rows.size:
            U[rows] = space.combine(rows, space.least_residual(rows)[0])
        return U
