"""What the experiments share: options, one look for the figures, data as JSON."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["axes_of", "experiment_parser", "save", "save_data"]


def experiment_parser(doc: str | None, name: str) -> argparse.ArgumentParser:
    """Return a parser with the options that every experiment has."""
    parser = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(f"results/{name}.svg"), help="the figure")
    parser.add_argument(
        "--data", type=Path, default=Path(f"results/{name}.json"), help="the figures in numbers"
    )
    return parser


def save_data(rows: Sequence[Any], path: Path) -> None:
    """Write a list of dataclasses as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name("." + path.name)
    aside.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")
    aside.replace(path)
    print(f"Written: {path}")


def axes_of(
    xlabel: str, ylabel: str, columns: int = 1, width: float = 6.4, rows: int = 1
) -> tuple[Figure, Axes]:
    """Return a figure and its axes (an array of them where there are several)."""
    figure = Figure(figsize=(width, 3.8 if rows == 1 else 2.3 * rows), layout="constrained")
    axes = figure.subplots(rows, columns)
    for ax in axes.flat if columns * rows > 1 else [axes]:
        ax.set_xlabel(xlabel)
        ax.set_ylabel(ylabel)
        ax.spines[["top", "right"]].set_visible(False)
    return figure, axes


def save(figure: Figure, path: Path) -> None:
    """Write the figure, the same bytes for the same data."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rcParams["svg.hashsalt"] = "sphereufm"
    metadata = {"Date": None} if path.suffix == ".svg" else None
    aside = path.with_name("." + path.name)
    figure.savefig(aside, metadata=metadata, dpi=120)
    aside.replace(path)
    print(f"Written: {path}")
