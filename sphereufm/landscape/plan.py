"""What a search will take: the strata to search, starts at most, and an estimate of the time from a timed probe."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sphereufm.errors import check_integer
from sphereufm.landscape.search.effort import Effort, SearchSettings
from sphereufm.landscape.search.stratum import Batch, Stratum, most_starts, search_batch
from sphereufm.problem import capabilities
from sphereufm.problem.interface import SphereProblem

# Two probes in a stratum take these shares of a batch; the whole batch takes as long as the line through both says.
_PROBES = (16, 5)
# Batches that most strata need, by trials on small problems; the most are allowed to be many more.
_TYPICAL = MappingProxyType(
    {Effort.MINIMISERS: 4.0, Effort.QUICK: 1.0, Effort.STANDARD: 1.5, Effort.THOROUGH: 4.0}
)
# Share of a plain search that searches from symmetric starts and from neighbours take besides.
_BESIDE = 1.5


@dataclass(frozen=True, kw_only=True)
class LandscapePlan:
    """What a search of all strata will take at most.

    * ``strata``: names, in their order.
    * ``starts``: random starts at most.
    * ``seconds``: estimate for each effort, for the search alone: of what is typical, not of the most.
    """

    strata: tuple[str, ...]
    starts: int
    effort: str
    seconds: Mapping[str, float]

    def __str__(self) -> str:
        shown = ", ".join(self.strata[:3]) + (f" and {len(self.strata) - 3} more" if self.strata[3:] else "")
        times = ", ".join(f"{name} {_duration(seconds)}" for name, seconds in self.seconds.items())
        took = f"; the search takes about {times}" if times else ""
        return f"Plan: {shown or 'nothing to search'}, at most {self.starts:,} starts ({self.effort}){took}"


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
        If there is no such effort, or ``starts`` is below one.

    Examples
    --------
    >>> from sphereufm.problem.ufm import UFMProblem
    >>> plan = plan_landscape(UFMProblem(class_sizes=(1, 1, 1), dim=3, tau=1.0), probe=False)
    >>> print(plan)
    Plan: rank 2, rank 3, at most 6,144 starts (standard)
    """
    chosen = Effort.named(effort)
    if starts is not None:
        check_integer("starts", starts, 1)
    found = list(strata(problem, chosen))
    total = sum(most_starts(s, SearchSettings(effort=chosen, starts=starts)) for s in found)
    seconds = _estimates(found, chosen, starts) if probe else {}
    return LandscapePlan(
        strata=tuple(s.name for s in found), starts=total, effort=chosen.name.lower(), seconds=seconds
    )


def strata(problem: SphereProblem, effort: Effort) -> Iterator[Stratum]:
    """Everything that is searched: each rank in its own dimension, then the fixed-point spaces; or descents alone."""
    if effort.plan.minimisers:
        yield Stratum(name="descents", problem=problem)
        return
    for r in ranks(problem):
        yield Stratum(name=f"rank {r}", problem=capabilities.in_span(problem, r))
    if not effort.plan.beyond_random:
        return
    for space in capabilities.fixed_point_spaces(problem):
        yield Stratum(name=space.name, problem=space.problem, space=space)


def ranks(problem: SphereProblem) -> list[int]:
    """Ranks to search: beyond the collapsed classifiers no critical point has rank above K."""
    d = problem.spheres.shape[0]
    if not problem.symmetry.orthogonal:
        return [d] if problem.spheres.dimension else []
    return list(range(2, min(d, capabilities.highest_rank(problem)) + 1))


def _estimates(found: list[Stratum], effort: Effort, starts: int | None) -> dict[str, float]:
    """Seconds for the effort that was chosen, and for those that search the same strata."""
    if not found:
        return {}
    efforts = (
        [effort]
        if effort is Effort.MINIMISERS or starts
        else [Effort.QUICK, Effort.STANDARD, Effort.THOROUGH]
    )
    probed = {0, len(found) - 1, sum(s.name.startswith("rank") for s in found) - 1} & set(range(len(found)))
    lines = {k: _timed(found[k], SearchSettings(effort=effort)) for k in sorted(probed)}
    times: dict[str, float] = {}
    for each in efforts:
        settings = SearchSettings(effort=each, starts=starts)
        total = 0.0
        for k, stratum in enumerate(found):
            fixed, per_start = lines[min(lines, key=lambda probe: abs(probe - k))]
            batches = 1.0 if starts else _TYPICAL[each]
            total += batches * (fixed + per_start * most_starts(stratum, settings) / settings.batches)
        times[each.name.lower()] = total * (1.0 if starts or each is Effort.QUICK else _BESIDE)
    return times


def _timed(stratum: Stratum, settings: SearchSettings) -> tuple[float, float]:
    """Seconds of a batch of no starts, and of each start in it."""
    batch = most_starts(stratum, settings) // settings.batches
    few, more = (max(batch // share, size) for share, size in zip(_PROBES, (1, 3), strict=True))
    seconds = []
    for count in (few, more):
        begun = time.perf_counter()
        search_batch(Batch(stratum=stratum, settings=settings, seed=(0,), first=0, count=count))
        seconds.append(time.perf_counter() - begun)
    slope = max((seconds[1] - seconds[0]) / (more - few), 0.05 * seconds[1] / more)
    return max(seconds[1] - slope * more, 0.0), slope


def _duration(seconds: float) -> str:
    """A time as a person says it."""
    if seconds < 90.0:
        return f"{max(seconds, 1.0):.0f} s"
    return f"{seconds / 60.0:.0f} min" if seconds < 5400.0 else f"{seconds / 3600.0:.1f} h"
