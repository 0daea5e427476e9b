"""The parts of the solvers, each against an independent oracle."""

import numpy as np
import pytest
from closed_form_points import invertible_branch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from solver_problems import Counting, MaxCut, Rayleigh, random_matrix

from sphereufm.geometry.spheres import project, retract
from sphereufm.problem.capabilities import column_factors, global_minima
from sphereufm.problem.theory.theorems import collapsed_point
from sphereufm.problem.ufm import UFMProblem
from sphereufm.solvers import LBFGS, Settings, TrustRegion, solve
from sphereufm.solvers.escape import negative_curvature, slide
from sphereufm.solvers.oracle import Oracle, inner, relative_norms
from sphereufm.solvers.strategies.krylov import Krylov
from sphereufm.solvers.strategies.line_search import armijo_search, wolfe_search
from sphereufm.solvers.strategies.trust_region import actual_decrease

PROBLEM = UFMProblem(class_sizes=(4, 2, 3), dim=4, tau=3.0, weights=[1, 2, 3, 4, 5, 1, 2, 3, 1])


def oracle_at(problem, seed=0, size=3):
    oracle = Oracle(problem, size, Settings(), lambda: False)
    return oracle, oracle.at(problem.spheres.random_point(seed, (size,)))


# oracle


def test_metric_weighs_features_by_their_weights():
    factors = column_factors(PROBLEM)
    assert np.allclose(factors[:3], 1.0)
    assert np.allclose(factors[3:] ** 2, 3 * PROBLEM.weights)
    assert (column_factors(MaxCut(np.eye(4), 3)) == 1.0).all()


def test_scaled_gradient_is_the_slope_in_scaled_coordinates():
    oracle, points = oracle_at(PROBLEM)
    U = PROBLEM.spheres.random_tangent(1, points.X)
    h = 1e-6
    ray = oracle.ray(points, U)
    ahead, behind = (oracle.at(ray.at(np.full(3, t))).cost for t in (h, -h))
    assert inner(points.gradient, U) == pytest.approx((ahead - behind) / (2 * h), rel=1e-7)
    assert ray.slope == pytest.approx(inner(points.gradient, U), rel=2e-13)


@pytest.mark.parametrize("t", [0.3, 2.0])
def test_slope_along_a_ray_is_the_derivative_there(t):
    oracle, points = oracle_at(PROBLEM)
    ray = oracle.ray(points, PROBLEM.spheres.random_tangent(2, points.X))
    h = 1e-6
    ahead, behind = (oracle.at(ray.at(np.full(3, t + s))).cost for s in (h, -h))
    here = np.full(3, t)
    assert ray.slope_at(here, oracle.at(ray.at(here))) == pytest.approx((ahead - behind) / (2 * h), rel=1e-6)


def test_scaled_hessian_is_the_derivative_of_the_scaled_gradient():
    oracle, points = oracle_at(PROBLEM)
    U = PROBLEM.spheres.random_tangent(3, points.X)
    product = oracle.hessian(points, U, np.ones(3, dtype=bool))
    h = 1e-6
    ray = oracle.ray(points, U)
    ahead, behind = (oracle.at(ray.at(np.full(3, t))).gradient for t in (h, -h))
    assert np.abs(product - project(points.X, ahead - behind) / (2 * h)).max() < 1e-8


def test_counts_are_per_item():
    oracle, points = oracle_at(PROBLEM)
    oracle.at(points.X[[1]], np.array([1]))
    oracle.keep(np.array([False, True, True]))
    oracle.hessian(points.take(np.array([1, 2])), points.gradient[1:], np.array([False, True]))
    assert oracle.counts.tolist() == [[2, 1], [2, 1], [0, 1]]


def test_relative_norms_survive_underflow_of_squares():
    gradient = np.array([[[3e-200, 1e-3], [4e-200, 0.0]]])
    scale = np.array([[1e-199, 1.0]])
    assert relative_norms(gradient, scale) == pytest.approx([0.5])
    for bad in (np.inf, np.nan):
        assert not np.isfinite(relative_norms(np.full((1, 2, 2), bad), scale)).any()


def test_units_keep_the_run_going_where_squares_of_gradients_underflow():
    problem = UFMProblem(class_sizes=(1, 1, 1), dim=3, tau=300.0)
    oracle = Oracle(problem, 1, Settings(), lambda: False)
    X = retract(collapsed_point(problem), 1e-3 * problem.spheres.random_tangent(0, collapsed_point(problem)))
    points = oracle.at(X[None])
    assert inner(points.gradient, points.gradient) == 0.0
    before, cost = points.relative_norm.copy(), points.cost.copy()
    assert oracle.rescale(points).all()
    assert inner(points.gradient, points.gradient) > 1e-30
    assert points.cost * oracle.unit == pytest.approx(cost, rel=2e-13)
    again = oracle.at(X[None])
    assert again.relative_norm == pytest.approx(before, rel=1e-12)
    assert np.allclose(again.gradient, points.gradient, rtol=1e-12)


