"""Spectra modulo symmetry: against the full Hessian in R^d, and for a problem without symmetry."""

import numpy as np
import pytest

from sphereufm.errors import InvalidInputError
from sphereufm.geometry.spheres import ProductOfSpheres, project
from sphereufm.geometry.symmetry.groups import SymmetryGroup
from sphereufm.landscape.orbits.found import reduced
from sphereufm.landscape.points import embed
from sphereufm.landscape.search.squared_gradient import find_critical_points
from sphereufm.problem.equal_samples import merged_at_random
from sphereufm.problem.theory.theorems import collapsed_point
from sphereufm.problem.ufm import UFMProblem
from sphereufm.solvers import solve
from sphereufm.spectra.extreme import hessian_extreme
from sphereufm.spectra.matrix import hessian_matrix
from sphereufm.spectra.spectrum import hessian_spectrum, normal_hessian


class Quadratic:
    """Rayleigh quotient ``x^T A x / 2`` on one sphere, as any problem of the interface."""

    def __init__(self, A):
        self.A = A
        self.spheres = ProductOfSpheres.oblique(len(A), 1)
        self.symmetry = SymmetryGroup.none(1)

    def at(self, X):
        return QuadraticPoint(self.A, X)

    def in_dimension(self, r):
        raise AssertionError("O(d) is no symmetry of this problem")


class QuadraticPoint:
    """One evaluation."""

    def __init__(self, A, X):
        self.A, self.X = A, X
        self.image = A @ X
        self.value = (X * self.image).sum(axis=(-1, -2))
        self.cost = 0.5 * self.value
        self.gradient = project(X, self.image)
        self.gradient_scale = np.full((*X.shape[:-2], 1), np.linalg.norm(A, 2))

    def hessian_product(self, U):
        return project(self.X, self.A @ U - self.value[..., None, None] * U)


class GramProblem:
    """The sum of squared inner products of columns, an O(d)-invariant cost without multiplier matrix of its own."""

    def __init__(self, d, M):
        self.d, self.M = d, M
        self.spheres = ProductOfSpheres.oblique(d, M)
        self.symmetry = SymmetryGroup.full(M)

    def in_dimension(self, r):
        return GramProblem(r, self.M)

    def at(self, X):
        return GramPoint(X)


class GramPoint:
    """One evaluation of ``|X^T X|^2 / 4``."""

    def __init__(self, X):
        self.X = X
        Q = np.swapaxes(X, -1, -2) @ X
        self.cost = 0.25 * np.square(Q).sum(axis=(-1, -2))
        self.euclidean = X @ Q
        self.multipliers = np.einsum("...dm,...dm->...m", X, self.euclidean)
        self.gradient = project(X, self.euclidean)
        self.gradient_scale = np.ones(X.shape[:-2] + X.shape[-1:])

    def hessian_product(self, U):
        X = self.X
        Xt, Ut = np.swapaxes(X, -1, -2), np.swapaxes(U, -1, -2)
        change = U @ (Xt @ X) + X @ (Ut @ X) + X @ (Xt @ U)
        return project(X, change - U * self.multipliers[..., None, :])


def full_inertia(problem, X):
    """Negative and zero eigenvalues of the whole Hessian in R^d."""
    values = np.linalg.eigvalsh(hessian_matrix(problem, X))
    floor = 1e-9 * np.abs(values).max()
    return int((values < -floor).sum()), int((np.abs(values) <= floor).sum()), values


@pytest.mark.parametrize(("sizes", "tau"), [((2, 2), 5), ((1, 1, 1), 1), ((2, 1, 1), 2), ((3, 0, 1), 1)])
@pytest.mark.parametrize("rank", [2, 3])
def test_reduction_to_the_span_agrees_with_the_whole_hessian(sizes, tau, rank):
    problem = UFMProblem(class_sizes=sizes, dim=4, tau=tau)
    inner = problem.in_dimension(rank)
    search = find_critical_points(inner, inner.spheres.random_point(0, (24,)), tolerance=1e-12)
    for x in search.X[search.converged]:
        X = embed(reduced(inner, x[None])[0].X, 4)
        spectrum = hessian_spectrum(problem, X)
        negative, zero, values = full_inertia(problem, X)
        assert spectrum.morse_index == negative
        assert spectrum.nullity + spectrum.orbit_dimension == zero
        if negative:
            assert spectrum.min_eigenvalue == pytest.approx(values[0], rel=1e-8)


def test_collapsed_minimiser_has_no_kernel_beyond_the_orbit():
    problem = UFMProblem(class_sizes=(2, 2, 2), dim=5, tau=1)
    spectrum = hessian_spectrum(problem, collapsed_point(problem))
    assert (spectrum.morse_index, spectrum.nullity, spectrum.orbit_dimension) == (0, 0, 7)
    assert spectrum.min_eigenvalue > 0.0


def test_problem_without_symmetry_keeps_all_directions():
    problem = Quadratic(np.diag([1.0, 2.0, 3.0, 4.0]))
    X = np.array([[0.0], [1.0], [0.0], [0.0]])
    spectrum = hessian_spectrum(problem, X)
    np.testing.assert_allclose(spectrum.eigenvalues, [-1.0, 1.0, 2.0], atol=1e-12)
    assert (spectrum.morse_index, spectrum.nullity, spectrum.orbit_dimension) == (1, 0, 0)


