r"""Problems that others use, in closed form: max-cut relaxations, Rayleigh quotients, Thomson's problem.

====================  =============================================  ======================
problem               cost                                           point
====================  =============================================  ======================
max-cut relaxation    ``<X, X A> / 2``, ``A`` a graph's weights      ``X``, shape (r, n)
Rayleigh quotient     ``<x, A x> / 2``, ``A`` symmetric              ``x``, shape (n, 1)
Thomson               ``sum_{i < j} 1 / |x_i - x_j|``                ``X``, shape (3, M)
====================  =============================================  ======================

The graphs are made as those of the G-set are (``rudy``: random and toroidal), with seeds of our own: they are not the
published edges.

References
----------
C. Helmberg, F. Rendl, *A spectral bundle method for semidefinite programming*, SIAM J. Optim. 2000 (the G-set).
S. Burer, R. Monteiro, *A nonlinear programming algorithm for solving semidefinite programs via low-rank factorization*,
Math. Program. 2003.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sphereufm.errors import InvalidInputError, check_integer
from sphereufm.geometry.spheres import Array, ProductOfSpheres, project
from sphereufm.geometry.symmetry.groups import ColumnPermutations, SymmetryGroup


class QuadraticPoint:
    """``f = <X, X A> / 2`` or ``<X, A X> / 2``, everything from one product with ``A``."""

    def __init__(self, problem: Quadratic, X: Array) -> None:
        self.X = X
        self._problem = problem
        self._AX = problem.apply(X)
        self.multipliers = np.einsum("...dm,...dm->...m", X, self._AX)

    @property
    def cost(self) -> Array:
        """Cost, shape (...)."""
        return 0.5 * self.multipliers.sum(axis=-1)

    @property
    def gradient(self) -> Array:
        """Riemannian gradient."""
        return self._AX - self.X * self.multipliers[..., None, :]

    @property
    def euclidean_gradient(self) -> Array:
        """Gradient in the surrounding space."""
        return self._AX

    @property
    def gradient_scale(self) -> Array:
        """Sum of absolute pulls, a bound for each column."""
        return np.broadcast_to(self._problem.scale, self.multipliers.shape)

    def hessian_product(self, U: Array) -> Array:
        """Riemannian Hessian times ``U``."""
        return project(self.X, self._problem.apply(U) - U * self.multipliers[..., None, :])

    def euclidean_hessian_product(self, U: Array) -> Array:
        """Hessian of the surrounding space times ``U``."""
        return self._problem.apply(U)


@dataclass(frozen=True, eq=False)
class Quadratic:
    """Max-cut relaxations (``A`` from the right, sparse) and Rayleigh quotients (``A`` from the left)."""

    A: object  #: symmetric, shape (M, M), or (d, d) from the left
    #: ``d`` and ``M``, shape of a point.
    d: int
    M: int
    left: bool
    scale: Array  #: shape ``(M,)``: a bound for the gradient of each column

    def apply(self, U: Array) -> Array:
        """``U A`` or ``A U``."""
        if self.left:
            return self.A @ U  # type: ignore[operator]
        # A is symmetric: a sparse matrix multiplies from the left
        flat = U.reshape(-1, self.M)
        return np.asarray((self.A @ flat.T).T).reshape(U.shape)  # type: ignore[operator]

    @property
    def spheres(self) -> ProductOfSpheres:
        """The manifold."""
        return ProductOfSpheres.oblique(self.d, self.M)

    @property
    def symmetry(self) -> SymmetryGroup:
        """Rotations, for max-cut."""
        return SymmetryGroup(not self.left, ColumnPermutations.trivial(self.M))

    def at(self, X: Array) -> QuadraticPoint:
        """Evaluate at ``X``."""
        return QuadraticPoint(self, X)

    def in_dimension(self, r: int) -> Quadratic:
        """The same graph with columns in ``R^r``.

        Raises InvalidInputError for a Rayleigh quotient, which rotations do not leave alone.
        """
        if self.left:
            raise InvalidInputError(f"r={r}: a Rayleigh quotient has no other dimension; its matrix fixes it")
        return replace(self, d=check_integer("r", r, 1))


def _rank(n: int) -> int:
    """A rank at which the relaxation has no spurious local minima: ``r (r + 1) / 2 > n``."""
    return int(np.ceil((np.sqrt(8.0 * n + 1.0) - 1.0) / 2.0)) + 1


def _maxcut(edges: list[tuple[int, int, float]], n: int) -> Quadratic:
    """Relaxation of a weighted graph."""
    from scipy.sparse import csr_array

    i, j, w = (np.array(column) for column in zip(*edges, strict=True))
    A = csr_array((np.r_[w, w], (np.r_[i, j], np.r_[j, i])), shape=(n, n))
    scale = np.asarray(abs(A).sum(axis=0)).ravel()
    return Quadratic(A, _rank(n), n, False, np.where(scale > 0.0, scale, 1.0))


def rudy_random(n: int = 800, density: float = 0.06, seed: int = 1) -> Quadratic:
    """Random graph with unit weights, as the G-set's first family (own seed, not the published edges)."""
    rng = np.random.default_rng(seed)
    i, j = np.triu_indices(n, 1)
    chosen = rng.random(i.size) < density
    return _maxcut([(int(a), int(b), 1.0) for a, b in zip(i[chosen], j[chosen], strict=True)], n)


