"""Cost, gradient and Hessian by independent routes: multiprecision, autograd, and differences along geodesics."""

import mpmath
import numpy as np
import problem_oracles as oracle
import pytest
from critical_points import problems, seeds
from hypothesis import given, settings

from sphereufm.errors import InvalidInputError
from sphereufm.geometry.spheres import column_norms, exponential, project
from sphereufm.problem.interface import relative_gradient_norm
from sphereufm.problem.theory.theorems import collapsed_point
from sphereufm.problem.ufm import UFMProblem

TAUS = ["0.001", "1", "20", "10000"]
PROBLEMS = [
    UFMProblem(class_sizes=(2, 2), dim=3, tau=1),
    UFMProblem(class_sizes=(3, 1, 2), dim=4, tau=3, weights=[1, 2, 1, 1, 1, 2]),
    UFMProblem(class_sizes=(2, 0, 1, 1), dim=2, tau=8),
    UFMProblem(labels=[2, 0, 1, 0, 2], dim=5, tau="0.01"),
]


def small_problem(tau):
    return UFMProblem(class_sizes=(2, 0, 1), dim=2, tau=tau, weights=["1/3", "1/2", "1/6"])


def point_and_tangent(problem, seed=0):
    X = problem.spheres.random_point(seed)
    return X, problem.spheres.random_tangent(seed + 1, X)


@pytest.mark.parametrize("tau", TAUS)
def test_cost_agrees_with_multiprecision_at_both_ends(tau):
    problem = small_problem(tau)
    X, _ = point_and_tangent(problem)
    exact = oracle.cost(problem, oracle.exact(X))
    assert float(problem.cost(X)) == pytest.approx(float(exact), rel=2e-13, abs=0)
    assert float(problem.log_cost(X)) == pytest.approx(float(oracle.mp.log(exact)), abs=2e-13)


@pytest.mark.parametrize("tau", TAUS)
def test_gradient_agrees_with_multiprecision(tau):
    problem = small_problem(tau)
    X, _ = point_and_tangent(problem)
    point = problem.at(X)
    exact = oracle.exact(X)
    # logits are rounded to eps tau, so relative accuracy cannot be better than that
    bound = 2e-13 * (1.0 + problem.tau) * point.gradient_scale + 1e-300
    euclidean = oracle.to_float(oracle.euclidean_gradient(problem, exact))
    assert (np.abs(point.euclidean_gradient - euclidean) <= bound).all()
    riemannian = oracle.to_float(oracle.riemannian_gradient(problem, exact))
    assert (np.abs(point.gradient - riemannian) <= bound).all()


@pytest.mark.parametrize("tau", TAUS)
def test_hessian_product_agrees_with_multiprecision(tau):
    problem = small_problem(tau)
    X, U = point_and_tangent(problem)
    exact = oracle.to_float(oracle.hessian_product(problem, oracle.exact(X), oracle.exact(U)))
    point = problem.at(X)
    bound = 2e-13 * (1.0 + problem.tau) ** 2 * point.gradient_scale.max() + 1e-300
    assert (np.abs(point.hessian_product(U) - exact) <= bound).all()


@pytest.mark.parametrize("tau", [20, 50])
def test_costs_and_derivatives_near_zero_keep_their_relative_accuracy(tau):
    problem = UFMProblem(class_sizes=(1, 1, 1), dim=2, tau=tau)
    X = exponential(
        collapsed_point(problem), 0.02 * problem.spheres.random_tangent(3, collapsed_point(problem))
    )
    U = problem.spheres.random_tangent(4, X)
    point, exact = problem.at(X), oracle.exact(X)
    assert float(point.cost) == pytest.approx(float(oracle.cost(problem, exact)), rel=2e-13, abs=0)
    gradient = oracle.to_float(oracle.riemannian_gradient(problem, exact))
    assert (column_norms(point.gradient - gradient) <= 2e-13 * point.gradient_scale).all()
    assert float(relative_gradient_norm(point)) > 1e-3
    product = oracle.to_float(oracle.hessian_product(problem, exact, oracle.exact(U)))
    np.testing.assert_allclose(
        point.hessian_product(U), product, rtol=1e-11, atol=2e-13 * np.abs(product).max()
    )


