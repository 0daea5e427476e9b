"""Search all strata in rounds: batches of starts for each, until its coverage is good enough or out of reach.

Each round gives a stratum that is not done as many batches as all rounds before it, and their points are entered
in the order of the strata, whichever worker was first.  So nothing depends on the number of workers.  Between rounds
others may search beyond random starts: the next round tells what mass the list is still missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from sphereufm.geometry.spheres import Array
from sphereufm.landscape.search.coverage import Coverage, coverage_of
from sphereufm.landscape.search.effort import SearchSettings
from sphereufm.landscape.search.stratum import Batch, Stratum, search_batch
from sphereufm.parallel import Workers
from sphereufm.problem import capabilities
from sphereufm.problem.interface import SphereProblem
from sphereufm.progress import Progress

# What the name of a merged stratum ends with.
MERGED = ", merged"
# Starts that are searched together at most, where a batch is no more.
_STARTS_A_TASK = 120
# Batches after the second round: enough held out for a bound of 5 % if nothing new is met.
_SECOND = 3
# A stratum is out of reach if after so many batches more than this share of its searches still ends in a new orbit.
_TRIED, _OUT_OF_REACH = 19, 0.3
# So it is after a few batches if less than half of the searches end at a critical point: floats resolve no more there.
_FEW_TRIED = 6
# Samples are merged where converged points have at most this share of distinct features.
_FEW = 1.0 / 3.0


class Sorted(Protocol):
    """Critical points sorted into orbits and families."""

    @property
    def labels(self) -> set[str]:
        """Labels of what is known."""

    def enter(self, X: Array, /) -> list[str | None]:
        """Sort points in, shape ``(b, d, M)``; labels in their order, None for what is no point of the problem."""


@dataclass(eq=False)
class _State:
    """One stratum while it is searched."""

    stratum: Stratum
    number: int
    batch: int
    ends: list[str | None] = field(default_factory=list)
    begun: int = 0
    goal: int = 0
    done: bool = False
    merges: bool = False
    known: Set[str] = frozenset()
    fresh: int | None = None

    @property
    def coverage(self) -> Coverage:
        """What its own basins are covered by."""
        return coverage_of(self.begun * self.batch, self.ends, known=self.known, fresh=self.fresh)


@dataclass(frozen=True, kw_only=True, eq=False)
class Rounds:
    """How the strata of one problem are searched."""

    settings: SearchSettings
    seed: int
    workers: Workers
    collection: Sorted
    #: Called after each batch with how much of the most is done, and the bound on the unseen mass of its
    #: stratum.
    progress: Progress

    def search(
        self, strata: Iterable[Stratum], coverage: dict[str, Coverage], unfinished: set[str]
    ) -> Iterator[tuple[int, int]]:
        """Search strata, on spheres of dimension at least one; yields after each round how much is behind.

        ``coverage`` is kept up to date, and ``unfinished`` names what an interruption leaves.
        """
        states = [self._state(number, stratum) for number, stratum in enumerate(strata)]
        unfinished.update(state.stratum.name for state in states)
        whole, behind = sum(map(self._work, states)), 0
        while active := [state for state in states if not state.done]:
            known = self.collection.labels
            tasks = [(state, task) for state in active for task in self._tasks(state, known)]
            ends = self.workers.map(search_batch, [task for _, task in tasks])
            for (state, task), points in zip(tasks, ends, strict=True):
                self._take(state, points, task.count // state.batch)
                coverage[state.stratum.name] = state.coverage
                if state.done:
                    unfinished.discard(state.stratum.name)
                if state.merges:
                    states.append(self._merged(state, len(states)))
                    unfinished.add(states[-1].stratum.name)
                behind = max(behind, whole - sum(self._left(state) for state in states))
                bound = state.coverage.unseen_bound
                detail = "" if bound is None else f"unseen mass below {bound:.0%}"
                self.progress(state.stratum.name, behind, whole, detail)
            # a stratum that goes on merged has hardly been searched yet
            if all(state.begun for state in states):
                yield behind, whole

    def _take(self, state: _State, points: Array, batches: int) -> None:
        """Enter the points of a few batches, and see after the round's last whether the stratum is done."""
        labels = self.collection.enter(points)
        state.ends += labels
        if state.fresh is not None:
            state.fresh += len(labels)
        state.begun += batches
        state.merges = state.begun == batches and self._is_merged(state, points)
        state.done = state.merges or (state.begun == state.goal and self._is_done(state))

    def _merged(self, state: _State, number: int) -> _State:
        """The same stratum with samples merged."""
        stratum = replace(state.stratum, name=f"{state.stratum.name}{MERGED}", merged=True)
        return self._state(number, stratum)

    def _work(self, state: _State) -> int:
        """What a stratum takes at most, in starts and unknowns; merged ones are part of those that they follow."""
        unknowns = state.stratum.problem.spheres.dimension
        return 0 if state.stratum.merged else self.settings.batches * state.batch * (1 + unknowns)

    def _left(self, state: _State) -> int:
        """Of that, what is ahead at most."""
        return (
            0 if state.done else self._work(state) - self._work(state) * state.begun // self.settings.batches
        )

    def _state(self, number: int, stratum: Stratum) -> _State:
        return _State(stratum, number, self.settings.starts or stratum.batch_size)

    def _tasks(self, state: _State, known: Set[str]) -> Iterator[Batch]:
        """The batches of the next round."""
        state.known, state.fresh = known, 0 if state.begun else None
        begun = state.begun
        state.goal = min(self.settings.batches, max(2 * begun, _SECOND) if begun else 1)
        together = max(1, _STARTS_A_TASK // state.batch)
        for number in range(begun, state.goal, together):
            yield Batch(
                stratum=state.stratum,
                settings=self.settings,
                seed=(self.seed, 1, state.number, number),
                first=number * state.batch,
                count=state.batch * min(together, state.goal - number),
            )

    def _is_done(self, state: _State) -> bool:
        """Whether a stratum is left: its bound is met, it has had its batches, or it is out of reach."""
        if state.begun >= self.settings.batches:
            return True
        found = state.coverage
        if found.unseen_bound is None:
            return False
        # many known orbits are a sign of many that are not
        if state.stratum.space is None and state.begun * state.batch < len(self.collection.labels):
            return False
        out_of_reach = state.begun >= _TRIED and (found.unseen_mass or 0.0) > _OUT_OF_REACH
        out_of_reach |= state.begun >= _FEW_TRIED and found.is_hardly_resolved
        return out_of_reach or found.unseen_bound <= self.settings.effort.plan.unseen_bound

    def _is_merged(self, state: _State, points: Array) -> bool:
        """Whether the next batches merge samples, as the first one's points have few distinct features."""
        stratum = state.stratum
        if stratum.space is not None or stratum.merged or self.settings.starts or self.settings.batches < 2:
            return False
        return merges_samples(stratum.problem, points)


def merges_samples(problem: SphereProblem, points: Array) -> bool:
    """Whether samples can be merged, and points found at random have few distinct features."""
    if capabilities.merged_at_random(problem, np.random.default_rng(0), 1) is None:
        return False
    shares = sorted(capabilities.share_of_distinct_samples(problem, X) for X in points)
    return not shares or shares[len(shares) // 2] <= _FEW
