r"""A preconditioner from the block structure of the cross-entropy Hessian.

Features do not see each other, so in tangent coordinates the Hessian is an arrow (see
:mod:`sphereufm.problem.arrow_hessian`).  Eliminating the features leaves the Schur complement of the classifiers,

    Hess = L diag(S, C_1, .., C_N) L^T,      S = A - sum_i B_i C_i^{-1} B_i^T,

with ``L`` unit triangular.  Each diagonal block is replaced by the positive definite matrix with the same eigenvectors
and the absolute eigenvalues, kept away from zero; the ``C_i`` first, then the ``S`` that belongs to them.  Where the
Hessian is positive definite (off the orbits of O(d)) that is the Hessian itself.

========  ======================  ==========================================
symbol    shape                   meaning
========  ======================  ==========================================
``c``     ``(B, M, e)``           tangent coordinates, ``e = d - 1``
``B_i``   ``(B, N, K e, e)``      coupling of the classifiers with one sample
========  ======================  ==========================================
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sphereufm.errors import InvalidInputError
from sphereufm.geometry.spheres import Array
from sphereufm.geometry.tangent_spaces import from_coordinates, to_coordinates
from sphereufm.problem.arrow_hessian import arrow_hessian
from sphereufm.problem.interface import SphereProblem
from sphereufm.problem.ufm import UFMProblem

__all__ = ["BlockPreconditioner", "block_preconditioner", "check_block_structure"]

# eigenvalues of a feature's block, and of the Schur complement, are kept above these shares of the largest
_LEAST_FEATURE = 1e-3
_LEAST_CLASSIFIER = 1e-6
# numbers in the coupling of one item: beyond, forming it costs more than any solve gains
_LARGEST_COUPLING = 30_000_000


@dataclass(frozen=True, eq=False, slots=True)
class BlockPreconditioner:
    """Symmetric positive definite stand-in for the Hessian at one point of each item.

    Attributes
    ----------
    X : ndarray, shape (B, d, M)
    coupling : ndarray, shape (B, N, K e, e)
    features : ndarray, shape (B, N, e, e)
        Inverses of the features' blocks.
    classifiers : ndarray, shape (B, K e, K e)
        Inverse of the Schur complement.
    """

    X: Array
    coupling: Array
    features: Array
    classifiers: Array

    def solve(self, R: Array) -> Array:
        """Apply the inverse to tangent vectors, shape (B, d, M)."""
        c = np.swapaxes(to_coordinates(self.X, R), -1, -2)
        size, _, e = c.shape
        p = self.classifiers.shape[-1]
        c_H = c[:, p // e :, :, None]
        seen = (self.coupling @ (self.features @ c_H)).sum(axis=1)
        z_W = self.classifiers @ (c[:, : p // e].reshape(size, p, 1) - seen)
        z_H = self.features @ (c_H - np.swapaxes(self.coupling, -1, -2) @ z_W[:, None])
        z = np.concatenate([z_W.reshape(size, p // e, e), z_H[..., 0]], axis=1)
        return from_coordinates(self.X, np.swapaxes(z, -1, -2))


def check_block_structure(problem: SphereProblem) -> None:
    """Make sure that the preconditioner exists for a problem and is not too large.

    Raises
    ------
    InvalidInputError
        If the problem is no :class:`~sphereufm.problem.ufm.UFMProblem` of dimension two at least, or its blocks do
        not fit.

    Examples
    --------
    >>> check_block_structure(UFMProblem(class_sizes=(2, 2), dim=3, tau=1.0))
    """
    if not isinstance(problem, UFMProblem) or problem.dim < 2:
        raise InvalidInputError(
            'preconditioner="block" needs a UFMProblem with dim >= 2; use preconditioner=None'
        )
    coupling = problem.samples * problem.classes * (problem.dim - 1) ** 2
    if coupling > _LARGEST_COUPLING:
        raise InvalidInputError(
            f'preconditioner="block" would need {8 * coupling / 2**20:.0f} MB; use preconditioner=None'
        )


def block_preconditioner(problem: UFMProblem, X: Array, factors: Array) -> BlockPreconditioner:
    """Build the preconditioner in the metric with the given factors, of mean eigenvalue about one.

    Parameters
    ----------
    problem : UFMProblem
    X : ndarray, shape (B, d, M)
    factors : ndarray, shape (M,)
        Factors ``r`` of the metric, see :mod:`sphereufm.solvers.oracle`.

    Examples
    --------
    >>> problem = UFMProblem(class_sizes=(2, 2), dim=3, tau=1.0)
    >>> X = problem.spheres.random_point(0, (1,))
    >>> block_preconditioner(problem, X, np.ones(6)).solve(problem.gradient(X)).shape
    (1, 3, 6)
    """
    arrow = arrow_hessian(problem.at(X)).scaled(1.0 / factors)
    size = np.abs(np.einsum("bii->bi", arrow.A)).mean(axis=-1)
    size = np.where(size > 0.0, size, 1.0)
    coupling = arrow.B / size[:, None, None, None]
    features = _absolute_inverse(arrow.C / size[:, None, None, None], _LEAST_FEATURE)
    reduced = coupling @ features
    wide = np.moveaxis(reduced, 1, 2).reshape(*arrow.A.shape[:-1], -1)
    wide_B = np.moveaxis(coupling, 1, 2).reshape(*arrow.A.shape[:-1], -1)
    schur = arrow.A / size[:, None, None] - wide @ np.swapaxes(wide_B, -1, -2)
    return BlockPreconditioner(X, coupling, features, _absolute_inverse(schur, _LEAST_CLASSIFIER))


def _absolute_inverse(A: Array, least: float) -> Array:
    """Inverse with absolute eigenvalues, none below ``least`` times the largest."""
    values, vectors = np.linalg.eigh(0.5 * (A + np.swapaxes(A, -1, -2)))
    size = np.abs(values)
    floor = least * size.max(axis=-1, keepdims=True)
    size = np.maximum(size, np.where(floor > 0.0, floor, 1.0))
    return (vectors / size[..., None, :]) @ np.swapaxes(vectors, -1, -2)
