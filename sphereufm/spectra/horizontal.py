r"""Extreme eigenvalues on the horizontal space at one point: from the whole matrix, or by the block method.

Columns may count several times in the metric (a feature that stands for a group of samples does): with ``root`` the
square roots of these weights, scaled vectors ``root U`` have the usual inner product.

The block method is preconditioned.  For the cross-entropy problem the Hessian's blocks, averaged over all directions,
are the multiplier matrix ``S`` plus the mean curvature of each column by the logits, ``diag(t)``: an inverse of
``S + diag(t)``, slightly shifted, costs no more than a Hessian product.  Other problems are preconditioned by the
columns' gradient scales.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sphereufm.geometry.spheres import Array, project
from sphereufm.geometry.symmetry.groups import OrbitTangent, orbit_dimension
from sphereufm.geometry.tangent_spaces import from_coordinates
from sphereufm.problem import capabilities
from sphereufm.problem.interface import Evaluation, SphereProblem
from sphereufm.spectra.block_method import Operator, RitzPairs, lowest_eigenpairs
from sphereufm.spectra.matrix import eigenpairs, hessian_matrix, idle_coordinates

# Unknowns up to which the whole Hessian is taken apart.
_DENSE = 1200
# Least number of further vectors in a block.
_GUARDS = 4


@dataclass(frozen=True, eq=False, slots=True)
class ExtremeSearch:
    """What is asked for, and how it is found for one operator.

    ``tolerance``: of residuals, relative to the operator's norm.
    """

    count: int
    largest: bool
    tolerance: float
    max_iterations: int
    rng: np.random.Generator

    @property
    def sign(self) -> float:
        """The lowest eigenvalues of ``sign Hess`` are sought."""
        return -1.0 if self.largest else 1.0

    @property
    def block(self) -> int:
        """Vectors of a block: guards for the slowest join it."""
        return self.count + max(_GUARDS, self.count)

    def takes_apart(self, unknowns: int) -> bool:
        """Whether a matrix of that size is taken apart as a whole."""
        return unknowns <= max(_DENSE, 4 * self.block)

    def lowest(self, apply: Operator, precondition: Operator, start: Array) -> RitzPairs:
        """Extreme eigenpairs of an operator by the block method."""
        pairs = lowest_eigenpairs(
            lambda U: self.sign * apply(U),
            precondition,
            start,
            self.count,
            self.tolerance,
            self.max_iterations,
        )
        return replace(pairs, values=self.sign * pairs.values)

    def of_matrix(self, matrix: Array, kernel: Array) -> RitzPairs:
        """Extreme eigenpairs of a matrix off the independent columns of ``kernel``, vectors ``(k, 1, n)``."""
        values, vectors = eigenpairs(matrix, kernel)
        chosen = np.arange(len(values))[:: -1 if self.largest else 1][: self.count]
        norm = float(np.abs(values).max(initial=0.0))
        return RitzPairs(
            values=values[chosen], vectors=vectors[chosen, None], norm=norm, products=len(matrix)
        )


class HorizontalSpace:
    """The horizontal space at ``X``, columns scaled by ``root``.

    Vectors are ``root`` times tangent vectors, and the Hessian is ``diag(1 / root) Hess diag(1 / root)``.

    ``X``, shape ``(d, M)``; ``root``, shape ``(M,)``: square roots of the columns' weights in the metric.
    """

    def __init__(self, problem: SphereProblem, X: Array, root: Array) -> None:
        self.problem, self.X, self.root = problem, X, root
        self._orbit = OrbitTangent(X * root) if problem.symmetry.has_rotations else None

    @property
    def rank(self) -> int:
        """Rank of the point, all of ``d`` where O(d) is no symmetry."""
        return len(self.X) if self._orbit is None else self._orbit.rank

    @property
    def dimension(self) -> int:
        """Dimension of the horizontal space."""
        orbit = orbit_dimension(self.rank, len(self.X)) if self._orbit else 0
        return self.problem.spheres.dimension - orbit

    def is_small(self, search: ExtremeSearch) -> bool:
        """Whether the whole matrix is taken apart."""
        return search.takes_apart(self.problem.spheres.dimension)

    def horizontal(self, U: Array) -> Array:
        """Part of ``U`` tangent to the spheres and normal to the orbit."""
        U = project(self.X, U)
        return U if self._orbit is None else self._orbit.horizontal(U)

    def extreme(self, search: ExtremeSearch, known: Array | None = None) -> RitzPairs:
        """Eigenpairs at one end of the spectrum, fewer where there are fewer; ``known`` vectors join the block."""
        return self._from_matrix(search) if self.is_small(search) else self._from_block(search, known)

    def _from_matrix(self, search: ExtremeSearch) -> RitzPairs:
        """Take the whole Hessian apart, the orbit out of the way."""
        scale = np.repeat(self.root, len(self.X) - 1)
        matrix = hessian_matrix(self.problem, self.X) / np.outer(scale, scale)
        kernel = scale[:, None] * idle_coordinates(self.problem, self.X, self.rank)
        pairs = search.of_matrix(matrix, kernel)
        return replace(pairs, vectors=from_coordinates(self.X, pairs.vectors[:, 0]))

    def _from_block(self, search: ExtremeSearch, known: Array | None) -> RitzPairs:
        """The block method, from random tangent vectors."""
        point, root = self.problem.at(self.X), self.root
        block = np.broadcast_to(self.X, (search.block, *self.X.shape))
        start = self.problem.spheres.random_tangent(search.rng, block)
        if known is not None:
            start[: len(known)] = known
        inverse = (lambda R: R) if search.largest else approximate_inverse(point, root)
        return search.lowest(
            lambda U: self.horizontal(point.hessian_product(U / root) / root),
            lambda R: self.horizontal(inverse(R)),
            self.horizontal(start),
        )


def approximate_inverse(point: Evaluation, root: Array) -> Operator:
    """Positive definite operator near the inverse of the scaled Hessian, or of its part above the lowest eigenvalues.

    ``root``, shape ``(M,)``.  Result: takes and returns vectors of shape ``(..., M)``.
    """
    inverse = capabilities.approximate_inverse(point, root)
    if inverse is not None:
        return inverse
    scale = point.gradient_scale / point.gradient_scale.max()
    weights = 1.0 / np.maximum(scale, 1e-12)
    return lambda R: R * weights
