"""A proof that the list is complete as part of a landscape: its points are rows, its statement a fact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sphereufm.certify.certificate import ProofStatus
from sphereufm.complete.prove import CompleteList
from sphereufm.errors import OutputError
from sphereufm.geometry.spheres import Array
from sphereufm.geometry.symmetry.alignment import align
from sphereufm.landscape.points import CriticalFamily, CriticalPoint, embed
from sphereufm.landscape.report.landscape_report import Completeness
from sphereufm.problem.interface import SphereProblem


def completeness_of(
    problem: SphereProblem, entries: Sequence[CriticalPoint | CriticalFamily], proved: CompleteList
) -> tuple[Completeness, list[str]]:
    """Return what a proof says of a list of rows, and notes on rows that it contradicts."""
    notes = []
    if proved.status is ProofStatus.PROVED:
        rows = [entry.X for entry in entries if isinstance(entry, CriticalPoint)]
        strange = sum(not any(_same_orbit(problem, X, Y) for Y in proved.points) for X in rows)
        missing = sum(not any(_same_orbit(problem, X, Y) for X in rows) for Y in proved.points)
        if strange or missing:
            notes.append(
                f"{strange} rows are none of the {len(proved.points)} proved orbits, {missing} of which are no row: "
                "floats took points for critical that are not, or did not tell them apart"
            )
    completeness = Completeness(
        status=proved.status.name,
        statement=proved.statement,
        orbits=len(proved.points),
        region=proved.region,
        evidence=proved.certificate if proved.status is ProofStatus.PROVED else None,
    )
    return completeness, notes


def keep_certificate(
    completeness: Completeness | None, folder: Path | None, name: str
) -> Completeness | None:
    """Write the certificate of a complete list beside the others, if there is one and a folder.

    Raises OutputError if it cannot be written.
    """
    if completeness is None or completeness.evidence is None or folder is None:
        return completeness
    path = folder / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(completeness.evidence)
    except OSError as error:
        raise OutputError(f"path={str(path)!r} cannot be written: {error.strerror}") from error
    return replace(completeness, certificate=name)


def _same_orbit(problem: SphereProblem, X: Array, Y: Array) -> bool:
    """Whether a row and a proved point are one orbit.

    Where rotations act, rows are stored with as many entries as they span, proved points with those of the plane.
    """
    if not problem.symmetry.orthogonal:
        return align(X, Y, problem.symmetry) is not None
    return X.shape[0] <= 2 and align(embed(X, 2), Y, problem.symmetry) is not None
