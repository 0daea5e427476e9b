"""Points in families, for some losses only: collapsed classifiers, least losses; and points that classify well."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from sphereufm.certify.checker.calculus import Jet
from sphereufm.certify.checker.claims import Check, proved_lower
from sphereufm.certify.checker.kernel import Refuted, Undecided, Witness, applied, cap, dot, krawczyk
from sphereufm.certify.checker.losses import LOSSES
from sphereufm.certify.checker.place import Place

# what a group of samples weighs, and its feature
Members = list[tuple[Any, list[Any]]]


def reached(B: Any, members: Members, A: list[list[Any]], goals: list[Any], ready: Witness | None) -> Any:
    """Lemma 12: unit vectors near the columns of members that meet ``sum w <a_i, h'> = c_i``, in balls."""
    sums, _, units = moved(B, members, A, [B.number(0)] * len(A))
    F = [x - c for x, c in zip(sums, goals, strict=True)]
    if vanish(B, F):
        return units
    u = 4 * cap(B, [B.top(x) for x in applied(B, ready, B.matrix([[x] for x in F])).entries()])
    _, J, units = moved(B, members, A, [B.around(B.number(0), u)] * len(A))
    krawczyk(B, ready, F, B.matrix(J), [u] * len(A))
    return units


def vanish(B: Any, F: list[Any]) -> bool:
    """Whether all balls are exactly zero; what is not a number is below nothing."""
    tops = [B.top(x) for x in F]
    return all(B.less(x, 1) and not B.less(0, x) for x in tops)


def moved(
    B: Any, members: Members, A: list[list[Any]], t: list[Any]
) -> tuple[list[Any], list[Any], list[Any]]:
    """``sum w <a_i, h'>`` for ``h' = n(h + sum_i t_i a_i)``, ``n(v) = v / |v|``, its derivatives by t, and all h'."""
    B.charge(4 * (len(A) + len(members)) * len(A) * (len(A) + len(members[0][1])))
    gram, units = [[dot(a, b) for b in A] for a in A], []
    sums, J = [B.number(0)] * len(A), [[B.number(0)] * len(A) for _ in A]
    for w, h in members:
        v = [x + dot(t, row) for x, row in zip(h, zip(*A, strict=True), strict=True)]
        length = B.function("sqrt", dot(v, v))
        units.append([x / length for x in v])
        along = [dot(a, units[-1]) for a in A]
        sums = [s + w * x for s, x in zip(sums, along, strict=True)]
        for row, g, x in zip(J, gram, along, strict=True):
            row[:] = [s + w * (c - x * y) / length for s, c, y in zip(row, g, along, strict=True)]
    return sums, J, units


def collapses(p: Any) -> bool:
    """Whether equal classifiers are critical for some features: slopes that do not depend on the sample's class.

    With a margin the softmax does, where a free bias or offsets tell the classes apart.
    """
    if p.loss == "logit-offsets":
        return {*map(len, p.parameters["offsets"])} == {1} and not p.parameters["margin"]
    return LOSSES[p.loss].blind and not (p.bias and p.loss == "cosine-margin")


def lies_flat(p: Any) -> bool:
    """Whether Lemma 11 speaks of the loss: convex, without bias, of slopes that are one number times ``tau_i``."""
    one_slope = p.loss in ("cross-entropy", "label-smoothing") or len({*p.taus}) == 1
    return LOSSES[p.loss].convex and LOSSES[p.loss].blind and one_slope and not p.bias


def one_classifier(at: Place) -> bool:
    """Whether every stored ``w_k`` is exactly the first unit vector, K >= 2, and the family exists."""
    columns = at.point.columns[: at.p.classes]
    first = all(c[0] == 1 and not any(c[1:]) for c in columns)
    return first and at.p.classes >= 2 and collapses(at.p)


