"""The claims: what each states (section 5 of the format), and what is verified of it.

Numbers of lemmas are those of the page of proofs.  ``Xhat`` is the stored centre, ``B(rho)`` all matrices within rho of
it in every entry, ``X*`` the exact critical point that ``critical`` or ``rank_one`` establishes.  Every test is written
positively.  A claim that is proved returns balls that its sentence shows; else it raises ``Refuted`` or ``Undecided``.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from sphereufm.certify.checker.calculus import Evaluated
from sphereufm.certify.checker.kernel import Refuted, Undecided, Witness, dot, inertia, krawczyk, require
from sphereufm.certify.checker.losses import LOSSES, applies
from sphereufm.certify.checker.place import Place
from sphereufm.certify.checker.programs import is_convex_in_gram
from sphereufm.certify.checker.words import NEEDS, said

PROVED, REFUTED = "PROVED", "REFUTED"


def radius_of(at: Place) -> Any:
    """Radius of X*, whose existence must have been proved."""
    proved = [at.claims[kind] for kind in ("rank_one", "critical") if at.status.get(kind) == PROVED]
    require(proved, "no critical point is proved")
    return proved[0].get("radius", 0)


def critical(at: Place, claim: dict[str, Any]) -> list[Any]:
    """Lemmas 3 and 4: the zero of Phi in the box of radius ``unique_radius``."""
    B, rho = at.B, claim["unique_radius"]
    near = at.around(claim["radius"]).unit
    if any(B.less(t, 0) or B.less(0, t) for y in near.tangential for t in y):
        raise Refuted("the gradient does not vanish anywhere within the radius")
    u = [B.top(B.dyadic(1, k) * B.number(rho)) for k in at.point.scales for _ in range(near.r)]
    eta, q = krawczyk(B, claim["witness"][0], at.residual(), at.jacobian(rho), u)
    reached = B.less(B.number(rho) * eta / (1 - q), B.number(claim["radius"]))
    require(reached, "the exact point is not proved to lie within the radius")
    return [eta, q]


def rank_one(at: Place, claim: dict[str, Any]) -> None:
    """Lemma 5: all entries are 1 or -1."""
    if at.point.rank != 1 or not all(abs(x) == 1 for column in at.point.columns for x in column):
        raise Refuted("the stored point is not exactly of rank one")


def index(at: Place, claim: dict[str, Any]) -> None:
    """Lemmas 6 and 7: ``n_-(A) + sum_g (m_g - 1) n_-(B_g) + (d - r) n_-(S)``; ``n_-(A)`` is of Krawczyk's witness."""
    r, d, e, ready = at.point.rank, at.p.dim, at.around(radius_of(at)).unit, list(claim["witness"])
    require(d > 1, "the unit sphere of R^1 is two points: there is no Hessian, and nothing is a saddle")
    total = at.claims["critical"]["witness"][0][0] if r > 1 else 0
    for j, (_, m, _) in enumerate(at.point.groups, at.p.classes):
        if m > 1 and r > 1:
            total += (m - 1) * inertia(at.B, ready.pop(0), at.split_block(e, j), "a split block")
    if r < d:
        total += (d - r) * multiplier_index(at, e, ready.pop(0))
    if total != claim["index"]:
        raise Refuted(f"its Morse index is {total}")


def multiplier_index(at: Place, e: Evaluated, ready: Witness, shifts: list[Fraction] | None = None) -> int:
    """``n_-(S + diag(delta))``, whose kernel is proved to hold no more than the rows of X, with shifts nothing."""
    below, T = at.multiplier_matrix(e, shifts)
    return below + inertia(at.B, ready, T, "the multiplier matrix")


def is_convex(p: Any) -> bool:
    """Whether the cost is known to be convex in the Gram matrix; a loss is, where it is so in the logits."""
    return is_convex_in_gram(p.program) if p.program else LOSSES[p.loss].convex


def nonnegative(at: Place, claim: dict[str, Any], radius: Any) -> None:
    """``S + diag(delta) >= 0`` around the centre, for a cost that is convex in the Gram matrix (Lemmas 8 and 9)."""
    require(is_convex(at.p), "the cost is not known to be convex in the Gram matrix: S says nothing")
    below = multiplier_index(at, at.around(radius).unit, claim["witness"][0], claim.get("shifts"))
    require(below == 0, "the multiplier matrix has a negative eigenvalue, which decides nothing")


def global_minimum(at: Place, claim: dict[str, Any]) -> None:
    """Lemma 8: ``S >= 0`` at X*."""
    nonnegative(at, claim, radius_of(at))


def gap(at: Place, claim: dict[str, Any]) -> None:
    """Lemma 9: ``S + diag(delta) >= 0`` at the normalised centre, and ``sum(delta) / 2 <= gap``."""
    # the sum's denominator may have as many digits as all of theirs
    at.B.charge(sum(q.bit_length() for q in {x.denominator for x in claim["shifts"]}) ** 2 / 1e5)
    total = sum(m * x for m, x in zip(at.point.sizes, claim["shifts"], strict=True))
    require(total <= 2 * claim["gap"], "the shifts add up to more than the gap")
    nonnegative(at, claim, 0)


def strict_saddle(at: Place, claim: dict[str, Any]) -> None:
    """Section 5.4: one Rayleigh quotient over the ball, below the curvature."""
    form, length = rayleigh(at, claim["radius"], claim["direction"])
    below = at.B.less(0, length) and at.B.less(form - at.B.number(claim["curvature"]) * length, 0)
    require(below, "the curvature along the stored direction is not proved below the bound")


