"""Deflation: invariant under the group, infinite on known orbits, and Newton's method keeps away from them."""

import numpy as np
import pytest

from sphereufm.geometry.spheres import retract
from sphereufm.geometry.symmetry.groups import SymmetryGroup
from sphereufm.landscape.points import embed
from sphereufm.landscape.search.deflation import Deflation
from sphereufm.landscape.search.squared_gradient import find_critical_points
from sphereufm.problem.theory.theorems import collapsed_point
from sphereufm.problem.ufm import UFMProblem

PROBLEM = UFMProblem(class_sizes=(2, 2, 1), dim=3, tau=1)


@pytest.mark.parametrize("seed", range(5))
def test_factor_is_invariant_under_the_group_and_the_dimension(seed):
    rng = np.random.default_rng(seed)
    X, Y = PROBLEM.spheres.random_point(rng, (2,))
    deflation = Deflation(PROBLEM.symmetry, [Y], radius=1.0)
    Q, s = PROBLEM.symmetry.random_element(rng, 3)
    value = deflation.log_factor(X)
    assert deflation.log_factor(Q @ X[:, s]) == pytest.approx(value, rel=1e-10)
    assert deflation.log_factor(embed(X, 5)) == pytest.approx(value, rel=1e-12)
    other = Deflation(PROBLEM.symmetry, [Q @ Y[:, s]], radius=1.0)
    assert other.log_factor(X) == pytest.approx(value, rel=1e-10)
    assert 0.0 < value < 20.0 < deflation.log_factor(Q @ Y[:, s])


@pytest.mark.parametrize("symmetry", [PROBLEM.symmetry, SymmetryGroup(False, PROBLEM.symmetry.permutations)])
def test_step_factor_is_that_of_the_directional_derivative(symmetry):
    rng = np.random.default_rng(0)
    X = PROBLEM.spheres.random_point(rng)
    U = 0.1 * PROBLEM.spheres.random_tangent(rng, X)
    deflation = Deflation(symmetry, list(PROBLEM.spheres.random_point(rng, (4,))), radius=1.0)
    t = 1e-6
    slope = (deflation.log_factor(retract(X, t * U)) - deflation.log_factor(retract(X, -t * U))) / (2.0 * t)
    assert abs(slope) > 1e-3
    assert deflation.step_factor(X, U) == pytest.approx(1.0 / (1.0 - slope), rel=1e-7)


def test_step_towards_a_known_class_is_turned_round():
    Y = collapsed_point(PROBLEM)
    rng = np.random.default_rng(0)
    X = retract(Y, 1e-2 * PROBLEM.spheres.random_tangent(rng, Y))
    deflation = Deflation(PROBLEM.symmetry, [Y])
    # the whole way to Y: with m ~ 1 / distance^2 the exact factor is 1 / (1 - 2) = -1
    factor = deflation.step_factor(X, Y - X)
    assert -1.2 < factor < -0.5


def test_known_class_is_not_found_again():
    problem = UFMProblem(class_sizes=(1, 1, 1), dim=2, tau=1)
    starts = problem.spheres.random_point(0, (60,))
    plain = find_critical_points(problem, starts)
    costs = np.round(problem.cost(plain.X), 8)
    values, hits = np.unique(costs[np.abs(costs - np.log(3)) > 1e-6], return_counts=True)
    often = values[hits.argmax()]
    known = [X for X, cost in zip(plain.X, costs, strict=True) if cost == often]
    assert len(known) >= 5
    deflated = find_critical_points(problem, starts, deflation=Deflation(problem.symmetry, known[:1]))
    assert not (np.abs(problem.cost(deflated.X[deflated.converged]) - often) < 1e-7).any()
    assert deflated.converged.sum() >= 10


def test_nothing_known_changes_nothing():
    problem = UFMProblem(class_sizes=(1, 1), dim=3, tau=1)
    starts = problem.spheres.random_point(0, (6,))
    nothing = Deflation(problem.symmetry, [])
    plain = find_critical_points(problem, starts)
    np.testing.assert_array_equal(find_critical_points(problem, starts, deflation=nothing).X, plain.X)
