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

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array, ProductOfSpheres, project
from sphereufm.geometry.symmetry.groups import ColumnPermutations, SymmetryGroup


@dataclass(eq=False)
class EuclideanPoint:
    """A point of a cost of the surrounding space, seen on the spheres."""

    X: Array
    cost: Array
    euclidean_gradient: Array
    gradient_scale: Array
    euclidean_hessian_product: Callable[[Array], Array]

    def __post_init__(self) -> None:
        self.multipliers = np.einsum("...dm,...dm->...m", self.X, self.euclidean_gradient)

    @property
    def gradient(self) -> Array:
        """Riemannian gradient."""
        return self.euclidean_gradient - self.X * self.multipliers[..., None, :]

    def hessian_product(self, U: Array) -> Array:
        """Riemannian Hessian times ``U``."""
        return project(self.X, self.euclidean_hessian_product(U) - U * self.multipliers[..., None, :])


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

    def at(self, X: Array) -> EuclideanPoint:
        """Evaluate at ``X``: everything from one product with ``A``."""
        AX = self.apply(X)
        cost = 0.5 * np.einsum("...dm,...dm->...", X, AX)
        scale = np.broadcast_to(self.scale, (*X.shape[:-2], self.M))
        return EuclideanPoint(X, cost, AX, scale, self.apply)


def _maxcut(i: NDArray[np.intp], j: NDArray[np.intp], w: Array, n: int) -> Quadratic:
    """Relaxation of a graph with weights ``w`` on its edges ``(i, j)``.

    Its rank, ``r (r + 1) / 2 > n``, leaves no spurious local minima.
    """
    from scipy.sparse import csr_array

    rank = int(np.ceil((np.sqrt(8.0 * n + 1.0) - 1.0) / 2.0)) + 1
    A = csr_array((np.r_[w, w], (np.r_[i, j], np.r_[j, i])), shape=(n, n))
    scale = np.asarray(abs(A).sum(axis=0)).ravel()
    return Quadratic(A, rank, n, False, np.where(scale > 0.0, scale, 1.0))


def rudy_random(n: int = 800, density: float = 0.06, seed: int = 1) -> Quadratic:
    """Random graph with unit weights, as the G-set's first family (own seed, not the published edges)."""
    rng = np.random.default_rng(seed)
    i, j = np.triu_indices(n, 1)
    chosen = rng.random(i.size) < density
    return _maxcut(i[chosen], j[chosen], np.ones(chosen.sum()), n)


def rudy_toroidal(rows: int = 20, columns: int = 40, seed: int = 2) -> Quadratic:
    """Toroidal grid with weights -1 and 1, as the G-set's second family (own seed)."""
    grid = np.arange(rows * columns).reshape(rows, columns)
    ahead = np.stack([np.roll(grid, -1, axis=1), np.roll(grid, -1, axis=0)], axis=-1)
    weights = np.random.default_rng(seed).choice([-1.0, 1.0], size=ahead.size)
    return _maxcut(np.repeat(grid.ravel(), 2), ahead.ravel(), weights, grid.size)


def rayleigh(n: int = 500, seed: int = 3) -> Quadratic:
    """Rayleigh quotient of a symmetric matrix with normal entries."""
    A = np.random.default_rng(seed).standard_normal((n, n))
    A = (A + A.T) / np.sqrt(2.0 * n)
    return Quadratic(A, n, 1, True, np.array([2.0]))


@dataclass(frozen=True)
class Thomson:
    """Electrons on a sphere."""

    electrons: int

    @property
    def spheres(self) -> ProductOfSpheres:
        """The manifold."""
        return ProductOfSpheres.oblique(3, self.electrons)

    @property
    def symmetry(self) -> SymmetryGroup:
        """Rotations and all permutations."""
        return SymmetryGroup(True, ColumnPermutations.all_columns(self.electrons))

    def at(self, X: Array) -> EuclideanPoint:
        """Evaluate at ``X``, as the same cost ``sum (2 - 2 <x_i, x_j>)^(-1/2)`` of the surrounding space."""
        square = np.maximum(2.0 - 2.0 * (np.swapaxes(X, -1, -2) @ X), 0.0)
        self_pairs = np.arange(self.electrons)
        square[..., self_pairs, self_pairs] = np.inf
        cube = square**-1.5

        def product(U: Array) -> Array:
            inner = np.swapaxes(X, -1, -2) @ U
            return U @ cube + X @ (3.0 * square**-2.5 * (inner + np.swapaxes(inner, -1, -2)))

        # scales are sums of the forces' sizes
        cost, scale = 0.5 * (square**-0.5).sum(axis=(-1, -2)), (1.0 / square).sum(axis=-1)
        return EuclideanPoint(X, cost, X @ cube, scale, product)
