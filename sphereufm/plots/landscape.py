"""A landscape as figures: cost against Morse index, and the spectra of its classes."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from sphereufm.landscape.points import CriticalFamily, CriticalPoint, CriticalPointKind
from sphereufm.landscape.report.landscape_report import LandscapeReport
from sphereufm.landscape.report.summary import KIND_NAMES, summarise
from sphereufm.plots.saving import save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["landscape_figure", "save_landscape", "spectra_figure"]

# colour-blind safe (Okabe and Ito, 2008), and a shape of its own for each kind
STYLE = {
    kind: (colour, marker, KIND_NAMES[kind])
    for kind, colour, marker in (
        (CriticalPointKind.GLOBAL_MINIMUM, "#009E73", "*"),
        (CriticalPointKind.STRICT_SADDLE, "#0072B2", "o"),
        (CriticalPointKind.SPURIOUS_LOCAL_MINIMUM, "#D55E00", "X"),
        (CriticalPointKind.LOCAL_MINIMUM, "#E69F00", "P"),
        (CriticalPointKind.DEGENERATE, "#CC79A7", "D"),
    )
}
# beyond this ratio of costs the axis is logarithmic
LOG_RATIO = 1e3
_MOST_SPECTRA = 60
_LARGEST_MARK = 90.0


def landscape_figure(report: LandscapeReport) -> Figure:
    """Draw the fingerprint of a landscape: cost against Morse index, one mark a class.

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
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.6), layout="constrained")
    axes = figure.add_subplot()
    summary = summarise(report)
    for kind, (colour, marker, label) in STYLE.items():
        _draw_kind(axes, report, kind, color=colour, marker=marker, label=label)
    costs = [entry.cost for entry in report.critical]
    if costs and min(costs) > 0.0 and max(costs) > LOG_RATIO * min(costs):
        axes.set_yscale("log")
    axes.set_xlabel("Morse index")
    axes.set_ylabel(summary.cost_heading)
    axes.set_title(f"{summary.title}: {summary.verdict}", fontsize=10)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if costs:
        axes.legend(loc="best", frameon=False, fontsize=9)
    return figure


def spectra_figure(report: LandscapeReport) -> Figure:
    """Draw the Hessian eigenvalues of the lowest classes, one column for each; large marks are multiple.

    Parameters
    ----------
    report : LandscapeReport

    Returns
    -------
    matplotlib.figure.Figure
        Not attached to any window; at most 60 classes.  Of a family every exhibited member is drawn.

    Examples
    --------
    >>> from sphereufm import UFMProblem, verify_landscape
    >>> report = verify_landscape(UFMProblem(class_sizes=(1, 1), dim=3, tau=1.0), starts=12)
    >>> spectra_figure(report).axes[0].get_ylabel()
    'Hessian eigenvalue'
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(7.2, 4.6), layout="constrained")
    axes = figure.add_subplot()
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
            )
    axes.axhline(0.0, color="#888888", linewidth=0.8)
    if largest > 0.0:
        axes.set_yscale("symlog", linthresh=1e-3 * largest)
    axes.set_xlabel("row of the table (by cost)")
    axes.set_ylabel("Hessian eigenvalue")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def save_landscape(report: LandscapeReport, path: str | os.PathLike[str]) -> None:
    """Write :func:`landscape_figure` as PNG: to a temporary name beside ``path``, then renamed.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    save_figure(landscape_figure(report), path)


def _eigenvalues(entry: CriticalPoint | CriticalFamily) -> Counter[float]:
    """Eigenvalues to ten digits, with their multiplicities; of all members of a family."""
    counts: Counter[float] = Counter()
    for point in entry.members if isinstance(entry, CriticalFamily) else (entry,):
        for value in point.spectrum.eigenvalues:
            counts[float(f"{value:.10g}")] += 1
        for value in point.spectrum.normal_eigenvalues if point.spectrum.normal_copies else ():
            counts[float(f"{value:.10g}")] += point.spectrum.normal_copies
    return counts


def _draw_kind(axes: Axes, report: LandscapeReport, kind: CriticalPointKind, **style: Any) -> None:
    """Marks for the points, bars for the families of one kind."""
    points = [e for e in report.critical if e.kind is kind and not isinstance(e, CriticalFamily)]
    families = [e for e in report.critical if e.kind is kind and isinstance(e, CriticalFamily)]
    if points:
        size = 110 if kind is CriticalPointKind.GLOBAL_MINIMUM else 36
        axes.scatter(
            [p.morse_index for p in points],
            [p.cost for p in points],
            s=size,
            alpha=0.85,
            linewidths=0,
            **style,
        )
    for family in families:
        low, high = family.morse_index
        axes.plot(
            [low, high], [family.cost] * 2, lw=5, alpha=0.4, solid_capstyle="round", color=style["color"]
        )
        axes.annotate(
            family.name,
            (low, family.cost),
            xytext=(-2, 5),
            textcoords="offset points",
            fontsize=8,
        )
