"""Descent along a line: steepest descent with Armijo or Barzilai-Borwein steps, and nonlinear conjugate gradients.

References
----------
B. Iannazzo, M. Porcelli, *The Riemannian Barzilai-Borwein method with nonmonotone line search and the matrix geometric
mean computation*, IMA J. Numer. Anal. 2018.
W. Hager, H. Zhang, *A new conjugate gradient method with guaranteed descent and an efficient line search*,
SIAM J. Optim. 2005; on manifolds: H. Sakai, H. Iiduka, *Sufficient descent Riemannian conjugate gradient
methods*, J. Optim. Theory Appl. 2021.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sphereufm.geometry.spheres import Array, project
from sphereufm.solvers.oracle import Oracle, Points, inner
from sphereufm.solvers.strategies import Step
from sphereufm.solvers.strategies.line_search import FIRST_MOVE, LONGEST_MOVE, armijo_search, wolfe_search

# a step is accepted against the largest of so many last costs
_WINDOW = 10
_GROWTH = 2.0
# steps up to 2 (1 - delta) / L are accepted where the curvature is L: a small delta lets the iterates swing
_DECREASE = 0.2
# spectral steps are to be changed rarely
_LEAST_DECREASE = 1e-4
# a fairly exact search keeps directions conjugate; Hager and Zhang use 0.9 with interpolation to a fine bracket
_SIGMA = 0.4
# lower bound of beta relative to |grad|, section 1 of their paper
_ETA = 0.01


@dataclass(frozen=True, kw_only=True)
class SteepestDescent:
    """Riemannian gradient descent with Armijo backtracking; the first trial is twice the last step."""

    name: str = field(default="steepest-descent", init=False)

    def start(self, oracle: Oracle, points: Points) -> _Armijo:
        """Begin a run at ``points``."""
        return _Armijo(oracle, np.zeros(points.cost.size))


@dataclass(eq=False)
class _Armijo:
    """Last step of each item, zero where none is known."""

    oracle: Oracle
    t: Array

    def step(self, points: Points) -> Step:
        """Descend along the negative gradient."""
        ray = self.oracle.ray(points, -points.gradient)
        fresh = self.t == 0.0
        first = ray.bounded(_GROWTH * self.t, FIRST_MOVE, LONGEST_MOVE)
        found = armijo_search(self.oracle, points, ray, first, points.cost, _DECREASE)
        self.t = found.t
        return Step(found.points, found.failed & fresh, found.non_finite)


@dataclass(frozen=True, kw_only=True)
class BarzilaiBorwein:
    """Gradient descent with Barzilai-Borwein steps and a non-monotone line search."""

    name: str = field(default="barzilai-borwein", init=False)

    def start(self, oracle: Oracle, points: Points) -> _Spectral:
        """Begin a run at ``points``."""
        t, costs = np.zeros(points.cost.size), np.zeros((points.cost.size, _WINDOW))
        return _Spectral(oracle, t, costs, points.gradient, t)


@dataclass(eq=False)
class _Spectral:
    """Last step (zero: none is known) of each item, its last costs, and gradient and squared gradient norm then."""

    oracle: Oracle
    t: Array
    costs: Array
    gradient: Array
    square: Array
    place: int = 0

    def step(self, points: Points) -> Step:
        """Descend along the negative gradient by the spectral step."""
        ray = self.oracle.ray(points, -points.gradient)
        spectral = self._spectral(points.gradient, -ray.slope)
        fresh = spectral == 0.0
        first = ray.bounded(spectral, FIRST_MOVE, LONGEST_MOVE)
        self.costs[self.t == 0.0] = -np.inf
        self.place = (self.place + 1) % _WINDOW
        self.costs[:, self.place] = points.cost
        highest = np.maximum.reduce(self.costs, axis=1)
        found = armijo_search(self.oracle, points, ray, first, highest, _LEAST_DECREASE)
        self.t, self.gradient, self.square = found.t, points.gradient, -ray.slope
        return Step(found.points, found.failed & fresh, found.non_finite)

    def _spectral(self, gradient: Array, square: Array) -> Array:
        """Alternate ``<s, s> / <s, y>`` and ``<s, y> / <y, y>``; zero where no step is known or the curvature negative.

        With ``s = -t g`` and ``y = g_+ - g`` both follow from ``<g, g>``, ``<g, g_+>`` and ``<g_+, g_+>``.
        """
        cross = inner(self.gradient, gradient)
        fall = self.square - cross
        if self.place % 2:
            top, bottom = self.square, fall
        else:
            # by Cauchy and Schwarz |y| is not smaller, whatever cancels
            least = fall * fall / np.where(self.square > 0.0, self.square, 1.0)
            top, bottom = fall, np.maximum(fall - cross + square, least)
        good = (fall > 0.0) & (bottom > 0.0)
        return np.where(good, self.t * top / np.where(good, bottom, 1.0), 0.0)


@dataclass(frozen=True, kw_only=True)
class ConjugateGradient:
    """Hager-Zhang conjugate gradients; vectors are transported by projection."""

    name: str = field(default="conjugate-gradient", init=False)

    def start(self, oracle: Oracle, points: Points) -> _Conjugate:
        """Begin a run at ``points``."""
        return _Conjugate(oracle, -points.gradient, np.zeros(points.cost.size))


@dataclass(eq=False)
class _Conjugate:
    """Direction of each item, and the decrease of its last step to first order (zero: none is known)."""

    oracle: Oracle
    direction: Array
    last: Array

    def step(self, points: Points) -> Step:
        """Search along the conjugate direction, then update it."""
        fresh = self.last == 0.0
        if fresh.any():
            self.direction = np.where(fresh[:, None, None], -points.gradient, self.direction)
        ray = self.oracle.ray(points, self.direction)
        # the same decrease to first order as in the last step
        first = ray.bounded(self.last / np.minimum(ray.slope, -1e-300), FIRST_MOVE, LONGEST_MOVE)
        found = wolfe_search(self.oracle, points, ray, first, _SIGMA)
        self.last = np.where(found.failed, 0.0, found.t * ray.slope)
        self.direction = self._next(points, found.points)
        return Step(found.points, found.failed & fresh, found.non_finite)

    def _next(self, old: Points, new: Points) -> Array:
        """Hager-Zhang direction, or the negative gradient where that is no descent direction."""
        p, g = project(new.X, self.direction), new.gradient
        y = g - project(new.X, old.gradient)
        py = inner(p, y)
        safe = np.where(np.abs(py) > 0.0, py, 1.0)
        beta = (inner(y, g) - 2.0 * inner(y, y) * inner(p, g) / safe) / safe
        least = np.sqrt(inner(p, p)) * np.minimum(_ETA, np.sqrt(inner(old.gradient, old.gradient)))
        beta = np.where(py > 0.0, np.maximum(beta, -1.0 / np.maximum(least, 1e-300)), 0.0)
        direction = beta[:, None, None] * p - g
        downhill = inner(direction, g) < 0.0
        return np.where(downhill[:, None, None], direction, -g)
