"""Writing figures: to a temporary name, then renamed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from sphereufm.errors import OutputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["save_png"]


def save_png(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure as PNG.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    target = Path(path)
    aside = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        figure.savefig(aside, format="png", dpi=150)
        os.replace(aside, target)
    except OSError as error:
        raise OutputError(f"{target} cannot be written: {error.strerror}") from error
