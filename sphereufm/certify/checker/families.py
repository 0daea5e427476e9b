"""Points in families, for some losses only: collapsed classifiers, least losses; and points that classify well."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from typing import Any

from sphereufm.certify.checker.calculus import Jet
from sphereufm.certify.checker.claims import Check, proved_lower
from sphereufm.certify.checker.kernel import Refuted, Undecided, Witness, applied, cap, dot, krawczyk
from sphereufm.certify.checker.losses import LOSSES
from sphereufm.certify.checker.place import Place

# what a group of samples weighs, and its feature
Members = list[tuple[Any, list[Any]]]


def one_classifier(at: Place) -> bool:
    """Whether every stored ``w_k`` is exactly the first unit vector, K >= 2, and the loss ignores common shifts."""
    columns = at.point.columns[: at.p.classes]
    first = all(c[0] == 1 and not any(c[1:]) for c in columns)
    return first and at.p.classes >= 2 and LOSSES[at.p.loss].blind


def collapsed(at: Place, claim: dict[str, Any]) -> list[Any]:
    """Lemma 10: shifts ``c_k`` with ``sum m omega c bar(n(h + (0, c_k))) = t`` for every class, ``n(v) = v / |v|``.

    At equal logits the slopes of a sample's loss are ``c (1, .., 1, -(K - 1), 1, .., 1)``; for cross-entropy
    ``c = tau / K``.
    """
    B, p = at.B, at.p
    empty = len({y for y, _, _ in at.point.groups}) < p.classes and any(claim["target"])
    if not (p.dim >= 3 and at.point.rank >= 2 and one_classifier(at)) or empty:
        raise Undecided("the hypotheses of the lemma do not hold")
    radius, target = B.number(claim["radius"]), [B.number(x) for x in claim["target"]]
    for (k, members), ready in zip(classes_of(at), claim["witness"], strict=True):
        if not class_fits(B, members, target, radius, ready):
            raise Undecided(f"class {k} is not proved to have an exact member near by")
    return []


def classes_of(at: Place) -> list[tuple[int, Members]]:
    """For every class with samples, what its groups weigh, and their features."""
    B, K, found = at.B, at.p.classes, dict[int, Members]()
    kinds = {at.p.taus[first]: first for _, _, first in at.point.groups}
    pulls = {tau: pull(at, first) for tau, first in kinds.items()}
    for (y, m, first), column in zip(at.point.groups, at.point.columns[K:], strict=True):
        h = [B.number(x) for x in column]
        found.setdefault(y, []).append((m * at.shares[first] * pulls[at.p.taus[first]], h))
    return sorted(found.items())


def pull(at: Place, sample: int) -> Any:
    """``tau`` times the derivative of a sample's loss by another class's logit where all are equal; not zero."""
    B, p, tau = at.B, at.p, at.p.taus[sample]
    level = [Jet(B, (B.number(0), [], dict), leaf=(k, 0)) for k in range(p.classes)]
    slope = LOSSES[p.loss].cost(level, 0, tau, p.parameters).first[1, 0]
    if not (B.less(0, slope) or B.less(slope, 0)):
        raise Undecided("the loss is not proved to pull where all logits are equal")
    return B.number(tau) * slope


def class_fits(B: Any, members: Members, target: list[Any], radius: Any, ready: Witness | None) -> bool:
    """Whether some small shift ``c`` of all features of a class meets the target, within the radius."""
    n = len(target)
    zero = [B.number(0)] * n
    value, _, moved = shifted(B, members, zero)
    residual = [a - t for a, t in zip(value, target, strict=True)]
    if all(B.top(x) == 0 for x in residual):
        return bool(B.less(moved, radius))
    if ready is None:
        return False
    step = cap(B, [B.top(x) for x in applied(B, ready, B.matrix([[x] for x in residual])).entries()])
    for factor in (2, 8):
        u = factor * step
        _, slope, moved = shifted(B, members, [B.around(x, u) for x in zero])
        with suppress(Undecided):
            krawczyk(B, ready, residual, B.matrix(slope), [u] * n)
            return bool(B.less(moved, radius))
    return False


def shifted(B: Any, members: Members, c: list[Any]) -> tuple[list[Any], list[list[Any]], Any]:
    """``sum w bar(n(h + (0, c)))``, its derivative by c, and a bound of how far any ``n`` is from h in an entry."""
    n = len(c)
    B.charge(4 * len(members) * n * n)
    value, J, moves = [B.number(0)] * n, [[B.number(0)] * n for _ in c], []
    for w, h in members:
        moved = [h[0], *(a + b for a, b in zip(h[1:], c, strict=True))]
        length = B.function("sqrt", dot(moved, moved))
        if not B.less(0, length):
            raise Undecided("a feature is not proved nonzero")
        unit = [x / length for x in moved]
        moves += [B.top(a - b) for a, b in zip(unit, h, strict=True)]
        value = [a + w * b for a, b in zip(value, unit[1:], strict=True)]
        t = w / length
        for a, x in enumerate(unit[1:]):
            for b, y in enumerate(unit[1:]):
                J[a][b] += (t if a == b else 0) - t * x * y
    return value, J, cap(B, moves)


def degenerate(at: Place, claim: dict[str, Any]) -> list[Any]:
    """Lemma 11, in exact rationals but for the cost of the lower point."""
    p, groups, features = at.p, at.point.groups, at.point.columns[at.p.classes :]
    flat = p.dim == at.point.rank == 2 and one_classifier(at) and p.loss == "cross-entropy"
    if not (flat and all(h[0] == 0 and abs(h[1]) == 1 for h in features)):
        raise Undecided("the hypotheses of the lemma do not hold")
    at.B.charge(len(groups) * sum(q.bit_length() for q in {w.denominator for w in p.weights + p.taus}))
    sums = [Fraction(0)] * p.classes
    for h, (y, m, first) in zip(features, groups, strict=True):
        sums[y] += h[1] * m * p.weights[first] * p.taus[first]
    if len(set(sums)) > 1:
        high, low = sums.index(max(sums)), sums.index(min(sums))
        raise Refuted(
            f"the signed sums of classes {high} and {low} differ, so that the point is not critical"
        )
    return proved_lower(at, claim, at.B.function("log", at.B.number(p.classes)))


def well_classified(at: Place, claim: dict[str, Any]) -> list[Any]:
    """Theorem F over the ball: every sample leads, or is hot enough for Theorem E."""
    B, p, point = at.B, at.p, at.point
    if not (p.loss == "cross-entropy" and p.dim == p.classes - 1 >= 3):
        raise Undecided("the theorem needs cross-entropy and d = K - 1 >= 3")
    X = at.around(claim["radius"]).columns
    W = X[: p.classes]
    B.charge(len(X) * p.classes * point.rank)
    for (y, _, first), h in zip(point.groups, X[p.classes :], strict=True):
        leads = [dot([a - b for a, b in zip(W[y], w, strict=True)], h) for w in W[:y] + W[y + 1 :]]
        if 2 * p.taus[first] > p.classes - 2 and not all(B.less(0, x) for x in leads):
            raise Undecided(f"a sample of class {y} is not proved to be well classified")
    return []


def least_logits(at: Place, W: list[list[Any]], y: int, tau: Fraction) -> tuple[list[list[Any]], list[Any]]:
    """Columns and values with ``<a, h> = c``: what a feature of class y must meet for its loss to be least."""
    B, p = at.B, at.p
    if p.loss == "squared-error":
        goal = B.number(p.parameters["target"] / tau)
        return W, [goal if k == y else B.number(0) for k in range(p.classes)]
    eps = p.parameters.get("smoothing", Fraction(0))
    if p.loss != "label-smoothing" or not 0 < eps < 1:
        raise Undecided("the claim is for label smoothing and squared error")
    lead = B.function("log", B.number(1 + p.classes * (1 - eps) / eps)) / B.number(tau)
    others = W[:y] + W[y + 1 :]
    return [[a - b for a, b in zip(W[y], w, strict=True)] for w in others], [lead for _ in others]


def least_loss(at: Place, claim: dict[str, Any]) -> list[Any]:
    """Lemma 12: the classifiers stay, each feature h moves by ``E t``, E the columns of its conditions and h."""
    B, K, point, box = at.B, at.p.classes, at.point, at.around(Fraction(0))
    X, moves = box.unit.X, []
    for x, z in zip(X[:K], box.columns, strict=False):
        moves += [B.top(a - b) for a, b in zip(x, z, strict=True)]
    parts = zip(point.groups, X[K:], box.columns[K:], claim["witness"], strict=True)
    for (y, _, first), h, old, ready in parts:
        A, goals = least_logits(at, X[:K], y, at.p.taus[first])
        E = [*A, h]
        B.charge(4 * point.rank * len(E) ** 2)
        gram = [[dot(a, b) for b in E] for a in E]
        F = [dot(a, h) - c for a, c in zip(A, goals, strict=True)] + [(dot(h, h) - 1) / 2]
        u = 4 * cap(B, [B.top(x) for x in applied(B, ready, B.matrix([[x] for x in F])).entries()])
        moved = [x + sum(B.around(B.number(0), u) * a[i] for a in E) for i, x in enumerate(h)]
        krawczyk(B, ready, F, B.matrix([*gram[:-1], [dot(moved, b) for b in E]]), [u] * len(E))
        moves += [B.top(a - b) for a, b in zip(moved, old, strict=True)]
    if not B.less(cap(B, moves), B.number(claim["radius"])):
        raise Undecided("the exact point is not proved to lie within the radius")
    return []


FAMILIES: dict[str, Check] = {
    check.__name__: check for check in (collapsed, degenerate, well_classified, least_loss)
}