# line searches


@pytest.mark.parametrize("first", [1e-6, 0.1, 1.0, 50.0])
@pytest.mark.parametrize("sigma", [0.9, 0.1])
def test_wolfe_search_meets_the_wolfe_conditions(first, sigma):
    oracle, points = oracle_at(PROBLEM, size=5)
    ray = oracle.ray(points, -points.gradient)
    found = wolfe_search(oracle, points, ray, np.full(5, first), sigma)
    assert not found.failed.any()
    assert (found.points.cost <= points.cost + 1e-4 * found.t * ray.slope).all()
    assert (ray.slope_at(found.t, found.points) >= sigma * ray.slope).all()
    assert np.array_equal(found.points.X, ray.at(found.t))
    assert np.allclose(found.points.cost, PROBLEM.cost(found.points.X), rtol=2e-13)


@pytest.mark.parametrize("first", [1e-3, 1.0, 1e4])
def test_armijo_search_halves_until_the_cost_falls(first):
    oracle, points = oracle_at(PROBLEM, size=5)
    ray = oracle.ray(points, -points.gradient)
    found = armijo_search(oracle, points, ray, np.full(5, first), points.cost, 0.2)
    assert (found.points.cost <= points.cost + 0.2 * found.t * ray.slope).all()
    assert (np.log2(first / found.t) % 1.0 == 0.0).all()


def test_searches_fail_uphill_and_keep_the_point():
    oracle, points = oracle_at(PROBLEM)
    ray = oracle.ray(points, points.gradient)
    for found in (
        wolfe_search(oracle, points, ray, np.ones(3)),
        armijo_search(oracle, points, ray, np.ones(3), points.cost, 0.1),
    ):
        assert found.failed.all()
        assert np.array_equal(found.points.X, points.X)


def test_search_near_convergence_goes_by_slopes():
    # 1e-9 from the minimum costs differ by 1e-18 of their size: only slopes can tell
    problem = UFMProblem(class_sizes=(2, 2, 2), dim=3, tau=1.0)
    X = collapsed_point(problem)
    oracle = Oracle(problem, 1, Settings(), lambda: False)
    points = oracle.at(retract(X, 1e-9 * problem.spheres.random_tangent(0, X))[None])
    ray = oracle.ray(points, -points.gradient)
    found = wolfe_search(oracle, points, ray, np.array([0.01]), 0.9)
    assert not found.failed.any()
    assert np.linalg.norm(found.points.gradient) < np.linalg.norm(points.gradient)


def test_decrease_by_slopes_matches_the_exact_decrease_of_a_quadratic():
    A = np.diag([1.0, 2.0, 5.0])
    problem = Rayleigh(A)
    start = np.array([[1.0], [1e-9], [2e-9]])
    oracle = Oracle(problem, 1, Settings(), lambda: False)
    points = oracle.at((start / np.linalg.norm(start))[None])
    ray = oracle.ray(points, np.array([[[0.0], [-1e-9], [-2e-9]]]))
    trial = oracle.at(ray.at(np.ones(1)))
    # f - 1/2 = (y^2 + 4 z^2) / 2 to leading order, all of which is gained
    assert actual_decrease(points, trial, ray) == pytest.approx([(1e-18 + 4 * 4e-18) / 2], rel=1e-6)


# L-BFGS


def test_compact_form_is_the_bfgs_recursion():
    problem = PROBLEM
    oracle, points = oracle_at(problem, size=2)
    strategy = LBFGS(memory=4).start(oracle, points)
    pairs = [[], []]
    for _ in range(7):
        moved = strategy.step(points).points
        for item in range(2):
            s = ((moved.X - points.X) * oracle.factors)[item].ravel()
            y = (moved.gradient - points.gradient)[item].ravel()
            if s @ y > 1e-12 * np.linalg.norm(s) * np.linalg.norm(y):
                pairs[item].append((s, y))
        points = moved
    direction = strategy._direction(points)
    for item in range(2):
        s, y = pairs[item][-1]
        size = s.size
        H = np.eye(size) * (s @ y) / (y @ y)
        for s, y in pairs[item][-4:]:
            V = np.eye(size) - np.outer(y, s) / (s @ y)
            H = V.T @ H @ V + np.outer(s, s) / (s @ y)
        expected = -project(points.X[item], (H @ points.gradient[item].ravel()).reshape(problem.shape))
        assert np.abs(direction[item] - expected).max() < 1e-9 * np.abs(expected).max()


