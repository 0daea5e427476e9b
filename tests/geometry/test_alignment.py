"""Alignment: recovers drawn group elements, agrees with enumeration, and refuses what is not equivalent."""

from itertools import product

import numpy as np
import pytest
from geometry_examples import (
    SMALL_GROUPS,
    collapsed,
    cyclic_latin_square,
    eigenspace_points,
    latin_square_graph,
    rook_graph,
    shrikhande_graph,
    switched_latin_square,
)
from hypothesis import given
from hypothesis import strategies as st

from sphereufm.errors import InvalidInputError
from sphereufm.geometry.spheres import ProductOfSpheres, column_angles, exponential, normalize
from sphereufm.geometry.symmetry.alignment import align
from sphereufm.geometry.symmetry.groups import ColumnPermutations, SymmetryGroup
from sphereufm.geometry.symmetry.invariants import invariants
from sphereufm.geometry.symmetry.isotropy import isotropy_order
from sphereufm.geometry.symmetry.placements import AlignmentUndecidedError
from sphereufm.problem.ufm import UFMProblem
from sphereufm.testing import brute_force_align, group_elements, points, ufm_problems

seeds = st.integers(0, 2**32 - 1)

# Procrustes knows a direction in which all columns are within t of zero up to an angle of eps / t^2, which moves
# columns by eps / t: with perturbations of 1e-4 that is 2e-12, where columns of size one have 1e-15.
SINGULAR = 1e-11


def check_aligns(X, Y, group, tolerance=1e-6, accuracy=1e-12):
    """There is an alignment, and it is what it says."""
    found = align(X, Y, group, tolerance)
    assert found is not None
    assert group.permutations.contains(found.permutation)
    np.testing.assert_allclose(found.Q.T @ found.Q, np.eye(X.shape[0]), rtol=0, atol=2e-13)
    moved = found.Q @ X[:, found.permutation]
    assert found.distance == pytest.approx(column_angles(moved, Y).max(), abs=2e-13)
    assert found.distance <= accuracy


def transformed(X, group, rng):
    Q, s = group.random_element(rng, X.shape[0])
    return Q @ X[:, s]


@given(st.data())
def test_drawn_group_elements_are_recovered(data):
    """Unequal class sizes, weights, empty classes; low rank, coinciding columns, columns along axes."""
    problem = data.draw(ufm_problems(max_classes=5, max_per_class=4, max_dim=6))
    X = data.draw(points(problem))
    Q, s = data.draw(group_elements(problem.symmetry, problem.dim))
    check_aligns(X, Q @ X[:, s], problem.symmetry)


@given(st.data())
def test_decision_agrees_with_enumeration(data):
    """Independent draws of structured points in the plane are often equivalent and often not."""
    name = data.draw(st.sampled_from(sorted(SMALL_GROUPS)))
    group = SMALL_GROUPS[name]
    rng = np.random.default_rng(data.draw(seeds))
    columns = group.permutations.columns
    corners = data.draw(st.sampled_from([2, 3, 4]))
    angles = 2 * np.pi * rng.integers(corners, size=(2, columns)) / corners
    X, Y = (np.array([np.cos(a), np.sin(a)]) for a in angles)
    best = brute_force_align(X, Y, group).distance
    assert best < 1e-12 or best > 1e-3
    if best < 1e-12:
        check_aligns(X, Y, group)
    else:
        assert align(X, Y, group) is None


def test_enumerated_draws_meet_both_answers():
    """The test above is not vacuous: both answers come often."""
    group = SMALL_GROUPS["one a class"]
    rng = np.random.default_rng(0)
    angles = 2 * np.pi * rng.integers(3, size=(100, 2, 8)) / 3
    answers = [align(*(np.array([np.cos(a), np.sin(a)]) for a in pair), group) is None for pair in angles]
    assert 10 < sum(answers) < 99


