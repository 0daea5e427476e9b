"""What people see without a command: tables as text and, for notebooks, as plain HTML; a notebook's bar of progress."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

# seconds between two pictures of a bar
_REFRESH = 0.2


def html_table(caption: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table as HTML.

    ``caption``: its lines become lines of the caption.  ``rows``: texts as they are to be read; they are
    escaped here.
    """
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    lines = "<br>".join(map(escape, caption.splitlines()))
    return f"<table><caption>{lines}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def text_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table as lines of text, columns aligned on the right, the last one on the left."""
    lines = [tuple(headings), *map(tuple, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join([*map(str.rjust, line[:-1], widths[:-1]), line[-1]]).rstrip() for line in lines
    )


class NotebookBar:
    """Progress in a notebook: one bar below the cell, replaced in place."""

    def __init__(self, display: Any) -> None:
        self._display, self._handle, self._drawn, self._begun = display, None, 0.0, time.monotonic()

    def __call__(self, stage: str, done: int, total: int, detail: str = "") -> None:
        """Draw it, a few times a second and at the end."""
        now = time.monotonic()
        if done < total and now - self._drawn < _REFRESH:
            return
        self._drawn = now
        left = (now - self._begun) * (total - done) / max(done, 1)
        text = escape(f"{stage}, about {left:.0f} s left; {detail}".removesuffix("; "))
        bar = self._display.HTML(f'<progress value="{done}" max="{max(total, 1)}"></progress> {text}')
        if self._handle is None:
            self._handle = self._display.display(bar, display_id=True)
        else:
            self._handle.update(bar)


def notebook_bar() -> NotebookBar | None:
    """A bar where Python runs in a notebook's kernel, else None; IPython is loaded there."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return NotebookBar(ipython.display) if ipython and hasattr(shell, "kernel") else None


def shown(value: str | float | tuple[float, float] | None) -> str:
    """Return a text as it is, a number to six digits, a range, or a dash."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    low, high = value if isinstance(value, tuple) else (value, value)
    return f"{low:.6g}" if low == high else f"{low:.6g} .. {high:.6g}"


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return ``"1 row"``, ``"2 rows"``, ``"1,000 rows"``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
