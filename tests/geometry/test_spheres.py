"""Points and maps of spheres against multiprecision arithmetic and definitions."""

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sphereufm.errors import InvalidInputError
from sphereufm.geometry.spheres import (
    ProductOfSpheres,
    as_generator,
    column_angles,
    column_norms,
    distance,
    exponential,
    logarithm,
    normalize,
    project,
    retract,
    tangent_norm,
)
from sphereufm.problem.ufm import UFMProblem
from sphereufm.testing import points, tangents, ufm_problems

mp = mpmath.mp.clone()
mp.dps = 60

PADDED = ProductOfSpheres((1, 4, 2, 3, 4))
seeds = st.integers(0, 2**32 - 1)


def exact_angle(x, y):
    """Angle of two columns of floats in 60 digits; they need not be of exact unit norm."""
    x, y = [mp.mpf(float(v)) for v in x], [mp.mpf(float(v)) for v in y]
    nx, ny = (mp.sqrt(mp.fsum(v * v for v in column)) for column in (x, y))
    x, y = [v / nx for v in x], [v / ny for v in y]
    less, more = (mp.sqrt(mp.fsum((a + s * b) ** 2 for a, b in zip(x, y, strict=True))) for s in (-1, 1))
    return 2 * mp.atan2(less, more)


def pair_at(angle, d, rng):
    """Two columns as nearly as floats can lie at a given angle: along axes, so that both are exact units."""
    first, second = rng.permutation(d)[:2]
    x, y = np.zeros((2, d))
    x[first] = 1.0
    y[first], y[second] = float(mp.cos(mp.mpf(angle))), float(mp.sin(mp.mpf(angle)))
    return x[:, None], y[:, None]


@pytest.mark.parametrize(
    "angle", [1e-15, 1e-12, 1e-9, 1e-8, 1e-5, 0.1, 1.0, 2.0, 3.0, np.pi - 1e-5, np.pi - 1e-9]
)
@pytest.mark.parametrize("d", [2, 5, 64])
def test_distance_has_full_relative_accuracy_at_every_scale(angle, d):
    x, y = pair_at(angle, d, np.random.default_rng(d))
    expected = exact_angle(x[:, 0], y[:, 0])
    assert abs(mp.mpf(float(distance(x, y))) / expected - 1) < 2e-13 * 4
    assert float(expected) == pytest.approx(angle, rel=1e-6)


def test_distance_of_equal_and_of_opposite_points_is_exact():
    X = ProductOfSpheres.oblique(7, 4).random_point(0)
    assert float(distance(X, X)) == 0.0
    np.testing.assert_array_equal(column_angles(X, -X), np.pi)


@given(seed=seeds, exponent=st.floats(-7.0, 0.4))
def test_distance_of_generic_points_against_multiprecision(seed, exponent):
    """Random coordinates are rounded to 1e-16 themselves, so the error is absolute there."""
    rng = np.random.default_rng(seed)
    spheres = ProductOfSpheres.oblique(4, 3)
    X = spheres.random_point(rng)
    Y = exponential(X, 10.0**exponent * spheres.random_tangent(rng, X))
    expected = [exact_angle(x, y) for x, y in zip(X.T, Y.T, strict=True)]
    np.testing.assert_allclose(column_angles(X, Y), [float(a) for a in expected], rtol=2e-13, atol=2e-13)
    total = float(mp.sqrt(mp.fsum(a * a for a in expected)))
    assert float(distance(X, Y)) == pytest.approx(total, rel=2e-13, abs=2e-13)


@given(seed=seeds, exponent=st.floats(-12.0, 0.49))
def test_exponential_and_logarithm_are_inverse(seed, exponent):
    rng = np.random.default_rng(seed)
    X = PADDED.random_point(rng)
    U = 10.0**exponent * PADDED.random_tangent(rng, X)
    Y = exponential(X, U)
    assert np.abs(logarithm(X, Y) - U).max() <= 2e-13 + 2e-13 * np.abs(U).max()
    assert float(distance(X, Y)) == pytest.approx(float(tangent_norm(U)), rel=2e-13, abs=2e-13)
    np.testing.assert_allclose(exponential(X, logarithm(X, Y)), Y, rtol=0, atol=2e-13)


