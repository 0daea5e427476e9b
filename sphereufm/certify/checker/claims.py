"""The claims: what each states (section 5 of the format), and what is verified of it.

Numbers of lemmas are those of the page of proofs.  ``Xhat`` is the stored centre, ``B(rho)`` all matrices within rho of
it in every entry, ``X*`` the exact critical point that ``critical`` or ``rank_one`` establishes.  Every test is written
positively.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from sphereufm.certify.checker.arithmetic import Undecided
from sphereufm.certify.checker.kernel import dot, inertia, krawczyk, on_tangent, scaled
from sphereufm.certify.checker.losses import LOSSES
from sphereufm.certify.checker.place import Place
from sphereufm.certify.checker.reading import (
    Point,
    Problem,
    Reader,
    integer,
    listing,
    maybe,
    number,
    one_of,
    read_point,
    refuse_if,
    witness,
)
from sphereufm.certify.checker.theorems import THEOREMS, is_convex_in_gram
from sphereufm.certify.checker.words import printed

PROVED, REFUTED, UNDECIDED = "PROVED", "REFUTED", "UNDECIDED"
Outcome = tuple[str, str]


class Claims:
    """All claims of one certificate at one precision."""

    def __init__(self, B: Any, p: Problem, point: Point | None, claims: dict[str, Any]) -> None:
        self.B, self.p, self.claims, self.here = B, p, claims, Place(B, p, point or Point(1, [], []))
        self.status: dict[str, str] = {}

    def run(self, checks: dict[str, Callable[[Claims, dict[str, Any]], Outcome]]) -> dict[str, Outcome]:
        """Every claim in the order of ``checks``: those about X* wait for its existence."""
        found = {}
        for kind in checks:
            if kind in self.claims:
                try:
                    found[kind] = checks[kind](self, self.claims[kind])
                except (Undecided, ArithmeticError, ValueError) as reason:
                    found[kind] = UNDECIDED, str(reason)[:300] or type(reason).__name__
                except (LookupError, TypeError, AttributeError, MemoryError, RecursionError) as defect:
                    # a defect of this file decides nothing, and stops nothing else
                    found[kind] = UNDECIDED, f"an internal error of the checker: {type(defect).__name__}"
                self.status[kind] = found[kind][0]
        return found

    def radius(self) -> Fraction:
        """Radius of X*, whose existence must have been proved."""
        if self.status.get("rank_one") == PROVED:
            return Fraction(0)
        if self.status.get("critical") != PROVED:
            raise Undecided("no critical point is proved")
        return Fraction(self.claims["critical"]["radius"])

    # --- existence

    def critical(self, claim: dict[str, Any]) -> Outcome:
        """Lemmas 3 and 4: the zero of Phi in the box of radius ``unique_radius`` times the detour."""
        B, r = self.B, self.here.point.rank
        if any(B.less(t, 0) or B.less(0, t) for y in self.here.at(claim["radius"], 1).tangential for t in y):
            return REFUTED, "the gradient does not vanish anywhere within the radius"
        rho, turning = B.number(claim["unique_radius"]), self.p.invariant and r > 1
        if turning:
            rho = rho * self.here.detour(claim["detour"], claim["witness"][1:])
        u = [B.top(B.dyadic(1, k) * rho) for k in self.here.scales for _ in range(r)]
        J = self.here.jacobian(*self.here.normalised(self.here.point, rho, 2), turning)
        eta, q = krawczyk(B, claim["witness"][0], self.here.residual(), J, u)
        self.own_index = claim["witness"][0][0]
        reach = rho * eta / (1 - q)
        if not B.less(reach, B.number(claim["radius"])):
            return (
                UNDECIDED,
                f"the exact point is proved within {printed(B.bound(reach, True), True)} only",
            )
        name = "modulo rotations, " if self.p.invariant else ""
        return PROVED, (
            f"an exact critical point of rank at most {r} exists within {printed(claim['radius'], True)} of the stored "
            f"point, {name}unique within {printed(claim['unique_radius'], False)} "
            f"(eta = {printed(B.bound(eta, True), True)}, q = {printed(B.bound(q, True), True)})"
        )

    def rank_one(self, claim: dict[str, Any]) -> Outcome:
        """Lemma 5: all entries are 1 or -1."""
        if self.here.point.rank == 1 and all(
            abs(x) == 1 for column in self.here.point.columns for x in column
        ):
            return PROVED, "the point is exactly of rank one, and therefore critical in every dimension"
        return REFUTED, "the stored point is not exactly of rank one"

    # --- what follows at X*

    def index(self, claim: dict[str, Any]) -> Outcome:
        """Lemmas 6 and 7; the merged Hessian's index is the one of Krawczyk's witness."""
        B, r, d, K = self.B, self.here.point.rank, self.p.dim, self.p.classes
        radius, ready = self.radius(), list(claim["witness"])
        if d == 1:
            raise Undecided(
                "the unit sphere of R^1 is two points: there is no Hessian, and nothing is a saddle"
            )
        total = self.own_index if r > 1 else 0
        groups = [(K + g, m) for g, (_, m, _) in enumerate(self.here.point.groups) if m > 1]
        if groups and r > 1:
            e = self.here.at(radius, 2)
            H = e.hessian()
            for j, m in groups:
                block = [row[j * r : j * r + r] for row in H[j * r : j * r + r]]
                unit = [B.dyadic(1, -self.here.scales[j])] * r
                N = B.matrix([[x] for x in e.X[j]])
                A = on_tangent(B, B.matrix(scaled(block, unit)), N)
                total += (m - 1) * inertia(B, ready.pop(0), A, "a split block")
        if r < d:
            e = self.here.at(radius, 1)
            total += (d - r) * self.here.multiplier_inertia(e, ready.pop(0))
            for j, m in groups:
                beta = e.multipliers[j]
                if not (B.less(0, beta) or B.less(beta, 0)):
                    raise Undecided("the sign of a multiplier is not proved")
                total += (d - r) * (m - 1) if B.less(0, beta) else 0
        if total == claim["index"]:
            return PROVED, f"its Morse index is {total}, and its kernel is exactly the orbit's tangent space"
        return REFUTED, f"its Morse index is {total}"

    def global_minimum(self, claim: dict[str, Any]) -> Outcome:
        """Lemma 8."""
        self.needs_convexity()
        if self.here.multiplier_inertia(self.here.at(self.radius(), 1), claim["witness"][0]) == 0:
            return (
                PROVED,
                "its multiplier matrix is positive semidefinite: a global minimiser in every dimension",
            )
        return UNDECIDED, "its multiplier matrix has a negative eigenvalue, which decides nothing"

    def needs_convexity(self) -> None:
        """Lemmas 8 and 9 hold where the cost is convex in the Gram matrix: a loss, where it is so in the logits."""
        if not (is_convex_in_gram(self.p.program) if self.p.program else LOSSES[self.p.loss].convex):
            raise Undecided("the cost is not known to be convex in the Gram matrix: S says nothing")

    def spurious(self, claim: dict[str, Any]) -> Outcome:
        """A local minimiser, and a point that is lower by the margin over the whole ball."""
        if self.claims.get("index", {}).get("index") != 0 or self.status.get("index") != PROVED:
            refuted = self.status.get("index") == REFUTED
            return REFUTED if refuted else UNDECIDED, "index 0 is not claimed and proved"
        return self.lower(claim, self.here.at(self.radius(), 1).cost, "a local minimiser", "the point")

    def lower(self, claim: dict[str, Any], here: Any, proved: str, point: str) -> Outcome:
        """Whether ``lower_point`` is lower than ``here`` by the margin."""
        B, there = self.B, self.here.normalised(claim["lower_point"], self.B.number(0), 0)[0].cost
        if B.less(there, here - B.number(claim["margin"])):
            least, most = (
                printed(B.bound(here, False), False),
                printed(B.bound(there, True), True),
            )
            return (
                PROVED,
                f"{proved} of cost at least {least}, and a point of cost at most {most}, lower by the margin",
            )
        lower = "is not lower" if B.less(here, there) else "is not proved lower by the margin"
        return (REFUTED if B.less(here, there) else UNDECIDED), f"the other point {lower} than {point}"

    # --- claims about all critical points near by, or none

    def strict_saddle(self, claim: dict[str, Any]) -> Outcome:
        """Section 5.4: one Rayleigh quotient over the ball, perhaps in one dimension more, one sample perhaps apart."""
        B, V = self.B, [[self.B.number(x) for x in column] for column in claim["direction"]]
        e = self.here.at(claim["radius"], 2)
        groups, X, apart = list(self.here.point.groups), [list(x) for x in e.X], claim["apart"]
        if apart is not None:
            y, m, first = groups[apart]
            groups[apart] = (y, m - 1, first)
            groups.append((y, 1, first))
            X.append(list(X[self.p.classes + apart]))
        if len(V[0]) > e.r:
            X = [[*x, B.number(0)] for x in X]
        if apart is not None or len(V[0]) > e.r:
            e = self.here.evaluate(groups, X, 2)
        along = [dot(v, x) for x, v in zip(X, V, strict=True)]
        V = [[b - t * a for a, b in zip(x, v, strict=True)] for x, v, t in zip(X, V, along, strict=True)]
        length = dot(e.metric, [dot(v, v) for v in V])
        if B.less(0, length) and B.less(e.form(V) - B.number(claim["curvature"]) * length, 0):
            kind = f"of this grouping, in the span of {self.here.point.rank} dimensions"
            where = "in this space" if self.p.program else kind
            return PROVED, (
                f"every critical point {where}, within {printed(claim['radius'], False)} of the stored point, has a "
                f"Hessian eigenvalue below {printed(claim['curvature'], True)}"
            )
        return UNDECIDED, "the curvature along the stored direction is not proved below the bound"

    def gap(self, claim: dict[str, Any]) -> Outcome:
        """Lemma 9; of a loss by the K x K Schur complement."""
        self.needs_convexity()
        B, K, e = self.B, self.p.classes, self.here.centre[0]
        if sum(m * x for m, x in zip(e.metric, claim["shifts"], strict=True)) > 2 * claim["gap"]:
            return UNDECIDED, "the shifts add up to more than the gap"
        lam, delta = e.multipliers, [m * B.number(x) for m, x in zip(e.metric, claim["shifts"], strict=True)]
        if self.p.program:
            A, unit = e.S(), ""
        else:
            low = [b - a for a, b in zip(lam[K:], delta[K:], strict=True)]
            if not all(B.less(0, x) for x in low):
                raise Undecided("a shifted diagonal entry is not proved positive")
            G = [[e.first[k, K + g] for k in range(K)] for g in range(len(low))]
            over = B.matrix([[x / a for x in row] for row, a in zip(G, low, strict=True)])
            A, unit = [[-x for x in row] for row in B.times(over.transpose(), B.matrix(G)).tolist()], " nats"
            for k, row in enumerate(A):
                row[k] -= lam[k]
        for k, row in enumerate(A):
            row[k] += delta[k]
        units = [B.dyadic(1, -k) for k in self.here.scales[: len(A)]]
        if inertia(B, claim["witness"][0], B.matrix(scaled(A, units)), "the shifted multiplier matrix") != 0:
            return UNDECIDED, "the shifted multiplier matrix is not positive definite"
        return (
            PROVED,
            f"the cost lies at most {printed(claim['gap'], True)}{unit} above the global minimum",
        )

    def benign(self, claim: dict[str, Any]) -> Outcome:
        """A theorem about the instance."""
        formal = claim["formal"]
        _, condition, needs = THEOREMS[formal]
        if not self.p.program and self.p.classes >= 2 and condition(self.B, self.p):
            return PROVED, (
                f"BY_THEOREM {claim['theorem']} (formally proved: docs/formal, `{formal}`): {needs}, so every critical "
                "point of this instance is a global minimiser or a strict saddle; a theorem, not an enumeration"
            )
        return UNDECIDED, f"the theorem does not apply: it needs {needs}"


def saddle_fields(claim: dict[str, Any], p: Problem, point: Point) -> dict[str, Reader]:
    """A direction has a row more where it leaves the span, and a column more where a sample is apart."""
    group, direction = claim.get("apart"), claim.get("direction")
    more = isinstance(direction, list) and any(isinstance(v, list) and len(v) > point.rank for v in direction)
    refuse_if(
        more and (point.rank >= p.dim or bool(p.program)), "strict_saddle: no direction is normal to the span"
    )
    columns = listing(listing(number(), point.rank + more), len(point.columns) + (group is not None))
    apart = maybe(integer(0, len(point.groups) - 1))(group, "strict_saddle.apart")
    refuse_if(
        apart is not None and point.groups[apart][1] < 2, "strict_saddle: the group has a single sample"
    )
    fields: dict[str, Reader] = {"radius": number("0+"), "curvature": number("-")}
    return {**fields, "apart": lambda value, where: apart, "direction": columns}


def index_witnesses(p: Problem, point: Point) -> int:
    """One for each group of several samples (in R^r, r > 1), and one for S where r < d."""
    several = sum(m > 1 for _, m, _ in point.groups)
    return (several if point.rank > 1 else 0) + (point.rank < p.dim)


def lower_fields(p: Problem) -> dict[str, Reader]:
    """A point that is lower by a margin."""
    return {"lower_point": lambda value, where: read_point(value, p, where), "margin": number("+")}


def fields_of(kind: str, claim: Any, p: Problem, point: Point) -> dict[str, Reader] | None:
    """Section 5: the fields of a claim, and their readers."""
    if kind == "strict_saddle":
        return saddle_fields(claim, p, point)
    if kind == "critical":
        turning = p.invariant and point.rank > 1 and claim.get("detour") is not None
        fields: dict[str, Reader] = {"radius": number("+"), "unique_radius": number("+")}
        return {**fields, "detour": maybe(integer(0, 4000)), "witness": listing(witness, 1 + turning)}
    known: dict[str, dict[str, Reader]] = {
        "rank_one": {},
        "index": {"index": integer(0), "witness": listing(witness, index_witnesses(p, point))},
        "global_minimum": {"witness": listing(witness, 1)},
        "gap": {
            "gap": number("0+"),
            "shifts": listing(number(), len(point.columns)),
            "witness": listing(witness, 1),
        },
        "spurious": lower_fields(p),
        "benign": {"theorem": one_of("S", "E", "C"), "formal": one_of(*THEOREMS)},
    }
    return known.get(kind)


def consistent(claims: dict[str, Any], p: Problem, point: Point | None) -> None:
    """What claims need of one another."""
    kinds = {*claims}
    refuse_if({"critical", "rank_one"} <= kinds, "critical and rank_one exclude each other")
    needs = {"index", "global_minimum", "spurious"} & kinds and not {"critical", "rank_one"} & kinds
    refuse_if(needs, "index, global_minimum and spurious need critical or rank_one")
    refuse_if(point is None and not kinds <= {"benign"}, "point may be null only beside the claim benign")
    refuse_if(
        p.program
        and not kinds <= {"critical", "index", "strict_saddle", "spurious", "global_minimum", "gap"},
        "an expression allows other claims",
    )
    theorem = claims.get("benign")
    named = theorem and THEOREMS[theorem["formal"]][0] != theorem["theorem"]
    refuse_if(named, "benign: formal names another theorem")
    c = claims.get("critical")
    refuse_if(c and c["radius"] > c["unique_radius"], "critical: radius exceeds unique_radius")


# claims in the order in which they are looked at: existence first
CLAIMS: dict[str, Callable[[Claims, dict[str, Any]], Outcome]] = {
    "critical": Claims.critical,
    "rank_one": Claims.rank_one,
    "index": Claims.index,
    "strict_saddle": Claims.strict_saddle,
    "global_minimum": Claims.global_minimum,
    "gap": Claims.gap,
    "spurious": Claims.spurious,
    "benign": Claims.benign,
}
