"""What is known about completeness, as a value."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from sphereufm.certify.certificate import ProofStatus
from sphereufm.certify.checker.words import printed
from sphereufm.certify.complete.check import check_complete_bytes
from sphereufm.certify.complete.reading import FORMAT
from sphereufm.certify.instances import ExactInstance, ExpressionInstance
from sphereufm.geometry.spheres import Array
from sphereufm.geometry.symmetry.groups import SymmetryGroup
from sphereufm.notebook import counted
from sphereufm.progress import Progress
from sphereufm.version import __version__


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
    """What is known about completeness."""

    status: ProofStatus  #: PROVED where the independent checker accepted the certificate, else UNDECIDED
    statement: str  #: what is proved, or why nothing is
    #: One point for each critical orbit outside of the collapsed family, shape ``(2, K + N)``, or of an own cost,
    #: ``(d, M)``; by cost; all of them where PROVED.
    points: tuple[Array, ...] = ()
    copies: tuple[int, ...] = ()  #: orbits of O(d) alone in each orbit; empty without a certificate
    costs: tuple[float, ...] = ()  #: in nats, rising
    #: Where critical points may still be: where it was stopped, or near the collapsed family.
    region: str | None = None
    symmetry: SymmetryGroup | None = None  #: what points are counted up to, where the problem declares less
    left: BoxesLeft | None = None  #: the boxes that a stopped search left over
    boxes: int = 0  #: that were looked at
    #: Whether every critical point outside of the list is proved a strict saddle.
    collapsed_are_saddles: bool = False
    #: The file that the checker accepted, ``sphereufm-complete/1``; of what lies outside of the region where that is
    #: proved.
    certificate: bytes | None = None

    def __repr__(self) -> str:
        orbits = counted(len(self.points), "critical orbit")
        return f"<CompleteList {self.status.name}: {orbits}, {counted(self.boxes, 'box', 'boxes')}>"


def checked(
    instance: ExactInstance | ExpressionInstance,
    data: dict[str, Any],
    points: Sequence[Array],
    boxes: int,
    advance: Progress,
) -> CompleteList:
    """What the independent checker says of a certificate with a method's ``data``, docs/complete.md, section 5."""
    producer = {"name": "sphereufm", "version": __version__}
    whole = {"format": FORMAT, "producer": producer, "instance": instance.to_json(), **data}
    certificate = (json.dumps(whole, indent=1) + "\n").encode()
    advance("check the complete list", 0, 1)
    result = check_complete_bytes(certificate)
    advance("check the complete list", 1, 1)
    accepted = result.status == "PROVED" and len(result.orbits) == len(points)
    size = printed(Fraction(result.outside), up=True)
    near = f"classifiers that are not all equal, but fit into an arc of {size} radians"
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
