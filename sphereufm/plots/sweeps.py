"""Phase diagrams of sweeps. They draw what others computed, and compute nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from sphereufm.plots.saving import save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# colour-blind safe (Okabe and Ito, 2008), and a shape of its own for each answer
_STYLE = {
    "benign": ("#009E73", "s", "benign"),
    "spurious": ("#D55E00", "X", "spurious minimiser, PROVED"),
    "spurious, numerical": ("#E69F00", "P", "spurious minimiser, numerical"),
    "degenerate": ("#CC79A7", "D", "degenerate point, PROVED"),
    "degenerate, numerical": ("#8C6BB1", "d", "degenerate point, numerical"),
    "undecided": ("#999999", "o", "undecided: nothing found, no theorem"),
    "failed": ("#000000", "x", "failed"),
}


def phase_diagram_figure(index: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw the verdicts of a sweep over temperature and dimension, one panel for each (n, K).

    ``index``: as :func:`~sphereufm.sweeps.run.run_sweep` returns it.
    """
    from matplotlib.figure import Figure

    columns = sorted({line["cell"]["classes"] for line in index})
    rows = sorted({line["cell"]["per_class"] for line in index})
    size = (2.4 * max(len(columns), 2) + 0.6, 1.9 * max(len(rows), 1) + 1.3)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(max(len(rows), 1), max(len(columns), 1), squeeze=False, sharex=True)
    for i, n in enumerate(rows):
        for j, K in enumerate(columns):
            _draw_panel(
                grid[i, j], [e for e in index if (e["cell"]["per_class"], e["cell"]["classes"]) == (n, K)]
            )
            grid[i, j].set_title(f"K = {K}, n = {n}", fontsize=9)
    for axes in grid[-1]:
        axes.set_xlabel(r"inverse temperature $\tau$", fontsize=8)
    figure.supylabel("dimension d", fontsize=9)
    handles: dict[str, Any] = {}
    for axes in grid.flat:
        handles |= {text: handle for handle, text in zip(*axes.get_legend_handles_labels(), strict=True)}
    if handles:
        figure.legend(
            handles.values(), handles.keys(), loc="outside lower center", ncols=1, frameon=False, fontsize=8
        )
    return figure


def save_phase_diagram(index: Sequence[Mapping[str, Any]], path: str | os.PathLike[str]) -> None:
    """Write :func:`phase_diagram_figure` as SVG: to a temporary name beside ``path``, then renamed.

    Raises OutputError if the file cannot be written.
    """
    save_figure(phase_diagram_figure(index), path, form="svg")


def _draw_panel(axes: Any, lines: Sequence[Mapping[str, Any]]) -> None:
    """One mark a cell."""
    axes.set_xscale("log")
    for answer, (colour, marker, label) in _STYLE.items():
        chosen = [line["cell"] for line in lines if _answer(line) == answer]
        if chosen:
            taus = [float(Fraction(cell["tau"])) for cell in chosen]
            dims = [cell["dim"] for cell in chosen]
            axes.scatter(taus, dims, c=colour, marker=marker, s=26, label=label, linewidths=0.8)
    axes.set_yticks(sorted({line["cell"]["dim"] for line in lines}))
    axes.tick_params(labelsize=8)
    axes.margins(y=0.2)
    axes.spines[["top", "right"]].set_visible(False)


def _answer(line: Mapping[str, Any]) -> str:
    """What the diagram shows of a cell."""
    if line["status"] != "done":
        return "failed"
    if line["verdict"] == "BENIGN":
        return "benign"
    if line["verdict"] == "UNDECIDED":
        return "undecided"
    # cells of 0.1.0 do not name the kind, but count all kinds
    degenerate = "SPURIOUS_LOCAL_MINIMUM" not in line.get("kinds", {})
    known = {"SPURIOUS_LOCAL_MINIMUM": False, "DEGENERATE": True}
    name = "degenerate" if known.get(line.get("counterexample_kind") or "", degenerate) else "spurious"
    return name if line["counterexample_status"] == "PROVED" else f"{name}, numerical"
