"""Search all strata in rounds: batches of starts for each, until its coverage is good enough or out of reach.

Each round gives a stratum that is not done as many batches as all rounds before it, and their points are entered
in the order of the strata, whichever worker was first.  So nothing depends on the number of workers.  Between rounds
others may search beyond random starts: the next round tells what mass the list is still missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field, replace

from sphereufm.landscape.orbits.collection import Collection
from sphereufm.landscape.orbits.gathered import Gathered, gather
from sphereufm.landscape.search.coverage import Coverage, coverage_of, fewest_searches, share_of_error
from sphereufm.landscape.search.effort import SearchSettings
from sphereufm.landscape.search.stratum import Batch, Stratum, merges_samples, search_batch
from sphereufm.parallel import Workers
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


@dataclass(eq=False)
class _State:
    """One stratum while it is searched: ``known`` before the ``fresh`` ends held out."""

    stratum: Stratum
    number: int
    batch: int
    #: What it takes at most, in starts and unknowns; merged ones are part of those that they follow.
    work: int
    ends: list[str | None] = field(default_factory=list)
    begun: int = 0
    goal: int = 0
    done: bool = False
    known: Set[str] = frozenset()
    fresh: int | None = None
    #: Rounds before this one, and those, with this one, that could end the search; its share of the error.
    rounds: int = -1
    chances: int = 0
    share: float = 1.0

    def enter(self, labels: list[str | None], batches: int) -> Coverage:
        """Note the ends of so many batches; what its own basins are covered by."""
        self.ends += labels
        self.begun += batches
        if self.fresh is not None:
            self.fresh += len(labels)
        return coverage_of(
            self.begun * self.batch, self.ends, known=self.known, fresh=self.fresh, share=self.share
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Rounds:
    """How the strata of one problem are searched.

    ``progress`` is called after each batch with how much of the most is done, and the bound on the unseen mass of its
    stratum.
    """

    settings: SearchSettings
    seed: int
    workers: Workers
    collection: Collection
    progress: Progress

    def search(
        self, strata: Iterable[Stratum], coverage: dict[str, Coverage], unfinished: set[str]
    ) -> Iterator[tuple[int, int]]:
        """Search strata, on spheres of dimension at least one; yields after each round how much is behind.

        ``coverage`` is kept up to date, and ``unfinished`` names what an interruption leaves.
        """
        states = [self._state(number, stratum) for number, stratum in enumerate(strata)]
        unfinished.update(state.stratum.name for state in states)
        whole, behind = sum(state.work for state in states), 0
        while active := [state for state in states if not state.done]:
            known = self.collection.labels
            tasks = [(state, task) for state in active for task in self._tasks(state, known)]
            ends = self.workers.map(_gathered, [task for _, task in tasks], self.collection.problem)
            for (state, task), (gathered, merges) in zip(tasks, ends, strict=True):
                name, batches = state.stratum.name, task.count // state.batch
                found = coverage[name] = state.enter(self.collection.merge(gathered), batches)
                if merges:
                    state.done = True
                    merged = replace(state.stratum, name=f"{name}{MERGED}", merged=True)
                    states.append(self._state(len(states), merged))
                    unfinished.add(merged.name)
                elif state.begun == state.goal:
                    state.done = self._is_done(state, found)
                if state.done:
                    unfinished.discard(name)
                behind = max(behind, whole - sum(self._left(state) for state in states))
                bound = found.unseen_bound
                self.progress(name, behind, whole, "" if bound is None else f"unseen mass below {bound:.0%}")
            # a stratum that goes on merged has hardly been searched yet
            if all(state.begun for state in states):
                yield behind, whole

    def _state(self, number: int, stratum: Stratum) -> _State:
        batch = self.settings.starts or stratum.batch_size
        unknowns = stratum.problem.spheres.dimension
        work = 0 if stratum.merged else self.settings.batches * batch * (1 + unknowns)
        return _State(stratum, number, batch, work)

    def _left(self, state: _State) -> int:
        """Of its work, what is ahead at most."""
        return 0 if state.done else state.work - state.work * state.begun // self.settings.batches

    def _tasks(self, state: _State, known: Set[str]) -> Iterator[Batch]:
        """The batches of the next round."""
        state.known, state.fresh = known, 0 if state.begun else None
        begun = state.begun
        state.goal = min(self.settings.batches, max(2 * begun, _SECOND) if begun else 1)
        bound = self.settings.effort.plan.unseen_bound
        # where no bound can end a search its last round was not chosen for its luck
        if bound and self.settings.batches > 1:
            state.rounds += 1
            enough = (state.goal - begun) * state.batch >= fewest_searches(bound)
            state.chances += bool(state.chances or (begun and enough))
            state.share = share_of_error(state.rounds, state.chances)
        together = max(1, _STARTS_A_TASK // state.batch)
        for number in range(begun, state.goal, together):
            yield Batch(
                stratum=state.stratum,
                settings=self.settings,
                seed=(self.seed, 1, state.number, number),
                first=number * state.batch,
                count=state.batch * min(together, state.goal - number),
            )

    def _is_done(self, state: _State, found: Coverage) -> bool:
        """Whether a stratum is left: its bound is met, it has had its batches, or it is out of reach."""
        if state.begun >= self.settings.batches:
            return True
        if found.unseen_bound is None:
            return False
        # many known orbits are a sign of many that are not
        if state.stratum.space is None and state.begun * state.batch < len(self.collection.labels):
            return False
        out_of_reach = state.begun >= _TRIED and (found.unseen_mass or 0.0) > _OUT_OF_REACH
        out_of_reach |= state.begun >= _FEW_TRIED and found.is_hardly_resolved
        return out_of_reach or found.unseen_bound <= self.settings.effort.plan.unseen_bound


def _gathered(batch: Batch, problem: SphereProblem) -> tuple[Gathered, bool]:
    """What a batch ends at; and whether the next ones merge samples, as the first one's have few distinct features."""
    points, stratum, settings = search_batch(batch), batch.stratum, batch.settings
    whole = stratum.space is None and not stratum.merged
    first = whole and batch.first == 0 and settings.batches > 1 and not settings.starts
    return gather(problem, points), first and merges_samples(stratum.problem, points)