@pytest.mark.parametrize(("tau", "rounded"), [(20, 1.8715e-13), (50, 5.35727e-33)])
def test_golden_costs_of_the_simplex_frame(tau, rounded):
    problem = UFMProblem(class_sizes=(1, 1, 1), dim=2, tau=tau)
    X = collapsed_point(problem)
    exact = float(mpmath.log1p(2 * mpmath.exp(-mpmath.mpf(3) * tau / 2)))
    assert exact == pytest.approx(rounded, rel=2e-5, abs=0)
    assert float(problem.cost(X)) == pytest.approx(exact, rel=1e-12, abs=0)
    assert float(problem.log_cost(X)) == pytest.approx(float(mpmath.log(exact)), abs=1e-12)
    assert float(relative_gradient_norm(problem.at(X))) < 2e-13


def test_log_cost_where_the_cost_underflows():
    problem = UFMProblem(class_sizes=(1, 1, 1), dim=2, tau=1000)
    X = collapsed_point(problem)
    point = problem.at(X)
    assert float(point.cost) == 0.0
    assert float(point.log_cost) == pytest.approx(float(mpmath.log(2) - 1500), rel=2e-13)
    # nothing is known of a column whose pull has underflown
    assert (point.gradient_scale == 0.0).all()
    assert float(relative_gradient_norm(point)) == np.inf


@pytest.mark.parametrize("tau", [1e-3, 1.0, 300.0, 301.0, 1e4])
def test_nothing_is_ever_nan(tau):
    problem = UFMProblem(class_sizes=(2, 1, 3), dim=3, tau=tau)
    W = problem.spheres.random_point(0)
    worst = np.concatenate([W[:, :3], -W[:, :3][:, problem.labels]], axis=1)
    for X in (W, worst, collapsed_point(problem), np.eye(3, 9) * 0.0 + np.eye(3)[:, :1]):
        point = problem.at(X)
        U = problem.spheres.random_tangent(1, X)
        for value in (
            point.cost,
            point.log_cost,
            point.gradient,
            point.gradient_scale,
            point.hessian_product(U),
        ):
            assert np.isfinite(value).all()
    assert float(problem.cost(worst)) <= 2.0 * tau + np.log(3.0)


@pytest.mark.parametrize("problem", PROBLEMS, ids=repr)
def test_gradient_agrees_with_autograd(problem):
    X, _ = point_and_tangent(problem)
    np.testing.assert_allclose(problem.cost(X), oracle.textbook_cost(problem)(X), rtol=2e-13)
    np.testing.assert_allclose(
        problem.gradient(X), oracle.autograd_gradient(problem, X), rtol=1e-12, atol=2e-13
    )


@pytest.mark.parametrize("problem", PROBLEMS, ids=repr)
def test_hessian_agrees_with_autograd(problem):
    X, U = point_and_tangent(problem)
    expected = oracle.autograd_hessian_product(problem, X, U)
    np.testing.assert_allclose(problem.hessian_product(X, U), expected, rtol=1e-12, atol=2e-13)


# small enough for the leading term to rule, large enough for rounding not to
STEPS = 2.0 ** -np.arange(6.0, 9.0)
WIDE_STEPS = 2.0 ** -np.arange(4.0, 8.0)


@pytest.mark.parametrize("problem", PROBLEMS, ids=repr)
def test_gradient_is_the_limit_of_differences_with_order_two(problem):
    X, U = point_and_tangent(problem)
    slope = float((problem.gradient(X) * U).sum())
    differences = [
        (float(problem.cost(exponential(X, h * U))) - float(problem.cost(exponential(X, -h * U)))) / (2.0 * h)
        for h in STEPS
    ]
    orders = oracle.observed_order(np.abs(np.array(differences) - slope))
    np.testing.assert_allclose(orders, 2.0, atol=0.1)


