"""From a landscape as found to certificates: every row proved that can be, and the verdict that follows.

A row is PROVED only after the independent checker accepted its certificate, byte for byte as it is written.
Proofs override floats: the kind of a proved row is read off the sentence that the checker returned.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from sphereufm.certify.certificate import BenignClaim, Certificate, claim_name
from sphereufm.certify.checker import CheckError, check_bytes
from sphereufm.certify.instances import ExactInstance, ExpressionInstance
from sphereufm.certify.json_format import certificate_to_json, write_certificate
from sphereufm.certify.prove import prove_benign, prove_point
from sphereufm.errors import OutputError
from sphereufm.files import make_folder
from sphereufm.geometry.spheres import Array
from sphereufm.landscape.complete_list import is_benign, keep_certificate
from sphereufm.landscape.points import (
    CRITICAL,
    KINDS,
    CriticalFamily,
    CriticalPoint,
    CriticalPointKind,
    Entry,
    Status,
    embed,
)
from sphereufm.landscape.report.landscape_report import LandscapeReport, ProofSummary
from sphereufm.landscape.report.verdict import COUNTEREXAMPLES, conclude
from sphereufm.notebook import counted
from sphereufm.parallel import Workers
from sphereufm.problem import capabilities
from sphereufm.progress import STOPS, Progress, reason_of, until

# Folder of the certificates, beside landscape.json.
CERTIFICATES = "certificates"
# Names that certificates have there.
_OURS = re.compile(r"(theorem|complete|(\d{3,}/)?\d{3,})\.json")
# What a verdict may rest on is proved before the rest: minima, then all that is no saddle, then saddles.
_RELEVANCE = {
    CriticalPointKind.GLOBAL_MINIMUM: 0,
    **dict.fromkeys((*COUNTEREXAMPLES, CriticalPointKind.LOCAL_MINIMUM), 1),
}
# What floats may say of a proved local minimiser without a proof of it.
_STRONGER = (CriticalPointKind.GLOBAL_MINIMUM, CriticalPointKind.SPURIOUS_LOCAL_MINIMUM)
# Entries of a point, rows times distinct columns, up to which its certificate is a matter of seconds.
_LARGEST = 600


def prove_landscape(
    report: LandscapeReport,
    folder: str | os.PathLike[str] | None = None,
    *,
    progress: Progress | None = None,
    time_limit: float | None = None,
    workers: Workers | int = 1,
) -> LandscapeReport:
    """Prove every row of a report that can be proved, and draw the verdict again.

    Parameters
    ----------
    report : LandscapeReport
    folder : path, optional
        Where ``certificates/`` is made and filled, one file as soon as it is there; named in the rows.
        Without it certificates are checked in memory and not kept.
    progress : Progress, optional
        ``progress("prove", done, total, detail)``.
    time_limit : float, optional
        Seconds after which no further row is begun.
    workers : Workers or int
        Processes that rows are proved in.

    Returns
    -------
    LandscapeReport
        Rows with status PROVED, the kind that was proved, and the certificate's name; the others as they were.
        An interruption (KeyboardInterrupt) or the time limit ends the proofs early and is noted.
        Problems without ball formulas come back with a note.

    Raises
    ------
    ContradictionError
        If a proved row contradicts a theorem: an internal error.
    OutputError
        If a certificate cannot be written.

    Examples
    --------
    >>> from sphereufm.landscape.verify import verify_landscape
    >>> from sphereufm.problem.ufm import UFMProblem
    >>> report = verify_landscape(UFMProblem(class_sizes=(1, 1), dim=3, tau=1.0), starts=10)
    >>> proved = prove_landscape(report)
    >>> proved.verdict.name, proved.proofs.basis_status, proved.proofs.proved == proved.proofs.rows
    ('BENIGN', 'BY_THEOREM', True)
    """
    place = None if folder is None else Path(folder)
    if place is not None:
        clear_certificates(place)
    instance = capabilities.exact_instance(report.problem)
    missing = None
    if instance is None:
        # section 2 of docs/certificates.md
        digits = "numbers of at most 200 digits, 60 below a fraction's line"
        missing = f"ball formulas, and {digits}; this problem does not offer both"
    elif report.problem.symmetry.is_proper:
        missing = "rotations that are seen in the form of the cost, in gram(i, j), and SO(d) was declared of entries"
    if missing:
        return replace(report, notes=(*report.notes, f"rows are numerical: proofs need {missing}"))
    watched = until(progress, time_limit)
    prover = _Prover(instance, _lowest(report), place)
    notes, complete = list(report.notes), report.complete
    entries = list(report.critical)
    order = sorted(range(len(entries)), key=lambda row: (_RELEVANCE.get(entries[row].kind, 2), row))
    theorem_certificate, number = None, 0
    try:
        theorem_certificate = prover.theorem()
        watched("prove", 0, len(entries))
        tasks = [(entries[row], f"{row + 1:03d}") for row in order]
        with Workers.of(workers) as busy:
            for row, entry in zip(order, busy.map(_proved, tasks, prover), strict=True):
                entries[row] = entry
                number += 1
                watched("prove", number, len(entries))
    except STOPS as stop:
        complete = False
        why = reason_of(stop)
        notes.append(
            f"{why}: proofs of {number} of {counted(len(entries), 'row')} were tried, minimisers before saddles"
        )
        for row in order[number:]:
            entries[row] = replace(entries[row], reason=f"{why} before its proof")
    return _with_verdict(report, entries, theorem_certificate, prover, notes, complete)


def accepted(certificate: Certificate) -> str | None:
    """What the independent checker says of a certificate of which it accepts every claim, from its bytes alone.

    None where it does not accept, or accepts claims that say too little of an existing point.
    """
    if not certificate.claims:
        return None
    try:
        result = check_bytes(certificate_to_json(certificate).encode())
    except CheckError:  # too large for the checker, for example: nothing is proved then
        return None
    return result.row if result.status == "PROVED" else None


def _proved(task: tuple[Entry, str], prover: _Prover) -> Entry:
    """One row of that number with its proof, if there is one; a cluster is sent the prover once."""
    return prover.entry(*task)


@dataclass(frozen=True)
class _Prover:
    """Proves rows of one instance and writes what was accepted."""

    instance: ExactInstance | ExpressionInstance
    lowest: Array | None
    folder: Path | None

    def theorem(self) -> tuple[bool, str | None]:
        """Prove the instance benign by a theorem; return whether that was accepted, and the file's name."""
        certificate = prove_benign(self.instance)
        if certificate.find(BenignClaim) is None or accepted(certificate) is None:
            return False, None
        return True, self._keep(certificate, f"{CERTIFICATES}/theorem.json")

    def entry(self, entry: Entry, number: str) -> Entry:
        """Prove one row of that number."""
        if isinstance(entry, CriticalFamily):
            return self._family(entry, number)
        return self._point(entry, f"{CERTIFICATES}/{number}.json")

    def _point(self, point: CriticalPoint, name: str) -> CriticalPoint:
        """Prove one point; it stays as it is where no certificate was accepted."""
        if not self.is_small(point.X):
            return replace(point, reason=f"too large: more than {_LARGEST} entries")
        certificate = self._candidate(point.X)
        sentence = accepted(certificate)
        kind = KINDS.get(sentence or "")
        if kind is None and sentence == CRITICAL and self.instance.dim == 1:
            kind = CriticalPointKind.LOCAL_MINIMUM  # as every point of a finite set
        if sentence is None or kind is None:
            return replace(point, reason=certificate.reason or "the checker did not accept the certificate")
        if kind is CriticalPointKind.LOCAL_MINIMUM and point.kind in _STRONGER:
            return replace(point, reason="a local minimiser is proved, but not what floats say beyond that")
        return replace(
            point,
            kind=kind,
            status=Status.PROVED,
            certificate=self._keep(certificate, name),
            claims=tuple(claim_name(type(claim)) for claim in certificate.claims),
            sentence=sentence,
            reason="",
        )

    def _family(self, family: CriticalFamily, number: str) -> CriticalFamily:
        """Prove the members; the family is proved when all are and agree, or one shows that it is degenerate."""
        folder = f"{CERTIFICATES}/{number}"
        members = tuple(
            self._point(member, f"{folder}/{i + 1:03d}.json") for i, member in enumerate(family.members)
        )
        proved = [member for member in members if member.status is Status.PROVED]
        kinds = {member.kind for member in members}
        family = replace(
            family, members=members, certificate=folder if self.folder is not None and proved else None
        )
        if any(member.kind is CriticalPointKind.DEGENERATE for member in proved):
            kinds = {CriticalPointKind.DEGENERATE}
        elif len(proved) < len(members):
            return replace(family, reason=f"proved of {len(proved)} of {counted(len(members), 'member')}")
        elif len(kinds) != 1:
            return replace(family, reason="its members are of several kinds")
        kind = kinds.pop()
        sentence = next(member.sentence for member in proved if member.kind is kind)
        return replace(family, kind=kind, status=Status.PROVED, sentence=sentence, reason="")

    def _candidate(self, X: Array) -> Certificate:
        """A certificate of one point.

        A cost of Gram entries is proved at a point of rank r in R^(r + 1): every further dimension repeats the Hessian
        of the direction added there, so that the kind stays.
        """
        if isinstance(self.instance, ExactInstance):
            return prove_point(self.instance, X, lower=self.lowest)
        d = self.instance.dim
        if self.instance.is_orthogonally_invariant:
            d = min(d, len(X) + 1)
        lower = None if self.lowest is None or len(self.lowest) > d else embed(self.lowest, d)
        return prove_point(replace(self.instance, dim=d), embed(X, d), lower=lower)

    def is_small(self, X: Array) -> bool:
        """Whether a proof takes seconds."""
        if isinstance(self.instance, ExpressionInstance):
            return X.size <= _LARGEST
        distinct = len({(self.instance.label(i), *h) for i, h in enumerate(X[:, self.instance.classes :].T)})
        return X.shape[0] * (self.instance.classes + distinct) <= _LARGEST

    def _keep(self, certificate: Certificate, name: str) -> str | None:
        """Write an accepted certificate, if there is a folder; return its name there."""
        if self.folder is None:
            return None
        path = self.folder / name
        make_folder(path.parent)
        write_certificate(path, certificate)
        return name