@pytest.mark.parametrize("name", sorted(SMALL_GROUPS))
def test_perturbations_of_1e_4_are_distinguished(name):
    """Generic ones, and such that no single column's inner products show to first order."""
    group = SMALL_GROUPS[name]
    rng = np.random.default_rng(1)
    spheres = ProductOfSpheres.oblique(3, group.permutations.columns)
    for _ in range(10):
        X = spheres.random_point(rng)
        Y = exponential(X, 1e-4 * spheres.random_tangent(rng, X))
        Z = transformed(Y, group, rng)
        assert brute_force_align(X, Z, group).distance > 1e-6
        assert align(X, Z, group) is None
        check_aligns(X, Z, group, tolerance=1e-3, accuracy=2e-4)


@pytest.mark.parametrize(("classes", "per_class", "d"), [(3, 2, 3), (10, 5, 11), (4, 3, 3)])
def test_perturbed_collapse_is_distinguished_from_collapse(classes, per_class, d):
    X, group = collapsed(classes, per_class, d)
    rng = np.random.default_rng(2)
    check_aligns(X, transformed(X, group, rng), group)
    for moved in ([0], [classes], [0, classes], list(range(X.shape[1]))):
        Y = X.copy()
        Y[:, moved] += 1e-4 * rng.standard_normal((d, len(moved)))
        Y = normalize(Y)
        assert align(X, transformed(Y, group, rng), group) is None
        # and the perturbed point is recognised as itself; see SINGULAR for the accuracy
        check_aligns(Y, transformed(Y, group, rng), group, accuracy=SINGULAR)


def test_two_perturbations_of_one_symmetric_point_are_distinguished():
    """One sample of class 0 moved by 1e-4, against two samples of class 0 moved by half as much."""
    X, group = collapsed(4, 3, 4)
    Y, Z = X.copy(), X.copy()
    Y[3, 4] += 1e-4
    Z[3, 4:6] += 5e-5
    Y, Z = normalize(Y), normalize(Z)
    assert align(Y, Z, group) is None
    assert align(Z, Y, group) is None
    check_aligns(Z, transformed(Z, group, np.random.default_rng(0)), group)


@pytest.mark.parametrize("orthogonal", [True, False])
@pytest.mark.parametrize("rank", [1, 2, 4])
def test_permutations_outside_the_group_do_not_align(orthogonal, rank):
    """A sample of class 0 trades places with one of class 1; a light sample with a heavy one."""
    problem = UFMProblem(class_sizes=(2, 2), dim=4, tau=1, weights=[1, 2, 1, 2])
    group = SymmetryGroup(orthogonal, problem.symmetry.permutations)
    rng = np.random.default_rng(3)
    X = problem.spheres.random_point(rng)
    X[rank:] = 0.0
    X = normalize(X)
    for swap in ([0, 1, 4, 3, 2, 5], [0, 1, 3, 2, 4, 5], [1, 0, 2, 3, 4, 5]):
        expected = brute_force_align(X, X[:, swap], group)
        if expected.distance > 1e-3:
            assert align(X, X[:, swap], group) is None
        else:
            # on a line different orders can look alike
            assert rank == 1
            check_aligns(X, X[:, swap], group)
    check_aligns(X, X[:, [1, 0, 4, 5, 2, 3]], group)


def test_without_rotations_only_permutations_are_searched():
    group = SymmetryGroup(False, ColumnPermutations.all_columns(5))
    spheres = ProductOfSpheres((3, 3, 2, 3, 2))
    X = spheres.random_point(0)
    found = align(X, X[:, [4, 2, 0, 1, 3]], group)
    np.testing.assert_array_equal(found.Q, np.eye(3))
    np.testing.assert_array_equal(found.permutation, [4, 2, 0, 1, 3])
    assert found.distance == 0.0
    assert align(X, -X, group) is None


def test_in_place_matching_is_by_the_largest_angle_not_by_the_sum():
    """Equally spaced columns moved by 0.6 of a step: everyone to the next is within one step, and is found."""
    angles = 0.1 * np.arange(6)
    X = np.array([np.cos(angles), np.sin(angles)])
    Y = np.array([np.cos(angles + 0.06), np.sin(angles + 0.06)])
    group = SymmetryGroup(False, ColumnPermutations.all_columns(6))
    found = align(X, Y, group, tolerance=0.061)
    assert found.distance == pytest.approx(0.06)
    assert align(X, Y, group, tolerance=0.059) is None


