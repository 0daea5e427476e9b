"""Families move along null directions; isolated orbits, however soft, are one row of their own rank."""

import numpy as np
import pytest
from closed_form_points import random_collapsed_point

from sphereufm import verify_landscape
from sphereufm.landscape.orbits.found import reduced
from sphereufm.landscape.orbits.nonisolated import local_dimension, null_directions
from sphereufm.landscape.orbits.true_rank import at_true_ranks
from sphereufm.landscape.points import CriticalFamily
from sphereufm.problem.theory.theorems import collapsed_point
from sphereufm.problem.ufm import UFMProblem


@pytest.mark.parametrize("dim", [2, 3])
def test_collapsed_classifiers_extend_in_every_null_direction(dim):
    problem = UFMProblem(class_sizes=(2, 2), dim=dim, tau=1)
    X = random_collapsed_point(problem, 0)
    directions = null_directions(problem, X, dim)
    assert len(directions) > 0
    assert local_dimension(problem, X) == len(directions)


def test_null_directions_are_horizontal_and_null():
    problem = UFMProblem(class_sizes=(2, 2), dim=3, tau=1)
    X = random_collapsed_point(problem, 1)
    directions = null_directions(problem, X, 3)
    np.testing.assert_allclose(problem.at(X).hessian_product(directions), 0.0, atol=1e-7)
    # <U, Omega X> = 0 for all skew Omega: U X^T is symmetric
    moments = directions @ X.T
    np.testing.assert_allclose(moments, np.swapaxes(moments, -1, -2), atol=1e-12)


def test_a_nondegenerate_orbit_is_isolated():
    problem = UFMProblem(class_sizes=(2, 2, 2), dim=4, tau=1)
    X = collapsed_point(problem)
    inner = problem.in_dimension(4)
    assert len(null_directions(inner, X, 2)) == 0


# signs of three classifiers and three features whose softest curvature is about exp(-2 tau)
SOFT = ([1, 1, -1, 1, 1, -1], [1, 1, -1, 1, 1, 1])


@pytest.mark.parametrize(("tau", "most"), [(3.0, None), (8.0, None), (12.0, 19), (14.0, None), (16.0, None)])
def test_soft_isolated_orbits_are_one_row_each(tau, most):
    """At ``tau = 12`` a complete list has 19 orbits beside the collapsed family."""
    report = verify_landscape(UFMProblem(class_sizes=(1, 1, 1), dim=2, tau=tau), effort="quick")
    families = [entry for entry in report.critical if isinstance(entry, CriticalFamily)]
    assert [family.name for family in families] == ["collapsed-classifiers"]
    isolated = [entry for entry in report.critical if not isinstance(entry, CriticalFamily)]
    assert most is None or len(isolated) <= most
    assert all(entry.nullity == 0 for entry in isolated)
    costs = sorted(entry.cost for entry in isolated)
    assert (np.diff(costs) > 1e-9 * np.array(costs[1:])).all()


@pytest.mark.parametrize("signs", SOFT)
def test_points_beside_one_of_lower_rank_are_taken_for_it(signs):
    """The softest direction is followed, far enough to be seen and not to what a search would leave."""
    rng = np.random.default_rng(0)
    Z = np.array([signs, [0] * 6], dtype=float)
    for tau in rng.uniform(9.0, 15.0, 6):
        problem = UFMProblem(class_sizes=(1, 1, 1), dim=2, tau=tau)
        for direction in null_directions(problem, Z, 1):
            moved = Z + 10.0 ** rng.uniform(-4.0, -1.5) * direction
            found = reduced(problem, moved[None] / np.linalg.norm(moved, axis=0))
            (meant,) = at_true_ranks(problem, found)
            assert (found[0].rank, meant.rank) == (2, 1)
            assert local_dimension(problem, meant.X) == 0


@pytest.mark.parametrize("seed", range(4))
def test_members_of_a_family_keep_their_ranks_beside_one_of_lower_rank(seed):
    """Equal classifiers are critical with features in pairs ``+-a`` about them, one pair for each class."""
    rng = np.random.default_rng(seed)
    a, b = 10.0 ** rng.uniform(-4.0, -0.7, 2)
    angles = np.array([0.0, 0.0, a, -a, b, -b])
    problem = UFMProblem(class_sizes=(2, 2), dim=2, tau=rng.uniform(1.0, 12.0))
    found = reduced(problem, np.array([[np.cos(angles), np.sin(angles)]]))
    assert [point.rank for point in at_true_ranks(problem, found)] == [2]


def test_the_collapsed_family_of_pairs_of_samples_stays_one_row():
    report = verify_landscape(UFMProblem(class_sizes=(2, 2, 2), dim=2, tau=1.0), effort="quick", starts=8)
    families = [entry for entry in report.critical if isinstance(entry, CriticalFamily)]
    assert [family.name for family in families] == ["collapsed-classifiers"]
    assert families[0].kind.name == "DEGENERATE"


@pytest.mark.parametrize(
    ("apart", "off", "named"), [(1e-4, 0.0, True), (1e-4, 1e-12, False), (1e-2, 0.0, False)]
)
def test_members_near_a_singular_one_are_named_by_their_cost(apart, off, named):
    """A search stops 1e-4 beside singular members, where logits of a sample agree to rounding."""
    problem = UFMProblem(class_sizes=(1, 1, 1, 1), dim=3, tau=1)
    signs = np.array([1.0, -1.0, 1.0, -1.0])
    W = np.stack([np.full(4, np.cos(apart)), np.zeros(4), np.sin(apart) * signs])
    X = np.hstack([W, np.stack([np.cos(signs), np.sin(signs), np.zeros(4)])])
    cost = float(problem.cost(X))
    assert cost == pytest.approx(np.log(4), abs=1e-15)
    assert (problem.family_name(X, cost * (1.0 + off)) is not None) == named


@pytest.mark.parametrize(("tau", "fine"), [(1.0, False), (12.0, False), (18.0, True), (40.0, True)])
def test_pulls_below_rounding_make_no_family(tau, fine):
    # two classifiers coincide: their features feel the third one alone, by exp(-2 tau)
    problem = UFMProblem(class_sizes=(1, 1, 1), dim=2, tau=tau)
    X = np.array([[1, 1, -1, np.cos(0.7), np.cos(0.2), -1], [0, 0, 0, np.sin(0.7), np.sin(0.2), 0]])
    assert problem.pulls_are_rounding(X) is fine
    assert not UFMProblem(class_sizes=(1, 1, 1), dim=2, tau=tau, loss="squared-error").pulls_are_rounding(X)
