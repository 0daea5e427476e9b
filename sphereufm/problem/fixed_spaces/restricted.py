r"""A cost restricted to a totally geodesic product of spheres inside its own.

Column ``j`` of the large point is ``x_j = L_j y_{c(j)}``, with an isometry ``L_j`` and the number ``c(j)`` of
a column of the small point ``Y``.  Great circles go to great circles, so gradient and Hessian pull back
without further terms:

    grad g(Y)_c = sum_{c(j) = c} L_j^T grad f(X)_j,        Hess g(Y) = L^T Hess f(X) L.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array, ProductOfSpheres
from sphereufm.geometry.symmetry.groups import SymmetryGroup
from sphereufm.problem import capabilities
from sphereufm.problem.interface import Evaluation, SphereProblem


@dataclass(frozen=True, kw_only=True, eq=False)
class RestrictedProblem:
    """A problem seen on a smaller product of spheres.

    * ``full``: the problem on ``(d, M)`` points.
    * ``maps``, shape ``(M, d, d')``: isometries on the coordinates that each small column uses.
    * ``column_of``, shape ``(M,)``: small column that each large column comes from.
    * ``spheres``: of the small points, shape ``(d', M')``.
    """

    full: SphereProblem
    maps: Array
    column_of: NDArray[np.intp]
    spheres: ProductOfSpheres

    @property
    def symmetry(self) -> SymmetryGroup:
        """None is declared: what is left of the full group need not act as O(d')."""
        return SymmetryGroup.none(self.spheres.shape[1])

    def lift(self, Y: Array) -> Array:
        """Return the large point, ``(..., d, M)``, of a small one, ``(..., d', M')``; also of tangents."""
        return np.einsum("jde,...ej->...dj", self.maps, Y[..., self.column_of], optimize=True)

    def pull_back(self, V: Array) -> Array:
        """Apply the transpose of :meth:`lift`."""
        parts = np.einsum("jde,...dj->...ej", self.maps, V, optimize=True)
        return parts @ self._gather

    def at(self, Y: Array) -> _RestrictedEvaluation:
        """Evaluate at ``Y``, shape ``(..., d', M')``."""
        return _RestrictedEvaluation(self, Y)

    def is_well_scaled(self) -> bool:
        """As the full problem."""
        return capabilities.is_well_scaled(self.full)

    @cached_property
    def _gather(self) -> Array:
        """Zero-one matrix ``(M, M')`` that adds large columns up."""
        gather = np.zeros((len(self.column_of), self.spheres.shape[1]))
        gather[np.arange(len(self.column_of)), self.column_of] = 1.0
        return gather


class _RestrictedEvaluation:
    """Answers of the full problem, pulled back."""

    def __init__(self, problem: RestrictedProblem, Y: Array) -> None:
        self._problem = problem
        self._full: Evaluation = problem.full.at(problem.lift(Y))
        self.X = Y

    @property
    def cost(self) -> Array:
        """Cost, shape ``(...)``."""
        return self._full.cost

    @cached_property
    def gradient(self) -> Array:
        """Riemannian gradient, shape ``(..., d', M')``."""
        return self._problem.pull_back(self._full.gradient)

    @cached_property
    def gradient_scale(self) -> Array:
        """Sum of the scales of the large columns, shape ``(..., M')``."""
        return self._full.gradient_scale @ self._problem._gather

    def hessian_product(self, U: Array) -> Array:
        """Riemannian Hessian applied to ``U``, shape ``(..., d', M')``."""
        return self._problem.pull_back(self._full.hessian_product(self._problem.lift(U)))
