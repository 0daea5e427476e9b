"""How runs go: saddles, limits, seeds, batches, recording, callbacks, broken costs, bad input."""

from types import SimpleNamespace

import numpy as np
import pytest
from closed_form_points import invertible_branch, random_collapsed_point, rank_one_point
from solver_problems import Breaking, Counting, MaxCut, Rayleigh, odd_cycle, random_matrix

from sphereufm.comparison.problems import EuclideanPoint
from sphereufm.errors import InvalidInputError
from sphereufm.geometry.spheres import ProductOfSpheres
from sphereufm.geometry.symmetry.groups import SymmetryGroup
from sphereufm.problem.theory.gap import optimality_gap
from sphereufm.problem.theory.known_points import orthogonal_collapsed_point
from sphereufm.problem.theory.theorems import collapsed_point, global_minimum
from sphereufm.problem.ufm import UFMProblem
from sphereufm.solvers import LBFGS, SOLVERS, NewtonPolish, Settings, StopReason, solve, solve_batch

PROBLEM = UFMProblem(class_sizes=(3, 3, 3), dim=4, tau=3.0)


def random_rotation(d, seed):
    Q, R = np.linalg.qr(np.random.default_rng(seed).standard_normal((d, d)))
    return Q * np.sign(np.diag(R))


def exact_saddles():
    problem = UFMProblem(class_sizes=(2, 2, 2), dim=3, tau=2.0)
    yield "all equal", problem, np.vstack([np.ones(9), np.zeros((2, 9))])
    yield "rank one", problem, rank_one_point(problem, [1, 1, -1, 1, -1, -1, 1, 1, 1])
    yield "collapsed, orthogonal", problem, orthogonal_collapsed_point(problem)
    yield "collapsed, random", problem, random_collapsed_point(problem, 3)
    yield "invertible", *invertible_branch()
    cold = problem.with_tau(40.0)
    yield "rank one, tau = 40", cold, rank_one_point(cold, [1, 1, -1, 1, -1, -1, 1, 1, 1])


def saddle_runs():
    for name, problem, start in exact_saddles():
        for solver in SOLVERS:
            # adaptive cubic regularisation takes seconds where curvatures differ by 17 orders
            slow = solver == "adaptive-cubic" and problem.tau > 10.0
            marks = [pytest.mark.slow] if slow else []
            yield pytest.param(solver, problem, start, id=f"{name}, {solver}", marks=marks)


@pytest.mark.parametrize(("solver", "problem", "start"), list(saddle_runs()))
def test_exact_saddles_are_left_for_the_global_minimum(solver, problem, start):
    assert np.abs(problem.gradient(start)).max() < 2e-13
    result = solve(problem, start, solver=solver)
    assert result.converged
    assert result.escaped_saddles >= 1
    assert result.cost == pytest.approx(global_minimum(problem), rel=1e-11)


@pytest.mark.parametrize("column", range(6))
def test_every_eigenvector_but_the_last_is_left(column):
    A = random_matrix(6, 1)
    vectors = np.linalg.eigh(A)[1]
    result = solve(Rayleigh(A), vectors[:, [column]])
    assert result.cost == pytest.approx(0.5 * np.linalg.eigvalsh(A)[0], rel=1e-12)
    assert (result.escaped_saddles > 0) == (column > 0)


def test_escape_can_be_switched_off():
    problem, saddle = invertible_branch()
    result = solve(problem, saddle, settings=Settings(escape_saddles=False))
    assert result.converged
    assert result.escaped_saddles == 0
    assert np.array_equal(result.X, saddle / np.linalg.norm(saddle, axis=0))


def test_a_minimum_is_not_left():
    result = solve(PROBLEM, collapsed_point(PROBLEM))
    assert (result.escaped_saddles, result.iterations) == (0, 0)


def test_newton_polishes_a_saddle_and_stays_there():
    problem, saddle = invertible_branch()
    start = saddle + 1e-4 * np.random.default_rng(0).standard_normal(saddle.shape)
    settings = Settings(tolerance=1e-13, escape_saddles=False)
    result = solve(problem, start / np.linalg.norm(start, axis=0), solver=NewtonPolish(), settings=settings)
    assert result.converged
    assert result.iterations <= 4
    assert result.cost == pytest.approx(float(problem.cost(saddle)), rel=2e-13)