def clear_certificates(folder: Path) -> None:
    """Remove the certificates of an earlier report, which a new one does not name.

    What has other names stays.  Raises OutputError if one cannot be removed.
    """
    old = folder / CERTIFICATES
    try:
        for path in [*old.glob("*"), *old.glob("*/*")]:
            if _OURS.fullmatch(path.relative_to(old).as_posix()):
                path.unlink()
    except OSError as error:
        raise OutputError(f"path={str(old)!r} cannot be cleared: {error}") from error
    for family in old.glob("*"):
        if family.name.isdigit():
            with suppress(OSError):  # what else lies there stays
                family.rmdir()


def _lowest(report: LandscapeReport) -> Array | None:
    """The lowest point that was found."""
    points = [entry for entry in report.critical if isinstance(entry, CriticalPoint)]
    return min(points, key=lambda point: point.cost).X if points else None


def _with_verdict(
    report: LandscapeReport,
    entries: list[Entry],
    theorem: tuple[bool, str | None] | None,
    prover: _Prover,
    notes: list[str],
    complete: bool,
) -> LandscapeReport:
    """The report with its proofs and the verdict that follows from them."""
    finite = not report.problem.spheres.dimension
    benign = is_benign(report.problem, entries, report.completeness)
    conclusion = conclude(entries, report.theorem, proofs=True, benign=benign, finite=finite)
    old = conclude(report.critical, report.theorem, finite=finite).note
    by_theorem, name = theorem or (False, None)
    unproved = conclusion.basis == "theorem" and not by_theorem
    notes += _left_out(entries, prover)
    kept = [note for note in notes if note != old]
    return replace(
        report,
        critical=tuple(entries),
        verdict=conclusion.verdict,
        basis=conclusion.basis,
        proofs=ProofSummary(
            rows=len(entries),
            proved=sum(entry.status is Status.PROVED for entry in entries),
            basis_status=None if unproved else conclusion.basis_status,
            theorem_certificate=name,
            instance_sha256=prover.instance.sha256,
        ),
        notes=(*kept, *([conclusion.note] if conclusion.note else [])),
        complete=complete,
        completeness=keep_certificate(report.completeness, prover.folder, f"{CERTIFICATES}/complete.json"),
    )


def _left_out(entries: Sequence[Entry], prover: _Prover) -> Iterator[str]:
    """Rows that are too large for a proof, and families of which some members alone are proved."""
    large = sum(not prover.is_small(e.X) for e in entries if isinstance(e, CriticalPoint))
    if large:
        yield f"{counted(large, 'row has', 'rows have')} more than {_LARGEST} entries and no proof"
    for family in entries:
        if isinstance(family, CriticalFamily) and family.status is Status.PROVED:
            proved = sum(m.kind is family.kind and m.status is Status.PROVED for m in family.members)
            if proved < len(family.members):
                yield (
                    f"{family.name}: {family.kind.name} is PROVED of {proved} of "
                    f"{counted(len(family.members), 'listed member')}, of nothing else of the family"
                )
