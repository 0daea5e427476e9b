"""The public oracles see what is wrong, and the strategies draw what they promise."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from sphereufm.errors import InvalidInputError
from sphereufm.geometry.spheres import ProductOfSpheres, column_norms, exponential
from sphereufm.geometry.symmetry.groups import ColumnPermutations, SymmetryGroup, numerical_rank
from sphereufm.problem.ufm import UFMProblem
from sphereufm.testing import (
    brute_force_align,
    group_elements,
    group_permutations,
    orthogonal_matrices,
    points,
    tangents,
    taus,
    ufm_problems,
)

# points ask a problem for its spheres alone
PADDED = SimpleNamespace(spheres=ProductOfSpheres((3, 2, 4)))


def observed_order(errors, noise):
    """Median slope of the three smallest halvings of the step whose errors stand above the noise, or infinity."""
    clear = errors > 100.0 * noise
    smallest = np.flatnonzero(clear[:-1] & clear[1:])[-3:]
    return np.median(np.log2(errors[smallest] / errors[smallest + 1])) if smallest.size else np.inf


@given(st.data())
def test_cross_entropy_derivatives_along_geodesics(data):
    """Central differences approach both derivatives with an error of order two in the step."""
    problem = data.draw(ufm_problems())
    X = data.draw(points(problem))
    U = data.draw(tangents(problem, X))
    point, t = problem.at(X), 2.0 ** -np.arange(2, 20)
    stack = np.broadcast_to(X, (t.size, *X.shape))
    ahead, behind = (problem.at(exponential(stack, s * t[:, None, None] * U)).cost for s in (1.0, -1.0))
    noise = np.finfo(float).eps * np.maximum(ahead, behind)
    first = np.abs((ahead - behind) / (2.0 * t) - (point.gradient * U).sum())
    second = np.abs((ahead - 2.0 * point.cost + behind) / t**2 - (U * point.hessian_product(U)).sum())
    # infinite where differences agree at every step; larger than two where the next derivative vanishes
    assert observed_order(first, noise / t) > 1.8
    assert observed_order(second, 4.0 * noise / t**2) > 1.8


def test_large_groups_are_not_enumerated():
    with pytest.raises(InvalidInputError, match="50000"):
        next(group_permutations(ColumnPermutations.all_columns(9)))


def test_brute_force_finds_the_best_element():
    X = ProductOfSpheres.oblique(2, 4).random_point(0)
    Q, s = SymmetryGroup.full(4).random_element(np.random.default_rng(1), 2)
    found = brute_force_align(X, Q @ X[:, s], SymmetryGroup.full(4))
    np.testing.assert_array_equal(found.permutation, s)
    np.testing.assert_allclose(found.Q, Q, rtol=0, atol=2e-13)
    assert found.distance < 2e-13
    with pytest.raises(AttributeError):
        found.distance = 0.0
    assert replace(found, distance=1.0).distance == 1.0


@pytest.mark.parametrize(
    ("balanced", "weighted"), [(True, False), (False, True), (True, True), (False, False)]
)
def test_problems_are_as_asked(balanced, weighted):
    @settings(max_examples=30)
    @given(ufm_problems(3, 4, 2, balanced=balanced, weighted=weighted))
    def check(problem):
        sizes = problem.class_sizes
        assert len(sizes) in (2, 3)
        assert max(sizes) <= 4
        assert problem.dim in (1, 2)
        assert (len(set(sizes)) == 1) == balanced
        if not weighted:
            assert problem.exact_weights is None

    check()
    some = find(ufm_problems(weighted=True), lambda problem: problem.exact_weights is not None)
    assert not some.is_balanced


@pytest.mark.parametrize(
    "wanted",
    [
        lambda X: numerical_rank(X) == 1,
        lambda X: numerical_rank(X) == 3,
        lambda X: (X == -1.0).any(),
        lambda X: len(np.unique(X.round(12), axis=1).T) < X.shape[1],
    ],
    ids=["rank one", "full rank", "negative axis", "coinciding columns"],
)
def test_points_of_each_structure_are_drawn(wanted):
    problem = UFMProblem(class_sizes=(2, 1), dim=3, tau=1)
    assert wanted(find(points(problem), wanted))


@given(st.data())
def test_points_lie_on_their_spheres(data):
    problem = data.draw(st.sampled_from([PADDED, UFMProblem(class_sizes=(2, 2), dim=4, tau=1)]))
    X = data.draw(points(problem))
    assert X.shape == problem.spheres.shape
    np.testing.assert_allclose(column_norms(X), 1.0, rtol=0, atol=2e-13)
    assert not X[~problem.spheres.mask].any()


@given(st.integers(1, 5).flatmap(orthogonal_matrices))
def test_orthogonal_matrices_are_orthogonal(Q):
    np.testing.assert_allclose(Q.T @ Q, np.eye(len(Q)), rtol=0, atol=2e-13)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_both_components_of_the_group_are_drawn(sign):
    assert np.linalg.det(find(orthogonal_matrices(3), lambda Q: np.linalg.det(Q) * sign > 0)) * sign > 0


@given(st.data())
def test_group_elements_belong_to_their_group(data):
    problem = data.draw(ufm_problems())
    Q, s = data.draw(group_elements(problem.symmetry, problem.dim))
    assert Q.shape == (problem.dim, problem.dim)
    assert problem.symmetry.permutations.contains(s)
    Q, _ = data.draw(group_elements(SymmetryGroup.none(4), 3))
    np.testing.assert_array_equal(Q, np.eye(3))


@given(taus(0.5, 80.0), taus(2.0, 3.0))
def test_taus_keep_their_range(wide, narrow):
    assert 0.5 <= wide <= 80.0
    assert 2.0 <= narrow <= 3.0