def collapsed(at: Place, claim: dict[str, Any]) -> list[Any]:
    """Lemma 10: ``sum m omega c bar(h') = t`` for every class, where a bar stands for rows 2 .. r.

    At equal logits the slopes of a sample's loss are ``c (1, .., 1, -(K - 1), 1, .., 1)``; for cross-entropy
    ``c = tau / K``.  Where the softmax is another ``pi``, that of the offsets or the class masses at the best bias,
    the slopes for class k are ``K pi_k`` times those: its sum must be ``K pi_k t``.
    """
    B, p = at.B, at.p
    empty = len({y for y, _, _ in at.point.groups}) < p.classes and any(claim["target"])
    if not (p.dim >= 3 and at.point.rank >= 2 and one_classifier(at)) or empty:
        raise Undecided("the hypotheses of the lemma do not hold")
    r = at.point.rank
    B.charge(r * r)
    A = [[B.number(i == a) for i in range(r)] for a in range(1, r)]
    goals = [B.number(x) for x in claim["target"]]
    for (_, members), ready in zip(classes_of(at), claim["witness"], strict=True):
        within(at, claim, reached(B, members, A, goals, ready), [h for _, h in members])
    return []


def classes_of(at: Place) -> list[tuple[int, Members]]:
    """For every class with samples, what its groups weigh, and their features."""
    found: dict[int, Members] = {}
    for (y, _, _), column, mass in zip(
        at.point.groups, at.point.columns[at.p.classes :], pulls(at), strict=True
    ):
        found.setdefault(y, []).append((mass, [at.B.number(x) for x in column]))
    return sorted(found.items())


def pulls(at: Place) -> list[Any]:
    """What all groups weigh: ``m omega c``, with offsets or a free bias over ``K pi_k``."""
    B, p, K = at.B, at.p, at.p.classes
    kinds = {p.taus[first]: first for _, _, first in at.point.groups}
    c = {tau: pull(at, first) for tau, first in kinds.items()}
    over = [B.number(1)] * K
    if p.bias:
        over = [B.number(0)] * K
        for share, y in zip(at.shares, p.labels, strict=True):
            over[y] += K * share
    elif p.loss == "logit-offsets":
        powers = [B.function("exp", B.number(row[0])) for row in p.parameters["offsets"]]
        over = [K * x / sum(powers) for x in powers]
    return [m * at.shares[first] * c[p.taus[first]] / over[y] for y, m, first in at.point.groups]


def pull(at: Place, sample: int) -> Any:
    """``tau`` times the derivative of a sample's loss by another class's logit where all are equal; not zero."""
    B, p, tau = at.B, at.p, at.p.taus[sample]
    level = [Jet(B, (B.number(0), [], dict), leaf=(k, 0)) for k in range(p.classes)]
    slope = LOSSES[p.loss].cost(level, 0, tau, p.parameters).first[1, 0]
    if not (B.less(0, slope) or B.less(slope, 0)):
        raise Undecided("the loss is not proved to pull where all logits are equal")
    return B.number(tau) * slope


def degenerate(at: Place, claim: dict[str, Any]) -> list[Any]:
    """Lemma 11, in exact rationals but for the costs of both points."""
    p, groups, features = at.p, at.point.groups, at.point.columns[at.p.classes :]
    flat = p.dim == at.point.rank == 2 and one_classifier(at) and lies_flat(p)
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
    return proved_lower(at, claim, at.around(Fraction(0)).unit.cost)


def well_classified(at: Place, claim: dict[str, Any]) -> list[Any]:
    """Theorem F over the ball: every sample leads, or is hot enough for Theorem E."""
    B, p, point = at.B, at.p, at.point
    if not (p.loss == "cross-entropy" and p.dim == p.classes - 1 >= 3 and not p.bias):
        raise Undecided("the theorem needs cross-entropy without a bias, and d = K - 1 >= 3")
    X = at.around(claim["radius"]).columns
    W = X[: p.classes]
    B.charge(len(X) * p.classes * point.rank)
    for (y, _, first), h in zip(point.groups, X[p.classes :], strict=True):
        leads = [dot([a - b for a, b in zip(W[y], w, strict=True)], h) for w in W[:y] + W[y + 1 :]]
        if 2 * p.taus[first] > p.classes - 2 and not all(B.less(0, x) for x in leads):
            raise Undecided(f"a sample of class {y} is not proved to be well classified")
    return []


def parts_of(at: Place) -> list[int]:
    """For each class the first one that has exactly the same classifier."""
    columns = at.point.columns[: at.p.classes]
    return [columns.index(column) for column in columns]


