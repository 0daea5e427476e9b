"""Phase diagrams of sweeps. They draw what others computed, and compute nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from matplotlib.figure import Figure

from sphereufm.errors import read_fraction
from sphereufm.plots.axes import (
    FONT,
    bare,
    constrained,
    legend,
    plain_texts,
    plain_ticks,
    row_marks,
    whole_numbers,
)

# colour-blind safe (Okabe and Ito, 2008), and a shape of its own for each answer
_STYLE = {
    "benign": ("#009E73", "s", "benign"),
    "spurious": ("#D55E00", "X", "spurious minimiser, PROVED"),
    "spurious, numerical": ("#E69F00", "P", "spurious minimiser, numerical"),
    "degenerate": ("#CC79A7", "D", "degenerate point, PROVED"),
    "degenerate, numerical": ("#8C6BB1", "d", "degenerate point, numerical"),
    "undecided": ("#999999", "o", "undecided: nothing found, no theorem"),
    "finite": ("#56B4E9", "^", "d = 1: a finite set, listed"),
    "failed": ("#000000", "x", "failed"),
}
# a logarithmic axis of more has no ends, or no ticks: they are no floats
_FARTHEST = Fraction(10**150)


@plain_texts
def phase_diagram_figure(index: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw the verdicts of a sweep, by its index, over temperature and dimension, one panel for each (n, K)."""
    columns = sorted({line["cell"]["classes"] for line in index})
    rows = sorted({line["cell"]["per_class"] for line in index})
    figure = constrained(2.8 * max(len(columns), 2) + 0.6, 2.2 * max(len(rows), 1) + 1.4)
    grid = figure.subplots(max(len(rows), 1), max(len(columns), 1), squeeze=False, sharex=True)
    for i, n in enumerate(rows):
        for j, K in enumerate(columns):
            cells = [
                (row, line)
                for row, line in enumerate(index)
                if (line["cell"]["per_class"], line["cell"]["classes"]) == (n, K)
            ]
            _draw_panel(grid[i, j], cells)
            grid[i, j].set_title(f"K = {K}, n = {n}")
    for axes in grid[-1]:
        axes.set_xlabel("inverse temperature tau")
        plain_ticks(axes.xaxis)
    figure.supylabel("dimension d", fontsize=FONT)
    legend(figure, where="outside lower center")
    return figure


def _draw_panel(axes: Any, lines: Sequence[tuple[int, Mapping[str, Any]]]) -> None:
    """One mark a cell; each with its row."""
    axes.set_xscale("log")
    for answer, (colour, marker, label) in _STYLE.items():
        chosen = [(row, line["cell"]) for row, line in lines if _answer(line) == answer]
        if chosen:
            taus = [_place(cell["tau"]) for _, cell in chosen]
            dims = [cell["dim"] for _, cell in chosen]
            marks = row_marks(row for row, _ in chosen)
            axes.scatter(taus, dims, c=colour, marker=marker, s=30, label=label, linewidths=0.8, gid=marks)
    whole_numbers(axes.yaxis)
    axes.margins(y=0.2)
    bare(axes)


def _place(tau: str) -> float:
    """Where a temperature stands on the axis, at its end where it lies beyond; zero stands nowhere."""
    exact = read_fraction(tau)
    return float(min(max(exact, 1 / _FARTHEST), _FARTHEST)) if exact > 0 else math.nan


def _answer(line: Mapping[str, Any]) -> str:
    """What the diagram shows of a cell."""
    if line["status"] != "done":
        return "failed"
    if line["verdict"] != "NOT_BENIGN":
        return str(line["verdict"]).lower()
    # cells of 0.1.0 do not name the kind, but count all kinds
    kinds = [line.get("counterexample_kind")] if line.get("counterexample_kind") else line.get("kinds", {})
    name = "spurious" if "SPURIOUS_LOCAL_MINIMUM" in kinds else "degenerate"
    return name if line["counterexample_status"] == "PROVED" else f"{name}, numerical"
