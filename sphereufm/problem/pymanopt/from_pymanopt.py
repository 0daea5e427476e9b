"""Pymanopt's problems behind our interface; the other way is :mod:`sphereufm.problem.pymanopt.to_pymanopt`.

Its random numbers (the global NumPy state) and its distances are never used.

A factor of a Pymanopt manifold becomes a run of columns of ``X``, shape ``(d, M)``:

====================  ========================================================================
factor                columns
====================  ========================================================================
``Sphere(n)``         one column of length ``n``
``Sphere(m, n)``      one column of length ``m n``, the matrix row by row (tensors too)
``Oblique(m, n)``     ``n`` columns of length ``m``
``Elliptope(n, k)``   ``n`` columns of length ``k``, the rows; rotations are a symmetry
``ComplexCircle(n)``  ``n`` columns of length two, real and imaginary parts
complex spheres       subclasses of ``Sphere`` and ``Oblique`` with a complex ``zero_vector``:
                      columns twice as long, real above imaginary parts
====================  ========================================================================

Columns shorter than ``d`` are padded with zeros.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from sphereufm.errors import InvalidInputError, check_array, check_integer
from sphereufm.geometry.spheres import Array, ProductOfSpheres, column_lengths, project
from sphereufm.geometry.symmetry.groups import SymmetryGroup
from sphereufm.problem.interface import SphereProblem
from sphereufm.problem.own_costs.declared_symmetry import check_symmetry
from sphereufm.problem.own_costs.differences import RELATIVE_ERROR, difference_product, local_scale
from sphereufm.problem.pymanopt.calls import Calls, looped, mapped, quiet
from sphereufm.problem.pymanopt.layout import Layout, Parts
from sphereufm.problem.pymanopt.to_pymanopt import to_pymanopt

if TYPE_CHECKING:
    import pymanopt

__all__ = ["PymanoptProblem", "from_pymanopt", "to_pymanopt"]

_SEED = 0


def from_pymanopt(problem: pymanopt.Problem, symmetry: SymmetryGroup | None = None) -> SphereProblem:
    """Put a Pymanopt problem on spheres behind the interface of this package.

    Parameters
    ----------
    problem : pymanopt.Problem
        On a manifold of the module's table, with any of Pymanopt's automatic differentiation backends or with
        supplied derivatives.  JAX and PyTorch evaluate stacks of points by their own ``vmap``, where they can map the
        cost; others are looped over.  Where there is no Hessian, its products are differences of gradients.
    symmetry : SymmetryGroup, optional
        A group that leaves the cost unchanged, in the columns of the module's table.  Each of its generators is
        checked at random points.  Default: none.

    Returns
    -------
    PymanoptProblem

    Raises
    ------
    InvalidInputError
        If it is no Pymanopt problem, the manifold is another one, no gradient can be had, cost or gradient return
        something else than real numbers of the right shape, or the declared symmetry has the wrong number of columns
        or changes the cost.

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
    layout = Layout.of(problem.manifold)
    if symmetry is None:
        # points of the elliptope are Gram matrices: factors that differ by a rotation are one
        alone = [factor.kind for factor in layout.factors] == ["rows"]
        symmetry = (SymmetryGroup.rotations if alone else SymmetryGroup.none)(layout.spheres.shape[1])
    calls, quick = looped(problem, layout), mapped(problem, layout)
    ours = PymanoptProblem(
        problem=problem, spheres=layout.spheres, symmetry=symmetry, layout=layout, calls=calls
    )
    check_symmetry(ours.cost, ours.spheres, symmetry)
    return ours._tried(quick)


