"""``sphereufm verify``: the main job."""

from __future__ import annotations

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

    from sphereufm.landscape.points import CriticalFamily, CriticalPoint
    from sphereufm.landscape.report.landscape_report import LandscapeReport

__all__ = ["verify"]

_CODES = {"BENIGN": 0, "NOT_BENIGN": 1, "UNDECIDED": 3}
_LONGEST_TABLE = 60
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
@output_options
@json_option
def verify(
    effort: str,
    starts: int | None,
    seed: int,
    no_proofs: bool,
    out: Path | None,
    force: bool,
    as_json: bool,
    **problem_words: Any,
) -> int:
    """Find, classify and prove the critical points of a problem, and say whether its landscape is benign.

    Exit code 0: BENIGN, 1: NOT_BENIGN, 3: UNDECIDED.
    """
    from sphereufm.landscape.verify import verify_landscape

    problem = problem_from_options(**problem_words)
    prepare_output(out, _FILES, force)
    with Progress() as progress:
        report = verify_landscape(
            problem, effort=effort, starts=starts, rng=seed, progress=progress, news=progress.news
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
        say(_table(report), _verdict_lines(report))
        say_written(out, _written(report))
    if not report.complete:
        raise KeyboardInterrupt
    return _CODES[report.verdict.name]


def _written(report: LandscapeReport) -> tuple[str, ...]:
    """Names of the files that a run leaves."""
    proved = report.proofs is not None and (report.proofs.proved or report.proofs.theorem_certificate)
    return _FILES if proved else _FILES[:-1]


def _table(report: LandscapeReport) -> Table:
    """The classes, sorted by cost."""
    from rich.table import Table

    table = Table(title=_title(report))
    for name in ("cost", "rank", "Morse index", "nullity", "least eigenvalue"):
        table.add_column(name, justify="right")
    for name in ("kind", "status"):
        table.add_column(name)
    table.add_column("hits", justify="right")
    for entry in report.critical[:_LONGEST_TABLE]:
        table.add_row(*_cells(entry))
    hidden = len(report.critical) - _LONGEST_TABLE
    if hidden > 0:
        table.add_row("...", "", "", "", "", f"{hidden} more classes (all with --json or --out)", "", "")
    return table


def _title(report: LandscapeReport) -> str:
    """What was verified, in one line."""
    problem: Any = report.problem
    sizes = ",".join(map(str, problem.class_sizes)) if problem.classes <= 12 else f"{problem.classes} classes"
    weights = "" if problem.exact_weights is None else ", weighted"
    return f"class sizes {sizes}, d = {problem.dim}, tau = {problem.tau:g}{weights}"


def _cells(entry: CriticalPoint | CriticalFamily) -> tuple[str, ...]:
    """One row of the table."""
    family = getattr(entry, "name", None)
    kind = entry.kind.name if family is None else f"{entry.kind.name} ({family})"
    least = entry.min_eigenvalue
    return (
        f"{entry.cost:.6g}",
        _number(entry.rank),
        _number(entry.morse_index),
        _number(entry.nullity),
        _number(least, ".3g"),
        kind,
        entry.status.name,
        str(entry.hits),
    )


def _number(value: float | tuple[float, float] | None, form: str = "g") -> str:
    """One number, a range, or a dash."""
    if value is None:
        return "-"
    if isinstance(value, tuple):
        low, high = value
        return format(low, form) if low == high else f"{low:{form}} .. {high:{form}}"
    return format(value, form)


def _verdict_lines(report: LandscapeReport) -> str:
    """The verdict in words, what it rests on, and what was searched."""
    basis = {
        "theorem": "by Theorem S (d >= max(K, 3)): every critical point is a global minimiser or a strict saddle",
        "completeness": "the list of critical points was proved complete",
        "counterexample": "a critical point that is neither a global minimiser nor a strict saddle is exhibited",
        None: "no theorem applies and no counterexample is established; this search is no proof",
    }[report.basis]
    lines = [f"Verdict: {report.verdict.name} ({basis})", *_proof_lines(report)]
    for name, c in report.coverage.items():
        bound = (
            ""
            if c.unseen_bound is None
            else f", unseen mass below {c.unseen_bound:.1%} at {c.confidence:.0%}"
        )
        lines.append(
            f"  {name}: {c.converged} of {c.starts} searches converged, {c.classes} classes met{bound}"
        )
    if report.rank_one is not None:
        some = (
            ""
            if report.rank_one.listed == report.rank_one.classes
            else f", {report.rank_one.listed} of them listed"
        )
        lines.append(f"  rank 1: {report.rank_one.classes} classes, counted exactly{some}")
    lines.append("  The list is a lower bound on the set of critical points.")
    lines += [f"  Note: {note}" for note in report.notes]
    return "\n".join(lines)


def _proof_lines(report: LandscapeReport) -> list[str]:
    """How much of it is proved."""
    proofs = report.proofs
    if proofs is None:
        return ["  Rows are numerical: no proofs were tried."]
    rests = {
        "BY_THEOREM": "The checker accepted the certificate of Theorem S for this instance (BY_THEOREM).",
        "PROVED": "The counterexample is PROVED: the checker accepted its certificate.",
        "NUMERICAL": "The counterexample is numerical: no certificate of it was accepted.",
        None: "",
    }[proofs.basis_status]
    rows = f"{proofs.proved} of {proofs.rows} rows are PROVED one by one; the others are numerical."
    if proofs.proved == proofs.rows:
        rows = f"All {proofs.rows} rows are PROVED one by one."
    return [f"  {line}" for line in (rests, rows) if line]
