"""The report of a sweep: the phase diagram, and a table of cells with links to each cell's own files."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from sphereufm.errors import read_fraction
from sphereufm.files import make_folder, write_text
from sphereufm.landscape.report.landscape_report import report_from_json
from sphereufm.notebook import counted
from sphereufm.plots.sweeps import phase_diagram_figure
from sphereufm.report.landscape import landscape_html
from sphereufm.report.page import Cell, Link, figure_html, page_html, section_html, table_html
from sphereufm.sweeps.grid import Cell as GridCell

# what the table says of a cell that was computed, and the key of the index where it stands
_RESULTS = {
    "verdict": "verdict",
    "basis": "basis",
    "counterexample": "counterexample_status",
    "orbits": "orbits",
    "PROVED rows": "proved",
    "least cost": "least_cost",
    "seconds": "seconds",
}
_HEADINGS = ("K", "n", "d", "tau", *_RESULTS, "landscape", "cell", "certificates")
_FILES = "Each cell has a page of its landscape, the file with its data, and its certificates, for sphereufm check."
_FILTERS = ("K", "n", "d", "verdict", "counterexample")
_PAGE = "report.html"
_DIAGRAM = (
    "Verdict of each cell over temperature and dimension, one panel for each number of classes K and samples n. "
    "A cell is undecided where neither a theorem nor a counterexample speaks: finding nothing is no proof."
)


def sweep_html(index: Sequence[Mapping[str, Any]]) -> str:
    """Return the report of a sweep, by the index of its cells, as an HTML page to lie beside its folder ``cells``."""
    return page_html(
        title=f"Sweep of {counted(len(index), 'landscape')}",
        verdict=_verdict(index),
        facts=[_FILES],
        body=figure_html(partial(phase_diagram_figure, index), "phases", _DIAGRAM)
        + section_html("Cells", table_html("cells", _HEADINGS, map(_row, index), _FILTERS, marks="")),
        data={"format": "sphereufm-sweep-index/1", "cells": list(index)},
        scripts=("table.js", "filters.js", "marks.js"),
    )


def save_cell_pages(index: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """Write the page of every cell's landscape that is not there yet: ``cells/NAME/report.html``, without figures.

    Raises OutputError if a page cannot be written.
    """
    for line in index:
        name = GridCell(**line["cell"]).name
        page = folder / "cells" / name / _PAGE
        if line["status"] == "done" and not page.exists():
            data = json.loads((folder / "cells" / f"{name}.json").read_text(encoding="utf-8"))
            make_folder(page.parent)
            write_text(page, landscape_html(report_from_json(data["landscape"]), figures=False))


def _verdict(index: Sequence[Mapping[str, Any]]) -> str:
    """How many cells are what: one sentence."""
    done = [line for line in index if line["status"] == "done"]
    verdicts = Counter(line["verdict"] for line in done)
    proved = sum(
        line["verdict"] == "NOT_BENIGN" and line["counterexample_status"] == "PROVED" for line in done
    )
    finite = f"{verdicts['FINITE']} FINITE (d = 1), " if verdicts["FINITE"] else ""
    return (
        f"Of {counted(len(index), 'cell')} {verdicts['BENIGN']} BENIGN by theorem, {verdicts['NOT_BENIGN']} NOT_BENIGN "
        f"(the counterexample PROVED in {proved}, numerical in {verdicts['NOT_BENIGN'] - proved}), "
        f"{verdicts['UNDECIDED']} UNDECIDED, {finite}{len(index) - len(done)} failed."
    )


def _row(line: Mapping[str, Any]) -> list[Cell]:
    """One cell; the reason stands for the verdict of one that failed."""
    cell = GridCell(**line["cell"])
    place = Link("file", f"cells/{cell.name}.json")
    head: list[Cell] = [cell.classes, cell.per_class, cell.dim, float(read_fraction(cell.tau))]
    if line["status"] != "done":
        return [*head, f"failed: {line['reason']}", *[None] * len(_RESULTS), place, None]
    page = Link("page", f"cells/{cell.name}/{_PAGE}")
    proofs = Link("folder", f"cells/{cell.name}/certificates/") if line["proved"] else None
    known = {**line, "orbits": sum(line["kinds"].values())}
    return [*head, *(known[key] for key in _RESULTS.values()), page, place, proofs]
