"""Figures of the pages, drawn when the documentation is built: ``draw(folder)`` writes them as SVG.

What a trapped sample is; a box, its image in Krawczyk's test and the zero in it; Gram matrices of rank two.
"""

from pathlib import Path

import numpy as np
from flint import arb, arb_mat
from matplotlib.figure import Figure

from sphereufm import UFMProblem, verify_landscape
from sphereufm.landscape.report.summary import KIND_NAMES

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#888888"


def draw(folder: Path) -> None:
    """Write all figures."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in {"trapped": trapped(), "krawczyk": krawczyk(), "gram": gram()}.items():
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})


def trapped() -> Figure:
    """A sample opposite to its classifier, and its cost as it turns back: a valley from tau = K - 1 on."""
    figure = Figure(figsize=(8.4, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.5))
    turn = np.linspace(0.0, 2.0 * np.pi, 200)
    left.plot(np.cos(turn), np.sin(turn), color=GREY, linewidth=0.8)
    frame = np.pi / 2 + 2.0 * np.pi * np.arange(3) / 3
    for k, (angle, colour) in enumerate(zip(frame, (ORANGE, BLUE, GREEN), strict=True), start=1):
        place = np.array([np.cos(angle), np.sin(angle)])
        left.annotate("", place, (0, 0), arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 1.6})
        left.plot(*place, "o", color=colour, markersize=7)
        left.annotate(f"$w_{k}$", 1.18 * place, ha="center", va="center", fontsize=10)
    left.plot(0, -1, "o", color=ORANGE, markersize=7, markerfacecolor="white", markeredgewidth=2)
    left.annotate("one sample of class 1", (0, -1.16), ha="center", va="center", fontsize=9)
    left.set(xlim=(-1.9, 1.9), ylim=(-1.35, 1.35), aspect="equal")
    left.set_axis_off()
    angles = np.linspace(-np.pi, np.pi, 400)
    for tau, style in ((1, ":"), (2, "--"), (4, "-")):
        cosines = np.cos(angles[:, None] + np.pi - np.array([0.0, 2.0, 4.0]) * np.pi / 3)
        cost = np.log(np.exp(tau * (cosines - cosines[:, :1])).sum(axis=1))
        right.plot(np.degrees(angles), cost / tau, style, color=ORANGE, label=f"tau = {tau}")
    right.set(xlabel="angle of the sample from $-w_1$, degrees", ylabel="its cost / tau")
    right.set_xticks([-180, -90, 0, 90, 180])
    right.legend(frameon=False)
    right.spines[["top", "right"]].set_visible(False)
    return figure


def krawczyk() -> Figure:
    """Krawczyk's test of x^2 + y^2 = 1, y = x^2, in ball arithmetic: the image of the box lies within it."""
    centre, radius = np.array([0.78, 0.62]), 0.06
    box = [arb(float(c), radius) for c in centre]
    x, y = centre
    middle = np.array([[2 * x, 2 * y], [-2 * x, 1.0]])
    inverse = arb_mat(np.linalg.inv(middle).tolist())
    value = arb_mat([[x * x + y * y - 1.0], [y - x * x]])
    slopes = arb_mat([[2 * box[0], 2 * box[1]], [-2 * box[0], arb(1)]])
    away = arb_mat([[arb(0, radius)], [arb(0, radius)]])
    image = arb_mat([[float(c)] for c in centre]) - inverse * value
    image += (arb_mat([[1, 0], [0, 1]]) - inverse * slopes) * away
    balls = [image[i, 0] for i in range(2)]
    assert all(outer.contains_interior(inner) for outer, inner in zip(box, balls, strict=True))
    figure = Figure(figsize=(5.2, 4.2), layout="constrained")
    axes = figure.add_subplot()
    line = np.linspace(0.68, 0.88, 200)
    axes.plot(line, np.sqrt(1 - line**2), color=GREY, label="$x^2 + y^2 = 1$")
    axes.plot(line, line**2, color=GREY, linestyle="--", label="$y = x^2$")
    for ball, colour, text in ((box, BLUE, "box X"), (balls, ORANGE, "its image K(X)")):
        low, high = ([float(b.mid()) + s * float(b.rad()) for b in ball] for s in (-1, 1))
        axes.fill_between(
            [low[0], high[0]], low[1], high[1], facecolor=colour, alpha=0.3, edgecolor=colour, label=text
        )
    axes.plot(*centre, "+", color=BLUE, markersize=10, label="centre")
    y = (np.sqrt(5) - 1) / 2
    axes.plot(np.sqrt(y), y, "o", color="k", markersize=4, label="the zero")
    axes.set(xlim=(0.7, 0.86), ylim=(0.54, 0.7), xlabel="x", ylabel="y", aspect="equal")
    figure.legend(loc="outside right upper", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def gram() -> Figure:
    """Gram matrices of the lowest critical points of rank two of three classes in the plane."""
    problem = UFMProblem(class_sizes=(1, 1, 1), dim=2, tau=12)
    report = verify_landscape(problem, effort="quick")
    rows = [entry for entry in report.critical if entry.rank == 2][:4]
    figure = Figure(figsize=(9.0, 2.9), layout="constrained")
    panels = figure.subplots(1, len(rows))
    names = [f"${letter}_{k}$" for letter in "wh" for k in (1, 2, 3)]
    for axes, entry in zip(panels, rows, strict=True):
        shown = axes.imshow(entry.X.T @ entry.X, cmap="RdBu", vmin=-1, vmax=1)
        axes.set_title(
            f"{KIND_NAMES[entry.kind]}\ncost {entry.cost:.3g}, index {entry.morse_index}", fontsize=9
        )
        axes.set_xticks(range(6), names, fontsize=8)
        axes.set_yticks(range(6), names, fontsize=8)
        axes.tick_params(length=0)
    figure.colorbar(shown, ax=panels, label="inner product", shrink=0.8)
    return figure
