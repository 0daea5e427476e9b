"""Hypotheses, minimum and collapsed points of the theory, against mpmath and against definitions."""

from fractions import Fraction
from itertools import product

import mpmath
import numpy as np
import pytest
from critical_points import gradient_norm, plain_cost, plain_S, problems, seeds
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from sphereufm.errors import InvalidInputError
from sphereufm.problem.theory import known_points
from sphereufm.problem.theory.theorems import (
    collapsed_point,
    global_minimum,
    has_equal_class_weights,
    nonnegative_minimum,
    published_theorem,
    simplex_etf,
    theorem_s,
)
from sphereufm.problem.ufm import UFMProblem


def balanced(K, d, tau, n=1):
    return UFMProblem(class_sizes=(n,) * K, dim=d, tau=tau)


# --- hypotheses


@pytest.mark.parametrize(
    ("sizes", "dim", "tau", "applies"),
    [
        ((2, 2), 3, 1e-3, True),
        ((2, 2), 2, 1.0, False),
        ((4, 0, 1), 3, 1e4, True),
        ((1, 1, 1, 1), 3, 3.6, False),
        ((1, 1, 1, 1), 4, 3.6, True),
    ],
)
def test_theorem_s_asks_for_the_dimension_only(sizes, dim, tau, applies):
    check = theorem_s(UFMProblem(class_sizes=sizes, dim=dim, tau=tau))
    assert (check.name, check.applies, len(check.reasons)) == ("S", applies, 0 if applies else 1)


def test_theorem_s_ignores_weights():
    assert theorem_s(UFMProblem(class_sizes=(2, 1), dim=3, tau=1, weights=(1, 5, "1e-9"))).applies


def test_theorem_s_never_covers_the_known_counterexample():
    check = theorem_s(balanced(4, 3, "3.6", n=114))
    assert not check.applies
    assert check.reasons == ("d=3 is below max(K, 3)=4",)


@pytest.mark.parametrize(
    ("K", "d", "tau", "applies"),
    [
        (4, 5, "5.999", True),
        (4, 5, 6, False),
        (3, 5, "4.499999999999999999", True),
        (3, 5, "9/2", False),
        (3, 3, "0.1", False),
    ],
)
def test_published_theorem_as_commonly_quoted(K, d, tau, applies):
    check = published_theorem(balanced(K, d, tau, n=2))
    assert check.applies is applies
    assert bool(check.reasons) is not applies
    assert "as commonly quoted" in check.name


def test_published_theorem_needs_balance():
    assert not published_theorem(UFMProblem(class_sizes=(2, 1), dim=5, tau=1)).applies
    assert not published_theorem(UFMProblem(class_sizes=(1, 1), dim=5, tau=1, weights=(1, 2))).applies


@given(problems())
def test_theorem_s_covers_whatever_the_published_one_covers(problem):
    assert theorem_s(problem).applies or not published_theorem(problem).applies


# --- the minimum


@pytest.mark.parametrize(
    ("K", "d", "tau", "value"),
    [(4, 3, 1, 0.5826576531), (5, 4, 3, 0.0899055862), (10, 9, 5, 0.0342016785)],
)
def test_golden_minima(K, d, tau, value):
    assert global_minimum(balanced(K, d, tau)) == pytest.approx(value, abs=5e-11)


def test_golden_minima_near_zero():
    assert global_minimum(balanced(3, 2, 20)) == pytest.approx(1.8715245937678e-13, rel=1e-12)
    assert global_minimum(balanced(3, 2, 50)) == pytest.approx(5.35727e-33, rel=1e-5)


@given(K=st.integers(2, 1000), tau=st.fractions("1/1000", 10_000))
def test_minimum_against_mpmath(K, tau):
    with mpmath.workdps(60):
        exact_tau = mpmath.mpf(tau.numerator) / tau.denominator
        minimum = mpmath.log1p((K - 1) * mpmath.exp(-K * exact_tau / (K - 1)))
    problem = balanced(K, K - 1, tau)
    if minimum > 1e-300:
        assert global_minimum(problem) == pytest.approx(float(minimum), rel=2e-13)


@pytest.mark.parametrize(
    "problem",
    [
        UFMProblem(class_sizes=(2, 1), dim=3, tau=1),
        UFMProblem(class_sizes=(2, 2, 0), dim=3, tau=1),
        UFMProblem(class_sizes=(1, 1), dim=3, tau=1, weights=(1, 2)),
        UFMProblem(class_sizes=(1, 1, 1, 1), dim=2, tau=1),
    ],
)
def test_no_closed_form_without_balance_or_dimension(problem):
    assert global_minimum(problem) is None
    assert nonnegative_minimum(problem) is None


@given(K=st.integers(2, 6), n=st.integers(1, 3), extra=st.integers(-1, 2), tau=st.floats(0.01, 60))
def test_the_collapsed_point_attains_the_minimum(K, n, extra, tau):
    problem = balanced(K, max(K + extra, 1), tau, n)
    X = collapsed_point(problem)
    assert problem.cost(X) == pytest.approx(global_minimum(problem), rel=2e-13 * (20 + 8 * tau))
    assert gradient_norm(problem, X) < 2e-13 * (1 + tau)


