"""``sphereufm verify``: the main job."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sphereufm.cli.options import (
    effort_option,
    json_option,
    no_proofs_option,
    output_options,
    prepare_output,
    problem_from_options,
    problem_options,
    seed_option,
    starts_option,
)
from sphereufm.cli.printing import Progress, say, say_json, say_written

if TYPE_CHECKING:
    from rich.table import Table

    from sphereufm.landscape.report.landscape_report import LandscapeReport
    from sphereufm.landscape.report.summary import Summary

__all__ = ["verify"]

_CODES = {"BENIGN": 0, "NOT_BENIGN": 1, "UNDECIDED": 3}
_LONGEST_TABLE = 60
_TEXTS = ("kind", "status")
_FILES = ("landscape.json", "landscape.png", "report.html", "certificates")


@click.command(
    short_help="Find, classify and prove critical points; give a verdict.",
    epilog="Example: sphereufm verify --classes 3 --per-class 1 --dim 4 --tau 1 --out landscape",
)
@problem_options
@effort_option("standard")
@starts_option
@seed_option
@no_proofs_option
@click.option(
    "--complete",
    is_flag=True,
    help="Prove that the list is complete: K = 2; K = 3 with one sample a class; small instances at d = 2.",
)
@output_options
@json_option
def verify(
    effort: str,
    starts: int | None,
    seed: int,
    no_proofs: bool,
    complete: bool,
    out: Path | None,
    force: bool,
    as_json: bool,
    **problem_words: Any,
) -> int:
    """Find, classify and prove the critical points of a problem, and say whether its landscape is benign.

    Exit code 0: BENIGN, 1: NOT_BENIGN, 3: UNDECIDED.
    """
    from sphereufm.errors import InvalidInputError
    from sphereufm.landscape.report.summary import summarise
    from sphereufm.landscape.verify import verify_landscape

    if complete and no_proofs:
        raise InvalidInputError("--complete asks for a proof; leave --no-proofs out")
    problem = problem_from_options(**problem_words)
    prepare_output(out, _FILES, force)
    with Progress() as progress:
        report = verify_landscape(
            problem,
            effort=effort,
            starts=starts,
            rng=seed,
            complete=complete,
            progress=progress,
            news=progress.news,
        )
        if report.complete and not no_proofs:
            from sphereufm.landscape.proofs import prove_landscape

            report = prove_landscape(report, out, progress=progress)
        if report.complete and out is not None:
            from sphereufm.descents.connect import connect_landscape

            report = connect_landscape(report, rng=seed, progress=progress)
    if out is not None:
        from sphereufm.plots import save_landscape
        from sphereufm.report import save_html

        report.save(out / "landscape.json")
        save_landscape(report, out / "landscape.png")
        save_html(report, out / "report.html")
    if as_json:
        say_json(report.to_json())
    else:
        summary = summarise(report)
        say(_table(summary), _lines(summary))
        say_written(out, _written(report))
    if not report.complete:
        raise KeyboardInterrupt
    return _CODES[report.verdict.name]


def _written(report: LandscapeReport) -> tuple[str, ...]:
    """Names of the files that a run leaves."""
    proved = report.proofs is not None and (report.proofs.proved or report.proofs.theorem_certificate)
    return _FILES if proved else _FILES[:-1]


def _table(summary: Summary) -> Table:
    """The rows, sorted by cost."""
    from rich.table import Table

    from sphereufm.landscape.report.summary import COLUMNS

    table = Table(title=summary.title)
    for key, heading in zip(("row", *COLUMNS), summary.headings, strict=True):
        table.add_column(heading, justify="left" if key in _TEXTS else "right")
    for cells in islice(summary.cells(), _LONGEST_TABLE):
        table.add_row(*cells)
    hidden = len(summary.rows) - _LONGEST_TABLE
    if hidden > 0:
        table.add_row("...", f"{hidden} more (all with --json or --out)")
    return table


def _lines(summary: Summary) -> str:
    """The verdict in words, what it rests on, and what was searched."""
    return "\n".join([f"Verdict: {summary.verdict_line}", *(f"  {fact}" for fact in summary.facts)])
