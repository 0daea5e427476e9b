"""Pymanopt's problems behind our interface; the other way is :mod:`sphereufm.problem.pymanopt.to_pymanopt`.

Pymanopt is imported only inside the functions: importing it loads torch, jax and tensorflow where they are
installed.  Its random numbers (the global NumPy state) and its distances are never used.

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

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from sphereufm.errors import InvalidInputError, check_array, check_integer
from sphereufm.geometry.spheres import Array, ProductOfSpheres, column_lengths, project
from sphereufm.geometry.symmetry.groups import SymmetryGroup
from sphereufm.problem.interface import SphereProblem
from sphereufm.problem.own_costs.declared_symmetry import check_symmetry
from sphereufm.problem.own_costs.difference_products import RELATIVE_ERROR, difference_product
from sphereufm.problem.own_costs.local_scale import local_scale
from sphereufm.problem.pymanopt.layout import Layout, Parts, real_array
from sphereufm.problem.pymanopt.stacked import Stacked, stacked
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
    group = symmetry
    if group is None:
        M = layout.spheres.shape[1]
        # points of the elliptope are Gram matrices: factors that differ by a rotation are one
        alone = len(layout.factors) == 1 and layout.factors[0].kind == "rows"
        group = SymmetryGroup.rotations(M) if alone else SymmetryGroup.none(M)
    ours = PymanoptProblem(
        problem=problem,
        spheres=layout.spheres,
        symmetry=group,
        layout=layout,
        # what the user supplied is used as it is: it may be what is to be checked
        supplied=tuple(
            name
            for name in ("riemannian_gradient", "riemannian_hessian")
            if getattr(problem, f"_{name}", None) is not None
        ),
    )
    quick = stacked(problem, len(layout.factors))
    check_symmetry(ours.cost, ours.spheres, group)
    return ours._tried(quick)


@dataclass(frozen=True, kw_only=True, eq=False)
class PymanoptProblem:
    """A Pymanopt problem as a cost on a product of spheres; made by :func:`from_pymanopt`."""

    problem: Any
    spheres: ProductOfSpheres  #: the manifold; after :meth:`in_dimension`, a smaller one
    symmetry: SymmetryGroup
    layout: Layout  #: where Pymanopt's factors lie in the columns
    supplied: tuple[str, ...]  #: Riemannian derivatives that the user wrote
    #: Error of Hessian products relative to the gradient's scale where they are differences of gradients;
    #: zero for exact ones.
    hessian_error: float = 0.0
    stacked: Stacked | None = None  #: calls for stacks of points, where the framework has them

    def __repr__(self) -> str:
        return f"<PymanoptProblem on {self.problem.manifold}, as {self.spheres!r}>"

    def at(self, X: Array) -> PymanoptEvaluation:
        """Evaluate at ``X``, shape ``(..., d, M)``.

        Raises InvalidInputError if ``X`` has another shape or type.
        """
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
        """The same cost on columns of ``R^r``, seen as ``R^d`` with the last coordinates zero.

        Raises InvalidInputError if O(d) is not declared a symmetry, or ``r`` exceeds the dimension of the
        Pymanopt problem.
        """
        r = check_integer("r", r, 1)
        if not self.symmetry.orthogonal:
            raise InvalidInputError(f"r={r}: declare O(d) a symmetry to see the problem in another dimension")
        d, M = self.layout.spheres.shape
        if r > d:
            raise InvalidInputError(f"r={r} must be at most {d}, the dimension of the Pymanopt problem")
        return replace(self, spheres=ProductOfSpheres.oblique(r, M))

    def _tried(self, calls: Stacked | None) -> PymanoptProblem:
        """Ask once for everything, so that what is missing or of the wrong shape is said at once.

        ``calls`` serve stacks of points where they give the same answers.
        """
        X = self.spheres.random_point(_SEED, (2,))
        point = self.at(X[0])
        _ = point.cost, point.gradient
        U = self.spheres.random_tangent(_SEED, X)
        try:
            with _quiet():
                self._exact_product(X[0], U[0], None)
        except NotImplementedError:
            return replace(self, hessian_error=RELATIVE_ERROR)
        if any(factor.kind == "complex" for factor in self.layout.factors):
            return self
        quick = replace(self, stacked=calls)
        return quick if calls and quick._agrees(self, X, U) else self

    def _agrees(self, other: PymanoptProblem, X: Array, U: Array) -> bool:
        """Whether all answers at two points are those of another way to ask for them."""
        try:
            with _quiet():
                ours, theirs = (
                    (at.cost, at.gradient, at.hessian_product(U)) for at in (self.at(X), other.at(X))
                )
        # a framework may refuse to map a function for reasons, and by exceptions, of its own
        except Exception:
            return False
        return all(
            np.allclose(a, b, rtol=1e-9, atol=1e-9 * np.abs(b).max(), equal_nan=True)
            for a, b in zip(ours, theirs, strict=True)
        )

    def _cost_at(self, X: Array) -> float:
        """Cost at one point."""
        value = real_array("cost", self.problem.cost(self.layout.parts(X)))
        if value.shape != ():
            raise InvalidInputError(
                f"the cost returned an array of shape {value.shape}, but one number is needed; end it with a sum"
            )
        return float(value)

    def _gradients_at(self, X: Array) -> tuple[Array, Array]:
        """Euclidean and Riemannian gradient at one point; the same where the user supplied the latter."""
        name = "riemannian_gradient" if "riemannian_gradient" in self.supplied else "euclidean_gradient"
        try:
            found = getattr(self.problem, name)(self.layout.parts(X))
        except NotImplementedError as error:
            raise InvalidInputError(
                f"the Pymanopt problem has no gradient ({error}); supply euclidean_gradient or use an "
                "automatic differentiation backend"
            ) from error
        G = self._joined(name, found, X)
        return G, project(X, G)

    def _exact_product(self, X: Array, U: Array, G: Array | None) -> Array:
        """Hessian product at one point; ``G`` is the Euclidean gradient, if it is known."""
        riemannian = "riemannian_hessian" in self.supplied or "riemannian_gradient" in self.supplied
        name = "riemannian_hessian" if riemannian else "euclidean_hessian"
        found = getattr(self.problem, name)(self.layout.parts(X), self.layout.parts(U))
        product = self._joined(name, found, X)
        return product if riemannian or G is None else product - U * (X * G).sum(axis=0)

    def _joined(self, name: str, found: Parts, X: Array) -> Array:
        """What a user's function returned at one point, as columns."""
        return self.layout.joined(name, found if self.layout.is_product else [found], len(X))


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
        if self._problem.stacked and self.X.ndim > 2:
            return self._stacked("cost", self.X)
        return self._looped(self._problem._cost_at, ())

    @property
    def gradient(self) -> Array:
        """Riemannian gradient, shape ``(..., d, M)``.

        Raises InvalidInputError if the Pymanopt problem has no gradient, or returns one of the wrong shape.
        """
        return self._gradients[1]

    @cached_property
    def gradient_scale(self) -> Array:
        """Scale of each column by the gradient here and nearby, shape ``(..., M)``."""
        problem = self._problem
        G, here = self._gradients

        def gradient(Y: Array) -> Array:
            return PymanoptEvaluation(problem, Y).gradient

        return local_scale(problem.spheres, self.X, gradient, here, column_lengths(G))

    def hessian_product(self, U: Array) -> Array:
        """Riemannian Hessian applied to a tangent ``U``, shape ``(..., d, M)``, batch axes broadcast.

        Raises InvalidInputError if the Pymanopt problem returns a product of the wrong shape.
        """
        problem = self._problem
        if problem.hessian_error:
            return difference_product(problem.gradient, self.X, U)
        X, U, G = np.broadcast_arrays(self.X, U, self._gradients[0])
        if problem.stacked and X.ndim > 2:
            return project(X, self._stacked("product", X, U)) - U * (X * G).sum(axis=-2, keepdims=True)
        out = np.empty(X.shape)
        with _quiet():
            for i in np.ndindex(X.shape[:-2]):
                out[i] = problem._exact_product(X[i], U[i], G[i])
        return project(X, out)

    @cached_property
    def _gradients(self) -> tuple[Array, Array]:
        """Euclidean and Riemannian gradient."""
        if self._problem.stacked and self.X.ndim > 2:
            G = self._stacked("gradient", self.X)
            return G, project(self.X, G)
        both = self._looped(lambda X: np.array(self._problem._gradients_at(X)), (2, *self.X.shape[-2:]))
        return both[..., 0, :, :], both[..., 1, :, :]

    def _stacked(self, name: str, *arrays: Array) -> Array:
        """Answers of the framework's own ``vmap``: costs, or columns."""
        layout, lead, rows = self._problem.layout, arrays[0].shape[:-2], self.X.shape[-2]
        flat = [layout.part_list(array.reshape(-1, *array.shape[-2:])) for array in arrays]
        with _quiet():
            found = getattr(self._problem.stacked, name)(*flat)
        if name == "cost":
            return np.asarray(found[0].reshape(lead))
        return layout.joined(name, found, rows, found[0].shape[:1]).reshape(*lead, rows, -1)

    def _looped(self, function: Callable[[Array], Any], shape: tuple[int, ...]) -> Array:
        """Answers at each point of the stack; a user's warnings about numbers are not ours to repeat."""
        out = np.empty((*self.X.shape[:-2], *shape))
        with _quiet():
            for i in np.ndindex(self.X.shape[:-2]):
                out[i] = function(self.X[i])
        return out


@contextmanager
def _quiet() -> Iterator[None]:
    """Without warnings: infinite values and costs without curvature are ordinary answers, frameworks have their own."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
