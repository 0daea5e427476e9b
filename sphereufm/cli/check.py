"""``sphereufm check``: re-check certificates without trusting who wrote them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sphereufm.cli.options import json_option
from sphereufm.cli.printing import detail, say, say_json

if TYPE_CHECKING:
    from sphereufm.certify.checker import CheckResult

__all__ = ["check"]

_CODES = {"PROVED": 0, "REFUTED": 1, "UNDECIDED": 3}
# over several files the worst wins
_WORST_FIRST = (2, 1, 3, 0)


@click.command(
    short_help="Re-check certificates.",
    epilog="Example: sphereufm check landscape/certificates",
)
@click.argument("paths", metavar="FILE_OR_DIR...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--backend",
    type=click.Choice(["flint", "mpmath"]),
    default="flint",
    show_default=True,
    help="Interval arithmetic; mpmath is for small instances, so that one library's bug cannot pass silently.",
)
@json_option
def check(paths: tuple[Path, ...], backend: str, as_json: bool) -> int:
    """Re-check certificates: every claim in words, with the constants that were verified.

    In a folder, every .json file that says it is a certificate is checked.  Exit code 0: all PROVED, 1: one is REFUTED,
    3: one is UNDECIDED, 2: one cannot be read; of several the worst, in the order 2, 1, 3, 0.
    """
    reports = [_report(path, backend) for path in _files(paths)]
    if as_json:
        say_json(reports)
    else:
        say(*map(_words, reports))
        if len(reports) > 1:
            proved = sum(report["status"] == "PROVED" for report in reports)
            say(f"{proved} of {len(reports)} certificates PROVED")
    codes = {_CODES.get(report["status"], 2) for report in reports}
    return next(code for code in _WORST_FIRST if code in codes)


def _files(paths: tuple[Path, ...]) -> list[Path]:
    """Files as given; certificates in folders.

    Raises
    ------
    InvalidInputError
        If a folder holds no certificate.
    """
    from sphereufm.errors import InvalidInputError

    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(p for p in path.rglob("*.json") if p.is_file() and _kind(p) is not None)
        if not inside:
            raise InvalidInputError(
                f"{path} holds no certificate; certificates are .json files written by `verify --out`"
            )
        found += inside
    return found


def _kind(path: Path) -> str | None:
    """Which checker a file is for, by the format that its first kilobyte names; None for other files."""
    try:
        with path.open("rb") as file:
            head = file.read(1024)
    except OSError:
        return None
    for kind in ("certificate", "large-gap"):
        if f'"sphereufm-{kind}/'.encode() in head:
            return kind
    return None


def _report(path: Path, backend: str) -> dict[str, Any]:
    """Check one file; what cannot be read is a report too."""
    from sphereufm.certify.checker import CheckError, check_file
    from sphereufm.certify.large_gap.rows import ArrayFileError

    detail(f"checking {path}")
    try:
        if _kind(path) == "large-gap":
            return _large_gap(path)
        return _as_data(path, check_file(path, backend))
    except (CheckError, ArrayFileError) as error:
        return {"file": str(path), "status": "UNREADABLE", "row": str(error), "claims": []}


def _large_gap(path: Path) -> dict[str, Any]:
    """A gap at scale, by the checker in floating point with error bounds."""
    from sphereufm.certify.large_gap.check import check_large_gap

    result = check_large_gap(path)
    claim = {"type": "gap", "status": result.status, "text": str(result)}
    row = "optimality gap, checked in floating point with error bounds"
    return {"file": str(path), "status": result.status, "row": row, "claims": [claim]}


def _as_data(path: Path, result: CheckResult) -> dict[str, Any]:
    """One result as JSON data."""
    claims = [{"type": c.type, "status": c.status, "text": c.text} for c in result.claims]
    return {
        "file": str(path),
        "status": result.status,
        "row": result.row,
        "claims": claims,
        "backend": result.backend,
    }


def _words(report: dict[str, Any]) -> str:
    """One result as lines of text."""
    lines = [f"{report['file']}: {report['status']}: {report['row']}"]
    lines += [f"  {c['status']} {c['type']}: {c['text']}" for c in report["claims"]]
    return "\n".join(lines)
