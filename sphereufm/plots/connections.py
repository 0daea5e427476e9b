"""Connections: descents from saddles as arrows, and the tree of basins (a disconnectivity graph)."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from sphereufm.landscape.report.landscape_report import LandscapeReport
from sphereufm.landscape.report.summary import cost_heading
from sphereufm.plots.axes import (
    STYLE,
    empty_axes,
    kind_legend,
    number_marks,
    plain_ticks,
    row_marks,
    scale_costs,
    whole_numbers,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Rows that are drawn, lowest first: more would be a tangle.
_MOST_ROWS = 80
_MOST_LEAVES = 40
# Ratio of heights from which the tree is drawn on a logarithmic scale.
_DECADES = 100.0
_INK = "#7a7a7a"


def connections_figure(report: LandscapeReport) -> Figure:
    """Draw the descents from saddles as arrows between the rows of a report: cost against Morse index.

    ``report``: with ``connections``.  Result: not attached to any window; the lowest 80 rows, numbered from
    one.  Every mark stands at its index.  An arrow is as wide as the share of its saddle's descents that took
    this way.
    """
    figure, axes = empty_axes()
    places = _places(report)
    edges = [] if report.connections is None else report.connections.edges
    total: Counter[int] = Counter()
    for edge in edges:
        total[edge.source] += edge.descents
    for edge in edges:
        if edge.source in places and edge.target in places:
            _arrow(axes, places[edge.source], places[edge.target], edge.descents / total[edge.source])
    for kind, (colour, marker) in STYLE.items():
        rows = [row for row in places if report.critical[row].kind is kind]
        if rows:
            x, y = np.array([places[row] for row in rows]).T
            style: dict[str, Any] = {"c": colour, "marker": marker, "s": 34, "linewidths": 0, "zorder": 3}
            axes.scatter(x, y, gid=row_marks(rows), **style)
    scale_costs(axes, [cost for _, cost in places.values()], cost_heading(report.problem))
    whole_numbers(axes.xaxis)
    axes.set_xlabel("Morse index")
    if len(places) <= _MOST_LEAVES:
        axes.autoscale_view()
        number_marks(axes, places)
    kind_legend(figure, (report.critical[row].kind for row in places))
    return figure


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], share: float) -> None:
    """A descent, the wider the larger its share."""
    style = {
        "arrowstyle": "-|>",
        "color": "#888888",
        "alpha": 0.3 + 0.6 * share,
        "linewidth": 0.5 + 1.5 * share,
        "shrinkA": 3.0,
        "shrinkB": 4.0,
        "connectionstyle": "arc3,rad=0.08",
    }
    axes.annotate("", end, start, arrowprops=style)


def disconnectivity_figure(report: LandscapeReport) -> Figure:
    """Draw the basins of minimisers as a tree: branches meet at the cost of the lowest saddle known to join them.

    ``report``: with ``connections``.  Result: not attached to any window; leaves are rows, numbered from one.
    A meeting bounds the barrier from above, numerically; branches that do not meet were not joined by any
    descent.
    """
    figure, axes = empty_axes()
    leaves = report.minimisers[:_MOST_LEAVES]
    lowest = min((report.critical[row].cost for row in leaves), default=0.0)
    costs = {row: report.critical[row].cost - lowest for row in leaves}
    merges = [(merge.cost - lowest, [row for row in merge.basins if row in costs]) for merge in report.merges]
    merges = [(cost, basins) for cost, basins in merges if len(basins) > 1]
    heights = sorted(cost for cost in [*costs.values(), *(cost for cost, _ in merges)] if cost > 0.0)
    top = 1.08 * heights[-1] if heights else 1.0
    position = {row: float(place) for place, row in enumerate(_order(leaves, merges))}
    branches: dict[int, tuple[float, float, tuple[int, ...]]] = {
        row: (position[row], cost, (row,)) for row, cost in costs.items()
    }
    for cost, basins in merges:
        joined = sorted({branches[row] for row in basins})
        if len(joined) < 2:
            continue
        for x, low, _ in joined:
            axes.plot([x, x], [low, cost], color=_INK, linewidth=1.3)
        axes.plot([joined[0][0], joined[-1][0]], [cost, cost], color=_INK, linewidth=1.3)
        middle = (sum(x for x, *_ in joined) / len(joined), cost, tuple(basins))
        branches |= dict.fromkeys(basins, middle)
    for x, low, _ in set(branches.values()):
        axes.plot([x, x], [low, top], color=_INK, linewidth=1.3)
    for row, cost in costs.items():
        colour, marker = STYLE[report.critical[row].kind]
        style: dict[str, Any] = {"c": colour, "marker": marker, "s": 40, "zorder": 3, "linewidths": 0}
        axes.scatter([position[row]], [cost], gid=row_marks([row]), **style)
        below: dict[str, Any] = {"textcoords": "offset points", "fontsize": 9, "ha": "center"}
        axes.annotate(str(row + 1), (position[row], cost), (0, -14), **below)
    if heights and heights[-1] > _DECADES * heights[0]:
        # linear up to the lowest barrier, so that the deepest leaf has a place
        axes.set_yscale("symlog", linthresh=heights[0])
        plain_ticks(axes.yaxis)
    axes.set_ylabel(f"{cost_heading(report.problem).replace('cost', 'cost above lowest')}")
    axes.margins(0.08, 0.12)
    axes.set_xticks([])
    axes.set_xlabel("minimisers, by their row")
    kind_legend(figure, (report.critical[row].kind for row in leaves))
    return figure


def _places(report: LandscapeReport) -> dict[int, tuple[float, float]]:
    """Morse index and cost of the lowest rows; of a family the least index."""
    return {
        row: (float(np.min(entry.morse_index)), entry.cost)
        for row, entry in enumerate(report.critical[:_MOST_ROWS])
    }


def _order(leaves: tuple[int, ...], merges: list[tuple[float, list[int]]]) -> list[int]:
    """Leaves such that no branches cross: those that meet first stand together."""
    groups = {row: [row] for row in leaves}
    for _, basins in merges:
        parts: list[list[int]] = []
        for row in basins:
            if groups[row] not in parts:
                parts.append(groups[row])
        whole = [row for part in parts for row in part]
        groups |= dict.fromkeys(whole, whole)
    order: list[int] = []
    for row in leaves:
        order += [other for other in groups[row] if other not in order]
    return order
