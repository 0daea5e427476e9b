"""The skeleton of every report: one HTML file without any request to a network.

A page is a title, a verdict in one sentence, facts, figures as inline SVG, tables that sort, and the data as JSON in
its element ``#data``, which :func:`read_data` reads back.  All text is escaped here.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any, TypeAlias
from urllib.parse import quote

from sphereufm.errors import UnreadableFileError
from sphereufm.notebook import shown
from sphereufm.plots.saving import Drawing, page_svg

_ASSETS = "assets"
_DATA = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)


@dataclass(frozen=True)
class Link:
    """A cell that leads to a file, by its path relative to the page."""

    text: str
    path: str


@dataclass(frozen=True)
class Opener:
    """A cell with the button that opens its row; ``index`` counts from zero."""

    index: int


Cell: TypeAlias = str | float | tuple[float, float] | Link | Opener | None


def page_html(
    *,
    title: str,
    verdict: str,
    body: str,
    data: Mapping[str, Any],
    facts: Iterable[str] = (),
    scripts: Sequence[str] = ("table.js",),
    tone: str = "",
    link: tuple[str, str] | None = None,
) -> str:
    """Return a whole page: title and verdict (a sentence), facts as a list, a body of HTML, JSON data that it carries.

    ``scripts``: names of those that it needs; ``tone``: colour of the verdict, ``"good"``, ``"bad"`` or none;
    ``link``: words of the verdict that lead somewhere, and where within the page.
    """
    from sphereufm.version import __version__

    sentence = escape(verdict)
    if link is not None:
        words, address = map(escape, link)
        sentence = sentence.replace(words, f'<a href="{address}">{words}</a>', 1)
    return Template(_asset("page.html")).substitute(
        title=escape(title),
        style=_asset("page.css"),
        tone=escape(f" {tone}" if tone else ""),
        verdict=sentence,
        facts=list_html(facts),
        body=body,
        version=escape(__version__),
        # `<` would let a text end the element
        data=json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"),
        scripts="\n".join(map(_asset, scripts)),
    )


def read_data(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read back the data that a ``report.html`` of any command carries: what the JSON file beside it holds.

    Raises UnreadableFileError if the file is missing, or carries no data.
    """
    try:
        found = _DATA.search(Path(path).read_text(encoding="utf-8"))
        data = json.loads(found[1]) if found else None
    except (OSError, ValueError) as error:
        raise UnreadableFileError(f"{path} cannot be read as a report: {error}") from error
    if not isinstance(data, dict):
        raise UnreadableFileError(f"{path} carries no data; write a report with --out DIR")
    return data


def list_html(lines: Iterable[str]) -> str:
    """Return a list of texts; nothing if there are none."""
    items = "\n".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<ul>\n{items}\n</ul>" if items else ""


def section_html(heading: str, content: str) -> str:
    """Return a heading with HTML below it."""
    return f"<h2>{escape(heading)}</h2>\n{content}\n"


def figure_html(draw: Drawing, name: str, caption: str, *, wide: bool = True) -> str:
    """Return a figure as an SVG element with a caption, which also names it for screen readers.

    ``name``: starts every id in it.
    """
    named = page_svg(draw, name).replace("<svg", f'<svg role="img" aria-label="{escape(caption)}"', 1)
    opening = '<figure class="wide">' if wide else "<figure>"
    return f"{opening}{named}<figcaption>{escape(caption)}</figcaption></figure>"


def table_html(
    name: str,
    headings: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    filters: Sequence[str] = (),
    marks: str | None = None,
) -> str:
    """Return a table that sorts by each heading.

    * ``name``: its ``id``, by which a script says what an open row shows.
    * ``rows``: ranges sort by their lower end; None is a dash and sorts last.
    * ``filters``: headings of columns by whose values rows can be chosen (by ``filters.js``).
    * ``marks``: what the names of marks of its rows begin with in figures (by ``marks.js``); None without such marks.
    """
    head = "".join(
        f'<th scope="col"><button type="button">{escape(heading)}</button></th>' for heading in headings
    )
    lines = []
    for number, cells in enumerate(rows, start=1):
        place = "" if marks is None else f' id="{marks}row-{number}"'
        lines.append(f"<tr{place}>{''.join(map(_cell, cells))}</tr>")
    chosen = f' data-filters="{escape(",".join(filters))}"' if filters else ""
    return (
        f'<div class="scroll"><table class="sortable" id="{escape(name)}"{chosen}>\n<thead><tr>{head}</tr></thead>\n'
        "<tbody>\n" + "\n".join(lines) + "\n</tbody>\n</table></div>"
    )


def _cell(value: Cell) -> str:
    """A link, an opener, a number, a range, a word, or a dash."""
    if value is None:
        return '<td data-key="Infinity">-</td>'
    if isinstance(value, Link):
        return f'<td><a href="{escape(quote(value.path))}">{escape(value.text)}</a></td>'
    if isinstance(value, Opener):
        button = f'<button type="button" aria-expanded="false" data-index="{value.index}">{value.index + 1}</button>'
        return f'<td data-key="{value.index}">{button}</td>'
    if isinstance(value, str):
        return f"<td>{escape(value)}</td>"
    text, low = shown(value), value[0] if isinstance(value, tuple) else value
    return f'<td data-key="{low!r}">{text}</td>' if math.isfinite(low) else f"<td>{text}</td>"


def _asset(name: str) -> str:
    """A file of the package's."""
    return files("sphereufm.report").joinpath(_ASSETS, name).read_text(encoding="utf-8").rstrip("\n")
