"""Steepest descent, with Armijo line search or with Barzilai-Borwein steps; batched.

References
----------
B. Iannazzo, M. Porcelli, *The Riemannian Barzilai-Borwein method with nonmonotone line search and the matrix geometric
mean computation*, IMA J. Numer. Anal. 2018.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sphereufm.geometry.spheres import Array
from sphereufm.solvers.oracle import Oracle, Points, inner
from sphereufm.solvers.strategies import Step
from sphereufm.solvers.strategies.line_search import armijo_search

_FIRST_MOVE = 0.3
_LONGEST_MOVE = 1.5
# a step is accepted against the largest of so many last costs
_WINDOW = 10
_GROWTH = 2.0
# steps up to 2 (1 - delta) / L are accepted where the curvature is L: a small delta lets the iterates swing
_DECREASE = 0.2
# spectral steps are to be changed rarely
_LEAST_DECREASE = 1e-4


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
        first = ray.bounded(_GROWTH * self.t, _FIRST_MOVE, _LONGEST_MOVE)
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
        first = ray.bounded(spectral, _FIRST_MOVE, _LONGEST_MOVE)
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
