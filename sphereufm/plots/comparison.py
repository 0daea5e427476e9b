"""Figures of a comparison of solvers: the way down, performance profiles, data profiles.  They compute nothing new."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sphereufm.comparison import Comparison, data_profile, performance_profile
from sphereufm.plots.axes import (
    COLOURS,
    COLUMNS,
    DASHES,
    FONT,
    bare,
    constrained,
    legend,
    panels,
    plain_texts,
    plain_ticks,
    row_marks,
)


@plain_texts
def profiles_figure(comparison: Comparison) -> Figure:
    """Draw performance profile (seconds) and data profile (calls): a curve that ends below one failed on the rest."""
    figure = constrained(9.6, 4.8)
    left, right = figure.subplots(1, 2, sharey=True)
    _draw_steps(left, comparison, performance_profile(comparison.measurements))
    _draw_steps(right, comparison, data_profile(comparison.measurements), copy=1)
    left.set(title="performance profile", xlabel="time over the quickest solver's", ylim=(-0.02, 1.02))
    left.set_ylabel("share of tasks solved")
    right.set(title="data profile", xlabel="calls of cost, gradient and Hessian")
    legend(figure, where="outside upper center")
    return figure


@plain_texts
def convergence_figure(comparison: Comparison) -> Figure:
    """Draw the best relative gradient norm so far against seconds, from the first start of each instance.

    ``comparison``: made with ``curves=True``.
    """
    number = len(comparison.instances)
    figure = constrained(4.0 * min(COLUMNS, number), 2.6 * -(-number // COLUMNS) + 0.6)
    for axes, instance in zip(panels(figure, number), comparison.instances, strict=True):
        _draw_way_down(axes, comparison, instance)
    figure.supxlabel("seconds", fontsize=FONT)
    figure.supylabel("relative gradient norm", fontsize=FONT)
    legend(figure, where="outside upper center")
    return figure


def _style(comparison: Comparison, solver: str) -> dict[str, Any]:
    """Colour and dashes of a solver, the same in every figure."""
    place = comparison.solvers.index(solver)
    return {
        "label": solver,
        "color": COLOURS[place % len(COLOURS)],
        "linestyle": DASHES[place // len(COLOURS) % len(DASHES)],
        "linewidth": 1.5,
    }


def _draw_steps(
    axes: Axes, comparison: Comparison, profile: Mapping[str, NDArray[np.float64]], copy: int = 0
) -> None:
    """Shares of tasks as staircases on a logarithmic axis; failures are the missing rest."""
    solved = [values[np.isfinite(values)] for values in profile.values()]
    everything = np.concatenate(solved) if solved else np.empty(0)
    least, most = (everything.min(), everything.max()) if everything.size else (1.0, 1.0)
    end = 1.3 * most
    for (solver, values), finite in zip(profile.items(), solved, strict=True):
        share = np.arange(finite.size + 1) / max(values.size, 1)
        axes.step(
            np.r_[0.9 * least, finite, end],
            np.r_[share, share[-1]],
            where="post",
            gid=row_marks([comparison.solvers.index(solver)], "solvers-", copy),
            **_style(comparison, solver),
        )
    axes.set(xscale="log", xlim=(0.9 * least, end))
    plain_ticks(axes.xaxis)
    bare(axes, grid=True)


def _draw_way_down(axes: Axes, comparison: Comparison, instance: str) -> None:
    """Curves of the solvers on one instance."""
    for row, m in enumerate(comparison.measurements):
        if m.instance != instance or not m.curve:
            continue
        seconds, _, norms = zip(*m.curve, strict=True)
        # a zero has no place on a logarithmic axis
        axes.plot(np.maximum(seconds, 1e-6), norms, gid=row_marks([row]), **_style(comparison, m.solver))
    axes.axhline(comparison.rules.tolerance, color="#888888", linewidth=0.8)
    axes.set(xscale="log", yscale="log", title=instance)
    plain_ticks(axes.xaxis)
    plain_ticks(axes.yaxis)
    bare(axes, grid=True)