@pytest.mark.parametrize("solver", SOLVERS)
def test_rotating_the_start_rotates_the_run(solver):
    start = PROBLEM.spheres.random_point(0)
    R = random_rotation(4, 1)
    settings = Settings(max_iterations=8)
    plain = solve(PROBLEM, start, solver=solver, settings=settings)
    turned = solve(PROBLEM, R @ start, solver=solver, settings=settings)
    assert np.abs(turned.X - R @ plain.X).max() < 1e-9
    assert turned.calls == plain.calls


@pytest.mark.parametrize("solver", SOLVERS)
def test_permuting_samples_permutes_the_run(solver):
    start = PROBLEM.spheres.random_point(2)
    order = PROBLEM.symmetry.permutations.random(np.random.default_rng(5))
    settings = Settings(max_iterations=8)
    plain = solve(PROBLEM, start, solver=solver, settings=settings)
    mixed = solve(PROBLEM, start[:, order], solver=solver, settings=settings)
    assert np.abs(mixed.X - plain.X[:, order]).max() < 1e-9


@pytest.mark.parametrize("solver", SOLVERS)
def test_batch_equals_loop(solver):
    problem = UFMProblem(class_sizes=(2, 1, 3), dim=4, tau=4.0)
    starts = problem.spheres.random_point(11, (7,))
    starts[3] = rank_one_point(problem, [1, 1, -1, 1, 1, -1, 1, 1, 1])
    settings = Settings(max_iterations=400)
    batch = solve_batch(problem, starts, solver=solver, settings=settings)
    for start, together in zip(starts, batch, strict=True):
        alone = solve(problem, start, solver=solver, settings=settings)
        assert together.converged
        assert alone.converged
        # a converged column is off by its tolerance at most, and costs by the square of that
        assert together.cost == pytest.approx(alone.cost, rel=2e-13)
        assert together.escaped_saddles == alone.escaped_saddles


@pytest.mark.parametrize(
    "solver", ["trust-region", "lbfgs", "barzilai-borwein", "conjugate-gradient", "adaptive-cubic"]
)
def test_batch_items_walk_the_same_path_as_single_runs(solver):
    starts = PROBLEM.spheres.random_point(12, (5,))
    settings = Settings(max_iterations=10)
    for start, together in zip(
        starts, solve_batch(PROBLEM, starts, solver=solver, settings=settings), strict=True
    ):
        alone = solve(PROBLEM, start, solver=solver, settings=settings)
        assert np.abs(together.X - alone.X).max() < 1e-10
        assert together.calls == alone.calls


def test_items_of_a_batch_stop_on_their_own():
    starts = np.stack([collapsed_point(PROBLEM), *PROBLEM.spheres.random_point(0, (3,))])
    results = solve_batch(PROBLEM, starts)
    assert results[0].iterations == 0
    assert all(result.iterations > 3 for result in results[1:])
    assert results[0].calls.total < min(result.calls.total for result in results[1:])


def test_seeds_are_reproducible_and_differ():
    first, again, other = (solve(PROBLEM, rng=seed) for seed in (5, 5, 6))
    assert np.array_equal(first.X, again.X)
    assert not np.array_equal(first.X, other.X)
    drawn = solve(PROBLEM, rng=np.random.default_rng(5))
    assert np.array_equal(first.X, drawn.X)
    batch = solve_batch(PROBLEM, 3, rng=5)
    assert np.array_equal(batch[2].X, solve_batch(PROBLEM, 3, rng=np.random.default_rng(5))[2].X)


def test_the_global_generator_is_left_alone():
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    solve(PROBLEM, orthogonal_collapsed_point(PROBLEM))
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("most", [2, 3, 7, 20, 41])
def test_call_limit_is_never_exceeded(solver, most):
    problem = Counting(MaxCut(np.abs(random_matrix(12, 3)), 4))
    result = solve(problem, rng=0, solver=solver, settings=Settings(max_calls=most, tolerance=1e-13))
    assert result.stop_reason is StopReason.CALL_LIMIT
    assert result.calls.total <= most
    assert result.calls.hessian == problem.products


