"""Are all losses created equal on the spheres?  Minimisers, rates near them, saddles and iterations, loss by loss.

    python benchmarks/paper/losses.py --out docs/images/losses.svg --data losses.json

For cross-entropy, label smoothing, focal, squared error and one-against-all logistic, over K and tau, with two samples
a class in ``d = K + 1``:

* is the lowest point that twenty descents find a collapsed simplex frame, or does its cost lie below that of one;
* the condition number of the Hessian there on the horizontal space, ``c``: gradient descent gains the factor
  ``(c - 1) / (c + 1)`` an iteration at best; none where minimisers form a family;
* median iterations of the default solver and of steepest descent, to a relative gradient norm of 1e-8.

And for one sample a class the landscape: saddles, their indices, minimisers.  All numbers are floating point.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from drawing import axes_of, experiment_parser, save, save_data
from threadpoolctl import threadpool_limits

from sphereufm import UFMProblem, collapsed_point, global_minimum, verify_landscape
from sphereufm.landscape.points import CriticalFamily
from sphereufm.solvers.result import Settings
from sphereufm.solvers.solve import solve_batch
from sphereufm.spectra.spectrum import hessian_spectrum

LOSSES: dict[str, Any] = {
    "cross-entropy": "cross-entropy",
    "label smoothing 0.1": {"name": "label-smoothing", "smoothing": "0.1"},
    "focal 2": {"name": "focal", "focusing": 2},
    "squared error": "squared-error",
    "logistic": "logistic",
}
CLASSES = (3, 4, 6)
TAUS = (0.25, 0.5, 0.9, 1.5, 2.5, 4.0, 6.0, 10.0)
STARTS = 20


@dataclass(frozen=True, kw_only=True)
class Line:
    """One loss, K and tau; ``frame`` whether the lowest point costs what a collapsed simplex frame does."""

    loss: str
    classes: int
    tau: float
    cost: float
    frame: bool
    known: float | None
    ended_lowest: int
    condition: float | None
    iterations: float
    descent_iterations: float


@dataclass(frozen=True, kw_only=True)
class Landscape:
    """Critical points at K = 3, one sample a class, d = 4."""

    loss: str
    tau: float
    verdict: str
    minimisers: int
    saddles: int
    families: int
    least_index: int
    largest_index: int


def measure(name: str, K: int, tau: float) -> Line:
    """Descents from random starts, and the Hessian at the best of their ends."""
    problem = UFMProblem(class_sizes=(2,) * K, dim=K + 1, tau=tau, loss=LOSSES[name])
    settings = Settings(tolerance=1e-8, max_iterations=20_000)
    runs = solve_batch(problem, STARTS, rng=1, settings=settings)
    plain = solve_batch(problem, STARTS, rng=1, solver="steepest-descent", settings=settings)
    best = min(runs, key=lambda run: run.cost)
    spectrum = hessian_spectrum(problem, best.X)
    positive = spectrum.eigenvalues
    definite = spectrum.nullity == 0 and spectrum.morse_index == 0
    frame = float(problem.cost(collapsed_point(problem)))
    return Line(
        loss=name,
        classes=K,
        tau=tau,
        cost=best.cost,
        frame=abs(frame - best.cost) <= 1e-7 * max(frame, 1e-300) + 1e-13,
        known=global_minimum(problem),
        ended_lowest=sum(run.cost - best.cost <= 1e-6 * abs(best.cost) + 1e-12 for run in runs),
        condition=_condition(positive, spectrum.normal_eigenvalues) if definite else None,
        iterations=median(run.iterations for run in runs),
        descent_iterations=median(run.iterations for run in plain),
    )


def _condition(within: Any, normal: Any) -> float:
    """Largest over least nonzero eigenvalue, within the span and normal to it."""
    values = np.concatenate([within, normal])
    nonzero = values[np.abs(values) > 1e-9 * np.abs(values).max()]
    return float(nonzero.max() / nonzero.min())


def enumerate_landscape(name: str, tau: float) -> Landscape:
    """The list of critical points."""
    problem = UFMProblem(class_sizes=(1, 1, 1), dim=4, tau=tau, loss=LOSSES[name])
    report = verify_landscape(problem, starts=120, rng=0)
    kinds = Counter("saddle" if entry.kind.name == "STRICT_SADDLE" else "other" for entry in report.critical)
    indices = [
        entry.morse_index
        for entry in report.critical
        if not isinstance(entry, CriticalFamily) and isinstance(entry.morse_index, int) and entry.morse_index
    ]
    return Landscape(
        loss=name,
        tau=tau,
        verdict=report.verdict.name,
        minimisers=kinds["other"],
        saddles=kinds["saddle"],
        families=sum(isinstance(entry, CriticalFamily) for entry in report.critical),
        least_index=min(indices, default=0),
        largest_index=max(indices, default=0),
    )


def draw(lines: list[Line], path: Path) -> None:
    """Condition number and iterations of steepest descent against tau, K = 4."""
    figure, (left, right) = axes_of(r"$\tau$", "condition number at the minimiser", columns=2, width=7.5)
    for name in LOSSES:
        chosen = [line for line in lines if line.loss == name and line.classes == 4]
        known = [line for line in chosen if line.condition is not None]
        left.plot([line.tau for line in known], [line.condition for line in known], "o-", ms=3, label=name)
        right.plot([line.tau for line in chosen], [line.descent_iterations for line in chosen], "o-", ms=3)
    right.set_ylabel("iterations of steepest descent")
    for axes in (left, right):
        axes.set_xscale("log")
        axes.set_yscale("log")
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    save(figure, path)


def main() -> None:
    """Measure, print, draw."""
    words = experiment_parser(__doc__, "losses").parse_args()
    with threadpool_limits(1):
        lines = [measure(name, K, tau) for name in LOSSES for K in CLASSES for tau in TAUS]
        lists = [enumerate_landscape(name, tau) for name in LOSSES for tau in (0.9, 3.0)]
    for line in (*lines, *lists):
        print(line)
    save_data([*lines, *lists], words.data)
    draw(lines, words.out)


if __name__ == "__main__":
    main()
