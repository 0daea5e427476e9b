"""The proof's directions of negative curvature, at the points they were made for and at critical points met."""

import numpy as np
import pytest
from closed_form_points import invertible_branch, random_collapsed_point, rank_one_point
from critical_points import (
    critical_point,
    hessian,
    local_minimum,
    plain_cost,
    plain_S,
    problems,
    seeds,
)
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from sphereufm.errors import InvalidInputError
from sphereufm.geometry.spheres import exponential
from sphereufm.problem.theory.gap import optimality_gap
from sphereufm.problem.theory.known_points import (
    orthogonal_collapsed_point,
    turned_sample_point,
)
from sphereufm.problem.theory.negative_curvature import (
    collapsed_direction,
    descent_direction,
    invertible_direction,
    rank_deficient_direction,
)
from sphereufm.problem.theory.theorems import collapsed_point, theorem_s
from sphereufm.problem.ufm import UFMProblem

DIRECTIONS = {"A": collapsed_direction, "B": rank_deficient_direction, "invertible": invertible_direction}


def in_theorem_s(problem):
    """The same labels and weights in a dimension that Theorem S covers."""
    return problem.in_dimension(max(problem.classes, 3))


@given(problems(max_tau=10.0), seeds, st.sampled_from(sorted(DIRECTIONS)))
def test_directions_are_unit_tangents_with_their_own_curvature(problem, seed, case):
    """Curvature by second differences of the plain cost along the geodesic, not by the Hessian."""
    X = problem.spheres.random_point(seed)
    found = DIRECTIONS[case](problem.at(X))
    assume(found is not None)
    assert found.case == case
    assert np.linalg.norm(found.U) == pytest.approx(1.0, abs=2e-13)
    assert np.abs((X * found.U).sum(axis=0)).max() < 2e-13
    h = 1e-3 / (1.0 + problem.tau) ** 0.5
    along = [plain_cost(problem, exponential(X, t * found.U)) for t in (-2 * h, -h, 0.0, h, 2 * h)]
    second = (-along[0] + 16 * along[1] - 30 * along[2] + 16 * along[3] - along[4]) / (12 * h * h)
    assert found.curvature == pytest.approx(second, abs=2e-7 * (1 + problem.tau) ** 2)


def test_invertible_branch_goldens():
    problem, X = invertible_branch()
    found = invertible_direction(problem.at(X))
    assert found.curvature == pytest.approx(-problem.at(X).beta.max(), rel=2e-13)
    assert found.curvature == pytest.approx(-0.0944, abs=5e-5)
    assert np.linalg.eigvalsh(hessian(problem, X))[0] == pytest.approx(-0.163, abs=5e-4)
    best = descent_direction(problem, X)
    assert best.curvature <= min(DIRECTIONS[case](problem.at(X)).curvature for case in DIRECTIONS)


@pytest.mark.parametrize("tau", [0.7, 3, 20, 200])
def test_invertible_direction_changes_no_margin(tau):
    problem, X = invertible_branch(tau)
    U = invertible_direction(problem.at(X)).U
    shift = X[:, :3].T @ U[:, 3:] + U[:, :3].T @ X[:, 3:]
    np.testing.assert_allclose(shift - shift.mean(axis=0), 0.0, atol=1e-12)


@given(problems(min_dim=3, max_dim=6), seeds)
def test_collapsed_points_descend_in_case_a(problem, seed):
    """In every dimension from 3 on, also below K."""
    X = random_collapsed_point(problem, seed)
    found = collapsed_direction(problem.at(X))
    assert found.curvature < -found.rounding
    columns = np.flatnonzero(np.abs(found.U).max(axis=0) > 0.0)
    assert len(columns) == 2
    k, i = int(columns[0]), int(columns[1]) - problem.classes
    assert k < problem.classes
    b = found.U[:, k] / np.linalg.norm(found.U[:, k])
    assert abs(b @ X[:, k]) < 1e-12
    assert abs(b @ X[:, problem.classes + i]) < 1e-12
    K, tau, omega = problem.classes, problem.tau, problem.weights
    c = tau * omega[i] * (1 / K - (problem.labels[i] == k))
    alpha = float(problem.at(X).alpha[k])
    a = float(tau**2 * (1 / K) * (1 - 1 / K) * (omega @ np.square(b @ X[:, K:]))) - alpha
    assert found.curvature == pytest.approx((a - np.hypot(a, 2 * c)) / 2, rel=1e-9, abs=2e-13 * tau)


