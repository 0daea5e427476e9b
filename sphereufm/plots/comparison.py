"""Figures of a comparison of solvers: the way down, performance profiles, data profiles.  They compute nothing new."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from sphereufm.comparison import Comparison, data_profile, performance_profile
from sphereufm.plots.axes import FONT, bare, constrained, legend, plain_ticks, row_marks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

# colour-blind safe (Okabe and Ito, 2008); dashes tell apart what shares a colour
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_DASHES = ("-", "--", ":", "-.")
_COLUMNS = 3


def profiles_figure(comparison: Comparison) -> Figure:
    """Draw the performance profile (seconds) and the data profile (calls), side by side.

    Result: not attached to any window.  A curve that ends below one: the solver failed on the rest.
    """
    figure = constrained(9.6, 4.8)
    left, right = figure.subplots(1, 2, sharey=True)
    _draw_steps(left, comparison, performance_profile(comparison.measurements))
    left.set(
        title="performance profile", xlabel="time over the quickest solver's", ylabel="share of tasks solved"
    )
    _draw_steps(right, comparison, data_profile(comparison.measurements), copy=1)
    right.set(title="data profile", xlabel="calls of cost, gradient and Hessian")
    left.set_ylim(-0.02, 1.02)
    legend(figure, where="outside upper center")
    return figure


def convergence_figure(comparison: Comparison) -> Figure:
    """Draw the best relative gradient norm so far against seconds, one panel for each instance.

    ``comparison``: made with ``curves=True``; the curves are those of the first start.  Result: not attached
    to any window.
    """
    rows = -(-len(comparison.instances) // _COLUMNS)
    columns = min(_COLUMNS, len(comparison.instances))
    figure = constrained(4.0 * columns, 2.6 * rows + 0.6)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, instance in itertools.zip_longest(panels, comparison.instances):
        if instance is None:
            axes.set_visible(False)
            continue
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
        "color": _COLOURS[place % len(_COLOURS)],
        "linestyle": _DASHES[place // len(_COLOURS) % len(_DASHES)],
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
    axes.set_xscale("log")
    axes.set_xlim(0.9 * least, end)
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
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_title(instance)
    plain_ticks(axes.xaxis)
    plain_ticks(axes.yaxis)
    bare(axes, grid=True)
