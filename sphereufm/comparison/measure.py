"""One solver, one start, one honest measurement.

A run *reaches* the tolerance when the columnwise relative gradient norm of its answer, measured anew outside the
solver, meets it.  Everything else is a failure, with its reason, and is charged the time limit.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

import numpy as np

from sphereufm.comparison.peers import CLOCKS, Curve, Gauge, Peer, Stopped
from sphereufm.geometry.spheres import Array
from sphereufm.problem.interface import SphereProblem, relative_gradient_norm
from sphereufm.solvers import SOLVERS, Progress, Settings, solve

# what a solver's own test may miss by: it sees the same number up to rounding
_SLACK = 1.0 + 1e-6
# seconds; longer runs are not repeated
_SHORT_RUN = 1.0


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
    relative_gradient_norm: float
    cost_value: float
    #: ``cost``, ``gradient`` and ``hessian``: calls.
    cost: int
    gradient: int
    hessian: int
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

    instance: str
    problem: SphereProblem
    seed: int
    limit: float  #: seconds
    tolerance: float  #: relative gradient norm to reach
    clock: str = "wall"  #: ``wall`` or ``cpu``

    @property
    def settings(self) -> Settings:
        """The same for one of our solvers, which stops by the clock that is charged."""
        cpu = self.clock == "cpu"
        return Settings(tolerance=self.tolerance, max_seconds=self.limit, processor_time=cpu)

    @property
    def start(self) -> Array:
        """The start that every solver gets, shape (d, M)."""
        return self.problem.spheres.random_point(self.seed)


def measure(
    task: Task, name: str, peers: Mapping[str, Peer], *, repeats: int = 1, curve: bool = False
) -> Measurement:
    """Least time of a few repeats; long runs and failures are not repeated.

    ``name``: a name of ``SOLVERS`` or of ``peers``.  ``curve``: whether to keep the way down as well.  One of
    our solvers is run once more for that, untimed.
    """

    def once() -> Measurement:
        return _run_ours(task, name) if name in SOLVERS else _run_peer(task, name, peers[name])

    best = once()
    for _ in range(repeats - 1):
        if not best.reached or best.seconds > _SHORT_RUN:
            break
        again = once()
        best = again if again.seconds < best.seconds else best
    if not curve:
        return replace(best, curve=None)
    return replace(best, curve=_way_down(task, name)) if name in SOLVERS else best


def not_tried(task: Task, name: str) -> Measurement:
    """A failure without a run, for a solver that took the whole limit from another start of the instance."""
    return Measurement(
        instance=task.instance,
        seed=task.seed,
        solver=name,
        reached=False,
        seconds=task.limit,
        charged=task.limit,
        relative_gradient_norm=float("inf"),
        cost_value=float("nan"),
        cost=0,
        gradient=0,
        hessian=0,
        note="not tried: took the whole time limit from another start",
    )


def _run_ours(task: Task, name: str) -> Measurement:
    """Run one of our solvers, and measure its answer anew."""
    problem, start = task.problem, task.start
    clock = CLOCKS[task.clock]
    begun = clock()
    result = solve(problem, start, solver=name, settings=task.settings)
    seconds = clock() - begun
    point = problem.at(result.X)
    norm = float(relative_gradient_norm(point))
    reached = norm <= task.tolerance * _SLACK
    return Measurement(
        instance=task.instance,
        seed=task.seed,
        solver=name,
        reached=reached,
        seconds=seconds,
        charged=seconds if reached else task.limit,
        relative_gradient_norm=norm,
        cost_value=float(point.cost),
        note=result.stop_reason.name,
        **asdict(result.calls),
    )


def _way_down(task: Task, name: str) -> tuple[tuple[float, int, float], ...]:
    """Curve of one of our solvers."""
    curve = Curve()

    def look(progress: Progress) -> None:
        curve.add(progress.seconds, progress.calls.total, progress.relative_gradient_norm)

    solve(task.problem, task.start, solver=name, settings=task.settings, callback=look)
    return tuple(curve.points)


def _run_peer(task: Task, name: str, peer: Peer) -> Measurement:
    """Run a peer under the gauge."""
    gauge = Gauge(task.problem, task.tolerance, task.limit, clock=CLOCKS[task.clock])
    note = "returned"
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            peer(task.problem, task.start, gauge)
    except Stopped:
        note = "reached" if gauge.reached else "time limit"
    except Exception as error:  # a peer's crash is a failure of that peer, and is shown as one
        note = f"{type(error).__name__}: {error}"[:200]
    seconds = gauge.seconds()
    return Measurement(
        instance=task.instance,
        seed=task.seed,
        solver=name,
        reached=gauge.reached,
        seconds=seconds,
        charged=seconds if gauge.reached else task.limit,
        relative_gradient_norm=gauge.best,
        cost_value=float("nan") if gauge.X is None else float(task.problem.at(gauge.X).cost),
        note=note,
        curve=tuple(gauge.curve.points),
        **gauge.calls,
    )