def test_exponential_against_multiprecision():
    rng = np.random.default_rng(3)
    spheres = ProductOfSpheres.oblique(3, 5)
    X = spheres.random_point(rng)
    U = spheres.random_tangent(rng, X) * np.array([1e-9, 1e-3, 1.0, 5.0, 40.0])
    Y = exponential(X, U)
    for x, u, y in zip(X.T, U.T, Y.T, strict=True):
        angle = mp.sqrt(mp.fsum(mp.mpf(float(v)) ** 2 for v in u))
        along = [
            mp.cos(angle) * float(a) + mp.sin(angle) / angle * float(b) for a, b in zip(x, u, strict=True)
        ]
        np.testing.assert_allclose(y, [float(v) for v in along], rtol=0, atol=2e-13)


def test_exponential_turns_fully_around():
    X = ProductOfSpheres.oblique(3, 2).random_point(0)
    U = project(X, np.ones_like(X))
    U = U / column_norms(U)
    # the length of a tangent is rounded to 2 pi eps, and that is the angle's error
    np.testing.assert_allclose(exponential(X, 2 * np.pi * U), X, rtol=0, atol=2e-13)
    np.testing.assert_allclose(exponential(X, np.pi * U), -X, rtol=0, atol=2e-13)


def test_logarithm_vanishes_where_columns_agree_and_refuses_antipodes():
    X = np.array([[1.0, 0.0], [0.0, 1.0]])
    np.testing.assert_array_equal(logarithm(X, X), 0.0)
    with pytest.raises(InvalidInputError, match="opposite"):
        logarithm(X, np.array([[1.0, 0.0], [0.0, -1.0]]))


@given(st.data())
def test_projection_is_orthogonal_and_idempotent(data):
    problem = data.draw(ufm_problems())
    X = data.draw(points(problem))
    rng = np.random.default_rng(data.draw(seeds))
    A, B = rng.standard_normal((2, *X.shape))
    PA, PB = project(X, A), project(X, B)
    assert np.abs((X * PA).sum(axis=0)).max() <= 2e-13
    np.testing.assert_allclose(project(X, PA), PA, rtol=0, atol=2e-13)
    assert (PA * B).sum() == pytest.approx((A * PB).sum(), abs=1e-12)


def test_retraction_agrees_with_the_exponential_to_second_order():
    """R_x(tu) - Exp_x(tu) = O(t^3): each halving of the step divides the difference by eight."""
    rng = np.random.default_rng(5)
    X = PADDED.random_point(rng)
    U = PADDED.random_tangent(rng, X)
    steps = 2.0 ** -np.arange(3, 9)
    gaps = np.array([np.linalg.norm(retract(X, t * U) - exponential(X, t * U)) for t in steps])
    np.testing.assert_allclose(gaps[:-1] / gaps[1:], 8.0, rtol=0.05)


@given(st.data())
def test_maps_stay_on_the_spheres_and_keep_unused_rows_zero(data):
    rng = np.random.default_rng(data.draw(seeds))
    X = PADDED.random_point(rng, (3,))
    U = PADDED.random_tangent(rng, X)
    assert X.shape == U.shape == (3, 4, 5)
    for Y in (X, retract(X, U), exponential(X, U), exponential(X, 30.0 * U)):
        np.testing.assert_allclose(column_norms(Y), 1.0, rtol=0, atol=2e-13)
        assert not Y[:, ~PADDED.mask].any()
    for V in (U, logarithm(X, exponential(X, U))):
        assert not V[:, ~PADDED.mask].any()
        assert np.abs(np.einsum("bdm,bdm->bm", X, V)).max() <= 2e-13


def test_batch_equals_loop():
    rng = np.random.default_rng(2)
    X = PADDED.random_point(rng, (2, 3))
    U = PADDED.random_tangent(rng, X)
    Y = exponential(X, U)
    for index in np.ndindex(2, 3):
        x, u, y = X[index], U[index], Y[index]
        np.testing.assert_array_equal(exponential(x, u), y)
        np.testing.assert_array_equal(retract(X, U)[index], retract(x, u))
        np.testing.assert_array_equal(logarithm(X, Y)[index], logarithm(x, y))
        np.testing.assert_array_equal(project(X, Y)[index], project(x, y))
        assert distance(X, Y)[index] == distance(x, y)
        assert tangent_norm(U)[index] == tangent_norm(u)


