"""The multiplier matrix S, and the bound on the global minimum that it gives."""

import numpy as np
import pytest
from critical_points import problems, seeds
from hypothesis import given, settings

from sphereufm.errors import InvalidInputError
from sphereufm.problem import kernels
from sphereufm.problem.theory.theorems import collapsed_point, global_minimum
from sphereufm.problem.ufm import UFMProblem


def plain_S(problem, X):
    """``S`` as the formula is written, with ``P - Y``."""
    K, N = problem.classes, problem.samples
    W, H = X[:, :K], X[:, K:]
    Z = problem.tau * W.T @ H
    P = np.exp(Z - Z.max(axis=0))
    P /= P.sum(axis=0)
    P[problem.labels, np.arange(N)] -= 1.0
    G = problem.tau * P * problem.weights
    alpha, beta = (W * (H @ G.T)).sum(axis=0), (H * (W @ G)).sum(axis=0)
    return np.block([[-np.diag(alpha), G], [G.T, -np.diag(beta)]])


@given(problem=problems(), seed=seeds)
def test_operator_dense_and_formula_agree(problem, seed):
    X = problem.spheres.random_point(seed)
    S = problem.at(X).multiplier_matrix
    expected = plain_S(problem, X)
    rounding = 2e-13 * (1.0 + problem.tau) ** 2
    np.testing.assert_allclose(S.dense(), expected, rtol=0, atol=rounding)
    assert S.size == len(expected)
    c = np.random.default_rng(seed).normal(size=(S.size, 3))
    np.testing.assert_allclose(S @ c, S.dense() @ c, rtol=1e-12, atol=rounding)
    np.testing.assert_allclose(S @ c[:, 0], S.dense() @ c[:, 0], rtol=1e-12, atol=rounding)


def test_operator_and_dense_agree_over_several_blocks(monkeypatch):
    monkeypatch.setattr(kernels, "_BLOCK_LOGITS", 12)
    monkeypatch.setattr(kernels, "_SMALLEST_BLOCK", 1)
    for memory_budget in (0, 1 << 20):
        problem = UFMProblem(class_sizes=(5, 4, 4), dim=3, tau=2, memory_budget=memory_budget)
        X = problem.spheres.random_point(0)
        S = problem.at(X).multiplier_matrix
        expected = plain_S(problem, X)
        np.testing.assert_allclose(S.dense(), expected, rtol=2e-13, atol=2e-13)
        np.testing.assert_allclose(S @ np.eye(S.size), expected, rtol=2e-13, atol=2e-13)
        shift = 2.0 * float(S.beta.max()) + 1.0
        corner, border = expected[:3, :3], expected[:3, 3:]
        inner = expected[3:, 3:] + shift * np.eye(13)
        schur = corner + shift * np.eye(3) - border @ np.linalg.solve(inner, border.T)
        np.testing.assert_allclose(S.schur_complement(shift), schur, rtol=1e-12, atol=2e-13)


@given(problem=problems(), seed=seeds)
def test_multipliers_sum_to_the_same_on_both_sides(problem, seed):
    X = problem.spheres.random_point(seed)
    point = problem.at(X)
    inner = (point.G * (point.W.T @ point.H)).sum()
    rounding = 2e-13 * float(point.gradient_scale.sum())
    np.testing.assert_allclose([point.alpha.sum(), point.beta.sum()], inner, rtol=0, atol=rounding)
    # so S is orthogonal to the Gram matrix, at any point
    np.testing.assert_allclose((point.multiplier_matrix.dense() * (X.T @ X)).sum(), 0.0, atol=4.0 * rounding)


@pytest.mark.parametrize("tau", [1, 20])
def test_S_annihilates_critical_points(tau):
    problem = UFMProblem(class_sizes=(2, 2, 2), dim=4, tau=tau)
    X = collapsed_point(problem)
    S = problem.at(X).multiplier_matrix
    scale = float(problem.at(X).gradient_scale.max())
    np.testing.assert_allclose(S @ X.T, 0.0, atol=2e-13 * scale)
    assert np.linalg.eigvalsh(S.dense())[0] >= -2e-13 * scale


@given(problem=problems(max_dim=3), seed=seeds)
def test_normal_hessian_is_S(problem, seed):
    """At a point of ``R^r`` seen in ``R^(r + 1)``, the curvature along ``a c^T`` is ``c^T S c``."""
    X = problem.spheres.random_point(seed)
    larger = problem.in_dimension(problem.dim + 1)
    lifted = np.concatenate([X, np.zeros((1, X.shape[1]))])
    U = np.zeros(larger.shape)
    U[-1] = np.random.default_rng(seed).normal(size=X.shape[1])
    image = larger.hessian_product(lifted, U)
    S = problem.at(X).multiplier_matrix
    np.testing.assert_allclose(image[-1], S @ U[-1], rtol=1e-10, atol=2e-13 * (1.0 + problem.tau))
    np.testing.assert_allclose(image[:-1], 0.0, atol=2e-13 * (1.0 + problem.tau))