def least_logits(at: Place, W: list[list[Any]], y: int, tau: Fraction) -> tuple[list[list[Any]], list[Any]]:
    """Columns and values with ``<a, h> = c``: where the loss of class y is least among logits equal on each part.

    In a part of s classes the own logit of squared error is best at ``k M / (k + s - 1)``; label smoothing's softmax
    must have the targets' mass on each part.
    """
    B, p, parts = at.B, at.p, parts_of(at)
    own, s = parts[y], parts.count(parts[y])
    firsts = sorted({*parts})
    if p.loss == "squared-error":
        k = p.parameters["own_weight"]
        goal = B.number(k * p.parameters["target"] / ((k + s - 1) * tau))
        return [W[j] for j in firsts], [goal if j == own else B.number(0) for j in firsts]
    eps = p.parameters.get("smoothing", Fraction(0))
    if p.loss != "label-smoothing" or not 0 < eps < 1:
        raise Undecided("the claim is for label smoothing and squared error")
    lead = B.function("log", B.number(1 + p.classes * (1 - eps) / (s * eps))) / B.number(tau)
    others = [W[j] for j in firsts if j != own]
    return [[a - b for a, b in zip(W[y], w, strict=True)] for w in others], [lead for _ in others]


def least_loss(at: Place, claim: dict[str, Any]) -> list[Any]:
    """Lemma 12, of classifiers that all differ."""
    if len({*parts_of(at)}) < at.p.classes:
        raise Undecided("two classifiers are equal")
    return at_floors(at, claim)


def one_each(at: Place) -> bool:
    """Whether all samples of each class share a feature, and all samples one tau."""
    return [y for y, _, _ in sorted(at.point.groups)] == [*range(at.p.classes)] and len({*at.p.taus}) == 1


def class_masses(at: Place) -> list[Fraction]:
    """Relative weights of the classes, exactly."""
    masses = [Fraction(0)] * at.p.classes
    at.B.charge(sum(w.denominator.bit_length() for w in at.p.weights))
    for y, w in zip(at.p.labels, at.p.weights, strict=True):
        masses[y] += w
    return masses


def shared_loss(at: Place, claim: dict[str, Any]) -> list[Any]:
    """Lemma 14: where classes share classifier, feature, weight and tau, exchanging them changes nothing."""
    p, parts = at.p, parts_of(at)
    features = {y: h for (y, _, _), h in zip(at.point.groups, at.point.columns[p.classes :], strict=True)}
    masses = class_masses(at)
    alike = one_each(at) and all(
        features[k] == features[j] and masses[k] == masses[j] for k, j in enumerate(parts)
    )
    if not alike or p.bias:
        raise Undecided("classes of one classifier are not proved to be exchangeable")
    return at_floors(at, claim)


def equal_features(at: Place, claim: dict[str, Any]) -> list[Any]:
    """Lemma 15: every feature is the first unit vector, and all classifiers have one part normal to it."""
    p, W = at.p, at.point.columns[: at.p.classes]
    first = all(h[0] == 1 and not any(h[1:]) for h in at.point.columns[p.classes :])
    alike = all(abs(w[0]) == abs(W[0][0]) and w[1:] == W[0][1:] for w in W)
    fits = p.loss in ("cross-entropy", "label-smoothing", "logistic") or (
        p.loss == "squared-error" and p.parameters["own_weight"] == 1
    )
    if not (p.bias and first and alike and fits and len({*p.taus}) == 1):
        raise Undecided("the hypotheses of the lemma do not hold")
    box = at.around(Fraction(0))
    within(at, claim, box.unit.X, box.columns)
    return []


