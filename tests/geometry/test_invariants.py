"""Invariants: equal on orbits, Lipschitz, and different for what they should separate."""

import numpy as np
import pytest
from geometry_examples import SMALL_GROUPS, collapsed
from hypothesis import given
from hypothesis import strategies as st

from sphereufm.errors import InvalidInputError
from sphereufm.geometry.spheres import ProductOfSpheres, column_angles, exponential
from sphereufm.geometry.symmetry.groups import ColumnPermutations, SymmetryGroup
from sphereufm.geometry.symmetry.invariants import canonical_key, column_profiles, invariants
from sphereufm.testing import brute_force_align, group_elements, points, ufm_problems

groups = pytest.mark.parametrize("group", SMALL_GROUPS.values(), ids=SMALL_GROUPS.keys())


@given(st.data())
def test_invariants_and_profiles_follow_the_group(data):
    problem = data.draw(ufm_problems())
    X = data.draw(points(problem))
    Q, s = data.draw(group_elements(problem.symmetry, problem.dim))
    Y = Q @ X[:, s]
    np.testing.assert_allclose(
        invariants(Y, problem.symmetry), invariants(X, problem.symmetry), rtol=0, atol=2e-13
    )
    profiles = column_profiles(X, problem.symmetry)
    np.testing.assert_allclose(column_profiles(Y, problem.symmetry), profiles[:, s], rtol=0, atol=2e-13)


@groups
def test_invariants_of_every_group(group):
    d, M = 3, group.permutations.columns
    rng = np.random.default_rng(0)
    X = ProductOfSpheres.oblique(d, M).random_point(rng)
    for _ in range(10):
        Q, s = group.random_element(rng, d)
        np.testing.assert_allclose(invariants(Q @ X[:, s], group), invariants(X, group), rtol=0, atol=2e-13)


@given(st.data())
def test_invariants_change_by_at_most_the_largest_angle(data):
    group = SMALL_GROUPS[data.draw(st.sampled_from(sorted(SMALL_GROUPS)))]
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    spheres = ProductOfSpheres.oblique(data.draw(st.integers(2, 6)), group.permutations.columns)
    X = spheres.random_point(rng)
    Y = exponential(X, 10.0 ** data.draw(st.floats(-8.0, 0.0)) * spheres.random_tangent(rng, X))
    largest = column_angles(X, Y).max()
    for change in (
        invariants(X, group) - invariants(Y, group),
        column_profiles(X, group) - column_profiles(Y, group),
    ):
        assert np.abs(change).max() <= largest + 2e-13


@groups
def test_generic_perturbations_are_seen(group):
    """Two points 1e-5 apart have invariants that differ by far more than rounding."""
    rng = np.random.default_rng(1)
    spheres = ProductOfSpheres.oblique(3, group.permutations.columns)
    for _ in range(20):
        X = spheres.random_point(rng)
        Y = exponential(X, 1e-5 * spheres.random_tangent(rng, X))
        assert np.abs(invariants(X, group) - invariants(Y, group)).max() > 1e-7


def test_permutations_outside_the_group_are_seen():
    """Samples that change their class; classes that change their samples; weights that change places."""
    rng = np.random.default_rng(2)
    for group in SMALL_GROUPS.values():
        spheres = ProductOfSpheres.oblique(3, group.permutations.columns)
        X = spheres.random_point(rng)
        outside = [
            s
            for s in (rng.permutation(spheres.shape[1]) for _ in range(20))
            if not group.permutations.contains(s)
        ]
        for s in outside:
            assert np.abs(invariants(X, group) - invariants(X[:, s], group)).max() > 1e-4


def test_without_rotations_a_rotated_point_is_another_point():
    group = SymmetryGroup(False, ColumnPermutations.all_columns(4))
    rng = np.random.default_rng(3)
    for d in (2, 4, 7):
        X = ProductOfSpheres.oblique(d, 4).random_point(rng)
        Q = np.linalg.qr(rng.standard_normal((d, d)))[0]
        assert np.abs(invariants(X, group) - invariants(Q @ X, group)).max() > 1e-3
        rotations = SymmetryGroup.full(4)
        np.testing.assert_allclose(invariants(X, rotations), invariants(Q @ X, rotations), rtol=0, atol=2e-13)


def test_rows_of_zeros_change_nothing():
    X, group = collapsed(3, 2, 3)
    padded = np.vstack([X, np.zeros((4, X.shape[1]))])
    np.testing.assert_allclose(invariants(padded, group), invariants(X, group), rtol=0, atol=2e-13)
    assert canonical_key(padded, group) == canonical_key(X, group)


@given(st.data())
def test_key_is_equal_for_equivalent_points(data):
    """Derandomised draws: none of them comes within rounding of the edge of a bucket."""
    problem = data.draw(ufm_problems())
    X = data.draw(points(problem))
    Q, s = data.draw(group_elements(problem.symmetry, problem.dim))
    assert canonical_key(Q @ X[:, s], problem.symmetry) == canonical_key(X, problem.symmetry)


@pytest.mark.parametrize("decimals", [1, 3, 6, 9])
def test_key_of_exactly_symmetric_points_is_off_the_edges(decimals):
    """Points whose invariants are simple fractions: rounding noise of either sign stays in the bucket."""
    rng = np.random.default_rng(4)
    cross = np.hstack([np.eye(3), -np.eye(3)])
    for X, group in [collapsed(3, 2, 3), collapsed(5, 1, 4), (cross, SymmetryGroup.full(6))]:
        noisy = [X + 1e-15 * rng.standard_normal(X.shape) for _ in range(20)]
        assert {canonical_key(Y, group, decimals) for Y in noisy} == {canonical_key(X, group, decimals)}


def test_key_has_the_resolution_that_was_asked_for():
    group = SMALL_GROUPS["balanced"]
    rng = np.random.default_rng(5)
    spheres = ProductOfSpheres.oblique(3, group.permutations.columns)
    X = spheres.random_point(rng)
    Y = exponential(X, 1e-5 * spheres.random_tangent(rng, X))
    assert canonical_key(X, group, 6) != canonical_key(Y, group, 6)
    assert canonical_key(X, group, 1) == canonical_key(Y, group, 1)
    assert all(isinstance(bucket, int) for bucket in canonical_key(X, group))


def test_different_invariants_prove_different_orbits():
    """What the Lipschitz bound promises, against the best of all group elements."""
    rng = np.random.default_rng(6)
    for name in ("balanced", "unequal sizes", "weights", "all"):
        group = SMALL_GROUPS[name]
        spheres = ProductOfSpheres.oblique(3, group.permutations.columns)
        for scale in (1e-6, 1e-2, 1.0):
            X = spheres.random_point(rng)
            Y = exponential(X, scale * spheres.random_tangent(rng, X))[:, group.permutations.random(rng)]
            apart = np.abs(invariants(X, group) - invariants(Y, group)).max()
            assert apart <= brute_force_align(X, Y, group).distance + 2e-13


@pytest.mark.parametrize("X", [np.zeros((2, 3)) * np.nan, np.ones((2, 4)), np.ones(3), "text"])
def test_bad_points_are_refused(X):
    with pytest.raises(InvalidInputError):
        invariants(X, SymmetryGroup.full(3))


@pytest.mark.parametrize("decimals", [0, 1.5, -3])
def test_bad_decimals_are_refused(decimals):
    with pytest.raises(InvalidInputError, match="decimals"):
        canonical_key(np.eye(2), SymmetryGroup.full(2), decimals)