def rudy_toroidal(rows: int = 20, columns: int = 40, seed: int = 2) -> Quadratic:
    """Toroidal grid with weights -1 and 1, as the G-set's second family (own seed)."""
    rng = np.random.default_rng(seed)
    edges = []
    for r in range(rows):
        for c in range(columns):
            here = r * columns + c
            for there in (r * columns + (c + 1) % columns, ((r + 1) % rows) * columns + c):
                edges.append((here, there, float(rng.choice([-1.0, 1.0]))))
    return _maxcut(edges, rows * columns)


def rayleigh(n: int = 500, seed: int = 3) -> Quadratic:
    """Rayleigh quotient of a symmetric matrix with normal entries."""
    A = np.random.default_rng(seed).standard_normal((n, n))
    A = (A + A.T) / np.sqrt(2.0 * n)
    return Quadratic(A, n, 1, True, np.array([2.0]))


class ThomsonPoint:
    """``f = sum_{i < j} 1 / |x_i - x_j|``."""

    def __init__(self, X: Array) -> None:
        self.X = X
        gram = np.swapaxes(X, -1, -2) @ X
        square = np.maximum(2.0 - 2.0 * gram, 0.0)
        M = X.shape[-1]
        square[..., np.arange(M), np.arange(M)] = np.inf
        self._square = square
        self._cube = square**-1.5
        # d(1/r)/dx_i = (x_j - x_i) / r^3; the part along x_i is removed by the projection
        self.euclidean_gradient = X @ self._cube
        self.multipliers = np.einsum("...dm,...dm->...m", X, self.euclidean_gradient)

    @property
    def cost(self) -> Array:
        """Coulomb energy."""
        return 0.5 * (self._square**-0.5).sum(axis=(-1, -2))

    @property
    def gradient(self) -> Array:
        """Riemannian gradient."""
        return self.euclidean_gradient - self.X * self.multipliers[..., None, :]

    @property
    def gradient_scale(self) -> Array:
        """Sum of the forces' sizes."""
        return (1.0 / self._square).sum(axis=-1)

    def hessian_product(self, U: Array) -> Array:
        """Riemannian Hessian times ``U``."""
        return project(self.X, self.euclidean_hessian_product(U) - U * self.multipliers[..., None, :])

    def euclidean_hessian_product(self, U: Array) -> Array:
        """Hessian of ``sum (2 - 2 <x_i, x_j>)^(-1/2)``, which is the same cost on the spheres."""
        inner = np.swapaxes(self.X, -1, -2) @ U
        change = 3.0 * self._square**-2.5 * (inner + np.swapaxes(inner, -1, -2))
        return U @ self._cube + self.X @ change


@dataclass(frozen=True)
class Thomson:
    """Electrons on a sphere."""

    electrons: int
    dimension: int = 3

    @property
    def spheres(self) -> ProductOfSpheres:
        """The manifold."""
        return ProductOfSpheres.oblique(self.dimension, self.electrons)

    @property
    def symmetry(self) -> SymmetryGroup:
        """Rotations and all permutations."""
        return SymmetryGroup(True, ColumnPermutations.all_columns(self.electrons))

    def at(self, X: Array) -> ThomsonPoint:
        """Evaluate at ``X``."""
        return ThomsonPoint(X)

    def in_dimension(self, r: int) -> Thomson:
        """As many electrons on a sphere in ``R^r``."""
        return replace(self, dimension=check_integer("r", r, 1))