@pytest.mark.parametrize("problem", PROBLEMS, ids=repr)
def test_hessian_is_the_limit_of_gradient_differences_with_order_two(problem):
    X, U = point_and_tangent(problem)
    expected = problem.hessian_product(X, U)
    errors = []
    for h in STEPS:
        ahead, behind = problem.gradient(exponential(X, h * U)), problem.gradient(exponential(X, -h * U))
        errors.append(np.abs(project(X, ahead - behind) / (2.0 * h) - expected).max())
    np.testing.assert_allclose(oracle.observed_order(errors), 2.0, atol=0.1)


@pytest.mark.parametrize("problem", PROBLEMS, ids=repr)
def test_curvature_is_the_second_difference_with_order_two(problem):
    X, U = point_and_tangent(problem)
    expected = float((U * problem.hessian_product(X, U)).sum())
    here = float(problem.cost(X))
    errors = [
        abs(
            (
                float(problem.cost(exponential(X, h * U)))
                - 2.0 * here
                + float(problem.cost(exponential(X, -h * U)))
            )
            / h**2
            - expected
        )
        for h in WIDE_STEPS
    ]
    np.testing.assert_allclose(oracle.observed_order(errors), 2.0, atol=0.1)


@pytest.mark.parametrize("problem", PROBLEMS, ids=repr)
def test_euclidean_derivatives_off_the_spheres(problem):
    rng = np.random.default_rng(5)
    X, U = rng.normal(size=(2, *problem.shape))
    f = oracle.textbook_cost(problem)
    point = problem.at(X)
    gradient = oracle.autograd.grad(f)(X)
    np.testing.assert_allclose(point.euclidean_gradient, gradient, rtol=1e-11, atol=2e-13)
    product = oracle.autograd.grad(lambda Y: (oracle.autograd.grad(f)(Y) * U).sum())(X)
    np.testing.assert_allclose(point.euclidean_hessian_product(U), product, rtol=1e-11, atol=2e-13)


@given(problem=problems(), seed=seeds)
def test_gradient_and_hessian_products_are_tangent(problem, seed):
    X, U = point_and_tangent(problem, seed)
    point = problem.at(X)
    assert (np.abs((X * point.gradient).sum(axis=0)) <= 2e-13 * (1.0 + point.gradient_scale)).all()
    product = point.hessian_product(U)
    assert np.abs((X * product).sum(axis=0)).max() <= 2e-13 * (1.0 + np.abs(product).max())


@given(problem=problems(), seed=seeds)
def test_hessian_is_symmetric_and_linear(problem, seed):
    X, U = point_and_tangent(problem, seed)
    V = problem.spheres.random_tangent(seed + 2, X)
    point = problem.at(X)
    left, right = (V * point.hessian_product(U)).sum(), (U * point.hessian_product(V)).sum()
    size = 2e-13 * (1.0 + problem.tau) * (1.0 + float(point.gradient_scale.max()))
    assert abs(left - right) <= size
    combined = point.hessian_product(2.0 * U - 3.0 * V)
    separate = 2.0 * point.hessian_product(U) - 3.0 * point.hessian_product(V)
    np.testing.assert_allclose(combined, separate, rtol=0, atol=10.0 * size)


@given(problem=problems(), seed=seeds)
def test_cost_is_unchanged_by_the_declared_symmetry(problem, seed):
    rng = np.random.default_rng(seed)
    X = problem.spheres.random_point(rng)
    Q, s = problem.symmetry.random_element(rng, problem.dim)
    moved = problem.at((Q @ X)[:, s])
    here = problem.at(X)
    np.testing.assert_allclose(moved.cost, here.cost, rtol=2e-13 * (1.0 + problem.tau))
    scale = 2e-13 * (1.0 + problem.tau) * (1.0 + here.gradient_scale.max())
    np.testing.assert_allclose(moved.gradient, (Q @ here.gradient)[:, s], rtol=0, atol=scale)


