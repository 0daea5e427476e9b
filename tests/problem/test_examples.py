"""Points known in closed form, and the spurious minimisers below the dimension that Theorem S asks for."""

import numpy as np
import pytest
from closed_form_points import invertible_branch, random_collapsed_point, rank_one_point
from critical_points import critical_point, gradient_norm, hessian, local_minimum, problems, seeds
from hypothesis import given
from hypothesis import strategies as st

from sphereufm.errors import InvalidInputError
from sphereufm.geometry.spheres import retract
from sphereufm.geometry.symmetry.groups import numerical_rank
from sphereufm.geometry.tangent_spaces import from_coordinates, to_coordinates
from sphereufm.landscape.search.squared_gradient import find_critical_points
from sphereufm.problem.theory.known_points import (
    orthogonal_collapsed_point,
    turned_sample_point,
)
from sphereufm.problem.theory.theorems import global_minimum
from sphereufm.problem.ufm import UFMProblem


@given(problems(), st.data())
def test_rank_one_points_are_critical(problem, data):
    M = problem.shape[1]
    X = rank_one_point(problem, data.draw(st.lists(st.sampled_from([-1, 1]), min_size=M, max_size=M)))
    assert numerical_rank(X) == 1
    assert gradient_norm(problem, X) < 2e-13


@given(problems(max_dim=6, max_tau=100.0), seeds)
def test_random_collapsed_points_are_critical(problem, seed):
    X = random_collapsed_point(problem, seed)
    assert gradient_norm(problem, X) < 2e-13
    np.testing.assert_allclose(np.square(X).sum(axis=0), 1.0, rtol=2e-13)
    assert (X[:, : problem.classes] == X[:, :1]).all()


def test_random_collapsed_points_differ_and_repeat():
    problem = UFMProblem(class_sizes=(3, 2), dim=3, tau=1)
    first, again, other = (random_collapsed_point(problem, seed) for seed in (0, 0, 1))
    assert (first == again).all()
    gram, other_gram = first.T @ first, other.T @ other
    assert np.abs(gram - other_gram).max() > 0.1


@pytest.mark.parametrize(("tau", "inner"), [(1, 0.326580), (2, 0.831645)])
def test_invertible_branch_is_critical_with_no_pull_on_classifiers(tau, inner):
    problem, X = invertible_branch(tau)
    point = problem.at(X)
    assert gradient_norm(problem, X) < 2e-13
    assert float(point.cost) == pytest.approx(0.988292, abs=5e-7)
    assert np.abs(point.alpha).max() < 2e-13
    assert point.beta.max() == pytest.approx(0.0944, abs=5e-5)
    assert X[:, 0] @ X[:, 1] == pytest.approx(inner, abs=5e-7)
    assert numerical_rank(X[:, :3]) == 3


def test_invertible_branch_starts_at_a_temperature():
    with pytest.raises(InvalidInputError, match=r"must exceed 0\.67"):
        invertible_branch("0.67")
    assert gradient_norm(*invertible_branch("0.671")) < 2e-13


@given(K=st.integers(2, 5), n=st.integers(1, 3), d=st.integers(2, 4), tau=st.floats(0.1, 50))
def test_orthogonal_collapsed_points_are_critical(K, n, d, tau):
    problem = UFMProblem(class_sizes=(n,) * K, dim=d, tau=tau)
    X = orthogonal_collapsed_point(problem)
    assert gradient_norm(problem, X) < 2e-13
    if d == 2:
        eigenvalues = np.linalg.eigvalsh(hessian(problem, X))
        assert eigenvalues[0] > -2e-13 * eigenvalues[-1]


@pytest.mark.parametrize(
    ("sizes", "weights"), [((3, 1), None), ((4, 0, 2), None), ((2, 1), (1, 2, 1)), ((2, 3), (5, 2, 1, 3, 1))]
)
def test_signed_sums_of_classes_balance(sizes, weights):
    problem = UFMProblem(class_sizes=sizes, dim=2, tau=3, weights=weights)
    assert gradient_norm(problem, orthogonal_collapsed_point(problem)) < 2e-13


def test_orthogonal_collapsed_point_needs_equal_classes_and_a_plane():
    with pytest.raises(InvalidInputError):
        orthogonal_collapsed_point(UFMProblem(class_sizes=(2, 1), dim=2, tau=1))
    with pytest.raises(InvalidInputError):
        orthogonal_collapsed_point(UFMProblem(class_sizes=(1, 1), dim=1, tau=1))


def test_turned_sample_is_the_lightest_or_the_one_named():
    problem = UFMProblem(class_sizes=(2, 1, 1), dim=2, tau=1, weights=(3, 3, 1, 2))
    assert turned_sample_point(problem)[:, 5] == pytest.approx(-turned_sample_point(problem)[:, 1])
    assert turned_sample_point(problem, 0)[:, 3] == pytest.approx(-turned_sample_point(problem)[:, 0])
    for sample in (4, -1):
        with pytest.raises(InvalidInputError):
            turned_sample_point(problem, sample)


# --- spurious minimisers


def newton(problem, X, steps):
    """Newton's method with the orbit's three null directions left out."""
    for _ in range(steps):
        g = to_coordinates(X, problem.gradient(X))
        eigenvalues, vectors = np.linalg.eigh(hessian(problem, X))
        moving = np.abs(eigenvalues) > 1e-9 * eigenvalues[-1]
        step = -vectors[:, moving] @ ((vectors[:, moving].T @ g) / eigenvalues[moving])
        X = retract(X, from_coordinates(X, step))
    return X


