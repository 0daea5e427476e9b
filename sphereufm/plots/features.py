"""Figures of measured features: they draw what others measured."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sphereufm.features.metrics import CollapseMetrics
from sphereufm.placement.trajectory import Training
from sphereufm.plots.axes import plain_ticks, row_marks, whole_numbers
from sphereufm.plots.saving import save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# colour-blind safe (Okabe and Ito, 2008)
_COLOURS = {
    "nc1": "#0072B2",
    "nc2": "#009E73",
    "nc3": "#D55E00",
    "nc4": "#000000",
    "gap": "#CC79A7",
    "accuracy": "#E69F00",
}
_SERIES = {
    "nc1": "NC1",
    "nc2": "NC2",
    "nc3": "NC3",
    "nc4": "NC4",
    "gap": "optimality gap (nats, numerical)",
    "accuracy": "accuracy of the classifier",
}
_LINES = ("-", "--", ":", "-.")


def features_figure(metrics: CollapseMetrics) -> Figure:
    """Gram matrix of the centred class means, their cosines, spectra within and between classes, and NC1 by class.

    Parameters
    ----------
    metrics : CollapseMetrics

    Returns
    -------
    matplotlib.figure.Figure
        Not attached to any window.

    Examples
    --------
    >>> from sphereufm.features import collapse_metrics, feature_set_from_arrays
    >>> H = [[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [-1.0, 0.0]]
    >>> figure = features_figure(collapse_metrics(feature_set_from_arrays(H, [0, 0, 1, 2])))
    >>> figure.axes[1].get_xlabel()
    'cosine of two centred class means'
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15.5, 3.8), layout="constrained")
    gram, histogram, spectrum, classes = figure.subplots(1, 4)
    lengths = np.linalg.norm(metrics.means, axis=1, keepdims=True)
    units = metrics.means / np.where(lengths > 0.0, lengths, 1.0)
    cosines = units @ units.T
    image = gram.imshow(cosines, vmin=-1.0, vmax=1.0, cmap="RdBu_r")
    figure.colorbar(image, ax=gram, shrink=0.8)
    gram.set_title("cosines of centred class means", fontsize=10)
    K = len(units)
    histogram.hist(cosines[np.triu_indices(K, 1)], bins=40, color=_COLOURS["nc1"])
    histogram.axvline(-1.0 / (K - 1), color=_COLOURS["nc3"], lw=1.5, label="simplex frame, $-1/(K-1)$")
    histogram.locator_params(axis="x", nbins=5)
    histogram.set_xlabel("cosine of two centred class means")
    histogram.set_ylabel("pairs of classes")
    histogram.legend(frameon=False, fontsize=8)
    pairs = (
        (metrics.between_spectrum, "between classes", "nc2"),
        (metrics.within_spectrum, "within classes", "nc3"),
    )
    for values, label, colour in pairs:
        positive = values[values > 0.0]
        spectrum.plot(np.arange(1, len(positive) + 1), positive, ".-", color=_COLOURS[colour], label=label)
    if any((values > 0.0).any() for values, _, _ in pairs):
        spectrum.set_yscale("log")
        plain_ticks(spectrum.yaxis)
    spectrum.set_xlabel("number")
    spectrum.set_ylabel("eigenvalue of the covariance")
    spectrum.legend(frameon=False, fontsize=8)
    _draw_classes(classes, metrics)
    return figure


def _draw_classes(axes: Axes, metrics: CollapseMetrics) -> None:
    """NC1 of each class, and the cosine of each classifier row with its class mean."""
    places = np.arange(len(metrics.class_nc1))
    known = metrics.class_nc1 > 0.0
    style: dict[str, Any] = {"color": _COLOURS["nc1"], "label": "NC1 of the class"}
    axes.plot(places[known], metrics.class_nc1[known], ".", gid=row_marks(places[known]), **style)
    if known.any():
        axes.set_yscale("log")
        plain_ticks(axes.yaxis)
    whole_numbers(axes.xaxis)
    axes.set_xlabel("class")
    axes.set_ylabel("NC1 of the class")
    found = np.isfinite(metrics.class_cosines)
    if found.any():
        other = axes.twinx()
        marks = row_marks(places[found], copy=1)
        other.plot(places[found], metrics.class_cosines[found], "x", ms=4, color=_COLOURS["nc3"], gid=marks)
        other.set_ylim(min(-0.05, float(metrics.class_cosines[found].min())), 1.05)
        other.set_ylabel("cosine of classifier and mean (x)")


def trajectory_figure(trainings: Sequence[Training]) -> Figure:
    """NC1 to NC3 and the optimality gap, and NC4 and accuracy, against the epoch; what is undefined is left out.

    ``trainings``: several lie over one another, each with its own kind of line.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(7.2, 6.4), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(5, 3))
    for number, training in enumerate(trainings):
        style, suffix = _LINES[number % len(_LINES)], f", {training.name}" if len(trainings) > 1 else ""
        for axes, names in ((upper, ("nc1", "nc2", "nc3", "gap")), (lower, ("nc4", "accuracy"))):
            for name in names:
                known = [
                    (training.at(k), value)
                    for k, epoch in enumerate(training.epochs)
                    if (value := epoch.values[name]) is not None and (value > 0.0 or axes is lower)
                ]
                if known:
                    label = _SERIES[name] + suffix
                    axes.plot(*zip(*known, strict=True), style, marker=".", color=_COLOURS[name], label=label)
    upper.set_yscale("log")
    lower.set_xlabel("epoch")
    lower.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in (upper, lower):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        if axes.lines:
            axes.legend(frameon=False, fontsize=9)
    return figure


def save_features(metrics: CollapseMetrics, path: str | os.PathLike[str]) -> None:
    """Write :func:`features_figure` as PNG.

    Raises OutputError if the file cannot be written.
    """
    save_figure(features_figure(metrics), path)


def save_trajectory(trainings: Sequence[Training], path: str | os.PathLike[str]) -> None:
    """Write :func:`trajectory_figure` as PNG.

    Raises OutputError if the file cannot be written.
    """
    save_figure(trajectory_figure(trainings), path)