@dataclass(frozen=True, kw_only=True, eq=False)
class PymanoptProblem:
    """A Pymanopt problem as a cost on a product of spheres; made by :func:`from_pymanopt`."""

    problem: Any
    spheres: ProductOfSpheres  #: the manifold; after :meth:`in_dimension`, a smaller one
    symmetry: SymmetryGroup
    layout: Layout  #: where Pymanopt's factors lie in the columns
    calls: Calls  #: how single points are asked for
    stacked: Calls | None = None  #: how stacks of points are, where the framework has a way of its own
    #: Error of Hessian products relative to the gradient's scale where they are differences of gradients;
    #: zero for exact ones.
    hessian_error: float = 0.0

    def __repr__(self) -> str:
        return f"<PymanoptProblem on {self.problem.manifold}, as {self.spheres!r}>"

    def at(self, X: Array) -> PymanoptEvaluation:
        """Evaluate at ``X``, shape ``(..., d, M)``."""
        return PymanoptEvaluation(self, check_array("X", X, self.spheres.shape))

    def cost(self, X: Array) -> Array:
        """Cost, shape ``(...)``."""
        return self.at(X).cost

    def pymanopt_point(self, X: Array) -> Parts:
        """A point ``X``, shape ``(r, M)`` with ``r <= d``, in Pymanopt's own form."""
        return self.layout.parts(X)

    def gradient(self, X: Array) -> Array:
        """Riemannian gradient, shape ``(..., d, M)``."""
        return self.at(X).gradient

    def hessian_product(self, X: Array, U: Array) -> Array:
        """Riemannian Hessian at ``X`` applied to a tangent ``U``, shape ``(..., d, M)``."""
        return self.at(X).hessian_product(check_array("U", U, self.spheres.shape))

    def in_dimension(self, r: int) -> PymanoptProblem:
        """The same cost on columns of ``R^r``, ``r <= d``, seen as ``R^d`` with the last coordinates zero."""
        r = check_integer("r", r, 1)
        if not self.symmetry.orthogonal:
            raise InvalidInputError(f"r={r}: declare O(d) a symmetry to see the problem in another dimension")
        d, M = self.layout.spheres.shape
        if r > d:
            raise InvalidInputError(f"r={r} must be at most {d}, the dimension of the Pymanopt problem")
        return replace(self, spheres=ProductOfSpheres.oblique(r, M))

    def _tried(self, calls: Calls | None) -> PymanoptProblem:
        """Ask once for everything, so that what is missing or of the wrong shape is said at once.

        ``calls`` serve stacks of points where they give the same answers.
        """
        X = self.spheres.random_point(_SEED, (2,))
        U = self.spheres.random_tangent(_SEED, X)
        try:
            _ = self.cost(X[0]), self.hessian_product(X[0], U[0])
        except NotImplementedError:
            return replace(self, hessian_error=RELATIVE_ERROR)
        quick = replace(self, stacked=calls)
        return quick if calls and quick._agrees(self, X, U) else self

    def _agrees(self, other: PymanoptProblem, X: Array, U: Array) -> bool:
        """Whether all answers at two points are those of another way to ask for them."""
        try:
            ours, theirs = ((at.cost, at.gradient, at.hessian_product(U)) for at in (self.at(X), other.at(X)))
        # a framework may refuse to map a function for reasons, and by exceptions, of its own
        except Exception:
            return False
        return all(
            np.allclose(a, b, rtol=1e-9, atol=1e-9 * np.abs(b).max(), equal_nan=True)
            for a, b in zip(ours, theirs, strict=True)
        )


class PymanoptEvaluation:
    """Answers of a Pymanopt problem at ``X``, shape ``(..., d, M)``; made by :meth:`PymanoptProblem.at`.

    Where the user's cost or derivatives are not finite, so are the answers, for those items alone.
    """

    def __init__(self, problem: PymanoptProblem, X: Array) -> None:
        self._problem = problem
        self.X = X

    def __repr__(self) -> str:
        return f"<PymanoptEvaluation at {self.X.shape} of {self._problem!r}>"

    @cached_property
    def cost(self) -> Array:
        """Cost, shape ``(...)``."""
        with quiet():
            return self._calls.cost(_stacked(self.X)).reshape(self.X.shape[:-2])

    @cached_property
    def gradient(self) -> Array:
        """Riemannian gradient, shape ``(..., d, M)``."""
        with quiet():
            return project(self.X, self._gradient)

    @cached_property
    def gradient_scale(self) -> Array:
        """Scale of each column by the gradient here and nearby, shape ``(..., M)``."""
        problem, own = self._problem, column_lengths(self._gradient)
        return local_scale(problem.spheres, self.X, lambda Y: problem.at(Y).gradient, self.gradient, own)

    def hessian_product(self, U: Array) -> Array:
        """Riemannian Hessian applied to a tangent ``U``, shape ``(..., d, M)``, batch axes broadcast."""
        problem = self._problem
        if problem.hessian_error:
            return difference_product(problem.gradient, self.X, U)
        X, U, G = np.broadcast_arrays(self.X, U, self._gradient)
        # one point may be asked along many directions
        calls = PymanoptEvaluation(problem, X)._calls
        with quiet():
            product = calls.product(_stacked(X), _stacked(U)).reshape(X.shape)
            if not calls.is_riemannian:
                product = product - U * (X * G).sum(axis=-2, keepdims=True)
            return project(X, product)

    @cached_property
    def _gradient(self) -> Array:
        """Euclidean gradient, or the Riemannian one where the user supplied it."""
        try:
            with quiet():
                return self._calls.gradient(_stacked(self.X)).reshape(self.X.shape)
        except NotImplementedError as error:
            raise InvalidInputError(
                f"the Pymanopt problem has no gradient ({error}); supply euclidean_gradient or use an "
                "automatic differentiation backend"
            ) from error

    @property
    def _calls(self) -> Calls:
        """Whom to ask."""
        problem = self._problem
        return problem.stacked if problem.stacked and self.X.ndim > 2 else problem.calls


def _stacked(X: Array) -> Array:
    """Points in one stack."""
    return X.reshape(-1, *X.shape[-2:])
