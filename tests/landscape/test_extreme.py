"""Extreme eigenvalues without a matrix: against dense spectra and the closed form at neural collapse."""

import numpy as np
import pytest

import sphereufm.landscape.extreme as extreme_module
from sphereufm.errors import InvalidInputError
from sphereufm.geometry.spheres import ProductOfSpheres, project
from sphereufm.geometry.symmetry import SymmetryGroup
from sphereufm.landscape.extreme import hessian_extreme
from sphereufm.landscape.spectrum import hessian_spectrum
from sphereufm.problem.collapse import collapsed_spectrum
from sphereufm.problem.theory import collapsed_point
from sphereufm.problem.ufm import UFMProblem


@pytest.fixture
def matrix_free(monkeypatch):
    """Make every problem too large for a dense Hessian."""
    monkeypatch.setattr(extreme_module, "_DENSE", 0)


def closed_form(problem, count):
    values = np.concatenate([[value] * copies for value, copies in collapsed_spectrum(problem)])
    return values[:count], values[::-1][:count]


@pytest.mark.parametrize("tau", [1, 4])
def test_matches_the_closed_form_at_collapse(tau, matrix_free):
    problem = UFMProblem(class_sizes=(3,) * 4, dim=6, tau=tau)
    X = collapsed_point(problem)
    lowest, largest = closed_form(problem, 6)
    for wanted, found in (
        (lowest, hessian_extreme(problem, X, 6, tolerance=1e-8)),
        (largest, hessian_extreme(problem, X, 6, largest=True, tolerance=1e-8)),
    ):
        assert found.converged
        np.testing.assert_allclose(found.eigenvalues, wanted, rtol=1e-7)
        assert (np.abs(found.eigenvalues - wanted) <= found.residuals + 1e-12).all()


def test_block_and_dense_agree_at_a_saddle(monkeypatch):
    problem = UFMProblem(class_sizes=(2, 2, 2), dim=5, tau=2)
    X = np.zeros(problem.shape)
    X[0] = [1, 1, -1, 1, -1, 1, 1, -1, -1]
    dense = hessian_extreme(problem, X, 5)
    spectrum = hessian_spectrum(problem, X)
    copies = np.sort(np.repeat(spectrum.normal_eigenvalues, spectrum.normal_copies))
    np.testing.assert_allclose(dense.eigenvalues, copies[:5], atol=1e-12)
    monkeypatch.setattr(extreme_module, "_DENSE", 0)
    block = hessian_extreme(problem, X, 5, tolerance=1e-8)
    np.testing.assert_allclose(block.eigenvalues, dense.eigenvalues, atol=1e-7)
    assert (dense.residuals <= 1e-12).all()


def test_vectors_are_horizontal_orthonormal_and_their_residuals_true(matrix_free):
    problem = UFMProblem(class_sizes=(4, 2, 3), dim=6, tau=1)
    X = collapsed_point(
        problem
    )  # not critical: unbalanced; the projected Hessian has a spectrum all the same
    found = hessian_extreme(problem, X, 3, tolerance=1e-7)
    flat = found.vectors.reshape(3, -1)
    np.testing.assert_allclose(flat @ flat.T, np.eye(3), atol=1e-8)
    moments = found.vectors @ X.T
    np.testing.assert_allclose(moments, np.swapaxes(moments, -1, -2), atol=1e-10)


class Diagonal:
    """``sum a_j x_j^2 / 2`` on one large sphere: eigenvalues ``a_j - a_0`` at the first axis."""

    def __init__(self, n):
        self.a = np.linspace(-1.0, 1.0, n)
        self.spheres = ProductOfSpheres.oblique(n, 1)
        self.symmetry = SymmetryGroup.none(1)

    def at(self, X):
        return DiagonalPoint(self.a[:, None], X)


class DiagonalPoint:
    """One evaluation."""

    def __init__(self, a, X):
        self.a, self.X = a, X
        self.gradient_scale = np.ones((*X.shape[:-2], 1))

    def hessian_product(self, U):
        value = (self.X * self.a * self.X).sum()
        return project(self.X, self.a * U - value * U)


def test_large_problem_without_symmetry():
    problem = Diagonal(3000)
    X = np.zeros((3000, 1))
    X[0] = 1.0
    found = hessian_extreme(problem, X, 2, largest=True, tolerance=1e-5, max_iterations=400)
    assert found.converged
    np.testing.assert_allclose(found.eigenvalues, problem.a[[-1, -2]] + 1.0, atol=1e-6)


def test_an_unfinished_search_says_so(matrix_free):
    problem = UFMProblem(class_sizes=(3,) * 4, dim=6, tau=1)
    found = hessian_extreme(problem, collapsed_point(problem), 4, tolerance=1e-12, max_iterations=2)
    assert not found.converged
    assert found.residuals.max() > 1e-12


def test_too_many_eigenvalues_are_refused():
    problem = UFMProblem(class_sizes=(1, 1), dim=2, tau=1)
    with pytest.raises(InvalidInputError, match="count=9"):
        hessian_extreme(problem, collapsed_point(problem), 9)


@pytest.mark.slow
def test_many_classes_and_samples_at_collapse():
    """652,800 unknowns: the ten lowest are copies of one value."""
    problem = UFMProblem(class_sizes=(50,) * 100, dim=128, tau=10)
    found = hessian_extreme(problem, collapsed_point(problem), 10)
    assert found.converged
    np.testing.assert_allclose(found.eigenvalues, closed_form(problem, 10)[0], rtol=1e-4)
    assert (np.abs(found.eigenvalues - closed_form(problem, 10)[0]) <= found.residuals + 1e-15).all()
