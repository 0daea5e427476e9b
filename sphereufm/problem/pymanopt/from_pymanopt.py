"""Pymanopt's problems behind our interface; the other way is :mod:`sphereufm.problem.pymanopt.to_pymanopt`.

Pymanopt is imported only inside the functions: importing it loads torch, jax and tensorflow where they are
installed.  Its random numbers (the global NumPy state) and its distances are never used.

A factor of a Pymanopt manifold becomes a run of columns of ``X``, shape ``(d, M)``:

==================  ==========================================================================
factor              columns
==================  ==========================================================================
``Sphere(n)``       one column of length ``n``
``Sphere(m, n)``    one column of length ``m n``, the matrix row by row (tensors alike)
``Oblique(m, n)``   ``n`` columns of length ``m``
==================  ==========================================================================

Columns shorter than ``d`` are padded with zeros.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from sphereufm.errors import InvalidInputError, check_array, check_integer
from sphereufm.geometry.spheres import Array, ProductOfSpheres, project
from sphereufm.geometry.symmetry.groups import SymmetryGroup
from sphereufm.problem.interface import SphereProblem
from sphereufm.problem.pymanopt.to_pymanopt import to_pymanopt

if TYPE_CHECKING:
    import pymanopt

__all__ = ["PymanoptProblem", "from_pymanopt", "to_pymanopt"]

# Pymanopt's points: an array, or a list of arrays for a product
_Parts: TypeAlias = Any

_SCALE_POINTS = 4
_SCALE_SEED = 0
_SYMMETRY_TOLERANCE = 1e-8


def from_pymanopt(problem: pymanopt.Problem, symmetry: SymmetryGroup | None = None) -> SphereProblem:
    """Put a Pymanopt problem on spheres behind the interface of this package.

    Parameters
    ----------
    problem : pymanopt.Problem
        On ``Sphere``, ``Oblique`` or a ``Product`` of them, with any of Pymanopt's automatic
        differentiation backends or with supplied derivatives.
    symmetry : SymmetryGroup, optional
        A group that leaves the cost unchanged, in the columns of the module's table.  It is checked at a few
        random points.  Default: none.

    Returns
    -------
    PymanoptProblem

    Raises
    ------
    InvalidInputError
        If it is no Pymanopt problem, the manifold is another one, no gradient can be had, or the declared
        symmetry has the wrong number of columns or changes the cost.

    Examples
    --------
    >>> import pymanopt
    >>> A = np.diag([1.0, 2.0, 3.0])
    >>> sphere = pymanopt.manifolds.Sphere(3)
    >>> @pymanopt.function.autograd(sphere)
    ... def rayleigh(x):
    ...     return x @ A @ x
    >>> quotient = from_pymanopt(pymanopt.Problem(sphere, rayleigh))
    >>> float(quotient.at(np.array([[0.0], [1.0], [0.0]])).cost)
    2.0
    """
    import pymanopt

    if not isinstance(problem, pymanopt.Problem):
        raise InvalidInputError(f"problem={problem!r} must be a pymanopt.Problem")
    factors = _factors(problem.manifold)
    spheres = ProductOfSpheres(tuple(factor.length for factor in factors for _ in range(factor.columns)))
    M = spheres.shape[1]
    group = SymmetryGroup.none(M) if symmetry is None else symmetry
    if group.permutations.columns != M:
        raise InvalidInputError(
            f"symmetry permutes {group.permutations.columns} columns, but points have {M}"
        )
    if group.orthogonal and not spheres.is_oblique:
        raise InvalidInputError(f"dims={spheres.dims} must be equal where O(d) is declared a symmetry")
    bare = PymanoptProblem(
        problem=problem, spheres=spheres, symmetry=group, factors=factors, scales=np.ones(M)
    )
    _check_symmetry(bare)
    return bare._with(scales=_measured_scales(bare))


@dataclass(frozen=True, kw_only=True)
class _Factor:
    """One sphere or oblique manifold of the product: ``columns`` columns of ``length`` numbers each."""

    start: int
    columns: int
    shape: tuple[int, ...]
    is_oblique: bool

    @property
    def length(self) -> int:
        """Numbers in one column."""
        return self.shape[0] if self.is_oblique else prod(self.shape)

    def take(self, X: Array) -> Array:
        """Cut the factor's array out of a point or tangent, shape ``(d, M)``."""
        part = X[: self.length, self.start : self.start + self.columns]
        return np.array(part).reshape(self.shape)

    def put(self, X: Array, value: Any) -> None:
        """Write the factor's array into a point or tangent."""
        array = check_array("derivative", value, self.shape)
        X[: self.length, self.start : self.start + self.columns] = array.reshape(self.length, self.columns)


