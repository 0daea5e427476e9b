"""Figures of measured features: they draw what others measured."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sphereufm.features.metrics import CollapseMetrics
from sphereufm.geometry.spheres import Array
from sphereufm.placement.trajectory import SERIES, Training
from sphereufm.plots.axes import FONT, bare, constrained, legend, plain_texts, row_marks, scale, whole_numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# colour-blind safe (Okabe and Ito, 2008)
_COLOURS = dict(nc1="#0072B2", nc2="#009E73", nc3="#D55E00", nc4="#000000", gap="#CC79A7", accuracy="#E69F00")
_LINES = ("-", "--", ":", "-.")
# series of the lower panel: shares, which may be zero
_BELOW = ("nc4", "accuracy")
_BINS = 40
# half of the least range of cosines that bars are drawn for
_NARROWEST = 0.005
# values that are further apart stand on a logarithmic axis
_FAR = 10.0


@plain_texts
def features_figure(metrics: CollapseMetrics) -> Figure:
    """Gram matrix of the centred class means, their cosines, spectra within and between classes, and NC1 by class."""
    figure = constrained(9.6, 7.6)
    gram, histogram, spectrum, classes = figure.subplots(2, 2).ravel()
    cosines = _cosines(metrics)
    K = len(cosines)
    image = gram.imshow(cosines, vmin=-1.0, vmax=1.0, cmap="RdBu_r")
    gram.set_gid(row_marks(range(K), copy=2))
    figure.colorbar(image, ax=gram, shrink=0.8).ax.tick_params(labelsize=FONT - 2)
    gram.set_title("cosines of centred class means")
    whole_numbers(gram.xaxis)
    whole_numbers(gram.yaxis)
    for row, (low, high, count) in enumerate(cosine_bins(metrics)):
        place = row_marks([row], "cosines-")
        histogram.bar(low, count, high - low, align="edge", color=_COLOURS["nc1"], gid=place)
    histogram.axvline(-1.0 / (K - 1), color=_COLOURS["nc3"], lw=1.5, label="simplex frame, -1/(K - 1)")
    histogram.locator_params(axis="x", nbins=5)
    whole_numbers(histogram.yaxis)
    histogram.set_xlabel("cosine of two centred class means")
    histogram.set_ylabel("pairs of classes")
    _draw_spectra(spectrum, metrics)
    _draw_classes(classes, metrics)
    for axes in (gram, histogram, spectrum, classes):
        bare(axes)
    for axes in (histogram, spectrum):
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False, fontsize=FONT - 1)
    return figure


def cosine_bins(metrics: CollapseMetrics) -> list[tuple[float, float, int]]:
    """Return the bars of the histogram: from which cosine to which, and how many pairs of classes."""
    cosines = _cosines(metrics)
    pairs = cosines[np.triu_indices(len(cosines), 1)]
    pairs = pairs[np.isfinite(pairs)]
    if not pairs.size:
        return []
    middle = 0.5 * float(pairs.min() + pairs.max())
    # at collapse all cosines are equal to rounding, between which there is no room for bars
    span = (min(middle - _NARROWEST, pairs.min()), max(middle + _NARROWEST, pairs.max()))
    counts, edges = np.histogram(pairs, bins=_BINS, range=span)
    bins = zip(edges.tolist(), edges[1:].tolist(), counts.tolist(), strict=False)
    return [(low, high, count) for low, high, count in bins if count]


def _cosines(metrics: CollapseMetrics) -> Array:
    """Cosines of the centred class means, ``(K, K)``; NaN where one is zero."""
    lengths = np.linalg.norm(metrics.means, axis=1)
    known = lengths > 0.0
    units = metrics.means / np.where(known, lengths, 1.0)[:, None]
    return np.where(np.outer(known, known), units @ units.T, np.nan)


def _draw_spectra(axes: Axes, metrics: CollapseMetrics) -> None:
    """Eigenvalues of the covariances by their number, as far as they are positive."""
    for copy, (of, colour) in enumerate((("between", "nc2"), ("within", "nc3"))):
        values = getattr(metrics, f"{of}_spectrum")
        rows = np.flatnonzero(values > 0.0)
        style: dict[str, Any] = {"color": _COLOURS[colour], "label": f"{of} classes"}
        axes.plot(rows + 1, values[rows], ".-", gid=row_marks(rows, "eigenvalues-", copy), **style)
    _finish(axes, "number", "eigenvalue of the covariance")


def _finish(axes: Axes, across: str, upwards: str) -> None:
    """Name the axes; values that are far apart stand on a logarithmic one."""
    scale(axes, [y for line in axes.lines for y in np.asarray(line.get_ydata())], _FAR)
    whole_numbers(axes.xaxis)
    axes.set_xlabel(across)
    axes.set_ylabel(upwards)


def _draw_classes(axes: Axes, metrics: CollapseMetrics) -> None:
    """NC1 of each class, and the cosine of each classifier row with its class mean."""
    known, cosines = np.flatnonzero(metrics.class_nc1 > 0.0), metrics.class_cosines
    style: dict[str, Any] = {"color": _COLOURS["nc1"], "label": "NC1 of the class"}
    axes.plot(known, metrics.class_nc1[known], "o", ms=5, gid=row_marks(known), **style)
    _finish(axes, "class", "NC1 of the class")
    found = np.flatnonzero(np.isfinite(cosines))
    if found.size:
        other = axes.twinx()
        other.plot(found, cosines[found], "x", ms=5, color=_COLOURS["nc3"], gid=row_marks(found, copy=1))
        other.set_ylim(min(-0.05, float(cosines[found].min())), 1.05)
        other.set_ylabel("cosine of classifier and mean (x)", fontsize=FONT - 1)
        other.tick_params(labelsize=FONT - 1)
        other.spines["top"].set_visible(False)


@plain_texts
def trajectory_figure(trainings: Sequence[Training]) -> Figure:
    """NC1 to NC3 and the gap, and NC4 and accuracy, against the epoch; each training with its own kind of line."""
    figure = constrained(7.2, 6.4)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(5, 3))
    before = 0
    for training, dashes in zip(trainings, itertools.cycle(_LINES), strict=False):
        places = training.places
        for copy, (name, colour) in enumerate(_COLOURS.items()):
            axes = lower if name in _BELOW else upper
            values = [epoch.values[name] for epoch in training.epochs]
            known = [k for k, y in enumerate(values) if y is not None and (y > 0.0 or axes is lower)]
            if known:
                marks = row_marks((before + k for k in known), copy=copy)
                style: dict[str, Any] = {"marker": ".", "color": colour, "label": SERIES[name], "gid": marks}
                axes.plot([places[k] for k in known], [values[k] for k in known], dashes, **style)
        before += len(training.epochs)
    scale(upper, [y for line in upper.lines for y in np.asarray(line.get_ydata())], _FAR)
    lower.set_xlabel("epoch")
    whole_numbers(lower.xaxis)
    for axes in (upper, lower):
        bare(axes, grid=True)
    if len(trainings) > 1:
        for training, dashes in zip(trainings, itertools.cycle(_LINES), strict=False):
            lower.plot([], [], dashes, color="#888888", label=training.name)
    legend(figure, where="outside lower center")
    return figure