def test_case_a_by_hand():
    """K = 2, one sample a class, w = e1, features at e2: the form is [[0, c], [c, 0]], c = tau / 4, for b = e3."""
    problem = UFMProblem(class_sizes=(1, 1), dim=3, tau=4.0)
    X = np.zeros((3, 4))
    X[0, :2] = X[1, 2:] = 1.0
    assert collapsed_direction(problem.at(X)).curvature == pytest.approx(-1.0, rel=2e-13)


@given(problems(min_dim=2, max_dim=4, max_tau=10.0), seeds)
def test_rank_deficient_direction_has_the_least_eigenvalue_of_S(problem, seed):
    flat = problem.spheres.random_point(seed)
    larger = problem.in_dimension(problem.dim + 1)
    X = np.concatenate([flat, np.zeros((1, flat.shape[1]))])
    found = rank_deficient_direction(larger.at(X))
    S = plain_S(larger, X)
    assert found.curvature == pytest.approx(np.linalg.eigvalsh(S)[0], abs=1e-12 * (1 + problem.tau) ** 2)


@pytest.mark.parametrize("start", ["random", "collapsed", "turned"])
def test_least_eigenvector_of_a_large_S(start):
    """Beyond 600 columns it comes from the Schur complement."""
    problem = UFMProblem(class_sizes=(300, 200, 150), dim=4, tau=3)
    flat = problem.in_dimension(3)
    X = flat.spheres.random_point(0) if start == "random" else turned_sample_point(flat, 5)
    if start == "collapsed":
        X = collapsed_point(flat)
    X = np.concatenate([X, np.zeros((1, X.shape[1]))])
    least = np.linalg.eigvalsh(plain_S(problem, X))[0]
    assert rank_deficient_direction(problem.at(X)).curvature == pytest.approx(least, rel=2e-3)


# --- Theorem S


@given(problems(max_classes=4, max_tau=12.0), seeds)
@settings(max_examples=120)
def test_theorem_s_at_every_critical_point_met(problem, seed):
    """A global minimiser to rounding, or an explicit direction of negative curvature: never neither."""
    problem = in_theorem_s(problem)
    X = critical_point(problem, problem.spheres.random_point(seed))
    assume(X is not None)
    assert theorem_s(problem).applies
    found = descent_direction(problem, X)
    least = float(np.linalg.eigvalsh(hessian(problem, X))[0])
    if found is None:
        event("global minimiser")
        assert optimality_gap(problem, X).value < 1e-9
        assert np.linalg.eigvalsh(plain_S(problem, X))[0] > -1e-9
    else:
        event(f"saddle, case {found.case}")
        assert least <= found.curvature + 1e-12 * (1 + problem.tau)
        assert found.curvature < 0.0


@given(problems(max_classes=4, max_tau=30.0), st.data())
@settings(max_examples=40)
def test_theorem_s_at_points_of_rank_one(problem, data):
    problem = in_theorem_s(problem)
    M = problem.shape[1]
    signs = data.draw(st.lists(st.sampled_from([-1, 1]), min_size=M, max_size=M))
    X = rank_one_point(problem, signs)
    found = descent_direction(problem, X)
    if found is None:
        # only two classes that share a line can be at the minimum in rank one
        assert optimality_gap(problem, X).value < 1e-12
    else:
        assert np.linalg.eigvalsh(hessian(problem, X))[0] <= found.curvature + 1e-12 * (1 + problem.tau)


@given(problems(min_dim=3, max_tau=30.0), seeds)
@settings(max_examples=40)
def test_theorem_s_at_collapsed_classifiers(problem, seed):
    problem = in_theorem_s(problem)
    assert descent_direction(problem, random_collapsed_point(problem, seed)).curvature < 0.0