# trust regions


def test_a_rejection_spends_no_hessian_product():
    # a radius that is far too large for this temperature brings rejections
    problem = Counting(UFMProblem(class_sizes=(3,) * 4, dim=4, tau=30.0))
    rejected = 0
    oracle = Oracle(problem, 1, Settings(), lambda: False)
    points = oracle.at(problem.spheres.random_point(3, (1,)))
    strategy = TrustRegion().start(oracle, points)
    for _ in range(40):
        waiting = bool(strategy.path.level[0] > 0)
        before = problem.products
        moved = strategy.step(points).points
        if waiting:
            rejected += 1
            assert problem.products == before
        points = moved
    assert rejected >= 3


def test_kept_steps_are_those_of_a_fresh_run_with_the_smaller_radius():
    oracle, points = oracle_at(PROBLEM, size=2)
    strategy = TrustRegion().start(oracle, points)
    rows, radius = np.arange(2), np.full(2, 1.0)
    strategy.radius = radius
    path = strategy._truncated_cg(points, rows, radius)
    assert path.crossed.all()
    for level in range(4):
        fresh = strategy._truncated_cg(points, rows, radius / 4.0**level)
        path.level[:] = level + 1
        for kept, expected in zip(path.current()[:3], fresh.current()[:3], strict=True):
            assert np.allclose(kept, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("start", "radius"), [("random", 0.3), ("minimum", 1e3)])
def test_predicted_decrease_is_that_of_the_model(start, radius):
    oracle, points = oracle_at(PROBLEM, size=2)
    if start == "minimum":
        # where the Hessian has no negative curvature, CG ends inside a large radius
        points = oracle.at(
            np.stack([solve(PROBLEM, rng=k, settings=Settings(tolerance=1e-3)).X for k in range(2)])
        )
    strategy = TrustRegion().start(oracle, points)
    path = strategy._truncated_cg(points, np.arange(2), np.full(2, radius))
    for level in range(3 if start == "random" else 1):
        path.level[:] = level + 1
        U, length, decrease, bounded = path.current()
        image = oracle.hessian(points, U, np.ones(2, dtype=bool))
        model = inner(points.gradient, U) + 0.5 * inner(U, image)
        assert np.allclose(decrease, -model, rtol=1e-10)
        assert np.allclose(np.sqrt(inner(U, U)), length, rtol=1e-10)
        assert (bounded == (start == "random")).all()


def test_trust_region_converges_superlinearly():
    result = solve(PROBLEM, rng=0, solver="trust-region", record=True, settings=Settings(tolerance=1e-12))
    norms = result.history.relative_gradient_norm
    # the order is 1.35 by the forcing term; the last step solves no further than the tolerance asks
    assert norms[-2] < norms[-3] ** 1.2
    assert norms[-3] < norms[-4] ** 1.2


# Krylov spaces


def dense_operators(n, seed):
    """Three symmetric matrices, three gradients (n, 1), and the products as a Krylov space asks for them."""
    A = np.stack([random_matrix(n, seed + 100 * k) for k in range(3)])
    g = np.random.default_rng(seed + 1000).standard_normal((3, n, 1))
    return A, g, lambda rows, U: A[rows] @ U


def grown(g, product, sizes):
    """Spaces of the given sizes, grown together."""
    space, sizes = Krylov.of(g), np.array(sizes)
    while (rows := np.flatnonzero((space.size < sizes) & ~space.exhausted)).size:
        space.grow(rows, product)
    return space


@given(st.integers(0, 50), st.floats(-3.0, 6.0))
def test_full_krylov_space_solves_the_cubic_model(seed, log_sigma):
    A, g, product = dense_operators(5, seed)
    sigma = np.full(3, 10.0**log_sigma)
    space, rows = grown(g, product, (9, 9, 9)), np.arange(3)
    assert space.exhausted.all()
    y, model, _ = space.cubic(rows, sigma)
    for k, s in enumerate(space.combine(rows, y)[:, :, 0]):
        # first-order condition, and positive semidefinite shifted Hessian: sufficient for a global minimiser
        lam = sigma[k] * np.linalg.norm(s)
        terms = np.linalg.norm(g[k]) + (np.linalg.norm(A[k], 2) + lam) * np.linalg.norm(s)
        assert np.abs(A[k] @ s + lam * s + g[k, :, 0]).max() < 1e-11 * terms
        assert np.linalg.eigvalsh(A[k])[0] + lam > -1e-8
        assert model[k] == pytest.approx(float(g[k, :, 0] @ s + 0.5 * s @ A[k] @ s), rel=1e-8, abs=1e-12)


