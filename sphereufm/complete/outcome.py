"""What is known about completeness, as a value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sphereufm.certify.certificate import ProofStatus
from sphereufm.certify.complete.check import arc, check_complete_bytes
from sphereufm.geometry.spheres import Array
from sphereufm.geometry.symmetry.groups import SymmetryGroup
from sphereufm.notebook import counted
from sphereufm.progress import Progress


@dataclass(frozen=True, kw_only=True, eq=False)
class BoxesLeft:
    """Boxes that a search left over: names of the unknowns, and both ends, shape ``(boxes, unknowns)``."""

    names: tuple[str, ...]
    low: Array
    high: Array

    def __str__(self) -> str:
        sides = zip(self.names, self.low.min(0), self.high.max(0), strict=True)
        within = ", ".join(f"{name} in [{low:.3g}, {high:.3g}]" for name, low, high in sides)
        return f"{counted(len(self.low), 'box is', 'boxes are')} left, {within}"

    def to_json(self, most: int) -> dict[str, Any]:
        """Names and ends, of evenly taken boxes where there are more."""
        step = -(-len(self.low) // most)
        ends = (np.round(end[::step], 6).tolist() for end in (self.low, self.high))
        return {"names": list(self.names), **dict(zip(("low", "high"), ends, strict=True))}


@dataclass(frozen=True, kw_only=True, eq=False)
class CompleteList:
    """What is known about completeness.

    Attributes
    ----------
    status : ProofStatus
        PROVED where the independent checker accepted the certificate, else UNDECIDED.
    statement : str
        What is proved, or why nothing is.
    points : tuple of ndarray, shape (2, K + N) or (d, M)
        One point for each critical orbit outside of the collapsed family, or of an own cost; all of them where PROVED.
    copies : tuple of int
        Orbits of O(d) alone in each orbit, in the order of rising cost; empty without a certificate.
    costs : tuple of float
        Costs in nats in the same order.
    region : str or None
        Where critical points may still be: where the search was stopped, or next to the collapsed family.
    symmetry : SymmetryGroup or None
        What points are counted up to, where that is more than the problem declares.
    left : BoxesLeft or None
        The boxes that a stopped search left over.
    boxes : int
        Boxes that were looked at.
    collapsed_are_saddles : bool
        Whether every critical point outside of the list is proved to be a strict saddle.
    certificate : bytes or None
        The file that the checker accepted, of format ``sphereufm-complete/1``; of what lies outside of the region
        where that is proved.
    """

    status: ProofStatus
    statement: str
    points: tuple[Array, ...] = ()
    copies: tuple[int, ...] = ()
    costs: tuple[float, ...] = ()
    region: str | None = None
    symmetry: SymmetryGroup | None = None
    left: BoxesLeft | None = None
    boxes: int = 0
    collapsed_are_saddles: bool = False
    certificate: bytes | None = None

    def __repr__(self) -> str:
        orbits = counted(len(self.points), "critical orbit")
        return f"<CompleteList {self.status.name}: {orbits}, {counted(self.boxes, 'box', 'boxes')}>"


def checked(certificate: bytes, points: Sequence[Array], boxes: int, advance: Progress) -> CompleteList:
    """What the independent checker says of a certificate."""
    advance("check the complete list", 0, 1)
    result = check_complete_bytes(certificate)
    advance("check the complete list", 1, 1)
    accepted = result.status == "PROVED" and len(result.orbits) == len(points)
    near = f"classifiers that are not all equal, but fit into an arc of {arc(result.outside)} radians"
    return CompleteList(
        status=ProofStatus.PROVED if accepted and not result.outside else ProofStatus.UNDECIDED,
        statement=("PROVED outside of the region: " if result.outside else "") + result.text,
        points=tuple(points),
        copies=tuple(orbit.copies for orbit in result.orbits),
        costs=tuple(orbit.cost for orbit in result.orbits),
        region=near if result.outside else None,
        boxes=boxes,
        collapsed_are_saddles=accepted and result.saddles,
        certificate=certificate if accepted else None,
    )


def undecided(reason: str, **more: Any) -> CompleteList:
    """Nothing is proved."""
    return CompleteList(status=ProofStatus.UNDECIDED, statement=reason, **more)