@given(st.integers(2, 5), st.floats(0.05, 10), st.data())
def test_equal_class_weights_are_enough(K, tau, data):
    """Any division of 1/K among the samples of a class leaves minimum and minimiser as they are."""
    shares = [data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=3)) for _ in range(K)]
    weights = [f"{part}/{sum(share)}" for share in shares for part in share]
    problem = UFMProblem(class_sizes=[len(s) for s in shares], dim=K - 1, tau=tau, weights=weights)
    assert has_equal_class_weights(problem)
    X = collapsed_point(problem)
    assert problem.cost(X) == pytest.approx(global_minimum(problem), rel=2e-13 * (1 + tau))
    S = plain_S(problem, X)
    assert np.linalg.eigvalsh(S)[0] >= -2e-13 * np.abs(S).max()


@given(problems(), seeds)
def test_nothing_lies_below_the_minimum(problem, seed):
    least = global_minimum(problem)
    if least is not None:
        assert problem.cost(problem.spheres.random_point(seed, (20,))).min() >= least * (1 - 1e-12)


def test_multiplier_matrix_proves_the_collapsed_point_minimal():
    """Section 2.2: S >= 0 there, and S has the Gram matrix's rank as nullity."""
    problem = balanced(4, 5, 2.0, n=3)
    eigenvalues = np.linalg.eigvalsh(plain_S(problem, collapsed_point(problem)))
    scale = eigenvalues[-1]
    assert eigenvalues[0] > -2e-13 * scale
    assert (np.abs(eigenvalues) < 2e-13 * scale).sum() == 3


# --- nonnegative features


@pytest.mark.parametrize(("K", "d", "tau"), [(2, 2, 1.0), (3, 5, 4.0), (10, 10, 15.0)])
def test_orthonormal_class_features_attain_the_nonnegative_minimum(K, d, tau):
    problem = balanced(K, d, tau, n=2)
    means = np.eye(d)[:, :K]
    W = means - means.mean(axis=1, keepdims=True)
    X = np.concatenate([W / np.linalg.norm(W, axis=0), means[:, problem.labels]], axis=1)
    assert problem.cost(X) == pytest.approx(nonnegative_minimum(problem), rel=2e-13 * (1 + tau))
    assert nonnegative_minimum(problem) > global_minimum(problem)


@pytest.mark.parametrize("seed", range(3))
def test_minimisation_over_nonnegative_features_ends_at_the_closed_form(seed):
    problem = balanced(3, 3, 2.0, n=1)

    def cost(entries):
        X = entries.reshape(problem.shape).copy()
        X[:, 3:] = np.square(X[:, 3:])
        return plain_cost(problem, X / np.linalg.norm(X, axis=0))

    start = np.random.default_rng(seed).standard_normal(18)
    found = minimize(cost, start, method="BFGS", options={"gtol": 1e-7}).fun
    least = nonnegative_minimum(problem)
    assert least - 1e-12 <= found <= least + 1e-8


# --- simplex frames


@pytest.mark.parametrize(("K", "d"), [(2, 1), (3, 2), (4, 7), (100, 99), (1000, 999), (1000, 1000)])
def test_simplex_frame_is_exact_to_rounding(K, d):
    W = simplex_etf(K, d)
    gram = (K * np.eye(K) - 1.0) / (K - 1)
    assert W.shape == (d, K)
    exact = W.astype(np.longdouble)
    some = slice(None, None, max(1, K // 50))
    assert np.abs(exact[:, some].T @ exact - gram[some]).max() < 2e-13
    assert np.abs(exact.sum(axis=1)).max() < 2e-13


@pytest.mark.parametrize(("K", "d"), [(1, 3), (4, 2), (3, 0), (2.5, 3)])
def test_no_frame_below_its_dimension(K, d):
    with pytest.raises(InvalidInputError):
        simplex_etf(K, d)


def test_no_collapsed_point_below_its_dimension():
    with pytest.raises(InvalidInputError, match="dim=2 must be at least classes - 1 = 3"):
        collapsed_point(balanced(4, 2, 1.0))


@pytest.mark.parametrize("seed", range(20))
def test_signs_that_balance_weighted_classes_are_found_where_they_exist(seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 5, 2) if seed else (300, 200)
    weights = [Fraction(int(w), 3) for w in rng.integers(1, 6, sum(sizes))]
    problem = UFMProblem(class_sizes=tuple(sizes), dim=2, tau=1, weights=weights)
    own = [[w for w, y in zip(weights, problem.labels, strict=True) if y == k] for k in range(2)]
    sums = [
        {sum(s * w for s, w in zip(signs, ws, strict=True)) for signs in product((1, -1), repeat=len(ws))}
        for ws in own
        if seed
    ]
    if seed and not set.intersection(*sums):
        with pytest.raises(InvalidInputError, match="no signs"):
            known_points.orthogonal_collapsed_point(problem)
        return
    signs = known_points.orthogonal_collapsed_point(problem)[1, 2:]
    totals = [
        sum(int(s) * w for s, w, y in zip(signs, weights, problem.labels, strict=True) if y == k)
        for k in range(2)
    ]
    assert totals[0] == totals[1]
    assert set(np.abs(signs)) == {1.0}