def rayleigh(at: Place, radius: Fraction, direction: list[list[Fraction]]) -> tuple[Any, Any]:
    """``Hess[V, V]`` and ``|V|^2`` for the tangential part V; columns of r + 1 entries leave the span (Lemma 2)."""
    B, V, e = at.B, [[at.B.number(x) for x in column] for column in direction], at.around(radius).unit
    out = {*map(len, V)} == {at.point.rank + 1} and at.point.rank < at.p.dim and not at.p.program
    X = [[*x, *[B.number(0)] * out] for x in e.X]
    along = [dot(v, x) for x, v in zip(X, V, strict=True)]
    V = [[b - t * a for a, b in zip(x, v, strict=True)] for x, v, t in zip(X, V, along, strict=True)]
    return e.form(V), dot(at.point.sizes, [dot(v, v) for v in V])


def spurious(at: Place, claim: dict[str, Any]) -> list[Any]:
    """A local minimiser, and a point that is lower by the margin over the whole ball."""
    if at.status.get("index") == REFUTED:
        raise Refuted("the index is refuted")
    minimiser = at.status.get("index") == PROVED and at.claims["index"]["index"] == 0
    require(minimiser, "index 0 is not claimed and proved")
    return proved_lower(at, claim, at.around(radius_of(at)).unit.cost)


def proved_lower(at: Place, claim: dict[str, Any], here: Any) -> list[Any]:
    """Whether ``lower_point`` is lower than ``here`` by the margin."""
    B, there = at.B, at.box(claim["lower_point"], at.B.number(0)).unit.cost
    if B.less(here, there):
        raise Refuted("the other point is not lower")
    lower = B.less(there, here - B.number(claim["margin"]))
    require(lower, "the other point is not proved lower by the margin")
    return [here, there]


def benign(at: Place, claim: dict[str, Any]) -> None:
    """A theorem about the instance."""
    needs = NEEDS[claim["formal"]]
    require(applies(at.B, at.p, claim["formal"]), f"the theorem does not apply: it needs {needs}")


Check = Callable[[Place, dict[str, Any]], list[Any] | None]
# in the order in which they are looked at: existence first
ORDER = (critical, rank_one, index, strict_saddle, global_minimum, gap, spurious, benign)
CHECKS: dict[str, Check] = {check.__name__: check for check in ORDER}


# --- what all of them say together


def statuses(at: Place, checks: dict[str, Check]) -> dict[str, tuple[str, str]]:
    """Status and words of every claim; those about X* wait for its existence."""
    found = {}
    for kind in [kind for kind in checks if kind in at.claims]:
        try:
            found[kind] = PROVED, said(at, at.claims[kind], checks[kind](at, at.claims[kind]) or [])
        except (Refuted, Undecided) as reason:
            found[kind] = type(reason).__name__.upper(), str(reason)
        except (ArithmeticError, LookupError, ValueError, TypeError, MemoryError, RecursionError) as defect:
            # a claim of another shape than its point's, or a defect of this file, decides nothing and stops nothing
            found[kind] = "UNDECIDED", f"the claim cannot be evaluated: {type(defect).__name__}"
        at.status[kind] = found[kind][0]
    return found


# claims that make a row alone: what is proved of another point near the stored one is no sentence about X*
ALONE = {
    "collapsed": "member of the collapsed family, a strict saddle",
    "least_loss": "global minimiser",
    "degenerate": "degenerate critical point, neither a strict saddle nor a global minimiser",
    "rank_one": "critical point of rank one",
    "benign": "benign instance, BY_THEOREM",
}
# an exact member near by, in the same span
MEMBERS = {"shared_loss", "equal_features", "frame"}


def sentence(statuses: dict[str, str], claims: dict[str, Any]) -> tuple[str, str]:
    """Section 8: what the claims say together; PROVED only of a point that is proved to exist."""
    found = {*statuses.values()}
    if "REFUTED" in found:
        return "REFUTED", "a claim is refuted"
    if found != {"PROVED"}:
        return "UNDECIDED", "not every claim is proved" if found else "there is no claim"
    if len(claims) == 1 and {*claims} <= ALONE.keys():
        return "PROVED", ALONE[next(iter(claims))]
    exists, index = claims.keys() & {"critical", "rank_one"}, claims.get("index", {}).get("index", -1)
    none, radius = {"radius": -1}, claims.get("critical", {}).get("radius", 0)
    reach, well = (claims.get(kind, none)["radius"] for kind in ("strict_saddle", "well_classified"))
    member = len(claims) == 2 and claims.keys() & MEMBERS and max(c.get("radius", 0) for c in claims.values())
    rows = [
        (exists and ("global_minimum" in claims or (index == 0 and radius <= well)), "global minimiser"),
        (exists and "spurious" in claims, "spurious local minimiser"),
        (exists and (index > 0 or radius <= reach), "strict saddle"),
        (member and member == reach, "strict saddle"),
        (exists and index == 0, "local minimiser"),
        ("gap" in claims, "optimality gap"),
    ]
    proved = [row for holds, row in rows if holds]
    nothing = "UNDECIDED", "the claims make no sentence about an existing point"
    return (PROVED, proved[0]) if proved else nothing
