r"""A few extreme eigenvalues of the Hessian on the horizontal space, without a matrix.

Where the Hessian fits the memory it is taken apart as a whole.  Else the locally optimal block method
(LOBPCG) is used, on blocks of tangent vectors of shape ``(k, d, M)``: a block meets multiple eigenvalues, which
symmetric points always have, with all their copies, where a single Lanczos sequence meets one.  Orbit directions
are projected out of every block exactly (:func:`~sphereufm.geometry.symmetry.horizontal_part`), and residuals
are preconditioned by the columns' gradient scales, which evens out columns of very different weight.

For every value ``theta`` with unit vector ``u`` the *residual* ``|Hess u - theta u|`` is reported: there is an
eigenvalue within that distance of ``theta`` (for the floating-point Hessian).  That nothing lower was missed is
what convergence of a random block suggests, and not proved.

References
----------
A. Knyazev, *Toward the optimal preconditioned eigensolver*, SIAM J. Sci. Comput. 2001.
B. Parlett, *The Symmetric Eigenvalue Problem*, 1998, section 4.5 (the residual bound).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from sphereufm.errors import InvalidInputError, check_array, check_integer, check_positive
from sphereufm.geometry.spheres import Array, as_generator, project
from sphereufm.geometry.symmetry import OrbitTangent, orbit_dimension
from sphereufm.geometry.tangent import from_coordinates, vertical_coordinates
from sphereufm.landscape.hessian import hessian_matrix
from sphereufm.problem.interface import SphereProblem

__all__ = ["HessianExtreme", "hessian_extreme"]

_Operator: TypeAlias = Callable[[Array], Array]

# Unknowns up to which the whole Hessian is taken apart.
_DENSE = 1200
# Further vectors in the block: the slowest of it converge late.
_GUARDS = 4
# A combination of the block's vectors with a smaller share of their length is rounding noise.
_DEPENDENT = 1e-11


@dataclass(frozen=True, kw_only=True, eq=False)
class HessianExtreme:
    """Extreme eigenvalues on the horizontal space.

    Attributes
    ----------
    eigenvalues : ndarray, shape (count,)
        Ascending for the lowest, descending for the largest.
    residuals : ndarray, shape (count,)
        ``|Hess u - theta u|``: an eigenvalue lies within that distance of each.
    vectors : ndarray, shape (count, d, M)
        Orthonormal (Frobenius) horizontal tangent vectors.
    converged : bool
        Whether every residual met the tolerance.
    products : int
        Hessian-vector products.
    """

    eigenvalues: Array
    residuals: Array
    vectors: Array
    converged: bool
    products: int

    def __repr__(self) -> str:
        values = ", ".join(f"{value:.6g}" for value in self.eigenvalues)
        state = "converged" if self.converged else "not converged"
        return f"<HessianExtreme: {values} ({state}, {self.products} products)>"


def hessian_extreme(
    problem: SphereProblem,
    X: Array,
    count: int = 1,
    *,
    largest: bool = False,
    tolerance: float = 1e-6,
    max_iterations: int = 300,
    rng: int | np.random.Generator = 0,
) -> HessianExtreme:
    """Lowest (or largest) eigenvalues of the Riemannian Hessian, orbit directions removed.

    Parameters
    ----------
    problem : SphereProblem
    X : ndarray, shape (d, M)
        A critical point.
    count : int
        Number of eigenvalues, multiple ones with their copies.
    largest : bool
    tolerance : float
        Residuals at most ``tolerance`` times the largest Ritz value met: ``|Hess u - theta u| <= tolerance |Hess|``.
    max_iterations : int
    rng : int or Generator
        For the first block.

    Returns
    -------
    HessianExtreme

    Raises
    ------
    InvalidInputError
        If ``X`` has the wrong shape, or the horizontal space has fewer than ``count`` dimensions.

    Examples
    --------
    >>> from sphereufm.problem.theory import collapsed_point
    >>> from sphereufm.problem.ufm import UFMProblem
    >>> problem = UFMProblem(class_sizes=(1, 1), dim=3, tau=1.0)
    >>> extreme = hessian_extreme(problem, collapsed_point(problem), 2)
    >>> extreme.eigenvalues.round(6).tolist(), extreme.converged
    ([0.119203, 0.119203], True)
    """
    X = check_array("X", X, problem.spheres.shape)
    count, tolerance = check_integer("count", count, 1), check_positive("tolerance", tolerance)
    orbit = OrbitTangent(X) if problem.symmetry.orthogonal else None
    free = problem.spheres.dimension - (orbit_dimension(orbit.rank, X.shape[0]) if orbit else 0)
    if count > free:
        raise InvalidInputError(f"count={count} exceeds the {free} dimensions of the horizontal space")
    if problem.spheres.dimension <= max(_DENSE, 4 * (count + _GUARDS)):
        return _dense(problem, X, orbit, count, largest)
    sign = -1.0 if largest else 1.0
    point = problem.at(X)
    scale = point.gradient_scale / point.gradient_scale.max()
    weights = 1.0 / np.maximum(scale, 1e-12)

    def horizontal(U: Array) -> Array:
        U = project(X, U)
        return U if orbit is None else orbit.horizontal(U)

    block = _Block(
        apply=lambda U: sign * horizontal(point.hessian_product(U)),
        precondition=lambda R: horizontal(R * weights),
    )
    start = horizontal(
        problem.spheres.random_tangent(as_generator(rng), np.broadcast_to(X, (count + _GUARDS, *X.shape)))
    )
    found = block.run(start, count, tolerance, max_iterations)
    return HessianExtreme(
        eigenvalues=sign * found.eigenvalues,
        residuals=found.residuals,
        vectors=found.vectors,
        converged=found.converged,
        products=found.products,
    )


def _dense(
    problem: SphereProblem, X: Array, orbit: OrbitTangent | None, count: int, largest: bool
) -> HessianExtreme:
    """Take the whole Hessian apart, the orbit shifted out of the way."""
    d, M = X.shape
    used = np.swapaxes(problem.spheres.mask[1:], -1, -2).ravel()
    matrix = hessian_matrix(problem, X)[np.ix_(used, used)]
    basis = np.eye(len(matrix))
    if orbit is not None:
        vertical = vertical_coordinates(X, orbit.rank)
        basis = np.linalg.qr(vertical, mode="complete")[0][:, vertical.shape[1] :]
    values, vectors = np.linalg.eigh(basis.T @ matrix @ basis)
    chosen = np.arange(len(values))[::-1][:count] if largest else np.arange(count)
    c = np.zeros((count, M * (d - 1)))
    c[:, used] = (basis @ vectors[:, chosen]).T
    U = from_coordinates(np.broadcast_to(X, (count, d, M)), np.swapaxes(c.reshape(count, M, d - 1), -1, -2))
    off = problem.at(X).hessian_product(U) - values[chosen, None, None] * U
    return HessianExtreme(
        eigenvalues=values[chosen],
        residuals=_norms(off),
        vectors=U,
        converged=True,
        products=len(matrix) + count,
    )


@dataclass(frozen=True, eq=False)
class _Block:
    """The block method for an operator and a preconditioner that keep the horizontal space."""

    apply: _Operator
    precondition: _Operator

    def run(self, U: Array, count: int, tolerance: float, max_iterations: int) -> HessianExtreme:
        """Lowest ``count`` eigenvalues from a block of more vectors, shape ``(k, d, M)``."""
        k = len(U)
        U, AU, _ = _rayleigh_ritz(U, self.apply(U), k)
        P = AP = np.empty((0, *U.shape[1:]))
        products, norm = k, 0.0
        for _ in range(max_iterations):
            theta = _inner(U, AU).diagonal()
            R = AU - theta[:, None, None] * U
            residuals = _norms(R)
            norm = max(norm, float(np.abs(theta).max()), float(_norms(AU).max()))
            if (residuals[:count] <= tolerance * norm).all():
                break
            late = residuals > 0.1 * tolerance * norm
            T = self.precondition(R[late])
            T = _off(_off(T, U), U)
            AT = self.apply(T)
            products += len(T)
            S, AS = np.concatenate([U, T, P]), np.concatenate([AU, AT, AP])
            U, AU, C = _rayleigh_ritz(S, AS, k)
            # what is new in the block, conjugate to what it was
            P, AP = _combine(C[k:], S[k:]), _combine(C[k:], AS[k:])
        return HessianExtreme(
            eigenvalues=theta[:count],
            residuals=residuals[:count],
            vectors=U[:count],
            converged=bool((residuals[:count] <= tolerance * norm).all()),
            products=products,
        )


def _rayleigh_ritz(S: Array, AS: Array, k: int) -> tuple[Array, Array, Array]:
    """Lowest ``k`` Ritz vectors of the span of ``S``, their images, and their coefficients ``(len(S), k)``."""
    length = np.maximum(_norms(S), 1e-300)
    G = _inner(S, S) / np.outer(length, length)
    size, directions = np.linalg.eigh(G)
    kept = size > _DEPENDENT * size[-1]
    basis = directions[:, kept] / np.sqrt(size[kept]) / length[:, None]
    small = basis.T @ _inner(S, AS) @ basis
    C = basis @ np.linalg.eigh(0.5 * (small + small.T))[1][:, :k]
    return _combine(C, S), _combine(C, AS), C


def _inner(U: Array, V: Array) -> Array:
    """Frobenius inner products of two blocks."""
    return np.asarray(U.reshape(len(U), -1) @ V.reshape(len(V), -1).T)


def _combine(C: Array, U: Array) -> Array:
    """Linear combinations of a block."""
    return np.asarray((C.T @ U.reshape(len(U), -1)).reshape(C.shape[1], *U.shape[1:]))


def _off(T: Array, U: Array) -> Array:
    """``T`` without its part in the span of the orthonormal ``U``."""
    return T - _combine(_inner(U, T), U)


def _norms(U: Array) -> Array:
    """Frobenius norms."""
    flat = U.reshape(len(U), -1)
    return np.sqrt(np.einsum("kn,kn->k", flat, flat))
