"""The report of measured features: how collapsed they are, by which conventions, and where they stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from sphereufm.report.page import figure_html, page_html, section_html, table_html

if TYPE_CHECKING:
    from sphereufm.features import CollapseMetrics
    from sphereufm.placement import LandscapePosition
    from sphereufm.report.page import Cell

__all__ = ["features_html", "trajectory_html"]

_MEASURES = ("nc1", "nc2", "nc3", "nc4")
_NUMERICAL = "Every number here is numerical: floating point says so, and no certificate proves it."
_PLACE = {
    "cost": "cost, nats",
    "optimality_gap": "optimality gap: at most so many nats above the minimum",
    "gap_method": "how the gap was obtained",
    "gradient_norm": "Riemannian gradient, Frobenius norm",
    "relative_gradient_norm": "relative gradient norm",
    "free_bias_gap": "the same bound over all biases as well, nats",
    "nonnegative_gap": "gap among nonnegative features, nats",
    "collapsed_distance": "root mean square distance of a column from the nearest collapsed point",
    "negative_curvature": "most negative curvature that a short search met",
    "regularised_gap": "gap of the objective with weight decay, nats",
    "least_margin": "least margin of a sample over the other classes",
    "largest_margin": "least margin that no point exceeds",
    "tau": "inverse temperature",
    "tau_source": "where the temperature is from",
    "position_reason": "why there is no position",
}
_FIGURE = (
    "Cosines of the centred class means, as a matrix and as a histogram (the line is the simplex frame's), and the "
    "eigenvalues of the covariances between and within classes."
)
_TRAJECTORY = "NC1 to NC3 and the optimality gap by epoch; what is undefined or zero is left out."


def features_html(
    source: str, metrics: CollapseMetrics, place: LandscapePosition, data: Mapping[str, Any]
) -> str:
    """Return the report of one file as an HTML page.

    Parameters
    ----------
    source : str
        The file, as the user named it.
    metrics : CollapseMetrics
    place : LandscapePosition
    data : mapping
        What ``features.json`` holds.

    Returns
    -------
    str
    """
    from sphereufm.plots.features import features_figure
    from sphereufm.plots.saving import page_svg

    told = metrics.conventions | metrics.undefined
    numbers = {name: getattr(metrics, name) for name in _MEASURES} | metrics.variants
    measures: list[list[Cell]] = [[name, value, told.get(name, "")] for name, value in numbers.items()]
    position: list[list[Cell]] = [
        [text, data[key]] for key, text in _PLACE.items() if data.get(key) is not None
    ]
    samples: list[list[Cell]] = [[k, count] for k, count in enumerate(metrics.class_counts)]
    return page_html(
        title=f"Features: {source}",
        verdict=_verdict(metrics, place),
        facts=[_NUMERICAL, *data["read"], *metrics.notes],
        body=figure_html(page_svg(partial(features_figure, metrics), "features"), _FIGURE, wide=True)
        + section_html(
            "Collapse", table_html("measures", ["measure", "value", "convention, or why undefined"], measures)
        )
        + section_html("Position on the landscape", table_html("position", ["what", "value"], position))
        + section_html("Samples", table_html("samples", ["class", "samples"], samples)),
        data=data,
    )


def trajectory_html(
    source: str,
    names: Sequence[str],
    epochs: Sequence[tuple[CollapseMetrics, LandscapePosition]],
    data: Mapping[str, Any],
) -> str:
    """Return the report of a training run as an HTML page.

    Parameters
    ----------
    source : str
        Folder or files, as the user named them.
    names : sequence of str
        Of the epochs' files, in order.
    epochs : sequence of (CollapseMetrics, LandscapePosition)
    data : mapping
        What ``features.json`` holds.

    Returns
    -------
    str
    """
    from sphereufm.plots.features import trajectory_figure
    from sphereufm.plots.saving import page_svg

    rows: list[list[Cell]] = [
        [k, name, *(getattr(metrics, measure) for measure in _MEASURES), place.cost, place.optimality_gap]
        for k, (name, (metrics, place)) in enumerate(zip(names, epochs, strict=True), start=1)
    ]
    headings = ["epoch", "file", "NC1", "NC2", "NC3", "NC4", "cost (nats)", "optimality gap (nats)"]
    return page_html(
        title=f"Features over {len(epochs)} epochs: {source}",
        verdict=_verdict(*epochs[-1], when="At the last epoch "),
        facts=[_NUMERICAL],
        body=figure_html(page_svg(partial(trajectory_figure, epochs), "trajectory"), _TRAJECTORY, wide=True)
        + section_html("Epochs", table_html("epochs", headings, rows)),
        data=data,
    )


def _verdict(metrics: CollapseMetrics, place: LandscapePosition, when: str = "") -> str:
    """The main numbers in one sentence."""
    parts = []
    for name in _MEASURES:
        value = getattr(metrics, name)
        parts.append(f"{name.upper()} is {'undefined' if value is None else format(value, '.4g')}")
    if place.cost is None or place.optimality_gap is None:
        where = "and the position on the landscape is unknown"
    else:
        where = (
            f"and the cost, {place.cost:.4g} nats, is at most {place.optimality_gap:.4g} nats above the minimum "
            f"(numerical, {place.gap_method})"
        )
    return f"{when}{', '.join(parts)}, {where}."
