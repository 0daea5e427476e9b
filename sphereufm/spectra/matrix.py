"""The Riemannian Hessian as a matrix, in tangent coordinates, for any problem of the interface.

Problems that know the structure of their Hessian (the cross-entropy problem: an arrow matrix) hand out its
blocks; for all others the matrix is built column by column from Hessian-vector products.  Some coordinates mean
nothing: those along the orbit of rotations, and those out of smaller spheres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sphereufm.errors import InvalidInputError
from sphereufm.geometry.spheres import Array
from sphereufm.geometry.symmetry.groups import numerical_rank
from sphereufm.geometry.tangent_spaces import from_coordinates, to_coordinates, vertical_coordinates
from sphereufm.problem import capabilities
from sphereufm.problem.arrow_hessian import where_regular
from sphereufm.problem.capabilities import ShiftedHessian
from sphereufm.problem.interface import Evaluation, SphereProblem
from sphereufm.problem.own_costs.as_problem import as_problem

# Memory for the Hessian's images of all basis vectors at once; larger batches go in stacks.
_STACK_BYTES = 1 << 24


@dataclass(frozen=True, eq=False, slots=True)
class DenseHessian:
    """A Hessian held as one matrix, shape ``(..., M e, M e)``."""

    matrix: Array

    def scaled(self, s: Array) -> DenseHessian:
        """Return ``diag(s) Hess diag(s)``, one factor a column, shape ``(..., M)``."""
        factors = np.repeat(s, self.matrix.shape[-1] // s.shape[-1], axis=-1)
        return DenseHessian(self.matrix * factors[..., :, None] * factors[..., None, :])

    def damped_newton_step(self, g: Array, sigma: Array) -> Array:
        """Return ``-Re (Hess + i sigma)^{-1} g``, shape ``(..., M, e)``."""
        n = self.matrix.shape[-1]
        shift = 1j * sigma[..., None, None] * np.eye(n)
        flat = g.reshape(*g.shape[:-2], n, 1)
        step = where_regular(np.linalg.solve, self.matrix + shift, flat)
        return np.asarray(-step.real.reshape(g.shape), dtype=np.float64)

    def dense(self) -> Array:
        """Return the matrix."""
        return self.matrix


def shifted_hessian(problem: SphereProblem, point: Evaluation) -> ShiftedHessian:
    """Return the Hessian at ``point`` in the cheapest form that solves shifted systems."""
    structured = capabilities.shifted_hessian(point)
    if structured is not None:
        return structured
    matrix = capabilities.tangent_hessian(point)
    return DenseHessian(_matrix_from_products(problem, point) if matrix is None else matrix)


def hessian_matrix(problem: SphereProblem, X: Array) -> Array:
    """Riemannian Hessian in an orthonormal tangent basis.

    Parameters
    ----------
    problem : SphereProblem
    X : ndarray, shape (..., d, M)
        Points.

    Returns
    -------
    ndarray, shape (..., n, n), n = M (d - 1)
        Symmetric; row ``j (d - 1) + a`` is coordinate ``a`` of column ``j`` in the basis of
        :func:`~sphereufm.geometry.tangent_spaces.tangent_bases`.  Spheres of smaller dimension have zero rows.

    Examples
    --------
    >>> from sphereufm.problem.ufm import UFMProblem
    >>> problem = UFMProblem(class_sizes=(1, 1), dim=2, tau=1.0)
    >>> hessian_matrix(problem, problem.spheres.random_point(0)).shape
    (4, 4)
    """
    problem = as_problem(problem)
    return shifted_hessian(problem, problem.at(X)).dense()


def idle_coordinates(problem: SphereProblem, X: Array, rank: int | None = None) -> Array:
    """Independent coordinate vectors that mean nothing, as columns ``(M (d - 1), k)``; ``rank`` is that of ``X``."""
    if problem.symmetry.has_rotations:
        return vertical_coordinates(X, numerical_rank(X) if rank is None else rank)
    idle = ~problem.spheres.used
    return np.eye(idle.size)[:, idle]


def complement(kernel: Array) -> Array:
    """Orthonormal basis ``(n, n - k)`` of the complement of independent columns ``(n, k)``."""
    n, k = kernel.shape
    return np.linalg.qr(kernel, mode="complete")[0][:, k:] if k else np.eye(n)


def eigenpairs(matrix: Array, kernel: Array) -> tuple[Array, Array]:
    """Eigenvalues of a symmetric matrix off a kernel, ascending, and orthonormal eigenvectors as rows."""
    inside, basis = off_kernel(matrix, kernel)
    values, vectors = np.linalg.eigh(inside)
    return values, (basis @ vectors).T


def off_kernel(matrix: Array, kernel: Array) -> tuple[Array, Array]:
    """A symmetric matrix on the complement of a kernel, and a basis of that.

    Raises InvalidInputError if the matrix is not finite.
    """
    basis = complement(kernel)
    inside = basis.T @ matrix @ basis
    if not np.isfinite(inside).all():
        raise InvalidInputError(
            "the Hessian has entries that are not finite: the cost is not twice differentiable at this point, or its "
            "curvatures leave the range of floats; scale the cost, or use a smaller tau"
        )
    return inside, basis


def positive_scale(point: Evaluation) -> Array:
    """Gradient scale of each column, kept away from zero relative to the largest, so that it can be divided by."""
    largest = point.gradient_scale.max(axis=-1, keepdims=True)
    # where everything is below 1e-100, a share of it would underflow
    return np.maximum(point.gradient_scale, np.where(largest > 0.0, 1e-200 * largest + 1e-300, 1.0))


def _matrix_from_products(problem: SphereProblem, point: Evaluation) -> Array:
    """Apply the Hessian to every vector of the tangent basis, a stack of items at a time."""
    d, M = problem.spheres.shape
    e = d - 1
    used = problem.spheres.used
    units = np.eye(M * e)[used]
    X = point.X.reshape(-1, d, M)
    out = np.zeros((X.shape[0], M * e, M * e))
    stack = max(1, _STACK_BYTES // max(8 * units.size * d, 1))
    for first in range(0, len(X), stack):
        x = X[first : first + stack, None]
        images = problem.at(x).hessian_product(from_coordinates(x, units))
        out[first : first + stack, used] = to_coordinates(x, images)
    out *= 0.5  # first: sums of the largest would overflow
    out += np.swapaxes(out, -1, -2).copy()
    return out.reshape(*point.X.shape[:-2], M * e, M * e)
