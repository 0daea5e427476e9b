"""The bifurcation diagram of a problem: its critical points followed along ``tau``, and the branches met on the way.

Start points are the isolated orbits that a search finds at either end of the range.  Each is followed in both
directions; where an eigenvalue crosses zero, the branches that cross are looked for and followed in turn.  Numerical
throughout: a diagram shows what was found.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from sphereufm.branches.bifurcation import Crossing, crossing_between, same_orbit, switch
from sphereufm.branches.continuation import BranchPoint, advance, along, at_tau, start_state
from sphereufm.branches.parametric import OwnFamily, Parametric, inner_at
from sphereufm.branches.report import Branch, BranchEvent, BranchReport
from sphereufm.errors import InvalidInputError, check_integer, check_positive
from sphereufm.geometry.spheres import Array, as_generator
from sphereufm.landscape.points import CriticalFamily
from sphereufm.landscape.search.effort import Effort
from sphereufm.problem import capabilities
from sphereufm.problem.ufm import UFMProblem
from sphereufm.progress import Progress, silent

_FIRST_STEP = 0.02
_LONGEST_STEP = 0.1
_SHORTEST_STEP = 1e-7
_GROWTH = 1.5
_MOST_POINTS = 2000
_SAME_TAU = 1e-4
# the least singular value over the largest below which a branch meets one of lower rank
_FLAT = 1e-3
# costs between two points of a branch leave the range of theirs by less than its width and this share of them, or of
# the gradient's parts where costs pass zero
_COST_ROOM = 1e-2
_CLOSED = "returns to itself modulo symmetry"
# three points in a row whose linearisation is this close to singular are no crossing: see "quasi-collapsed" points
_IRREGULAR = 1e-6


def trace_branches(
    problem: UFMProblem | Callable[[float], Any],
    tau_from: float,
    tau_to: float,
    *,
    effort: Effort | str = Effort.STANDARD,
    rng: int | np.random.Generator = 0,
    most_branches: int = 100,
    parameter: str = "tau",
    progress: Progress = silent,
) -> BranchReport:
    """Follow the critical points of a problem from one temperature, or another parameter, to another.

    Parameters
    ----------
    problem : UFMProblem or callable
        Of a ``UFMProblem`` its own ``tau`` is not used.  A callable makes the problem of a value of its parameter: a
        cost expression's instance, an ``ExpressionProblem``, what ``from_pymanopt`` returns, or a Pymanopt problem; all
        columns have one length.
    tau_from, tau_to : float
        Positive and different; start points are searched for at both.
    effort : Effort or str
        Of those searches: ``"quick"``, ``"standard"`` or ``"thorough"``.
    rng : int or Generator
    most_branches : int
        Branches beyond this number are not followed.
    parameter : str
        Its name in the report.
    progress : Progress
        ``progress("branches", done, known, detail)``.

    Returns
    -------
    BranchReport
        Families (the collapsed classifiers) are not followed.  An interruption ends the run with what was found.

    Raises
    ------
    InvalidInputError
        If a temperature is not positive, both are equal, there is no such effort, or it is no problem.

    Examples
    --------
    >>> problem = UFMProblem(class_sizes=(1, 1), dim=2, tau=1.0)
    >>> report = trace_branches(problem, 0.5, 2.0, effort="quick")
    >>> len(report.branches) > 0, report.complete
    (True, True)

    A tilted quartic on the circle, whose tilt grows; minima and maxima meet in folds.

    >>> from fractions import Fraction
    >>> from sphereufm.certify.expressions import Cost
    >>> def tilted(t):
    ...     cost = Cost(dim=2, columns=1)
    ...     x, y = cost.x(0, 0), cost.x(1, 0)
    ...     return cost.instance(x**4 + y**4 + Fraction(t) * x + Fraction(1, 10) * y)
    >>> {event.kind for event in trace_branches(tilted, 0.5, 3.0, effort="quick").events}
    {'fold'}
    """
    most_branches = check_integer("most_branches", most_branches, 1)
    low, high = sorted(check_positive(n, t) for n, t in (("tau_from", tau_from), ("tau_to", tau_to)))
    if low == high:
        raise InvalidInputError(f"tau_from={tau_from} and tau_to={tau_to} must differ")
    effort = Effort.named(effort)
    if not callable(problem) and not hasattr(problem, "with_tau"):
        raise InvalidInputError(
            f"problem={str(problem)[:60]} has no parameter; give a UFMProblem, or a function that makes the problem of "
            "a value"
        )
    family: Parametric = OwnFamily.of(problem) if callable(problem) else problem
    shown = family.with_tau(float(tau_from)) if callable(problem) else problem
    if not shown.spheres.is_oblique:
        raise InvalidInputError(f"dims={shown.spheres.dims} must be equal for branches")
    diagram = _Diagram(family, (math.log(low), math.log(high)), as_generator(rng), most_branches)
    interrupted = False
    try:
        diagram.seed(tau_from, effort)
        diagram.seed(tau_to, effort)
        while diagram.waiting:
            diagram.follow_next()
            done = len(diagram.branches)
            progress("branches", done, done + len(diagram.waiting))
    except KeyboardInterrupt:
        interrupted = True
    return BranchReport(
        problem=shown,
        tau_from=float(tau_from),
        tau_to=float(tau_to),
        branches=tuple(diagram.branches),
        events=diagram.distinct_events(),
        complete=diagram.complete and not interrupted,
        interrupted=interrupted,
        parameter=parameter,
    )


@dataclass(eq=False)
class _Diagram:
    """Branches while they are found; ``waiting`` holds ``(X, log_tau, parent)``."""

    problem: Parametric
    span: tuple[float, float]
    rng: np.random.Generator
    most: int
    branches: list[Branch] = field(default_factory=list)
    events: list[BranchEvent] = field(default_factory=list)
    waiting: list[tuple[Array, float, int | None]] = field(default_factory=list)
    complete: bool = True

    def seed(self, tau: float, effort: Effort) -> None:
        """Search at one temperature; every isolated orbit of rank above one is a start, and rank one too."""
        from sphereufm.landscape.verify import verify_landscape

        report = verify_landscape(self.problem.with_tau(tau), effort=effort, rng=self.rng)
        if not report.complete:  # the search took the interruption for itself
            raise KeyboardInterrupt
        isolated = (entry for entry in report.critical if not isinstance(entry, CriticalFamily))
        self.waiting += [(entry.X, math.log(tau), None) for entry in isolated]

    def follow_next(self) -> None:
        """Follow one waiting branch both ways, unless it is known already."""
        X, log_tau, parent = self.waiting.pop(0)
        if self.known(X, log_tau) is not None:
            return
        if len(self.branches) >= self.most:
            self.complete = False
            self.waiting.clear()
            return
        points, end, crossings = self._half(start_state(self.problem, X, log_tau, forwards=True))
        ends = (end, end)
        if end != _CLOSED:
            back, begin, more = self._half(start_state(self.problem, X, log_tau, forwards=False))
            points, ends, crossings = [*reversed(back), *points[1:]], (begin, end), crossings + more
        if len(points) < 2:
            return
        number = len(self.branches)
        self.branches.append(Branch(number=number, parent=parent, points=tuple(points), ends=ends))
        for crossing in crossings:
            self._record(number, crossing)

    def known(self, X: Array, log_tau: float) -> int | None:
        """Number of the branch that a point lies on, None if it lies on none that was followed."""
        here = inner_at(self.problem, X, log_tau).at(X)
        cost, unit = float(here.cost), float(here.gradient_scale.sum())
        for branch in self.branches:
            if branch.rank != X.shape[0]:
                continue
            for before, after in pairwise(branch.points):
                low, high = sorted((before.log_tau, after.log_tau))
                between = sorted((before.cost, after.cost))
                room = between[1] - between[0] + _COST_ROOM * max(unit, *map(abs, between))
                near = between[0] - room <= cost <= between[1] + room
                if near and low - 1e-9 <= log_tau <= high + 1e-9:
                    ways = (along(self.problem, point, log_tau) for point in (before, after))
                    if any(Y is not None and same_orbit(self.problem, X, Y, log_tau) for Y in ways):
                        return branch.number
        return None

    def _half(self, state: BranchPoint) -> tuple[list[BranchPoint], str, list[Crossing]]:
        """Follow a branch one way: points, why it ended, what was crossed."""
        points, step = [state], _FIRST_STEP
        crossings: list[Crossing] = []
        while len(points) < _MOST_POINTS:
            if (end := self._end(state)) is not None:
                return self._trimmed(points), end, crossings
            if max(p.regularity for p in points[-3:]) < _IRREGULAR:
                return points, "nearly degenerate: floating point cannot follow it", crossings
            found = advance(self.problem, state, self._clipped(state, step))
            if found is None or _turned_back(state, found):
                step *= 0.5
                if step < _SHORTEST_STEP:
                    return points, "the corrector failed", crossings
                continue
            crossings += crossing_between(self.problem, state, found, self._clipped(state, step))
            points.append(found)
            if self._closed(points):
                return points, _CLOSED, crossings
            state, step = found, min(_GROWTH * step, _LONGEST_STEP)
        self.complete = False
        return points, "too many points", crossings

    def _trimmed(self, points: list[BranchPoint]) -> list[BranchPoint]:
        """Points with the last one moved back onto the edge of the range, if it lies beyond."""
        last = points[-1]
        edge = min(max(last.log_tau, self.span[0]), self.span[1])
        if edge == last.log_tau:
            return points
        X = at_tau(self.problem, last.X, edge)
        if X is None:
            return points
        return [*points[:-1], start_state(self.problem, X, edge, last.tangent[1] > 0.0)]

    def _closed(self, points: list[BranchPoint]) -> bool:
        """Whether the way has come back, modulo symmetry, to where it began."""
        first, last, before = points[0], points[-1], points[-2]
        if len(points) < 4 or (last.log_tau - first.log_tau) * (before.log_tau - first.log_tau) > 0.0:
            return False
        X = at_tau(self.problem, last.X, first.log_tau)
        return X is not None and same_orbit(self.problem, X, first.X, first.log_tau)

    def _clipped(self, state: BranchPoint, step: float) -> float:
        """Step that does not pass the range by more than rounding."""
        sigma = state.tangent[1]
        room = (self.span[1] if sigma > 0.0 else self.span[0]) - state.log_tau
        return min(step, room / sigma + 1e-9) if sigma != 0.0 and room / sigma > 0.0 else step

    def _end(self, state: BranchPoint) -> str | None:
        """Why a branch is not followed beyond a state, None where it is."""
        if (family := self._family(state)) is not None:
            return f"meets the family {family}"
        values = np.linalg.svd(state.X, compute_uv=False)
        if values[-1] < _FLAT * values[0] and self.problem.with_tau(state.tau).symmetry.orthogonal:
            return "meets a branch of lower rank"
        sigma = state.tangent[1]
        outside = state.log_tau >= self.span[1] if sigma > 0.0 else state.log_tau <= self.span[0]
        return "the range ends" if outside else None

    def _family(self, state: BranchPoint) -> str | None:
        """Name of the family that a branch has run into, None where it is still an isolated orbit."""
        return capabilities.family_name(self.problem.with_tau(state.tau), state.X, state.cost)

    def _record(self, number: int, crossing: Crossing) -> None:
        """Note a crossing, and put the branches that cross on the waiting list."""
        meets: dict[int, None] = {}
        state = crossing.state
        crossed = () if crossing.kind == "fold" else switch(self.problem, crossing, self.rng)
        for X, log_tau in crossed:
            if not self.span[0] <= log_tau <= self.span[1]:
                continue
            there = self.known(X, log_tau)
            if there is None:
                self.waiting.insert(0, (X, log_tau, number))
                self.follow_next()
                there = self.known(X, log_tau)
            if there is not None and there != number:
                meets[there] = None
        # where a branch is born on a family it turns, modulo symmetry, and is no fold
        born = crossing.kind == "fold" and self._family(state) is not None
        self.events.append(
            BranchEvent(
                kind="family" if born else crossing.kind,
                tau=state.tau,
                cost=state.cost,
                branch=number,
                kernel=crossing.kernel,
                meets=tuple(meets),
            )
        )

    def distinct_events(self) -> tuple[BranchEvent, ...]:
        """Events by ``tau``, each once; a branch that leaves a bifurcation both ways has no fold of its own there."""
        # a cost may be zero at an event
        unit = max((abs(p.cost) for b in self.branches for p in b.points), default=0.0)

        def same(a: BranchEvent, b: BranchEvent) -> bool:
            near = _SAME_TAU * max(abs(a.cost), _SAME_TAU * unit)
            place = abs(a.tau - b.tau) <= _SAME_TAU * a.tau and abs(a.cost - b.cost) <= near
            one = (
                a.branch in (*b.meets, b.branch)
                if a.kind == "fold"
                else (a.branch, a.kind) == (b.branch, b.kind)
            )
            return place and one

        kept: list[BranchEvent] = []
        for event in sorted(self.events, key=lambda e: (e.kind == "fold", e.tau)):
            if not any(same(event, e) for e in kept):
                kept.append(event)
        return tuple(sorted(kept, key=lambda e: e.tau))


def _turned_back(first: BranchPoint, second: BranchPoint) -> bool:
    """Whether the way makes a sharp turn, which smooth branches do not make on short steps."""
    ahead = float(np.vdot(first.tangent[0], second.tangent[0])) + first.tangent[1] * second.tangent[1]
    return ahead < 0.0
