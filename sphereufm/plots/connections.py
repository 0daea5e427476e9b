"""Connections: descents from saddles as arrows, and the tree of basins (a disconnectivity graph)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, pairwise
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sphereufm.landscape.report.landscape_report import LandscapeReport
from sphereufm.landscape.report.summary import cost_heading
from sphereufm.plots.axes import (
    BELOW,
    draw_kinds,
    empty_axes,
    kind_legend,
    label_marks,
    plain_texts,
    row_marks,
    scale,
    whole_numbers,
)

# Rows that are drawn, lowest first: more would be a tangle.
_MOST_ROWS = 80
_MOST_LEAVES = 40
# A barrier below this part of the tree's height cannot be seen on a linear scale.
_VISIBLE = 0.03
_MOST_TICKS = 14
_INK = "#7a7a7a"
# how far an arrow bends, as a part of its length
_BEND = 0.08
# points from the end of an arrow that its head reaches
_HEAD = 16.0

_Merge = tuple[int, float, list[int]]


@plain_texts
def connections_figure(report: LandscapeReport) -> Figure:
    """Draw the descents from saddles as arrows between the rows of a report: cost against Morse index.

    The lowest 80 rows, numbered from one; an arrow is as wide as the share of its saddle's descents that took this way.
    """
    figure, axes = empty_axes("Morse index", cost_heading(report.problem))
    # of a family the least index
    places = {
        row: (float(np.min(entry.morse_index)), entry.cost)
        for row, entry in enumerate(report.critical[:_MOST_ROWS])
    }
    edges = [] if report.connections is None else report.connections.edges
    total: Counter[int] = Counter()
    for edge in edges:
        total[edge.source] += edge.descents
    drawn = set()
    for number, edge in enumerate(edges, start=1):
        if edge.source in places and edge.target in places:
            ends = places[edge.source], places[edge.target]
            drawn.add(ends)
            arrow = _arrow(axes, *ends, edge.descents / total[edge.source])
            arrow.set_gid(row_marks([edge.source, edge.target], "arrow-", number))
    draw_kinds(axes, report.critical, places)
    scale(axes, [cost for _, cost in places.values()])
    whole_numbers(axes.xaxis)
    if len(places) <= _MOST_LEAVES:
        axes.autoscale_view()
        pixels = [pixel for ends in drawn for pixel in _head(axes, *ends)]
        numbers = ((str(row + 1), place) for row, place in places.items())
        label_marks(axes, numbers, places.values(), heads=pixels)
    kind_legend(figure, (report.critical[row] for row in places))
    return figure


def _head(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> list[tuple[float, float]]:
    """Pixels in the head of an arrow: matplotlib's arc leaves its end towards the middle, moved aside by the bend."""
    a, b = axes.transData.transform([start, end])
    back = (a - b) / 2.0 + _BEND * (b - a)[::-1] * (1.0, -1.0)
    steps = np.linspace(0.0, _HEAD, 5)[:, None] * axes.figure.dpi / 72.0
    return [*map(tuple, b + steps * back / max(float(np.hypot(*back)), 1.0))]


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], share: float) -> Artist:
    """A descent, the wider the larger its share."""
    style = {"arrowstyle": "-|>", "color": "#888888", "connectionstyle": f"arc3,rad={_BEND}"}
    size = {"alpha": 0.3 + 0.6 * share, "linewidth": 0.5 + 1.5 * share, "shrinkA": 3.0, "shrinkB": 4.0}
    arrow = axes.annotate("", end, start, arrowprops=style | size).arrow_patch
    assert arrow is not None
    return arrow


