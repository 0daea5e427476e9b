"""What a search saw and left: coverage curves, and boxes that the search for a complete list could not settle."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from sphereufm.landscape.report.landscape_report import LandscapeReport
from sphereufm.plots.axes import (
    COLOURS,
    DASHES,
    FONT,
    SIZE,
    bare,
    constrained,
    empty_axes,
    legend,
    panels,
    plain_texts,
    row_marks,
    whole_numbers,
)

# Strata whose names fit a legend.
_MOST_NAMES = 12
_MOST_PANELS = 6


@plain_texts
def coverage_figure(report: LandscapeReport) -> Figure:
    """Draw, for each stratum that was searched, the distinct orbits met against the searches that converged.

    A curve that has become flat shows that the search has seen what *it* finds easily, not that the list is complete.
    """
    figure, axes = empty_axes("searches that converged", "distinct orbits and families met", grid=True)
    for number, (name, coverage) in enumerate(report.coverage.items()):
        found = np.arange(len(coverage.discoveries) + 1)
        axes.step(
            [0, *coverage.discoveries, coverage.converged],
            [*found, found[-1]],
            where="post",
            label=name,
            linestyle=DASHES[number // 10 % len(DASHES)],
            gid=row_marks([number], "strata-"),
        )
    whole_numbers(axes.xaxis, axes.yaxis)
    if 0 < len(report.coverage) <= _MOST_NAMES:
        legend(figure, axes.lines)
    return figure


@plain_texts
def boxes_left_figure(report: LandscapeReport) -> Figure:
    """Draw shadows of ``completeness.left``: a panel for each two unknowns that follow each other, at most six."""
    left = (report.completeness and report.completeness.left) or {"names": ["-"], "low": [[0]], "high": [[0]]}
    names, low, high = left["names"], np.array(left["low"]), np.array(left["high"])
    pairs = list(pairwise(range(len(names))))[:_MOST_PANELS] or [(0, 0)]
    figure = constrained(*SIZE)
    colour = COLOURS[1]
    for axes, (a, b) in zip(panels(figure, len(pairs)), pairs, strict=True):
        corners = [(low, low), (high, low), (high, high), (low, high)]
        shadows = np.array([[x[:, a], y[:, b]] for x, y in corners]).transpose(2, 0, 1)
        axes.add_collection(PolyCollection(list(shadows), facecolor=colour, edgecolor=colour, linewidth=1.2))
        axes.autoscale_view()
        axes.set(xlabel=names[a], ylabel=names[b])
        bare(axes, grid=True)
        axes.tick_params(labelsize=FONT - 2)
    return figure
