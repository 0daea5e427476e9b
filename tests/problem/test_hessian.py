"""The arrow Hessian against Hessian-vector products, and its solves against dense linear algebra."""

import numpy as np
import pytest

from sphereufm.geometry.tangent_spaces import from_coordinates, to_coordinates
from sphereufm.landscape.search.squared_gradient import find_critical_points
from sphereufm.problem.arrow_hessian import arrow_hessian, feature_blocks, mean_curvature, where_regular
from sphereufm.problem.ufm import UFMProblem

PROBLEMS = [
    UFMProblem(class_sizes=(3, 1, 2), dim=4, tau=3, weights=[1, 2, 1, 1, 1, 2]),
    UFMProblem(class_sizes=(1, 1), dim=2, tau="0.01"),
    UFMProblem(class_sizes=(2, 0, 1, 1), dim=3, tau=20),
    UFMProblem(labels=[2, 0, 1, 0, 2], dim=5, tau=1),
]


def matrix_from_products(problem, x):
    """Column by column, from the Hessian-vector product."""
    d, M = problem.shape
    images = problem.at(x).hessian_product(from_coordinates(x, np.eye(M * (d - 1))))
    return to_coordinates(x, images)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_dense_form_equals_hessian_products(problem):
    X = problem.spheres.random_point(0, (3,))
    dense = arrow_hessian(problem.at(X)).dense()
    for x, matrix in zip(X, dense, strict=True):
        expected = matrix_from_products(problem, x)
        np.testing.assert_allclose(matrix, expected, rtol=1e-12, atol=2e-13 * np.abs(expected).max())


@pytest.mark.parametrize("problem", PROBLEMS)
def test_damped_step_is_the_levenberg_marquardt_step(problem):
    X = problem.spheres.random_point(1, (2,))
    point = problem.at(X)
    g = to_coordinates(X, point.gradient).reshape(*X.shape[:-2], X.shape[-1], -1)
    arrow = arrow_hessian(point)
    sigma = np.array([0.3, 2.0])
    steps = arrow.damped_newton_step(g, sigma)
    for H, gradient, s, step in zip(arrow.dense(), g, sigma, steps, strict=True):
        expected = -np.linalg.solve(H @ H + s**2 * np.eye(len(H)), H @ gradient.ravel())
        np.testing.assert_allclose(step.ravel(), expected, rtol=1e-9, atol=1e-12 * np.abs(expected).max())


def test_scaling_is_a_congruence():
    problem = PROBLEMS[0]
    point = problem.at(problem.spheres.random_point(2))
    s = np.linspace(0.5, 2.0, problem.shape[1])
    factors = np.repeat(s, problem.dim - 1)
    arrow = arrow_hessian(point)
    np.testing.assert_allclose(
        arrow.scaled(s).dense(), arrow.dense() * np.outer(factors, factors), rtol=2e-13, atol=0
    )


def test_small_curvature_keeps_its_relative_accuracy():
    """At tau = 20 the collapsed Hessian is of order 1e-13 and still accurate: tau^2 omega p_j is not lost."""
    import mpmath

    problem = UFMProblem(class_sizes=(1, 1), dim=2, tau=20)
    X = np.array([[1.0, -1.0, 1.0, -1.0], [0.0, 0.0, 0.0, 0.0]])
    matrix = arrow_hessian(problem.at(X)).dense()
    mpmath.mp.dps = 60
    p = 1 / (1 + mpmath.exp(40))
    # along h_0 the curvature term vanishes (W C W^T points along h_0), and -beta_0 = 2 tau omega_0 p is left
    assert matrix[2, 2] == pytest.approx(float(2 * 20 * p / 2), rel=1e-12)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_mean_curvature_is_the_trace_of_the_softmax_term(problem):
    X = problem.spheres.random_point(0)
    W, K, tau = X[:, : problem.classes], problem.classes, problem.tau
    Z = tau * W.T @ X[:, K:]
    P = np.exp(Z - Z.max(axis=0)) / np.exp(Z - Z.max(axis=0)).sum(axis=0)
    found = mean_curvature(problem.at(X)) * problem.dim / tau**2
    np.testing.assert_allclose(
        found[:K], (problem.weights * P * (1.0 - P)).sum(axis=1), rtol=1e-9, atol=1e-30
    )
    traces = problem.weights * [np.trace(W @ (np.diag(p) - np.outer(p, p)) @ W.T) for p in P.T]
    away = W[:, problem.labels] - W @ P
    # what is left out is the square of the mean difference from the own classifier
    np.testing.assert_allclose(found[K:] - problem.weights * np.square(away).sum(axis=0), traces, atol=2e-13)


def test_feature_blocks_are_those_of_the_arrow():
    problem = PROBLEMS[0]
    point = problem.at(problem.spheres.random_point(1, (2,)))
    np.testing.assert_array_equal(feature_blocks(point), arrow_hessian(point).C)


def test_a_singular_matrix_has_no_step_and_spoils_no_other():
    rng = np.random.default_rng(0)
    A, b = rng.standard_normal((2, 3, 4, 4)), rng.standard_normal((2, 3, 4, 1))
    A[1, 2] = 0.0
    found = where_regular(np.linalg.solve, A, b)
    assert np.isnan(found[1, 2]).all()
    found[1, 2], A[1, 2], b[1, 2] = 0.0, np.eye(4), 0.0
    np.testing.assert_allclose(found, np.linalg.solve(A, b), rtol=1e-12)


@pytest.mark.parametrize("tau", [1e30, 1e40, 1e80, 1e140])
def test_a_search_ends_at_any_tau(tau):
    problem = UFMProblem(class_sizes=(1, 1, 1), dim=2, tau=tau)
    with np.errstate(all="ignore"):
        search = find_critical_points(problem, problem.spheres.random_point(0, (5,)))
    assert np.isfinite(search.X).all()