@pytest.mark.parametrize(
    ("K", "d", "tau"), [(2, 3, 1), (3, 3, 20), (4, 6, 50), (10, 16, "1e-3"), (3, 5, 300)]
)
def test_no_direction_descends_from_the_minimum(K, d, tau):
    problem = UFMProblem(class_sizes=(3,) * K, dim=d, tau=tau)
    assert descent_direction(problem, collapsed_point(problem)) is None


@pytest.mark.parametrize(
    ("cost", "count"),
    [(0.126928, 0), (0.562335, 1), (0.626928, 1), (0.693147, 1), (1.126928, 1), (1.626928, 1), (2.126928, 1)],
)
def test_every_critical_value_of_two_classes_but_the_least_is_left(cost, count):
    """K=2, n=2, tau=1: descent directions at all critical values but the minimum."""
    problem = UFMProblem(class_sizes=(2, 2), dim=3, tau=1)
    met = [critical_point(problem, problem.spheres.random_point(seed)) for seed in range(40)]
    signs = np.array(np.meshgrid(*[[-1, 1]] * 6)).reshape(6, -1).T
    points = [X for X in met if X is not None] + [rank_one_point(problem, s) for s in signs]
    here = [X for X in points if abs(float(problem.cost(X)) - cost) < 1e-6]
    assert here
    assert all((descent_direction(problem, X) is not None) == bool(count) for X in here)


@given(problems(max_classes=4, min_tau=1.0, max_tau=6.0), seeds)
@settings(max_examples=30)
def test_critical_points_one_dimension_short_with_negative_beta_are_minimisers(problem, seed):
    """The lemma at ``d = K - 1``: ``rank W = d`` and ``beta < 0`` imply ``S >= 0``."""
    problem = problem.in_dimension(problem.classes - 1)
    assume(problem.dim >= 2)
    X = local_minimum(problem, problem.spheres.random_point(seed), steps=300)
    assume(X is not None)
    sigma = np.linalg.svd(X[:, : problem.classes], compute_uv=False)
    point = problem.at(X)
    negative = bool(sigma[-1] > 1e-2 and point.beta.max() < -1e-6)
    event(f"hypotheses of the lemma hold: {negative}")
    if negative:
        assert np.linalg.eigvalsh(point.multiplier_matrix.dense())[0] > -1e-9
        assert optimality_gap(problem, X).value < 1e-8


# --- failures outside the hypotheses


def test_collapsed_orthogonal_point_of_the_plane_is_not_a_strict_saddle():
    problem = UFMProblem(class_sizes=(2, 2), dim=2, tau=5)
    X = orthogonal_collapsed_point(problem)
    np.testing.assert_allclose(np.linalg.eigvalsh(hessian(problem, X)), [0, 0, 0, 0, 0, 12.5], atol=2e-13)
    assert collapsed_direction(problem.at(X)) is None
    assert descent_direction(problem, X) is None
    assert problem.cost(X) - problem.cost(collapsed_point(problem)) > 0.69


def test_descent_direction_finds_nothing_at_a_spurious_minimiser_of_the_plane():
    problem = UFMProblem(class_sizes=(1, 1, 1), dim=2, tau=12)
    X = local_minimum(problem, problem.spheres.random_point(0))
    assert problem.cost(X) == pytest.approx(0.456902, abs=5e-7)
    assert descent_direction(problem, X) is None
    # one dimension more, and Theorem S applies
    lifted = problem.in_dimension(3)
    assert descent_direction(lifted, np.concatenate([X, np.zeros((1, 6))])).case == "B"


def test_directions_start_at_one_point():
    problem = UFMProblem(class_sizes=(1, 1), dim=3, tau=1)
    with pytest.raises(InvalidInputError):
        descent_direction(problem, problem.spheres.random_point(0, (2,)))
    with pytest.raises(InvalidInputError):
        descent_direction(problem, np.zeros((3, 4)))


def test_directions_that_are_not_defined():
    line = UFMProblem(class_sizes=(1, 1), dim=1, tau=1)
    X = rank_one_point(line, [1, -1, 1, -1])
    assert all(direction(line.at(X)) is None for direction in DIRECTIONS.values())
    low = UFMProblem(class_sizes=(1, 1, 1, 1), dim=3, tau=1)
    assert invertible_direction(low.at(low.spheres.random_point(0))) is None
