"""Gather critical points of one problem from every kind of start, and merge them into orbits and families.

constructed and given points -> random starts, stratum by stratum -> symmetric starts -> neighbours of what is known

Work is handed out in pieces that have their own seeds, and results are entered in the order of the pieces: what is
found does not depend on the number of workers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import product

import numpy as np

from sphereufm.errors import check_integer
from sphereufm.geometry.spheres import Array
from sphereufm.landscape.beyond import Beyond, search_beyond
from sphereufm.landscape.orbits.collection import Collection
from sphereufm.landscape.orbits.found import Found
from sphereufm.landscape.plan import ranks
from sphereufm.landscape.points import embed
from sphereufm.landscape.report.landscape_report import RankOneCount
from sphereufm.landscape.rounds import MERGED, Rounds
from sphereufm.landscape.search.coverage import Coverage
from sphereufm.landscape.search.effort import SearchSettings
from sphereufm.landscape.search.squared_gradient import find_critical_points
from sphereufm.landscape.search.stratum import Stratum
from sphereufm.landscape.starts.sign_patterns import (
    count_sign_images,
    count_sign_patterns,
    sign_patterns,
)
from sphereufm.parallel import Workers
from sphereufm.problem import capabilities
from sphereufm.problem.interface import SphereProblem
from sphereufm.progress import Progress

# Points that are entered one by one where all spheres are two points each.
_MOST_POINTS = 1024
# Orbits whose neighbourhoods are searched in one piece, and pieces before the budget is looked at.
_TOGETHER, _PIECES = 32, 8
# Starts next to known orbits at most: so many for each random start, until there are so many, then one for each.
_NEIGHBOURS_A_START, _MANY_NEIGHBOURS = 8, 12_000
# Orbits of one rank and one cost next to which starts are made.
_EQUAL_COSTS = 8


@dataclass(kw_only=True, eq=False)
class Exploration:
    """One problem while it is explored."""

    problem: SphereProblem
    settings: SearchSettings
    seed: int
    workers: Workers
    collection: Collection  #: what was found
    coverage: dict[str, Coverage] = field(default_factory=dict)  #: of each stratum
    unfinished: set[str] = field(default_factory=set)  #: strata that were not searched to the end
    _explored: int = field(default=-1, init=False)
    _used: int = field(default=0, init=False)
    _equal: Counter[tuple[int, str]] = field(default_factory=Counter, init=False)

    def rank_one(self) -> RankOneCount | None:
        """Enter all points of rank one, or as many as can be listed; none where minimisers alone are sought."""
        problem = self.problem
        d = problem.spheres.shape[0]
        # the rotations that fix a line of R^d fix no direction beside it, from d = 3 on
        if not (problem.symmetry.orthogonal or (problem.symmetry.is_proper and d > 2)):
            return None if problem.spheres.dimension else self._every_point()
        permutations, finite = problem.symmetry.permutations, problem.symmetry.finite
        patterns = count_sign_patterns(permutations)
        orbits = count_sign_images(finite) if finite else patterns
        if self.settings.effort.plan.minimisers:
            return RankOneCount(orbits=orbits, listed=0)
        limit = int(np.clip(2_000_000 // permutations.columns**2, 50, 1000))
        line = capabilities.in_span(problem, 1)
        points = sign_patterns(permutations, limit, np.random.default_rng((self.seed, 0)))[:, None, :]
        points = embed(points, line.spheres.shape[0])
        known = capabilities.finite_points(line, points)
        labels = self.collection.enter(known, searched=False)
        listed = len(set(labels)) if finite else len(known)
        # where every pattern was looked at, those without a value are known not to be critical points
        orbits = listed if patterns <= limit else orbits
        return RankOneCount(orbits=orbits, listed=listed) if orbits else None

    def _every_point(self) -> RankOneCount | None:
        """Enter all points, where they are finitely many: two on each sphere."""
        M = self.problem.spheres.shape[1]
        if 2**M > _MOST_POINTS:
            return None
        points = np.array(list(product((1.0, -1.0), repeat=M)))[:, None, :]
        finite = capabilities.finite_points(self.problem, points)
        self.collection.enter(finite, searched=False)
        listed = self.collection.entries
        return RankOneCount(orbits=listed + len(points) - len(finite), listed=listed)

    def given(self, points: Iterable[Array]) -> None:
        """Polish constructed and given points, and enter what they lead to."""
        for X in points:
            inner = capabilities.in_span(self.problem, len(X))
            if len(X) > 1:
                search = find_critical_points(inner, X[None], tolerance=self.settings.tolerance)
                if search.converged[0]:
                    X = search.X[0]
                elif not _is_least_float(self.problem, inner, X):
                    continue
            self.collection.enter(X[None], searched=False)

    def search(self, strata: Iterable[Stratum], progress: Progress) -> None:
        """Search strata from random starts, each until its own coverage is good enough, and beyond between rounds."""
        rounds = Rounds(
            settings=self.settings,
            seed=self.seed,
            workers=self.workers,
            collection=self.collection,
            progress=progress,
        )
        for behind, whole in rounds.search(strata, self.coverage, self.unfinished):
            if self.settings.beyond_random:
                self._beyond(partial(progress, "neighbours and symmetric starts", behind, whole))

    @property
    def finished(self) -> set[str]:
        """Strata that were searched to the end, merged or not."""
        begun = {name.removesuffix(MERGED) for name in self.coverage}
        return begun - {name.removesuffix(MERGED) for name in self.unfinished}

    def _beyond(self, report: Callable[[], object]) -> None:
        """Search from symmetric starts, once, and next to every orbit that has become known, and to what that finds.

        The number of starts is limited: a landscape may have no end of orbits.
        """
        known, found_in = self.collection.register.representatives, ranks(self.problem)
        merged = [coverage.starts for name, coverage in self.coverage.items() if name.endswith(MERGED)]
        how = Beyond(
            problem=self.problem,
            settings=self.settings,
            highest_rank=max(found_in, default=1),
            merged=bool(merged),
            seed=self.seed,
        )
        starts = sum(merged or [coverage.starts for coverage in self.coverage.values()])
        # merged strata are as many starts as such a landscape is worth
        budget = starts if merged else max(starts, min(_NEIGHBOURS_A_START * starts, _MANY_NEIGHBOURS))
        # symmetric starts are made once, in ranks that were not searched merged
        symmetric = [r for r in found_in if self._explored < 0 and f"rank {r}{MERGED}" not in self.coverage]
        self._explored = max(self._explored, 0)
        while symmetric or (self._explored < len(known) and self._used < budget):
            fresh = known[self._explored : self._explored + _TOGETHER * _PIECES]
            self._explored += len(fresh)
            some = [found.X for found in fresh if self._is_worth_a_look(found)]
            pieces = [some[i : i + _TOGETHER] for i in range(0, len(some), _TOGETHER)] or [[]]
            tasks = [(piece, () if i else symmetric) for i, piece in enumerate(pieces)]
            symmetric = []
            for used, ends in self.workers.map(search_beyond, tasks, how):
                self._used += used
                for gathered in ends:
                    self.collection.merge(gathered, searched=False)
                report()

    def _is_worth_a_look(self, found: Found) -> bool:
        """Whether few orbits of its rank and cost were looked at: members of a family share both, without end."""
        if not capabilities.is_well_scaled(self.problem):
            # points of costs of one's own are settled before they count
            return True
        key = found.rank, f"{found.cost:.8e}"
        self._equal[key] += 1
        return self._equal[key] <= _EQUAL_COSTS


def _is_least_float(problem: SphereProblem, inner: SphereProblem, X: Array) -> bool:
    """Whether a point's cost is the known minimum, as far as floats go, where gradients have underflown."""
    least = capabilities.known_minimum(problem)
    return least is not None and float(inner.at(X).cost) <= max(least, np.finfo(np.float64).tiny)


def seed_of(rng: int | np.random.Generator) -> int:
    """One integer from which all pieces of work take their seeds: a seed itself, or one that is drawn."""
    drawn = rng.integers(1 << 62) if isinstance(rng, np.random.Generator) else rng
    return check_integer("rng", drawn, 0, "give a seed or a numpy.random.Generator")
