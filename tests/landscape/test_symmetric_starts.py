"""Starts with a cyclic symmetry: they have it, keep it, and lead where random starts rarely do."""

import numpy as np
import pytest

from sphereufm.geometry.symmetry.groups import SymmetryGroup
from sphereufm.geometry.symmetry.isotropy import isotropy_order
from sphereufm.landscape.search.squared_gradient import find_critical_points
from sphereufm.landscape.starts.cyclic import symmetric_starts
from sphereufm.problem.ufm import UFMProblem


class WithoutSymmetry(UFMProblem):
    """The same cost, nothing declared."""

    symmetry = SymmetryGroup.none(6)


class PermutationsOnly(UFMProblem):
    """The same cost, permutations of classes declared and no rotations."""

    symmetry = SymmetryGroup(False, UFMProblem(class_sizes=(1, 1, 1), dim=3, tau=1).symmetry.permutations)


@pytest.mark.parametrize("sizes", [(1, 1, 1), (2, 2), (3, 2, 2)])
def test_starts_have_a_symmetry_and_the_search_keeps_it(sizes):
    problem = UFMProblem(class_sizes=sizes, dim=3, tau=1)
    starts = symmetric_starts(problem, np.random.default_rng(0), 12)
    np.testing.assert_allclose(np.square(starts).sum(axis=1), 1.0, atol=2e-13)
    few = find_critical_points(problem, starts, tolerance=1e-30, max_iterations=4)
    assert all(isotropy_order(X, problem.symmetry) > 1 for X in starts)
    # to rounding, which steps through nearly degenerate points amplify
    assert sum(isotropy_order(X, problem.symmetry, tolerance=1e-5) > 1 for X in few.X) >= 10


def test_the_orbit_at_2_298916_is_met_by_some_of_two_hundred():
    """One random start in about 750 ends there."""
    problem = UFMProblem(class_sizes=(1, 1, 1), dim=3, tau=1)
    starts = symmetric_starts(problem, np.random.default_rng(0), 200)
    search = find_critical_points(problem, starts)
    assert (np.abs(problem.cost(search.X[search.converged]) - 2.298916) < 1e-6).sum() >= 3


def test_orders_beyond_any_loop():
    """Cycles of random permutations of 3 times 60 samples have common multiples of many digits."""
    problem = UFMProblem(class_sizes=(60, 60, 60), dim=3, tau=1)
    starts = symmetric_starts(problem, np.random.default_rng(0), 6)
    assert starts.shape == (6, 3, 183)
    gram = np.swapaxes(starts, -1, -2) @ starts
    # columns of one cycle have equal rows of the Gram matrix, up to their order
    rows = np.sort(gram, axis=-1).round(7)
    assert all(len(np.unique(each, axis=0)) < 183 for each in rows)


def test_without_rotations_the_permutation_acts_alone():
    problem = PermutationsOnly(class_sizes=(1, 1, 1), dim=3, tau=1)
    starts = symmetric_starts(problem, np.random.default_rng(0), 5)
    # columns that the permutation moves coincide, so at most two places are left of three classifiers
    assert all(len(np.unique(X[:, :3].round(9), axis=1).T) < 3 for X in starts)


def test_no_permutations_no_starts():
    problem = WithoutSymmetry(class_sizes=(1, 1, 1), dim=3, tau=1)
    assert symmetric_starts(problem, np.random.default_rng(0), 5).shape == (0, 3, 6)
