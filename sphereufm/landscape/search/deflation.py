r"""Deflation: a factor that drives Newton's method away from what is known already, whole orbits at a time.

Distances between orbits are taken from smooth invariants ``phi`` of ``G = X^T X``: means of ``G_jl^p``, ``p = 1, 2, 3``
over all pairs of columns of two given cell kinds, inside one block and across blocks, and means over a kind of
squared row means (where the group has no rotations, moments of the coordinates join them).  With known classes ``Y_k``
and a radius ``rho``, the gradient is multiplied by

    m(X) = prod_k (1 + rho^2 / |phi(X) - phi(Y_k)|^2),

which is infinite on the known orbits and one far from them.  A zero of ``m grad f`` is a critical point that is not
known.  The Newton step of the deflated system is the plain step ``s`` times ``1 / (1 - <grad log m, s>)``: steps to a
known class are turned round, others lengthened or shortened, at the cost of one directional derivative.

Inequivalent points may share their invariants; such classes are deflated together with a known one.  What is
found depends on what was known, so it is no sample, and never enters an estimate of coverage.

========  ===============  =========================================
symbol    shape            meaning
========  ===============  =========================================
``X``     ``(..., d, M)``  points
``G``     ``(..., M, M)``  Gram matrices
``phi``   ``(..., q)``     invariants
========  ===============  =========================================

References
----------
P. E. Farrell, A. Birkisson, S. W. Funke, *Deflation techniques for finding distinct solutions of nonlinear partial
differential equations*, SIAM J. Sci. Comput. 2015.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from sphereufm.geometry.spheres import Array
from sphereufm.geometry.symmetry.groups import SymmetryGroup

__all__ = ["Deflation"]

_POWERS = (1, 2, 3)
# Distance of invariants below which a known class is felt.
_RADIUS = 0.05
# On a known orbit the factor stays finite.
_NO_DISTANCE = 1e-24
# A step is lengthened at most so many times.
_LONGEST = 4.0


@dataclass(frozen=True, eq=False)
class Deflation:
    """Known classes of one problem, in any dimensions.

    Attributes
    ----------
    symmetry : SymmetryGroup
    known : sequence of ndarray, shape (r, M) each
    radius : float
    """

    symmetry: SymmetryGroup
    known: Sequence[Array]
    radius: float = _RADIUS

    def log_factor(self, X: Array) -> Array:
        """``log m``, shape ``(...)``: zero far from the known orbits, large near them.

        Examples
        --------
        >>> Y = np.array([[1.0, 0.0], [0.0, 1.0]])
        >>> deflation = Deflation(SymmetryGroup.full(2), [Y])
        >>> bool(deflation.log_factor(Y[::-1]) > 40.0), bool(deflation.log_factor(np.ones((1, 2))) < 0.1)
        (True, True)
        """
        return np.asarray(np.log1p(self.radius**2 / self._squares(self._invariants(X)[0])).sum(axis=-1))

    def step_factor(self, X: Array, move: Array) -> Array:
        """What a Newton step ``move`` (as long as it was computed) is multiplied by, shape ``(...)``."""
        slope = self._slope(X, move)
        factor = 1.0 / np.where(
            np.abs(1.0 - slope) < 1.0 / _LONGEST, np.copysign(1.0 / _LONGEST, 1.0 - slope), 1.0 - slope
        )
        return np.asarray(factor)

    def _slope(self, X: Array, move: Array) -> Array:
        """``<grad log m, move>``."""
        phi, change = self._invariants(X, move)
        gap = phi[..., None, :] - self._targets
        squares = np.square(gap).sum(axis=-1) + _NO_DISTANCE
        along = 2.0 * np.einsum("...kq,...q->...k", gap, change)
        return np.asarray((-(self.radius**2) * along / (squares * (squares + self.radius**2))).sum(axis=-1))

    def _squares(self, phi: Array) -> Array:
        """Squared distances from the known classes, shape ``(..., k)``."""
        return np.asarray(np.square(phi[..., None, :] - self._targets).sum(axis=-1) + _NO_DISTANCE)

    @cached_property
    def _targets(self) -> Array:
        """Invariants of the known classes, shape ``(k, q)``."""
        return np.array([self._invariants(Y)[0] for Y in self.known]) if self.known else np.empty((0, 1))

    @cached_property
    def _pairings(self) -> Array:
        """Averages over the pairs of each sort, shape ``(sorts, M, M)``."""
        permutations = self.symmetry.permutations
        kind, block = permutations.cell_kind, permutations.block_of
        same = block[:, None] == block
        rows = []
        for a, b in product(range(kind.max() + 1), repeat=2):
            for inside in (same, ~same):
                pairs = (kind[:, None] == a) & (kind == b) & inside
                np.fill_diagonal(pairs, False)
                if a <= b and pairs.any():
                    rows.append(pairs / pairs.sum())
        return np.array(rows).reshape(-1, len(kind), len(kind))

    @cached_property
    def _rows(self) -> tuple[Array, Array]:
        """Means of a row over the columns of each kind ``(M, kinds)``, and over the rows of a kind ``(kinds, M)``."""
        kind = self.symmetry.permutations.cell_kind
        members = (kind[:, None] == np.arange(kind.max() + 1)).astype(np.float64)
        means = members / members.sum(axis=0)
        return means, means.T

    def _invariants(self, X: Array, U: Array | None = None) -> tuple[Array, Array]:
        """``phi`` at ``X``, and its derivative along ``U`` (zero without)."""
        Xt = np.swapaxes(X, -1, -2)
        G = Xt @ X
        dG = np.zeros_like(G) if U is None else Xt @ U
        dG = dG + np.swapaxes(dG, -1, -2)
        values, changes = [], []
        for p in _POWERS:
            values.append(np.einsum("smn,...mn->...s", self._pairings, G**p))
            changes.append(np.einsum("smn,...mn->...s", self._pairings, p * G ** (p - 1) * dG))
        columns, over = self._rows
        means, change = G @ columns, dG @ columns
        flat = (*X.shape[:-2], -1)
        values.append((over @ np.square(means)).reshape(flat))
        changes.append((over @ (2.0 * means * change)).reshape(flat))
        if not self.symmetry.orthogonal:
            dX = np.zeros_like(X) if U is None else U
            for p in _POWERS:
                values.append((X**p @ columns).reshape(flat))
                changes.append((p * X ** (p - 1) * dX @ columns).reshape(flat))
        return np.concatenate(values, axis=-1), np.concatenate(changes, axis=-1)