@pytest.mark.parametrize("scale", [1e-200, 1e-12, 1.0, 1e200])
def test_normalize_neither_underflows_nor_overflows(scale):
    X = np.array([[3.0, 0.0], [4.0, -2.0]]) * scale
    np.testing.assert_allclose(normalize(X), [[0.6, 0.0], [0.8, -1.0]], rtol=2e-13)


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf])
def test_normalize_refuses_columns_without_direction(bad):
    with pytest.raises(InvalidInputError, match="column"):
        normalize(np.array([[1.0, bad], [0.0, bad]]))


def test_random_points_are_reproducible_and_leave_the_global_generator_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    spheres = ProductOfSpheres.oblique(3, 4)
    np.testing.assert_array_equal(spheres.random_point(7), spheres.random_point(np.random.default_rng(7)))
    assert not np.array_equal(spheres.random_point(7), spheres.random_point(8))
    rng = np.random.default_rng(7)
    assert not np.array_equal(spheres.random_point(rng), spheres.random_point(rng))
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_random_points_are_uniform():
    """On S^2 every coordinate is uniform on [-1, 1] (Archimedes): compare moments, at six standard errors."""
    count = 40_000
    X = ProductOfSpheres.oblique(3, 1).random_point(0, (count,))[..., 0]
    for power, mean in [(1, 0.0), (2, 1 / 3), (4, 1 / 5)]:
        spread = np.sqrt(1 / (2 * power + 1) - mean**2)
        assert np.abs((X**power).mean(axis=0) - mean).max() < 6 * spread / np.sqrt(count)


def test_random_tangents_are_unit_tangents():
    problem = UFMProblem(class_sizes=(2, 1), dim=3, tau=1)
    X = problem.spheres.random_point(0, (5,))
    U = problem.spheres.random_tangent(1, X)
    np.testing.assert_allclose(tangent_norm(U), 1.0, rtol=2e-13)
    assert np.abs(np.einsum("bdm,bdm->bm", X, U)).max() <= 2e-13
    line = ProductOfSpheres.oblique(1, 3)
    np.testing.assert_array_equal(line.random_tangent(0, line.random_point(0)), 0.0)


@given(st.data())
def test_drawn_tangents_are_tangent(data):
    problem = data.draw(ufm_problems())
    X = data.draw(points(problem))
    U = data.draw(tangents(problem, X))
    assert np.abs((X * U).sum(axis=0)).max() <= 2e-13
    assert float(tangent_norm(U)) == pytest.approx(float(problem.dim > 1), rel=2e-13)


def test_point_and_tangent_of_one_seed_are_not_made_of_the_same_numbers():
    spheres = ProductOfSpheres.oblique(3, 4)
    for seed in range(20):
        X = spheres.random_point(seed)
        U = spheres.random_tangent(seed, X)
        assert np.abs((X * U).sum(axis=0)).max() <= 2e-13
        np.testing.assert_array_equal(U, spheres.random_tangent(seed, X))


def test_dimensions():
    assert PADDED.shape == (4, 5)
    assert PADDED.dimension == 0 + 3 + 1 + 2 + 3
    assert not PADDED.is_oblique
    np.testing.assert_array_equal(PADDED.mask.sum(axis=0), PADDED.dims)
    assert ProductOfSpheres.oblique(4, 5).is_oblique
    assert ProductOfSpheres((2.0, np.int8(3))).random_point(0).shape == (3, 2)


@pytest.mark.parametrize("make", [
    lambda: ProductOfSpheres(()),
    lambda: ProductOfSpheres((2, 0)),
    lambda: ProductOfSpheres.oblique(0, 3),
    lambda: ProductOfSpheres.oblique(2, 0),
    lambda: as_generator(-1),
    lambda: as_generator("seed"),
    lambda: as_generator(1.5),
])  # fmt: skip
def test_bad_input_is_refused(make):
    with pytest.raises(InvalidInputError):
        make()


def test_as_generator_passes_generators_through():
    rng = np.random.default_rng(0)
    assert as_generator(rng) is rng