def _factors(manifold: Any) -> tuple[_Factor, ...]:
    """Layout of a Pymanopt manifold."""
    from pymanopt.manifolds import Oblique, Product, Sphere

    parts = manifold.manifolds if isinstance(manifold, Product) else (manifold,)
    factors: list[_Factor] = []
    start = 0
    for part in parts:
        if not isinstance(part, Sphere | Oblique):
            raise InvalidInputError(f"manifold={part} must be a Sphere or Oblique, or a Product of them")
        # the zero vector tells the shape through a public method, and without random numbers
        shape = tuple(int(n) for n in part.zero_vector(None).shape)
        oblique = isinstance(part, Oblique)
        factors.append(
            _Factor(start=start, columns=shape[1] if oblique else 1, shape=shape, is_oblique=oblique)
        )
        start += factors[-1].columns
    return tuple(factors)


@dataclass(frozen=True, kw_only=True, eq=False)
class PymanoptProblem:
    """A Pymanopt problem as a cost on a product of spheres; made by :func:`from_pymanopt`.

    Attributes
    ----------
    problem : pymanopt.Problem
    spheres : ProductOfSpheres
        The manifold; after :meth:`in_dimension`, a smaller one.
    symmetry : SymmetryGroup
    scales : ndarray, shape (M,)
        Gradient scale of each column, the same at every point: the root mean square over the columns of its
        factor of gradient norms at four random points (fixed seed); the largest of the others where that is zero.
        It makes the relative gradient norm independent of the cost's units and no more than that.
    """

    problem: Any
    spheres: ProductOfSpheres
    symmetry: SymmetryGroup
    factors: tuple[_Factor, ...]
    scales: Array

    def __repr__(self) -> str:
        return f"<PymanoptProblem on {self.problem.manifold}, as {self.spheres!r}>"

    def at(self, X: Array) -> PymanoptEvaluation:
        """Evaluate at ``X``, shape ``(..., d, M)``; batch axes are looped over.

        Raises
        ------
        InvalidInputError
            If ``X`` has another shape or type.
        """
        return PymanoptEvaluation(self, check_array("X", X, self.spheres.shape))

    def cost(self, X: Array) -> Array:
        """Cost, shape ``(...)``."""
        return self.at(X).cost

    def gradient(self, X: Array) -> Array:
        """Riemannian gradient, shape ``(..., d, M)``."""
        return self.at(X).gradient

    def hessian_product(self, X: Array, U: Array) -> Array:
        """Riemannian Hessian at ``X`` applied to a tangent ``U``, shape ``(..., d, M)``."""
        return self.at(X).hessian_product(check_array("U", U, self.spheres.shape))

    def in_dimension(self, r: int) -> PymanoptProblem:
        """The same cost on columns of ``R^r``, seen as ``R^d`` with the last coordinates zero.

        Raises
        ------
        InvalidInputError
            If O(d) is not declared a symmetry, or ``r`` exceeds the dimension of the Pymanopt problem.
        """
        r = check_integer("r", r, 1)
        if not self.symmetry.orthogonal:
            raise InvalidInputError(f"r={r}: declare O(d) a symmetry to see the problem in another dimension")
        d = self.factors[0].length
        if r > d:
            raise InvalidInputError(f"r={r} must be at most {d}, the dimension of the Pymanopt problem")
        return self._with(spheres=ProductOfSpheres.oblique(r, self.spheres.shape[1]))

    def _with(self, **changes: Any) -> PymanoptProblem:
        """Copy with some fields replaced."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return PymanoptProblem(**{**fields, **changes})

    @property
    def _rows(self) -> int:
        """Dimension of the longest column as Pymanopt knows it."""
        return max(factor.length for factor in self.factors)

    def _parts(self, X: Array) -> _Parts:
        """Pymanopt's form of a point or tangent, shape ``(d, M)``."""
        full = np.zeros((self._rows, X.shape[1]))
        full[: X.shape[0]] = X
        parts = [factor.take(full) for factor in self.factors]
        return parts if self._is_product else parts[0]

    def _joined(self, parts: _Parts) -> Array:
        """Back from Pymanopt's form."""
        full = np.zeros((self._rows, self.spheres.shape[1]))
        for factor, part in zip(self.factors, parts if self._is_product else [parts], strict=True):
            factor.put(full, part)
        return full[: self.spheres.shape[0]]

    @property
    def _is_product(self) -> bool:
        """Whether Pymanopt's points are lists."""
        return hasattr(self.problem.manifold, "manifolds")


