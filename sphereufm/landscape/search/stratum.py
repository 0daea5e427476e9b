"""Search one stratum for critical points: batches of starts until its coverage is good enough.

A point that is critical in ``R^r`` is critical in every ``R^d`` with ``d > r``, so each rank is searched in its own,
smallest dimension.  In every batch a third of the starts goes straight to the regularised Newton search (any
index), and the others are first led towards a target index: zero (minimisers), and small positive ones.

Where only minimisers are sought, all starts descend in ``R^d`` itself: a critical point of the cross-entropy problem
with rank below ``d`` is a global minimiser or a strict saddle (its multiplier matrix decides), so lower ranks hold no
spurious minimiser.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from sphereufm.errors import InvalidInputError
from sphereufm.geometry.spheres import Array
from sphereufm.landscape.search.coverage import Coverage, coverage_of
from sphereufm.landscape.search.eigenvector_following import follow_eigenvectors
from sphereufm.landscape.search.squared_gradient import find_critical_points
from sphereufm.problem import capabilities
from sphereufm.problem.interface import SphereProblem
from sphereufm.progress import Progress, silent
from sphereufm.solvers.result import Settings
from sphereufm.solvers.solve import solve_batch

__all__ = [
    "Effort",
    "SearchSettings",
    "default_starts",
    "find_in_pieces",
    "most_starts",
    "search_batch",
    "search_stratum",
]

# Bytes of Hessian blocks that one batch of starts may take.
_BATCH_BYTES = 1 << 28
# Unknowns up to which all eigenvectors of the Hessian are computed in each step of the index search.
_EIGENVECTOR_LIMIT = 150
_HIGHEST_TARGET = 6
# Steps towards a target index: what forty of them reach is met again and again, where few leave more to find.
_LEADING_STEPS = 5
# Of a descent by trust regions: relative gradient norm from which the Newton search takes over, and most steps.
_DESCENT_TOLERANCE = 1e-6
_DESCENT_ITERATIONS = 1000


class Effort(Enum):
    """How hard to search: (wanted bound on the unseen mass, most batches in a stratum).

    ``MINIMISERS`` is another search: descents in ``R^d`` from random starts, saddles left out.
    """

    MINIMISERS = (0.0, 4)
    QUICK = (1.0, 1)
    STANDARD = (0.05, 12)
    THOROUGH = (0.01, 40)

    @classmethod
    def named(cls, effort: Effort | str) -> Effort:
        """Return an effort as it is, or the one of that name.

        Raises
        ------
        InvalidInputError
            If there is none of that name.

        Examples
        --------
        >>> Effort.named("quick")
        <Effort.QUICK: (1.0, 1)>
        """
        if isinstance(effort, Effort):
            return effort
        names = [each.name.lower() for each in cls]
        if str(effort).lower() not in names:
            raise InvalidInputError(f"effort={effort!r} must be one of {', '.join(names)}")
        return cls[effort.upper()]


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """How hard to search.

    Attributes
    ----------
    effort : Effort
        When to stop adding batches of starts.
    starts : int or None
        Exactly so many starts in each stratum; None leaves the number to ``effort``.
    most_batches : int or None
        Most batches in a stratum; None leaves the number to ``effort``.
    tolerance : float
        Relative gradient norm of an accepted point.
    max_iterations : int
        Of the Newton search.
    """

    effort: Effort = Effort.STANDARD
    starts: int | None = None
    most_batches: int | None = None
    tolerance: float = 1e-12
    max_iterations: int = 200

    @property
    def batches(self) -> int:
        """Batches at most in a stratum."""
        return 1 if self.starts else self.most_batches or self.effort.value[1]


def default_starts(unknowns: int) -> int:
    """Starts in one batch for a search with so many unknowns: 256 for small problems, at least 12.

    Examples
    --------
    >>> default_starts(18), default_starts(2000)
    (256, 12)
    """
    return int(np.clip(20_000 // max(unknowns, 1), 12, 256))


def search_stratum(
    problem: SphereProblem,
    rng: np.random.Generator,
    settings: SearchSettings,
    enter: Callable[[Array], list[str | None]],
    progress: Progress = silent,
    name: str = "search",
) -> Coverage:
    """Search the problem as given, on spheres of dimension at least one.

    Parameters
    ----------
    problem : SphereProblem
        Already in the dimension, or on the subspace, to search.
    rng : Generator
    settings : SearchSettings
    enter : callable
        Takes critical points, shape ``(b, d, M)``; returns the label of each one's orbit, None to leave it out.
    progress : Progress
        Hears after each batch how many of the most starts are behind, and the bound on the unseen mass.
    name : str
        Of the stratum, for the report of progress.

    Returns
    -------
    Coverage
    """
    batch = settings.starts or default_starts(problem.spheres.dimension)
    total, unseen = most_starts(problem, settings), ""
    ends: list[Hashable] = []
    coverage = coverage_of(0, ends)
    for number in range(settings.batches):
        progress(name, number * batch, total, unseen)
        found = search_batch(problem, rng, settings, number * batch, batch)
        ends += [label for label in enter(found) if label is not None]
        coverage = coverage_of((number + 1) * batch, ends)
        unseen = "" if coverage.unseen_bound is None else f"unseen mass below {coverage.unseen_bound:.0%}"
        if coverage.unseen_bound is not None and coverage.unseen_bound <= settings.effort.value[0]:
            break
    progress(name, total, total, unseen)
    return coverage


def most_starts(problem: SphereProblem, settings: SearchSettings) -> int:
    """Random starts at most in one stratum."""
    return settings.batches * (settings.starts or default_starts(problem.spheres.dimension))


def find_in_pieces(problem: SphereProblem, starts: Array, settings: SearchSettings) -> Array:
    """Converged ends of starts of shape ``(B, d, M)``, in their order, in pieces that fit the memory.

    Starts at which the cost is not finite (coinciding charges, say) are left out.
    """
    starts = starts[[capabilities.is_finite(problem, start) for start in starts]]
    size = max(1, _BATCH_BYTES // _bytes_per_start(problem))
    found = [starts[:0]]
    for begin in range(0, len(starts), size):
        search = find_critical_points(
            problem,
            starts[begin : begin + size],
            tolerance=settings.tolerance,
            max_iterations=settings.max_iterations,
        )
        found.append(search.X[search.converged])
    return np.concatenate(found)


def search_batch(
    problem: SphereProblem, rng: np.random.Generator, settings: SearchSettings, first: int, count: int
) -> Array:
    """Converged ends of ``count`` random starts, in their order, in pieces that fit the memory."""
    lead = _led_down if settings.effort is Effort.MINIMISERS else _led_to_target
    size = max(1, min(count, _BATCH_BYTES // _bytes_per_start(problem)))
    found = []
    for begin in range(first, first + count, size):
        numbers = np.arange(begin, min(begin + size, first + count))
        starts = problem.spheres.random_point(rng, (len(numbers),))
        found.append(find_in_pieces(problem, lead(problem, starts, numbers), settings))
    return np.concatenate(found)


def _led_to_target(problem: SphereProblem, X: Array, numbers: NDArray[np.intp]) -> Array:
    """Two starts of three are led towards an index: the first of them descends, the other to 1, 2, ... in turn."""
    X = X.copy()
    down, up = numbers % 3 == 1, numbers % 3 == 2
    if down.any():
        X[down] = _descended(problem, X[down], int(numbers[0]), leaves_saddles=False)
    if up.any() and problem.spheres.dimension <= _EIGENVECTOR_LIMIT:
        targets = 1 + (numbers[up] // 3) % _HIGHEST_TARGET
        X[up] = follow_eigenvectors(problem, X[up], targets, iterations=_LEADING_STEPS)
    return X


def _led_down(problem: SphereProblem, X: Array, numbers: NDArray[np.intp]) -> Array:
    """All starts descend towards minimisers; the Newton search leaves out those that came to no rest."""
    return _descended(problem, X, int(numbers[0]), leaves_saddles=True)


def _descended(problem: SphereProblem, X: Array, seed: int, *, leaves_saddles: bool) -> Array:
    """Ends of descents by trust regions; the seed is of escapes from saddles only."""
    limits = Settings(
        tolerance=_DESCENT_TOLERANCE, max_iterations=_DESCENT_ITERATIONS, escape_saddles=leaves_saddles
    )
    ends = solve_batch(problem, X, rng=np.random.default_rng(seed), solver="trust-region", settings=limits)
    return np.array([end.X for end in ends])


def _bytes_per_start(problem: SphereProblem) -> int:
    """Rough size of one start's Hessian in the Newton search."""
    d, M = problem.spheres.shape
    n = min(problem.spheres.dimension, 50 * (d - 1) ** 2)
    return 8 * 20 * max(n, 1) * max(d, 1) * M
