"""Writing figures: to files, and into pages."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, TypeAlias

import matplotlib as mpl
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from sphereufm.errors import InvalidInputError, one_of
from sphereufm.files import write_aside

Drawing: TypeAlias = Callable[..., Figure]
"""What makes a figure."""

# A colour that no figure uses: it stands for the page's own text colour until the SVG is written.
_INK = "#010203"
_INKED = (
    "text.color",
    "axes.edgecolor",
    "axes.labelcolor",
    "axes.titlecolor",
    "xtick.color",
    "ytick.color",
)


def save_figure(
    figure: Figure, path: str | os.PathLike[str], form: str | None = None, dpi: int = 150
) -> None:
    """Write a figure aside, then rename it; raises OutputError if the file cannot be written.

    ``form``: ``"png"``, ``"svg"`` or another that matplotlib has (InvalidInputError if it has none of this name), by
    default that of the path's ending, PNG without one.
    """
    form = (form or Path(path).suffix[1:] or "png").lower()
    known = FigureCanvasBase.get_supported_filetypes()
    if form not in known:
        raise InvalidInputError(f"path={str(path)!r}: form={form!r} must be {one_of(form, sorted(known))}")
    write_aside(path, lambda aside: figure.savefig(aside, format=form, dpi=dpi))


def page_svg(draw: Drawing, name: str) -> str:
    """Return a figure as an SVG element for a page, on no ground and in the page's own text colour.

    ``draw``: makes the figure; ``name``: starts every id in it, so that the ids of several figures differ.
    """
    text = BytesIO()
    settings: dict[Any, str] = {"svg.fonttype": "none", "svg.hashsalt": name, **dict.fromkeys(_INKED, _INK)}
    with mpl.rc_context(settings):
        figure = draw()
        for patch in (figure.patch, *(axes.patch for axes in figure.axes)):
            patch.set_alpha(0.0)
        canvas: Any = FigureCanvasSVG(figure)
        # savefig would draw twice, once to find out how large the figure is
        canvas.print_svg(text, metadata={"Date": None})
    page = text.getvalue().decode()
    svg = page[page.index("<svg") :].replace(_INK, "currentColor")
    # matplotlib's own style element speaks of the whole page
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, count=1, flags=re.DOTALL)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, count=1, flags=re.DOTALL)
    return re.sub(r'(\bid="|"#|url\(#)', lambda match: f"{match[1]}{name}-", svg)
