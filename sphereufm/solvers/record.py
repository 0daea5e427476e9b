"""Clock, recorder and callback of a run: none of their time is charged to the solver."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array, frobenius_norm
from sphereufm.problem import capabilities
from sphereufm.problem.interface import SphereProblem
from sphereufm.solvers.oracle import Oracle, Points
from sphereufm.solvers.result import Calls, History, Progress

Callback = Callable[[Progress], object]


class Clock:
    """Seconds since it was made, without those for which it was paused."""

    def __init__(self, limit: float | None, *, processor_time: bool = False) -> None:
        self._limit = np.inf if limit is None else limit
        self._now = time.process_time if processor_time else time.perf_counter
        self._start = self._now()

    def seconds(self) -> float:
        """Seconds so far."""
        return self._now() - self._start

    def expired(self) -> bool:
        """Whether the limit has passed."""
        return self.seconds() >= self._limit

    def uncharged(self, since: float) -> None:
        """Do not charge the time since ``seconds()`` was ``since``."""
        self._start += self.seconds() - since


def gap_at(problem: SphereProblem, X: Array) -> float:
    """Numerical optimality gap at one point; NaN for problems that have none."""
    gap = capabilities.optimality_gap(problem, X)
    return np.nan if gap is None else gap.value


@dataclass(slots=True, eq=False)
class Watch:
    """Shows each iterate to a callback, and keeps it if that was asked for."""

    #: Called with a :class:`~sphereufm.solvers.Progress`; a true answer stops that item.
    callback: Callback | None = None
    record: bool = False  #: whether to keep a history
    #: Whether Ctrl-C ends the run with its last iterate; else it ends what called, too.
    keeps_interrupted: bool = False
    #: Iterates of each item without their points, and their gaps.
    logs: dict[int, list[tuple[Progress, float]]] = field(default_factory=lambda: defaultdict(list))

    def observe(self, oracle: Oracle, points: Points, iteration: int, clock: Clock) -> NDArray[np.bool_]:
        """Look at every running item; returns where the callback asked to stop."""
        stop = np.zeros(oracle.items.size, dtype=bool)
        if self.callback is None and not self.record:
            return stop
        now = clock.seconds()
        for row, item in enumerate(oracle.items.tolist()):
            progress = _progress(oracle, points, row, iteration, now)
            if self.record:
                gap = gap_at(oracle.problem, progress.X)
                # iterates would take the memory of the whole way
                self.logs[item].append((replace(progress, X=np.empty(0)), gap))
            if self.callback is not None:
                stop[row] = bool(self.callback(progress))
        clock.uncharged(now)
        return stop

    def history(self, item: int) -> History | None:
        """Columns of an item's log as arrays, if there is one."""
        if not self.record:
            return None
        seen, gaps = zip(*self.logs[item], strict=True)
        own = ("iteration", "cost", "gradient_norm", "relative_gradient_norm", "seconds")
        columns = {name: np.array([getattr(each, name) for each in seen]) for name in own}
        for kind in ("cost", "gradient", "hessian"):
            columns[f"{kind}_calls"] = np.array([getattr(each.calls, kind) for each in seen])
        return History(gap=np.array(gaps), **columns)


def _progress(oracle: Oracle, points: Points, row: int, iteration: int, seconds: float) -> Progress:
    """One item as the callback sees it: plain units and the plain metric."""
    unit = float(oracle.unit[row])
    X = points.X[row].view()
    X.flags.writeable = False
    return Progress(
        item=int(oracle.items[row]),
        iteration=iteration,
        X=X,
        cost=float(points.cost[row]) * unit,
        gradient_norm=frobenius_norm(points.gradient[row] * oracle.factors) * unit,
        relative_gradient_norm=float(points.relative_norm[row]),
        seconds=seconds,
        calls=Calls(*oracle.counts[:, row].tolist()),
    )