@pytest.mark.parametrize("solver", ["steepest-descent", "trust-region", "lbfgs"])
def test_calls_are_those_that_the_problem_sees(solver):
    problem = Counting(odd_cycle(7))
    result = solve(problem, rng=0, solver=solver, settings=Settings(escape_saddles=False))
    # one further evaluation measures the result anew
    assert problem.evaluations == result.calls.cost + 1 == result.calls.gradient + 1
    assert problem.products == result.calls.hessian


@pytest.mark.parametrize("solver", SOLVERS)
def test_iteration_limit(solver):
    result = solve(PROBLEM, rng=0, solver=solver, settings=Settings(max_iterations=3))
    assert (result.stop_reason, result.iterations) == (StopReason.ITERATION_LIMIT, 3)
    none = solve(PROBLEM, rng=0, solver=solver, settings=Settings(max_iterations=0))
    assert (none.stop_reason, none.iterations) == (StopReason.ITERATION_LIMIT, 0)


@pytest.mark.parametrize("solver", SOLVERS)
def test_time_limit(solver):
    result = solve(PROBLEM, rng=0, solver=solver, settings=Settings(max_seconds=1e-9))
    assert (result.stop_reason, result.iterations) == (StopReason.TIME_LIMIT, 0)


@pytest.mark.parametrize("solver", SOLVERS)
def test_an_unreachable_tolerance_ends_without_progress(solver):
    result = solve(PROBLEM, rng=0, solver=solver, settings=Settings(tolerance=1e-20))
    assert result.stop_reason in (StopReason.NO_PROGRESS, StopReason.GRADIENT_TOLERANCE)
    assert result.cost == pytest.approx(global_minimum(PROBLEM), rel=1e-12)


def test_gap_tolerance_stops_early_and_holds():
    start = PROBLEM.spheres.random_point(4)
    loose = solve(PROBLEM, start, settings=Settings(gap_tolerance=1e-2), solver="barzilai-borwein")
    full = solve(PROBLEM, start, solver="barzilai-borwein")
    assert loose.stop_reason is StopReason.GAP_TOLERANCE
    assert loose.converged
    assert loose.iterations < full.iterations
    assert optimality_gap(PROBLEM, loose.X).value <= 1e-2
    assert loose.cost - global_minimum(PROBLEM) <= 1e-2


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("after", [1, 4])
def test_costs_that_break_end_the_run_at_the_last_finite_point(solver, value, after):
    problem = Breaking(PROBLEM, after, value)
    result = solve(problem, rng=0, solver=solver)
    assert result.stop_reason is StopReason.NON_FINITE
    assert np.isfinite(result.X).all()
    assert np.isfinite(PROBLEM.cost(result.X))


def test_a_start_without_a_finite_cost_is_returned_as_it_is():
    start = PROBLEM.spheres.random_point(0)
    result = solve(Breaking(PROBLEM, 0), start)
    assert result.stop_reason is StopReason.NON_FINITE
    assert np.allclose(result.X, start, rtol=0, atol=2e-13)
    assert result.cost == np.inf


def test_one_broken_item_does_not_stop_the_others():
    class Hole:
        spheres, symmetry = PROBLEM.spheres, PROBLEM.symmetry

        def at(self, X):
            return HolePoint(X)

    class HolePoint:
        def __init__(self, X):
            self.X, self.point = X, PROBLEM.at(X)
            self.cost = np.where(X[..., 0, 0] == 1.0, np.nan, self.point.cost)

        def __getattr__(self, name):
            return getattr(self.point, name)

    starts = PROBLEM.spheres.random_point(0, (3,))
    starts[1, :, 0] = [1.0, 0.0, 0.0, 0.0]
    results = solve_batch(Hole(), starts)
    assert results[1].stop_reason is StopReason.NON_FINITE
    assert results[0].converged
    assert results[2].converged


@pytest.mark.parametrize("scale", [np.inf, np.nan])
def test_scales_that_break_end_the_run(scale):
    class Point:
        def __init__(self, X):
            self.X, self.point = X, PROBLEM.at(X)
            self.gradient_scale = np.full_like(self.point.gradient_scale, scale)

        def __getattr__(self, name):
            return getattr(self.point, name)

    class Scaled:
        spheres, symmetry, at = PROBLEM.spheres, PROBLEM.symmetry, staticmethod(Point)

    assert solve(Scaled(), rng=0).stop_reason is StopReason.NON_FINITE


