"""Expressions as problems: derivatives against differences and balls, stacks against loops."""

from fractions import Fraction

import numpy as np
import pytest

from sphereufm.certify.expressions import Cost, exp, fourth_powers, log, max_cut, sqrt, thomson
from sphereufm.errors import InvalidInputError
from sphereufm.geometry.spheres import project
from sphereufm.geometry.symmetry.groups import SymmetryGroup
from sphereufm.problem.derivative_checks import check_gradient, check_hessian
from sphereufm.problem.expressions.expression_problem import ExpressionProblem
from sphereufm.problem.own_costs.as_problem import optimality_gap
from sphereufm.problem.own_costs.differences import difference_product


def mixture():
    """Every instruction, both leaves, repeated arguments, and Gram entries in both orders."""
    cost = Cost(dim=3, columns=3)
    a, b, c = cost.gram(0, 1), cost.gram(2, 1), cost.gram(1, 2)
    shared = exp(a * c) / (3 + b)
    terms = [
        shared * shared,
        log(4 + a * b),
        sqrt(5 - c),
        -(cost.x(0, 1) ** 3),
        cost.x(2, 0) * a,
        1 / (2 + cost.x(1, 2)),
    ]
    return cost.instance(
        sum(terms) + terms[0].cost.record("add", *[t.number for t in terms]) - cost.gram(1, 1) ** 2
    )


INSTANCES = {
    "mixture": mixture(),
    "thomson": thomson(4),
    "cut": max_cut([[0, 1, 2], [1, 0, -1], [2, -1, 0]], dim=3),
    "fourth": fourth_powers(4),
}


@pytest.mark.parametrize("name", INSTANCES)
@pytest.mark.parametrize("seed", range(3))
def test_derivatives_belong_to_the_cost(name, seed):
    problem = ExpressionProblem(instance=INSTANCES[name])
    assert check_gradient(problem, rng=seed).passed
    assert check_hessian(problem, rng=seed).passed


@pytest.mark.parametrize("name", INSTANCES)
def test_values_lie_in_the_balls_of_the_proof(name):
    from sphereufm.certify.checker.kernel import Arb
    from sphereufm.certify.checker.programs import evaluate_program

    problem = ExpressionProblem(instance=INSTANCES[name])
    X = problem.spheres.random_point(5)
    B = Arb(53)
    columns = [[B.number(x) for x in column] for column in X.T.tolist()]
    balls = evaluate_program(B, INSTANCES[name].problem, columns)
    point = problem.at(X)
    assert float(point.cost) == pytest.approx(float(balls.cost), rel=1e-13)
    euclidean = np.array([[float(v) for v in column] for column in balls.gradient]).T
    np.testing.assert_allclose(point.gradient, project(X, euclidean), atol=1e-12)


@pytest.mark.parametrize("name", INSTANCES)
def test_stacks_of_points_and_directions_agree_with_loops(name):
    problem = ExpressionProblem(instance=INSTANCES[name])
    X = problem.spheres.random_point(1, (3, 2))
    U = problem.spheres.random_tangent(2, np.broadcast_to(X[:, :, None], (3, 2, 4, *X.shape[-2:])))
    many, same = problem.at(X[:, :, None]).hessian_product(U), problem.at(X).hessian_product(U[:, :, 0])
    shared = problem.at(X[0, 0]).hessian_product(project(X[0, 0], U[0]))
    across = problem.at(X[:, :1]).hessian_product(project(X[:, :1], U[0, :, 0]))
    stack = problem.at(X)
    for i, j in np.ndindex(3, 2):
        one = problem.at(X[i, j])
        np.testing.assert_allclose(stack.cost[i, j], one.cost, rtol=1e-13)
        np.testing.assert_allclose(stack.gradient[i, j], one.gradient, atol=1e-12)
        np.testing.assert_allclose(stack.gradient_scale[i, j], one.gradient_scale, rtol=1e-9)
        np.testing.assert_allclose(same[i, j], one.hessian_product(U[i, j, 0]), atol=1e-11)
        np.testing.assert_allclose(many[i, j, 3], one.hessian_product(U[i, j, 3]), atol=1e-11)
        expected = difference_product(lambda Y: problem.at(Y).gradient, X[i, j], U[i, j, 3])
        np.testing.assert_allclose(many[i, j, 3], expected, atol=1e-5 * float(one.gradient_scale.max()))
    first = problem.at(X[0, 0])
    np.testing.assert_allclose(shared[1, 2], first.hessian_product(project(X[0, 0], U[0, 1, 2])), atol=1e-11)
    third = problem.at(X[2, 0])
    np.testing.assert_allclose(across[2, 1], third.hessian_product(project(X[2, 0], U[0, 1, 0])), atol=1e-11)


def test_empty_stacks_have_empty_answers():
    problem = ExpressionProblem(instance=thomson(3))
    for points, directions in (((0, 3, 3), (0, 3, 3)), ((2, 0, 3, 3), (2, 0, 3, 3)), ((3, 3), (0, 3, 3))):
        point = problem.at(np.empty(points))
        assert point.gradient.shape == point.X.shape
        assert point.hessian_product(np.empty(directions)).shape == directions


@pytest.mark.parametrize(
    "scale", [10**59, 10**60, 10**250, Fraction(3, 2**400), -(2**1023), Fraction(1, 3**100)]
)
def test_a_constant_is_its_nearest_float_however_a_certificate_writes_it(scale):
    cost = Cost(dim=2, columns=2)
    problem = ExpressionProblem(instance=cost.instance(cost.gram(0, 1) * cost.constant(scale)))
    X = np.array([[1.0, 1.0], [0.0, 0.0]])
    assert problem.at(X).cost == float(scale)


def test_symmetry_is_checked_and_known_by_form():
    assert ExpressionProblem(instance=thomson(3)).symmetry.orthogonal
    assert not ExpressionProblem(instance=fourth_powers(3)).symmetry.orthogonal
    with pytest.raises(InvalidInputError, match="reads single entries"):
        ExpressionProblem(instance=fourth_powers(3), symmetry=SymmetryGroup.full(1))
    with pytest.raises(InvalidInputError, match=r"under the permutation of columns \[0, 1\]"):
        ExpressionProblem(instance=INSTANCES["cut"], symmetry=SymmetryGroup.full(3))
    assert ExpressionProblem(instance=thomson(3)).in_dimension(2).spheres.shape == (2, 3)
    with pytest.raises(InvalidInputError, match="r=2: the expression reads single entries"):
        ExpressionProblem(instance=fourth_powers(3)).in_dimension(2)


def test_a_gap_needs_a_point_where_the_cost_is_smooth():
    problem = ExpressionProblem(instance=thomson(3))
    X = problem.spheres.random_point(0)
    assert 0.0 < optimality_gap(problem, X).value < np.inf
    for bad in (2.0 * X, X[None], X[:, :2], np.nan * X):
        with pytest.raises(InvalidInputError, match="X has"):
            optimality_gap(problem, bad)
    together = np.eye(3)[:, [0, 0, 0]]
    assert optimality_gap(problem, together).value == np.inf
