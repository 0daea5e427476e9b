r"""Time spent near strict saddles, with and without the solvers' saddle escape.

    python benchmarks/paper/saddles.py --out docs/images/saddles.svg

Each run starts a distance ``epsilon`` from an exact strict saddle, in a random direction.  Counted are all evaluations
of a solver's run to a relative gradient norm of 1e-9, if its cost is then within a millionth (relatively) of the global
minimum.  Beside the solvers stands gradient descent with a fixed step ``1 / L``, ``L`` the largest eigenvalue met at
the saddles, counted until its cost is that low: it leaves a saddle at the rate of the negative curvature, so that its
count grows with ``log(1 / epsilon)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from drawing import axes_of, experiment_parser, save, save_data
from threadpoolctl import threadpool_limits

from sphereufm import CriticalPointKind, UFMProblem, embed, global_minimum, hessian_matrix, verify_landscape
from sphereufm.geometry.spheres import Array, retract, tangent_norm
from sphereufm.solvers import Settings, solve

_EPSILONS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12, 0.0)
_SETTINGS = {True: Settings(max_iterations=5000), False: Settings(max_iterations=5000, escape_saddles=False)}
_SOLVERS = ("steepest-descent", "lbfgs", "trust-region")
_FIXED_STEP = "fixed step"
_MOST_STEPS = 20_000
_SADDLES = 12
_SAME_COST = 1e-6
# where an exact saddle (epsilon = 0) is drawn on the logarithmic axis
_LEFT_END = 1e-14


@dataclass(frozen=True, kw_only=True)
class Escape:
    """Runs of one solver from one distance: how many reached the minimum, and their median evaluations."""

    solver: str
    escape: bool
    epsilon: float
    runs: int
    at_minimum: int
    evaluations: float | None


def strict_saddles(problem: UFMProblem) -> list[Array]:
    """Return exact strict saddles in ``R^d``, the lowest in cost first."""
    entries = verify_landscape(problem, rng=0).critical
    points = [e for e in entries if e.kind is CriticalPointKind.STRICT_SADDLE and not hasattr(e, "name")]
    return [embed(e.X, problem.dim) for e in points[:_SADDLES]]


def steps_of_gradient_descent(problem: UFMProblem, X: Array, step: float) -> int | None:
    """Steps of fixed length until the cost is that of the minimum; None where it does not get there."""
    target = global_minimum(problem) * (1.0 + _SAME_COST)
    for number in range(_MOST_STEPS):
        point = problem.at(X)
        if point.cost <= target:
            return number
        X = retract(X, -step * point.gradient)
    return None


def nearby(problem: UFMProblem, saddle: Array, epsilon: float, seed: int) -> Array:
    """Return a point at distance ``epsilon`` from the saddle."""
    U = problem.spheres.random_tangent(np.random.default_rng(seed), saddle)
    return retract(saddle, epsilon / tangent_norm(U) * U)


def measure_fixed_step(problem: UFMProblem, saddles: list[Array], epsilon: float) -> Escape:
    """Run gradient descent with a fixed step from every saddle."""
    L = max(float(np.linalg.eigvalsh(hessian_matrix(problem, X))[-1]) for X in saddles)
    ends = [
        steps_of_gradient_descent(problem, nearby(problem, X, epsilon, seed), 1.0 / L)
        for seed, X in enumerate(saddles)
    ]
    return _row(_FIXED_STEP, False, epsilon, len(saddles), [count for count in ends if count is not None])


def _row(solver: str, escape: bool, epsilon: float, runs: int, counts: list[int]) -> Escape:
    """Sum up the runs that arrived."""
    return Escape(
        solver=solver,
        escape=escape,
        epsilon=epsilon,
        runs=runs,
        at_minimum=len(counts),
        evaluations=float(np.median(counts)) if counts else None,
    )


def measure(problem: UFMProblem, saddles: list[Array], solver: str, escape: bool, epsilon: float) -> Escape:
    """Run one solver from every saddle."""
    target = global_minimum(problem) * (1.0 + _SAME_COST)
    counts = []
    for seed, saddle in enumerate(saddles):
        start = nearby(problem, saddle, epsilon, seed)
        result = solve(problem, start, rng=seed, solver=solver, settings=_SETTINGS[escape])
        if result.cost <= target:
            counts.append(result.calls.total)
    return _row(solver, escape, epsilon, len(saddles), counts)


def draw(rows: list[Escape], path: Path) -> None:
    """Evaluations against the distance from the saddle; a mark only where every run arrived."""
    figure, axes = axes_of("distance from the saddle (leftmost: the saddle itself)", "evaluations (median)")
    for number, solver in enumerate(_SOLVERS):
        for escape, style in ((True, "-o"), (False, "--x")):
            part = [r for r in rows if (r.solver, r.escape) == (solver, escape) and r.at_minimum == r.runs]
            axes.plot(
                [r.epsilon or _LEFT_END for r in part],
                [r.evaluations for r in part],
                style,
                color=f"C{number}",
                ms=4,
                lw=1,
                label=f"{solver}, {'with' if escape else 'without'} escape",
            )
    part = [r for r in rows if r.solver == _FIXED_STEP and r.at_minimum == r.runs]
    axes.plot(
        [r.epsilon for r in part],
        [r.evaluations for r in part],
        "k:s",
        ms=4,
        lw=1,
        label="gradient descent, fixed step",
    )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.legend(frameon=False, fontsize=8)
    save(figure, path)


def main() -> None:
    """Measure, print a table, write figure and JSON."""
    parser = experiment_parser(__doc__, "saddles")
    options = parser.parse_args()
    problem = UFMProblem(class_sizes=(1,) * 3, dim=4, tau=1)
    with threadpool_limits(1):
        saddles = strict_saddles(problem)
        rows = [
            measure(problem, saddles, solver, escape, epsilon)
            for solver in _SOLVERS
            for escape in (True, False)
            for epsilon in _EPSILONS
        ]
        rows += [measure_fixed_step(problem, saddles, epsilon) for epsilon in _EPSILONS]
    print(f"{len(saddles)} strict saddles of {problem}")
    print("solver            escape  epsilon  at minimum  evaluations (median)")
    for r in rows:
        print(
            f"{r.solver:17s} {r.escape!s:6} {r.epsilon:8.0e}  {r.at_minimum:3d} of {r.runs:2d}   {r.evaluations}"
        )
    draw(rows, options.out)
    save_data(rows, options.data)


if __name__ == "__main__":
    main()
