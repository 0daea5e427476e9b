"""Isotropy orders against enumeration, and against groups whose orders are known."""

import numpy as np
import pytest
from geometry_examples import (
    SMALL_GROUPS,
    collapsed,
    eigenspace_points,
    polytopes,
    rook_graph,
    shrikhande_graph,
)
from hypothesis import given
from hypothesis import strategies as st

from sphereufm.geometry.spheres import ProductOfSpheres
from sphereufm.geometry.symmetry.groups import ColumnPermutations, SymmetryGroup
from sphereufm.geometry.symmetry.isotropy import isotropy_order
from sphereufm.testing import brute_force_isotropy_order, group_elements, points, ufm_problems


@given(st.data())
def test_order_agrees_with_enumeration_in_the_plane(data):
    """Corners of a polygon, drawn with repetition: many symmetries, many coincidences."""
    group = SMALL_GROUPS[data.draw(st.sampled_from(sorted(SMALL_GROUPS)))]
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    corners = data.draw(st.integers(1, 6))
    angles = 2 * np.pi * rng.integers(corners, size=group.permutations.columns) / corners
    X = np.array([np.cos(angles), np.sin(angles)])
    expected = brute_force_isotropy_order(X, group)
    assert isotropy_order(X, group) == expected
    assert group.permutations.order % expected == 0


@given(st.data())
def test_order_agrees_with_enumeration_for_drawn_points(data):
    problem = data.draw(ufm_problems(max_classes=3, max_per_class=2))
    X = data.draw(points(problem))
    assert isotropy_order(X, problem.symmetry) == brute_force_isotropy_order(X, problem.symmetry)


@given(st.data())
def test_order_is_the_same_along_an_orbit(data):
    problem = data.draw(ufm_problems(max_classes=5, max_per_class=4))
    X = data.draw(points(problem))
    Q, s = data.draw(group_elements(problem.symmetry, problem.dim))
    assert isotropy_order(Q @ X[:, s], problem.symmetry) == isotropy_order(X, problem.symmetry)


@pytest.mark.parametrize("name", sorted(polytopes()))
def test_symmetry_groups_of_polytopes(name):
    vertices, order = polytopes()[name]
    X = vertices / np.linalg.norm(vertices, axis=0)
    Q = np.linalg.qr(np.random.default_rng(0).standard_normal((len(X), len(X))))[0]
    assert isotropy_order(Q @ X, SymmetryGroup.full(X.shape[1])) == order
    # each of them has a mirror: half of its symmetries are rotations
    if len(X) < 8:
        assert isotropy_order(Q @ X, SymmetryGroup.full(X.shape[1], reflections=False)) == order // 2


@pytest.mark.parametrize("which", [0, 1])
def test_automorphism_groups_of_graphs(which):
    group = SymmetryGroup.full(16)
    assert isotropy_order(eigenspace_points(rook_graph(), which), group) == 1152
    assert isotropy_order(eigenspace_points(shrikhande_graph(), which), group) == 192


@pytest.mark.parametrize(("classes", "per_class", "d"), [(3, 1, 3), (3, 2, 2), (10, 5, 11), (6, 40, 5)])
def test_collapse_is_fixed_by_the_whole_group(classes, per_class, d):
    X, group = collapsed(classes, per_class, d)
    assert isotropy_order(X, group) == group.permutations.order


def test_generic_points_have_no_isotropy():
    for group in SMALL_GROUPS.values():
        X = ProductOfSpheres.oblique(3, group.permutations.columns).random_point(0)
        assert isotropy_order(X, group) == 1


def test_coinciding_blocks_count_by_factorials():
    """Four equal classes of three samples, two of which agree: 4! (2!)^4 permutations move nothing."""
    group = SymmetryGroup(
        True,
        ColumnPermutations(tuple(((k,), (4 + 3 * k, 5 + 3 * k, 6 + 3 * k)) for k in range(4)), ("c",) * 4),
    )
    W, a, b = ProductOfSpheres.oblique(4, 3).random_point(0).T
    X = np.array([W] * 4 + [a, a, b] * 4).T
    assert isotropy_order(X, group) == 24 * 2**4


def test_without_rotations_only_coincidences_count():
    square = np.array([[1.0, 0, -1, 0], [0, 1, 0, -1]])
    in_place = SymmetryGroup(False, ColumnPermutations.all_columns(4))
    assert isotropy_order(square, in_place) == 1
    assert isotropy_order(square[:, [0, 0, 0, 1]], in_place) == 6


def test_a_perturbation_breaks_the_symmetry_it_should():
    """Of a square's eight symmetries: a corner moved along the circle, and a corner moved out of the plane."""
    square = np.array([[1.0, 0, -1, 0], [0, 1, 0, -1], [0, 0, 0, 0]])
    group = SymmetryGroup.full(4)
    along, out = square.copy(), square.copy()
    along[:, 0] = [np.cos(1e-4), np.sin(1e-4), 0.0]
    out[:, 0] = [np.cos(1e-4), 0.0, np.sin(1e-4)]
    # four different gaps keep nothing; the other keeps the exchanges of both pairs of opposite corners
    assert isotropy_order(along, group) == brute_force_isotropy_order(along, group) == 1
    assert isotropy_order(out, group) == brute_force_isotropy_order(out, group) == 4
    assert isotropy_order(out, group, tolerance=1e-3) == 8
