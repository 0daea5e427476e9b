"""The report of measured features: how collapsed they are, by which conventions, and where they stand."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from functools import partial
from html import escape
from typing import Any

from sphereufm.features.metrics.result import CollapseMetrics, closeness, read
from sphereufm.notebook import counted
from sphereufm.placement.landscape_position import LandscapePosition
from sphereufm.placement.trajectory import SERIES, Training
from sphereufm.plots.features import cosine_bins, features_figure, trajectory_figure
from sphereufm.report.page import Cell, figure_html, list_html, page_html, section_html, table_html

_NUMERICAL = "Every number here is numerical: floating point says so, and no certificate proves it."
_FIGURE = (
    "Cosines of the centred class means, as a matrix and as a histogram (the line is the simplex frame's); eigenvalues "
    "of the covariances between and within classes; NC1 of each class, and the cosine of its classifier row with its "
    "centred mean."
)
_MEASURES = ["measure", "value", "convention, or why undefined"]
_CLASSES = ["class", "samples", "NC1 of the class", "cosine of classifier and mean"]
_COSINES = ["from", "to", "pairs of classes"]
_EIGENVALUES = ["number", "between classes", "within classes"]
_TRAJECTORY = (
    "NC1 to NC3 and the optimality gap by epoch, and below NC4 with the classifier's accuracy; what is undefined or "
    "zero is left out."
)
_COLOURS = {"near": "near collapse", "half": "half-way", "far": "far from collapse", "unknown": "undefined"}


def features_html(
    source: str, metrics: CollapseMetrics, place: LandscapePosition, data: Mapping[str, Any]
) -> str:
    """The report of one file, as the user named it, as an HTML page; ``data``: what ``features.json`` holds."""
    known = zip(metrics.class_counts, *data.get("per_class", {}).values(), strict=False)
    samples: list[list[Cell]] = [[k, *values] for k, values in enumerate(known)]
    pairs = itertools.zip_longest(metrics.between_spectrum.tolist(), metrics.within_spectrum.tolist())
    eigenvalues: list[list[Cell]] = [[number, *pair] for number, pair in enumerate(pairs, start=1)]
    return page_html(
        title=f"Features: {source}",
        verdict=_verdict(metrics, place),
        facts=[_NUMERICAL, *data["read"], *metrics.notes],
        body=section_html("Reading", _reading(metrics))
        + figure_html(partial(features_figure, metrics), "features", _FIGURE)
        + section_html("Collapse", table_html("measures", _MEASURES, metrics.rows))
        + section_html("Position on the landscape", list_html(place.facts))
        + _unknown(data)
        + section_html("Classes", table_html("samples", _CLASSES, samples, marks=""))
        + _folded("Cosines of centred class means", "cosines", _COSINES, cosine_bins(metrics))
        + _folded("Eigenvalues of the covariances", "eigenvalues", _EIGENVALUES, eigenvalues),
        data=data,
        scripts=("table.js", "marks.js"),
    )


def trajectory_html(trainings: Sequence[Training], data: Mapping[str, Any]) -> str:
    """The report of one training, or several, as an HTML page; ``data``: what ``features.json`` holds."""
    epochs = [(training.name, epoch) for training in trainings for epoch in training.epochs]
    rows: list[list[Cell]] = [
        [name, e.number, os.path.basename(e.path), *e.values.values(), e.error or ""] for name, e in epochs
    ]
    headings = ["training", "epoch", "file", *SERIES.values(), "why not measured"]
    measured = [(e.metrics, e.place) for _, e in epochs if e.metrics is not None and e.place is not None]
    verdict = "No epoch could be measured."
    for metrics, place in measured[-1:]:
        verdict = f"At the last epoch {_verdict(metrics, place)}"
    return page_html(
        title=f"Features over {counted(len(rows), 'epoch')}: {', '.join(t.name for t in trainings)}",
        verdict=verdict,
        facts=[_NUMERICAL],
        body=figure_html(partial(trajectory_figure, trainings), "trajectory", _TRAJECTORY)
        + section_html("Epochs", table_html("epochs", headings, rows, marks="")),
        data=data,
        scripts=("table.js", "marks.js"),
    )


def _folded(heading: str, name: str, headings: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """A long table behind its heading: a mark of the figure opens it."""
    table = table_html(name, headings, rows, marks=f"{name}-")
    return f"<details><summary>{escape(heading)}</summary>{table}</details>"


def _unknown(data: Mapping[str, Any]) -> str:
    """How well unknown data are distinguished from these, where asked for."""
    rows: list[list[Cell]] = [
        [found["name"], found["samples"], found["nc5"], score, values["auroc"], values["fpr95"]]
        for found in data.get("outliers", ())
        for score, values in found["scores"].items()
    ]
    headings = ["file", "samples", "NC5 (0 at collapse)", "score", "AUROC", "FPR95"]
    return section_html("Unknown data", table_html("unknown", headings, rows)) if rows else ""


def _reading(metrics: CollapseMetrics) -> str:
    """The four numbers in words, coloured by how near to collapse they are; the colour is said in words too."""
    lines = []
    for (name, value), text in zip(metrics.main.items(), read(metrics), strict=True):
        near = closeness(name, value)
        lines.append(f'<li class="reading {near}">{escape(text)} <em>{_COLOURS[near]}</em></li>')
    return f"<ul>{''.join(lines)}</ul>"


def _verdict(metrics: CollapseMetrics, place: LandscapePosition) -> str:
    """The main numbers in one sentence."""
    values = metrics.main.items()
    parts = (f"{name.upper()} is {'undefined' if v is None else format(v, '.4g')}" for name, v in values)
    if place.cost is None or place.optimality_gap is None:
        where = "and the position on the landscape is unknown"
    else:
        unit = f" {place.cost_unit}" if place.cost_unit else ""
        least = "the minimum" if place.least_cost_range is None else "the least of these norms and this bias"
        where = (
            f"and the cost, {place.cost:.4g}{unit}, is at most {place.optimality_gap:.4g}{unit} above {least} "
            f"(numerical, {place.gap_method})"
        )
    return f"{', '.join(parts)}, {where}."
