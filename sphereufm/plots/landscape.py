"""A landscape as figures: cost against Morse index, and the spectra of its orbits."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from sphereufm.landscape.points import CriticalFamily, CriticalPoint
from sphereufm.landscape.report.landscape_report import LandscapeReport
from sphereufm.landscape.report.summary import summarise
from sphereufm.plots.axes import (
    STYLE,
    draw_kinds,
    empty_axes,
    kind_legend,
    label_marks,
    plain_texts,
    row_marks,
    scale,
    signed_logarithms,
    title,
    whole_numbers,
)

_MOST_SPECTRA = 60
# areas of marks in square points, the least for a simple eigenvalue
_LEAST_MARK, _LARGEST_MARK = 20.0, 120.0
# a bar reaches so far beyond its indices: that of a single index is seen behind its marks, too
_BEYOND = 0.15


@plain_texts
def landscape_figure(report: LandscapeReport) -> Figure:
    """Draw the fingerprint of a landscape: cost against Morse index, one mark an orbit.

    Parameters
    ----------
    report : LandscapeReport

    Returns
    -------
    matplotlib.figure.Figure
        Not attached to any window; families are bars from their least to their largest index.

    Examples
    --------
    >>> from sphereufm import UFMProblem, verify_landscape
    >>> report = verify_landscape(UFMProblem(class_sizes=(1, 1), dim=3, tau=1.0), starts=12)
    >>> landscape_figure(report).axes[0].get_xlabel()
    'Morse index'
    """
    summary = summarise(report)
    figure, axes = empty_axes("Morse index", summary.cost_heading, grid=True)
    points, families = {}, []
    for row, entry in enumerate(report.critical):
        if isinstance(entry, CriticalPoint):
            points[row] = (float(entry.morse_index), entry.cost)
            continue
        families.append(entry)
        low, high = entry.morse_index
        bar: dict[str, Any] = {"lw": 6, "alpha": 0.4, "color": STYLE[entry.kind][0], "gid": row_marks([row])}
        axes.plot([low - _BEYOND, high + _BEYOND], [entry.cost] * 2, **bar)
    draw_kinds(axes, report.critical, points)
    scale(axes, [entry.cost for entry in report.critical])
    whole_numbers(axes.xaxis)
    title(axes, f"{summary.title}: {summary.verdict}")
    kind_legend(figure, report.critical, bool(families))
    axes.autoscale_view()
    label_marks(axes, ((e.name, (e.morse_index[0], e.cost)) for e in families), points.values())
    return figure


@plain_texts
def spectra_figure(report: LandscapeReport) -> Figure:
    """Draw the Hessian eigenvalues of the lowest 60 orbits, one column for each; large marks are multiple.

    Of a family every exhibited member is drawn.
    """
    figure, axes = empty_axes("row of the table (by cost)", "Hessian eigenvalue")
    shown = report.critical[:_MOST_SPECTRA]
    marks = [
        (row, value, min(_LEAST_MARK * copies, _LARGEST_MARK), STYLE[entry.kind][0])
        for row, entry in enumerate(shown)
        for value, copies in sorted(_eigenvalues(entry).items())
    ]
    if marks:
        rows, values, sizes, colours = zip(*marks, strict=True)
        places = np.add(rows, 1)
        style: dict[str, Any] = {"marker": "_", "linewidths": 1.4, "gid": row_marks(rows)}
        axes.scatter(places, values, s=sizes, color=colours, **style)
    largest = max((abs(value) for _, value, *_ in marks), default=0.0)
    axes.axhline(0.0, color="#888888", linewidth=0.8)
    if largest > 0.0:
        signed_logarithms(axes, largest)
    axes.set_xlim(0.1, max(len(shown), 1) + 0.9)
    whole_numbers(axes.xaxis)
    kind_legend(figure, shown)
    return figure


def _eigenvalues(entry: CriticalPoint | CriticalFamily) -> Counter[float]:
    """Eigenvalues to ten digits, with their multiplicities; of all members of a family."""
    counts: Counter[float] = Counter()
    for point in entry.members:
        for value in point.spectrum.eigenvalues:
            counts[float(f"{value:.10g}")] += 1
        for value in point.spectrum.normal_eigenvalues if point.spectrum.normal_copies else ():
            counts[float(f"{value:.10g}")] += point.spectrum.normal_copies
    return counts
