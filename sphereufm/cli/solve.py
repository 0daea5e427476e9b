"""``sphereufm solve``: one solver, one start, one honest answer."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from sphereufm.cli.options import json_option, problem_from_options, problem_options, seed_option

__all__ = ["solve"]


@click.command(epilog="Example: sphereufm solve --classes 10 --per-class 10 --dim 16 --tau 5")
@problem_options
@click.option("--solver", default="trust-region", show_default=True, metavar="NAME", help="Which solver.")
@click.option(
    "--tolerance",
    type=float,
    default=1e-9,
    show_default=True,
    metavar="g",
    help="Relative gradient norm to reach.",
)
@seed_option
@json_option
def solve(solver: str, tolerance: float, seed: int, as_json: bool, **problem_words: Any) -> int:
    """Minimise from a random start, and bound the distance to the global minimum.

    Exit code 0: converged, 3: not converged.
    """
    from sphereufm.errors import InvalidInputError, check_positive
    from sphereufm.problem.gap import optimality_gap
    from sphereufm.solvers import SOLVERS, Settings
    from sphereufm.solvers import solve as run

    if solver not in SOLVERS:
        raise InvalidInputError(f"--solver={solver!r} must be one of {', '.join(SOLVERS)}")
    problem = problem_from_options(**problem_words)
    settings = Settings(tolerance=check_positive("--tolerance", tolerance))
    result = run(problem, rng=seed, solver=solver, settings=settings)
    gap = optimality_gap(problem, result.X)
    data = {
        "cost": result.cost,
        "gradient_norm": result.gradient_norm,
        "relative_gradient_norm": result.relative_gradient_norm,
        "optimality_gap": gap.value,
        "gap_method": gap.method,
        "stop_reason": result.stop_reason.name,
        "seconds": result.seconds,
        "calls": asdict(result.calls),
    }
    if as_json:
        click.echo(json.dumps(data))
    else:
        click.echo(_text(data, result.stop_reason.value))
    return 0 if result.stop_reason.converged else 3


def _text(data: dict[str, Any], reason: str) -> str:
    """The result for people."""
    calls = ", ".join(f"{count} {name}" for name, count in data["calls"].items())
    return "\n".join(
        [
            f"cost                      {data['cost']:.12g} nats",
            f"gradient norm             {data['gradient_norm']:.3g} (relative {data['relative_gradient_norm']:.3g})",
            f"guaranteed optimality gap {data['optimality_gap']:.3g} nats (numerical; method: {data['gap_method']})",
            f"stop reason               {data['stop_reason']}: {reason}",
            f"seconds                   {data['seconds']:.3g}",
            f"calls                     {calls}",
        ]
    )