@plain_texts
def disconnectivity_figure(report: LandscapeReport) -> Figure:
    """Draw the basins of minimisers as a tree: branches meet at the cost of the lowest saddle known to join them.

    Leaves are rows, numbered from one.  A meeting bounds the barrier from above, numerically; branches that do not
    meet were not joined by any descent.  Where a linear scale would hide a barrier, costs stand at equal steps.
    """
    heading = cost_heading(report.problem).replace("cost", "cost above lowest")
    figure, axes = empty_axes("minimisers, by their row", heading)
    leaves = report.minimisers[:_MOST_LEAVES]
    lowest = min((report.critical[row].cost for row in leaves), default=0.0)
    costs = {row: report.critical[row].cost - lowest for row in leaves}
    merges = [(m.row, m.cost - lowest, [row for row in m.basins if row in costs]) for m in report.merges]
    position = {row: float(place) for place, row in enumerate(_order(leaves, merges))}
    stems, bars = _tree(position, costs, merges)
    levels = sorted({0.0, *costs.values(), *(cost for _, cost, _ in merges)})
    top = 1.08 * levels[-1] or 1.0
    height = dict(zip(levels, levels, strict=True))
    if any(high is not None and high - low < _VISIBLE * top for _, _, low, high in stems):
        height = {level: float(step) for step, level in enumerate(levels)}
        top = len(levels) - 0.5
        shown = levels[:: -(-len(levels) // _MOST_TICKS)]
        axes.set_yticks([height[level] for level in shown], _told_apart(shown))
        figure.subplots_adjust(left=0.17)
        axes.set_ylabel(f"{heading}, in equal steps")
    line: dict[str, Any] = {"color": _INK, "linewidth": 1.3}
    for copy, (row, x, low, high) in enumerate(stems, start=1):
        end = top if high is None else height[high]
        axes.plot([x, x], [height[low], end], gid=row_marks([row], copy=copy), **line)
    for row, ends, cost in bars:
        axes.plot(ends, [height[cost]] * 2, gid=row_marks([row]), **line)
    feet = {row: (position[row], height[cost]) for row, cost in costs.items()}
    draw_kinds(axes, report.critical, feet)
    axes.margins(0.08, 0.12)
    axes.set_xticks([])
    axes.autoscale_view()
    label_marks(axes, ((str(row + 1), foot) for row, foot in feet.items()), feet.values(), BELOW)
    kind_legend(figure, (report.critical[row] for row in leaves))
    return figure


def _tree(
    position: Mapping[int, float], costs: Mapping[int, float], merges: Sequence[_Merge]
) -> tuple[list[tuple[int, float, float, float | None]], list[tuple[int, list[float], float]]]:
    """Stems (row, place, from which cost, to which or None) and bars (row, both ends, cost) of a tree."""
    branches = {row: (row, position[row], cost) for row, cost in costs.items()}
    stems: list[tuple[int, float, float, float | None]] = []
    bars = []
    for row, cost, basins in merges:
        joined = sorted({branches[leaf] for leaf in basins}, key=lambda branch: branch[1])
        if len(joined) < 2:
            continue
        stems += [(*branch, cost) for branch in joined]
        places = [x for _, x, _ in joined]
        bars.append((row, [places[0], places[-1]], cost))
        branches |= dict.fromkeys(basins, (row, sum(places) / len(places), cost))
    return [*stems, *((*branch, None) for branch in set(branches.values()))], bars


def _told_apart(levels: Sequence[float]) -> list[str]:
    """Numbers with so many digits, up to six, as tell them apart; what looks like the one before is left out."""
    for digits in range(3, 7):
        texts = [f"{level:.{max(digits, len(str(int(level))))}g}" for level in levels]
        if len(set(texts)) == len(texts):
            break
    return [text if text != before else "" for before, text in pairwise(["", *texts])]


def _order(leaves: Iterable[int], merges: Sequence[_Merge]) -> list[int]:
    """Leaves such that no branches cross: those that meet first stand together."""
    groups = {row: [row] for row in leaves}
    for *_, basins in merges:
        whole = list(dict.fromkeys(chain.from_iterable(groups[row] for row in basins)))
        groups |= dict.fromkeys(whole, whole)
    return list(dict.fromkeys(chain.from_iterable(groups[row] for row in leaves)))
