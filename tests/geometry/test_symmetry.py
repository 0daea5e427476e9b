"""Permutation groups by enumeration; orbits and their tangent spaces by linear algebra on skew matrices."""

import numpy as np
import pytest
from geometry_examples import SMALL_GROUPS
from hypothesis import given
from hypothesis import strategies as st

from sphereufm.errors import InvalidInputError
from sphereufm.geometry.spheres import ProductOfSpheres
from sphereufm.geometry.symmetry.groups import (
    ColumnPermutations,
    OrbitTangent,
    SymmetryGroup,
    numerical_rank,
    orbit_dimension,
    principal_frame,
    vertical_basis,
)
from sphereufm.problem.ufm import UFMProblem
from sphereufm.testing import group_elements, group_permutations, points, ufm_problems

groups = pytest.mark.parametrize("group", SMALL_GROUPS.values(), ids=SMALL_GROUPS.keys())


def skew_images(X):
    """All ``Omega X`` for the standard basis of skew matrices, one a row."""
    d = X.shape[0]
    rows = []
    for a in range(d):
        for b in range(a):
            omega = np.zeros((d, d))
            omega[a, b], omega[b, a] = 1.0, -1.0
            rows.append((omega @ X).ravel())
    return np.array(rows).reshape(-1, X.size)


@groups
def test_order_counts_the_group(group):
    members = {tuple(s) for s in group_permutations(group.permutations)}
    assert len(members) == group.permutations.order


