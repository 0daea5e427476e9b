"""What follows from a theorem and from exhibited points; nothing follows from a search alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sphereufm.landscape.points import CriticalFamily, CriticalPoint, CriticalPointKind, LandscapeVerdict
from sphereufm.problem.theory import TheoremCheck

__all__ = ["Judgement", "judge"]

_COUNTEREXAMPLES = {CriticalPointKind.SPURIOUS_LOCAL_MINIMUM, CriticalPointKind.DEGENERATE}


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """A verdict, what it rests on, and a remark for the reader (or none)."""

    verdict: LandscapeVerdict
    basis: str | None
    note: str | None = None


def judge(entries: Sequence[CriticalPoint | CriticalFamily], theorem: TheoremCheck | None) -> Judgement:
    """Draw the verdict; a numerical contradiction of the theorem is said, not hidden.

    Parameters
    ----------
    entries : sequence of CriticalPoint and CriticalFamily
    theorem : TheoremCheck or None
        Whether Theorem S applies.

    Examples
    --------
    >>> judge([], None).verdict.name
    'UNDECIDED'
    """
    bad = sum(entry.kind in _COUNTEREXAMPLES for entry in entries)
    if theorem is not None and theorem.applies:
        if not bad:
            return Judgement(verdict=LandscapeVerdict.BENIGN, basis="theorem")
        return Judgement(
            verdict=LandscapeVerdict.UNDECIDED,
            basis=None,
            note=f"{bad} classes look degenerate or spurious in floating point although Theorem S excludes them; "
            "their eigenvalues are too small for float thresholds",
        )
    if bad:
        return Judgement(verdict=LandscapeVerdict.NOT_BENIGN, basis="counterexample")
    return Judgement(
        verdict=LandscapeVerdict.UNDECIDED,
        basis=None,
        note="no theorem applies, and a search that found no counterexample proves nothing",
    )
