"""What follows from a theorem and from exhibited points; nothing follows from a search alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sphereufm.landscape.points import (
    CriticalFamily,
    CriticalPoint,
    CriticalPointKind,
    LandscapeVerdict,
    Status,
)
from sphereufm.notebook import counted
from sphereufm.problem.theory.theorems import TheoremCheck
from sphereufm.tolerances import SAME_COST

COUNTEREXAMPLES = {CriticalPointKind.SPURIOUS_LOCAL_MINIMUM, CriticalPointKind.DEGENERATE}
_NO_PROOF = "no theorem applies, and a search that found no counterexample proves nothing"
_NUMERICAL = "the counterexample is numerical: floats exhibit it, no certificate proves it"


class ContradictionError(RuntimeError):
    """A proved row contradicts a proved theorem: one of the two has a defect."""


@dataclass(frozen=True, kw_only=True)
class Conclusion:
    """A verdict, what it rests on, and a remark for the reader (or none).

    ``basis_status`` is ``"BY_THEOREM"``, ``"PROVED"`` (the counterexample is), ``"NUMERICAL"``, or None.
    """

    verdict: LandscapeVerdict
    basis: str | None
    basis_status: str | None = None
    note: str | None = None


def conclude(
    entries: Sequence[CriticalPoint | CriticalFamily],
    theorem: TheoremCheck | None,
    *,
    proofs: bool = False,
    benign: bool = False,
    finite: bool = False,
) -> Conclusion:
    """Draw the verdict; a numerical contradiction of the theorem is said, not hidden.

    A spurious minimiser by floats gives NOT_BENIGN, and is said to be numerical.  A point that only looks
    degenerate rests on a threshold for zero: once ``proofs`` were tried without success it decides nothing.
    ``benign``: whether a complete list leaves nothing but global minimisers and strict saddles; ``finite``: whether
    d = 1: each point is a local minimiser, vacuously, and none is called spurious.

    Raises ContradictionError if a theorem applies and an entry that it excludes is PROVED.
    """
    if finite:
        return Conclusion(verdict=LandscapeVerdict.FINITE, basis=None)
    bad = [entry for entry in entries if entry.kind in COUNTEREXAMPLES and lies_above(entry, entries)]
    proved = [entry for entry in bad if entry.status is Status.PROVED]
    if theorem is not None and theorem.applies:
        return _by_theorem(theorem.name, len(bad), proved, proofs)
    if proved:
        return Conclusion(verdict=LandscapeVerdict.NOT_BENIGN, basis="counterexample", basis_status="PROVED")
    spurious = any(entry.kind is CriticalPointKind.SPURIOUS_LOCAL_MINIMUM for entry in bad)
    if spurious or (bad and not proofs):
        return Conclusion(
            verdict=LandscapeVerdict.NOT_BENIGN,
            basis="counterexample",
            basis_status="NUMERICAL",
            note=_NUMERICAL,
        )
    if benign:
        return Conclusion(verdict=LandscapeVerdict.BENIGN, basis="completeness", basis_status="PROVED")
    looks = counted(len(bad), "row looks", "rows look")
    note = f"{looks} degenerate in floating point, which is not proved; {_NO_PROOF}"
    return Conclusion(verdict=LandscapeVerdict.UNDECIDED, basis=None, note=note if bad else _NO_PROOF)


def lies_above(
    entry: CriticalPoint | CriticalFamily, entries: Sequence[CriticalPoint | CriticalFamily]
) -> bool:
    """Whether a point is known not to be global; only degenerate ones can be the lowest, which decides nothing."""
    if entry.kind is not CriticalPointKind.DEGENERATE:
        return True
    if entry.has_lower is not None:
        return entry.has_lower
    lowest = min(other.cost for other in entries)
    return entry.cost - lowest > SAME_COST * max(abs(entry.cost), abs(lowest))


def _by_theorem(
    name: str, bad: int, proved: Sequence[CriticalPoint | CriticalFamily], proofs: bool
) -> Conclusion:
    """The verdict where a theorem applies."""
    if proved:
        raise ContradictionError(
            f"a {proved[0].kind.name} at cost {proved[0].cost!r} is PROVED, although Theorem {name} excludes it; "
            "please report this problem and its certificate"
        )
    note = (
        f"{counted(bad, 'row looks', 'rows look')} degenerate or spurious in floating point although Theorem {name} "
        "excludes that; eigenvalues are too small for float thresholds"
    )
    if bad and not proofs:
        return Conclusion(verdict=LandscapeVerdict.UNDECIDED, basis=None, note=note)
    return Conclusion(
        verdict=LandscapeVerdict.BENIGN,
        basis="theorem",
        basis_status="BY_THEOREM",
        note=note if bad else None,
    )
