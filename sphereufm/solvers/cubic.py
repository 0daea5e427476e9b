"""Adaptive cubic regularisation with a Krylov space that survives rejections.

Costs and gradients are evaluated for the whole batch at once, the Krylov spaces item by item.

References
----------
N. Agarwal, N. Boumal, B. Bullins, C. Cartis, *Adaptive regularization with cubics on manifolds*, Math. Program. 2021.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sphereufm.errors import check_positive
from sphereufm.geometry.spheres import Array
from sphereufm.solvers.krylov import Krylov
from sphereufm.solvers.oracle import Oracle, Points
from sphereufm.solvers.strategy import Step
from sphereufm.solvers.trust_region import actual_decrease

__all__ = ["AdaptiveCubic"]

_ACCEPT = 0.1
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
    """Adaptive cubic regularisation (ARC).

    Parameters
    ----------
    first_sigma : float
        Regularisation of the first step, relative to the gradient's norm (``sigma |s|^2`` is a gradient).

    Examples
    --------
    >>> from sphereufm.problem.ufm import UFMProblem
    >>> from sphereufm.solvers import solve
    >>> problem = UFMProblem(class_sizes=(2, 2, 2), dim=3, tau=1)
    >>> solve(problem, rng=0, solver=AdaptiveCubic()).converged
    True
    """

    first_sigma: float = 1.0
    name: str = field(default="adaptive-cubic", init=False)

    def __post_init__(self) -> None:
        check_positive("first_sigma", self.first_sigma)

    def start(self, oracle: Oracle, points: Points) -> _Run:
        """Begin a run at ``points``."""
        return _Run(oracle, points, self.first_sigma)


class _Run:
    """Regularisation (zero: not chosen yet) and Krylov space of each item."""

    def __init__(self, oracle: Oracle, points: Points, first_sigma: float) -> None:
        self.oracle, self.first_sigma = oracle, first_sigma
        self.sigma = np.zeros(points.cost.size)
        self.rejections = np.zeros(points.cost.size, dtype=np.intp)
        self.spaces: list[Krylov | None] = [None] * points.cost.size
        self.most = oracle.problem.spheres.dimension

    def keep(self, rows: NDArray[np.bool_]) -> None:
        """Go on with some of the items."""
        self.sigma, self.rejections = self.sigma[rows], self.rejections[rows]
        self.spaces = [space for space, kept in zip(self.spaces, rows.tolist(), strict=True) if kept]

    def forget(self, rows: NDArray[np.bool_]) -> None:
        """Start afresh with some items."""
        self.sigma[rows] = 0.0
        self.rejections[rows] = 0
        for row in np.flatnonzero(rows).tolist():
            self.spaces[row] = None

    def step(self, points: Points) -> Step:
        """Minimise each item's cubic model, and try the steps together."""
        size = self.sigma.size
        U, decrease = np.zeros_like(points.X), np.zeros(size)
        for row in range(size):
            U[row], decrease[row] = self._model_step(points, row)
        none = np.zeros(size, dtype=bool)
        if not self.oracle.affordable(2).all():
            return Step(points, none, none)
        ray = self.oracle.ray(points, U)
        trial = self.oracle.at(ray.at(np.ones(size)))
        usable = trial.finite & (decrease > 0.0)
        ratio = actual_decrease(points, trial, ray) / np.where(decrease > 0.0, decrease, 1.0)
        rho = np.where(usable & np.isfinite(ratio), ratio, -np.inf)
        accepted = rho > _ACCEPT
        factor = np.where(rho > _GOOD, _SHRINK, np.where(accepted, 1.0, _GROW))
        self.sigma = np.maximum(self.sigma * factor, 1e-300)
        for row, space in enumerate(self.spaces):
            if accepted[row]:
                self.spaces[row] = None
            elif space is not None and space.size:
                self.sigma[row] = max(self.sigma[row], _FELT * space.largest)
        self.rejections = np.where(accepted, 0, self.rejections + 1)
        stalled = (self.rejections > _MOST_REJECTIONS) | ~(accepted | (decrease > 0.0))
        moved = trial if accepted.all() else points
        if accepted.any() and not accepted.all():
            moved = points.replace(accepted, trial.take(accepted))
        return Step(moved, stalled, ~trial.finite)

    def _model_step(self, points: Points, row: int) -> tuple[Array, float]:
        """Approximate minimiser of one item's cubic model, and the decrease of its quadratic part."""
        space = self.spaces[row]
        if space is None:
            space = self.spaces[row] = Krylov(points.gradient[row], self.oracle.product(points, row))
        if self.sigma[row] == 0.0:
            self.sigma[row] = self.first_sigma * max(space.norm, 1e-300)
        sigma = float(self.sigma[row])
        while True:
            if space.size:
                y, _, residual = space.cubic(sigma)
                length = float(np.linalg.norm(y))
                share = float(self.oracle.forcing(points.relative_norm[row : row + 1])[0])
                if residual <= max(share * space.norm, _THETA * sigma * length * length * share):
                    break
            # two calls are kept back for the trial
            spent = space.size >= self.most or not self.oracle.affordable(3)[row]
            if spent or (space.size and self.oracle.expired()) or not space.grow():
                break
        if not space.size:
            return np.zeros_like(points.X[row]), 0.0
        y, model, _ = space.cubic(sigma)
        return space.combine(y), -model
