"""Tangent bases: orthonormal, tangent, complete, and the same in all three functions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sphereufm.geometry.spheres import ProductOfSpheres, project
from sphereufm.geometry.tangent_spaces import from_coordinates, tangent_bases, to_coordinates
from sphereufm.testing import points, ufm_problems


def check_bases(X, tolerance):
    d = X.shape[0]
    for x, T in zip(X.T, tangent_bases(X), strict=True):
        assert T.shape == (d, d - 1)
        np.testing.assert_allclose(T.T @ T, np.eye(d - 1), rtol=0, atol=tolerance)
        assert np.abs(x @ T).max(initial=0.0) <= tolerance
        # complete: together with x a basis of the whole space
        np.testing.assert_allclose(T @ T.T + np.outer(x, x), np.eye(d), rtol=0, atol=tolerance)


@given(st.data())
def test_bases_are_orthonormal_and_complete(data):
    check_bases(data.draw(points(data.draw(ufm_problems(max_dim=8)))), 4e-15)


@pytest.mark.parametrize("d", [1, 2, 3, 7])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_bases_at_all_axes_are_exact(d, sign):
    check_bases(sign * np.eye(d), 0.0)


@pytest.mark.parametrize("first", [1e-320, -1e-320, 1e-17, -1e-17, 0.0, -0.0])
def test_bases_where_the_first_coordinate_hardly_has_a_sign(first):
    check_bases(np.array([[first], [0.6], [-0.8]]), 1e-15)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_bases_next_to_the_pole(sign):
    """The reflection that sends x to +e_0 would divide by 1 - |x_0| here."""
    X = np.array([[sign], [1e-9], [-1e-12]])
    check_bases(X / np.linalg.norm(X, axis=0), 1e-15)


@given(st.data())
def test_coordinates_are_those_of_the_bases(data):
    X = data.draw(points(data.draw(ufm_problems())))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    T = tangent_bases(X)
    A = rng.standard_normal(X.shape)
    c = rng.standard_normal((X.shape[1], X.shape[0] - 1))
    expected = np.einsum("mdc,dm->mc", T, A).ravel()
    np.testing.assert_allclose(to_coordinates(X, A), expected, rtol=0, atol=2e-13)
    moved = np.einsum("mdc,mc->dm", T, c)
    c = c.ravel()
    np.testing.assert_allclose(from_coordinates(X, c), moved, rtol=0, atol=2e-13)
    used = rng.random(c.size) < 0.5
    some = from_coordinates(X, c[used], used)
    np.testing.assert_allclose(some, from_coordinates(X, c * used), rtol=0, atol=2e-13)
    np.testing.assert_allclose(to_coordinates(X, from_coordinates(X, c)), c, rtol=0, atol=2e-13)
    np.testing.assert_allclose(from_coordinates(X, to_coordinates(X, A)), project(X, A), rtol=0, atol=2e-13)


def test_inputs_are_left_alone_and_batch_equals_loop():
    spheres = ProductOfSpheres.oblique(4, 3)
    X = spheres.random_point(0, (2, 2))
    U = spheres.random_tangent(1, X)
    kept = X.copy(), U.copy()
    T, c = tangent_bases(X), to_coordinates(X, U)
    V = from_coordinates(X, c)
    np.testing.assert_array_equal(X, kept[0])
    np.testing.assert_array_equal(U, kept[1])
    for index in np.ndindex(2, 2):
        np.testing.assert_array_equal(T[index], tangent_bases(X[index]))
        np.testing.assert_allclose(c[index], to_coordinates(X[index], U[index]), rtol=0, atol=2e-13)
        np.testing.assert_allclose(V[index], from_coordinates(X[index], c[index]), rtol=0, atol=2e-13)
