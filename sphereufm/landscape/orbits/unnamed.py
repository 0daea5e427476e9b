"""Gather classes of one cost that walking shows to be no isolated orbits into families without a name.

See :mod:`~sphereufm.landscape.orbits.walking` for what a walk shows.  A family is called ``nonisolated-k`` after its
local dimension ``k`` modulo the orbit.  Where ``k`` equals the nullity the family is Morse-Bott: the signs of
the other eigenvalues decide what it is, and a family without negative ones consists of local minimisers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sphereufm.landscape.orbits.walking import walkable_dimension
from sphereufm.landscape.points import CriticalFamily, CriticalPoint, CriticalPointKind
from sphereufm.problem.interface import SphereProblem
from sphereufm.tolerances import ROUNDINGS, SAME_COST

__all__ = ["gather_families"]

# Classes that are tried at most: where more are degenerate, walking would take longer than the search.
_MOST_WALKS = 200
_UNKNOWNS = 300
_WORST_FIRST = (
    CriticalPointKind.DEGENERATE,
    CriticalPointKind.SPURIOUS_LOCAL_MINIMUM,
    CriticalPointKind.LOCAL_MINIMUM,
    CriticalPointKind.STRICT_SADDLE,
    CriticalPointKind.GLOBAL_MINIMUM,
)


def gather_families(
    problem: SphereProblem, points: Sequence[CriticalPoint]
) -> list[CriticalPoint | CriticalFamily]:
    """Replace the classes that belong to unnamed families by those families.

    Parameters
    ----------
    problem : SphereProblem
        In ``R^d``.
    points : sequence of CriticalPoint

    Returns
    -------
    list of CriticalPoint and CriticalFamily
        Classes with null directions that cannot be walked stay as they are, with their nullity.
    """
    dimensions = _walk(problem, points)
    isolated: list[CriticalPoint | CriticalFamily] = [
        point for i, point in enumerate(points) if i not in dimensions
    ]
    levels: list[list[int]] = []
    for i in sorted(dimensions, key=lambda i: points[i].cost):
        if levels and _same(points[levels[-1][0]], points[i]):
            levels[-1].append(i)
        else:
            levels.append([i])
    return [*isolated, *(_family(points, level, dimensions) for level in levels)]


def _walk(problem: SphereProblem, points: Sequence[CriticalPoint]) -> dict[int, int]:
    """Local dimension of every class that can be walked, and of those that share its cost."""
    small = [i for i, point in enumerate(points) if point.X.size <= _UNKNOWNS]
    dimensions: dict[int, int] = {}
    for i in [i for i in small if points[i].nullity > 0][:_MOST_WALKS]:
        dimensions[i] = walkable_dimension(problem, points[i].X)
    dimensions = {i: dimension for i, dimension in dimensions.items() if dimension}
    # near a singular stratum a member's null direction may look merely soft
    members = [points[i] for i in dimensions]
    for i in small:
        if i not in dimensions and any(_same(points[i], member) for member in members):
            dimension = walkable_dimension(problem, points[i].X)
            if dimension:
                dimensions[i] = dimension
    return dimensions


def _same(a: CriticalPoint, b: CriticalPoint) -> bool:
    """Whether two costs agree to rounding, in the unit of the curvatures there."""
    unit = max(
        float(np.abs(values).max(initial=0.0))
        for point in (a, b)
        for values in (point.spectrum.eigenvalues, point.spectrum.normal_eigenvalues)
    )
    return abs(a.cost - b.cost) <= SAME_COST * unit + ROUNDINGS * max(abs(a.cost), abs(b.cost))


def _family(points: Sequence[CriticalPoint], level: list[int], dimensions: dict[int, int]) -> CriticalFamily:
    """One entry for all members of a level."""
    members = [points[i] for i in level]
    dimension = min(dimensions[i] for i in level)
    best = min(members, key=lambda m: float("inf") if m.optimality_gap is None else m.optimality_gap)
    kinds = {member.kind for member in members}
    kind = next(kind for kind in _WORST_FIRST if kind in kinds)
    regular = [points[i] for i in level if points[i].nullity == dimensions[i]]
    if any(member.kind is CriticalPointKind.DEGENERATE for member in regular):
        # Morse-Bott there: local minimisers
        above = any(member.has_lower for member in members)
        kind = CriticalPointKind.SPURIOUS_LOCAL_MINIMUM if above else CriticalPointKind.LOCAL_MINIMUM
    return CriticalFamily(
        name=f"nonisolated-{dimension}",
        cost=members[0].cost,
        members=tuple(members),
        kind=kind,
        hits=sum(member.hits for member in members),
        optimality_gap=best.optimality_gap,
        gap_method=best.gap_method,
    )
