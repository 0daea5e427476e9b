"""Tables for notebooks: plain HTML, every text escaped, no script and no style."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def html_table(caption: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table as HTML.

    ``caption``: its lines become lines of the caption.  ``rows``: texts as they are to be read; they are
    escaped here.

    Examples
    --------
    >>> html_table("a < b", ["x"], [])
    '<table><caption>a &lt; b</caption><thead><tr><th>x</th></tr></thead><tbody></tbody></table>'
    """
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    lines = "<br>".join(map(escape, caption.splitlines()))
    return f"<table><caption>{lines}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def shown(value: str | float | tuple[float, float] | None) -> str:
    """Return a text as it is, a number to six digits, a range, or a dash."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    low, high = value if isinstance(value, tuple) else (value, value)
    return f"{low:.6g}" if low == high else f"{low:.6g} .. {high:.6g}"


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return ``"1 row"``, ``"2 rows"``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
