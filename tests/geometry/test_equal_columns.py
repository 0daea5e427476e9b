"""Columns that coincide are looked at once; nothing that is computed from them depends on that."""

import numpy as np
import pytest
from geometry_examples import SMALL_GROUPS

import sphereufm.geometry.symmetry.invariants as module
from sphereufm.geometry.spheres import ProductOfSpheres
from sphereufm.geometry.symmetry.alignment import align
from sphereufm.geometry.symmetry.groups import SymmetryGroup, is_rotation_of
from sphereufm.geometry.symmetry.invariants import Columns, canonical_orders, column_profiles, invariants
from sphereufm.geometry.symmetry.isotropy import isotropy_order
from sphereufm.geometry.symmetry.matching import assigned, position_labels
from sphereufm.problem.ufm import UFMProblem

GROUPS = {
    **SMALL_GROUPS,
    "many samples": UFMProblem(class_sizes=(5, 5, 5), dim=3, tau=1).symmetry,
    "many columns": SymmetryGroup.full(12),
}
groups = pytest.mark.parametrize("group", GROUPS.values(), ids=GROUPS.keys())


def repeated_points(group, d, count, rng):
    """Points whose columns are at two places a cell kind, or anywhere."""
    permutations = group.permutations
    for _ in range(count):
        places = ProductOfSpheres.oblique(d, 2 * permutations.columns).random_point(rng)
        chosen = 2 * permutations.cell_kind + rng.integers(2, size=permutations.columns)
        alone = rng.random(permutations.columns) < 0.2
        chosen[alone] = permutations.columns + np.flatnonzero(alone)
        yield places[:, chosen]


@groups
def test_distinct_columns_give_the_numbers_of_all(group, monkeypatch):
    points = np.array(list(repeated_points(group, 3, 6, np.random.default_rng(0))))
    permutations = group.permutations

    def results():
        labels = np.array([position_labels(X, permutations, 1e-6) for X in points])
        together = labels[:, :, None] == labels[:, None, :]
        orders = [isotropy_order(X, group) for X in points]
        return column_profiles(points, group), invariants(points, group), together, orders

    every = results()
    assert Columns.distinct(points[0], permutations).first.size == permutations.columns
    monkeypatch.setattr(module, "_MANY_COLUMNS", 1)
    for ours, theirs in zip(results(), every, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-13)


@groups
def test_images_of_points_with_equal_columns_are_known_again(group, monkeypatch):
    monkeypatch.setattr(module, "_MANY_COLUMNS", 1)
    rng = np.random.default_rng(1)
    for X in repeated_points(group, 3, 6, rng):
        Q, s = group.random_element(rng, 3)
        Y = Q @ X[:, s]
        assert align(X, Y, group) is not None
        a, b = (Z[:, canonical_orders(Z[None], group)[0]] for Z in (X, Y))
        proper = group.is_proper
        assert is_rotation_of(a, b, 1e-9, proper=proper) if group.has_rotations else np.allclose(a, b)
        other = X.copy()
        other[:, 0] = ProductOfSpheres.oblique(3, 1).random_point(rng)[:, 0]
        assert align(X, other, group) is None


def test_distinct_columns_stand_for_equal_ones_of_their_cell():
    group = UFMProblem(class_sizes=(60, 60), dim=3, tau=1).symmetry
    (X,) = repeated_points(group, 3, 1, np.random.default_rng(2))
    columns = Columns.distinct(X, group.permutations)
    assert columns.first.size < 60
    np.testing.assert_array_equal(X[:, columns.first][:, columns.label], X)
    cells = group.permutations.cell_of
    np.testing.assert_array_equal(cells[columns.first][columns.label], cells)
    np.testing.assert_array_equal(columns.copies, np.bincount(columns.label))


def test_assignments_have_the_least_sum():
    from scipy.optimize import linear_sum_assignment

    rng = np.random.default_rng(2)
    for _ in range(300):
        places = rng.random((3, 2))[rng.integers(3, size=6)]
        near = places[rng.permutation(6)] + 1e-9 * rng.random((6, 2))
        for cost in (
            rng.integers(4, size=(6, 6)).astype(float),
            np.square(near[:, None] - places).sum(axis=-1),
        ):
            least = cost[linear_sum_assignment(cost)].sum()
            assert abs(cost[np.arange(6), assigned(cost)].sum() - least) <= 1e-15
