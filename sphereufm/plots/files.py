"""Writing figures: to a temporary name, then renamed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from sphereufm.errors import OutputError

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
    target = Path(path)
    aside = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        figure.savefig(aside, format=form, dpi=dpi)
        os.replace(aside, target)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise OutputError(f"{target} cannot be written: {error.strerror}") from error
