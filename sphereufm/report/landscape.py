"""The report of a landscape: its classes, each row with all that is known of it, and pictures of the whole."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from sphereufm.files import write_text
from sphereufm.report.page import Opener, figure_html, page_html, section_html, table_html

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sphereufm.landscape.report.landscape_report import LandscapeReport
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
_FINGERPRINT = (
    "Cost against Morse index, one mark for each class; "
    "a family is a bar from its least to its largest index."
)
_SPECTRA = (
    "Hessian eigenvalues on the horizontal space, one column for each row of the table; "
    "wide marks are multiple. Numerical."
)
_CONFIGURATIONS = (
    "The lowest classes of rank two and three: columns on the circle, or on the sphere seen from one side; lines and "
    "large dots are classifiers, small dots features, coloured by class, faint behind. An open row can be turned."
)
_CONNECTIONS = (
    "Who falls to whom: an arrow is a descent from next to a saddle, the wider the more of its descents took that way. "
    "Numerical: a descent follows a gradient flow in small steps and does not prove where the flow leads."
)
_DISCONNECTIVITY = (
    "Basins of the minimisers: branches meet at the cost of the lowest saddle from which descents led to both. "
    "A meeting bounds the barrier from above, numerically; branches that do not meet were not joined by a descent."
)
_COVERAGE = (
    "Distinct classes met against searches that converged, for each stratum. A flat curve shows what this search "
    "finds easily, not that the list is complete."
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
    basis_status = "NUMERICAL" if data["basis"] == "counterexample" else None
    if data["proofs"] is not None:
        basis_status = data["proofs"]["basis_status"]
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
    return [*lines, *_falls(data), *data["notes"]]


def _falls(data: Mapping[str, Any]) -> list[str]:
    """What the descents reached."""
    found = data["connections"]
    if found is None:
        return []
    lines = [
        f"descents (numerical): {found['descents']} from {found['sources']} rows with negative curvature, "
        f"{found['skipped']} such rows left out; {found['unfinished']} did not end at a critical point, "
        f"{found['unlisted']} ended at one that is not listed"
    ]
    if found["merges"]:
        merge = found["merges"][0]
        rows = " and ".join(str(row + 1) for row in merge["basins"])
        lines.append(
            f"basins of rows {rows} meet at cost {merge['cost']:.6g} (row {merge['row'] + 1}), "
            "a numerical upper bound of the barrier"
        )
    return lines


def _unseen(coverage: Mapping[str, Any]) -> str:
    """The bound on what further searches would meet."""
    bound = coverage["unseen_bound"]
    return "" if bound is None else f", unseen mass below {bound:.1%} at {coverage['confidence']:.0%}"


def _figures(report: LandscapeReport) -> str:
    """The pictures of the whole landscape."""
    from sphereufm.plots.saving import page_svg

    return "".join(
        figure_html(page_svg(partial(draw, report), f"figure{number}"), caption)
        for number, (draw, caption) in enumerate(_pictures(report))
    )


def _pictures(report: LandscapeReport) -> Iterator[tuple[Callable[[LandscapeReport], Figure], str]]:
    """What is drawn, each with what it shows and does not claim."""
    from sphereufm.plots.configurations import configurations_figure, drawable_rows
    from sphereufm.plots.connections import connections_figure, disconnectivity_figure
    from sphereufm.plots.coverage import coverage_figure
    from sphereufm.plots.landscape import landscape_figure, spectra_figure

    yield landscape_figure, _FINGERPRINT
    yield spectra_figure, _SPECTRA
    if drawable_rows(report):
        yield configurations_figure, _CONFIGURATIONS
    if report.connections is not None and report.connections.edges:
        yield connections_figure, _CONNECTIONS
        if len(report.minimisers) > 1:
            yield disconnectivity_figure, _DISCONNECTIVITY
    if any(coverage.discoveries for coverage in report.coverage.values()):
        yield coverage_figure, _COVERAGE


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
