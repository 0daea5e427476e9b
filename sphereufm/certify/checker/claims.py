"""The claims: what each states (section 5 of the format), and what is verified of it.

Numbers of lemmas are those of the page of proofs.  ``Xhat`` is the stored centre, ``B(rho)`` all matrices within rho of
it in every entry, ``X*`` the exact critical point that ``critical`` or ``rank_one`` establishes.  Every test is written
positively.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cached_property
from itertools import combinations
from typing import Any

from sphereufm.certify.checker.arithmetic import Undecided
from sphereufm.certify.checker.calculus import Evaluated, evaluate
from sphereufm.certify.checker.kernel import dot, inertia, krawczyk, on_tangent, scaled
from sphereufm.certify.checker.losses import LOSSES
from sphereufm.certify.checker.reading import (
    Point,
    Problem,
    Reader,
    fail,
    integer,
    listing,
    maybe,
    number,
    only,
    read_point,
    witness,
)
from sphereufm.certify.checker.words import words

__all__ = ["CLAIMS", "THEOREMS", "Claims"]

PROVED, REFUTED, UNDECIDED = "PROVED", "REFUTED", "UNDECIDED"
Outcome = tuple[str, str]


class Claims:
    """All claims of one certificate at one precision."""

    def __init__(self, B: Any, p: Problem, point: Point | None, claims: dict[str, Any]) -> None:
        self.B, self.p, self.claims, self.place = B, p, claims, point or Point(1, [], [])
        self.status: dict[str, str] = {}
        self.cache: dict[tuple[Fraction, int], Evaluated] = {}

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

    @cached_property
    def shares(self) -> list[Any]:
        """Normalised weights of all samples; of one, where they are equal."""
        if self.p.weights is None:
            return [self.B.number(1) / max(self.p.samples, 1)]
        # in balls: the exact sum may have as many digits as the file
        self.B.spend(2 * self.p.samples)
        weights = [self.B.number(w) for w in self.p.weights]
        total = sum(weights)
        return [w / total for w in weights]

    def evaluate(self, groups: list[tuple[int, int, int]], X: list[list[Any]], order: int) -> Evaluated:
        """Cost and derivatives at columns of balls."""
        masses = [m * self.shares[first if self.p.weights else 0] for _, m, first in groups]
        return evaluate(self.B, self.p, groups, masses, X, order)

    def balls(self, point: Point, radius: Any) -> list[list[Any]]:
        """All columns within ``radius`` of the stored ones, whose lengths lie between 1/2 and 2."""
        B = self.B
        B.spend(4 * point.rank * len(point.columns))
        columns = [[B.number(x) for x in column] for column in point.columns]
        squares = [dot(c, c) for c in columns]
        if not all(B.less(0.25, x) and B.less(x, 4) for x in squares):
            raise Undecided("a stored column has a length outside 1/2 .. 2")
        return [[B.around(x, radius) for x in column] for column in columns]

    def at(self, radius: Fraction, order: int) -> Evaluated:
        """Evaluation over ``B(radius)``."""
        if (radius, order) not in self.cache:
            X = self.balls(self.place, self.B.number(radius))
            self.cache[radius, order] = self.evaluate(self.place.groups, X, order)
        return self.cache[radius, order]

    def normalised(
        self, point: Point, radius: Any, order: int
    ) -> tuple[Evaluated, list[list[Any]], list[Any]]:
        """Evaluation at the columns near the stored ones divided by their lengths; the columns, and the lengths."""
        columns = self.balls(point, radius)
        lengths = [self.B.function("sqrt", dot(c, c)) for c in columns]
        if not all(self.B.less(0, length) for length in lengths):
            raise Undecided("a column is not proved nonzero")
        unit = [[x / t for x in c] for c, t in zip(columns, lengths, strict=True)]
        return self.evaluate(point.groups, unit, order), columns, lengths

    @cached_property
    def centre(self) -> tuple[Evaluated, list[list[Any]], list[Any]]:
        """At the stored columns divided by their lengths."""
        return self.normalised(self.place, self.B.number(0), 1)

    def radius(self) -> Fraction:
        """Radius of X*, whose existence must have been proved."""
        if self.status.get("rank_one") == PROVED:
            return Fraction(0)
        if self.status.get("critical") != PROVED:
            raise Undecided("no critical point is proved")
        return Fraction(self.claims["critical"]["radius"])

    @property
    def scales(self) -> list[int]:
        """Exponents ``k_j`` of the scales ``s_j = 4^(k_j)`` of columns, as the file gives them; any would do."""
        if self.place.scales is None:
            raise Undecided("the point has no scales")
        return self.place.scales

    def weighted(self, X: list[list[Any]]) -> list[list[Any]]:
        """Columns times ``(s_j / max s)^(1/2)``."""
        units = [self.B.dyadic(1, k - max(self.scales)) for k in self.scales]
        return [[a * unit for a in x] for x, unit in zip(X, units, strict=True)]

    def turns(self, X: list[list[Any]]) -> list[list[Any]]:
        """The vectors ``A_ab X``, ``A_ab = E_ab - E_ba``: one for each pair a < b, column after column."""
        zero, r = self.B.number(0), len(X[0])
        self.B.spend(len(X) * r**3)
        pairs = combinations(range(r), 2)
        return [
            [x[b] if c == a else -x[a] if c == b else zero for x in X for c in range(r)] for a, b in pairs
        ]

    # --- existence

    def critical(self, claim: dict[str, Any]) -> Outcome:
        """Lemmas 3 and 4: the zero of Phi in the box of radius ``unique_radius`` times the detour."""
        B, r = self.B, self.place.rank
        if any(B.less(t, 0) or B.less(0, t) for y in self.at(claim["radius"], 1).tangential for t in y):
            return REFUTED, "the gradient does not vanish anywhere within the radius"
        rho, turning = B.number(claim["unique_radius"]), self.p.invariant and r > 1
        if turning:
            rho = rho * self.detour(claim["detour"], claim["witness"][1:])
        u = [B.top(B.dyadic(1, k) * rho) for k in self.scales for _ in range(r)]
        J = self.jacobian(*self.normalised(self.place, rho, 2), turning)
        eta, q = krawczyk(B, claim["witness"][0], self.residual(), J, u)
        self.own_index = claim["witness"][0][0]
        reach = rho * eta / (1 - q)
        if not B.less(reach, B.number(claim["radius"])):
            return UNDECIDED, f"the exact point is proved within {words(B.bound(reach, True), True)} only"
        name = "modulo rotations, " if self.p.invariant else ""
        return PROVED, (
            f"an exact critical point of rank at most {r} exists within {words(claim['radius'], True)} of the stored "
            f"point, {name}unique within {words(claim['unique_radius'], False)} "
            f"(eta = {words(B.bound(eta, True), True)}, q = {words(B.bound(q, True), True)})"
        )

    def residual(self) -> list[Any]:
        """Phi at the centre, where gamma is zero, columns in units of ``s_j^(1/2)``."""
        e, _, lengths = self.centre
        F = []
        for x, y, length, k in zip(e.X, e.tangential, lengths, self.scales, strict=True):
            unit, root = self.B.dyadic(1, -k), self.B.dyadic(1, k)
            F += [unit * b / length + root * (length - 1) * a for a, b in zip(x, y, strict=True)]
        return F

    def jacobian(self, e: Evaluated, columns: list[list[Any]], lengths: list[Any], turning: bool) -> Any:
        """Its derivative over a box, both factors of the gauge's term included: so it holds Lemma 6's A too."""
        B, r, M = self.B, e.r, len(e.X)
        units = [B.dyadic(1, -k) / length for k, length in zip(self.scales, lengths, strict=True)]
        B.spend(4 * (r * M) ** 2)
        H = B.matrix(scaled(e.hessian(), [t for t in units for _ in range(r)]))
        zero = B.number(0)
        N = B.matrix(
            [[x if i == j else zero for i in range(M)] for j, column in enumerate(e.X) for x in column]
        )
        J = on_tangent(B, H, N)
        omega = [[zero] * r for _ in range(r)]
        if turning:
            V, Vhat = self.weighted(columns), self.weighted(self.centre[1])
            Z = B.matrix(self.turns(V))
            J = J + B.times(Z.transpose(), Z)
            for a, b in combinations(range(r), 2):
                omega[a][b] = sum(h[b] * v[a] - h[a] * v[b] for h, v in zip(Vhat, V, strict=True))
                omega[b][a] = -omega[a][b]
        rows = J.tolist()
        for j, (x, y, length, t) in enumerate(zip(e.X, e.tangential, lengths, units, strict=True)):
            shrink = 1 - 1 / length
            for a in range(r):
                for b in range(r):
                    bend = t * t * (x[a] * y[b] + y[a] * x[b]) + shrink * x[a] * x[b]
                    rows[j * r + a][j * r + b] += omega[a][b] - bend + (shrink if a == b else 0)
        return B.matrix(rows)

    def detour(self, k: int | None, witnesses: list[Any]) -> Any:
        """Lemma 4: within this factor of its distance, a critical point has a copy with gamma = 0."""
        if k is None:
            return self.B.dyadic(1, max(self.scales) - min(self.scales))
        V, bound = self.B.matrix(self.weighted(self.centre[1])), self.B.dyadic(1, -2 * k)
        rows = self.B.times(V.transpose(), V).tolist()
        for a, row in enumerate(rows):
            row[a] -= bound
        if inertia(self.B, witnesses[0], self.B.matrix(rows), "the stored columns") != 0:
            raise Undecided("the stored columns are not proved to span their space")
        return 1 + self.B.dyadic(1, k + 1)

    def rank_one(self, claim: dict[str, Any]) -> Outcome:
        """Lemma 5: all entries are 1 or -1."""
        if self.place.rank == 1 and all(abs(x) == 1 for column in self.place.columns for x in column):
            return PROVED, "the point is exactly of rank one, and therefore critical in every dimension"
        return REFUTED, "the stored point is not exactly of rank one"

    # --- what follows at X*

    def index(self, claim: dict[str, Any]) -> Outcome:
        """Lemmas 6 and 7; the merged Hessian's index is the one of Krawczyk's witness."""
        B, r, d, K = self.B, self.place.rank, self.p.dim, self.p.classes
        radius, ready = self.radius(), list(claim["witness"])
        if d == 1:
            raise Undecided(
                "the unit sphere of R^1 is two points: there is no Hessian, and nothing is a saddle"
            )
        total = self.own_index if r > 1 else 0
        groups = [(K + g, m) for g, (_, m, _) in enumerate(self.place.groups) if m > 1]
        if groups and r > 1:
            e = self.at(radius, 2)
            H = e.hessian()
            for j, m in groups:
                block = [row[j * r : j * r + r] for row in H[j * r : j * r + r]]
                unit = [B.dyadic(1, -self.scales[j])] * r
                N = B.matrix([[x] for x in e.X[j]])
                A = on_tangent(B, B.matrix(scaled(block, unit)), N)
                total += (m - 1) * inertia(B, ready.pop(0), A, "a split block")
        if r < d:
            e = self.at(radius, 1)
            total += (d - r) * self.multiplier_inertia(e, ready.pop(0))
            for j, m in groups:
                beta = e.multipliers[j]
                if not (B.less(0, beta) or B.less(beta, 0)):
                    raise Undecided("the sign of a multiplier is not proved")
                total += (d - r) * (m - 1) if B.less(0, beta) else 0
        if total == claim["index"]:
            return PROVED, f"its Morse index is {total}, and its kernel is exactly the orbit's tangent space"
        return REFUTED, f"its Morse index is {total}"

    def multiplier_inertia(self, e: Evaluated, ready: Any) -> int:
        """``n_-(S)`` at X*, whose kernel holds the rows of X*: of ``D^(-1/2) (S + D X^T X D / max s) D^(-1/2)``."""
        V = self.B.matrix(self.weighted(e.X))
        S = self.B.matrix(scaled(e.S(), [self.B.dyadic(1, -k) for k in self.scales]))
        return inertia(self.B, ready, S + self.B.times(V, V.transpose()), "the multiplier matrix")

    def global_minimum(self, claim: dict[str, Any]) -> Outcome:
        """Lemma 8."""
        self.needs_convexity()
        if self.multiplier_inertia(self.at(self.radius(), 1), claim["witness"][0]) == 0:
            return (
                PROVED,
                "its multiplier matrix is positive semidefinite: a global minimiser in every dimension",
            )
        return UNDECIDED, "its multiplier matrix has a negative eigenvalue, which decides nothing"

    def needs_convexity(self) -> None:
        """Lemmas 8 and 9 hold where the loss is convex in the logits."""
        if not LOSSES[self.p.loss].convex:
            raise Undecided("the loss is not convex in the logits: the multiplier matrix says nothing")

    def spurious(self, claim: dict[str, Any]) -> Outcome:
        """A local minimiser, and a point that is lower by the margin over the whole ball."""
        if self.claims.get("index", {}).get("index") != 0 or self.status.get("index") != PROVED:
            refuted = self.status.get("index") == REFUTED
            return REFUTED if refuted else UNDECIDED, "index 0 is not claimed and proved"
        return self.lower(claim, self.at(self.radius(), 1).cost, "a local minimiser", "the point")

    def lower(self, claim: dict[str, Any], here: Any, proved: str, point: str) -> Outcome:
        """Whether ``lower_point`` is lower than ``here`` by the margin."""
        B, there = self.B, self.normalised(claim["lower_point"], self.B.number(0), 0)[0].cost
        if B.less(there, here - B.number(claim["margin"])):
            least, most = words(B.bound(here, False), False), words(B.bound(there, True), True)
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
        e = self.at(claim["radius"], 2)
        groups, X, apart = list(self.place.groups), [list(x) for x in e.X], claim["apart"]
        if apart is not None:
            y, m, first = groups[apart]
            groups[apart] = (y, m - 1, first)
            groups.append((y, 1, first))
            X.append(list(X[self.p.classes + apart]))
        if len(V[0]) > e.r:
            X = [[*x, B.number(0)] for x in X]
        if apart is not None or len(V[0]) > e.r:
            e = self.evaluate(groups, X, 2)
        along = [dot(v, x) for x, v in zip(X, V, strict=True)]
        V = [[b - t * a for a, b in zip(x, v, strict=True)] for x, v, t in zip(X, V, along, strict=True)]
        length = dot(e.metric, [dot(v, v) for v in V])
        if B.less(0, length) and B.less(e.form(V) - B.number(claim["curvature"]) * length, 0):
            kind = f"of this grouping, in the span of {self.place.rank} dimensions"
            where = "in this space" if self.p.program else kind
            return PROVED, (
                f"every critical point {where}, within {words(claim['radius'], False)} of the stored point, has a "
                f"Hessian eigenvalue below {words(claim['curvature'], True)}"
            )
        return UNDECIDED, "the curvature along the stored direction is not proved below the bound"

    def gap(self, claim: dict[str, Any]) -> Outcome:
        """Lemma 9, by the K x K Schur complement."""
        self.needs_convexity()
        B, K, e = self.B, self.p.classes, self.centre[0]
        if sum(m * x for m, x in zip(e.metric, claim["shifts"], strict=True)) > 2 * claim["gap"]:
            return UNDECIDED, "the shifts add up to more than the gap"
        lam, delta = e.multipliers, [m * B.number(x) for m, x in zip(e.metric, claim["shifts"], strict=True)]
        low = [b - a for a, b in zip(lam[K:], delta[K:], strict=True)]
        if not all(B.less(0, x) for x in low):
            raise Undecided("a shifted diagonal entry is not proved positive")
        units = [B.dyadic(1, -k) for k in self.scales[:K]]
        G = [[e.first[k, K + g] for k in range(K)] for g in range(len(low))]
        over = B.matrix([[x / a for x in row] for row, a in zip(G, low, strict=True)])
        A = [[-x for x in row] for row in B.times(over.transpose(), B.matrix(G)).tolist()]
        for k, row in enumerate(A):
            row[k] += delta[k] - lam[k]
        if inertia(B, claim["witness"][0], B.matrix(scaled(A, units)), "the Schur complement") != 0:
            return UNDECIDED, "the shifted multiplier matrix is not positive definite"
        return PROVED, f"the cost lies at most {words(claim['gap'], True)} nats above the global minimum"

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


def is_S(B: Any, p: Problem) -> bool:
    """Theorem S holds for margins too, which are fixed offsets of the logits."""
    return p.loss in ("cross-entropy", "cosine-margin") and p.dim >= max(p.classes, 3)


def is_E(B: Any, p: Problem) -> bool:
    """Exact comparisons of integers and rationals."""
    return p.loss == "cross-entropy" and p.dim == p.classes - 1 >= 3 and 2 * p.tau <= p.classes - 2


def is_smoothed(B: Any, p: Problem) -> bool:
    """``2 tau < log(1 + K (1 - eps) / eps)``, the logarithm taken to the other side."""
    if p.loss != "label-smoothing" or p.dim < max(p.classes, 3) or not p.parameters["smoothing"]:
        return False
    odds = 1 + p.classes * (1 - p.parameters["smoothing"]) / p.parameters["smoothing"]
    return bool(B.less(B.function("exp", B.number(2 * p.tau)), B.number(odds)))


def is_logistic(B: Any, p: Problem) -> bool:
    """One class against the others."""
    return p.loss == "logistic" and p.dim > p.classes


def is_squared(B: Any, p: Problem) -> bool:
    """Plain squared error to the unit vector of the label."""
    plain = p.loss == "squared-error" and set(p.parameters.values()) == {1}
    return plain and p.dim > p.classes and p.tau < 1


# by formal statement: the theorem, its hypotheses beside K >= 2 and positive tau and weights, and these in words
THEOREMS: dict[str, tuple[str, Callable[[Any, Problem], bool], str]] = {
    "benign_S": ("S", is_S, "cross-entropy, K >= 2 and d >= max(K, 3)"),
    "benign_E": ("E", is_E, "cross-entropy, d = K - 1 >= 3 and tau <= (K - 2) / 2"),
    "benign_smoothed": (
        "C",
        is_smoothed,
        "label smoothing, d >= max(K, 3) and 2 tau < log(1 + K (1 - eps) / eps)",
    ),
    "benign_one_against_all": ("C", is_logistic, "the logistic loss, K >= 2 and d >= K + 1"),
    "benign_squared": ("C", is_squared, "squared error, K >= 2, d >= K + 1 and tau < 1"),
}


def saddle_fields(claim: dict[str, Any], p: Problem, point: Point) -> dict[str, Reader]:
    """A direction has a row more where it leaves the span, and a column more where a sample is apart."""
    group, direction = claim.get("apart"), claim.get("direction")
    more = isinstance(direction, list) and any(isinstance(v, list) and len(v) > point.rank for v in direction)
    fail(
        more and (point.rank >= p.dim or bool(p.program)), "strict_saddle: no direction is normal to the span"
    )
    columns = listing(listing(number(), point.rank + more), len(point.columns) + (group is not None))
    apart = maybe(integer(0, len(point.groups) - 1))(group, "strict_saddle.apart")
    fail(apart is not None and point.groups[apart][1] < 2, "strict_saddle: the group has a single sample")
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
        "benign": {"theorem": only("S", "E", "C"), "formal": only(*THEOREMS)},
    }
    return known.get(kind)


def consistent(claims: dict[str, Any], p: Problem, point: Point | None) -> None:
    """What claims need of one another."""
    kinds = {*claims}
    fail({"critical", "rank_one"} <= kinds, "critical and rank_one exclude each other")
    needs = {"index", "global_minimum", "spurious"} & kinds and not {"critical", "rank_one"} & kinds
    fail(needs, "index, global_minimum and spurious need critical or rank_one")
    fail(point is None and not kinds <= {"benign"}, "point may be null only beside the claim benign")
    fail(
        p.program and not kinds <= {"critical", "index", "strict_saddle", "spurious"},
        "an expression allows other claims",
    )
    theorem = claims.get("benign")
    named = theorem and THEOREMS[theorem["formal"]][0] != theorem["theorem"]
    fail(named, "benign: formal names another theorem")
    c = claims.get("critical")
    fail(c and c["radius"] > c["unique_radius"], "critical: radius exceeds unique_radius")


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
