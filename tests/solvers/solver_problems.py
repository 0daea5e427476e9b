"""Small problems with known minima, written by hand for the tests."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sphereufm.geometry.spheres import ProductOfSpheres, project
from sphereufm.geometry.symmetry.groups import ColumnPermutations, SymmetryGroup


class QuadraticEvaluation:
    """``f = <X, X A> / 2`` for a symmetric ``A`` (M, M), or ``<X, A X> / 2`` for ``A`` (d, d)."""

    def __init__(self, A, left, X):
        self.A, self.left, self.X = A, left, X

    def _apply(self, U):
        return self.A @ U if self.left else U @ self.A

    @property
    def cost(self):
        return 0.5 * np.einsum("...dm,...dm->...", self.X, self._apply(self.X))

    @property
    def gradient(self):
        return project(self.X, self._apply(self.X))

    @property
    def gradient_scale(self):
        size = np.abs(self.A).sum(axis=0).max()
        return np.full(self.X.shape[:-2] + self.X.shape[-1:], size)

    def hessian_product(self, U):
        multipliers = np.einsum("...dm,...dm->...m", self.X, self._apply(self.X))
        return project(self.X, self._apply(U) - U * multipliers[..., None, :])


@dataclass(frozen=True, eq=False)
class Rayleigh:
    """Rayleigh quotient of ``A`` (d, d): least value half the least eigenvalue."""

    A: np.ndarray

    @property
    def spheres(self):
        return ProductOfSpheres.oblique(self.A.shape[0], 1)

    @property
    def symmetry(self):
        return SymmetryGroup(False, ColumnPermutations.trivial(1))

    @property
    def minimum(self):
        return 0.5 * np.linalg.eigvalsh(self.A)[0]

    def at(self, X):
        return QuadraticEvaluation(self.A, True, X)


@dataclass(frozen=True, eq=False)
class MaxCut:
    """Burer-Monteiro form of the max-cut relaxation: ``<X, X A> / 2``, ``A`` the graph's adjacency matrix."""

    A: np.ndarray
    d: int

    @property
    def spheres(self):
        return ProductOfSpheres.oblique(self.d, self.A.shape[0])

    @property
    def symmetry(self):
        return SymmetryGroup(True, ColumnPermutations.trivial(self.A.shape[0]))

    def at(self, X):
        return QuadraticEvaluation(self.A, False, X)

    def dual_bound(self, X):
        """Value that no feasible point undercuts: weak duality at any multipliers."""
        multipliers = np.einsum("dm,dm->m", X, X @ self.A)
        least = np.linalg.eigvalsh(self.A - np.diag(multipliers))[0]
        return 0.5 * multipliers.sum() + 0.5 * self.A.shape[0] * min(0.0, least)


def odd_cycle(n, d=3):
    """Max-cut of a cycle: the least value is ``-n cos(pi / n)`` for odd ``n``."""
    A = np.zeros((n, n))
    for i in range(n):
        A[i, (i + 1) % n] = A[(i + 1) % n, i] = 1.0
    return MaxCut(A, d)


def random_matrix(n, seed):
    """A symmetric matrix with normal entries."""
    A = np.random.default_rng(seed).standard_normal((n, n))
    return A + A.T


@dataclass(eq=False)
class Breaking:
    """Another problem whose cost becomes ``value`` after so many evaluations."""

    problem: object
    after: int
    value: float = np.nan
    evaluations: int = field(default=0)

    @property
    def spheres(self):
        return self.problem.spheres

    @property
    def symmetry(self):
        return self.problem.symmetry

    def at(self, X):
        self.evaluations += 1
        return _Broken(self.problem.at(X), self.evaluations > self.after, self.value)


class _Broken:
    def __init__(self, point, broken, value):
        self.point, self.broken, self.value = point, broken, value

    def __getattr__(self, name):
        return getattr(self.point, name)

    @property
    def cost(self):
        return np.full_like(self.point.cost, self.value) if self.broken else self.point.cost


@dataclass(eq=False)
class Counting:
    """Another problem that counts, item by item, what is asked of it."""

    problem: object
    evaluations: int = 0
    products: int = 0

    @property
    def spheres(self):
        return self.problem.spheres

    @property
    def symmetry(self):
        return self.problem.symmetry

    def at(self, X):
        self.evaluations += int(np.prod(X.shape[:-2]))
        return _Counted(self, self.problem.at(X))


class _Counted:
    def __init__(self, owner, point):
        self.owner, self.point = owner, point

    def __getattr__(self, name):
        return getattr(self.point, name)

    def hessian_product(self, U):
        self.owner.products += int(np.prod(U.shape[:-2]))
        return self.point.hessian_product(U)
