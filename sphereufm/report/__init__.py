"""Self-contained HTML reports; they compute nothing.

One file without any request to a network: the verdict, a figure as inline SVG, a table that sorts and opens
row by row, and the data as JSON in the element ``#data``. All text is escaped.
"""

from __future__ import annotations

import json
import os
from html import escape
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Any

from sphereufm.files import write_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sphereufm.landscape.result import LandscapeReport

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
    "theorem": "Theorem S: every critical point is a global minimiser or a strict saddle",
    "completeness": "the list of critical points was proved complete",
    "counterexample": "a critical point that is neither a global minimiser nor a strict saddle is exhibited",
    None: "no theorem applies and no counterexample was found; a search is no proof",
}


def landscape_html(report: LandscapeReport) -> str:
    """Return the report as one HTML page.

    Examples
    --------
    >>> from sphereufm import UFMProblem, verify_landscape
    >>> report = verify_landscape(UFMProblem(class_sizes=(1, 1), dim=3, tau=1.0), starts=8)
    >>> landscape_html(report).startswith("<!DOCTYPE html>")
    True
    """
    from sphereufm.plots import landscape_svg

    data = report.to_json()
    page = Template(files("sphereufm.report").joinpath("template.html").read_text(encoding="utf-8"))
    names = ["row", *_COLUMNS.values()]
    return page.substitute(
        title=escape(_title(data["problem"])),
        verdict=escape(f"{data['verdict']}: {_BASIS[data['basis']]}."),
        facts="\n".join(f"<li>{escape(fact)}</li>" for fact in _facts(data)),
        figure=landscape_svg(report),
        headings="".join(f'<th scope="col"><button type="button">{name}</button></th>' for name in names),
        rows="\n".join(_row(i, entry) for i, entry in enumerate(data["critical"])),
        # `<` would let a text end the element
        data=json.dumps(data, allow_nan=False).replace("<", "\\u003c"),
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
    return f"Landscape: class sizes {shown}, d = {problem['dim']}, tau = {problem['tau']:g}"


def _facts(data: Mapping[str, Any]) -> list[str]:
    """How much is proved, what was searched, and what a reader should know."""
    statuses = [entry["status"] for entry in data["critical"]]
    counts = ", ".join(f"{statuses.count(s)} {s}" for s in ("PROVED", "NUMERICAL", "UNDECIDED"))
    searched = [
        f"{c['stratum']}: {c['converged']} of {c['starts']} searches converged, {c['classes']} classes met"
        for c in data["coverage"].get("strata", [])
    ]
    return [f"{len(statuses)} rows: {counts}", *searched, *data["notes"]]


def _row(index: int, entry: Mapping[str, Any]) -> str:
    """One row of the table; ranges sort by their lower end."""
    cells = "".join(_cell(entry[key]) for key in _COLUMNS)
    button = f'<button type="button" aria-expanded="false" data-index="{index}">{index + 1}</button>'
    return f'<tr><td data-key="{index}">{button}</td>{cells}</tr>'


def _cell(value: Any) -> str:
    """A number, a range, a word, or a dash."""
    if value is None:
        return '<td data-key="Infinity">-</td>'
    if isinstance(value, str):
        return f"<td>{escape(value)}</td>"
    low, high = value if isinstance(value, list) else (value, value)
    text = f"{low:.6g}" if low == high else f"{low:.6g} .. {high:.6g}"
    return f'<td data-key="{low!r}">{text}</td>'