class Cusp:
    """``|x_0|^(3/2)`` at a point of the sphere: its gradient is finite, its Hessian is not where ``x_0 = 0``."""

    spheres, symmetry = ProductOfSpheres((3,)), SymmetryGroup.none(1)

    def at(self, X):
        first = np.array([1.0, 0.0, 0.0])[:, None]
        slope = 1.5 * np.sign(X) * np.abs(X) ** 0.5 * first
        cost, scale = np.abs(X[..., 0, 0]) ** 1.5, np.ones((*X.shape[:-2], 1))
        return EuclideanPoint(X, cost, slope, scale, lambda U: 0.75 / np.abs(X) ** 0.5 * U * first)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("curvature", [np.nan, np.inf, 1e200])
def test_hessians_that_are_no_numbers_end_steps_and_not_the_run(solver, curvature):
    class Point:
        def __init__(self, X):
            self.X, self.point = X, PROBLEM.at(X)

        def __getattr__(self, name):
            return getattr(self.point, name)

        def hessian_product(self, U):
            return U * np.where(self.X[..., :1, :1] > 0.0, curvature, 1.0)

    class Broken:
        spheres, symmetry, at = PROBLEM.spheres, PROBLEM.symmetry, staticmethod(Point)

    for result in solve_batch(Broken(), 4, rng=0, solver=solver, settings=Settings(max_iterations=100)):
        assert np.isfinite(result.X).all()
        assert result.cost <= PROBLEM.cost(PROBLEM.spheres.random_point(0, (4,))).max()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_minimum_without_a_hessian_is_reached(solver):
    for start in Cusp.spheres.random_point(1, (4,)):
        result = solve(Cusp(), start, solver=solver)
        assert result.cost <= 1e-9
        # here nothing but the gradient is left to look at
        assert solve(Cusp(), [[0.0], [0.6], [0.8]], solver=solver).converged


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("tau", [1e160, 1e300])
def test_products_that_overflow_are_results_and_no_warnings(solver, tau):
    result = solve(UFMProblem(class_sizes=(2, 1), dim=2, tau=tau), rng=3, solver=solver)
    assert not result.converged
    assert np.isfinite(result.X).all()


@pytest.mark.parametrize("solver", ["trust-region", "lbfgs", "barzilai-borwein"])
def test_extreme_temperatures(solver):
    for tau in (1e-3, 300.0):
        problem = PROBLEM.with_tau(tau)
        result = solve(problem, rng=0, solver=solver)
        assert result.converged, (tau, result.stop_reason)
        assert result.cost == pytest.approx(global_minimum(problem), rel=1e-11)
    frozen = solve(PROBLEM.with_tau(5000.0), collapsed_point(PROBLEM), solver=solver)
    assert frozen.stop_reason is StopReason.UNDERFLOW
    assert not frozen.converged
    assert frozen.relative_gradient_norm == np.inf


@pytest.mark.parametrize("solver", SOLVERS)
def test_recorder_agrees_with_values_measured_again(solver):
    seen = []
    result = solve(PROBLEM, rng=3, solver=solver, record=True, callback=lambda p: seen.append(p.X.copy()))
    history = result.history
    assert np.array_equal(history.iteration, np.arange(result.iterations + 1))
    assert len(seen) == history.cost.size
    assert np.array_equal(seen[-1], result.X)
    for k, X in enumerate(seen):
        assert history.cost[k] == pytest.approx(float(PROBLEM.cost(X)), rel=1e-12)
        assert history.gradient_norm[k] == pytest.approx(np.linalg.norm(PROBLEM.gradient(X)), rel=1e-6)
        assert history.gap[k] == optimality_gap(PROBLEM, X).value
    assert history.relative_gradient_norm[-1] == pytest.approx(result.relative_gradient_norm, rel=1e-6)
    assert (np.diff(history.seconds) >= 0).all()
    assert history.hessian_calls[-1] <= result.calls.hessian
    assert not history.cost.flags.writeable


def test_nothing_is_recorded_unasked():
    assert solve(PROBLEM, rng=0).history is None