@given(st.integers(0, 50))
def test_full_krylov_space_solves_newton_equations(seed):
    A, g, product = dense_operators(6, seed)
    space, rows = grown(g, product, (9, 9, 9)), np.arange(3)
    y, residual = space.least_residual(rows)
    assert np.allclose(space.combine(rows, y), -np.linalg.solve(A, g), rtol=1e-6, atol=1e-9)
    assert (residual < 1e-8).all()


def test_krylov_residual_is_the_true_one_on_the_way():
    A, g, product = dense_operators(9, 3)
    rows = np.arange(3)
    # different sizes: a small space is not disturbed by a large one
    space = grown(g, product, (4, 1, 6))
    y, residual = space.least_residual(rows)
    assert (y[1, 1:] == 0.0).all()
    assert residual == pytest.approx(np.linalg.norm(A @ space.combine(rows, y) + g, axis=(1, 2)), rel=1e-10)
    y, _, tail = space.cubic(rows, np.full(3, 2.0))
    s = space.combine(rows, y)
    full = A @ s + 2.0 * np.linalg.norm(s, axis=(1, 2))[:, None, None] * s + g
    assert tail == pytest.approx(np.linalg.norm(full, axis=(1, 2)), rel=1e-8)
    alone = grown(g[1:2], lambda rows, U: A[1:2] @ U, (1,))
    assert np.allclose(alone.cubic(rows[:1], np.full(1, 2.0))[0], y[1, :1], rtol=2e-13)


def test_krylov_spaces_grow_beyond_their_first_room():
    A, g, product = dense_operators(30, 5)
    space = grown(g, product, (20, 3, 30))
    Q = space.basis[0, :20]
    assert np.abs(Q @ Q.T - np.eye(20)).max() < 2e-13
    T = Q @ A[0] @ Q.T
    assert np.diag(T) == pytest.approx(space.diagonal[0, :20], abs=1e-11)
    assert np.diag(T, 1) == pytest.approx(space.off[0, :19], abs=1e-11)
    assert space.exhausted.tolist() == [False, False, True]


# saddle escape


@pytest.mark.parametrize("tau", [0.1, 3.0, 50.0])
def test_global_minima_are_recognised_and_other_critical_points_are_not(tau):
    problem = UFMProblem(class_sizes=(3, 3, 3), dim=4, tau=tau)
    rank_one = np.zeros(problem.shape)
    rank_one[0] = 1.0
    X = np.stack([collapsed_point(problem), rank_one, problem.spheres.random_point(0)])
    assert global_minima(problem.at(X)).tolist() == [True, False, False]
    assert [bool(global_minima(problem.at(x))) for x in X] == [True, False, False]


def test_negative_curvature_by_lanczos_finds_the_least_eigenvalue_direction():
    A = np.diag([-5.0, 1.0, 2.0, 3.0, 4.0])
    problem = Rayleigh(A)
    X = np.array([[0.0], [0.0], [1.0], [0.0], [0.0]])
    U, curvature = negative_curvature(problem, problem.at(X), np.random.default_rng(0), lambda: True)
    # Hessian at e_3: differences of eigenvalues
    assert -7.0 <= curvature < -6.0
    assert np.linalg.norm(U) == pytest.approx(1.0)
    assert abs(float(np.vdot(X, U))) < 2e-13


def test_no_negative_curvature_at_a_minimum():
    A = random_matrix(8, 2)
    problem = Rayleigh(A)
    X = np.linalg.eigh(A)[1][:, [0]]
    assert negative_curvature(problem, problem.at(X), np.random.default_rng(0), lambda: True) is None


def test_slide_descends_as_the_curvature_promises():
    problem, X = invertible_branch()
    point = problem.at(X)
    U, curvature = negative_curvature(problem, point, np.random.default_rng(0), lambda: True)
    lower = slide(problem, point, U, curvature, lambda: True)
    assert problem.cost(lower) < point.cost
    # no direction along +-U descends faster than a brute-force search says
    best = minimize_scalar(lambda t: float(problem.cost(retract(X, t * U))), bounds=(-3, 3), method="bounded")
    assert float(problem.cost(lower)) >= best.fun - 1e-9
