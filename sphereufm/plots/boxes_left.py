"""Where critical points may still be: the boxes that the search for a complete list left over."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from sphereufm.landscape.report.landscape_report import LandscapeReport
from sphereufm.plots.axes import FONT, SIZE, bare

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_PANELS, _COLUMNS = 6, 3


def boxes_left_figure(report: LandscapeReport) -> Figure:
    """Draw the shadows of boxes, a panel for each two unknowns that follow each other, at most six.

    ``report``: with ``completeness.left``.  Result: not attached to any window.
    """
    from matplotlib.collections import PolyCollection
    from matplotlib.figure import Figure

    left = (report.completeness and report.completeness.left) or {"names": ["-"], "low": [[0]], "high": [[0]]}
    names, low, high = left["names"], np.array(left["low"]), np.array(left["high"])
    pairs = list(pairwise(range(len(names))))[:_MOST_PANELS] or [(0, 0)]
    columns = min(_COLUMNS, len(pairs))
    figure = Figure(figsize=SIZE, layout="constrained")
    panels = figure.subplots(-(-len(pairs) // columns), columns, squeeze=False).ravel()
    for axes in panels[len(pairs) :]:
        axes.set_visible(False)
    for axes, (a, b) in zip(panels, pairs, strict=False):
        corners = [(low, low), (high, low), (high, high), (low, high)]
        shadows = np.array([[x[:, a], y[:, b]] for x, y in corners]).transpose(2, 0, 1)
        axes.add_collection(
            PolyCollection(list(shadows), facecolor="#D55E00", edgecolor="#D55E00", linewidth=1.2)
        )
        axes.autoscale_view()
        axes.set(xlabel=names[a], ylabel=names[b])
        bare(axes, grid=True)
        axes.tick_params(labelsize=FONT - 2)
    return figure
