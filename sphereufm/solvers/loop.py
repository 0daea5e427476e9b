"""The one loop that drives every solver: stop tests, saddle escape, and an honest result.

Items of a batch run in lock step and leave the batch as they stop, each for its own reason.
"""

from __future__ import annotations

from dataclasses import dataclass, is_dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sphereufm.errors import InvalidInputError
from sphereufm.geometry.spheres import Array, frobenius_norm
from sphereufm.problem import capabilities
from sphereufm.problem.interface import SphereProblem, relative_gradient_norm
from sphereufm.solvers import batch
from sphereufm.solvers.escape import negative_curvature, newton_length, slide
from sphereufm.solvers.oracle import LEAST_SCALE, Oracle
from sphereufm.solvers.record import Clock, Watch, gap_at
from sphereufm.solvers.result import Calls, Settings, SolverResult, StopReason
from sphereufm.solvers.strategies import Solver, Step

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


@dataclass(slots=True, eq=False)
class _Running:
    """What is remembered of each running item, shape (B,) each."""

    #: ``best_cost``, ``best_norm`` and ``gained_at``: least cost and relative gradient norm that were marked, and the
    #: cost calls at the last gain.
    best_cost: Array
    best_norm: Array
    gained_at: NDArray[np.intp]
    #: ``high_cost`` and ``lowered_at``: cost from which a fall is watched, and the cost calls when it last
    #: fell clearly.
    high_cost: Array
    lowered_at: NDArray[np.intp]
    tolerances: Array  #: relative gradient norm to reach
    escaped: NDArray[np.intp]  #: how many saddles were left

    @classmethod
    def begin(cls, size: int, tolerance: float) -> _Running:
        """Nothing is known yet."""
        best, high, norm = np.full((3, size), np.inf)
        gained, lowered, escaped = np.zeros((3, size), dtype=np.intp)
        return cls(best, norm, gained, high, lowered, np.full(size, tolerance), escaped)


