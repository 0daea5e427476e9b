"""Writing figures."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sphereufm.files import write_aside

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["save_figure"]


def save_figure(figure: Figure, path: str | os.PathLike[str], form: str = "png", dpi: int = 150) -> None:
    """Write a figure, as PNG or SVG, to a temporary name beside ``path``; then rename it.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    write_aside(path, lambda aside: figure.savefig(aside, format=form, dpi=dpi))
