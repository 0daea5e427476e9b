r"""Limited-memory BFGS on a product of spheres, batched.

Pairs are kept as vectors of the surrounding space, ``s = X_+ - X`` and ``y = grad_+ - grad`` (scaled coordinates),
and only the direction is projected to the tangent space.  With ``H`` the inverse BFGS matrix of the surrounding
space, positive definite when all ``<s, y> > 0``, and ``P`` the projection,

    <grad, -P H grad> = -<grad, H grad> < 0,

so no vector transport is needed.  (Transporting every pair by projection took as many iterations in trials, and more
time.)  ``H`` is applied in the compact form

    H = gamma I + [S, gamma Y] [[R^-T (D + gamma Y^T Y) R^-1, -R^-T], [-R^-1, 0]] [S, gamma Y]^T

with ``R`` the upper triangle of ``S^T Y`` and ``D`` its diagonal.

References
----------
R. Byrd, J. Nocedal, R. Schnabel, *Representations of quasi-Newton matrices and their use in limited memory methods*,
Math. Program. 1994.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from sphereufm.errors import check_integer, keep_checked
from sphereufm.geometry.spheres import Array, project
from sphereufm.solvers import batch
from sphereufm.solvers.oracle import Oracle, Points, inner
from sphereufm.solvers.strategies import Step
from sphereufm.solvers.strategies.line_search import FIRST_MOVE, LONGEST_MOVE, wolfe_search

_LEAST_CURVATURE = 1e-12


@dataclass(frozen=True, kw_only=True)
class LBFGS:
    """Limited-memory BFGS with a weak Wolfe line search.

    ``memory``: number of pairs.
    """

    memory: int = 5
    name: str = field(default="lbfgs", init=False)

    def __post_init__(self) -> None:
        keep_checked(self, memory=check_integer("memory", self.memory, 1))

    def start(self, oracle: Oracle, points: Points) -> _Run:
        """Begin a run at ``points``."""
        (B, d, M), m = points.X.shape, self.memory
        pairs, gram = np.zeros((B, 2 * m, d * M)), np.zeros((B, 2 * m, 2 * m))
        return _Run(oracle, m, pairs, gram, seen=np.zeros((B, 2 * m, 1)), gamma=np.zeros(B))


@dataclass(eq=False)
class _Run:
    """Pairs of each item in a ring of slots; a slot without a pair holds zeros."""

    oracle: Oracle
    memory: int
    pairs: Array
    gram: Array
    seen: Array  #: pairs times the gradient at the current point
    gamma: Array
    slot: int = 0

    @cached_property
    def older(self) -> Array:
        """``older[slot][i, j]``: whether slot i is not younger than slot j when the next pair goes to ``slot``."""
        ring = np.arange(self.memory)
        age = (ring - ring[:, None]) % self.memory
        return (age[:, :, None] <= age[:, None, :]).astype(np.float64)

    def step(self, points: Points) -> Step:
        """Search along the quasi-Newton direction, then keep the pair."""
        ray = self.oracle.ray(points, self._direction(points))
        fresh = self.gamma == 0.0
        lost = ~(ray.slope < 0.0) & ~fresh
        if lost.any():
            batch.clear(self, lost)
            return Step(points, np.zeros_like(lost), np.zeros_like(lost))
        first = ray.bounded(1.0 - fresh, FIRST_MOVE, LONGEST_MOVE)
        found = wolfe_search(self.oracle, points, ray, first)
        failed = found.failed
        self._store(points, found.points)
        if failed.any():
            batch.clear(self, failed)
        return Step(found.points, failed & fresh, found.non_finite)

    def _direction(self, points: Points) -> Array:
        """``-P H grad``."""
        if not self.gamma.any():
            return -points.gradient
        gamma = np.where(self.gamma > 0.0, self.gamma, 1.0)
        h = self._correction(gamma).reshape(points.X.shape)
        h += gamma[:, None, None] * points.gradient
        return -project(points.X, h)

    def _correction(self, gamma: Array) -> Array:
        """``(H - gamma) grad`` by the compact form.

        Slots are not put in order of age: ``R`` keeps the entries ``<s_i, y_j>`` with ``i`` not younger than ``j``,
        and is a triangular matrix with rows and columns permuted in the same way.
        """
        m = self.memory
        R = self.gram[:, :m, m:] * self.older[self.slot]
        ring = np.arange(m)
        diagonal = R[:, ring, ring]
        # an empty slot has no curvature; one on the diagonal keeps R invertible and contributes nothing
        R[:, ring, ring] = np.where(diagonal > 0.0, diagonal, 1.0)
        inverse = np.linalg.inv(R)
        seen = self.seen
        w = inverse @ seen[:, :m]
        gamma = gamma[:, None, None]
        middle = diagonal[:, :, None] * w + gamma * (self.gram[:, m:, m:] @ w - seen[:, m:])
        c = np.concatenate([inverse.transpose(0, 2, 1) @ middle, -gamma * w], axis=1)
        return (c.transpose(0, 2, 1) @ self.pairs)[:, 0]

    def _store(self, old: Points, new: Points) -> None:
        """Write the newest pair over the oldest; zeros where its curvature is not positive."""
        m, slot = self.memory, self.slot
        s = new.X - old.X
        if self.oracle.is_scaled:
            s *= self.oracle.factors
        y = new.gradient - old.gradient
        curvature, square = inner(s, y), inner(y, y)
        good = curvature > _LEAST_CURVATURE * np.sqrt(inner(s, s) * square)
        if not good.all():
            s[~good] = 0.0
            y[~good] = 0.0
        self.gamma = np.where(good, curvature / np.where(good, square, 1.0), self.gamma)
        replaced = np.stack([s, y, new.gradient], axis=1).reshape(s.shape[0], 3, -1)
        self.pairs[:, [slot, m + slot]] = replaced[:, :2]
        # one pass over the pairs for all three
        products = self.pairs @ replaced.transpose(0, 2, 1)
        self.gram[:, :, [slot, m + slot]] = products[:, :, :2]
        self.gram[:, [slot, m + slot], :] = products[:, :, :2].transpose(0, 2, 1)
        self.seen = products[:, :, 2:]
        self.slot = (slot + 1) % m
