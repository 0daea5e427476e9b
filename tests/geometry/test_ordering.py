"""The canonical order: a permutation of the group, and equal up to rotation on almost every orbit."""

import numpy as np
import pytest
from geometry_examples import SMALL_GROUPS, collapsed, eigenspace_points, rook_graph

from sphereufm.geometry.spheres import ProductOfSpheres
from sphereufm.geometry.symmetry.groups import SymmetryGroup, is_rotation_of
from sphereufm.geometry.symmetry.invariants import canonical_orders

groups = pytest.mark.parametrize("group", SMALL_GROUPS.values(), ids=SMALL_GROUPS.keys())


def orbit(X, group, count, rng):
    """Random images of one point."""
    pairs = [group.random_element(rng, X.shape[0]) for _ in range(count)]
    return np.array([Q @ X[:, s] for Q, s in pairs])


def ordered(points, group):
    """Points in their canonical order, which must be a permutation of the group."""
    orders = canonical_orders(points, group)
    assert all(group.permutations.contains(s) for s in orders)
    return [X[:, s] for X, s in zip(points, orders, strict=True)]


@groups
@pytest.mark.parametrize("d", [2, 3, 5])
def test_images_of_a_generic_point_agree_once_ordered(group, d):
    rng = np.random.default_rng(d)
    X = ProductOfSpheres.oblique(d, group.permutations.columns).random_point(rng)
    first, *others = ordered(orbit(X, group, 12, rng), group)
    for other in others:
        proper = group.is_proper
        assert (
            is_rotation_of(other, first, 1e-9, proper=proper)
            if group.has_rotations
            else np.allclose(other, first)
        )


@pytest.mark.parametrize(
    ("X", "group"),
    [collapsed(4, 3, 5), collapsed(5, 1, 4), (eigenspace_points(rook_graph(), 1), SymmetryGroup.full(16))],
)
def test_images_of_symmetric_points_agree_too(X, group):
    first, *others = ordered(orbit(X, group, 12, np.random.default_rng(0)), group)
    assert all(is_rotation_of(other, first, 1e-9) for other in others)


@groups
def test_other_points_are_not_taken_for_images(group):
    rng = np.random.default_rng(1)
    X, Y = ProductOfSpheres.oblique(3, group.permutations.columns).random_point(rng, (2,))
    assert not is_rotation_of(*ordered(np.array([X, Y]), group), 1e-3)


def test_a_rotation_is_found_or_not():
    rng = np.random.default_rng(0)
    X = ProductOfSpheres.oblique(3, 6).random_point(rng)
    Q = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    assert is_rotation_of(X, Q @ X, 1e-12)
    Y = Q @ X
    Y[:, 2] *= -1.0
    assert not is_rotation_of(X, Y, 0.1)
