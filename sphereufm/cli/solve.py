"""``sphereufm solve``: one solver, one start, one honest answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import sphereufm.cli.options as options
from sphereufm.cli.printing import give, live
from sphereufm.files import json_data, write_json

if TYPE_CHECKING:
    from sphereufm.problem.ufm import UFMProblem
    from sphereufm.solvers import Progress, SolverResult

_FORMAT = "sphereufm-solution/1"
_FILE = "solution.json"


def _solver_names() -> Iterable[str]:
    """Names of the solvers."""
    from sphereufm.solvers import SOLVERS

    return SOLVERS


@click.command(
    short_help="Minimise from a random start, and bound the gap.",
    epilog="Example: sphereufm solve --classes 10 --per-class 10 --dim 16 --tau 5",
)
@options.cost_or_problem
@options.named("--solver", _solver_names, default="barzilai-borwein", metavar="NAME", help="Which solver.")
@options.tolerance
@options.seed
@options.output
@options.as_json
def solve(
    solver: str,
    tolerance: float,
    seed: int,
    out: Path | None,
    force: bool,
    as_json: bool,
    **problem_words: Any,
) -> int:
    """Minimise from a random start, and bound the distance to the global minimum.

    With --out the point is written, too: DIR/solution.json.  An interrupted run answers for its last iterate.
    Exit code 0: converged, 3: not converged.
    """
    from sphereufm.errors import check_positive
    from sphereufm.solvers import Settings, StopReason
    from sphereufm.solvers import solve as run

    problem = options.problem_from_options(**problem_words)
    settings = Settings(tolerance=check_positive("--tolerance", tolerance))
    options.prepare_output(out, (_FILE,), force)
    with live() as show:
        result = run(problem, rng=seed, solver=solver, settings=settings, callback=lambda p: show(_line(p)))
    asked = {"problem": problem.to_json(), "solver": solver, "seed": seed, "tolerance": settings.tolerance}
    data = json_data({"format": _FORMAT, **asked, **_measured(problem, result)})
    if out is not None:
        write_json(out / _FILE, {**data, "X": result.X.tolist()})
    give(as_json, data, [_text(data, result.unit)], out, (_FILE,))
    if result.stop_reason is StopReason.INTERRUPTED:
        raise KeyboardInterrupt
    return 0 if result.converged else 3


def _line(progress: Progress) -> str:
    """Where a run is."""
    norm = f"relative gradient norm {progress.relative_gradient_norm:.3g}"
    return f"iteration {progress.iteration}: cost {progress.cost:.12g}, {norm}"


def _measured(problem: UFMProblem, result: SolverResult) -> dict[str, Any]:
    """The numbers at the last point."""
    from sphereufm.problem import capabilities

    gap = capabilities.optimality_gap(problem, result.X)
    bias = getattr(problem.at(result.X), "bias", None)
    return {
        "cost": result.cost,
        **({} if bias is None else {"bias": bias.tolist()}),
        "gradient_norm": result.gradient_norm,
        "relative_gradient_norm": result.relative_gradient_norm,
        "optimality_gap": gap and gap.value,
        "gap_method": gap and gap.method,
        "stop_reason": result.stop_reason.name,
        "stopped_because": result.stop_reason.value,
        "converged": result.converged,
        "seconds": result.seconds,
        "calls": asdict(result.calls),
    }


def _shown(value: float | None, form: str = ".3g") -> str:
    """A number for people."""
    return "unknown" if value is None else format(value, form)


def _text(data: dict[str, Any], unit: str) -> str:
    """The result for people."""
    unit = f" {unit}" if unit else ""
    gap = "no bound is known for this cost"
    if data["optimality_gap"] is not None:
        gap = f"at most {data['optimality_gap']:.3g}{unit} (numerical; {data['gap_method']})"
    bias = [f"{value:.4g}" for value in data.get("bias", ())]
    norm, relative = (_shown(data[name]) for name in ("gradient_norm", "relative_gradient_norm"))
    lines = {
        "cost": f"{_shown(data['cost'], '.12g')}{unit}",
        **({"bias": ", ".join([*bias[:8], *["..."] * (len(bias) > 8)])} if bias else {}),
        "gradient norm": f"{norm} (relative {relative})",
        "optimality gap": gap,
        "stop reason": f"{data['stop_reason']}: {data['stopped_because']}",
        "seconds": f"{data['seconds']:.3g}",
        "calls": ", ".join(f"{count} {name}" for name, count in data["calls"].items()),
    }
    return "\n".join(f"{name:<26}{text}" for name, text in lines.items())
