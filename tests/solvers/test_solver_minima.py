"""Every solver reaches the known minimum of every problem."""

import numpy as np
import pytest
from solver_problems import MaxCut, Rayleigh, odd_cycle, random_matrix

from sphereufm.geometry.spheres import ProductOfSpheres, column_norms
from sphereufm.problem.interface import relative_gradient_norm
from sphereufm.problem.theory.theorems import global_minimum
from sphereufm.problem.ufm import UFMProblem
from sphereufm.solvers import DEFAULT_SOLVER, SOLVERS, Settings, solve


def etf_value(K, tau):
    return np.log1p((K - 1) * np.exp(-K * tau / (K - 1)))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("tau", [0.1, 1.0, 5.0, 20.0, 50.0])
def test_simplex_etf_value_at_every_temperature(solver, tau):
    problem = UFMProblem(class_sizes=(3, 3, 3), dim=4, tau=tau)
    result = solve(problem, rng=1, solver=solver)
    assert result.converged, result.stop_reason
    assert result.relative_gradient_norm <= 1e-9
    assert result.cost == pytest.approx(etf_value(3, tau), rel=1e-12)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    ("sizes", "dim", "tau"), [((1,) * 10, 11, 5.0), ((8,) * 4, 4, 3.0), ((6,) * 5, 10, 1.0)]
)
def test_simplex_etf_value_of_other_sizes(solver, sizes, dim, tau):
    problem = UFMProblem(class_sizes=sizes, dim=dim, tau=tau)
    result = solve(problem, rng=2, solver=solver)
    assert result.converged
    assert result.cost == pytest.approx(etf_value(len(sizes), tau), rel=1e-12)


@pytest.mark.parametrize("solver", SOLVERS)
def test_unbalanced_and_weighted_minimum_is_certified_by_the_multiplier_matrix(solver):
    problem = UFMProblem(class_sizes=(5, 0, 2, 1), dim=5, tau=3.0, weights=[1, 2, 3, 1, 1, 4, 0.01, 1])
    result = solve(problem, rng=3, solver=solver)
    assert result.converged
    S = problem.at(result.X).multiplier_matrix.dense()
    assert 0.5 * S.shape[0] * max(0.0, -np.linalg.eigvalsh(S)[0]) < 1e-8 * result.cost


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("shift", [0.0, 100.0, -100.0])
def test_rayleigh_quotient(solver, shift):
    A = random_matrix(12, 0) + shift * np.eye(12)
    problem = Rayleigh(A)
    result = solve(problem, rng=4, solver=solver)
    assert result.converged
    assert result.cost == pytest.approx(problem.minimum, rel=1e-12, abs=1e-12 * np.abs(A).max())


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("n", [5, 9])
def test_max_cut_of_an_odd_cycle(solver, n):
    result = solve(odd_cycle(n), rng=5, solver=solver)
    assert result.converged
    assert result.cost == pytest.approx(-n * np.cos(np.pi / n), rel=1e-12)


@pytest.mark.parametrize("solver", SOLVERS)
def test_max_cut_of_a_weighted_graph_meets_its_dual_bound(solver):
    A = np.abs(random_matrix(20, 6))
    np.fill_diagonal(A, 0.0)
    problem = MaxCut(A, 7)
    result = solve(problem, rng=6, solver=solver)
    assert result.converged
    assert result.cost - problem.dual_bound(result.X) < 1e-6 * abs(result.cost)
    # the semidefinite relaxation solved by CVXPY 1.9.3: -62.31055649088 (Clarabel), -62.31055649119 (SCS)
    assert result.cost == pytest.approx(-62.310556491, abs=1e-8)


@pytest.mark.slow
def test_max_cut_meets_the_semidefinite_bound_of_cvxpy():
    cvxpy = pytest.importorskip("cvxpy")
    A = np.abs(random_matrix(12, 7))
    np.fill_diagonal(A, 0.0)
    Q = cvxpy.Variable((12, 12), PSD=True)
    relaxation = cvxpy.Problem(cvxpy.Minimize(0.5 * cvxpy.trace(A @ Q)), [cvxpy.diag(Q) == 1.0])
    bound = relaxation.solve(solver="CLARABEL")
    for solver in SOLVERS:
        assert solve(MaxCut(A, 6), rng=7, solver=solver).cost == pytest.approx(bound, rel=1e-7)


class Polynomial:
    """``sum_j a_j . x_j + (b . x_j)^2`` on spheres of different sizes; the minimum by brute force on the circle."""

    def __init__(self, dims):
        self.spheres = ProductOfSpheres(dims)
        rng = np.random.default_rng(0)
        self.a = np.where(self.spheres.mask, rng.standard_normal(self.spheres.shape), 0.0)

    def at(self, X):
        return LinearPoint(self.a, X)


class LinearPoint:
    def __init__(self, a, X):
        self.a, self.X = a, X
        self.inner = np.einsum("dm,...dm->...m", a, X)

    @property
    def cost(self):
        return self.inner.sum(axis=-1)

    @property
    def gradient(self):
        return self.a - self.X * self.inner[..., None, :]

    @property
    def gradient_scale(self):
        return np.broadcast_to(column_norms(self.a), self.inner.shape)

    def hessian_product(self, U):
        return -U * self.inner[..., None, :]


@pytest.mark.parametrize("solver", SOLVERS)
def test_spheres_of_different_dimensions(solver):
    problem = Polynomial((2, 5, 3, 4))
    result = solve(problem, rng=7, solver=solver)
    assert result.converged
    assert result.cost == pytest.approx(-column_norms(problem.a).sum(), rel=2e-13)
    assert (result.X[~problem.spheres.mask] == 0.0).all()


@pytest.mark.parametrize("solver", SOLVERS)
def test_reported_numbers_are_those_of_the_returned_point(solver):
    problem = UFMProblem(class_sizes=(4, 2, 3), dim=4, tau=4.0)
    result = solve(problem, rng=8, solver=solver, settings=Settings(max_iterations=6))
    point = problem.at(result.X)
    assert result.cost == pytest.approx(float(point.cost), rel=2e-13)
    assert result.gradient_norm == pytest.approx(float(np.linalg.norm(point.gradient)), rel=1e-12)
    assert result.relative_gradient_norm == pytest.approx(float(relative_gradient_norm(point)), rel=1e-12)
    assert not result.X.flags.writeable


@pytest.mark.parametrize("solver", SOLVERS)
def test_iterates_stay_on_the_manifold(solver):
    problem = UFMProblem(class_sizes=(4, 4, 4), dim=60, tau=10.0)
    worst = 0.0

    def look(progress):
        nonlocal worst
        # in extended precision, where the measurement itself does not round
        norms = np.sqrt(np.square(progress.X.astype(np.longdouble)).sum(axis=0))
        worst = max(worst, float(np.abs(norms - 1.0).max()))

    solve(problem, rng=9, solver=solver, callback=look)
    assert worst <= 2e-13


def test_default_solver_reaches_a_tolerance_near_rounding():
    problem = UFMProblem(class_sizes=(5,) * 4, dim=6, tau=20.0)
    result = solve(problem, rng=10, settings=Settings(tolerance=1e-12))
    assert result.converged
    assert result.solver == DEFAULT_SOLVER
    assert result.cost == pytest.approx(global_minimum(problem), rel=1e-12)
