"""The bifurcation diagram as a figure: cost against tau, coloured by Morse index."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from sphereufm.landscape.report.summary import cost_heading
from sphereufm.plots.axes import (
    FONT,
    bare,
    constrained,
    legend,
    plain_texts,
    plain_ticks,
    scale,
    whole_numbers,
)

if TYPE_CHECKING:
    from sphereufm.branches.report import BranchReport

_MARKS = {"fold": "|", "bifurcation": "o", "rank": "^", "family": "s"}


@plain_texts
def branch_figure(report: BranchReport) -> Figure:
    """Draw a bifurcation diagram, not attached to any window; lines are thick where the Morse index is zero."""
    figure = constrained(7.6, 4.8)
    axes = bare(figure.add_subplot())
    highest = max((p.spectrum.morse_index for b in report.branches for p in b.points), default=1)
    norm, colours = Normalize(0, max(highest, 1)), colormaps["viridis"]
    for branch in report.branches:
        way = np.array([[p.tau, p.cost] for p in branch.points])
        index = np.array([p.spectrum.morse_index for p in branch.points[:-1]])
        widths = np.where(index == 0, 2.6, 1.1)
        lines = LineCollection(
            np.stack([way[:-1], way[1:]], axis=1).tolist(), colors=colours(norm(index)), linewidths=widths
        )
        axes.add_collection(lines)
    for kind, mark in _MARKS.items():
        events = [e for e in report.events if e.kind == kind]
        if events:
            places = zip(*((e.tau, e.cost) for e in events), strict=True)
            axes.plot(*places, mark, color="k", ms=5, label=events[0].name)
    axes.autoscale_view()
    costs = [p.cost for b in report.branches for p in b.points]
    scale(axes, costs, 30.0)
    if not costs:  # an interrupted run: nothing but the range
        axes.set_xlim(*sorted((report.tau_from, report.tau_to)))
    axes.set_xscale("log")
    plain_ticks(axes.xaxis)
    axes.set_xlabel(report.parameter)
    axes.set_ylabel(cost_heading(report.problem))
    legend(figure, where="outside lower center")
    bar = figure.colorbar(ScalarMappable(norm, colours), ax=axes)
    bar.set_label("Morse index (thick: 0)", fontsize=FONT)
    whole_numbers(bar.ax.yaxis)
    return figure
