"""Configurations of rank two and three: the columns of the lowest orbits on the circle or the sphere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from sphereufm.geometry.spheres import Array
from sphereufm.landscape.points import CriticalPoint
from sphereufm.landscape.report.landscape_report import LandscapeReport
from sphereufm.plots.axes import COLOURS, FONT, SIZE, plain_texts, row_marks
from sphereufm.problem import capabilities

_MOST = 8
_COLUMNS = 4
# Of each configuration, in units of its circle; and how far above the centre its title stands.
_WIDTH, _HEIGHT, _TITLE = 2.4, 3.2, 1.22
# How strong what lies behind the sphere is drawn.
_BEHIND = 0.35
# Columns beyond which a panel is a blot.
_MOST_POINTS = 200
# A view from the side and from above, as rows of a rotation matrix: right, up, towards the reader.
_VIEW = np.array([[0.878, 0.0, 0.479], [0.164, 0.940, -0.300], [-0.450, 0.342, 0.825]])


def drawable_rows(report: LandscapeReport) -> list[tuple[int, CriticalPoint]]:
    """Return the lowest isolated orbits of rank two and three, at most eight, with their rows (from zero)."""
    points = [(row, entry) for row, entry in enumerate(report.critical) if isinstance(entry, CriticalPoint)]
    rows = [(row, p) for row, p in points if p.X.shape[0] in (2, 3) and p.X.shape[1] <= _MOST_POINTS]
    return rows[:_MOST]


@plain_texts
def configurations_figure(report: LandscapeReport) -> Figure:
    """Draw :func:`drawable_rows`: rank two on the circle, rank three on the sphere, seen from one side.

    Lines and large dots are classifiers, small dots features, in the colours of their classes; what lies behind the
    sphere is faint.
    """
    rows = drawable_rows(report)
    figure = Figure(figsize=SIZE)
    # one pair of axes: one for each configuration took half of the time of a page
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.set_aspect("equal")
    columns = min(_COLUMNS, max(len(rows), 1))
    labels = capabilities.column_labels(report.problem)
    for number, (row, point) in enumerate(rows):
        centre = np.array([[number % columns], [-(number // columns)]]) * np.array([[_WIDTH], [_HEIGHT]])
        # the ground, on which a page is pointed at: what is not painted at all cannot be
        corner = centre[:, 0] - (0.5 * _WIDTH, 0.5 * _HEIGHT)
        axes.add_patch(Rectangle(corner, _WIDTH, _HEIGHT, alpha=0.004, linewidth=0, gid=row_marks([row])))
        x, y = centre[:, 0]
        axes.text(x, y + _TITLE, f"row {row + 1}, rank {point.X.shape[0]}", ha="center", fontsize=FONT - 1)
        _draw(axes, row, point.X, labels, centre)
    axes.set_xlim(-0.5 * _WIDTH, (columns - 0.5) * _WIDTH)
    axes.set_ylim((0.5 - max(-(-len(rows) // columns), 1)) * _HEIGHT, 0.5 * _HEIGHT)
    return figure


def _draw(axes: Axes, row: int, X: Array, labels: tuple[Sequence[int], int], centre: Array) -> None:
    """One configuration: lines that are circles and classifiers, and dots that are columns."""
    classes, classifiers = labels
    turn = np.linspace(0.0, 2.0 * np.pi, 73)
    rings = [np.array([np.cos(turn), np.sin(turn)])]
    seen, front = X, np.ones(X.shape[1], dtype=bool)
    if len(X) == 3:
        turned = _VIEW @ X
        seen, front = turned[:2], turned[2] >= -0.01
        flat = np.array([np.cos(turn), np.zeros_like(turn), np.sin(turn)])
        rings += [(_VIEW @ flat)[:2], (_VIEW @ flat[[1, 0, 2]])[:2]]
    colours = [
        to_rgba(COLOURS[label % len(COLOURS)], 1.0 if near else _BEHIND)
        for label, near in zip(classes, front, strict=True)
    ]
    rays = [np.column_stack([np.zeros(2), column]) for column in seen.T[:classifiers]]
    lines = LineCollection(
        [(line + centre).T for line in (*rings, *rays)],
        colors=[*[to_rgba("#999999")] * len(rings), *colours[:classifiers]],
        linewidths=[*[0.7] * len(rings), *[1.3] * len(rays)],
        gid=row_marks([row], copy=1),
    )
    axes.add_collection(lines, autolim=False)
    sizes = [42.0 if j < classifiers else 14.0 for j in range(X.shape[1])]
    x, y = seen + centre
    axes.scatter(x, y, s=sizes, c=colours, linewidths=0, zorder=3, gid=row_marks([row], copy=2))
