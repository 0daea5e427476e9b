"""Search for critical points rank by rank.

A point that is critical in ``R^r`` is critical in every ``R^d`` with ``d > r``, so each rank is searched in
its own, smallest dimension.  In every rank a third of the starts goes straight to the regularised Newton
search (any index), and the others are first led towards a target index: zero (minimisers), and small positive
ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array
from sphereufm.geometry.symmetry import numerical_rank, principal_frame
from sphereufm.landscape.newton import find_critical_points
from sphereufm.landscape.saddles import follow_eigenvectors
from sphereufm.problem.interface import SphereProblem

__all__ = ["Found", "SearchSettings", "default_starts", "search_rank"]

# Bytes of Hessian blocks that one batch of starts may take.
_BATCH_BYTES = 1 << 28
# Unknowns up to which all eigenvectors of the Hessian are computed in each step of the index search.
_EIGENVECTOR_LIMIT = 150
_HIGHEST_TARGET = 6


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """How hard to search.

    Attributes
    ----------
    starts : int or None
        Starts in each rank; None chooses by size, see :func:`default_starts`.
    tolerance : float
        Relative gradient norm of an accepted point.
    max_iterations : int
        Of the Newton search.
    """

    starts: int | None = None
    tolerance: float = 1e-12
    max_iterations: int = 200


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """One converged search.

    Attributes
    ----------
    X : ndarray, shape (rank, M)
        In its own span where O(d) is a symmetry, else as found.
    rank : int
    cost : float
    """

    X: Array
    rank: int
    cost: float


def default_starts(unknowns: int) -> int:
    """Starts for a search with so many unknowns: 256 for small problems, fewer for large ones, at least 12.

    Examples
    --------
    >>> default_starts(18), default_starts(2000)
    (256, 12)
    """
    return int(np.clip(20_000 // max(unknowns, 1), 12, 256))


def search_rank(
    problem: SphereProblem,
    rng: np.random.Generator,
    settings: SearchSettings,
    callback: Callable[[int], None] | None = None,
) -> tuple[list[Found], int]:
    """Search one stratum: the problem as given, on spheres of dimension at least one.

    Parameters
    ----------
    problem : SphereProblem
        Already in the dimension to search.
    rng : Generator
    settings : SearchSettings
    callback : callable, optional
        Called with the number of starts that have ended.

    Returns
    -------
    found : list of Found
        Converged searches in the order of their starts.
    starts : int
        Searches begun.
    """
    starts = settings.starts or default_starts(problem.spheres.dimension)
    size = max(1, min(starts, _BATCH_BYTES // _bytes_per_start(problem)))
    found: list[Found] = []
    for begin in range(0, starts, size):
        numbers = np.arange(begin, min(begin + size, starts))
        X = problem.spheres.random_point(rng, (len(numbers),))
        X = _led_to_target(problem, X, numbers)
        search = find_critical_points(
            problem, X, tolerance=settings.tolerance, max_iterations=settings.max_iterations
        )
        found += [reduced(problem, x) for x in search.X[search.converged]]
        if callback is not None:
            callback(int(numbers[-1]) + 1)
    return found, starts


def reduced(problem: SphereProblem, X: Array) -> Found:
    """Rank, configuration in its own span, and cost of one critical point, shape ``(d, M)``."""
    if not problem.symmetry.orthogonal:
        return Found(X=X, rank=numerical_rank(X), cost=float(problem.at(X).cost))
    rank = numerical_rank(X)
    frame = principal_frame(X, rank)
    if rank == 1:
        frame = np.sign(frame)
    return Found(X=frame, rank=rank, cost=float(problem.in_dimension(rank).at(frame).cost))


def _led_to_target(problem: SphereProblem, X: Array, numbers: NDArray[np.intp]) -> Array:
    """Two starts of three are led towards an index: the first of them to zero, the other to 1, 2, ... in turn."""
    if problem.spheres.dimension > _EIGENVECTOR_LIMIT:
        return X
    led = numbers % 3 > 0
    target = np.where(numbers % 3 == 1, 0, 1 + (numbers // 3) % _HIGHEST_TARGET)
    X = X.copy()
    if led.any():
        X[led] = follow_eigenvectors(problem, X[led], target[led])
    return X


def _bytes_per_start(problem: SphereProblem) -> int:
    """Rough size of one start's Hessian in the Newton search."""
    d, M = problem.spheres.shape
    n = min(problem.spheres.dimension, 50 * (d - 1) ** 2)
    return 8 * 20 * max(n, 1) * max(d, 1) * M
