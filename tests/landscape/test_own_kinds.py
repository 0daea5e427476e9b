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


def test_a_family_is_no_better_than_its_worst_member():
    """Circles of one cost: minima about one pole, monkey saddles about the other, beside a column that is free."""
    cost = Cost(dim=3, columns=2)
    a, b, c = (cost.x(i, 0) for i in range(3))
    energy = (1 + c) * (a**3 - 3 * a * b**2) + (1 - c) * (a**2 + b**2) + 0 * cost.x(0, 1)
    poles = np.array([[[0.0, 1.0], [0.0, 0.0], [s, 0.0]] for s in (1.0, -1.0)])
    report = verify_landscape(cost.instance(energy), effort="quick", starts=1, initial_points=[*poles])
    row = next(entry for entry in report.critical if abs(entry.cost) < 1e-9)
    assert isinstance(row, CriticalFamily)
    assert {member.X[2, 0] for member in row.members} == {-1.0, 1.0}
    assert row.kind.name == "DEGENERATE"


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
