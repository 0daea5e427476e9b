"""The report of a landscape: its critical orbits, each row with all that is known of it, and pictures of the whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial

from sphereufm.files import write_text
from sphereufm.landscape.report.landscape_report import LandscapeReport
from sphereufm.landscape.report.summary import summarise
from sphereufm.plots.configurations import configurations_figure, drawable_rows
from sphereufm.plots.connections import connections_figure, disconnectivity_figure
from sphereufm.plots.landscape import landscape_figure, spectra_figure
from sphereufm.plots.saving import Drawing
from sphereufm.plots.searched import boxes_left_figure, coverage_figure
from sphereufm.report.page import Cell, Opener, figure_html, list_html, page_html, section_html, table_html

# what each figure shows and does not claim
_CAPTIONS: dict[Drawing, str] = {
    landscape_figure: "Cost against Morse index, one mark for each row; a family is a bar from its least to its "
    "largest index.",
    spectra_figure: "Hessian eigenvalues on the horizontal space, one column for each row of the table; wide marks "
    "are multiple. Numerical.",
    configurations_figure: "The lowest rows of rank two and three: columns on the circle, or on the sphere seen from "
    "one side; lines and large dots are classifiers, small dots features, coloured by class, faint behind. An open "
    "row can be turned.",
    connections_figure: "Descents from saddles: an arrow is a descent from next to a saddle, the wider the more of "
    "its descents took that way. Numerical: a descent follows a gradient flow in small steps and does not prove "
    "where the flow leads.",
    disconnectivity_figure: "Basins of the minimisers: branches meet at the cost of the lowest saddle from which "
    "descents lead to both. A meeting bounds the barrier from above, numerically; branches that do not meet were not "
    "joined by a descent. Where a linear scale would hide a barrier, costs stand at equal steps.",
    coverage_figure: "Distinct orbits and families met against searches that converged, for each stratum. A flat "
    "curve shows what this search finds easily, not that the list is complete.",
    boxes_left_figure: "Where critical points may still be: shadows of boxes that the search for a complete list "
    "left over, a panel for each two unknowns that follow each other.",
}
_TONES = {"BENIGN": "good", "NOT_BENIGN": "bad"}
_HINT = '<p class="hint">Sort by a heading; open a row by its number, or by a mark in a figure.</p>'
_FILTERS = ("rank", "Morse index", "kind", "status")


def landscape_html(report: LandscapeReport, *, figures: bool = True) -> str:
    """Return the report as one HTML page, with or without figures (which take most of the time)."""
    summary = summarise(report)
    rows: list[list[Cell]] = [[Opener(index), *row.values()] for index, row in enumerate(summary.rows)]
    strata = [table_html("strata", ("stratum", "searches"), summary.strata, marks="strata-")]
    searched = "".join([*(strata if summary.strata else []), list_html(summary.notes)])
    pictures = "".join(
        figure_html(partial(draw, report), f"figure{number}", _CAPTIONS[draw], wide=False)
        for number, draw in enumerate(_pictures(report) if figures else ())
    )
    return page_html(
        title=f"Landscape: {summary.title}",
        verdict=summary.verdict_line,
        tone=_TONES.get(summary.verdict, ""),
        link=None if summary.row is None else (f"row {summary.row + 1}", f"#row-{summary.row + 1}"),
        body=section_html(
            "Critical orbits and families",
            _HINT + table_html("rows", summary.headings, rows, _FILTERS, marks=""),
        )
        + section_html("What was searched, and what the list claims", searched)
        + (section_html("Figures", f'<div class="figures">{pictures}</div>') if figures else ""),
        data=report.to_json(),
        scripts=("table.js", "filters.js", "configuration.js", "landscape.js", "marks.js"),
    )


def save_html(report: LandscapeReport, path: str | os.PathLike[str]) -> None:
    """Write :func:`landscape_html` aside, then rename it; raises OutputError if the file cannot be written."""
    write_text(path, landscape_html(report))


def _pictures(report: LandscapeReport) -> Iterator[Drawing]:
    """What is drawn."""
    yield landscape_figure
    if any(entry.min_eigenvalue is not None for entry in report.critical):
        yield spectra_figure
    if drawable_rows(report):
        yield configurations_figure
    if report.connections is not None and report.connections.edges:
        yield connections_figure
        if len(report.minimisers) > 1:
            yield disconnectivity_figure
    if any(coverage.discoveries for coverage in report.coverage.values()):
        yield coverage_figure
    if report.completeness is not None and report.completeness.left:
        yield boxes_left_figure