@given(problem=problems(), seed=seeds)
def test_bound_holds_at_other_random_points(problem, seed):
    X, others = problem.spheres.random_point(seed), problem.spheres.random_point(seed + 1, (20,))
    S = problem.at(X).multiplier_matrix
    bound = float(problem.cost(X)) - S.guaranteed_decrease()
    assert S.guaranteed_decrease() >= 0.0
    assert (problem.cost(others) >= bound).all()
    # the finer form, before the eigenvalue is taken
    finer = problem.cost(X) + 0.5 * np.einsum("ij,pdi,pdj->p", S.dense(), others, others)
    assert (problem.cost(others) >= finer - 2e-13 * (1.0 + problem.tau)).all()


@given(problem=problems(), seed=seeds)
def test_bound_holds_against_costs_at_collapse(problem, seed):
    problem = problem.in_dimension(max(problem.dim, problem.classes - 1))
    X = problem.spheres.random_point(seed)
    bound = float(problem.cost(X)) - problem.at(X).multiplier_matrix.guaranteed_decrease()
    assert bound <= float(problem.cost(collapsed_point(problem)))


def test_bound_is_tight_at_the_minimum():
    problem = UFMProblem(class_sizes=(3, 3, 3), dim=3, tau=2)
    point = problem.at(collapsed_point(problem))
    assert point.multiplier_matrix.guaranteed_decrease() < 2e-13
    assert float(point.cost) == pytest.approx(global_minimum(problem), rel=2e-13)


@pytest.mark.parametrize("K", [2, 5])
@pytest.mark.parametrize("where", ["random", "near the minimum", "all alike"])
def test_least_eigenvalue_by_schur_complement_agrees_with_dense(K, where):
    """Beyond 600 columns; rounded towards minus infinity, to 0.1 percent."""
    problem = UFMProblem(class_sizes=(700 // K,) * K, dim=4, tau=3)
    X = problem.spheres.random_point(7)
    if where == "near the minimum":
        X = collapsed_point(problem) + 0.05 * X
        X /= np.sqrt((X * X).sum(axis=0))
    if where == "all alike":
        X[:] = X[:, :1]
    S = problem.at(X).multiplier_matrix
    assert S.size > 600
    dense = float(np.linalg.eigvalsh(S.dense())[0])
    found = S.min_eigenvalue()
    assert dense < -1e-9
    assert dense * (1.0 + 1.1e-3) <= found <= dense * (1.0 - 1e-12)


def test_least_eigenvalue_at_a_large_minimum_is_zero_to_rounding():
    problem = UFMProblem(class_sizes=(300, 300, 300), dim=3, tau=3)
    point = problem.at(collapsed_point(problem))
    S = point.multiplier_matrix
    assert -1e-14 * float(point.gradient_scale.max()) <= S.min_eigenvalue() <= 0.0
    assert S.guaranteed_decrease() < 1e-10


@settings(max_examples=20)
@given(seed=seeds)
def test_decrease_is_never_below_half_of_M_times_the_least_eigenvalue(seed):
    problem = UFMProblem(class_sizes=(250, 150, 220), dim=3, tau=5)
    S = problem.at(problem.spheres.random_point(seed)).multiplier_matrix
    dense = float(np.linalg.eigvalsh(S.dense())[0])
    assert S.guaranteed_decrease() >= -0.5 * S.size * dense


def test_S_of_a_stack_of_points_is_refused():
    problem = UFMProblem(class_sizes=(2, 2), dim=3, tau=1)
    with pytest.raises(InvalidInputError, match="one point"):
        _ = problem.at(problem.spheres.random_point(0, (2,))).multiplier_matrix


def test_large_S_stays_an_operator():
    problem = UFMProblem(class_sizes=(10_000, 10_000), dim=2, tau=1)
    S = problem.at(problem.spheres.random_point(0)).multiplier_matrix
    with pytest.raises(InvalidInputError, match="size=20002 must be at most 20000"):
        S.dense()
    c = np.zeros(20_002)
    c[5] = 1.0
    assert (S @ c)[5] == -S.beta[3]


@given(problem=problems(), seed=seeds)
def test_shifted_inverse_agrees_with_the_dense_one(problem, seed):
    S = problem.at(problem.spheres.random_point(seed)).multiplier_matrix
    rng = np.random.default_rng(seed)
    norm = float(np.abs(np.linalg.eigvalsh(S.dense())).max())
    shift = norm * rng.uniform(1.1, 2.0, S.size)
    R = rng.standard_normal((3, S.size))
    solve = S.shifted_inverse(shift)
    np.testing.assert_allclose(solve(R) @ (S.dense() + np.diag(shift)), R, atol=1e-10)
    lowest = float(np.linalg.eigvalsh(S.dense())[0])
    if lowest < -1e-6 * norm:
        assert S.shifted_inverse(np.full(S.size, -0.9 * lowest)) is None