def test_spurious_minimiser_of_456_samples():
    """K=4, n=114, d=3, tau=3.6: one sample turned."""
    problem = UFMProblem(class_sizes=(114,) * 4, dim=3, tau="3.6")
    X = newton(problem, turned_sample_point(problem), 4)
    assert gradient_norm(problem, X) < 1e-12
    assert problem.cost(X) == pytest.approx(0.0371212, abs=5e-8)
    assert global_minimum(problem) == pytest.approx(0.0243894, abs=5e-8)
    eigenvalues = np.linalg.eigvalsh(hessian(problem, X))
    assert np.abs(eigenvalues[:3]).max() < 2e-13
    np.testing.assert_allclose(eigenvalues[3:6], [2.534e-4, 2.534e-4, 5.288e-4], atol=5e-8)


def test_spurious_minimiser_of_five_weighted_samples():
    """K=4, d=3, tau=3.75, the fifth sample light."""
    problem = UFMProblem(labels=[0, 1, 2, 3, 3], dim=3, tau="3.75", weights=["1", "1", "1", "1", "0.002"])
    X = newton(problem, turned_sample_point(problem), 6)
    assert gradient_norm(problem, X) < 1e-12
    assert problem.cost(X) == pytest.approx(0.0230417, abs=5e-8)
    eigenvalues = np.linalg.eigvalsh(hessian(problem, X))
    assert np.abs(eigenvalues[:3]).max() < 2e-13
    assert eigenvalues[3] > 1e-4
    lower = local_minimum(problem, problem.spheres.random_point(0))
    assert problem.cost(lower) == pytest.approx(0.0200122, abs=5e-8)


def test_a_turned_sample_is_a_saddle_in_one_dimension_more():
    problem = UFMProblem(labels=[0, 1, 2, 3, 3], dim=4, tau="3.75", weights=["1", "1", "1", "1", "0.002"])
    X = newton(problem.in_dimension(3), turned_sample_point(problem.in_dimension(3)), 6)
    X = np.concatenate([X, np.zeros((1, 9))])
    assert gradient_norm(problem, X) < 1e-12
    assert np.linalg.eigvalsh(hessian(problem, X))[0] < -1e-4


def test_spurious_minimiser_of_three_samples_in_the_plane():
    problem = UFMProblem(class_sizes=(1, 1, 1), dim=2, tau=12)
    X = local_minimum(problem, problem.spheres.random_point(0))
    assert problem.cost(X) == pytest.approx(0.456902, abs=5e-7)
    eigenvalues = np.linalg.eigvalsh(hessian(problem, X))
    assert abs(eigenvalues[0]) < 2e-13
    assert eigenvalues[1] > 1e-3
    assert global_minimum(problem) < 1e-7


def test_two_local_minimisers_of_six_classes_in_four_dimensions():
    problem = UFMProblem(class_sizes=(1,) * 6, dim=4, tau=1)
    higher = local_minimum(problem, problem.spheres.random_point(1))
    lower = local_minimum(problem, problem.spheres.random_point(0))
    assert problem.cost(higher) == pytest.approx(0.9372845, abs=5e-8)
    assert problem.cost(lower) == pytest.approx(0.936054, abs=5e-7)
    for X in (higher, lower):
        eigenvalues = np.linalg.eigvalsh(hessian(problem, X))
        assert np.abs(eigenvalues[:6]).max() < 2e-13
        assert eigenvalues[6] > 1e-3
    assert critical_point(problem, higher) is higher


def test_label_smoothing_above_its_threshold_has_local_minimisers_that_are_not_strict():
    """K = 6, d = 7: a pentagon and an apex, whose eight heavy samples reach their least loss on spheres S^3."""
    smoothed = {"name": "label-smoothing", "smoothing": "0.01"}
    inner = UFMProblem(class_sizes=(1, 1, 1, 1, 1, 0), dim=3, tau="6.8", loss=smoothed)
    angles = 2.0 * np.pi * np.arange(5) / 5
    pentagon = np.array([np.cos(angles), np.sin(angles), np.zeros(5)])
    start = np.column_stack([pentagon, [0.0, 0.0, 1.0], pentagon])
    X = find_critical_points(inner, start[None], tolerance=1e-13).X[0]
    W = X[:, :6]
    lead = inner.loss.least_margin(6) / inner.tau
    a = np.linalg.lstsq((W[:, [5]] - W[:, :5]).T, np.full(5, lead), rcond=None)[0]
    problem = UFMProblem(
        class_sizes=(1, 1, 1, 1, 1, 8), dim=7, tau="6.8", loss=smoothed, weights=[1] * 5 + [100] * 8
    )
    Y = np.zeros(problem.shape)
    Y[:3, :11], Y[:3, 11:] = X, a[:, None]
    Y[3:, 11:] = np.sqrt(1.0 - a @ a) * np.concatenate([np.eye(4), -np.eye(4)], axis=1)
    assert np.abs(problem.gradient(Y)).max() < 1e-14
    assert float(problem.cost(Y)) == pytest.approx(0.0617644, abs=1e-7)
    assert problem.loss.facts(6).floor == pytest.approx(0.0616063, abs=1e-7)
    values = np.linalg.eigvalsh(hessian(problem, Y))
    # 8 * 3 directions of the r_i, 21 - 6 rotations of the rest
    assert np.count_nonzero(np.abs(values) < 1e-12) == 39
    assert values[39] > 1e-6
