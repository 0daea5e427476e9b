r"""Connections: descents from saddles, and the tree of basins that follows from them.

Every connection is a *descent*: a path along which the cost falls, from next to a critical point of one orbit to a
critical point of another.  So a path joins two minimisers below the cost ``c`` of a saddle whenever chains of
descents lead from that saddle to both, and ``c`` bounds the barrier between them from above: numerically, since
the paths are computed in floating point.  Descents that were not tried may join them lower.

References
----------
O. M. Becker, M. Karplus, *The topology of multidimensional potential energy surfaces*, J. Chem. Phys. 1997
(disconnectivity graphs).  D. J. Wales, *Energy Landscapes*, Cambridge University Press, 2003, section 5.1.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Connection:
    """Descents that lead from one row of a report to another; rows count from zero."""

    source: int
    target: int
    descents: int


@dataclass(frozen=True, kw_only=True)
class Connections:
    """What the descents from the saddles of a report reached."""

    edges: tuple[Connection, ...]  #: sorted by source, then target
    sources: int  #: rows from which descents began
    skipped: int  #: rows with negative curvature from which none did, for want of budget
    descents: int  #: descents begun
    unfinished: int  #: those that had not come near a critical point when they were stopped
    unlisted: int  #: those that reached a critical point that the report does not list


@dataclass(frozen=True, kw_only=True)
class BasinMerge:
    """Basins that become one at the cost of a row: the rows of their minimisers."""

    cost: float
    row: int
    basins: tuple[int, ...]


def basin_merges(
    edges: Collection[Connection], costs: Sequence[float], minimisers: Collection[int]
) -> tuple[BasinMerge, ...]:
    """Merge basins at the lowest row from which descents lead to several of them.

    ``costs``: of all rows; ``minimisers``: rows that end descents.  Result: in the order of cost.  The cost
    of a merge bounds the barrier between its basins from above, numerically.
    """
    reached = _reached(edges, costs, minimisers)
    basins = {row: frozenset([row]) for row in minimisers}
    merges = []
    for row in sorted(reached, key=lambda row: costs[row]):
        joined = {basins[end] for end in reached[row]}
        if len(joined) > 1:
            union = frozenset().union(*joined)
            basins |= dict.fromkeys(union, union)
            merges.append(BasinMerge(cost=costs[row], row=row, basins=tuple(sorted(union))))
    return tuple(merges)


def _reached(
    edges: Collection[Connection], costs: Sequence[float], minimisers: Collection[int]
) -> dict[int, frozenset[int]]:
    """Minimisers below each source, by chains of descents."""
    below: dict[int, frozenset[int]] = {row: frozenset([row]) for row in minimisers}
    for source in sorted({edge.source for edge in edges}, key=lambda row: costs[row]):
        targets = [edge.target for edge in edges if edge.source == source]
        below[source] = frozenset().union(*(below.get(row, frozenset()) for row in (source, *targets)))
    return {edge.source: below[edge.source] for edge in edges}