@given(problem=problems(), seed=seeds)
@settings(max_examples=30)
def test_batch_equals_loop(problem, seed):
    X = problem.spheres.random_point(seed, (2, 3))
    U = problem.spheres.random_tangent(seed + 1, X)
    stack = problem.at(X)
    product = stack.hessian_product(U)
    for i in np.ndindex(2, 3):
        point = problem.at(X[i])
        rounding = 2e-13 * (1.0 + problem.tau) * float(point.gradient_scale.max())
        np.testing.assert_allclose(stack.cost[i], point.cost, rtol=2e-13)
        np.testing.assert_allclose(stack.log_cost[i], point.log_cost, rtol=2e-13, atol=2e-13)
        for whole, one in [
            (stack.gradient, point.gradient),
            (stack.multipliers, point.multipliers),
            (stack.gradient_scale, point.gradient_scale),
            (stack.G, point.G),
            (product, point.hessian_product(U[i])),
        ]:
            np.testing.assert_allclose(whole[i], one, rtol=1e-12, atol=rounding * (1.0 + problem.tau))


def test_batch_axes_of_points_and_tangents_broadcast():
    problem = PROBLEMS[1]
    X = problem.spheres.random_point(0, (2, 1))
    U = problem.spheres.random_tangent(1, np.broadcast_to(X, (2, 3, *problem.shape)))
    both = problem.at(X).hessian_product(U)
    one = problem.at(X[0, 0]).hessian_product(U[0])
    assert both.shape == (2, 3, *problem.shape)
    np.testing.assert_allclose(both[0], one, rtol=1e-12, atol=2e-13)
    many_points = problem.at(X[:, 0]).hessian_product(U[0, 0])
    np.testing.assert_allclose(
        many_points[1], problem.at(X[1, 0]).hessian_product(U[0, 0]), rtol=1e-12, atol=2e-13
    )


@given(problem=problems(min_dim=2), seed=seeds)
def test_gradient_scale_is_the_sum_of_absolute_pulls_and_bounds_the_gradient(problem, seed):
    point = problem.at(problem.spheres.random_point(seed))
    G = np.abs(point.G)
    np.testing.assert_allclose(
        point.gradient_scale, np.concatenate([G.sum(axis=1), G.sum(axis=0)]), rtol=2e-13
    )
    assert 0.0 < float(relative_gradient_norm(point)) <= 1.0 + 1e-12


def test_relative_gradient_norm_sees_one_wrong_column_at_every_temperature():
    for tau in (1, 50):
        problem = UFMProblem(class_sizes=(2, 2, 2), dim=2, tau=tau)
        X = collapsed_point(problem)
        angle = 0.4
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        X[:, 4] = turn @ X[:, 4]
        assert float(relative_gradient_norm(problem.at(X))) > 0.1


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.ones((3, 5)), r"X has shape \(3, 5\), but \(\.\.\., 3, 6\) is needed"),
        (np.ones(6), "X has shape"),
        (np.full((3, 6), 1j), "real numbers"),
        ([["a"] * 6] * 3, "real numbers"),
        ([[1.0] * 6, [1.0] * 5, [1.0] * 6], "rectangular"),
    ],
)
def test_points_of_the_wrong_shape_or_type_are_refused(X, message):
    problem = UFMProblem(class_sizes=(2, 2), dim=3, tau=1)
    with pytest.raises(InvalidInputError, match=message):
        problem.at(X)
    with pytest.raises(InvalidInputError, match=message.replace("X", "[XU]", 1)):
        problem.hessian_product(problem.spheres.random_point(0), X)


def test_points_with_nan_or_columns_that_are_not_unit_are_refused():
    problem = UFMProblem(class_sizes=(2, 2), dim=3, tau=1)
    X = problem.spheres.random_point(0)
    broken = X.copy()
    broken[0, 0] = np.nan
    with pytest.raises(InvalidInputError, match="1 NaN or infinite"):
        problem.check_point(broken)
    with pytest.raises(InvalidInputError, match=r"norm off one by 1\.0e"):
        problem.check_point(2.0 * X)
    np.testing.assert_array_equal(problem.check_point(X.tolist()), X)
    np.testing.assert_array_equal(problem.at(X.astype(np.float32)).X, X.astype(np.float32))
