"""Configurations of rank two and three: the columns of the lowest orbits on the circle or the sphere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sphereufm.geometry.spheres import Array
from sphereufm.landscape.points import CriticalFamily, CriticalPoint
from sphereufm.landscape.report.landscape_report import LandscapeReport
from sphereufm.plots.axes import FONT, SIZE, row_marks
from sphereufm.problem import capabilities

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST = 8
_COLUMNS = 4
# Columns beyond which a panel is a blot.
_MOST_POINTS = 200
# colour-blind safe (Okabe and Ito, 2008)
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6BB1", "#999999")
# A view from the side and from above, as rows of a rotation matrix: right, up, towards the reader.
_VIEW = np.array([[0.878, 0.0, 0.479], [0.164, 0.940, -0.300], [-0.450, 0.342, 0.825]])


def drawable_rows(report: LandscapeReport) -> list[tuple[int, CriticalPoint]]:
    """Return the lowest isolated orbits of rank two and three, at most eight, with their rows (from zero)."""
    rows = [
        (row, entry)
        for row, entry in enumerate(report.critical)
        if not isinstance(entry, CriticalFamily)
        and entry.X.shape[0] in (2, 3)
        and entry.X.shape[1] <= _MOST_POINTS
    ]
    return rows[:_MOST]


def configurations_figure(report: LandscapeReport) -> Figure:
    """Draw :func:`drawable_rows`: rank two on the circle, rank three on the sphere, seen from one side.

    ``report``: with at least one such row.  Result: not attached to any window.  Lines and large dots are
    classifiers, small dots features, in the colours of their classes; what lies behind the sphere is faint.
    """
    from matplotlib.figure import Figure

    rows = drawable_rows(report)
    columns = min(_COLUMNS, max(len(rows), 1))
    lines = -(-len(rows) // columns) or 1
    figure = Figure(figsize=SIZE)
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.02, top=0.93, wspace=0.05, hspace=0.15)
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    labels = capabilities.column_labels(report.problem)
    for axes in panels[len(rows) :]:
        axes.set_visible(False)
    for axes, (row, point) in zip(panels, rows, strict=False):
        # without its frame, but with its ground, on which a page is pointed at
        axes.set(xticks=[], yticks=[], frame_on=True)
        axes.spines[:].set_visible(False)
        axes.set_title(f"row {row + 1}, rank {point.X.shape[0]}", fontsize=FONT - 1)
        axes.set_gid(row_marks([row]))
        _draw(axes, point.X, labels)
    return figure


def _draw(axes: Axes, X: Array, labels: tuple[Sequence[int], int]) -> None:
    """One configuration."""
    classes, classifiers = labels
    turn = np.linspace(0.0, 2.0 * np.pi, 73)
    rings = [np.array([np.cos(turn), np.sin(turn)])]
    seen, front = X, np.ones(X.shape[1], dtype=bool)
    if len(X) == 3:
        turned = _VIEW @ X
        seen, front = turned[:2], turned[2] >= -0.01
        flat = np.array([np.cos(turn), np.zeros_like(turn), np.sin(turn)])
        rings += [(_VIEW @ flat)[:2], (_VIEW @ flat[[1, 0, 2]])[:2]]
    for ring in rings:
        axes.plot(*ring, color="#999999", linewidth=0.7)
    for j, (x, y) in enumerate(seen.T):
        style: dict[str, Any] = {
            "color": _COLOURS[classes[j] % len(_COLOURS)],
            "alpha": 1.0 if front[j] else 0.35,
        }
        if j < classifiers:
            axes.plot([0.0, x], [0.0, y], linewidth=1.3, **style)
        axes.scatter([x], [y], s=42 if j < classifiers else 14, linewidths=0, zorder=3, **style)
    axes.set_aspect("equal")
    axes.set_xlim(-1.15, 1.15)
    axes.set_ylim(-1.15, 1.15)
