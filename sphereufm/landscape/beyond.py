"""Searches beyond random starts: symmetric starts, and neighbours of what is known.

What they find depends on choices or on what was found before: it is no sample, and never enters an estimate of
coverage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sphereufm.geometry.spheres import Array
from sphereufm.landscape.orbits.gathered import Gathered, gather
from sphereufm.landscape.search.effort import SearchSettings
from sphereufm.landscape.search.stratum import default_starts, find_in_pieces
from sphereufm.landscape.starts.cyclic import symmetric_starts
from sphereufm.landscape.starts.neighbours import neighbouring_starts
from sphereufm.problem import capabilities
from sphereufm.problem.interface import SphereProblem


@dataclass(frozen=True, kw_only=True, eq=False)
class Beyond:
    """How a problem is searched; ``merged``: whether equal samples move together."""

    problem: SphereProblem
    settings: SearchSettings
    highest_rank: int
    merged: bool
    seed: int


def search_beyond(task: tuple[Sequence[Array], Sequence[int]], how: Beyond) -> tuple[int, list[Gathered]]:
    """Search next to critical points ``(r, M)``, each in its own span, and from symmetric starts of some ranks.

    Result: number of starts next to points, and the converged ends of all starts.
    """
    points, symmetric = task
    used, ends = _search(() if how.merged else points, symmetric, how)
    for X in points if how.merged else ():
        parts = capabilities.equal_samples(capabilities.in_span(how.problem, len(X)), X, len(X))
        if parts is not None:
            starts, found = _search([parts.Y], (), replace(how, problem=parts.problem))
            used += starts
            ends += [parts.merged.expand(Y) for Y in found]
    return used, [gather(how.problem, X) for X in ends]


def _search(points: Sequence[Array], symmetric: Sequence[int], how: Beyond) -> tuple[int, list[Array]]:
    """The same for points of one problem, all starts of one rank in one batch."""
    starts: dict[int, list[Array]] = {}
    for X in points:
        for start in neighbouring_starts(how.problem, X, how.highest_rank):
            starts.setdefault(len(start), []).append(start)
    used = sum(map(len, starts.values()))
    for r in symmetric:
        inner, rng = capabilities.in_span(how.problem, r), np.random.default_rng((how.seed, 2, r))
        drawn = symmetric_starts(inner, rng, 2 * default_starts(inner.spheres.dimension))
        starts.setdefault(r, []).extend(drawn)
    return used, [
        find_in_pieces(capabilities.in_span(how.problem, r), np.array(group), how.settings)
        for r, group in starts.items()
        if group
    ]
