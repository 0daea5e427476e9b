"""The regularised Newton search: convergence to critical points of every index, batched."""

import numpy as np
import pytest

from sphereufm.geometry.spheres import retract
from sphereufm.landscape.search.squared_gradient import find_critical_points
from sphereufm.problem.interface import relative_gradient_norm
from sphereufm.problem.ufm import UFMProblem


@pytest.mark.parametrize(
    ("sizes", "d", "tau"), [((1, 1, 1), 3, 1), ((2, 2), 3, 1), ((3, 1), 3, 5), ((2, 0, 1), 4, 2)]
)
def test_every_search_converges_and_says_the_truth(sizes, d, tau):
    problem = UFMProblem(class_sizes=sizes, dim=d, tau=tau)
    search = find_critical_points(problem, problem.spheres.random_point(0, (64,)), tolerance=1e-12)
    assert search.converged.mean() > 0.88
    measured = relative_gradient_norm(problem.at(search.X))
    np.testing.assert_allclose(search.relative_gradient_norm, measured, rtol=1e-6, atol=2e-13)
    assert (measured[search.converged] <= 1e-12).all()
    norms = np.sqrt(np.square(search.X).sum(axis=-2))
    assert np.abs(norms - 1.0).max() <= 2e-13


def test_golden_values_of_two_classes_with_two_samples():
    problem = UFMProblem(class_sizes=(2, 2), dim=3, tau=1)
    search = find_critical_points(problem, problem.spheres.random_point(0, (256,)), tolerance=1e-12)
    values = np.unique(np.round(problem.cost(search.X[search.converged]), 6))
    golden = [0.126928, 0.562335, 0.626928, 0.693147, 1.126928, 1.626928, 2.126928]
    np.testing.assert_allclose(values, golden, atol=1e-6)


def test_convergence_is_fast_near_nondegenerate_points():
    problem = UFMProblem(class_sizes=(1, 1, 1), dim=3, tau=1)
    search = find_critical_points(problem, problem.spheres.random_point(3, (64,)), tolerance=1e-12)
    # the collapsed family (f = log 3) has singular strata, where convergence may be slow
    isolated = search.X[search.converged & (np.abs(problem.cost(search.X) - np.log(3.0)) > 1e-6)]
    disturbed = retract(isolated, 1e-3 * problem.spheres.random_tangent(0, isolated))
    again = find_critical_points(problem, disturbed, tolerance=1e-12)
    assert len(isolated) > 30
    assert again.converged.all()
    assert again.iterations <= 8


def test_batch_equals_loop():
    problem = UFMProblem(class_sizes=(2, 1), dim=3, tau=2)
    starts = problem.spheres.random_point(1, (8,))
    together = find_critical_points(problem, starts)
    for start, x in zip(starts, together.X, strict=True):
        alone = find_critical_points(problem, start[None])
        np.testing.assert_allclose(alone.X[0], x, atol=1e-8)


def test_a_search_cut_short_is_not_called_converged():
    problem = UFMProblem(class_sizes=(2, 1), dim=3, tau=2)
    search = find_critical_points(problem, problem.spheres.random_point(1, (8,)), max_iterations=1)
    assert not search.converged.all()
    assert search.iterations == 1


def test_starts_are_left_alone_and_critical_starts_stay():
    problem = UFMProblem(class_sizes=(1, 1), dim=2, tau=1)
    X = np.array([[[1.0, -1.0, 1.0, -1.0], [0.0, 0.0, 0.0, 0.0]]])
    search = find_critical_points(problem, X)
    assert search.iterations == 0
    assert search.converged.all()
    assert np.array_equal(search.X, X)


def test_a_start_that_gains_nothing_is_given_up():
    """Degenerate points at tau = 12 take hundreds of steps, and no step may be worse than the one before."""
    problem = UFMProblem(class_sizes=(1, 1, 1), dim=2, tau=12)
    starts = problem.spheres.random_point(0, (40,))
    patient = find_critical_points(problem, starts, tolerance=1e-14, max_iterations=400)
    assert patient.iterations < 400
    assert patient.converged.any()
    assert not patient.converged.all()
