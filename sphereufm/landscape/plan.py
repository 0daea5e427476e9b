"""What a search will take: the strata to search, starts at most, and an estimate of the time from a timed probe."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from sphereufm.errors import InvalidInputError, check_integer
from sphereufm.landscape.orbits.collection import Collection
from sphereufm.landscape.search.effort import Effort, SearchSettings
from sphereufm.landscape.search.stratum import Batch, Stratum, merges_samples, most_starts, search_batch
from sphereufm.notebook import counted
from sphereufm.problem import capabilities
from sphereufm.problem.interface import SphereProblem
from sphereufm.problem.own_costs.as_problem import as_problem

# Largest number of unknowns for which Hessians are taken apart completely.
_LARGEST = 4000
# Two probes in a stratum take these shares of a batch; the whole batch takes as long as the line through both says.
_PROBES = (3, 1)
# Least and most times that one batch in every stratum is taken, by trials on small problems (benchmarks/README.md).
_TIMES = MappingProxyType(
    {
        Effort.MINIMISERS: (12.0, 38.0),
        Effort.QUICK: (3.0, 12.0),
        Effort.STANDARD: (2.5, 13.0),
        Effort.THOROUGH: (6.0, 45.0),
    }
)
# What is added to the most where probes meet ever new orbits: from this share of orbits met once, fully at that.
_NEW_ORBITS, _OFTEN_NEW = (0.2, 0.4), 2.5
# Of the most batches, the share that merged samples may take, neighbours included.
_MERGED = (0.5, 4.0)


@dataclass(frozen=True, kw_only=True)
class LandscapePlan:
    """What a search of all strata will take at most."""

    strata: tuple[str, ...]  #: names, in their order
    starts: int  #: random starts at most
    effort: str
    #: For each effort an estimate from where to where, for the search alone, on one processor.
    seconds: Mapping[str, tuple[float, float]]

    def __str__(self) -> str:
        shown = ", ".join(self.strata[:3]) + (f" and {len(self.strata) - 3} more" if self.strata[3:] else "")
        times = ", ".join(f"{name} {_duration(*seconds)}" for name, seconds in self.seconds.items())
        took = f"; the search may take {times}" if times else ""
        return f"Plan: {shown or 'nothing to search'}, at most {counted(self.starts, 'start')} ({self.effort}){took}"


def plan_landscape(
    problem: SphereProblem,
    *,
    effort: Effort | str = Effort.STANDARD,
    starts: int | None = None,
    probe: bool = True,
) -> LandscapePlan:
    """Say what :func:`~sphereufm.landscape.verify.verify_landscape` will search, before it does.

    Parameters
    ----------
    problem, effort, starts
        As for :func:`~sphereufm.landscape.verify.verify_landscape`.
    probe : bool
        Whether a few starts are timed; their points are not kept.

    Raises
    ------
    InvalidInputError
        If there is no such effort, ``starts`` is below one, or the problem has more than 4000 unknowns in one rank.

    Examples
    --------
    >>> from sphereufm.problem.ufm import UFMProblem
    >>> plan = plan_landscape(UFMProblem(class_sizes=(1, 1, 1), dim=3, tau=1.0), probe=False)
    >>> print(plan)
    Plan: rank 2, rank 3, at most 6,000 starts (standard)
    """
    problem, chosen = as_problem(problem), Effort.named(effort)
    check_size(problem)
    if starts is not None:
        starts = check_integer("starts", starts, 1)
    found = list(strata(problem, chosen))
    total = sum(most_starts(s, SearchSettings(effort=chosen, starts=starts)) for s in found)
    seconds = _estimates(problem, chosen, starts) if probe else {}
    return LandscapePlan(
        strata=tuple(s.name for s in found), starts=total, effort=chosen.name.lower(), seconds=seconds
    )


def strata(problem: SphereProblem, effort: Effort) -> Iterator[Stratum]:
    """Everything that is searched: each rank in its own dimension, then the fixed-point spaces; or descents alone."""
    if effort.plan.minimisers:
        yield Stratum(name="descents", problem=problem)
        return
    if not problem.spheres.dimension:
        return  # finitely many points, which are listed
    for r in ranks(problem):
        yield Stratum(name=f"rank {r}", problem=capabilities.in_span(problem, r))
    if not effort.plan.beyond_random:
        return
    for space in capabilities.fixed_point_spaces(problem):
        yield Stratum(name=space.name, problem=space.problem, space=space)


def check_size(problem: SphereProblem) -> None:
    """Refuse problems whose Hessians cannot be taken apart."""
    M = problem.spheres.shape[1]
    highest = max(ranks(problem), default=1)
    unknowns = (highest - 1) * M
    if max(unknowns, M) > _LARGEST:
        raise InvalidInputError(
            f"the problem has {max(unknowns, M)} unknowns in rank {highest}, but at most {_LARGEST} are enumerated; "
            "use solve, or fewer samples with weights (equal samples of one class count as one)"
        )


def ranks(problem: SphereProblem) -> list[int]:
    """Ranks to search: beyond the collapsed classifiers no critical point has rank above K."""
    d = problem.spheres.shape[0]
    if not problem.symmetry.orthogonal:
        return [d] if problem.spheres.dimension else []
    return list(range(2, min(d, capabilities.highest_rank(problem)) + 1))


def _estimates(problem: SphereProblem, effort: Effort, starts: int | None) -> dict[str, tuple[float, float]]:
    """Seconds for the effort that was chosen, and for the others that search for all critical points."""
    alone = effort is Effort.MINIMISERS or starts
    efforts = [effort] if alone else [Effort.QUICK, Effort.STANDARD, Effort.THOROUGH]
    found = list(strata(problem, efforts[-1]))
    probed = {0, len(found) - 1, sum(s.name.startswith("rank") for s in found) - 1} & set(range(len(found)))
    probes = {k: _Probe.of(problem, found[k]) for k in probed}
    times = {}
    for each in efforts:
        settings = SearchSettings(effort=each, starts=starts)
        least = most = 0.0
        for k, stratum in enumerate(strata(problem, each)):
            probe = probes[min(probes, key=lambda probe: abs(probe - k))]
            batch = probe.fixed + probe.slope * (most_starts(stratum, settings) // settings.batches)
            low, high = _TIMES[Effort.QUICK if starts else each]
            if settings.batches > 1:
                high *= 1.0 + _OFTEN_NEW * float(np.interp(probe.new, _NEW_ORBITS, (0.0, 1.0)))
            if probe.merges and settings.batches > 1 and stratum.space is None:
                low, high = (share * settings.batches for share in _MERGED)
            least, most = least + low * batch, most + high * batch
        times[each.name.lower()] = least, most
    return times if found else {}


@dataclass(frozen=True)
class _Probe:
    """What a few starts in a stratum took: seconds without any, and of each, with entering and classifying its end.

    ``new`` is the share of ends that were met once; ``merges`` says whether samples will be merged.
    """

    fixed: float
    slope: float
    new: float
    merges: bool

    @classmethod
    def of(cls, problem: SphereProblem, stratum: Stratum) -> _Probe:
        """Time two small batches."""
        few, many = (
            max(stratum.batch_size // share, least) for share, least in zip(_PROBES, (2, 6), strict=True)
        )
        times = []
        for count in (few, many):
            begun, found = time.perf_counter(), Collection(problem)
            batch = Batch(stratum=stratum, settings=SearchSettings(), seed=(0,), first=0, count=count)
            points = search_batch(batch)
            labels = Counter(found.enter(points))
            times.append(time.perf_counter() - begun)
        # a whole batch ends in fewer new orbits than a small one
        classify = 0.5 * found.seconds_to_classify() / many
        slope = max((times[1] - times[0]) / (many - few), 0.05 * times[1] / many)
        new = sum(hits == 1 for hits in labels.values()) / max(len(points), 1)
        merges = stratum.space is None and merges_samples(stratum.problem, points)
        return cls(max(times[1] - slope * many, 0.0), slope + classify, new, merges)


def _duration(least: float, most: float) -> str:
    """From where to where, as a person says it."""
    for unit, size in (("h", 3600.0), ("min", 60.0), ("s", 1.0)):
        if most >= 1.5 * size or unit == "s":
            break
    low, high = (max(1, round(seconds / size)) for seconds in (least, most))
    return f"about {high} {unit}" if low == high else f"{low} to {high} {unit}"
