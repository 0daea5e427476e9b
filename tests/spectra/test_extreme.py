"""Extreme eigenvalues without a matrix: against dense spectra and the closed form at neural collapse."""

import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import sphereufm.spectra.horizontal as horizontal_module
from sphereufm.errors import InvalidInputError
from sphereufm.geometry.spheres import ProductOfSpheres, project, retract
from sphereufm.geometry.symmetry.groups import SymmetryGroup
from sphereufm.problem.equal_samples import equal_samples, sample_groups
from sphereufm.problem.multipliers import MultiplierMatrix
from sphereufm.problem.theory.theorems import collapsed_point
from sphereufm.problem.ufm import UFMProblem
from sphereufm.solvers.solve import solve
from sphereufm.spectra.extreme import hessian_extreme
from sphereufm.spectra.matrix import hessian_matrix
from sphereufm.spectra.spectrum import hessian_spectrum

PAPER = Path(__file__).parents[2] / "benchmarks" / "paper"
collapsed_spectrum = runpy.run_path(str(PAPER / "collapsed_spectrum.py"))["collapsed_spectrum"]


@pytest.fixture
def matrix_free(monkeypatch):
    """Make every problem too large for a dense Hessian."""
    monkeypatch.setattr(horizontal_module, "_DENSE", 0)


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
    monkeypatch.setattr(horizontal_module, "_DENSE", 0)
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
    problem = UFMProblem(class_sizes=(3,) * 4, dim=4, tau=1)
    found = hessian_extreme(problem, problem.spheres.random_point(0), 4, tolerance=1e-12, max_iterations=2)
    assert not found.converged
    assert found.residuals.max() > 1e-12


def test_too_many_eigenvalues_are_refused():
    problem = UFMProblem(class_sizes=(1, 1), dim=2, tau=1)
    with pytest.raises(InvalidInputError, match="count=9"):
        hessian_extreme(problem, collapsed_point(problem), 9)


def minimiser(problem):
    found = solve(problem, rng=1, solver="barzilai-borwein")
    assert found.converged
    return found.X


@pytest.mark.parametrize("largest", [False, True])
@pytest.mark.parametrize("dim", [3, 6])
def test_unbalanced_minimiser_in_parts_agrees_with_the_whole_matrix(dim, largest, monkeypatch):
    problem = UFMProblem(class_sizes=(7, 4, 2, 1), dim=dim, tau=2)
    X = minimiser(problem)
    whole = hessian_extreme(problem, X, 12, largest=largest)
    monkeypatch.setattr(horizontal_module, "_DENSE", 0)
    parts = hessian_extreme(problem, X, 12, largest=largest)
    np.testing.assert_allclose(parts.eigenvalues, whole.eigenvalues, rtol=1e-6)
    assert parts.converged
    flat = parts.vectors.reshape(12, -1)
    np.testing.assert_allclose(flat @ flat.T, np.eye(12), atol=1e-9)


def test_samples_that_are_only_nearly_equal_end_in_the_whole_space(matrix_free):
    problem = UFMProblem(class_sizes=(6, 4, 3), dim=3, tau=2)
    X = minimiser(problem)
    near = retract(X, 3e-8 * problem.spheres.random_tangent(0, X))
    assert sample_groups(problem, near[:, 3:]).max() == 2
    found = hessian_extreme(problem, near, 3, tolerance=1e-10)
    assert found.converged
    flat = hessian_matrix(problem, near)
    assert found.products > len(equal_samples(problem, near, 3).Y.T) * 2
    # the point is critical to 3e-8 only, so the orbit's values are that far from zero
    np.testing.assert_allclose(found.eigenvalues, np.linalg.eigvalsh(flat)[3:6], rtol=1e-5)


def test_multiplier_matrix_preconditions_points_without_equal_samples(matrix_free, monkeypatch):
    problem = UFMProblem(class_sizes=(20,) * 10, dim=8, tau=4)
    X = problem.spheres.random_point(0)
    with_it = hessian_extreme(problem, X, 3)
    monkeypatch.setattr(MultiplierMatrix, "shifted_inverse", lambda self, shift: None)
    without = hessian_extreme(problem, X, 3)
    assert with_it.converged
    np.testing.assert_allclose(with_it.eigenvalues, without.eigenvalues, rtol=1e-5)
    assert with_it.products < 0.3 * without.products


LARGE = """
import resource
import numpy as np
from sphereufm import UFMProblem, hessian_extreme, solve
sizes = np.random.default_rng(0).integers(10, 91, 100)
problem = UFMProblem(class_sizes=tuple(map(int, sizes)), dim=128, tau=10)
X = solve(problem, rng=1, solver="barzilai-borwein").X
found = hessian_extreme(problem, X, 10)
assert found.converged, found.residuals
print(found.eigenvalues[0], found.eigenvalues[-1], found.residuals.max())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@pytest.mark.slow
def test_many_classes_and_samples_at_an_unbalanced_minimiser():
    """662,272 numbers: ten lowest with residuals, in 2 GiB; five digits agree with ARPACK's."""
    run = subprocess.run([sys.executable, "-c", LARGE], capture_output=True, text=True, check=True)
    lowest, tenth, residual, memory = map(float, run.stdout.split())
    assert lowest == pytest.approx(2.93113272e-06, abs=2e-11)
    assert tenth == pytest.approx(2.93155028e-06, abs=2e-11)
    assert residual <= 1e-9
    assert memory < 2 << 30


@pytest.mark.slow
def test_many_classes_and_samples_at_collapse():
    """652,800 unknowns: the ten lowest are copies of one value."""
    problem = UFMProblem(class_sizes=(50,) * 100, dim=128, tau=10)
    found = hessian_extreme(problem, collapsed_point(problem), 10)
    assert found.converged
    np.testing.assert_allclose(found.eigenvalues, closed_form(problem, 10)[0], rtol=1e-4)
    assert (np.abs(found.eigenvalues - closed_form(problem, 10)[0]) <= found.residuals + 2e-13).all()