class PymanoptEvaluation:
    """Answers of a Pymanopt problem at ``X``, shape ``(..., d, M)``; made by :meth:`PymanoptProblem.at`."""

    def __init__(self, problem: PymanoptProblem, X: Array) -> None:
        self._problem = problem
        self.X = X

    def __repr__(self) -> str:
        return f"<PymanoptEvaluation at {self.X.shape} of {self._problem!r}>"

    @cached_property
    def cost(self) -> Array:
        """Cost, shape ``(...)``."""
        problem = self._problem
        cost = np.empty(self.X.shape[:-2])
        for i in np.ndindex(cost.shape):
            cost[i] = problem.problem.cost(problem._parts(self.X[i]))
        return cost

    @cached_property
    def gradient(self) -> Array:
        """Riemannian gradient, shape ``(..., d, M)``.

        Raises
        ------
        InvalidInputError
            If the Pymanopt problem has no gradient, or returns one of the wrong shape or not finite.
        """
        problem = self._problem
        gradient = np.empty(self.X.shape)
        for i in np.ndindex(self.X.shape[:-2]):
            parts = _derivative(problem.problem.riemannian_gradient, "gradient", problem._parts(self.X[i]))
            gradient[i] = problem._joined(parts)
        return project(self.X, gradient)

    @property
    def gradient_scale(self) -> Array:
        """The problem's fixed scale of each column, shape ``(..., M)``."""
        return np.broadcast_to(self._problem.scales, (*self.X.shape[:-2], self.X.shape[-1]))

    def hessian_product(self, U: Array) -> Array:
        """Riemannian Hessian applied to a tangent ``U``, shape ``(..., d, M)``, batch axes broadcast.

        Raises
        ------
        InvalidInputError
            If the Pymanopt problem has no Hessian, or returns a product of the wrong shape or not finite.
        """
        problem = self._problem
        X, U = np.broadcast_arrays(self.X, U)
        out = np.empty(X.shape)
        for i in np.ndindex(X.shape[:-2]):
            point, tangent = problem._parts(X[i]), problem._parts(U[i])
            out[i] = problem._joined(
                _derivative(problem.problem.riemannian_hessian, "hessian", point, tangent)
            )
        return project(X, out)


def _derivative(function: Callable[..., _Parts], name: str, *arguments: _Parts) -> _Parts:
    """Call a derivative of Pymanopt's; say what is missing where it has none."""
    try:
        return function(*arguments)
    except NotImplementedError as error:
        raise InvalidInputError(
            f"the Pymanopt problem has no {name} ({error}); supply euclidean_{name} or use an "
            "automatic differentiation backend"
        ) from error


def _check_symmetry(problem: PymanoptProblem) -> None:
    """Refuse a declared symmetry that changes the cost at random points."""
    rng = np.random.default_rng(_SCALE_SEED)
    X = problem.spheres.random_point(rng, (_SCALE_POINTS,))
    images = np.empty(X.shape)
    for i, point in enumerate(X):
        Q, s = problem.symmetry.random_element(rng, X.shape[-2])
        images[i] = Q @ point[:, s]
    before, after = problem.cost(X), problem.cost(images)
    change = np.abs(before - after)
    if change.max() > _SYMMETRY_TOLERANCE * np.abs([before, after]).max():
        i = int(change.argmax())
        raise InvalidInputError(
            f"symmetry changes the cost from {before[i]:.6g} to {after[i]:.6g}; declare only what leaves it unchanged"
        )


def _measured_scales(problem: PymanoptProblem) -> Array:
    """Root mean square gradient norm over the columns of each factor and a few random points."""
    X = problem.spheres.random_point(_SCALE_SEED, (_SCALE_POINTS,))
    squares = np.square(problem.gradient(X)).sum(axis=-2).mean(axis=0)
    scales = np.empty(len(squares))
    for factor in problem.factors:
        columns = slice(factor.start, factor.start + factor.columns)
        scales[columns] = np.sqrt(squares[columns].mean())
    largest = scales.max()
    scales[scales == 0.0] = largest if largest > 0.0 else 1.0
    scales.flags.writeable = False
    return scales