@dataclass(eq=False)
class Batch:
    """All items, from starts of shape (B, d, M), and the points of those that still run."""

    problem: SphereProblem
    starts: Array
    solver: Solver
    settings: Settings
    rng: np.random.Generator
    watch: Watch

    def __post_init__(self) -> None:
        starts, settings = self.starts, self.settings
        self.clock = Clock(settings.max_seconds, processor_time=settings.processor_time)
        self.oracle = Oracle(self.problem, len(starts), settings, self.clock.expired)
        self.points = self.oracle.at(starts)
        self.oracle.rescale(self.points)
        strategy: Any = self.solver.start(self.oracle, self.points)
        if not is_dataclass(strategy):
            raise InvalidInputError(
                f"solver {self.solver.name!r} starts a {type(strategy).__name__}, which must be a dataclass"
            )
        self.strategy: Any = strategy
        self.running = _Running.begin(len(starts), settings.tolerance)
        # outcome of the last iteration, none yet: whether items meet the tolerance, gain nothing any more, and were
        # asked to stop by a callback
        self.settled, self.stuck, self.interrupted = np.zeros((3, len(starts)), dtype=bool)
        self.step = Step(self.points, self.stuck, self.stuck)
        self.iteration = 0
        # whether no item has settled or lingers
        self.moving = True
        self.X = starts.copy()
        self.ended: dict[int, dict[str, Any]] = {}

    def run(self) -> tuple[SolverResult, ...]:
        """Go on until every item has stopped; one result for each."""
        try:
            self.observe()
            while True:
                self.leave_saddles()
                if self.some_may_stop():
                    self.retire(self.verdicts())
                if not self.oracle.items.size:
                    break
                self.advance()
        except KeyboardInterrupt:
            if not self.watch.keeps_interrupted:
                raise
            self.retire(np.full(self.oracle.items.size, _REASONS.index(StopReason.INTERRUPTED)))
        return self.results()

    def observe(self) -> None:
        """Show the points to callback and recorder."""
        self.interrupted = self.watch.observe(self.oracle, self.points, self.iteration, self.clock)

    def advance(self) -> None:
        """Make one iteration."""
        rescaled = self.oracle.rescale(self.points)
        if np.count_nonzero(rescaled):
            batch.clear(self.strategy, rescaled)
            self.running.best_cost[rescaled] = self.running.high_cost[rescaled] = np.inf
        self.step = self.strategy.step(self.points)
        self.points = self.step.points
        self.iteration += 1
        if self.iteration % _MARK_EVERY == 0:
            self._mark()
        self.observe()

    def _mark(self) -> None:
        """Note gains; the marks move only when they are beaten clearly, so that many small gains add up."""
        points, running = self.points, self.running
        lower = points.cost < running.best_cost - points.noise
        smaller = points.relative_norm < _GAIN * running.best_norm
        running.best_cost = np.where(lower, points.cost, running.best_cost)
        running.best_norm = np.where(smaller, points.relative_norm, running.best_norm)
        running.gained_at = np.where(lower | smaller, self._evaluations(), running.gained_at)
        self._start_watch(running.high_cost - points.cost > _FALL * np.abs(points.cost))

    def _start_watch(self, rows: NDArray[np.bool_]) -> None:
        """See from here whether the cost falls."""
        self.running.high_cost = np.where(rows, self.points.cost, self.running.high_cost)
        self.running.lowered_at = np.where(rows, self._evaluations(), self.running.lowered_at)

    def _evaluations(self) -> NDArray[np.intp]:
        """Cost calls of the running items so far."""
        return self.oracle.counts[0]

    def leave_saddles(self) -> None:
        """Look for negative curvature at items that meet the tolerance or linger, and move those that have it.

        Items can linger short of the tolerance: at low temperatures the scales of columns differ by many orders,
        and the cost does not feel the smallest.  Where the gradient is small but the Newton step is not, nothing is
        settled yet: such an item goes on towards a smaller gradient.
        """
        running = self.running
        self.settled = self.points.finite & (self.points.relative_norm <= running.tolerances)
        lingering = self.stuck = self.step.stalled
        if self.iteration % _MARK_EVERY == 0:
            self.stuck = self.stuck | (self._evaluations() - running.gained_at >= _PATIENCE)
            lingering = self.stuck | (self._evaluations() - running.lowered_at >= _LOOK)
        self.moving = not (np.count_nonzero(self.settled) or np.count_nonzero(lingering))
        if self.moving or not self.settings.escape_saddles:
            return
        self._start_watch(lingering)
        rows = np.flatnonzero(
            (self.settled | (lingering & ~self.step.non_finite))
            & (self.points.least_scale > LEAST_SCALE)
            & (running.escaped < _MOST_ESCAPES)
            & self.oracle.affordable(1)
        )
        if not rows.size:
            return
        self.oracle.charge("cost", rows)
        alone = self.points.evaluation if self.settled.size == 1 else None
        point = self.problem.at(self.points.X[rows]) if alone is None else alone
        for row in rows[~capabilities.global_minima(point).reshape(-1)].tolist():
            X = self._lower_point(row)
            if X is not None:
                self._move(row, X)
            elif self.settled[row] and self._may_be_far(row):
                self.settled[row] = False
                running.tolerances[row] *= _TIGHTER

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

    def _move(self, row: int, X: Array) -> None:
        """Put an item somewhere else; the new point is tested after a step."""
        rows, running = np.array([row]), self.running
        moved = self.oracle.at(X[None], rows)
        self.points = moved if self.settled.size == 1 else self.points.replace(rows, moved)
        here = np.arange(self.settled.size) == row
        self.settled, self.stuck = self.settled & ~here, self.stuck & ~here
        running.gained_at[row] = running.lowered_at[row] = self._evaluations()[row]
        running.escaped[row] += 1
        batch.clear(self.strategy, here)

    def some_may_stop(self) -> bool:
        """Quick check, which is false after most iterations."""
        return (
            self.iteration == 0
            or not self.moving
            or (self.watch.callback is not None and bool(self.interrupted.any()))
            or self.settings.gap_tolerance is not None
            or self.settings.max_calls is not None
            or self.iteration >= self.settings.max_iterations
            or self.clock.expired()
        )

    def verdicts(self) -> NDArray[np.intp]:
        """Number of each running item's stop reason, or -1; the first that applies."""
        points, settings = self.points, self.settings
        verdict = np.full(self.settled.size, -1)

        def mark(where: NDArray[np.bool_] | bool, reason: StopReason) -> None:
            verdict[(verdict < 0) & where] = _REASONS.index(reason)

        mark(~points.finite, StopReason.NON_FINITE)
        mark(self.settled & (points.least_scale <= LEAST_SCALE), StopReason.UNDERFLOW)
        mark(self.settled, StopReason.GRADIENT_TOLERANCE)
        if settings.gap_tolerance is not None and self.iteration % _GAP_EVERY == 0:
            gaps = np.array([gap_at(self.problem, X) for X in points.X])
            mark(gaps <= settings.gap_tolerance, StopReason.GAP_TOLERANCE)
        mark(self.interrupted, StopReason.INTERRUPTED_BY_CALLBACK)
        mark(self.stuck & self.step.non_finite, StopReason.NON_FINITE)
        mark(~self.oracle.affordable(2), StopReason.CALL_LIMIT)
        mark(self.clock.expired(), StopReason.TIME_LIMIT)
        mark(self.iteration >= settings.max_iterations, StopReason.ITERATION_LIMIT)
        mark(self.stuck, StopReason.NO_PROGRESS)
        return verdict

    def retire(self, verdict: NDArray[np.intp]) -> None:
        """Store the items that have a verdict, and go on with the others."""
        done = verdict >= 0
        if not done.any():
            return
        self.X[self.oracle.items[done]] = self.points.X[done]
        for row in np.flatnonzero(done).tolist():
            self.ended[int(self.oracle.items[row])] = {
                "stop_reason": _REASONS[verdict[row]],
                "iterations": self.iteration,
                "calls": Calls(*self.oracle.counts[:, row].tolist()),
                "seconds": self.clock.seconds(),
                "escaped_saddles": int(self.running.escaped[row]),
            }
        rest = ~done
        self.oracle.keep(rest)
        if rest.any():
            self.points = self.points.take(rest)
            batch.keep(self.strategy, rest)
        self.running = batch.take(self.running, rest)

    def results(self) -> tuple[SolverResult, ...]:
        """Measure every point anew, and report."""
        point = self.problem.at(self.X)
        # where a column's scale has underflown, nothing is known of that column
        known = point.gradient_scale.min(axis=-1) > LEAST_SCALE
        relative = np.where(known, relative_gradient_norm(point), np.inf)
        unit = capabilities.cost_unit(self.problem)
        return tuple(
            SolverResult(
                X=X.copy(),
                cost=float(cost) if np.isfinite(cost) else np.inf,
                gradient_norm=frobenius_norm(gradient),
                relative_gradient_norm=float(norm) if np.isfinite(norm) else np.inf,
                solver=self.solver.name,
                unit=unit,
                history=self.watch.history(item),
                **self.ended[item],
            )
            for item, (X, cost, gradient, norm) in enumerate(
                zip(self.X, np.asarray(point.cost), point.gradient, relative, strict=True)
            )
        )
