"""The optimality gap: never violated by a lower point, exact against mpmath near the minimum."""

import mpmath
import numpy as np
import pytest
from closed_form_points import invertible_branch, rank_one_point
from critical_points import (
    critical_point,
    local_minimum,
    plain_cost,
    plain_G,
    plain_S,
    problems,
    rounding,
    seeds,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sphereufm.errors import InvalidInputError
from sphereufm.geometry.spheres import retract
from sphereufm.problem.losses.registry import CrossEntropy
from sphereufm.problem.theory.gap import optimality_gap
from sphereufm.problem.theory.theorems import collapsed_point, global_minimum
from sphereufm.problem.ufm import UFMProblem

EPS = np.finfo(float).eps


def mp_difference(problem, X):
    """``f(X) - f*`` for the columns of ``X`` normalised exactly, in 60 digits."""
    K, N = problem.classes, problem.samples
    with mpmath.workdps(60):
        columns = [[mpmath.mpf(float(x)) for x in column] for column in X.T]
        unit = [[x / mpmath.sqrt(mpmath.fsum(t * t for t in c)) for x in c] for c in columns]
        tau = mpmath.mpf(problem.exact_tau.numerator) / problem.exact_tau.denominator

        def logit(k, i):
            return tau * mpmath.fdot(unit[k], unit[K + i])

        total = mpmath.mpf(0)
        for i, y in enumerate(problem.labels.tolist()):
            others = [mpmath.exp(logit(k, i) - logit(y, i)) for k in range(K) if k != y]
            total += mpmath.log1p(mpmath.fsum(others)) / N
        minimum = mpmath.log1p((K - 1) * mpmath.exp(-K * tau / (K - 1)))
        return float(total - minimum), float(minimum)


@given(problems(max_tau=10.0), seeds, st.booleans())
@example(UFMProblem(class_sizes=(1, 1), dim=2, tau=1), 0, True)
def test_no_bound_is_violated_by_any_point(problem, seed, collapse):
    rng = np.random.default_rng(seed)
    X = problem.spheres.random_point(rng)
    if collapse:
        X[:, : problem.classes] = X[:, :1]
    gap = optimality_gap(problem, X)
    descended = X
    for _ in range(30):
        descended = retract(descended, -0.5 * problem.gradient(descended) / problem.tau)
    others = [*problem.spheres.random_point(rng, (20,)), descended]
    decrease = plain_cost(problem, X) - min(plain_cost(problem, Y) for Y in others)
    slack = 2e-13 * (1 + problem.tau)
    assert gap.value == min(gap.bounds.values()) == gap.bounds[gap.method]
    assert gap.value > 0.0
    for bound in gap.bounds.values():
        assert bound >= decrease - slack


@given(problems(max_tau=10.0), seeds)
def test_multiplier_bound_is_above_every_linearised_decrease(problem, seed):
    """Weak duality: it bounds ``<G, W^T H - W'^T H'>`` over all unit columns; here with the best ``H'`` for ``W'``."""
    rng = np.random.default_rng(seed)
    X = problem.spheres.random_point(rng)
    K, G = problem.classes, plain_G(problem, X)
    here = float((G * (X[:, :K].T @ X[:, K:])).sum())
    bound = optimality_gap(problem, X).bounds["multiplier-bound"]
    W = problem.in_dimension(K + 1).spheres.random_point(rng, (20,))[..., :K]
    for _ in range(10):
        pull = W @ G
        size = np.sqrt(np.square(pull).sum(axis=-2))
        assert bound >= here + size.sum(axis=-1).max() - rounding(problem) * problem.samples
        back = pull / np.maximum(size, 1e-300)[..., None, :] @ G.T
        W = back / np.sqrt(np.square(back).sum(axis=-2, keepdims=True))


@given(problems(max_tau=10.0), seeds)
def test_multiplier_bound_is_no_worse_than_the_plain_shift(problem, seed):
    X = problem.spheres.random_point(seed)
    S = plain_S(problem, X)
    shift = -0.5 * len(S) * float(np.linalg.eigvalsh(S)[0])
    bound = optimality_gap(problem, X).bounds["multiplier-bound"]
    assert bound <= shift + 2e-13 * len(S) ** 1.5 * np.abs(S).sum(axis=1).max()


def test_multiplier_bound_is_far_better_than_the_plain_shift_where_few_samples_are_wrong():
    problem = UFMProblem(class_sizes=(114,) * 4, dim=3, tau="3.6")
    X = collapsed_point(problem)
    X[:, 4] *= -1.0
    shift = problem.at(X).multiplier_matrix.guaranteed_decrease()
    assert optimality_gap(problem, X).bounds["multiplier-bound"] < 0.02 * shift


@pytest.mark.parametrize(
    ("sizes", "dim", "tau"), [((5, 3, 2), 3, 3.0), ((4, 1), 4, 10.0), ((2, 0, 1), 3, 0.5)]
)
def test_multiplier_bound_certifies_minimisers_without_a_closed_form(sizes, dim, tau):
    problem = UFMProblem(class_sizes=sizes, dim=dim, tau=tau)
    X = local_minimum(problem, problem.spheres.random_point(3))
    gap = optimality_gap(problem, X)
    assert set(gap.bounds) == {"cost", "multiplier-bound"}
    assert gap.method == "multiplier-bound"
    assert gap.value < 1e-11 * float(problem.cost(X))


def test_multiplier_bound_does_not_vanish_at_a_spurious_minimiser():
    problem = UFMProblem(class_sizes=(1,) * 6, dim=4, tau=1)
    X = local_minimum(problem, problem.spheres.random_point(1))
    assert problem.cost(X) - optimality_gap(problem, X).value < 0.936054


@pytest.mark.parametrize("reach", [0.0, 1e-16, 1e-12, 1e-8, 1e-5, 1e-2, 0.3, 2.0])
@pytest.mark.parametrize(
    ("K", "n", "dim", "tau"),
    [(2, 1, 1, 2), (3, 2, 4, 1), (4, 3, 3, "3.6"), (3, 2, 3, 50), (6, 1, 5, "1e-3"), (5, 1, 6, 400)],
)
def test_closed_form_resolves_gaps_far_below_the_rounding_of_the_cost(K, n, dim, tau, reach):
    """Above the exact difference, and not by more than the stated allowance on either side."""
    problem = UFMProblem(class_sizes=(n,) * K, dim=dim, tau=tau)
    X = collapsed_point(problem)
    X = retract(X, reach * problem.spheres.random_tangent(7, X))
    exact, minimum = mp_difference(problem, X)
    value = optimality_gap(problem, X).bounds["closed-form"]
    q = -np.expm1(-minimum)
    rho = 4 * EPS * (1 + problem.tau) * np.sqrt(K + dim)
    ceiling = (np.sqrt(exact) + 2 * np.sqrt(q) * rho) ** 2 * (1 + 40 * EPS * (1 + problem.tau))
    assert exact <= value <= max(ceiling, np.finfo(float).tiny)


def test_gap_at_the_minimum_is_zero_to_rounding_at_every_temperature():
    for tau in (0.001, 1, 20, 50, 400):
        problem = UFMProblem(class_sizes=(2, 2, 2), dim=3, tau=tau)
        gap = optimality_gap(problem, collapsed_point(problem))
        assert gap.method == "closed-form"
        assert gap.value < 1e-22 * global_minimum(problem)


def test_cost_is_the_best_bound_where_the_minimum_is_negligible():
    problem = UFMProblem(class_sizes=(2, 1, 1), dim=3, tau=20)
    X = rank_one_point(problem, [1, -1, -1, 1, 1, -1, -1])
    gap = optimality_gap(problem, X)
    assert gap.method == "cost"
    assert gap.value == pytest.approx(plain_cost(problem, X), rel=2e-13)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("tau", [1000, 1e6, 1e300])
def test_underflow_is_not_reported_as_zero(tau):
    problem = UFMProblem(class_sizes=(1, 1, 1), dim=3, tau=tau)
    gap = optimality_gap(problem, collapsed_point(problem))
    assert problem.cost(collapsed_point(problem)) == 0.0
    assert gap.value == np.finfo(float).tiny
    assert "multiplier-bound" not in gap.bounds


def test_golden_gap_at_the_invertible_branch():
    problem, X = invertible_branch()
    gap = optimality_gap(problem, X)
    assert (
        gap.value
        == gap.bounds["closed-form"]
        == pytest.approx(0.988292109975660 - global_minimum(problem), rel=2e-13)
    )
    # plain numbers, also where they are shown
    assert {type(bound) for bound in gap.bounds.values()} == {float}


@given(problems(max_classes=3, min_dim=3, max_dim=4, max_tau=6.0), seeds)
@settings(max_examples=15)
def test_gap_is_invariant_under_rotations(problem, seed):
    rng = np.random.default_rng(seed)
    X = problem.spheres.random_point(rng)
    Q, _ = problem.symmetry.random_element(rng, problem.dim)
    turned = optimality_gap(problem, Q @ X / np.sqrt(np.square(Q @ X).sum(axis=0)))
    assert turned.value == pytest.approx(optimality_gap(problem, X).value, rel=1e-9)


@pytest.mark.parametrize("bad", [np.zeros((3, 4)), np.ones((3, 4)), np.eye(3, 5), np.full((3, 4), np.nan)])
def test_a_gap_needs_a_point(bad):
    with pytest.raises(InvalidInputError):
        optimality_gap(UFMProblem(class_sizes=(1, 1), dim=3, tau=1), bad)


def test_a_gap_is_of_one_point():
    problem = UFMProblem(class_sizes=(1, 1), dim=3, tau=1)
    with pytest.raises(InvalidInputError, match="one point"):
        optimality_gap(problem, problem.spheres.random_point(0, (2,)))


def test_gap_at_a_saddle_met_by_newton_is_at_least_its_true_height():
    problem = UFMProblem(class_sizes=(2, 2), dim=3, tau=1)
    heights = set()
    for seed in range(12):
        X = critical_point(problem, problem.spheres.random_point(seed))
        if X is not None:
            height = plain_cost(problem, X) - 0.126928011042972
            heights.add(round(height + 0.126928011042972, 6))
            assert optimality_gap(problem, X).value >= height - 2e-13
    assert len(heights) > 2
    assert heights <= {0.126928, 0.562335, 0.626928, 0.693147, 1.126928, 1.626928, 2.126928}


@given(problems(max_tau=10.0), seeds)
def test_the_multiplier_bound_is_no_worse_than_the_least_eigenvalue_gives(problem, seed):
    X = problem.spheres.random_point(np.random.default_rng(seed))
    for point in (X, retract(X, -0.5 * problem.gradient(X) / problem.tau)):
        bounds = optimality_gap(problem, point).bounds
        known = float(problem.at(point).multiplier_matrix.guaranteed_decrease())
        assert bounds["multiplier-bound"] <= max(known * (1.0 + 1e-9), np.finfo(float).tiny)


@pytest.mark.parametrize("loss", ["cross-entropy", "label-smoothing", "squared-error", "logistic", "arcface"])
def test_a_gap_is_a_number_at_every_temperature(loss):
    for tau in ("1e-320", "1e-200", "1e140", "1e160", "1e200", "1e308"):
        problem = UFMProblem(class_sizes=(2, 1, 1), dim=4, tau=tau, loss=loss)
        with np.errstate(all="ignore"):
            gap = optimality_gap(problem, problem.spheres.random_point(0))
        assert gap.value > 0.0
        assert (gap.value == np.inf) == (gap.method == "none")


@pytest.mark.parametrize("margin", ["-3", "0", "1.4", "1.9", "2"])
def test_margins_of_every_size_have_a_minimum_and_a_gap(margin):
    for tau in ("1", "700", "1e17", "1e170", "1e300"):
        problem = UFMProblem(class_sizes=(2, 2, 2), dim=4, tau=tau, loss=CrossEntropy(margin=margin))
        with np.errstate(all="ignore"), mpmath.workdps(400):
            X = collapsed_point(problem)
            wanted = mpmath.log1p(2 * mpmath.exp(mpmath.mpf(tau) * (mpmath.mpf(margin) - mpmath.mpf(3) / 2)))
            assert global_minimum(problem) == pytest.approx(float(wanted), rel=1e-12, abs=1e-300)
            assert optimality_gap(problem, X).value >= 0.0


def test_a_gap_is_the_cost_where_sums_of_gradients_overflow():
    problem = UFMProblem(class_sizes=(1, 1, 1), dim=4, tau=1e308)
    with np.errstate(all="ignore"):
        for seed in range(4):
            X = problem.spheres.random_point(seed)
            assert optimality_gap(problem, X).value <= problem.cost(X) < np.inf
