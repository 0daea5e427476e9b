"""What a user may hand over where a problem is asked for."""

from __future__ import annotations

from typing import Any

from sphereufm.errors import InvalidInputError
from sphereufm.problem.interface import SphereProblem


def as_problem(given: Any) -> SphereProblem:
    """The problem that is meant: itself, an expression's, or a Pymanopt problem behind the interface.

    ``given``: without a declared symmetry but that which an expression's form shows.  Raises
    InvalidInputError if it is none of these.

    Examples
    --------
    >>> from sphereufm.certify.expressions import thomson
    >>> as_problem(thomson(3))
    <ExpressionProblem 'expression, 3 unit vectors in R^3', 18 instructions>
    """
    if hasattr(given, "spheres") and hasattr(given, "at"):
        problem: SphereProblem = given
        return problem
    if hasattr(given, "program") and hasattr(given, "columns"):
        from sphereufm.problem.expressions.expression_problem import ExpressionProblem

        return ExpressionProblem(instance=given)
    if hasattr(given, "manifold") and hasattr(given, "cost"):
        from sphereufm.problem.pymanopt.from_pymanopt import from_pymanopt

        return from_pymanopt(given)
    raise InvalidInputError(
        f"problem={str(given)[:60]} is no problem; give a UFMProblem, what from_pymanopt returns, a pymanopt.Problem, "
        "or the instance of a cost expression: cost.instance(term)"
    )
