"""Converged points, each in its own span, with rank and cost: what is merged and classified."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sphereufm.geometry.spheres import Array
from sphereufm.geometry.symmetry.groups import numerical_ranks, principal_frame
from sphereufm.problem import capabilities
from sphereufm.problem.interface import SphereProblem

# Costs below this differ by rounding only; the cost selects candidates, and alignment decides.
NO_COST = 1e-12


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Found:
    """One critical point."""

    X: Array  #: shape ``(rank, M)``: in its own span where O(d) is a symmetry, else as found
    rank: int
    cost: float
    #: Radians from the critical point that is meant, where more than a few roundings; see :mod:`.settle`.
    radius: float = 0.0
    cost_noise: float = NO_COST  #: differences of cost that mean nothing


def reduced(problem: SphereProblem, X: Array) -> list[Found]:
    """Rank, configuration in its own span, and cost of each critical point.

    ``X``, shape ``(B, d, M)``: of any dimension where O(d) is a symmetry.
    """
    if not len(X):
        return []
    ranks = numerical_ranks(X)
    found: dict[int, Found] = {}
    # numpy.unique loads numpy.ma, which takes longer than a small search has
    for rank in sorted(set(ranks.tolist())):
        places = np.flatnonzero(ranks == rank)
        inner, points = problem, X[places]
        if problem.symmetry.orthogonal:
            inner, points = capabilities.in_span(problem, rank), principal_frame(points, rank)
            points = np.sign(points) if rank == 1 else points
        costs = inner.at(points).cost.tolist()
        for i, point, cost in zip(places.tolist(), points, costs, strict=True):
            found[i] = Found(X=point, rank=rank, cost=cost)
    return [found[i] for i in range(len(X))]
