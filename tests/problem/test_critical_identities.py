"""What the theory says of multipliers, S and Hessian at any point and at critical points (sections 1, 2 and 5)."""

import numpy as np
import pytest
from closed_form_points import random_collapsed_point
from critical_points import critical_point, hessian, plain_cost, plain_G, plain_S, problems, rounding, seeds
from hypothesis import assume, given, settings

from sphereufm.geometry.symmetry.groups import numerical_rank
from sphereufm.problem.ufm import UFMProblem


def met_critical_point(problem, seed):
    """A critical point that Newton's method reaches from a random start."""
    X = critical_point(problem, problem.spheres.random_point(seed))
    assume(X is not None)
    return X


def lifted(X, d):
    """The same configuration in ``R^d``."""
    return np.concatenate([X, np.zeros((d - X.shape[0], X.shape[1]))])


@given(problems(), seeds)
def test_multiplier_sums_agree_at_any_point(problem, seed):
    X = problem.spheres.random_point(seed)
    G = plain_G(problem, X)
    point = problem.at(X)
    total = float((G * (X[:, : problem.classes].T @ X[:, problem.classes :])).sum())
    size = rounding(problem) * problem.samples
    assert float(point.alpha.sum()) == pytest.approx(total, abs=size)
    assert float(point.beta.sum()) == pytest.approx(total, abs=size)
    np.testing.assert_allclose(point.multiplier_matrix.dense(), plain_S(problem, X), rtol=0, atol=size)


@given(problems(), seeds)
def test_columns_of_G_sum_to_zero(problem, seed):
    G = problem.at(problem.spheres.random_point(seed)).G
    np.testing.assert_allclose(G.sum(axis=0), 0.0, atol=2e-13 * np.abs(G).max() * problem.classes)


@given(problems(max_classes=3, min_dim=2, max_dim=4, max_tau=8.0), seeds)
@settings(max_examples=25)
def test_critical_points_satisfy_the_linear_identities(problem, seed):
    X = met_critical_point(problem, seed)
    point = problem.at(X)
    S = plain_S(problem, X)
    size = 1e-10 * np.abs(S).max() + 1e-15
    np.testing.assert_allclose(point.W @ point.alpha, 0.0, atol=size * problem.classes)
    np.testing.assert_allclose(S @ X.T, 0.0, atol=size * problem.shape[1])


@given(problems(min_dim=2), seeds)
def test_normal_hessian_is_the_multiplier_matrix(problem, seed):
    """``<a c^T, Hess a c^T> = c^T S c`` for ``a`` orthogonal to every column, critical or not."""
    rng = np.random.default_rng(seed)
    flat = problem.in_dimension(problem.dim - 1).spheres.random_point(rng)
    X = lifted(flat, problem.dim)
    c = rng.standard_normal(problem.shape[1])
    Delta = np.zeros(problem.shape)
    Delta[-1] = c
    curvature = float((Delta * problem.hessian_product(X, Delta)).sum())
    S = plain_S(problem, X)
    assert curvature == pytest.approx(float(c @ S @ c), abs=rounding(problem) * problem.samples * (c @ c))


@given(problems(max_classes=3, min_dim=2, max_dim=3, max_tau=8.0), seeds)
@settings(max_examples=15)
def test_spectrum_in_a_larger_space_is_that_in_the_span_and_copies_of_S(problem, seed):
    X = met_critical_point(problem, seed)
    larger = problem.in_dimension(problem.dim + 2)
    spectrum = np.linalg.eigvalsh(hessian(larger, lifted(X, larger.dim)))
    copies = np.repeat(np.linalg.eigvalsh(plain_S(problem, X)), 2)
    expected = np.sort(np.concatenate([np.linalg.eigvalsh(hessian(problem, X)), copies]))
    np.testing.assert_allclose(spectrum, expected, atol=1e-12 * np.abs(expected).max())


@given(problems(max_classes=3, min_dim=2, max_dim=4, max_tau=8.0), seeds)
@settings(max_examples=20)
def test_a_bad_rank_deficient_point_is_steep(problem, seed):
    """``lambda_min(Hess) <= lambda_min(S) <= -2 (f - f') / M`` for every value ``f'`` that is attained."""
    larger = problem.in_dimension(problem.dim + 1)
    X = lifted(met_critical_point(problem, seed), larger.dim)
    others = larger.spheres.random_point(seed, (30,))
    lowest = min(plain_cost(larger, Y) for Y in others)
    least = float(np.linalg.eigvalsh(plain_S(larger, X))[0])
    size = 2e-13 * (1 + larger.tau)
    assert float(np.linalg.eigvalsh(hessian(larger, X))[0]) <= least + size
    assert least <= -2.0 * (plain_cost(larger, X) - lowest) / larger.shape[1] + size


@given(problems(), seeds)
def test_nonnegative_S_makes_all_multipliers_negative(problem, seed):
    """Section 2.3, by its contraposition on random points: a positive multiplier is a negative eigenvalue."""
    S = plain_S(problem, problem.spheres.random_point(seed))
    assert np.linalg.eigvalsh(S)[0] <= -max(0.0, float(-np.diag(S).min())) + 1e-12 * np.abs(S).max()


@given(problems(), seeds)
def test_inertia_adds_up_over_the_schur_complement(problem, seed):
    """Haynsworth: n_-(S) = n_-(-diag(beta)) + n_-(-diag(alpha) + G diag(1/beta) G^T)."""
    X = problem.spheres.random_point(seed)
    K = problem.classes
    S = plain_S(problem, X)
    G, alpha, beta = S[:K, K:], -np.diag(S)[:K], -np.diag(S)[K:]
    assume(np.abs(beta).min() > 1e-3 * np.abs(G).max())
    schur = -np.diag(alpha) + (G / beta) @ G.T
    whole, part = np.linalg.eigvalsh(S), np.linalg.eigvalsh(schur)
    # signs of eigenvalues of the size of rounding mean nothing
    assume(np.abs(whole).min() > 1e-10 * np.abs(whole).max())
    assume(np.abs(part).min() > 1e-10 * np.abs(part).max())
    assert (whole < 0).sum() == (part < 0).sum() + (beta > 0).sum()


@given(problems(min_dim=2, max_tau=5.0), seeds)
def test_collapsed_family_has_the_rank_that_the_theory_allows(problem, seed):
    """No rank above min(d, N - K + 2) when no class is empty; all multipliers beta vanish."""
    X = random_collapsed_point(problem, seed)
    point = problem.at(X)
    assert float(point.cost) == pytest.approx(np.log(problem.classes), rel=2e-13)
    assert np.abs(point.beta).max() < 2e-13 * problem.tau
    if all(problem.class_sizes):
        bound = min(problem.dim, problem.samples - problem.classes + 2)
        assert numerical_rank(X) <= bound


def test_collapsed_family_reaches_its_largest_rank():
    problem = UFMProblem(class_sizes=(2, 2, 1), dim=6, tau=1)
    assert max(numerical_rank(random_collapsed_point(problem, seed)) for seed in range(5)) == 4
