"""The report of a landscape: its classes, each row with all that is known of it, and pictures of the whole."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from sphereufm.files import write_text
from sphereufm.report.page import Opener, figure_html, page_html, section_html, table_html

if TYPE_CHECKING:
    from sphereufm.landscape.result import LandscapeReport
    from sphereufm.report.page import Cell

__all__ = ["landscape_html", "save_html"]

_COLUMNS = {
    "cost": "cost (nats)",
    "rank": "rank",
    "morse_index": "Morse index",
    "nullity": "nullity",
    "min_eigenvalue": "least eigenvalue",
    "kind": "kind",
    "status": "status",
    "hits": "hits",
}
_BASIS = {
    "theorem": "by Theorem S every critical point is a global minimiser or a strict saddle",
    "completeness": "the list of critical points was proved complete",
    "counterexample": "a critical point that is neither a global minimiser nor a strict saddle is exhibited",
    None: "no theorem applies and no counterexample was found, and a search is no proof",
}
_BASIS_STATUS = {
    "BY_THEOREM": ", PROVED for this instance by an accepted certificate",
    "PROVED": ", and PROVED to be one",
    "NUMERICAL": ", numerically",
    None: "",
}
_LOWER_BOUND = (
    "The list is a lower bound on the set of critical points: a search is no proof of completeness."
)
_SCRIPTS = ("table.js", "configuration.js", "landscape.js")


def landscape_html(report: LandscapeReport) -> str:
    """Return the report as one HTML page.

    Examples
    --------
    >>> from sphereufm import UFMProblem, verify_landscape
    >>> report = verify_landscape(UFMProblem(class_sizes=(1, 1), dim=3, tau=1.0), starts=8)
    >>> landscape_html(report).startswith("<!DOCTYPE html>")
    True
    """
    data = report.to_json()
    return page_html(
        title=_title(data["problem"]),
        verdict=_verdict(data),
        facts=_facts(data),
        body=f'<div class="figures">{_figures(report)}</div>\n'
        + section_html("Classes of critical points", _table(data)),
        data=data,
        scripts=_SCRIPTS,
    )


def save_html(report: LandscapeReport, path: str | os.PathLike[str]) -> None:
    """Write :func:`landscape_html`: to a temporary name beside ``path``, then renamed.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    write_text(path, landscape_html(report))


def _title(problem: Mapping[str, Any]) -> str:
    """The problem in one line."""
    if "class_sizes" not in problem:
        return f"Landscape of {problem['name']}"
    sizes = problem["class_sizes"]
    shown = ", ".join(map(str, sizes)) if len(sizes) <= 12 else f"{len(sizes)} classes"
    weights = "" if problem["weights"] is None else ", weighted"
    return f"Landscape: class sizes {shown}, d = {problem['dim']}, tau = {problem['tau']:g}{weights}"


def _verdict(data: Mapping[str, Any]) -> str:
    """The verdict, what it rests on, and how many rows are proved: one sentence."""
    statuses = [entry["status"] for entry in data["critical"]]
    proved, numerical, undecided = (statuses.count(word) for word in ("PROVED", "NUMERICAL", "UNDECIDED"))
    basis_status = None if data["proofs"] is None else data["proofs"]["basis_status"]
    rows = "one row" if len(statuses) == 1 else f"{len(statuses)} rows"
    return (
        f"{data['verdict']}: {_BASIS[data['basis']]}{_BASIS_STATUS[basis_status]}; "
        f"of the {rows} below {proved} are PROVED, {numerical} numerical and {undecided} UNDECIDED."
    )


def _facts(data: Mapping[str, Any]) -> list[str]:
    """What was searched, and what a reader should know."""
    lines = [
        f"{c['stratum']}: {c['converged']} of {c['starts']} searches converged, {c['classes']} classes met{_unseen(c)}"
        for c in data["coverage"]["strata"]
    ]
    rank_one = data["coverage"]["rank_one"]
    if rank_one is not None:
        lines.append(
            f"rank 1: {rank_one['classes']} classes, counted exactly, {rank_one['listed']} of them listed"
        )
    if data["basis"] != "completeness":
        lines.append(_LOWER_BOUND)
    return [*lines, *data["notes"]]


def _unseen(coverage: Mapping[str, Any]) -> str:
    """The bound on what further searches would meet."""
    bound = coverage["unseen_bound"]
    return "" if bound is None else f", unseen mass below {bound:.1%} at {coverage['confidence']:.0%}"


def _figures(report: LandscapeReport) -> str:
    """The pictures of the whole landscape."""
    from sphereufm.plots.landscape import landscape_figure, spectra_figure
    from sphereufm.plots.saving import page_svg

    pictures = (
        (
            landscape_figure,
            "Cost against Morse index, one mark for each class; a family is a bar from its least to its largest index.",
        ),
        (
            spectra_figure,
            "Hessian eigenvalues on the horizontal space, one column for each row of the table; numerical.",
        ),
    )
    return "".join(
        figure_html(page_svg(partial(draw, report), f"figure{number}"), caption)
        for number, (draw, caption) in enumerate(pictures)
    )


def _table(data: Mapping[str, Any]) -> str:
    """One row for each class."""
    rows: list[list[Cell]] = [
        [Opener(index), *(_named(entry, key) for key in _COLUMNS)]
        for index, entry in enumerate(data["critical"])
    ]
    return "<p>Sort by a heading; open a row by its number.</p>" + table_html(
        "classes", ["row", *_COLUMNS.values()], rows
    )


def _named(entry: Mapping[str, Any], key: str) -> Cell:
    """One cell; the kind of a family carries its name."""
    value: Cell = entry[key]
    return f"{value} ({entry['family']})" if key == "kind" and entry["family"] else value
