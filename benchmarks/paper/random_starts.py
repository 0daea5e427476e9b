r"""Gradient descent from random starts inside the hypotheses of Theorem S: how often it ends at the global minimum.

    python benchmarks/paper/random_starts.py --out docs/images/random-starts.svg

Riemannian steepest descent with Armijo steps and *without* the solvers' saddle escape, from points drawn uniformly, to
a columnwise relative gradient norm of 1e-6.  A run counts as global if its cost is within a millionth of the
closed-form minimum, relatively.  Everything here is numerical.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from drawing import axes_of, experiment_parser, save, save_data
from threadpoolctl import threadpool_limits

from sphereufm import UFMProblem, global_minimum
from sphereufm.solvers import Settings
from sphereufm.solvers.solve import solve_batch

_TAUS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
_SETTINGS = Settings(tolerance=1e-6, max_iterations=20_000, escape_saddles=False)
_SAME_COST = 1e-6


@dataclass(frozen=True, kw_only=True)
class Share:
    """What became of the starts of one instance."""

    classes: int
    dim: int
    per_class: int
    tau: float
    starts: int
    converged: int
    at_minimum: int
    median_iterations: float


def instances() -> Iterator[tuple[int, int, int]]:
    """``(K, d, n)`` with ``d >= max(K, 3)``."""
    for K in (2, 3, 4, 6):
        for d in dict.fromkeys((max(K, 3), K + 1, 2 * K)):
            if d >= max(K, 3):
                yield from ((K, d, n) for n in (1, 5))


def measure(K: int, d: int, n: int, tau: float, starts: int) -> Share:
    """Run one instance from ``starts`` points."""
    problem = UFMProblem(class_sizes=(n,) * K, dim=d, tau=tau)
    results = solve_batch(problem, starts, rng=0, solver="steepest-descent", settings=_SETTINGS)
    minimum = global_minimum(problem)
    return Share(
        classes=K,
        dim=d,
        per_class=n,
        tau=tau,
        starts=starts,
        converged=sum(r.converged for r in results),
        at_minimum=sum(r.cost <= minimum * (1.0 + _SAME_COST) for r in results),
        median_iterations=float(np.median([r.iterations for r in results])),
    )


def draw(shares: list[Share], path: Path) -> None:
    """Median iterations against tau, one line an instance; the title says how many runs were global."""
    figure, axes = axes_of("temperature parameter tau", "iterations (median)")
    for K, d, n in instances():
        rows = [s for s in shares if (s.classes, s.dim, s.per_class) == (K, d, n)]
        axes.plot(
            [s.tau for s in rows],
            [s.median_iterations for s in rows],
            color=f"C{(2, 3, 4, 6).index(K)}",
            ls="-" if n == 1 else "--",
            lw=1,
            label=f"K = {K}" if (n == 1 and d == max(K, 3)) else None,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    total, good = sum(s.starts for s in shares), sum(s.at_minimum for s in shares)
    axes.set_title(f"{good} of {total} runs of gradient descent ended at the global minimum", fontsize=10)
    axes.legend(frameon=False, title="solid: n = 1, dashed: n = 5", title_fontsize=8)
    save(figure, path)


def main() -> None:
    """Run the grid, print what failed, write figure and JSON."""
    parser = experiment_parser(__doc__, "random-starts")
    parser.add_argument("--starts", type=int, default=50)
    options = parser.parse_args()
    with threadpool_limits(1):
        shares = [measure(*i, tau, options.starts) for i in instances() for tau in _TAUS]
    for s in shares:
        if s.at_minimum < s.starts:
            print(f"not all at the minimum: {s}")
    print(
        f"{sum(s.at_minimum for s in shares)} of {sum(s.starts for s in shares)} runs at the global minimum"
    )
    draw(shares, options.out)
    save_data(shares, options.data)


if __name__ == "__main__":
    main()
