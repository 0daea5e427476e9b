"""One batch of starts in one stratum, up to converged points: what a worker does.

A point that is critical in ``R^r`` is critical in every ``R^d`` with ``d > r``, so each rank is searched in its own,
smallest dimension.  In every batch a third of the starts goes straight to the regularised Newton search (any
index), a third descends first, and the others are first guided towards a small positive index.

At critical points the features of a class take few distinct values, however many samples it has: each is a critical
point of one function on the sphere.  So a *merged* stratum is searched in problems with weights: the samples of each
class are split at random into a few groups of equal features, another split for every few starts.

Where only minimisers are sought, all starts descend in ``R^d`` itself: a critical point of the cross-entropy problem
with rank below ``d`` is a global minimiser or a strict saddle (its multiplier matrix decides), so lower ranks hold no
spurious minimiser.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array
from sphereufm.landscape.search.effort import SearchSettings
from sphereufm.landscape.search.eigenvector_following import follow_eigenvectors
from sphereufm.landscape.search.squared_gradient import find_critical_points
from sphereufm.problem import capabilities
from sphereufm.problem.capabilities import FixedSpace
from sphereufm.problem.interface import SphereProblem
from sphereufm.solvers.result import Settings
from sphereufm.solvers.solve import solve_batch

# Bytes of Hessian blocks that one batch of starts may take.
_BATCH_BYTES = 1 << 28
# Unknowns up to which all eigenvectors of the Hessian are computed in each step of the index search.
_EIGENVECTOR_LIMIT = 150
_HIGHEST_TARGET = 6
# Steps towards a target index: what forty of them reach is met again and again, where few leave more to find.
_LEADING_STEPS = 5
# Of a descent by trust regions: relative gradient norm from which the Newton search takes over, and most steps.
_DESCENT_TOLERANCE = 1e-2
_DESCENT_ITERATIONS = 1000
# Groups of equal samples in a class at most, and starts that share a split.
_MOST_GROUPS = 4
# Samples are merged where converged points have at most this share of distinct features.
_FEW = 1.0 / 3.0
_STARTS_A_SPLIT = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class Stratum:
    """Something to search."""

    name: str
    problem: SphereProblem  #: in the dimension, or on the subspace, to search
    space: FixedSpace | None = None  #: the subspace, which knows the points of the whole problem
    merged: bool = False  #: whether samples are merged at random

    @property
    def batch_size(self) -> int:
        """Starts in one batch."""
        if self.merged:
            return default_starts(self.problem.spheres.shape[1])
        return default_starts(self.problem.spheres.dimension)


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """A batch of starts: the stratum, how to search, the seed, and the numbers of the starts."""

    stratum: Stratum
    settings: SearchSettings
    seed: tuple[int, ...]
    first: int
    count: int


def default_starts(unknowns: int) -> int:
    """Starts in one batch for a search with so many unknowns: 40 for small problems, at least 2."""
    return int(np.clip(3_000 // max(unknowns, 1), 2, 40))


def most_starts(stratum: Stratum, settings: SearchSettings) -> int:
    """Random starts at most in one stratum."""
    return settings.batches * (settings.starts or stratum.batch_size)


def search_batch(batch: Batch) -> Array:
    """Converged ends of a batch of random starts, in order, as points of the whole problem, shape ``(b, d, M)``."""
    stratum, rng = batch.stratum, np.random.default_rng(batch.seed)
    numbers = np.arange(batch.first, batch.first + batch.count)
    if not stratum.merged:
        found = _ends(stratum.problem, rng, batch.settings, numbers)
        return found if stratum.space is None else stratum.space.expand(found)
    parts = []
    for begin in range(0, len(numbers), _STARTS_A_SPLIT):
        space = capabilities.merged_at_random(stratum.problem, rng, _MOST_GROUPS)
        assert space is not None  # the stratum says so
        ends = _ends(space.problem, rng, batch.settings, numbers[begin : begin + _STARTS_A_SPLIT])
        parts.append(space.expand(ends))
    return np.concatenate(parts)


def merges_samples(problem: SphereProblem, points: Array) -> bool:
    """Whether samples can be merged, and points found at random have few distinct features."""
    if capabilities.merged_at_random(problem, np.random.default_rng(0), 1) is None:
        return False
    shares = sorted(capabilities.share_of_distinct_samples(problem, X) for X in points)
    return not shares or shares[len(shares) // 2] <= _FEW


def find_in_pieces(problem: SphereProblem, starts: Array, settings: SearchSettings) -> Array:
    """Converged ends of starts of shape ``(B, d, M)``, in their order, in pieces that fit the memory.

    Starts at which the cost is not finite (coinciding charges, say) are left out.
    """
    starts = capabilities.finite_points(problem, starts)
    size = max(1, _BATCH_BYTES // _bytes_per_start(problem))
    found = [starts[:0]]
    for begin in range(0, len(starts), size):
        piece = starts[begin : begin + size]
        search = find_critical_points(problem, piece, tolerance=settings.tolerance, late=settings.late)
        found.append(search.X[search.converged])
    return np.concatenate(found)


def _ends(
    problem: SphereProblem, rng: np.random.Generator, settings: SearchSettings, numbers: NDArray[np.intp]
) -> Array:
    """Converged ends of random starts, in their order, in pieces that fit the memory."""
    lead = _descended if settings.effort.plan.minimisers else _towards_index
    size = max(1, _BATCH_BYTES // _bytes_per_start(problem))
    found = []
    for begin in range(0, len(numbers), size):
        piece = numbers[begin : begin + size]
        starts = problem.spheres.random_point(rng, (len(piece),))
        found.append(find_in_pieces(problem, lead(problem, starts, piece), settings))
    return np.concatenate(found)


def _towards_index(problem: SphereProblem, X: Array, numbers: NDArray[np.intp]) -> Array:
    """Two starts of three are guided towards an index: the first of them descends, the other to 1, 2, ... in turn."""
    down, up = numbers % 3 == 1, numbers % 3 == 2
    if down.any():
        X[down] = _descended(problem, X[down], numbers, leaves_saddles=False)
    if up.any() and problem.spheres.dimension <= _EIGENVECTOR_LIMIT:
        targets = 1 + (numbers[up] // 3) % _HIGHEST_TARGET
        X[up] = follow_eigenvectors(problem, X[up], targets, iterations=_LEADING_STEPS)
    return X


def _descended(
    problem: SphereProblem, X: Array, numbers: NDArray[np.intp], *, leaves_saddles: bool = True
) -> Array:
    """Ends of descents by trust regions; the first number is the seed of escapes from saddles."""
    limits = Settings(
        tolerance=_DESCENT_TOLERANCE, max_iterations=_DESCENT_ITERATIONS, escape_saddles=leaves_saddles
    )
    rng = np.random.default_rng(int(numbers[0]))
    ends = solve_batch(problem, X, rng=rng, solver="trust-region", settings=limits)
    return np.array([end.X for end in ends])


def _bytes_per_start(problem: SphereProblem) -> int:
    """Rough size of one start's Hessian in the Newton search."""
    d, M = problem.spheres.shape
    n = min(problem.spheres.dimension, 50 * (d - 1) ** 2)
    return 8 * 20 * max(n, 1) * max(d, 1) * M
