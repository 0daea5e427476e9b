"""Searches beyond random starts: symmetric starts, and neighbours of what is known.

What they find depends on choices or on what was found before: it is no sample, and never enters an estimate of
coverage.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sphereufm.geometry.spheres import Array
from sphereufm.landscape.search.effort import SearchSettings
from sphereufm.landscape.search.stratum import default_starts, find_in_pieces
from sphereufm.landscape.starts.cyclic import symmetric_starts
from sphereufm.landscape.starts.neighbours import neighbouring_starts
from sphereufm.problem import capabilities
from sphereufm.problem.interface import SphereProblem


@dataclass(frozen=True, kw_only=True, eq=False)
class Symmetric:
    """One batch of starts with a cyclic symmetry, of a problem in the dimension to search."""

    problem: SphereProblem
    settings: SearchSettings
    seed: tuple[int, ...]


def search_symmetric(task: Symmetric) -> Array:
    """Converged ends, shape ``(b, d, M)``."""
    count = 2 * default_starts(task.problem.spheres.dimension)
    starts = symmetric_starts(task.problem, np.random.default_rng(task.seed), count)
    return find_in_pieces(task.problem, starts, task.settings)


@dataclass(frozen=True, kw_only=True, eq=False)
class Neighbours:
    """Known critical points ``(r, M)``, each in its own span, of one problem.

    ``merged``: whether equal samples move together.
    """

    problem: SphereProblem
    settings: SearchSettings
    points: tuple[Array, ...]
    highest_rank: int
    merged: bool


def search_neighbours(task: Neighbours) -> tuple[int, list[Array]]:
    """Number of starts, and converged ends ``(b, r, M)`` of each rank."""
    if not task.merged:
        return _search(task.problem, task)
    used, ends = 0, list[Array]()
    for X in task.points:
        inner = capabilities.in_span(task.problem, len(X))
        parts = capabilities.equal_samples(inner, X, len(X))
        if parts is None:
            continue
        alone = Neighbours(
            problem=parts.problem,
            settings=task.settings,
            points=(parts.Y,),
            highest_rank=task.highest_rank,
            merged=False,
        )
        starts, found = _search(parts.problem, alone)
        used += starts
        ends += [parts.spread(Y) for Y in found]
    return used, ends


def _search(problem: SphereProblem, task: Neighbours) -> tuple[int, list[Array]]:
    """The same for points of one problem, those of one rank in one batch."""
    starts: dict[int, list[Array]] = {}
    for X in task.points:
        for start in neighbouring_starts(problem, X, task.highest_rank):
            starts.setdefault(start.shape[0], []).append(start)
    ends = [
        find_in_pieces(capabilities.in_span(problem, r), np.array(group), task.settings)
        for r, group in starts.items()
    ]
    return sum(map(len, starts.values())), ends
