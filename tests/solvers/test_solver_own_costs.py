"""Solvers on costs of unknown make: convergence means a small Newton step, in any unit, and one bad start is one."""

import numpy as np
import pymanopt
import pytest
from own_problems import numpy_problem

from sphereufm import from_pymanopt
from sphereufm.solvers import SOLVERS, Settings, StopReason, solve, solve_batch

QUICK = ("barzilai-borwein", "lbfgs", "trust-region", "conjugate-gradient", "adaptive-cubic", "newton")


def rayleigh(values, unit=1.0):
    A = np.diag(values) * unit
    return numpy_problem(
        pymanopt.manifolds.Sphere(len(values)),
        lambda x: x @ A @ x,
        lambda x: 2.0 * A @ x,
        lambda x, u: 2.0 * A @ u,
    )


def steep(s):
    """``exp(s x_1)``: values over e^(2 s), minimum at ``-e_1``."""
    e = np.array([1.0, 0.0, 0.0])
    return numpy_problem(
        pymanopt.manifolds.Sphere(3),
        lambda x: np.exp(s * x[0]),
        lambda x: s * np.exp(s * x[0]) * e,
        lambda x, u: s * s * np.exp(s * x[0]) * u[0] * e,
    )


def charges():
    """``1 / |x - y|`` on two circles."""
    manifold = pymanopt.manifolds.Oblique(2, 2)
    wrap = pymanopt.function.numpy(manifold)

    def gap(X):
        return 2.0 - 2.0 * X[:, 0] @ X[:, 1]

    def gradient(X):
        return X[:, ::-1] * gap(X) ** -1.5

    return from_pymanopt(
        pymanopt.Problem(manifold, wrap(lambda X: gap(X) ** -0.5), euclidean_gradient=wrap(gradient))
    )


@pytest.mark.parametrize("name", list(SOLVERS))
@pytest.mark.parametrize("exponent", [-285, -162, -60, 60, 160, 300])
def test_units_of_the_cost_do_not_matter(name, exponent):
    unit = 10.0**exponent
    plain, other = (solve(rayleigh((1.0, 2.0, 4.0), u), rng=1, solver=name) for u in (1.0, unit))
    assert other.stop_reason is plain.stop_reason is StopReason.GRADIENT_TOLERANCE
    assert other.cost / unit == pytest.approx(plain.cost, rel=1e-12)
    assert plain.cost == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("name", list(SOLVERS))
@pytest.mark.parametrize(
    ("unit", "reason"), [(1e-310, "UNDERFLOW"), (1e-300, "UNDERFLOW"), (3e307, "NON_FINITE")]
)
def test_what_leaves_the_range_of_floats_is_a_stop_reason(name, unit, reason):
    result = solve(rayleigh((1.0, 2.0, 4.0), unit), rng=2, solver=name)
    assert result.stop_reason is StopReason[reason]


@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize("s", [1.0, 40.0, 150.0])
def test_a_steep_cost_is_followed_to_its_minimum(name, s):
    result = solve(steep(s), rng=0, solver=name)
    if name == "newton" and not result.converged:
        pytest.skip("a polish that may end with NO_PROGRESS, and says so")
    assert result.converged
    assert result.cost == pytest.approx(np.exp(-s), rel=1e-9)


@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize("steepness", [3.0, 1e3, 1e6, 1e9, 1e12])
def test_convergence_means_a_small_newton_step(name, steepness):
    """A gradient of 1e-9 of its scale is met a radian from the minimum; that is no convergence."""
    for seed in range(2):
        result = solve(rayleigh((1.0, 2.0, steepness)), rng=seed, solver=name)
        assert not result.converged or result.cost - 1.0 <= 2e-6


def test_one_bad_start_is_the_only_one_that_stops():
    problem = charges()
    starts = problem.spheres.random_point(0, (4,))
    starts[2, :, 1] = starts[2, :, 0] = [1.0, 0.0]
    results = solve_batch(problem, starts)
    assert [r.stop_reason is StopReason.NON_FINITE for r in results] == [False, False, True, False]
    assert all(r.cost == pytest.approx(0.5) for i, r in enumerate(results) if i != 2)


@pytest.mark.parametrize("name", list(SOLVERS))
def test_a_saddle_is_not_left_for_a_point_without_a_gradient(name):
    """From the saddle ``e_1`` the first steps down lead where the gradient is not finite, though the cost is."""
    A = np.diag([0.0, 1.0, 2.0])

    def gradient(x):
        return 2.0 * A @ x * (np.nan if 0.5 < abs(x[0]) < 0.9 else 1.0)

    problem = numpy_problem(
        pymanopt.manifolds.Sphere(3), lambda x: x @ A @ x, gradient, lambda x, u: 2.0 * A @ u
    )
    result = solve(problem, [[0.0], [1.0], [0.0]], rng=0, solver=name)
    assert result.escaped_saddles
    assert result.cost < 1.0
    assert result.gradient_norm < np.inf


@pytest.mark.parametrize("name", list(SOLVERS))
def test_gradients_alone_are_enough(name):
    result = solve(charges(), rng=3, solver=name, settings=Settings(max_iterations=2000))
    assert result.converged
    assert result.cost == pytest.approx(0.5)


def test_a_constant_cost_is_minimal_everywhere():
    for name in SOLVERS:
        result = solve(rayleigh((0.0, 0.0, 0.0)), solver=name)
        assert result.converged
        assert result.iterations == 0


def test_starts_of_single_precision_are_taken():
    problem = rayleigh((1.0, 2.0, 4.0))
    start = problem.spheres.random_point(0).astype(np.float32)
    assert solve(problem, start).converged


def test_an_interrupted_run_returns_its_last_iterate():
    def interrupt(progress):
        if progress.iteration == 3:
            raise KeyboardInterrupt

    problem = rayleigh((1.0, 2.0, 1e6))
    result = solve(problem, solver="steepest-descent", callback=interrupt)
    assert result.stop_reason is StopReason.INTERRUPTED
    assert not result.converged
    assert result.cost == problem.cost(result.X)
    with pytest.raises(KeyboardInterrupt):
        solve_batch(problem, 2, solver="steepest-descent", callback=interrupt)
