"""Coverage curves: distinct orbits found against searches made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sphereufm.landscape.report.landscape_report import LandscapeReport
from sphereufm.plots.axes import bare, empty_axes, legend, row_marks, whole_numbers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DASHES = ("-", "--", ":", "-.")
# Strata whose names fit a legend.
_MOST_NAMES = 12


def coverage_figure(report: LandscapeReport) -> Figure:
    """Draw, for each stratum that was searched, the distinct orbits met against the searches that converged.

    Result: not attached to any window.  A curve that has become flat shows that the search has seen what *it*
    finds easily, not that the list is complete.
    """
    figure, axes = empty_axes()
    for number, (name, coverage) in enumerate(report.coverage.items()):
        found = np.arange(len(coverage.discoveries) + 1)
        axes.step(
            [0, *coverage.discoveries, coverage.converged],
            [*found, found[-1]],
            where="post",
            label=name,
            linestyle=_DASHES[number // 10 % len(_DASHES)],
            gid=row_marks([number], "strata-"),
        )
    axes.set_xlabel("searches that converged")
    axes.set_ylabel("distinct orbits and families met")
    whole_numbers(axes.xaxis)
    whole_numbers(axes.yaxis)
    bare(axes, grid=True)
    if 0 < len(report.coverage) <= _MOST_NAMES:
        legend(figure, axes.lines)
    return figure