def frame(at: Place, claim: dict[str, Any]) -> list[Any]:
    """Lemma 16: features are the classifiers mirrored, or turned round, and these a frame; they move by ``I + A``."""
    B, p, K, r, W = at.B, at.p, at.p.classes, at.point.rank, at.point.columns[: at.p.classes]
    mirror, sides = claim["mirror"], claim["sides"]
    fits = p.loss == "squared-error" and p.parameters["own_weight"] == 1 and p.parameters["target"] > 0
    fits = fits and one_each(at) and not p.bias and len({*class_masses(at)}) == 1 and r > 1
    signs = len(mirror) == r and len(sides) == K and all(abs(x) == 1 for x in [*mirror, *sides])
    if not (fits and signs and (len({*mirror}) == 1 or {*sides} == {1})):
        raise Undecided("the hypotheses of the lemma do not hold")
    for (y, _, _), h in zip(at.point.groups, at.point.columns[K:], strict=True):
        if h != [sides[y] * a * b for a, b in zip(mirror, W[y], strict=True)]:
            raise Undecided("a feature is not its classifier mirrored")
    B.charge(4 * K * r**3)
    theta, mean = p.taus[0] / p.parameters["target"], Fraction(sum(mirror)) / r
    goal = [Fraction(K, r) + (x - mean) / theta for x in mirror]
    unit = at.around(Fraction(0)).unit.X[:K]
    pairs = [(a, b) for a in range(r) for b in range(a, r)][:-1]
    F = imbalance(B, unit, goal, pairs)
    u = B.number(0)
    if not vanish(B, F):
        ready = claim["witness"][0]
        u = 4 * cap(B, [B.top(x) for x in applied(B, ready, B.matrix([[x] for x in F])).entries()])
        krawczyk(B, ready, F, B.matrix(framed(B, unit, pairs, u)[1]), [u] * len(pairs))
    near = framed(B, unit, pairs, u)[0]
    exact = [
        [int(sides[y] * a) * b for a, b in zip(mirror, near[y], strict=True)] for y, _, _ in at.point.groups
    ]
    within(at, claim, [*near, *exact], at.around(Fraction(0)).columns)
    return []


def lift(t: list[Any], pair: tuple[int, int]) -> list[Any]:
    """``E_q x``, of a basis of the symmetric matrices without trace."""
    (a, b), r = pair, len(t)
    out = [0 * x for x in t]
    out[a], out[b] = (t[b], t[a]) if a < b else (t[a], t[a])
    if a == b:
        out[r - 1] = -t[r - 1]
    return out


def imbalance(B: Any, W: list[list[Any]], goal: list[Fraction], pairs: list[tuple[int, int]]) -> list[Any]:
    """``<W W^T - diag(goal), E_q>`` for all q."""
    found = [sum(dot(w, lift(w, pair)) for w in W) for pair in pairs]
    last = goal[-1]
    return [x - B.number(goal[a] - last if a == b else 0) for x, (a, b) in zip(found, pairs, strict=True)]


def framed(
    B: Any, W: list[list[Any]], pairs: list[tuple[int, int]], u: Any
) -> tuple[list[list[Any]], list[list[Any]]]:
    """``n((I + A) w)`` over all ``A = sum_q t_q E_q`` with ``|t_q| <= u``, and the imbalance's derivatives by t."""
    B.charge(4 * len(W) * len(pairs) ** 2 * len(W[0]))
    moved, J = [], [[B.number(0)] * len(pairs) for _ in pairs]
    for w in W:
        E = [lift(w, pair) for pair in pairs]
        x = [a + sum(B.around(B.number(0), u) * e[i] for e in E) for i, a in enumerate(w)]
        length = B.function("sqrt", dot(x, x))
        x = [a / length for a in x]
        moved.append(x)
        for p, e in enumerate(E):
            along = dot(x, e)
            step = [(a - along * b) / length for a, b in zip(e, x, strict=True)]
            for q, pair in enumerate(pairs):
                J[q][p] += 2 * dot(lift(x, pair), step)
    return moved, J


def within(at: Place, claim: dict[str, Any], X: list[list[Any]], stored: list[list[Any]]) -> None:
    """Whether exact columns lie within the radius of the stored ones."""
    pairs = zip(X, stored, strict=True)
    moves = [at.B.top(a - b) for x, z in pairs for a, b in zip(x, z, strict=True)]
    if not at.B.less(cap(at.B, moves), at.B.number(claim["radius"])):
        raise Undecided("the exact point is not proved to lie within the radius")


def at_floors(at: Place, claim: dict[str, Any]) -> list[Any]:
    """Lemma 12 for each feature, among the normalised classifiers."""
    B, K, box = at.B, at.p.classes, at.around(Fraction(0))
    X = box.unit.X[:K]
    for (y, _, first), h, ready in zip(at.point.groups, box.columns[K:], claim["witness"], strict=True):
        A, goals = least_logits(at, X[:K], y, at.p.taus[first])
        X = X + reached(B, [(B.number(1), h)], A, goals, ready)
    within(at, claim, X, box.columns)
    return []


FAMILIES: dict[str, Check] = {
    check.__name__: check
    for check in (collapsed, degenerate, well_classified, least_loss, shared_loss, equal_features, frame)
}
