"""Nonlinear conjugate gradients with guaranteed descent, batched.

References
----------
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
from sphereufm.solvers.strategies.line_search import wolfe_search

_FIRST_MOVE = 0.3
_LONGEST_MOVE = 1.5
# a fairly exact search keeps directions conjugate; Hager and Zhang use 0.9 with interpolation to a fine bracket
_SIGMA = 0.4
# lower bound of beta relative to |grad|, section 1 of the reference
_ETA = 0.01


@dataclass(frozen=True, kw_only=True)
class ConjugateGradient:
    """Hager-Zhang conjugate gradients; vectors are transported by projection."""

    name: str = field(default="conjugate-gradient", init=False)

    def start(self, oracle: Oracle, points: Points) -> _Run:
        """Begin a run at ``points``."""
        return _Run(oracle, -points.gradient, np.zeros(points.cost.size))


@dataclass(eq=False)
class _Run:
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
        first = ray.bounded(self.last / np.minimum(ray.slope, -1e-300), _FIRST_MOVE, _LONGEST_MOVE)
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
