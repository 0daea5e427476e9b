"""Starts next to known points: valid points, the right ranks, and the rare orbits they lead to."""

import numpy as np
import pytest

from sphereufm.landscape.search.squared_gradient import find_critical_points
from sphereufm.landscape.starts.neighbours import neighbouring_starts
from sphereufm.problem.ufm import UFMProblem

PROBLEM = UFMProblem(class_sizes=(1, 1, 1), dim=4, tau=1)


def critical_point(cost):
    inner = PROBLEM.in_dimension(2)
    search = find_critical_points(inner, inner.spheres.random_point(0, (256,)), tolerance=1e-12)
    costs = inner.cost(search.X)
    best = np.abs(np.where(search.converged, costs, np.inf) - cost).argmin()
    assert costs[best] == pytest.approx(cost, abs=1e-6)
    return search.X[best]


def test_starts_are_points_of_the_same_rank_or_the_next():
    starts = list(neighbouring_starts(PROBLEM, critical_point(0.368981), 4))
    assert {start.shape[0] for start in starts} == {2, 3}
    for start in starts:
        np.testing.assert_allclose(np.square(start).sum(axis=0), 1.0, atol=1e-12)


def test_no_lifts_beyond_the_highest_rank():
    X = critical_point(0.368981)
    assert {start.shape[0] for start in neighbouring_starts(PROBLEM, X, 2)} == {2}


def test_columns_at_one_place_are_flipped_once():
    # three features of one class at one place, and their classifier
    problem = UFMProblem(class_sizes=(3, 3), dim=2, tau=1)
    X = np.array([[1.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0]])
    starts = list(neighbouring_starts(problem, X, 2))
    flips = [s for s in starts if np.allclose(np.abs((s * X).sum(axis=0)), 1.0, atol=1e-12)]
    assert len(flips) == 4


def test_they_lead_from_a_common_orbit_to_a_rare_one():
    """Four random starts of ten thousand end at 2.298916; it lies next to an orbit that every search meets."""
    inner = PROBLEM.in_dimension(2)
    starts = [s for s in neighbouring_starts(PROBLEM, critical_point(2.299252), 2) if len(s) == 2]
    search = find_critical_points(inner, np.array(starts), tolerance=1e-12)
    assert np.abs(inner.cost(search.X[search.converged]) - 2.298916).min() < 1e-6
