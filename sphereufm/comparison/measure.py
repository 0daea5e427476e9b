"""One solver, one start, one honest measurement.

A run *reaches* the tolerance when the columnwise relative gradient norm of its answer, measured anew outside the
solver, meets it.  Everything else is a failure, with its reason, and is charged the time limit.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from sphereufm.comparison.peers import CLOCKS, Curve, Gauge, Peer, Stopped
from sphereufm.comparison.suites import Instance
from sphereufm.errors import InvalidInputError, check_integer, check_positive, keep_checked, one_of
from sphereufm.geometry.spheres import Array
from sphereufm.problem.interface import SphereProblem
from sphereufm.solvers import SOLVERS, Progress, Settings, SolverResult, StopReason, solve

# what a solver's own test may miss by: it sees the same number up to rounding
_SLACK = 1.0 + 1e-6
# seconds; longer runs are not repeated
_SHORT_RUN = 1.0


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What all solvers are held to.

    Raises InvalidInputError if a number is not positive (``seed``: negative), or the clock unknown.
    """

    tolerance: float = 1e-9  #: relative gradient norm to reach, measured anew
    limit: float = 60.0  #: seconds of a run; charged to failures
    seed: int = 0  #: of the first start; the others follow
    starts: int = 3  #: of each instance
    #: Runs of each, of which the quickest counts; runs of more than a second are not repeated.
    repeats: int = 3
    clock: str = "wall"  #: or ``cpu`` for processor time, which does not see what else the machine does

    def __post_init__(self) -> None:
        keep_checked(
            self,
            tolerance=check_positive("tolerance", self.tolerance, "it is relative; 1e-9 is usual"),
            limit=check_positive("time limit", self.limit, "seconds for each run"),
            **{
                name: check_integer(name, getattr(self, name), least)
                for name, least in (("seed", 0), ("starts", 1), ("repeats", 1))
            },
        )
        if self.clock not in CLOCKS:
            raise InvalidInputError(f"clock={self.clock!r} must be {one_of(self.clock, CLOCKS)}")


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One solver on one instance from one start."""

    instance: str
    seed: int  #: of the start
    solver: str
    reached: bool
    seconds: float  #: least of the repeats
    charged: float  #: seconds that count: the limit for a failure
    #: ``relative_gradient_norm`` and ``cost_value``: measured anew at the answer; cost in nats for the
    #: cross-entropy problems.
    relative_gradient_norm: float = np.inf
    cost_value: float = np.nan
    #: ``cost``, ``gradient`` and ``hessian``: calls.
    cost: int = 0
    gradient: int = 0
    hessian: int = 0
    note: str  #: why the run ended
    #: Seconds, calls and best relative gradient norm along the way.
    curve: tuple[tuple[float, int, float], ...] | None = None

    @property
    def calls(self) -> int:
        """Calls of all kinds."""
        return self.cost + self.gradient + self.hessian


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """One start of one instance, and what a run may take."""

    instance: Instance
    seed: int
    rules: Rules

    @cached_property
    def problem(self) -> SphereProblem:
        """The instance's problem, made once."""
        return self.instance.make()

    @property
    def start(self) -> Array:
        """The start that every solver gets, shape (d, M)."""
        return self.problem.spheres.random_point(self.seed)

    @property
    def settings(self) -> Settings:
        """The same for one of our solvers, which stops by the clock that is charged."""
        cpu = self.rules.clock == "cpu"
        return Settings(tolerance=self.rules.tolerance, max_seconds=self.rules.limit, processor_time=cpu)


def measure(task: Task, name: str, peers: Mapping[str, Peer], *, curve: bool = False) -> Measurement:
    """Least time of a few repeats; long runs and failures are not repeated.

    ``name``: a name of ``SOLVERS`` or of ``peers``.  ``curve``: whether to keep the way down as well.  One of our
    solvers is run once more for that, untimed.
    """
    best = _run(task, name, peers)
    for _ in range(task.rules.repeats - 1):
        if not best.reached or best.seconds > _SHORT_RUN:
            break
        best = min(best, _run(task, name, peers), key=lambda found: found.seconds)
    if curve and name in SOLVERS:
        way = Curve()

        def look(progress: Progress) -> None:
            way.add(progress.seconds, progress.calls.total, progress.relative_gradient_norm)

        _solved(task.problem, task.start, solver=name, settings=task.settings, callback=look)
        return replace(best, curve=tuple(way.points))
    return best if curve else replace(best, curve=None)


def not_tried(task: Task, name: str) -> Measurement:
    """A failure without a run, for a solver that took the whole limit from another start of the instance."""
    note = "not tried: took the whole time limit from another start"
    return _measurement(task, name, False, task.rules.limit, note=note)


def _run(task: Task, name: str, peers: Mapping[str, Peer]) -> Measurement:
    """Run a solver under the gauge."""
    rules, ours = task.rules, name in SOLVERS
    tolerance = rules.tolerance * (_SLACK if ours else 1.0)
    gauge = Gauge(task.problem, tolerance, rules.limit, clock=CLOCKS[rules.clock])
    run = partial(_ours, name, task.settings) if ours else peers[name]
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            note = str(run(task.problem, task.start, gauge) or "returned")
    except Stopped:
        note = "reached" if gauge.reached else "time limit"
    except (Exception, SystemExit) as error:  # a peer's crash is a failure of that peer, and is shown as one
        note = f"{type(error).__name__}: {error}"[:200]
    return _measurement(
        task,
        name,
        gauge.reached,
        gauge.seconds(),
        relative_gradient_norm=gauge.best,
        cost_value=np.nan if gauge.X is None else float(task.problem.at(gauge.X).cost),
        note=note,
        curve=tuple(gauge.curve.points),
        **gauge.calls,
    )


def _ours(name: str, settings: Settings, problem: SphereProblem, start: Array, gauge: Gauge) -> str:
    """One of our solvers as a peer: its stop reason, while the gauge measures where it ended."""
    gauge.begin()
    result = _solved(problem, start, solver=name, settings=settings)
    with suppress(Stopped):
        gauge.take_over(result.X, gauge.seconds(), asdict(result.calls))
    return result.stop_reason.name


def _solved(problem: SphereProblem, start: Array, **how: Any) -> SolverResult:
    """Where one of our solvers ends; one that was interrupted gives its last point, but the comparison is over."""
    result = solve(problem, start, **how)
    if result.stop_reason is StopReason.INTERRUPTED:
        raise KeyboardInterrupt
    return result


def _measurement(task: Task, name: str, reached: bool, seconds: float, **rest: Any) -> Measurement:
    """Failures are charged the limit."""
    charged = seconds if reached else task.rules.limit
    return Measurement(
        instance=task.instance.name,
        seed=task.seed,
        solver=name,
        reached=reached,
        seconds=seconds,
        charged=charged,
        **rest,
    )
