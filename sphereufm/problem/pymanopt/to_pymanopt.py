"""A problem of normalised features as a ``pymanopt.Problem``; back: :mod:`.from_pymanopt`."""

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

    * ``derivatives``: "closed-form", Euclidean gradient and Hessian from our kernels, or "autograd": the cost alone,
      of plain cross-entropy, differentiated by Pymanopt's autograd backend.
    * ``manifold``: "oblique", one ``Oblique(d, K + N)`` with points ``[W H]``, or "product",
      ``Product([Oblique(d, K), Oblique(d, N)])`` with points ``[W, H]``.

    Pymanopt draws starting points from NumPy's global generator: pass ``initial_point`` to its solvers.
    """
    import pymanopt
    from pymanopt.manifolds import Oblique, Product

    if derivatives not in ("closed-form", "autograd"):
        raise InvalidInputError(f"derivatives={derivatives!r} must be 'closed-form' or 'autograd'")
    if manifold not in ("oblique", "product"):
        raise InvalidInputError(f"manifold={manifold!r} must be 'oblique' or 'product'")
    if derivatives == "autograd" and not problem.is_plain:
        raise InvalidInputError(
            "derivatives='autograd' is written for cross-entropy alone, without margin, offsets, bias or several tau; "
            "use 'closed-form'"
        )
    oblique, sizes = manifold == "oblique", (problem.classes, problem.samples)
    space = Oblique(*problem.shape) if oblique else Product([Oblique(problem.dim, n) for n in sizes])
    if derivatives == "autograd":
        return pymanopt.Problem(space, pymanopt.function.autograd(space)(_autograd_cost(problem, oblique)))
    wrap = pymanopt.function.numpy(space)
    functions = _closed_forms(problem, oblique)
    return pymanopt.Problem(space, **{name: wrap(function) for name, function in functions.items()})


def _closed_forms(problem: UFMProblem, oblique: bool) -> dict[str, Callable[..., Any]]:
    """Cost and Euclidean derivatives of ``[W H]``, or of ``W`` and ``H``; on products Riemannian ones fail."""
    # the point asked for last: solvers ask for cost, gradient and Hessian in a row
    last: list[UFMEvaluation] = []
    arrays = 1 if oblique else 2

    def at(parts: tuple[Array, ...]) -> UFMEvaluation:
        X = np.concatenate(parts, axis=1)
        if not last or not np.array_equal(last[0].X, X):
            last[:] = [problem.at(X)]
        return last[0]

    def split(G: Array) -> Array | list[Array]:
        return G if oblique else np.split(G, [problem.classes], axis=1)

    def euclidean_hessian(*both: Array) -> Array | list[Array]:
        U = np.concatenate(both[arrays:], axis=1)
        return split(at(both[:arrays]).euclidean_hessian_product(U))

    return {
        "cost": lambda *x: float(at(x).cost),
        "euclidean_gradient": lambda *x: split(at(x).euclidean_gradient),
        "euclidean_hessian": euclidean_hessian,
    }


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
