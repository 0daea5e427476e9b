"""Points in families, for some losses only: collapsed classifiers, least losses; and points that classify well."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from typing import Any

from sphereufm.certify.checker.arithmetic import Undecided
from sphereufm.certify.checker.claims import Claims, Outcome, lower_fields
from sphereufm.certify.checker.kernel import Witness, applied, cap, dot, krawczyk, opened
from sphereufm.certify.checker.losses import LOSSES
from sphereufm.certify.checker.reading import Point, Problem, Reader, listing, maybe, number, witness
from sphereufm.certify.checker.words import printed


def family_fields(kind: str, p: Problem, point: Point) -> dict[str, Reader] | None:
    """The fields of a claim, and their readers; one witness or null for each class with samples."""
    if kind == "degenerate":
        return lower_fields(p)
    if kind == "well_classified":
        return {"radius": number("0+")}
    if kind == "least_loss":
        return {"radius": number("+"), "witness": listing(witness, len(point.groups))}
    classes = len({y for y, _, _ in point.groups})
    return {
        "radius": number("+"),
        "target": listing(number(), point.rank - 1),
        "witness": listing(maybe(witness), classes),
    }


def one_classifier(at: Claims) -> bool:
    """Whether every stored ``w_k`` is exactly the first unit vector, K >= 2, and the loss ignores common shifts."""
    columns = at.here.point.columns[: at.p.classes]
    first = all(c[0] == 1 and not any(c[1:]) for c in columns)
    return first and at.p.classes >= 2 and LOSSES[at.p.loss].blind


def collapsed(at: Claims, claim: dict[str, Any]) -> Outcome:
    """Lemma 10: shifts ``c_k`` with ``sum m omega bar(n(h + (0, c_k))) = t`` for every class, ``n(v) = v / |v|``."""
    B, p, groups = at.B, at.p, at.here.point.groups
    classes = sorted({y for y, _, _ in groups})
    empty = len(classes) < p.classes and any(claim["target"])
    if not (p.dim >= 3 and at.here.point.rank >= 2 and one_classifier(at)) or empty:
        raise Undecided("the hypotheses of the lemma do not hold")
    level = [B.number(0)] * p.classes
    pull = LOSSES[p.loss].node(B, level, 0, B.number(p.tau), p.parameters)[1][1]
    if not (B.less(0, pull) or B.less(pull, 0)):
        raise Undecided("the loss is not proved to pull where all logits are equal")
    H = at.here.balls(at.here.point, B.number(0))[p.classes :]
    radius, target = B.number(claim["radius"]), [B.number(x) for x in claim["target"]]
    for k, ready in zip(classes, claim["witness"], strict=True):
        members = []
        for (y, m, first), h in zip(groups, H, strict=True):
            if y == k:
                members.append((m * at.here.shares[first if p.weights else 0], h))
        if not class_fits(B, members, target, radius, ready):
            return UNDECIDED, f"class {k} is not proved to have an exact member near by"
    cost = ", its cost is log K" if p.loss == "cross-entropy" else ""
    return PROVED, (
        f"an exact member of the collapsed family lies within {printed(claim['radius'], True)} of the stored point; "
        f"it is critical{cost}, and it is a strict saddle (Theorem S, case A)"
    )


def class_fits(B: Any, members: list[Any], target: list[Any], radius: Any, ready: Witness | None) -> bool:
    """Whether some small shift ``c`` of all features of a class meets the target, within the radius."""
    n = len(target)
    zero = [B.number(0)] * n
    value, _, inside = shifted(B, members, zero, radius)
    residual = [a - t for a, t in zip(value, target, strict=True)]
    if all(B.top(x) == 0 for x in residual):
        return inside
    if ready is None:
        return False
    step = cap(
        B, [B.top(x) for x in applied(B, *opened(B, ready), B.matrix([[x] for x in residual])).entries()]
    )
    for factor in (2, 8):
        u = factor * step
        _, slope, inside = shifted(B, members, [B.around(x, u) for x in zero], radius)
        with suppress(Undecided):
            krawczyk(B, ready, residual, B.matrix(slope), [u] * n)
            return inside
    return False


def shifted(B: Any, members: list[Any], c: list[Any], radius: Any) -> tuple[list[Any], list[list[Any]], bool]:
    """``sum m omega bar(n(h + (0, c)))``, its derivative by c, and whether all ``n`` stay near h."""
    n = len(c)
    B.charge(4 * len(members) * n * n)
    value, J, inside = [B.number(0)] * n, [[B.number(0)] * n for _ in c], True
    for w, h in members:
        moved = [h[0], *(a + b for a, b in zip(h[1:], c, strict=True))]
        length = B.function("sqrt", dot(moved, moved))
        if not B.less(0, length):
            raise Undecided("a feature is not proved nonzero")
        unit = [x / length for x in moved]
        inside = inside and is_near(B, unit, h, radius)
        value = [a + w * b for a, b in zip(value, unit[1:], strict=True)]
        t = w / length
        for a, x in enumerate(unit[1:]):
            for b, y in enumerate(unit[1:]):
                J[a][b] += (t if a == b else 0) - t * x * y
    return value, J, inside


def degenerate(at: Claims, claim: dict[str, Any]) -> Outcome:
    """Lemma 11, in exact rationals but for the cost of the lower point."""
    p, groups, features = at.p, at.here.point.groups, at.here.point.columns[at.p.classes :]
    flat = p.dim == at.here.point.rank == 2 and one_classifier(at) and p.loss == "cross-entropy"
    if not (flat and all(h[0] == 0 and abs(h[1]) == 1 for h in features)):
        raise Undecided("the hypotheses of the lemma do not hold")
    at.B.charge(len(groups) * max(sum(q.bit_length() for q in {w.denominator for w in p.weights or ()}), 1))
    sums = [Fraction(0)] * p.classes
    for h, (y, m, first) in zip(features, groups, strict=True):
        sums[y] += h[1] * m * (p.weights[first] if p.weights else 1)
    if len(set(sums)) > 1:
        high, low = sums.index(max(sums)), sums.index(min(sums))
        return (
            REFUTED,
            f"the signed sums of classes {high} and {low} differ, so that the point is not critical",
        )
    proved = "exactly critical with a positive semidefinite Hessian, no strict saddle, and no global minimiser: it is"
    return at.lower(claim, at.B.function("log", at.B.number(p.classes)), proved, "log K")


def well_classified(at: Claims, claim: dict[str, Any]) -> Outcome:
    """Theorem F over the ball."""
    B, p, point = at.B, at.p, at.here.point
    if not (p.loss == "cross-entropy" and p.dim == p.classes - 1 >= 3):
        raise Undecided("the theorem needs cross-entropy and d = K - 1 >= 3")
    X = at.here.balls(point, B.number(claim["radius"]))
    W = X[: p.classes]
    B.charge(len(X) * p.classes * point.rank)
    for (y, _, _), h in zip(point.groups, X[p.classes :], strict=True):
        leads = [dot([a - b for a, b in zip(W[y], w, strict=True)], h) for w in W[:y] + W[y + 1 :]]
        if 2 * p.tau > p.classes - 2 and not all(B.less(0, x) for x in leads):
            return UNDECIDED, f"a sample of class {y} is not proved to be well classified"
    return PROVED, (
        f"every critical point within {printed(claim['radius'], False)} of the stored point classifies all samples "
        "well, so it is a global minimiser or a strict saddle (Theorem F, formally proved: docs/formal, `benign_F`)"
    )


def is_near(B: Any, x: list[Any], y: list[Any], radius: Any) -> bool:
    """Whether two columns differ by less than the radius in every entry."""
    return all(B.less(B.top(a - b), radius) for a, b in zip(x, y, strict=True))


def least_logits(at: Claims, W: list[list[Any]], y: int) -> tuple[list[list[Any]], list[Any]]:
    """Columns and values with ``<a, h> = c``: what a feature of class y must meet for its loss to be least."""
    B, p = at.B, at.p
    if p.loss == "squared-error":
        goal = B.number(p.parameters["target"] / p.tau)
        return W, [goal if k == y else B.number(0) for k in range(p.classes)]
    eps = p.parameters.get("smoothing", Fraction(0))
    if p.loss != "label-smoothing" or not 0 < eps < 1:
        raise Undecided("the claim is for label smoothing and squared error")
    lead = B.function("log", B.number(1 + p.classes * (1 - eps) / eps)) / B.number(p.tau)
    others = W[:y] + W[y + 1 :]
    return [[a - b for a, b in zip(W[y], w, strict=True)] for w in others], [lead for _ in others]


def least_loss(at: Claims, claim: dict[str, Any]) -> Outcome:
    """Lemma 12: the classifiers stay, each feature h moves by ``E t``, E the columns of its conditions and h."""
    B, K, point = at.B, at.p.classes, at.here.point
    X, radius = at.here.centre[0].X, B.number(claim["radius"])
    stored = at.here.balls(point, B.number(0))
    inside = all(
        B.less(B.top(a - b), radius)
        for x, z in zip(X, stored, strict=True)
        for a, b in zip(x, z, strict=True)
    )
    for (y, _, _), h, old, ready in zip(point.groups, X[K:], stored[K:], claim["witness"], strict=True):
        A, goals = least_logits(at, X[:K], y)
        E = [*A, h]
        B.charge(4 * point.rank * len(E) ** 2)
        gram = [[dot(a, b) for b in E] for a in E]
        F = [dot(a, h) - c for a, c in zip(A, goals, strict=True)] + [(dot(h, h) - 1) / 2]
        step = cap(B, [B.top(x) for x in applied(B, *opened(B, ready), B.matrix([[x] for x in F])).entries()])
        u = 4 * step
        moved = [x + sum(B.around(B.number(0), u) * a[i] for a in E) for i, x in enumerate(h)]
        krawczyk(B, ready, F, B.matrix([*gram[:-1], [dot(moved, b) for b in E]]), [u] * len(E))
        inside = inside and is_near(B, moved, old, radius)
    if not inside:
        return UNDECIDED, "the exact point is not proved to lie within the radius"
    return PROVED, (
        f"within {printed(claim['radius'], True)} of the stored point lies an exact point at which the loss of every "
        "sample is the least for any logits: a global minimiser, at the floor of the cost"
    )


FAMILIES = {
    "collapsed": collapsed,
    "degenerate": degenerate,
    "well_classified": well_classified,
    "least_loss": least_loss,
}
PROVED, REFUTED, UNDECIDED = "PROVED", "REFUTED", "UNDECIDED"