@groups
def test_contains_is_membership_and_the_members_form_a_group(group):
    columns = group.permutations.columns
    members = {tuple(s) for s in group_permutations(group.permutations)}
    rng = np.random.default_rng(0)
    for s in [*(rng.permutation(columns) for _ in range(200)), *map(np.array, sorted(members)[:50])]:
        assert group.permutations.contains(s) == (tuple(s) in members)
    some = sorted(members)[:: max(1, len(members) // 10)]
    for s in some:
        assert tuple(np.argsort(s)) in members
        assert all(tuple(np.array(s)[list(t)]) in members for t in some)


@groups
def test_random_elements_are_members_and_all_of_them_come(group):
    rng = np.random.default_rng(1)
    members = {tuple(s) for s in group_permutations(group.permutations)}
    drawn = {tuple(group.permutations.random(rng)) for _ in range(20 * len(members))}
    # each is missed with probability exp(-20)
    assert drawn == members


@pytest.mark.parametrize("s", [[0, 0, 1, 2], [0, 1, 2], [0, 1, 2, 4]])
def test_what_is_no_permutation_is_no_member(s):
    assert not ColumnPermutations.all_columns(4).contains(np.array(s))


def test_only_allowed_permutations_leave_the_cost_unchanged():
    """Weights and class sizes decide; checked on the cost itself at a generic point, for all 5040 orderings."""
    problem = UFMProblem(class_sizes=(2, 2, 0), dim=3, tau=2, weights=[1, 2, 2, 1])
    X = problem.spheres.random_point(0)
    every = np.array([s for s in group_permutations(ColumnPermutations.all_columns(7))])
    costs = problem.cost(X.T[every].transpose(0, 2, 1))
    same = np.abs(costs - problem.cost(X)) < 1e-12
    allowed = {tuple(s) for s in group_permutations(problem.symmetry.permutations)}
    assert {tuple(s) for s in every[same]} == allowed


@given(st.data())
def test_group_elements_leave_cost_and_gradient_norm_unchanged(data):
    problem = data.draw(ufm_problems())
    X = data.draw(points(problem))
    Q, s = data.draw(group_elements(problem.symmetry, problem.dim))
    np.testing.assert_allclose(Q.T @ Q, np.eye(problem.dim), rtol=0, atol=2e-13)
    here, there = problem.at(X), problem.at(Q @ X[:, s])
    np.testing.assert_allclose(there.cost, here.cost, rtol=1e-12)
    scale = here.gradient_scale.max()
    np.testing.assert_allclose(there.gradient, Q @ here.gradient[:, s], rtol=0, atol=2e-13 * scale)


@given(st.data())
def test_vertical_basis_spans_the_images_of_skew_matrices(data):
    problem = data.draw(ufm_problems())
    X = data.draw(points(problem))
    rank = numerical_rank(X)
    basis = vertical_basis(X).reshape(-1, X.size)
    images = skew_images(X)
    assert len(basis) == orbit_dimension(rank, X.shape[0])
    np.testing.assert_allclose(basis @ basis.T, np.eye(len(basis)), rtol=0, atol=2e-13)
    # the images lie in the span, and there are not more basis vectors than independent images
    np.testing.assert_allclose(images - images @ basis.T @ basis, 0.0, rtol=0, atol=1e-12)
    sizes = np.linalg.svd(images, compute_uv=False) if images.size else np.zeros(0)
    assert (sizes > 1e-10).sum() == len(basis)


@pytest.mark.parametrize(("rank", "d"), [(1, 1), (1, 4), (2, 4), (3, 4), (4, 4), (2, 2), (5, 7)])
def test_orbit_dimension_is_the_rank_of_the_skew_images(rank, d):
    X = np.zeros((d, 9))
    X[:rank] = np.random.default_rng(rank).standard_normal((rank, 9))
    X /= np.linalg.norm(X, axis=0)
    images = skew_images(X)
    assert orbit_dimension(rank, d) == (np.linalg.matrix_rank(images) if images.size else 0)


@given(st.data())
def test_vertical_and_horizontal_parts_are_the_orthogonal_splitting(data):
    problem = data.draw(ufm_problems())
    X = data.draw(points(problem))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    U = rng.standard_normal((2, *X.shape))
    basis = vertical_basis(X).reshape(-1, X.size)
    expected = (U.reshape(2, -1) @ basis.T @ basis).reshape(U.shape)
    np.testing.assert_allclose(OrbitTangent(X).vertical(U), expected, rtol=0, atol=1e-12)
    # the normal equations: V X^T is symmetric for a horizontal V
    for V in U - OrbitTangent(X).vertical(U):
        np.testing.assert_allclose(V @ X.T, X @ V.T, rtol=0, atol=1e-12)


@given(st.data())
def test_gradient_is_horizontal(data):
    """A cost that O(d) leaves unchanged has no slope along its orbits."""
    problem = data.draw(ufm_problems())
    X = data.draw(points(problem))
    point = problem.at(X)
    scale = float(point.gradient_scale.max())
    np.testing.assert_allclose(OrbitTangent(X).vertical(point.gradient), 0.0, rtol=0, atol=2e-13 * scale)


@given(st.data())
def test_principal_frame_is_the_same_configuration(data):
    X = data.draw(points(data.draw(ufm_problems())))
    rank = numerical_rank(X)
    Y = principal_frame(X, rank)
    assert Y.shape == (rank, X.shape[1])
    np.testing.assert_allclose(Y.T @ Y, X.T @ X, rtol=0, atol=1e-12)
    sigma = np.linalg.norm(Y, axis=1)
    assert (np.diff(sigma) <= 1e-12).all()
    np.testing.assert_allclose(Y @ Y.T, np.diag(sigma**2), rtol=0, atol=1e-12)


def test_principal_frame_of_a_rotated_point_is_equal_where_singular_values_are_simple():
    X = ProductOfSpheres.oblique(3, 6).random_point(1)
    Q, _ = SymmetryGroup.rotations(6).random_element(np.random.default_rng(0), 3)
    np.testing.assert_allclose(principal_frame(Q @ X, 3), principal_frame(X, 3), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("small", "rank"), [(1e-5, 2), (1e-7, 1), (0.0, 1)])
def test_rank_threshold(small, rank):
    assert numerical_rank(np.array([[1.0, 1.0], [small, -small]])) == rank


@pytest.mark.parametrize(
    ("blocks", "kinds"),
    [
        ((((0,), (1,)), ((2,),)), ("a", "a")),
        ((((0, 1),), ((1, 2),)), (0, 1)),
        ((((0, 2),),), (0,)),
        ((((0,),), ((1,),)), (0,)),
        ((), ()),
    ],
)
def test_malformed_groups_are_refused(blocks, kinds):
    with pytest.raises(InvalidInputError):
        ColumnPermutations(blocks, kinds)