@pytest.mark.parametrize("rank", [1, 2])
def test_generic_invariant_problem_gets_its_normal_directions(rank):
    problem = GramProblem(3, 4)
    if rank == 1:
        X = np.array([[1.0, -1.0, 1.0, 1.0], [0.0] * 4, [0.0] * 4])
    else:
        X = np.array([[1.0, 0.0, -1.0, 0.0], [0.0, 1.0, 0.0, 1.0], [0.0] * 4])
    spectrum = hessian_spectrum(problem, X)
    negative, zero, _ = full_inertia(problem, X)
    assert spectrum.morse_index == negative
    assert spectrum.nullity + spectrum.orbit_dimension == zero


def test_normal_hessian_is_the_multiplier_matrix():
    problem = UFMProblem(class_sizes=(2, 1), dim=3, tau=2)
    X = problem.spheres.random_point(0)

    class Disguised(UFMProblem):
        """The same problem behind a point type that hands out no multipliers."""

        def at(self, X):
            inner = super().at(X)

            class Point:
                cost, gradient, gradient_scale = inner.cost, inner.gradient, inner.gradient_scale
                hessian_product = staticmethod(inner.hessian_product)

            return Point()

        def in_dimension(self, r):
            return Disguised(class_sizes=(2, 1), dim=r, tau=2)

    generic = normal_hessian(Disguised(class_sizes=(2, 1), dim=3, tau=2), X)
    np.testing.assert_allclose(generic, normal_hessian(problem, X), atol=2e-13)


@pytest.mark.parametrize(("sizes", "d", "tau"), [((9, 9, 9), 3, 2.0), ((8, 3, 0), 4, 1.0), ((12, 5), 2, 3.0)])
def test_spectra_of_points_with_equal_samples_are_those_of_the_whole_hessian(sizes, d, tau):
    problem = UFMProblem(class_sizes=sizes, dim=d, tau=tau)
    rng = np.random.default_rng(0)
    seen = 0
    for _ in range(6):
        space = merged_at_random(problem, rng, 3)
        search = find_critical_points(
            space.problem, space.problem.spheres.random_point(rng, (4,)), tolerance=1e-12
        )
        for X in space.expand(search.X[search.converged]):
            spectrum = hessian_spectrum(problem, X)
            parts = [spectrum.eigenvalues, *[spectrum.normal_eigenvalues] * spectrum.normal_copies]
            mine = np.sort(np.concatenate([*parts, np.zeros(spectrum.orbit_dimension)]))
            whole = np.linalg.eigvalsh(hessian_matrix(problem, X))
            np.testing.assert_allclose(mine, whole, atol=1e-9 * np.abs(whole).max())
            clear = np.abs(whole) > 1e-7 * np.abs(whole).max()
            assert spectrum.morse_index >= (whole[clear] < 0).sum()
            assert spectrum.morse_index + spectrum.nullity <= (whole < 1e-7 * np.abs(whole).max()).sum()
            seen += 1
    assert seen > 10


@pytest.mark.parametrize(
    ("loss", "tau", "n", "rank", "nullity"),
    [
        ({"name": "label-smoothing", "smoothing": "0.1"}, 3, 1, 3, 6),
        ({"name": "label-smoothing", "smoothing": "0.1"}, 3, 1, 4, 6),
        ({"name": "label-smoothing", "smoothing": "0.1"}, 3, 2, 4, 9),
        ("squared-error", 2, 1, 4, 3),
    ],
)
def test_rounding_where_every_loss_is_the_least_is_no_curvature(loss, tau, n, rank, nullity):
    """There the multiplier matrix is zero, and the kernel has ``K (d - 1) + N (d - K)`` dimensions or more."""
    problem = UFMProblem(class_sizes=(n,) * 3, dim=4, tau=tau, loss=loss)
    inner = problem.in_dimension(rank)
    for seed in range(4):
        X = embed(solve(inner, inner.spheres.random_point(seed)).X, 4)
        spectrum = hessian_spectrum(problem, X)
        assert float(problem.at(X).excess) < 1e-12
        assert (spectrum.morse_index, spectrum.nullity) == (0, nullity)


def test_away_from_critical_points_signs_are_those_of_the_matrix():
    """A gradient that is more than what rounding leaves feigns nothing."""
    for seed in range(6):
        problem = UFMProblem(class_sizes=((1, 1, 1), (2, 1))[seed % 2], dim=4, tau=2)
        X = problem.spheres.random_point(seed)
        spectrum = hessian_spectrum(problem, X)
        # how many are negative hangs on the metric there, since orbits are no kernel
        assert spectrum.nullity == 0
        assert spectrum.morse_index > 0


@pytest.mark.parametrize("ask", [hessian_spectrum, hessian_extreme])
@pytest.mark.parametrize("curvature", [np.nan, np.inf])
def test_a_hessian_that_is_not_finite_is_refused_in_words(ask, curvature):
    class Broken(Quadratic):
        def at(self, X):
            point = super().at(X)
            point.hessian_product = lambda U: U * curvature
            return point

    for n in (2, 3, 5):
        with np.errstate(all="ignore"), pytest.raises(InvalidInputError, match="not finite"):
            ask(Broken(np.diag(np.arange(1.0, n + 1.0))), np.eye(n)[:, :1])
    tall = UFMProblem(class_sizes=(2, 1), dim=3, tau=1e170)
    with np.errstate(all="ignore"), pytest.raises(InvalidInputError, match="smaller tau"):
        ask(tall, tall.spheres.random_point(0))
