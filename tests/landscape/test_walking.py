"""Walking along null directions: families move, isolated classes do not."""

import numpy as np
import pytest

from sphereufm.landscape.orbits.walking import null_directions, walkable_dimension
from sphereufm.problem.theory.known_points import random_collapsed_point
from sphereufm.problem.theory.theorems import collapsed_point
from sphereufm.problem.ufm import UFMProblem


@pytest.mark.parametrize("dim", [2, 3])
def test_collapsed_classifiers_can_be_walked_in_every_null_direction(dim):
    problem = UFMProblem(class_sizes=(2, 2), dim=dim, tau=1)
    X = random_collapsed_point(problem, 0)
    directions = null_directions(problem, X, dim)
    assert len(directions) > 0
    assert walkable_dimension(problem, X) == len(directions)


def test_null_directions_are_horizontal_and_null():
    problem = UFMProblem(class_sizes=(2, 2), dim=3, tau=1)
    X = random_collapsed_point(problem, 1)
    directions = null_directions(problem, X, 3)
    np.testing.assert_allclose(problem.at(X).hessian_product(directions), 0.0, atol=1e-7)
    # <U, Omega X> = 0 for all skew Omega: U X^T is symmetric
    moments = directions @ X.T
    np.testing.assert_allclose(moments, np.swapaxes(moments, -1, -2), atol=1e-12)


def test_a_nondegenerate_orbit_cannot_be_walked():
    problem = UFMProblem(class_sizes=(2, 2, 2), dim=4, tau=1)
    X = collapsed_point(problem)
    inner = problem.in_dimension(4)
    assert len(null_directions(inner, X, 2)) == 0
