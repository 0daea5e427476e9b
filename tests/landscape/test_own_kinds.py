"""Kinds of own costs that were once classified wrongly: each with its right answer, from closed forms."""

from fractions import Fraction

import autograd.numpy as anp
import numpy as np
import pymanopt
import pytest

from sphereufm import verify_landscape
from sphereufm.certify.expressions import Cost, log
from sphereufm.landscape.points import CriticalFamily
from sphereufm.landscape.search.eigenvector_following import follow_eigenvectors
from sphereufm.problem.expressions.expression_problem import ExpressionProblem


@pytest.mark.parametrize("constant", [0, 1000])
def test_a_circle_where_the_whole_hessian_vanishes_is_one_family(constant):
    """(z - 1/2)^4: a circle of minima of fourth order, and the poles."""
    cost = Cost(dim=3, columns=1)
    instance = cost.instance((cost.x(2, 0) - Fraction(1, 2)) ** 4 + constant)
    report = verify_landscape(instance, effort="quick", starts=24)
    circle, *poles = report.critical
    assert isinstance(circle, CriticalFamily)
    assert (circle.kind.name, circle.name) == ("DEGENERATE", "nonisolated-1")
    assert [pole.cost - constant for pole in poles] == pytest.approx([0.5**4, 1.5**4])


@pytest.mark.parametrize("columns", [1, 3])
def test_spheres_of_two_points_are_enumerated(columns):
    manifold = pymanopt.manifolds.Oblique(1, columns)
    weights = 2.0 ** np.arange(columns)
    cost = pymanopt.function.autograd(manifold)(lambda X: anp.sum(weights * X[0]))
    report = verify_landscape(pymanopt.Problem(manifold, cost), effort="quick")
    total = 2**columns - 1
    assert [round(entry.cost) for entry in report.critical] == list(range(-total, total + 1, 2))
    assert "exact and complete" in str(report)


def test_points_without_a_value_stay_where_they_are():
    """Two coincident columns of -log(1 - g) among starts that are moved towards saddles."""
    cost = Cost(dim=3, columns=3)
    pairs = [(0, 1), (0, 2), (1, 2)]
    problem = ExpressionProblem(instance=cost.instance(-sum(log(1 - cost.gram(i, j)) for i, j in pairs)))
    X = problem.spheres.random_point(0, (4,))
    X[1, :, 1] = X[1, :, 0]
    moved = follow_eigenvectors(problem, X, np.array([0, 1, 2, 1]))
    np.testing.assert_array_equal(moved[1], X[1])
    assert np.isfinite(moved).all()
