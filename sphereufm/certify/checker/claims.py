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
from sphereufm.certify.checker.kernel import Refuted, Undecided, Witness, dot, inertia, krawczyk
from sphereufm.certify.checker.losses import LOSSES
from sphereufm.certify.checker.place import Place
from sphereufm.certify.checker.theorems import THEOREMS, applies, is_convex_in_gram

PROVED, REFUTED = "PROVED", "REFUTED"


def radius_of(at: Place) -> Fraction:
    """Radius of X*, whose existence must have been proved."""
    if at.status.get("rank_one") == PROVED:
        return Fraction(0)
    if at.status.get("critical") != PROVED:
        raise Undecided("no critical point is proved")
    return Fraction(at.claims["critical"]["radius"])


def critical(at: Place, claim: dict[str, Any]) -> list[Any]:
    """Lemmas 3 and 4: the zero of Phi in the box of radius ``unique_radius``."""
    B, rho = at.B, claim["unique_radius"]
    near = at.around(claim["radius"]).unit
    if any(B.less(t, 0) or B.less(0, t) for y in near.tangential for t in y):
        raise Refuted("the gradient does not vanish anywhere within the radius")
    u = [B.top(B.dyadic(1, k) * B.number(rho)) for k in at.point.scales for _ in range(near.r)]
    eta, q = krawczyk(B, claim["witness"][0], at.residual(), at.jacobian(rho), u)
    if not B.less(B.number(rho) * eta / (1 - q), B.number(claim["radius"])):
        raise Undecided("the exact point is not proved to lie within the radius")
    return [eta, q]


def rank_one(at: Place, claim: dict[str, Any]) -> list[Any]:
    """Lemma 5: all entries are 1 or -1."""
    if at.point.rank != 1 or not all(abs(x) == 1 for column in at.point.columns for x in column):
        raise Refuted("the stored point is not exactly of rank one")
    return []


def index(at: Place, claim: dict[str, Any]) -> list[Any]:
    """Lemmas 6 and 7: ``n_-(A) + sum_g (m_g - 1) n_-(B_g) + (d - r) n_-(S)``; ``n_-(A)`` is of Krawczyk's witness."""
    r, d, e, ready = at.point.rank, at.p.dim, at.around(radius_of(at)).unit, list(claim["witness"])
    if d == 1:
        raise Undecided("the unit sphere of R^1 is two points: there is no Hessian, and nothing is a saddle")
    total = at.claims["critical"]["witness"][0][0] if r > 1 else 0
    for j, (_, m, _) in enumerate(at.point.groups, at.p.classes):
        if m > 1 and r > 1:
            total += (m - 1) * inertia(at.B, ready.pop(0), at.split_block(e, j), "a split block")
    if r < d:
        total += (d - r) * multiplier_index(at, e, ready.pop(0))
    if total != claim["index"]:
        raise Refuted(f"its Morse index is {total}")
    return []


def multiplier_index(at: Place, e: Evaluated, ready: Witness, shifts: list[Fraction] | None = None) -> int:
    """``n_-(S + diag(delta))``, whose kernel is proved to hold no more than the rows of X, with shifts nothing."""
    below, T = at.multiplier_matrix(e, shifts)
    return below + inertia(at.B, ready, T, "the multiplier matrix")


def needs_convexity(at: Place) -> None:
    """Lemmas 8 and 9 hold where the cost is convex in the Gram matrix: a loss, where it is so in the logits."""
    if not (is_convex_in_gram(at.p.program) if at.p.program else LOSSES[at.p.loss].convex):
        raise Undecided("the cost is not known to be convex in the Gram matrix: S says nothing")


def global_minimum(at: Place, claim: dict[str, Any]) -> list[Any]:
    """Lemma 8: ``S >= 0`` at X*."""
    needs_convexity(at)
    if multiplier_index(at, at.around(radius_of(at)).unit, claim["witness"][0]) != 0:
        raise Undecided("its multiplier matrix has a negative eigenvalue, which decides nothing")
    return []


def gap(at: Place, claim: dict[str, Any]) -> list[Any]:
    """Lemma 9: ``S + diag(delta) >= 0`` at the normalised centre, and ``sum(delta) / 2 <= gap``."""
    needs_convexity(at)
    sizes = [1] * (at.p.classes + at.p.columns) + [m for _, m, _ in at.point.groups]
    if sum(m * x for m, x in zip(sizes, claim["shifts"], strict=True)) > 2 * claim["gap"]:
        raise Undecided("the shifts add up to more than the gap")
    if multiplier_index(at, at.around(Fraction(0)).unit, claim["witness"][0], claim["shifts"]) != 0:
        raise Undecided("the shifted multiplier matrix is not positive definite")
    return []


def strict_saddle(at: Place, claim: dict[str, Any]) -> list[Any]:
    """Section 5.4: one Rayleigh quotient over the ball, below the curvature."""
    form, length = rayleigh(at, claim["radius"], claim["direction"])
    if not (at.B.less(0, length) and at.B.less(form - at.B.number(claim["curvature"]) * length, 0)):
        raise Undecided("the curvature along the stored direction is not proved below the bound")
    return []


def rayleigh(at: Place, radius: Fraction, direction: list[list[Fraction]]) -> tuple[Any, Any]:
    """``Hess[V, V]`` and ``|V|^2`` for the tangential part V; columns of r + 1 entries leave the span (Lemma 2)."""
    B, V, e = at.B, [[at.B.number(x) for x in column] for column in direction], at.around(radius).unit
    out = {*map(len, V)} == {at.point.rank + 1} and at.point.rank < at.p.dim and not at.p.program
    X = [[*x, *[B.number(0)] * out] for x in e.X]
    along = [dot(v, x) for x, v in zip(X, V, strict=True)]
    V = [[b - t * a for a, b in zip(x, v, strict=True)] for x, v, t in zip(X, V, along, strict=True)]
    sizes = [1] * (at.p.classes + at.p.columns) + [m for _, m, _ in at.point.groups]
    return e.form(V), dot(sizes, [dot(v, v) for v in V])


def spurious(at: Place, claim: dict[str, Any]) -> list[Any]:
    """A local minimiser, and a point that is lower by the margin over the whole ball."""
    if at.claims.get("index", {}).get("index") != 0 or at.status.get("index") != PROVED:
        refuted = at.status.get("index") == REFUTED
        raise (Refuted if refuted else Undecided)("index 0 is not claimed and proved")
    return proved_lower(at, claim, at.around(radius_of(at)).unit.cost)


def proved_lower(at: Place, claim: dict[str, Any], here: Any) -> list[Any]:
    """Whether ``lower_point`` is lower than ``here`` by the margin."""
    B, there = at.B, at.box(claim["lower_point"], at.B.number(0)).unit.cost
    if B.less(here, there):
        raise Refuted("the other point is not lower")
    if not B.less(there, here - B.number(claim["margin"])):
        raise Undecided("the other point is not proved lower by the margin")
    return [here, there]


def benign(at: Place, claim: dict[str, Any]) -> list[Any]:
    """A theorem about the instance."""
    needs = THEOREMS[claim["formal"]][2]
    if not applies(at.B, at.p, claim["formal"]):
        raise Undecided(f"the theorem does not apply: it needs {needs}")
    return [needs]


Check = Callable[[Place, dict[str, Any]], list[Any]]
# in the order in which they are looked at: existence first
CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (critical, rank_one, index, strict_saddle, global_minimum, gap, spurious, benign)
}
