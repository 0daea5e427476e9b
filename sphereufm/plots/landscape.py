"""A landscape as figures: cost against Morse index, and the spectra of its orbits."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from sphereufm.landscape.points import CriticalFamily, CriticalPoint, CriticalPointKind
from sphereufm.landscape.report.landscape_report import LandscapeReport
from sphereufm.landscape.report.summary import summarise
from sphereufm.plots.axes import (
    STYLE,
    empty_axes,
    kind_legend,
    plain_ticks,
    row_marks,
    scale_costs,
    whole_numbers,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_SPECTRA = 60
_LARGEST_MARK = 90.0


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
    figure, axes = empty_axes()
    summary = summarise(report)
    for row, entry in enumerate(report.critical):
        if isinstance(entry, CriticalFamily):
            _draw_family(axes, row, entry)
    for kind in STYLE:
        _draw_points(axes, report, kind)
    scale_costs(axes, [entry.cost for entry in report.critical], summary.cost_heading)
    whole_numbers(axes.xaxis)
    axes.set_xlabel("Morse index")
    axes.set_title(f"{summary.title}: {summary.verdict}", fontsize=11)
    axes.grid(alpha=0.25)
    families = any(isinstance(entry, CriticalFamily) for entry in report.critical)
    kind_legend(figure, (entry.kind for entry in report.critical), families)
    return figure


def spectra_figure(report: LandscapeReport) -> Figure:
    """Draw the Hessian eigenvalues of the lowest orbits, one column for each; large marks are multiple.

    Result: not attached to any window; at most 60 orbits.  Of a family every exhibited member is drawn.
    """
    figure, axes = empty_axes()
    largest = 0.0
    for row, entry in enumerate(report.critical[:_MOST_SPECTRA], start=1):
        counts = _eigenvalues(entry)
        if counts:
            values, copies = np.array(sorted(counts.items())).T
            largest = max(largest, float(np.abs(values).max()))
            axes.scatter(
                np.full(len(values), row),
                values,
                s=np.minimum(9.0 * copies, _LARGEST_MARK),
                marker="_",
                linewidths=1.4,
                color=STYLE[entry.kind][0],
                gid=row_marks([row - 1] * len(values)),
            )
    axes.axhline(0.0, color="#888888", linewidth=0.8)
    if largest > 0.0:
        axes.set_yscale("symlog", linthresh=1e-3 * largest)
        plain_ticks(axes.yaxis)
    axes.set_xlabel("row of the table (by cost)")
    axes.set_ylabel("Hessian eigenvalue")
    whole_numbers(axes.xaxis)
    kind_legend(figure, (entry.kind for entry in report.critical[:_MOST_SPECTRA]))
    return figure


def _eigenvalues(entry: CriticalPoint | CriticalFamily) -> Counter[float]:
    """Eigenvalues to ten digits, with their multiplicities; of all members of a family."""
    counts: Counter[float] = Counter()
    for point in entry.members if isinstance(entry, CriticalFamily) else (entry,):
        for value in point.spectrum.eigenvalues:
            counts[float(f"{value:.10g}")] += 1
        for value in point.spectrum.normal_eigenvalues if point.spectrum.normal_copies else ():
            counts[float(f"{value:.10g}")] += point.spectrum.normal_copies
    return counts


def _draw_points(axes: Axes, report: LandscapeReport, kind: CriticalPointKind) -> None:
    """Marks for the points of one kind."""
    points = [
        (row, entry.morse_index, entry.cost)
        for row, entry in enumerate(report.critical)
        if entry.kind is kind and not isinstance(entry, CriticalFamily)
    ]
    if points:
        rows, index, cost = zip(*points, strict=True)
        colour, marker = STYLE[kind]
        size = 110 if kind is CriticalPointKind.GLOBAL_MINIMUM else 36
        style: dict[str, Any] = {"color": colour, "marker": marker, "s": size, "alpha": 0.85, "linewidths": 0}
        axes.scatter(index, cost, gid=row_marks(rows), **style)


def _draw_family(axes: Axes, row: int, family: CriticalFamily) -> None:
    """A bar from the least to the largest index, with the family's name."""
    low, high = family.morse_index
    colour = STYLE[family.kind][0]
    axes.plot(
        [low, high],
        [family.cost] * 2,
        lw=5,
        alpha=0.4,
        solid_capstyle="round",
        color=colour,
        gid=row_marks([row]),
    )
    axes.annotate(family.name, (low, family.cost), (-2, 5), textcoords="offset points", fontsize=9)