def test_callback_stops_one_item():
    def stop(progress):
        return progress.item == 1 and progress.iteration == 2

    results = solve_batch(PROBLEM, 3, rng=0, callback=stop)
    assert results[1].stop_reason is StopReason.INTERRUPTED_BY_CALLBACK
    assert results[1].iterations == 2
    assert results[0].converged
    assert results[2].converged


def test_costs_fall_monotonically_with_monotone_solvers():
    for solver in ("trust-region", "steepest-descent", "adaptive-cubic"):
        cost = solve(PROBLEM, rng=2, solver=solver, record=True).history.cost
        assert (np.diff(cost) <= 2e-13 * cost[:-1]).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"solver": "simplex"}, "solver='simplex'"),
        ({"solver": None}, "solver=None must be an instance, or one of"),
        ({"solver": NewtonPolish}, "must be an instance"),
        ({"settings": {"tolerance": 1e-3}}, "must be Settings"),
        ({"start": [[1.0], [0.0, 1.0]]}, "start is not a rectangular array"),
        ({"start": np.ones((4, 12))}, "start has a column of norm"),
        ({"start": np.ones((3, 12))}, "start has shape"),
        ({"start": np.full((4, 12), np.nan)}, "NaN"),
        ({"start": PROBLEM.spheres.random_point(0, (2,))}, "one point"),
        ({"rng": -1}, "rng=-1"),
    ],
)
def test_bad_input(change, words):
    with pytest.raises(InvalidInputError, match=words):
        solve(PROBLEM, **change)


def test_bad_settings():
    for bad in (
        {"tolerance": 0.0},
        {"tolerance": "1e-9"},
        {"max_iterations": -1},
        {"max_calls": 1},
        {"max_seconds": np.nan},
    ):
        with pytest.raises(InvalidInputError, match=next(iter(bad))):
            Settings(**bad)
    with pytest.raises(InvalidInputError, match="gap_tolerance"):
        solve(odd_cycle(5), settings=Settings(gap_tolerance=1e-3))
    nameless = SimpleNamespace(start=NewtonPolish().start)
    with pytest.raises(InvalidInputError, match="must be an instance"):
        solve(PROBLEM, solver=nameless)
    with pytest.raises(InvalidInputError, match="is no problem"):
        solve(UFMProblem)
    with pytest.raises(InvalidInputError, match="starts=0"):
        solve_batch(PROBLEM, 0)
    with pytest.raises(InvalidInputError, match="at least one point"):
        solve_batch(PROBLEM, np.empty((0, *PROBLEM.spheres.shape)))


def test_settings_are_kept_as_plain_numbers():
    settings = Settings(tolerance=np.float32(0.5), max_iterations=3.0, max_calls=np.int64(9), max_seconds=2)
    kept = settings.tolerance, settings.max_iterations, settings.max_calls, settings.max_seconds
    assert kept == (0.5, 3, 9, 2.0)
    assert [type(value) for value in kept] == [float, int, int, float]
    assert solve(PROBLEM, rng=0, solver=LBFGS(memory=3.0)).converged


@pytest.mark.parametrize("kind", ["<f8", ">f8", "<f4", ">f4", "<f2", ">f2"])
def test_starts_may_be_rounded_to_their_own_precision(kind):
    start = PROBLEM.spheres.random_point(0).astype(kind)
    result = solve(PROBLEM, start, settings=Settings(max_iterations=0))
    np.testing.assert_allclose(result.X, start.astype(np.float64), rtol=0, atol=1e-3)
    with pytest.raises(InvalidInputError, match="normalise"):
        solve(PROBLEM, 1.01 * start)


@pytest.mark.parametrize("solver", SOLVERS)
def test_time_is_looked_at_after_every_evaluation(solver, monkeypatch):
    # a clock that advances by one second with every reading
    ticks = iter(range(10**6))
    monkeypatch.setattr("sphereufm.solvers.record.time.perf_counter", lambda: float(next(ticks)))
    problem = Counting(odd_cycle(9))
    result = solve(problem, rng=0, solver=solver, settings=Settings(max_seconds=12.0, tolerance=1e-14))
    assert result.stop_reason is StopReason.TIME_LIMIT
    assert problem.evaluations + problem.products < 20
