"""What a user may hand over where a problem is asked for, and what is asked of any of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from sphereufm.errors import InvalidInputError
from sphereufm.problem import capabilities
from sphereufm.problem.interface import SphereProblem

if TYPE_CHECKING:
    from sphereufm.problem.theory.gap import OptimalityGap


def as_problem(given: Any) -> SphereProblem:
    """The problem that is meant: itself, an expression's, or a Pymanopt problem behind the interface.

    No symmetry is declared but that which an expression's form shows.
    """
    if hasattr(given, "spheres") and hasattr(given, "at") and not isinstance(given, type):
        return given
    if hasattr(given, "number") and hasattr(given, "cost"):
        given = given.cost.instance(given)
    if hasattr(given, "program") and hasattr(given, "columns"):
        from sphereufm.problem.expressions.expression_problem import ExpressionProblem

        return ExpressionProblem(instance=given)
    if hasattr(given, "manifold") and hasattr(given, "cost"):
        from sphereufm.problem.pymanopt.from_pymanopt import from_pymanopt

        return from_pymanopt(given)
    raise InvalidInputError(
        f"problem={str(given)[:60]} is no problem; give a UFMProblem, what from_pymanopt returns, a pymanopt.Problem, "
        "or a term of a cost expression"
    )


def optimality_gap(problem: Any, X: ArrayLike) -> OptimalityGap:
    """Bound ``f(X) - min f`` from above at any point, critical or not.

    Parameters
    ----------
    problem : UFMProblem, ExpressionProblem or ExpressionInstance
        A loss (see :func:`sphereufm.problem.theory.gap.optimality_gap` for its bounds), or a cost expression that is
        seen to be convex in the Gram matrix.
    X : array_like, shape (d, M)
        One point with unit columns.

    Returns
    -------
    OptimalityGap
        In floats, in the cost's unit; :func:`sphereufm.certify.prove_gap` proves one.

    Raises
    ------
    InvalidInputError
        If the problem has no such bound, or ``X`` is not one point of the manifold.

    Examples
    --------
    >>> from sphereufm.certify.expressions import max_cut
    >>> triangle = max_cut([[0, 1, 1], [1, 0, 1], [1, 1, 0]], dim=2)
    >>> optimality_gap(triangle, [[1.0, -0.5, -0.5], [0.0, 0.75**0.5, -(0.75**0.5)]]).value < 1e-12
    True
    """
    known = as_problem(problem)
    gap = capabilities.optimality_gap(known, known.spheres.check_points(X))
    if gap is None:
        raise InvalidInputError(
            f"{capabilities.title(known)}: no bound is known; a loss, or an expression that is convex in the Gram "
            "matrix by the rules of docs/certificates.md, has one"
        )
    return gap
