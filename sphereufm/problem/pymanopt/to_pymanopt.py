"""The cross-entropy problem as a ``pymanopt.Problem``; back: :mod:`sphereufm.problem.pymanopt.from_pymanopt`.

Pymanopt is imported only inside the function: importing it loads torch, jax and tensorflow where they are
installed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from sphereufm.errors import InvalidInputError
from sphereufm.geometry.spheres import Array

if TYPE_CHECKING:
    import pymanopt

    from sphereufm.problem.evaluation import UFMEvaluation
    from sphereufm.problem.ufm import UFMProblem


def to_pymanopt(
    problem: UFMProblem, *, derivatives: str = "closed-form", manifold: str = "oblique"
) -> pymanopt.Problem:
    """Return a problem of normalised features as a ``pymanopt.Problem``.

    * ``derivatives``, one of "closed-form", "autograd": closed form: Euclidean gradient and Hessian from our
      kernels; cost, gradient and Hessian products at one point share one forward pass.  Autograd: the cost
      alone, differentiated by Pymanopt's autograd backend.
    * ``manifold``, one of "oblique", "product": one ``Oblique(d, K + N)`` with points ``[W H]``, or
      ``Product([Oblique(d, K), Oblique(d, N)])`` with points ``[W, H]``.

    Raises InvalidInputError if an option is none of the above, or the loss has no autograd cost.

    Notes
    -----
    Pymanopt draws starting points from NumPy's global generator: pass ``initial_point`` to its solvers.
    """
    import pymanopt
    from pymanopt.manifolds import Oblique, Product

    if derivatives not in ("closed-form", "autograd"):
        raise InvalidInputError(f"derivatives={derivatives!r} must be 'closed-form' or 'autograd'")
    if manifold not in ("oblique", "product"):
        raise InvalidInputError(f"manifold={manifold!r} must be 'oblique' or 'product'")
    d, K = problem.dim, problem.classes
    if derivatives == "autograd" and not problem.is_plain:
        raise InvalidInputError(
            "derivatives='autograd' is written for cross-entropy alone, without margin, offsets, bias or several tau; "
            "use 'closed-form'"
        )
    oblique = manifold == "oblique"
    space = Oblique(*problem.shape) if oblique else Product([Oblique(d, K), Oblique(d, problem.samples)])
    if derivatives == "autograd":
        return pymanopt.Problem(space, pymanopt.function.autograd(space)(_autograd_cost(problem, oblique)))
    wrap = pymanopt.function.numpy(space)
    functions = _closed_forms(problem, oblique)
    return pymanopt.Problem(space, **{name: wrap(function) for name, function in functions.items()})


class _OnePointStore:
    """The evaluation at the point asked for last; solvers ask for cost, gradient and Hessian in a row."""

    def __init__(self, problem: UFMProblem) -> None:
        self._problem = problem
        self._last: UFMEvaluation | None = None

    def __call__(self, X: Array) -> UFMEvaluation:
        """Evaluate at ``X``, which the caller may overwrite later."""
        if self._last is None or not np.array_equal(self._last.X, X):
            self._last = self._problem.at(np.array(X, dtype=np.float64))
        return self._last


def _closed_forms(problem: UFMProblem, oblique: bool) -> dict[str, Callable[..., Any]]:
    """Cost and Euclidean derivatives of ``[W H]``, or of ``W`` and ``H``.

    Riemannian ones fail on products in Pymanopt.
    """
    at, arrays = _OnePointStore(problem), 1 if oblique else 2

    def joined(parts: tuple[Array, ...]) -> Array:
        return parts[0] if oblique else np.concatenate(parts, axis=1)

    def split(G: Array) -> Array | list[Array]:
        return G if oblique else np.split(G, [problem.classes], axis=1)

    def cost(*x: Array) -> float:
        return float(at(joined(x)).cost)

    def euclidean_gradient(*x: Array) -> Array | list[Array]:
        return split(at(joined(x)).euclidean_gradient)

    def euclidean_hessian(*both: Array) -> Array | list[Array]:
        x, u = joined(both[:arrays]), joined(both[arrays:])
        return split(at(x).euclidean_hessian_product(u))

    return {"cost": cost, "euclidean_gradient": euclidean_gradient, "euclidean_hessian": euclidean_hessian}


def _autograd_cost(problem: UFMProblem, oblique: bool) -> Callable[..., Any]:
    """Cross-entropy written with autograd's NumPy."""
    import autograd.numpy as anp
    from autograd.tracer import getval

    K, tau, omega = problem.classes, problem.tau, problem.weights
    Y = np.zeros((K, problem.samples))
    Y[problem.labels, np.arange(problem.samples)] = 1.0

    def cost(*x: Any) -> Any:
        W, H = (x[0][:, :K], x[0][:, K:]) if oblique else x
        Z = tau * anp.dot(W.T, H)
        E = Z - anp.sum(Z * Y, axis=0)
        # a constant for autograd: the cost does not depend on which shift is taken out
        top = np.max(getval(E), axis=0)
        rest = anp.sum(anp.exp(E - top) * (1.0 - Y), axis=0)
        # log1p keeps the accuracy of small costs: top is zero where the own logit is the largest
        return anp.dot(omega, top + anp.log1p(rest + np.expm1(-top)))

    return cost
