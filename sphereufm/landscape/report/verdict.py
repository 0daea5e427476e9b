"""What follows from a theorem and from exhibited points; nothing follows from a search alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sphereufm.landscape.points import CriticalPointKind, Entry, LandscapeVerdict, Status
from sphereufm.notebook import counted
from sphereufm.problem.theory.theorems import TheoremCheck
from sphereufm.tolerances import SAME_COST

COUNTEREXAMPLES = {CriticalPointKind.SPURIOUS_LOCAL_MINIMUM, CriticalPointKind.DEGENERATE}
_NO_PROOF = "no theorem applies, and a search that found no counterexample proves nothing"
_NUMERICAL = "the counterexample is numerical: floats exhibit it, no certificate proves it"


class ContradictionError(RuntimeError):
    """A proved row contradicts a proved theorem: one of the two has a defect."""


@dataclass(frozen=True)
class Conclusion:
    """A verdict, what it rests on, and a remark for the reader (or none).

    ``basis_status`` is ``"BY_THEOREM"``, ``"PROVED"`` (the counterexample is), ``"NUMERICAL"``, or None.
    """

    verdict: LandscapeVerdict
    basis: str | None = None
    basis_status: str | None = None
    note: str | None = None


def conclude(
    entries: Sequence[Entry],
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
        return Conclusion(LandscapeVerdict.FINITE)
    bad = [entry for entry in entries if entry.kind in COUNTEREXAMPLES and lies_above(entry, entries)]
    proved = [entry for entry in bad if entry.status is Status.PROVED]
    looks = f"{counted(len(bad), 'row looks', 'rows look')} degenerate"
    if theorem is not None and theorem.applies:
        if proved:
            raise ContradictionError(
                f"a {proved[0].kind.name} at cost {proved[0].cost!r} is PROVED, although Theorem {theorem.name} "
                "excludes it; please report this problem and its certificate"
            )
        note = (
            f"{looks} or spurious in floating point although Theorem {theorem.name} excludes that; "
            "eigenvalues are too small for float thresholds"
        )
        if bad and not proofs:
            return Conclusion(LandscapeVerdict.UNDECIDED, note=note)
        return Conclusion(LandscapeVerdict.BENIGN, "theorem", "BY_THEOREM", note if bad else None)
    if proved:
        return Conclusion(LandscapeVerdict.NOT_BENIGN, "counterexample", "PROVED")
    spurious = any(entry.kind is CriticalPointKind.SPURIOUS_LOCAL_MINIMUM for entry in bad)
    if spurious or (bad and not proofs):
        return Conclusion(LandscapeVerdict.NOT_BENIGN, "counterexample", "NUMERICAL", _NUMERICAL)
    if benign:
        return Conclusion(LandscapeVerdict.BENIGN, "completeness", "PROVED")
    note = f"{looks} in floating point, which is not proved; {_NO_PROOF}"
    return Conclusion(LandscapeVerdict.UNDECIDED, note=note if bad else _NO_PROOF)


def lies_above(entry: Entry, entries: Sequence[Entry]) -> bool:
    """Whether a point is known not to be global; only degenerate ones can be the lowest, which decides nothing."""
    if entry.kind is not CriticalPointKind.DEGENERATE:
        return True
    if entry.has_lower is not None:
        return entry.has_lower
    lowest = min(other.cost for other in entries)
    return entry.cost - lowest > SAME_COST * max(abs(entry.cost), abs(lowest))
