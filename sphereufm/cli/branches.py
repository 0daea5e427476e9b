"""``sphereufm branches``: the critical points of a problem as functions of tau."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import sphereufm.cli.options as options
from sphereufm.cli.printing import bar, give, table

if TYPE_CHECKING:
    from rich.table import Table

    from sphereufm.branches.report import BranchReport

_FILES = ("branches.json", "branches.png")


@click.command(
    short_help="Follow critical points along tau.",
    epilog="Example: sphereufm branches --classes 3 --per-class 1 --dim 2 --tau-from 1 --tau-to 12 --out branches",
)
@options.cost_or_sizes
@click.option("--parameter", metavar="NAME", help="The constant of COST.toml that is followed.")
@click.option("--tau-from", type=float, required=True, metavar="a", help="Where to begin.")
@click.option(
    "--tau-to", type=float, required=True, metavar="b", help="Where to end; may be below the beginning."
)
@options.effort("standard", minimisers=False)
@options.seed
@options.output
@options.as_json
def branches(
    tau_from: float,
    tau_to: float,
    effort: str,
    seed: int,
    out: Path | None,
    force: bool,
    as_json: bool,
    parameter: str | None,
    cost_file: Path | None,
    **sizes: Any,
) -> int:
    """Follow the critical points of a problem along tau, through folds and onto the branches that cross.

    Of a cost in a file, along one of its constants.
    Writes DIR/branches.json and the bifurcation diagram DIR/branches.png.  Numerical: a diagram shows what was found.
    Exit code 0, or 3 where a limit was reached.
    """
    from sphereufm.branches.trace import trace_branches
    from sphereufm.errors import InvalidInputError

    if (cost_file is None) != (parameter is None):
        raise InvalidInputError(
            "--parameter names a constant of COST.toml; give both, or the options of a loss"
        )
    problem: Any = (
        options.problem_from_options(tau="1", **sizes)
        if cost_file is None or parameter is None
        else _along(parameter, cost_file, (tau_from, tau_to), sizes)
    )
    options.prepare_output(out, _FILES, force)
    with bar() as progress:
        progress("branches", 0, 1)  # the search for starts comes first
        report = trace_branches(
            problem,
            tau_from,
            tau_to,
            effort=effort,
            rng=seed,
            parameter=parameter or "tau",
            progress=progress,
        )
    if out is not None:
        from sphereufm.plots import branch_figure, save_figure

        report.save(out / _FILES[0])
        save_figure(branch_figure(report), out / _FILES[1])
    give(as_json, report.to_json(), [_table(report), _events(report)], out, _FILES)
    if report.interrupted:
        raise KeyboardInterrupt
    return 0 if report.complete else 3


def _along(
    parameter: str, cost_file: Path, ends: tuple[float, float], sizes: dict[str, Any]
) -> Callable[[float], Any]:
    """What makes a file's cost of a value of its constant."""

    def at(value: float) -> Any:
        constants = {parameter: value}
        if value in ends:
            return options.problem_from_options(cost_file=cost_file, constants=constants, **sizes)
        # slopes are taken a little beyond the ends, where the cost need not be defined
        return options.problem_from_file(cost_file, constants)

    return at


def _table(report: BranchReport) -> Table:
    """One row a branch: where it begins and ends."""
    from sphereufm.problem import capabilities

    sizes = getattr(report.problem, "class_sizes", None)
    d = report.problem.spheres.shape[0]
    title = (
        f"class sizes {','.join(map(str, sizes))}, d = {d}" if sizes else capabilities.title(report.problem)
    )
    return table(title, report.headings, (branch.cells() for branch in report.branches), ("ends",))


def _events(report: BranchReport) -> str:
    """Folds and bifurcations, in the order of tau."""
    lines = [
        f"  {report.parameter} = {e.tau:.6g}: {e.name} of branch {e.branch} (cost {e.cost:.6g})"
        + (f", meets {', '.join(map(str, e.meets))}" if e.meets else "")
        for e in report.events
    ]
    if not report.complete:
        lines.append("  Note: a limit was reached; see the ends above.")
    return "\n".join([f"{report.counts}; numerical, a lower bound on what there is.", *lines])
