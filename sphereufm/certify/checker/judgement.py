"""What each claim is found to be, and what all of them say together."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from sphereufm.certify.checker.claims import CHECKS
from sphereufm.certify.checker.families import FAMILIES
from sphereufm.certify.checker.kernel import Refuted, Undecided
from sphereufm.certify.checker.place import Place
from sphereufm.certify.checker.words import said


def statuses(at: Place) -> dict[str, tuple[str, str]]:
    """Status and words of every claim; those about X* wait for its existence."""
    found = {}
    for kind, check in (CHECKS | FAMILIES).items():
        claim = at.claims.get(kind)
        if claim is None:
            continue
        try:
            found[kind] = "PROVED", said(at, claim, check(at, claim))
        except Refuted as reason:
            found[kind] = "REFUTED", str(reason)
        except Undecided as reason:
            found[kind] = "UNDECIDED", str(reason)
        except (ArithmeticError, LookupError, ValueError, TypeError, MemoryError, RecursionError) as defect:
            # a claim of another shape than its point's, or a defect of this file, decides nothing and stops nothing
            found[kind] = "UNDECIDED", f"the claim cannot be evaluated: {type(defect).__name__}"
        at.status[kind] = found[kind][0]
    return found


def sentence(statuses: dict[str, str], claims: dict[str, Any]) -> tuple[str, str]:
    """Section 8: what the claims say together; PROVED only of a point that is proved to exist."""
    found = {*statuses.values()}
    if "REFUTED" in found:
        return "REFUTED", "a claim is refuted"
    if found != {"PROVED"}:
        return "UNDECIDED", "not every claim is proved" if found else "there is no claim"
    exists, index = claims.keys() & {"critical", "rank_one"}, claims.get("index", {}).get("index", -1)
    radius, reach = (
        claims.get(kind, {}).get("radius", Fraction(0)) for kind in ("critical", "strict_saddle")
    )
    saddle = index > 0 or ("strict_saddle" in claims and radius <= reach)
    # and so does an exact member of a family near by, in the same span
    member = claims.keys() - {"strict_saddle"} in ({"shared_loss"}, {"equal_features"}, {"frame"})
    near = member and max(c["radius"] for c in claims.values()) == reach > 0
    well = index == 0 and radius <= claims.get("well_classified", {}).get("radius", -1)
    # what is proved of another point near the stored one is no sentence about X*
    rows = [
        ({*claims} == {"collapsed"}, "member of the collapsed family, a strict saddle"),
        ({*claims} == {"least_loss"}, "global minimiser"),
        (
            {*claims} == {"degenerate"},
            "degenerate critical point, neither a strict saddle nor a global minimiser",
        ),
        (exists and ("global_minimum" in claims or well), "global minimiser"),
        (exists and "spurious" in claims, "spurious local minimiser"),
        ((exists and saddle) or near, "strict saddle"),
        (exists and index == 0, "local minimiser"),
        ("gap" in claims, "optimality gap"),
        ({*claims} == {"rank_one"}, "critical point of rank one"),
        ({*claims} == {"benign"}, "benign instance, BY_THEOREM"),
    ]
    none = "UNDECIDED", "the claims make no sentence about an existing point"
    return next((("PROVED", row) for holds, row in rows if holds), none)
