"""``sphereufm verify``: the main job."""

from __future__ import annotations

import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import sphereufm.cli.options as options
from sphereufm.cli.printing import bar, give, is_quiet, remark, table

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.table import Table

    from sphereufm.landscape.report.landscape_report import LandscapeReport
    from sphereufm.landscape.report.summary import Summary
    from sphereufm.parallel import Workers
    from sphereufm.problem.interface import SphereProblem

_CODES = {"BENIGN": 0, "NOT_BENIGN": 1, "UNDECIDED": 3, "FINITE": 0}
_LONGEST_TABLE = 60
# Shares of the whole in time, by which the bar grows and a limit is divided; pages are written after the last descent.
_SHARES = {"landscape": 0.8, "descents": 0.1}
_PAGES = 0.1
_MOMENT = 0.01
_TEXTS = ("kind", "status")
# What a process of this job loads, the last one to write a page; and unknowns beyond which a job is hardly a small one.
_MODULES = ("sphereufm.landscape.verify", "sphereufm.descents.connect", "sphereufm.report")
_SMALL = 30
_FILES = ("landscape.json", "landscape.png", "report.html", "certificates")


@click.command(
    short_help="Find, classify and prove critical points; give a verdict.",
    epilog="Example: sphereufm verify --classes 3 --per-class 1 --dim 4 --tau 1 --out landscape",
)
@options.cost_or_problem
@options.effort("standard")
@options.starts
@options.seed
@options.no_proofs
@click.option(
    "--complete",
    is_flag=True,
    help="Prove that the list is complete: K = 2; K = 3 with one sample a class; small instances at d = 2.",
)
@click.option(
    "--time-limit",
    type=float,
    metavar="SECONDS",
    help="End about then, with all that was found: half for the search, what remains for proofs and descents.",
)
@options.workers
@click.option("--scheduler", metavar="ADDRESS", help="Dask scheduler whose workers are used instead.")
@options.output
@options.as_json
def verify(
    effort: str,
    starts: int | None,
    seed: int,
    no_proofs: bool,
    complete: bool,
    time_limit: float | None,
    workers: int | None,
    scheduler: str | None,
    out: Path | None,
    force: bool,
    as_json: bool,
    **problem_words: Any,
) -> int:
    """Find, classify and prove the critical points of a problem, and say whether its landscape is benign.

    At a time limit, and at Ctrl-C, it ends with all that was found.  Exit code 0: BENIGN, 1: NOT_BENIGN, 3: UNDECIDED,
    0 at d = 1: FINITE, a finite set that is listed.
    """
    from sphereufm.errors import InvalidInputError, check_positive
    from sphereufm.parallel import PATIENCE, Workers, processors

    if complete and no_proofs:
        raise InvalidInputError("--complete asks for a proof; leave --no-proofs out")
    if time_limit is not None:
        check_positive("--time-limit", time_limit)
    begun = time.monotonic()

    def seconds_until(share: float) -> float | None:
        """Seconds until so much of the limit is over, at least a moment."""
        return time_limit and max(share * time_limit - (time.monotonic() - begun), _MOMENT)

    problem = options.problem_from_options(**problem_words)
    options.prepare_output(out, _FILES, force)
    words = {"effort": effort, "starts": starts, "rng": seed, "complete": complete}
    modules = _MODULES if out else _MODULES[:-1]
    with Workers(workers or processors(), scheduler, patience=PATIENCE, modules=modules) as pool:
        if problem.spheres.dimension > _SMALL:
            pool.start()
        # loaded while the processes load the same
        from sphereufm.landscape.plan import plan_landscape
        from sphereufm.landscape.report.summary import summarise
        from sphereufm.landscape.verify import is_interrupted

        if not (as_json or is_quiet()):
            remark(str(plan_landscape(problem, effort=effort, starts=starts)))
        report = _found(problem, pool, seconds_until, out, not no_proofs, words)
    summary = summarise(report)
    give(as_json, report.to_json(), [_table(summary), _lines(summary)], out, _written(report))
    if is_interrupted(report):
        raise KeyboardInterrupt
    return _CODES[report.verdict.name]


def _found(
    problem: SphereProblem,
    pool: Workers,
    seconds_until: Callable[[float], float | None],
    out: Path | None,
    prove: bool,
    words: dict[str, Any],
) -> LandscapeReport:
    """Search and prove; with a folder descend from saddles, too, and write what was found."""
    from sphereufm.descents.connect import connect_landscape
    from sphereufm.landscape.proofs import clear_certificates
    from sphereufm.landscape.verify import is_interrupted, verify_landscape
    from sphereufm.progress import Parts

    with bar() as progress:
        parts = Parts(progress, _SHARES if out else {"landscape": 1.0})
        report = verify_landscape(
            problem,
            **words,
            prove=prove and (out or True),
            progress=parts.of("landscape"),
            time_limit=seconds_until(_SHARES["landscape"] if out else 1.0),
            workers=pool,
        )
        if out is not None and not is_interrupted(report):
            limit, descents = seconds_until(1.0 - _PAGES), parts.of("descents")
            report = connect_landscape(
                report, rng=words["rng"], progress=descents, time_limit=limit, workers=pool
            )
        if out is not None:
            if not prove:
                clear_certificates(out)
            list(pool.map(_save, reversed(_FILES[:-1]), report, out))  # the page takes longest
    return report


def _save(name: str, report: LandscapeReport, out: Path) -> None:
    """Write the report as data, picture or page."""
    from sphereufm.plots import landscape_figure, save_figure
    from sphereufm.report import save_html

    path = out / name
    if path.suffix == ".json":
        report.save(path)
    elif path.suffix == ".png":
        save_figure(landscape_figure(report), path)
    else:
        save_html(report, path)


def _written(report: LandscapeReport) -> tuple[str, ...]:
    """Names of the files that a run leaves."""
    proved = report.proofs is not None and (report.proofs.proved or report.proofs.theorem_certificate)
    return _FILES if proved else _FILES[:-1]


def _table(summary: Summary) -> Table:
    """The rows, sorted by cost."""
    drawn = table(summary.title, summary.headings, islice(summary.cells(), _LONGEST_TABLE), _TEXTS)
    hidden = len(summary.rows) - _LONGEST_TABLE
    if hidden > 0:
        drawn.add_row("...", f"{hidden} more (all with --json or --out)")
    return drawn


def _lines(summary: Summary) -> str:
    """The verdict in words, what it rests on, and what was searched."""
    return "\n".join([f"Verdict: {summary.verdict_line}", *(f"  {fact}" for fact in summary.facts)])
