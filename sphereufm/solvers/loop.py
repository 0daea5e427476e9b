"""The one loop that drives every solver: stop tests, saddle escape, and an honest result.

Items of a batch run in lock step and leave the batch as they stop, each for its own reason.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array
from sphereufm.problem import capabilities
from sphereufm.problem.interface import SphereProblem
from sphereufm.solvers.batch import take
from sphereufm.solvers.escape import negative_curvature, newton_length, slide
from sphereufm.solvers.oracle import LEAST_SCALE, Oracle, Points, relative_norms
from sphereufm.solvers.record import Clock, Entry, Watch, frobenius, gap_at, history
from sphereufm.solvers.result import Calls, Settings, SolverResult
from sphereufm.solvers.stop import StopReason
from sphereufm.solvers.strategy import Solver, Step, Strategy

# evaluations without a lower cost or a smaller gradient that mean that there is nothing left to gain
_PATIENCE = 2000
# evaluations in which the cost fell by less than a hundredth, after which negative curvature is looked for
_LOOK = 500
_FALL = 0.01
_MARK_EVERY = 10
_GAIN = 0.9
_MOST_ESCAPES = 50
# radians; a longer Newton step means that the small gradient is that of a flat direction, and no convergence
_LONGEST_NEWTON = 1e-3
_TIGHTER = 0.1
# the optimality gap costs about as much as a few iterations
_GAP_EVERY = 5
_REASONS = list(StopReason)


def run(
    problem: SphereProblem,
    starts: Array,
    solver: Solver,
    settings: Settings,
    rng: np.random.Generator,
    watch: Watch,
) -> tuple[SolverResult, ...]:
    """Run the solver from each of the starts, shape (B, d, M), and return one result for each."""
    batch = _Batch(problem, starts, settings, rng, watch)
    strategy = solver.start(batch.oracle, batch.points)
    step: Step | None = None
    try:
        batch.observe()
        while True:
            batch.leave_saddles(strategy, step)
            if batch.some_may_stop(step):
                batch.retire(batch.verdicts(step), strategy)
            if not batch.oracle.items.size:
                return batch.results(solver.name)
            rescaled = batch.oracle.rescale(batch.points)
            if np.count_nonzero(rescaled):
                strategy.forget(rescaled)
                batch.running.best_cost[rescaled] = batch.running.high_cost[rescaled] = np.inf
            step = strategy.step(batch.points)
            batch.advance(step)
    except KeyboardInterrupt:
        if not watch.keeps_interrupted:
            raise
        everyone = np.full(batch.oracle.items.size, _REASONS.index(StopReason.INTERRUPTED))
        batch.retire(everyone, strategy)
        return batch.results(solver.name)


@dataclass(slots=True, eq=False)
class _Running:
    """What is known of each running item, shape (B,) each.

    * ``best_cost``, ``best_norm`` and ``gained_at``: least cost and relative gradient norm that were marked,
      and the cost calls at the last gain.
    * ``high_cost`` and ``lowered_at``: cost from which a fall is watched, and the cost calls when it last
      fell clearly.
    * ``tolerances``: relative gradient norm to reach.
    * ``settled``, ``stuck`` and ``interrupted``: whether the tolerance is met, nothing is gained any more,
      and a callback asked to stop.
    """

    best_cost: Array
    high_cost: Array
    best_norm: Array
    gained_at: NDArray[np.intp]
    lowered_at: NDArray[np.intp]
    tolerances: Array
    settled: NDArray[np.bool_]
    stuck: NDArray[np.bool_]
    interrupted: NDArray[np.bool_]

    @classmethod
    def begin(cls, size: int, tolerance: float) -> _Running:
        """Nothing is known yet."""
        best, high, norm = np.full((3, size), np.inf)
        gained, lowered = np.zeros((2, size), dtype=np.intp)
        settled, stuck, interrupted = np.zeros((3, size), dtype=bool)
        tolerances = np.full(size, tolerance)
        return cls(best, high, norm, gained, lowered, tolerances, settled, stuck, interrupted)


class _Batch:
    """All items, and the points of those that still run."""

    def __init__(
        self,
        problem: SphereProblem,
        starts: Array,
        settings: Settings,
        rng: np.random.Generator,
        watch: Watch,
    ) -> None:
        size = starts.shape[0]
        self.problem, self.settings, self.rng, self.watch = problem, settings, rng, watch
        self.clock = Clock(settings.max_seconds, processor_time=settings.processor_time)
        self.oracle = Oracle(problem, size, settings, self.clock.expired)
        self.points = self.oracle.at(starts)
        self.oracle.rescale(self.points)
        self.iteration = 0
        # of all items
        self.X = starts.copy()
        self.reasons = [StopReason.NO_PROGRESS] * size
        self.iterations = np.zeros(size, dtype=np.intp)
        self.seconds = np.zeros(size)
        self.calls = np.zeros((3, size), dtype=np.intp)
        self.escaped = np.zeros(size, dtype=np.intp)
        self.logs: list[list[Entry]] = [[] for _ in range(size)]
        # of the running items
        self.running = _Running.begin(size, settings.tolerance)
        # whether no item has settled or lingers
        self.moving = True

    def observe(self) -> None:
        """Show the points to callback and recorder."""
        self.running.interrupted = self.watch.observe(
            self.oracle, self.points, self.iteration, self.clock, self.logs
        )

    def advance(self, step: Step) -> None:
        """Take over the outcome of an iteration."""
        self.iteration += 1
        moved = step.points
        if self.iteration % _MARK_EVERY == 0:
            self._mark(moved)
        self.points = moved
        self.observe()

    def _mark(self, points: Points) -> None:
        """Note gains; the marks move only when they are beaten clearly, so that many small gains add up."""
        lower = points.cost < self.running.best_cost - points.noise
        smaller = points.relative_norm < _GAIN * self.running.best_norm
        self.running.best_cost = np.where(lower, points.cost, self.running.best_cost)
        self.running.best_norm = np.where(smaller, points.relative_norm, self.running.best_norm)
        self.running.gained_at = np.where(lower | smaller, self._evaluations(), self.running.gained_at)
        lowered = self.running.high_cost - points.cost > _FALL * np.abs(points.cost)
        self._start_watch(lowered, points)

    def _start_watch(self, rows: NDArray[np.bool_], points: Points) -> None:
        """See from here whether the cost falls."""
        self.running.high_cost = np.where(rows, points.cost, self.running.high_cost)
        self.running.lowered_at = np.where(rows, self._evaluations(), self.running.lowered_at)

    def _evaluations(self) -> NDArray[np.intp]:
        """Cost calls of the running items so far."""
        return self.oracle.counts[0]

    def leave_saddles(self, strategy: Strategy, step: Step | None) -> None:
        """Look for negative curvature at items that meet the tolerance or linger, and move those that have it.

        Items can linger short of the tolerance: at low temperatures the scales of columns differ by many orders,
        and the cost does not feel the smallest.  Where the gradient is small but the Newton step is not, nothing is
        settled yet: such an item goes on towards a smaller gradient.
        """
        self.running.settled = self.points.relative_norm <= self.running.tolerances
        lingering = self.running.stuck = (
            np.zeros(self.running.settled.size, dtype=bool) if step is None else step.stalled
        )
        if self.iteration % _MARK_EVERY == 0:
            self.running.stuck = self.running.stuck | (
                self._evaluations() - self.running.gained_at >= _PATIENCE
            )
            lingering = self.running.stuck | (self._evaluations() - self.running.lowered_at >= _LOOK)
        self.moving = not (np.count_nonzero(self.running.settled) or np.count_nonzero(lingering))
        if self.moving or not self.settings.escape_saddles:
            return
        self._start_watch(lingering, self.points)
        failing = np.zeros_like(self.running.stuck) if step is None else step.non_finite
        rows = np.flatnonzero(
            (self.running.settled | (lingering & ~failing))
            & (self.points.least_scale > LEAST_SCALE)
            & (self.escaped[self.oracle.items] < _MOST_ESCAPES)
            & self.oracle.affordable(1)
        )
        if not rows.size:
            return
        self.oracle.charge("cost", rows)
        alone = self.points.evaluation if self.oracle.items.size == 1 else None
        point = self.problem.at(self.points.X[rows]) if alone is None else alone
        for row in rows[~capabilities.global_minima(point).reshape(-1)].tolist():
            X = self._lower_point(row)
            if X is not None:
                self._move(row, X, strategy)
            elif self.running.settled[row] and self._may_be_far(row):
                self.running.settled[row] = False
                self.running.tolerances[row] *= _TIGHTER

    def _charge(self, row: int, kind: str) -> bool:
        """Charge a call, if it can be had; two are kept back for the first-order information at a new point."""
        if self.clock.expired() or not self.oracle.affordable(3)[row]:
            return False
        self.oracle.charge(kind, np.array([row]))
        return True

    def _lower_point(self, row: int) -> Array | None:
        """A point below a saddle, or nothing."""
        if not self._charge(row, "cost"):
            return None
        point = self.problem.at(self.points.X[row])
        found = negative_curvature(self.problem, point, self.rng, lambda: self._charge(row, "hessian"))
        return (
            None if found is None else slide(self.problem, point, *found, lambda: self._charge(row, "cost"))
        )

    def _may_be_far(self, row: int) -> bool:
        """Whether the Newton step says that the critical point is elsewhere."""
        if capabilities.is_well_scaled(self.problem):
            return False
        length = newton_length(self.problem.at(self.points.X[row]), lambda: self._charge(row, "hessian"))
        return length > max(_LONGEST_NEWTON, self.running.tolerances[row])

    def _move(self, row: int, X: Array, strategy: Strategy) -> None:
        """Put an item somewhere else."""
        rows = np.array([row])
        moved = self.oracle.at(X[None], rows)
        self.points = moved if self.oracle.items.size == 1 else self.points.replace(rows, moved)
        # the new point is tested after a step
        self.running.settled[row] = False
        self.running.stuck = self.running.stuck.copy()
        self.running.stuck[row] = False
        self.running.gained_at[row] = self.running.lowered_at[row] = self._evaluations()[row]
        self.escaped[self.oracle.items[row]] += 1
        mask = np.zeros(self.oracle.items.size, dtype=bool)
        mask[row] = True
        strategy.forget(mask)

    def verdicts(self, step: Step | None) -> NDArray[np.intp]:
        """Number of each running item's stop reason, or -1; the first that applies."""
        verdict = np.full(self.oracle.items.size, -1)

        def mark(where: NDArray[np.bool_] | bool, reason: StopReason) -> None:
            verdict[(verdict < 0) & where] = _REASONS.index(reason)

        points, settings = self.points, self.settings
        if step is None:
            mark(~points.finite, StopReason.NON_FINITE)
        if self.running.settled.any():
            mark(self.running.settled & (points.least_scale <= LEAST_SCALE), StopReason.UNDERFLOW)
            mark(self.running.settled, StopReason.GRADIENT_TOLERANCE)
        if settings.gap_tolerance is not None and self.iteration % _GAP_EVERY == 0:
            mark(self._within_gap(settings.gap_tolerance), StopReason.GAP_TOLERANCE)
        if self.running.interrupted.any():
            mark(self.running.interrupted, StopReason.INTERRUPTED_BY_CALLBACK)
        if step is not None and self.running.stuck.any():
            mark(self.running.stuck & step.non_finite, StopReason.NON_FINITE)
        if settings.max_calls is not None:
            mark(~self.oracle.affordable(2), StopReason.CALL_LIMIT)
        mark(self.clock.expired(), StopReason.TIME_LIMIT)
        mark(self.iteration >= settings.max_iterations, StopReason.ITERATION_LIMIT)
        mark(self.running.stuck, StopReason.NO_PROGRESS)
        return verdict

    def some_may_stop(self, step: Step | None) -> bool:
        """Quick check, which is false after most iterations."""
        return (
            step is None
            or not self.moving
            or (self.watch.callback is not None and bool(self.running.interrupted.any()))
            or self.settings.gap_tolerance is not None
            or self.settings.max_calls is not None
            or self.iteration >= self.settings.max_iterations
            or self.clock.expired()
        )

    def _within_gap(self, tolerance: float) -> NDArray[np.bool_]:
        """Where the numerical optimality gap is small enough."""
        return np.array([gap_at(self.problem, X) <= tolerance for X in self.points.X], dtype=bool)

    def retire(self, verdict: NDArray[np.intp], strategy: Strategy) -> None:
        """Store the items that have a verdict, and go on with the others."""
        done = verdict >= 0
        if not done.any():
            return
        items = self.oracle.items[done]
        self.X[items] = self.points.X[done]
        self.iterations[items] = self.iteration
        self.seconds[items] = self.clock.seconds()
        self.calls[:, items] = self.oracle.counts[:, done]
        for item, number in zip(items.tolist(), verdict[done].tolist(), strict=True):
            self.reasons[item] = _REASONS[number]
        rest = ~done
        self.oracle.keep(rest)
        if rest.any():
            self.points = self.points.take(rest)
            strategy.keep(rest)
        self.running = take(self.running, rest)

    def results(self, solver: str) -> tuple[SolverResult, ...]:
        """Measure every point anew, and report."""
        point = self.problem.at(self.X)
        cost = np.asarray(point.cost)
        gradient = point.gradient
        scale = point.gradient_scale
        # where a column's scale has underflown, nothing is known of that column
        known = scale.min(axis=-1) > LEAST_SCALE
        relative = np.where(known, relative_norms(gradient, scale), np.inf)
        results = []
        for i, reason in enumerate(self.reasons):
            X = self.X[i].copy()
            X.flags.writeable = False
            results.append(
                SolverResult(
                    X=X,
                    cost=float(cost[i]) if np.isfinite(cost[i]) else np.inf,
                    gradient_norm=frobenius(gradient[i]),
                    relative_gradient_norm=float(relative[i]) if np.isfinite(relative[i]) else np.inf,
                    stop_reason=reason,
                    iterations=int(self.iterations[i]),
                    calls=Calls.of(self.calls[:, i]),
                    seconds=float(self.seconds[i]),
                    escaped_saddles=int(self.escaped[i]),
                    solver=solver,
                    unit=capabilities.cost_unit(self.problem),
                    history=history(self.logs[i]) if self.watch.record else None,
                )
            )
        return tuple(results)
