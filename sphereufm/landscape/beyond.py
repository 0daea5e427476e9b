"""Searches beyond random starts: symmetric starts, and neighbours of what is known.

What they find depends on choices or on what was found before: it is no sample, and never enters an estimate of
coverage.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sphereufm.geometry.spheres import Array
from sphereufm.landscape.search.effort import SearchSettings
from sphereufm.landscape.search.stratum import default_starts, find_in_pieces
from sphereufm.landscape.starts.cyclic import symmetric_starts
from sphereufm.landscape.starts.neighbours import neighbouring_starts
from sphereufm.problem import capabilities
from sphereufm.problem.interface import SphereProblem


@dataclass(frozen=True, kw_only=True, eq=False)
class Beyond:
    """What to search next to known critical points ``(r, M)``, each in its own span, and from symmetric starts.

    ``merged``: whether equal samples move together; ``symmetric``: ranks in which a batch of symmetric starts is made.
    """

    problem: SphereProblem
    settings: SearchSettings
    points: tuple[Array, ...]
    highest_rank: int
    merged: bool
    symmetric: tuple[int, ...]
    seed: int


def search_beyond(task: Beyond) -> tuple[int, list[Array]]:
    """Number of starts next to points, and converged ends ``(b, r, M)`` of all starts."""
    if not task.merged:
        return _search(task)
    used, ends = _search(replace(task, points=()))
    for X in task.points:
        parts = capabilities.equal_samples(capabilities.in_span(task.problem, len(X)), X, len(X))
        if parts is not None:
            starts, found = _search(replace(task, problem=parts.problem, points=(parts.Y,), symmetric=()))
            used += starts
            ends += [parts.merged.expand(Y) for Y in found]
    return used, ends


def _search(task: Beyond) -> tuple[int, list[Array]]:
    """The same for points of one problem, all starts of one rank in one batch."""
    starts: dict[int, list[Array]] = {}
    for X in task.points:
        for start in neighbouring_starts(task.problem, X, task.highest_rank):
            starts.setdefault(len(start), []).append(start)
    used = sum(map(len, starts.values()))
    for r in task.symmetric:
        inner, rng = capabilities.in_span(task.problem, r), np.random.default_rng((task.seed, 2, r))
        starts.setdefault(r, []).extend(
            symmetric_starts(inner, rng, 2 * default_starts(inner.spheres.dimension))
        )
    return used, [
        find_in_pieces(capabilities.in_span(task.problem, r), np.array(group), task.settings)
        for r, group in starts.items()
        if group
    ]