@pytest.mark.parametrize("copies", [1, 5])
@pytest.mark.parametrize("order", [3, 7, 12])
def test_regular_polygons_against_their_reflections_and_rotations(order, copies):
    angles = np.repeat(2 * np.pi * np.arange(order) / order, copies)
    X = np.array([np.cos(angles), np.sin(angles)])
    group = SymmetryGroup.full(order * copies)
    check_aligns(X, transformed(X, group, np.random.default_rng(order)), group)
    # one vertex more often than another: no longer regular
    Y = X.copy()
    Y[:, 0] = X[:, -1]
    assert align(X, Y, group) is None
    check_aligns(Y, transformed(Y, group, np.random.default_rng(order)), group)


@pytest.mark.parametrize("distance", [1e-12, 1e-9, 1e-7])
def test_nearby_points_align_with_the_distance_that_is_left(distance):
    problem = UFMProblem(class_sizes=(3, 2), dim=3, tau=1)
    rng = np.random.default_rng(4)
    X = problem.spheres.random_point(rng)
    Y = exponential(X, distance * problem.spheres.random_tangent(rng, X))
    check_aligns(
        X, transformed(Y, problem.symmetry, rng), problem.symmetry, accuracy=max(2 * distance, 1e-14)
    )


@pytest.mark.parametrize("weak", [1e-1, 1e-2, 1e-3, 1e-4])
def test_weak_directions_decide_too(weak):
    """Almost flat points: the sign pattern of a small last coordinate makes them different."""
    rng = np.random.default_rng(5)
    group = SymmetryGroup.full(6)
    flat = rng.standard_normal((2, 6))
    heights = weak * rng.choice([-1.0, 1.0], size=6)
    X = normalize(np.vstack([flat, heights]))
    Y = X.copy()
    Y[2, 0] *= -1.0
    check_aligns(X, transformed(X, group, rng), group)
    assert brute_force_align(X, Y, group).distance > 1e-5
    assert align(X, Y, group) is None


@pytest.mark.parametrize("which", [0, 1])
def test_strongly_regular_graphs_are_distinguished(which):
    """Same inner products in every row, same invariants: only the search can tell."""
    group = SymmetryGroup.full(16)
    X, Y = (eigenspace_points(graph, which) for graph in (rook_graph(), shrikhande_graph()))
    assert np.abs(invariants(X, group) - invariants(Y, group)).max() < 1e-12
    assert align(X, Y, group) is None
    assert align(Y, X, group) is None
    for Z in (X, Y):
        check_aligns(Z, transformed(Z, group, np.random.default_rng(which)), group)


def test_latin_squares_are_distinguished_and_a_search_cut_short_says_so():
    group = SymmetryGroup.full(36)
    X, Y = (
        eigenspace_points(latin_square_graph(square(6)), 0)
        for square in (cyclic_latin_square, switched_latin_square)
    )
    assert np.abs(invariants(X, group) - invariants(Y, group)).max() < 1e-12
    assert align(X, Y, group) is None
    with pytest.raises(AlignmentUndecidedError, match="work limit"):
        align(X, Y, group, work=20)


def test_blocks_hold_together():
    """Pairs of opposite corners of a cube, against pairs along edges: same columns, other blocks."""
    corners = np.array(list(product((-1.0, 1.0), repeat=3))).T / np.sqrt(3)
    order = {tuple(c): i for i, c in enumerate(np.sign(corners).T.astype(int).tolist())}
    far = [j for c in order if c[0] > 0 for j in (order[c], order[tuple(-np.array(c))])]
    near = [j for c in order if c[0] > 0 for j in (order[c], order[(-c[0], c[1], c[2])])]
    pairs = tuple(((2 * b, 2 * b + 1),) for b in range(4))
    group = SymmetryGroup(True, ColumnPermutations(pairs, ("pair",) * 4))
    X, Y = corners[:, far], corners[:, near]
    assert align(X, Y, group) is None
    assert align(X, Y, SymmetryGroup.full(8)) is not None
    for Z in (X, Y):
        check_aligns(Z, transformed(Z, group, np.random.default_rng(0)), group)


