"""``sphereufm check``: re-check certificates without trusting who wrote them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import sphereufm.cli.options as options
from sphereufm.cli.printing import detail, give
from sphereufm.notebook import counted

if TYPE_CHECKING:
    from sphereufm.certify.checker import CheckResult
    from sphereufm.certify.instances import Instance

_CODES = {"PROVED": 0, "REFUTED": 1, "UNDECIDED": 3}
# over several files the worst wins
_WORST_FIRST = (70, 2, 1, 3, 0)
# a landscape of thousands of rows is larger than any certificate; beyond, parsing would take gigabytes
_LARGEST_OTHER = 1 << 25
_CONVERTED = " (converted from format 1)"
# sentences of certificates that a landscape names by their place
_BENIGN, _COMPLETE = "benign instance, BY_THEOREM", "complete list of critical points"
_KINDS = ("large-gap", "complete", "landscape", "certificate")


@click.command(
    short_help="Re-check certificates.",
    epilog="Example: sphereufm check landscape/certificates",
)
@click.argument("paths", metavar="FILE_OR_DIR...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--backend",
    type=click.Choice(["flint", "integers"]),
    default="flint",
    show_default=True,
    help="Interval arithmetic; integers is slow and for small instances: no library's error passes silently.",
)
@options.as_json
def check(paths: tuple[Path, ...], backend: str, as_json: bool) -> int:
    """Re-check certificates: every claim in words, with the constants that were verified.

    In a folder every .json file is read; what is no certificate is named.  Where a landscape.json names the instance
    and what certificates prove of its rows, both are compared.  Exit code 0: all PROVED, 1: one is REFUTED, 3: one is
    UNDECIDED, 2: one cannot be read, is missing, or is not what the landscape says; of several the worst: 2, 1, 3, 0.
    """
    files = list(_files(paths))
    reports = [_report(file, backend) for file in files if file.kind not in ("other", "landscape")]
    reports += [wrong for file in files if file.kind == "landscape" for wrong in _mismatches(file, reports)]
    others = [file for file in files if file.kind in ("other", "landscape")]
    if not reports:
        from sphereufm.errors import InvalidInputError

        raise InvalidInputError(
            f"{paths[0]} holds no certificate; certificates are .json files written by verify --out"
        )
    lines = [_printable(line) for report in reports for line in _sentences(report)]
    if len(reports) > 1:
        proved = sum(report["status"] == "PROVED" for report in reports)
        lines.append(f"{proved} of {len(reports)} certificates PROVED")
    if others:
        names = ", ".join(
            [f"{file.path} ({file.format})" for file in others[:8]] + ["..."] * (len(others) > 8)
        )
        lines.append(_printable(f"no certificates: {counted(len(others), 'file')}: {names}"))
    give(as_json, reports, lines)
    codes = {70 if report["status"] == "ERROR" else _CODES.get(report["status"], 2) for report in reports}
    return next(code for code in _WORST_FIRST if code in codes)


@dataclass(frozen=True, kw_only=True)
class _File:
    """A file and what its content says it is: one of ``_KINDS``, or ``other``."""

    path: Path
    kind: str
    format: str = ""
    data: Any = None


def _files(paths: tuple[Path, ...]) -> Iterator[_File]:
    """Files as given, which must be certificates; every .json file in folders."""
    for path in paths:
        if not os.path.isdir(path):
            file = _opened(path)
            # what was named is checked, whatever it is: the checker says what is wrong with it
            yield replace(file, kind="certificate") if file.kind in ("other", "landscape") else file
            continue
        for inner in sorted(path.rglob("*.json")):
            if not os.path.isdir(inner):
                yield _opened(inner)


def _opened(path: Path) -> _File:
    """Read a file as JSON and look at its format; what is damaged is left to the checker to refuse."""
    try:
        if not path.is_file():  # a pipe, to which nobody may write
            return _File(path=path, kind="certificate")
        if path.stat().st_size > _LARGEST_OTHER:
            return _File(path=path, kind="other", format="larger than any certificate may be")
        data = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return _File(path=path, kind="certificate")
    form = data.get("format") if isinstance(data, dict) else None
    form = form[:60] if isinstance(form, str) else ""
    kinds = (kind for kind in _KINDS if form.startswith(f"sphereufm-{kind}"))
    plain = "certificate" if isinstance(data, dict) and "claims" in data else "other"
    kind = next(kinds, plain)
    return _File(
        path=path, kind=kind, format=form or "no format named", data=data if kind == "landscape" else None
    )


def _report(file: _File, backend: str) -> dict[str, Any]:
    """Check one file; what cannot be read is a report too, and so is a defect of the checker."""
    from sphereufm.certify.checker import CheckError
    from sphereufm.errors import InvalidInputError

    detail(f"checking {file.path}")
    try:
        if file.kind == "large-gap":
            return _large_gap(file.path)
        if file.kind == "complete":
            return _complete(file.path)
        found = asdict(_checked(file, backend))
        del found["reason"]
        return {"file": str(file.path), **found}
    except (CheckError, InvalidInputError) as error:
        return _told(file.path, "UNREADABLE", str(error))
    except Exception as defect:
        return _told(file.path, "ERROR", f"internal error: {type(defect).__name__}: {str(defect)[:200]}")


def _checked(file: _File, backend: str) -> CheckResult:
    """Check a certificate; one of format 1 is converted first, and what comes out is checked."""
    from sphereufm.certify.checker import check_bytes
    from sphereufm.certify.checker.face import read_file
    from sphereufm.certify.convert import FORMAT_1, convert
    from sphereufm.certify.json_format import certificate_to_json

    data = read_file(file.path)
    if file.format != FORMAT_1:
        return check_bytes(data, backend)
    result = check_bytes(certificate_to_json(convert(data)).encode(), backend)
    return replace(result, row=result.row + _CONVERTED)


def _told(path: Path, status: str, row: str, *claims: dict[str, str]) -> dict[str, Any]:
    """A report; of what is refused, without claims."""
    return {"file": str(path), "status": status, "row": row, "claims": [*claims]}


def _mismatches(landscape: _File, reports: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """What a landscape says unproved, and certificates that are missing, of another instance, or prove no such row."""
    expected, stated = _named_instance(landscape.data)
    if stated is not None and stated.sha256 != expected:
        reason = f"the problem it states has the hash {stated.sha256}, but it names {expected}"
        yield _told(landscape.path, "MISMATCH", reason)
    known = {_place(report["file"]): report for report in reports}
    named = list(_named_certificates(landscape.data, finite=stated is not None and stated.dim == 1))
    if named:  # else proofs were not kept
        for reason in _unfounded(landscape.data):
            yield _told(landscape.path, "MISMATCH", reason)
    for name, sentences in named:
        path = landscape.path.parent / name
        if sentences is None and os.path.isdir(path):
            continue
        report = known.get(_place(path))
        if report is None or sentences is None:
            shown = path.with_name(path.name[:300]) if path.name else path
            yield _told(shown, "MISSING", f"named by {landscape.path}, but not there")
        elif expected is not None and not _is_of(report, expected, stated):
            reason = f"is of another instance than {landscape.path} names: {report['instance']}"
            yield _told(path, "MISMATCH", reason)
        elif report["status"] == "PROVED" and report["row"].removesuffix(_CONVERTED) not in sentences:
            yield _told(path, "MISMATCH", f"does not prove what {landscape.path} says of it")


def _place(path: str | Path) -> str | None:
    """Where a path leads, though it may lead nowhere; None of a name that no file can have."""
    try:
        return os.path.realpath(path)
    except ValueError:
        return None


def _named_instance(data: dict[str, Any]) -> tuple[str | None, Instance | None]:
    """The hash that a landscape names, and the exact problem that it states."""
    from sphereufm.landscape.report.landscape_json import problem_from_json
    from sphereufm.problem.capabilities import exact_instance

    proofs = data.get("proofs")
    named = proofs.get("instance_sha256") if isinstance(proofs, dict) else None
    try:
        stated: Instance | None = exact_instance(problem_from_json(data["problem"]))
    except Exception:  # a damaged or foreign problem has no hash; what is named is compared all the same
        stated = None
    own = None if stated is None else stated.sha256
    return (named[:64] if isinstance(named, str) else own), stated


def _is_of(report: dict[str, Any], expected: str, stated: Instance | None) -> bool:
    """Whether a certificate is of the instance with that hash; a cost of Gram entries may have fewer dimensions there.

    (A point of rank r is proved in R^(r + 1), of which every further dimension repeats the last, where all columns
    are zero: the exact point, the only one near by, is its own mirror image, too.  One that fills its space may be of
    another kind in more dimensions.)
    """
    from sphereufm.certify.checker.face import read_file
    from sphereufm.certify.checker.reading import read_certificate
    from sphereufm.certify.checker.words import canonical, fingerprint

    if report.get("sha256", expected) == expected:
        return True
    if stated is None:
        return False
    try:
        _, p, point, _ = read_certificate(read_file(report["file"]))
    except ValueError:
        return False
    flat = point is not None and not any(column[-1] for column in point.columns)
    fits = flat and p.program and p.invariant and p.dim <= stated.dim
    return bool(fits and fingerprint(canonical(replace(p, dim=stated.dim))) == expected)


def _rows(data: dict[str, Any]) -> Iterator[tuple[dict[str, Any], list[Any]]]:
    """Rows of a landscape, each with the points that it lists: members of a family, or the row alone."""
    rows = data.get("critical")
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, dict):
            members = row.get("members")
            yield row, members if isinstance(members, list) else [row]


def _certificate_of(entry: Any, key: str = "certificate") -> str | None:
    """The certificate that an entry names, if it names one."""
    name = entry.get(key) if isinstance(entry, dict) else None
    return name if isinstance(name, str) and name else None


def _named_certificates(data: dict[str, Any], *, finite: bool) -> Iterator[tuple[str, set[str] | None]]:
    """Names of certificates in a landscape, each with the sentences that fit what the landscape says of it.

    Of the folder of a family, None.
    """
    entries: list[tuple[str | None, set[str] | None]] = []
    entries.append((_certificate_of(data.get("proofs"), "theorem_certificate"), {_BENIGN}))
    entries.append((_certificate_of(data.get("complete")), {_COMPLETE}))
    for row, points in _rows(data):
        entries += [(_certificate_of(point), _fitting(point, finite=finite)) for point in points]
        if points != [row]:
            entries.append((_certificate_of(row), None))
    for name, sentences in entries:
        if name is not None:
            yield name, sentences


def _unfounded(data: dict[str, Any]) -> Iterator[str]:
    """What is said to be PROVED and names no certificate, and families that are not what their members are."""
    complete, proofs = data.get("complete"), data.get("proofs")
    if isinstance(complete, dict) and complete.get("status") == "PROVED" and not _certificate_of(complete):
        yield "the list is said to be PROVED complete, and names no certificate"
    by_theorem = isinstance(proofs, dict) and proofs.get("basis_status") == "BY_THEOREM"
    if by_theorem and not _certificate_of(proofs, "theorem_certificate"):
        yield "the verdict is said to be BY_THEOREM, and names no certificate"
    for number, (row, points) in enumerate(_rows(data), 1):
        proved = [e for e in (row, *points) if isinstance(e, dict) and e.get("status") == "PROVED"]
        if any(_certificate_of(entry) is None for entry in proved):
            yield f"row {number} says PROVED and names no certificate"
        elif row in proved and points != [row]:
            alike = [p for p in points if _certificate_of(p) and p.get("kind") == row.get("kind")]
            enough = alike if row.get("kind") == "DEGENERATE" else len(alike) == len(points)
            told = row.get("sentence") in (None, "", *(p.get("sentence") for p in alike))
            if not (alike and enough and told):
                yield f"row {number} is said to be PROVED, but is not what its members are"


def _fitting(entry: Any, *, finite: bool) -> set[str]:
    """Sentences that prove a row to be of the kind that it says; of those, the one that it says."""
    from sphereufm.landscape.points import CRITICAL, KINDS

    if not isinstance(entry, dict):
        return set()
    sentences = {sentence for sentence, kind in KINDS.items() if kind.name == entry.get("kind")}
    if finite and entry.get("kind") == "LOCAL_MINIMUM":
        sentences.add(CRITICAL)  # as every point of a finite set
    return {said for said in sentences if entry.get("sentence") in (said, None, "")}


def _large_gap(path: Path) -> dict[str, Any]:
    """A gap at scale, by the checker in floating point with error bounds."""
    from sphereufm.certify.large_gap.check import check_large_gap

    result = check_large_gap(path)
    row = "optimality gap, checked in floating point with error bounds"
    instance = {"instance": result.instance, "sha256": result.sha256}
    claim = {"type": "gap", "status": result.status, "text": str(result)}
    return _told(path, result.status, row, claim) | instance


def _complete(path: Path) -> dict[str, Any]:
    """A complete list of critical points."""
    from sphereufm.certify.checker.face import read_file
    from sphereufm.certify.checker.reading import read_json, read_problem
    from sphereufm.certify.checker.words import named
    from sphereufm.certify.complete.check import check_complete_bytes

    data = read_file(path)
    result, instance = check_complete_bytes(data), read_json(data)["instance"]
    row = _COMPLETE if result.status == "PROVED" else "not every box is settled"
    claim = {"type": "complete", "status": result.status, "text": result.text}
    return _told(path, result.status, row, claim) | named(read_problem(instance))


def _sentences(report: dict[str, Any]) -> Iterator[str]:
    """One result as lines of text."""
    yield f"{report['file']}: {report['status']}: {report['row']}"
    if "instance" in report:
        yield f"  instance: {report['instance']} (sha256 {report['sha256'][:16]})"
    for claim in report["claims"]:
        yield f"  {claim['status']} {claim['type']}: {claim['text']}"


def _printable(line: str) -> str:
    """A line with what files say of themselves: nothing in it moves a terminal's cursor, or begins another line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
