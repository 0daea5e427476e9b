"""A proof that the list is complete as part of a landscape: its points are rows, its statement a fact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from sphereufm.certify.certificate import ProofStatus
from sphereufm.certify.instances import ExpressionInstance
from sphereufm.complete.outcome import CompleteList
from sphereufm.files import make_folder, write_aside
from sphereufm.geometry.spheres import Array
from sphereufm.geometry.symmetry.alignment import align
from sphereufm.geometry.symmetry.groups import SymmetryGroup
from sphereufm.landscape.points import CriticalPoint, CriticalPointKind, Entry, Status, embed
from sphereufm.landscape.report.landscape_report import Completeness
from sphereufm.notebook import counted
from sphereufm.problem import capabilities
from sphereufm.problem.interface import SphereProblem

# far above what costs of one orbit differ by; others are not compared at length
_SAME_COST = 1e-4
# changes of sign that are tried
_MOST_CHANGES = 4096
# boxes that a report draws
_MOST_BOXES = 1000


def completeness_of(
    problem: SphereProblem, entries: Sequence[Entry], proved: CompleteList
) -> tuple[Completeness, list[str]]:
    """Return what a proof says of a list of rows, and notes on rows that it contradicts."""
    notes = []
    if proved.status is ProofStatus.PROVED:
        rows = [entry for entry in entries if isinstance(entry, CriticalPoint)]
        symmetry = proved.symmetry or problem.symmetry
        costs = np.array(proved.costs)
        near = np.zeros((len(rows), len(costs)), dtype=np.bool_)
        for k, row in enumerate(rows):
            for j in np.flatnonzero(np.abs(costs - row.cost) <= _SAME_COST * (1 + np.abs(costs))):
                near[k, j] = _same_orbit(symmetry, row.X, proved.points[j])
        # a row beside two orbits, as where a pair is born, would let the proof of one stand for both
        strange, missing = int((near.sum(1) != 1).sum()), int((~near.any(0)).sum())
        if strange or missing:
            notes.append(
                f"{counted(strange, 'row is', 'rows are')} not exactly one of the {len(proved.points)} proved orbits, "
                f"{missing} of which are no row: "
                "floats took points for critical that are not, or did not tell them apart"
            )
    completeness = Completeness(
        status=proved.status.name,
        statement=proved.statement,
        orbits=len(proved.points),
        decides=proved.collapsed_are_saddles and not notes,
        region=proved.region,
        left=None if proved.left is None else proved.left.to_json(_MOST_BOXES),
        evidence=proved.certificate,
    )
    return completeness, notes


def is_benign(
    problem: SphereProblem,
    entries: Sequence[Entry],
    completeness: Completeness | None,
) -> bool:
    """Tell whether a complete list leaves nothing but global minimisers and proved strict saddles.

    Something is the least cost: where all that is no proved strict saddle is one orbit, that is it.  Minimisers that
    changes of sign carry into each other count as one.
    """
    if completeness is None or completeness.status != "PROVED" or not completeness.decides:
        return False
    rows = [entry for entry in entries if isinstance(entry, CriticalPoint)]
    proved = [row for row in rows if row.status is Status.PROVED]
    saddles = [row for row in proved if row.kind is CriticalPointKind.STRICT_SADDLE]
    others = [row for row in rows if row not in saddles]
    if all(row in proved and row.kind is CriticalPointKind.GLOBAL_MINIMUM for row in others):
        return bool(others)
    flips = _sign_changes(capabilities.exact_instance(problem))
    return all(any(_same_orbit(problem.symmetry, row.X * D, others[0].X) for D in flips) for row in others)


def _sign_changes(instance: object) -> list[Array]:
    """Signs of entries, shape ``(d, M)``, that leave a program as it is: of rows, of columns, and products of these."""
    if not isinstance(instance, ExpressionInstance):
        return [np.ones((1, 1))]
    d, M = instance.dim, instance.columns
    found = [np.ones((d, M))]
    for axis, k in [*((0, k) for k in range(d)), *((1, k) for k in range(M))]:
        if _parity(instance, axis, k) == 0 and len(found) < _MOST_CHANGES:
            D = np.ones((d, M))
            np.moveaxis(D, axis, 0)[k] = -1
            found += [D * E for E in found]
    return found


def _parity(instance: ExpressionInstance, axis: int, k: int) -> int | None:
    """1 where a change of sign of one row (axis 0) or column changes that of a program, 0 if nothing, else None."""
    done: list[int | None] = []
    for name, *rest in instance.program:
        odd: int | None = 0
        if name == "x":
            odd = int(rest[axis] == k)
        elif name == "gram":
            odd = axis * rest.count(k) % 2
        elif name != "const":
            parts = [done[t] for t in rest[: 1 if name == "pow" else None]]
            known = [part for part in parts if part is not None]
            if len(known) < len(parts):
                odd = None
            elif name in ("mul", "div"):
                odd = sum(known) % 2
            elif name == "pow":
                odd = known[0] * rest[1] % 2
            elif name in ("add", "sub", "neg"):
                odd = known[0] if len(set(known)) == 1 else None
            else:
                odd = None if any(known) else 0
        done.append(odd)
    return done[-1]


def keep_certificate(
    completeness: Completeness | None, folder: Path | None, name: str
) -> Completeness | None:
    """Write the certificate of a complete list beside the others, if there is one and a folder.

    Raises OutputError if it cannot be written.
    """
    if completeness is None or completeness.evidence is None or folder is None:
        return completeness
    path, evidence = folder / name, completeness.evidence
    make_folder(path.parent)
    write_aside(path, lambda aside: aside.write_bytes(evidence))
    return replace(completeness, certificate=name)


def _same_orbit(symmetry: SymmetryGroup, X: Array, Y: Array) -> bool:
    """Whether a row and a proved point are one orbit.

    Where rotations act, rows are stored with as many entries as they span, proved points with more or fewer.
    """
    if not symmetry.orthogonal:
        return align(X, Y, symmetry) is not None
    return X.shape[0] <= len(Y) and align(embed(X, len(Y)), Y, symmetry) is not None
