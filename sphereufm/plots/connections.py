"""Who falls to whom: descents as arrows, and the tree of basins (a disconnectivity graph)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sphereufm.landscape.points import CriticalFamily
from sphereufm.landscape.report.landscape_report import LandscapeReport
from sphereufm.plots.landscape import LOG_RATIO, STYLE
from sphereufm.problem import capabilities
from sphereufm.problem.interface import SphereProblem

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["connections_figure", "disconnectivity_figure"]

# Rows that are drawn, lowest first: more would be a tangle.
_MOST_ROWS = 80
_MOST_LEAVES = 40
# Rows of one Morse index stand beside each other, this far apart.
_BESIDE = 0.16
_INK = "#7a7a7a"


def connections_figure(report: LandscapeReport) -> Figure:
    """Draw the descents from saddles as arrows between the rows of a report: cost against Morse index.

    Parameters
    ----------
    report : LandscapeReport
        With ``connections``.

    Returns
    -------
    matplotlib.figure.Figure
        Not attached to any window; the lowest 80 rows, numbered from one.  Rows of one index stand beside each
        other.  An arrow is as wide as the share of its saddle's descents that took this way.

    Examples
    --------
    >>> from sphereufm import UFMProblem, verify_landscape
    >>> from sphereufm.descents.connect import connect_landscape
    >>> report = verify_landscape(UFMProblem(class_sizes=(1, 1), dim=3, tau=1.0), starts=10)
    >>> connections_figure(connect_landscape(report)).axes[0].get_xlabel()
    'Morse index'
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 5.4), layout="constrained")
    axes = figure.add_subplot()
    places = _places(report)
    edges = [] if report.connections is None else report.connections.edges
    total: dict[int, int] = {}
    for edge in edges:
        total[edge.source] = total.get(edge.source, 0) + edge.descents
    for edge in edges:
        if edge.source in places and edge.target in places:
            share = edge.descents / total[edge.source]
            axes.annotate(
                "",
                places[edge.target],
                places[edge.source],
                arrowprops={
                    "arrowstyle": "-|>",
                    "color": "#888888",
                    "alpha": 0.3 + 0.6 * share,
                    "linewidth": 0.5 + 1.5 * share,
                    "shrinkA": 3.0,
                    "shrinkB": 4.0,
                    "connectionstyle": "arc3,rad=0.08",
                },
            )
    for kind, (colour, marker, label) in STYLE.items():
        rows = [row for row in places if report.critical[row].kind is kind]
        if rows:
            x, y = np.array([places[row] for row in rows]).T
            axes.scatter(x, y, s=34, c=colour, marker=marker, label=label, linewidths=0, zorder=3)
    if len(places) <= _MOST_LEAVES:
        for row, place in places.items():
            axes.annotate(str(row + 1), place, xytext=(4, 4), textcoords="offset points", fontsize=7)
    _finish(axes, [report.critical[row].cost for row in places], report.problem)
    axes.set_xlabel("Morse index")
    if places:
        axes.legend(loc="best", frameon=False, fontsize=8)
    return figure


def disconnectivity_figure(report: LandscapeReport) -> Figure:
    """Draw the basins of minimisers as a tree: branches meet at the cost of the lowest saddle known to join them.

    Parameters
    ----------
    report : LandscapeReport
        With ``connections``.

    Returns
    -------
    matplotlib.figure.Figure
        Not attached to any window; leaves are rows, numbered from one.  A meeting bounds the barrier from above,
        numerically; branches that do not meet were not joined by any descent.

    Examples
    --------
    >>> from sphereufm import UFMProblem, verify_landscape
    >>> from sphereufm.descents.connect import connect_landscape
    >>> report = verify_landscape(UFMProblem(class_sizes=(1, 1), dim=3, tau=1.0), starts=10)
    >>> len(disconnectivity_figure(connect_landscape(report)).axes[0].lines)
    1
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.6), layout="constrained")
    axes = figure.add_subplot()
    leaves = report.minimisers[:_MOST_LEAVES]
    costs = {row: report.critical[row].cost for row in leaves}
    merges = [(merge.cost, [row for row in merge.basins if row in costs]) for merge in report.merges]
    merges = [(cost, basins) for cost, basins in merges if len(basins) > 1]
    ceiling = max([*costs.values(), *(cost for cost, _ in merges)], default=1.0)
    top = ceiling + 0.08 * max(ceiling - min(costs.values(), default=0.0), 1e-12)
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
        colour, marker, _ = STYLE[report.critical[row].kind]
        axes.scatter([position[row]], [cost], c=colour, marker=marker, s=40, zorder=3, linewidths=0)
        axes.annotate(
            str(row + 1),
            (position[row], cost),
            xytext=(0, -12),
            textcoords="offset points",
            fontsize=8,
            ha="center",
        )
    _finish(axes, list(costs.values()), report.problem)
    axes.margins(0.08, 0.12)
    axes.set_xticks([])
    axes.set_xlabel("minimisers, by their row")
    return figure


def _places(report: LandscapeReport) -> dict[int, tuple[float, float]]:
    """Morse index and cost of the lowest rows; those of one index are spread around it."""
    columns: dict[int, list[int]] = {}
    for row, entry in enumerate(report.critical[:_MOST_ROWS]):
        index = entry.morse_index[0] if isinstance(entry, CriticalFamily) else entry.morse_index
        columns.setdefault(index, []).append(row)
    places = {}
    for index, rows in columns.items():
        for place, row in enumerate(rows):
            beside = _BESIDE * ((place + 1) // 2) * (-1) ** place if len(rows) > 1 else 0.0
            places[row] = (index + max(-0.45, min(0.45, beside)), report.critical[row].cost)
    return places


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


def _finish(axes: Axes, costs: list[float], problem: SphereProblem) -> None:
    """Axis of costs, logarithmic where they are far apart."""
    unit = capabilities.cost_unit(problem)
    if costs and min(costs) > 0.0 and max(costs) > LOG_RATIO * min(costs):
        axes.set_yscale("log")
    axes.set_ylabel(f"cost ({unit})" if unit else "cost")
    axes.spines[["top", "right"]].set_visible(False)