def test_collapsed_classifiers_with_many_coinciding_blocks():
    """W = w 1^T, and all samples at few places: classes coincide, and no factorial search follows."""
    problem = UFMProblem(class_sizes=(6,) * 12, dim=5, tau=1)
    rng = np.random.default_rng(6)
    X = problem.spheres.random_point(rng)
    X[:, :12] = X[:, :1]
    X[:, 12:] = X[:, rng.integers(12, 15, size=72)]
    check_aligns(X, transformed(X, problem.symmetry, rng), problem.symmetry)
    Y = X.copy()
    Y[:, 20] = X[:, 13] if not np.array_equal(X[:, 20], X[:, 13]) else X[:, 12]
    assert align(X, Y, problem.symmetry) is None


def test_large_points():
    problem = UFMProblem(class_sizes=(19,) * 50, dim=20, tau=1)
    rng = np.random.default_rng(7)
    for rank in (20, 3):
        X = problem.spheres.random_point(rng)
        X[rank:] = 0.0
        X = normalize(X)
        check_aligns(X, transformed(X, problem.symmetry, rng), problem.symmetry)


def test_inputs_are_left_alone():
    X = ProductOfSpheres.oblique(3, 4).random_point(0)
    Y = X[:, ::-1].copy()
    kept = X.copy(), Y.copy()
    align(X, Y, SymmetryGroup.full(4))
    np.testing.assert_array_equal(X, kept[0])
    np.testing.assert_array_equal(Y, kept[1])


@pytest.mark.parametrize(
    ("X", "Y", "tolerance"),
    [
        (np.eye(3), np.eye(3)[:2], 1e-6),
        (np.eye(2), np.eye(2), 1e-6),
        (np.eye(3) * np.nan, np.eye(3), 1e-6),
        (np.eye(3), np.eye(3), 0.0),
        (np.eye(3), np.eye(3), np.nan),
        (np.eye(3), np.eye(3), 0.3),
        (2.0 * np.eye(3), np.eye(3), 1e-6),
        (np.eye(3), np.zeros((3, 3)), 1e-6),
        (np.eye(3)[None], np.eye(3)[None], 1e-6),
        (np.empty((0, 3)), np.empty((0, 3)), 1e-6),
    ],
)
def test_bad_input_is_refused(X, Y, tolerance):
    with pytest.raises(InvalidInputError):
        align(X, Y, SymmetryGroup.full(3), tolerance)
    if X.shape == Y.shape and not np.array_equal(X, np.eye(3)):
        with pytest.raises(InvalidInputError):
            isotropy_order(X, SymmetryGroup.full(3), tolerance)


@given(st.data())
def test_answers_near_the_tolerance_are_on_the_safe_side(data):
    """What is returned is within the tolerance; what is well within the tolerance is returned."""
    problem = data.draw(ufm_problems(max_classes=3, max_per_class=2, max_dim=4))
    X = data.draw(points(problem))
    rng = np.random.default_rng(data.draw(seeds))
    moved = 10.0 ** data.draw(st.floats(-9.0, -3.0)) * problem.spheres.random_tangent(rng, X)
    Y = transformed(exponential(X, moved), problem.symmetry, rng)
    found = align(X, Y, problem.symmetry, tolerance=1e-5)
    nearest = brute_force_align(X, Y, problem.symmetry).distance
    if found is not None:
        assert column_angles(found.Q @ X[:, found.permutation], Y).max() <= 1e-5
    else:
        # least squares and largest angle differ by at most the root of the number of columns
        assert nearest > 1e-5 / np.sqrt(X.shape[1])
