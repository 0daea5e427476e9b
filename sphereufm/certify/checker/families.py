"""Points in families, for some losses only: collapsed classifiers, least losses, frames; and points that classify well.

Of each family a lemma says which exact points it has; a claim is that one lies within a radius of the stored point.
Where the stored columns are not exact, Lemma 12 moves them: by ``h' = n(h + sum_i t_i a_i(h))``, ``n(v) = v / |v|``,
until ``F_i(t) = sum_h w_h <a_i(h'), h'> - c_i = 0``.  The maps a_i are constant, or linear with symmetric matrices (of
degree 1 then), and Krawczyk's test in the shifts t proves a zero near t = 0, with

    dF_i/dt_j = (1 + degree) sum_h w_h (<a_i(h'), a_j(h)> - <a_i(h'), h'> <a_j(h), h'>) / |h + sum_i t_i a_i(h)|.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from sphereufm.certify.checker.calculus import leaf
from sphereufm.certify.checker.claims import Check, proved_lower
from sphereufm.certify.checker.kernel import Refuted, Witness, applied, cap, dot, krawczyk, require
from sphereufm.certify.checker.losses import LOSSES
from sphereufm.certify.checker.place import Place

Columns = list[list[Any]]


@dataclass(frozen=True)
class Conditions:
    """Columns with their weights, the maps a_i (a function that lists all ``a_i(h)``), their degree, and the c_i."""

    members: Columns
    weights: list[Any]
    maps: Callable[[list[Any]], Columns]
    goals: list[Any]
    degree: int = 0

    def at(self, B: Any, t: list[Any]) -> tuple[list[Any], Columns, Columns]:
        """F, its derivatives, and all h', for shifts t."""
        n = len(self.goals)
        B.charge(4 * len(self.members) * n * (n + len(self.members[0])))
        F, J, moved = [-c for c in self.goals], [[B.number(0)] * n for _ in range(n)], []
        for w, h in zip(self.weights, self.members, strict=True):
            before = self.maps(h)
            v = [x + dot(t, row) for x, row in zip(h, zip(*before, strict=True), strict=True)]
            length = B.function("sqrt", dot(v, v))
            moved.append([x / length for x in v])
            after = self.maps(moved[-1])
            along, turned = ([dot(a, moved[-1]) for a in maps] for maps in (before, after))
            F = [x + w * y for x, y in zip(F, turned, strict=True)]
            gram = B.times(B.matrix(after), B.matrix(before).transpose())
            factor = (1 + self.degree) * w / length
            for row, line, x in zip(J, gram.tolist(), turned, strict=True):
                row[:] = [s + factor * (g - x * y) for s, g, y in zip(row, line, along, strict=True)]
        return F, J, moved

    def met(self, B: Any, ready: Witness | None) -> Columns:
        """Lemma 12: columns near the members that meet the conditions, in balls."""
        zero = B.number(0)
        F, _, moved = self.at(B, [zero] * len(self.goals))
        tops = [B.top(x) for x in F]
        # exactly zero; what is not a number is below nothing
        if all(B.less(x, 1) and not B.less(0, x) for x in tops):
            return moved
        u = 4 * cap(B, [B.top(x) for x in applied(B, ready, B.matrix([[x] for x in F])).entries()])
        _, J, moved = self.at(B, [B.around(zero, u)] * len(F))
        krawczyk(B, ready, F, B.matrix(J), [u] * len(F))
        return moved


def constant(A: Columns) -> Callable[[list[Any]], Columns]:
    """Maps of degree 0."""
    return lambda h: A


def within(at: Place, claim: dict[str, Any], X: Columns, stored: Columns | None = None) -> None:
    """Whether exact columns lie within the radius of the stored ones."""
    pairs = zip(X, stored or at.around(0).columns, strict=True)
    moves = [at.B.top(a - b) for x, z in pairs for a, b in zip(x, z, strict=True)]
    near = at.B.less(cap(at.B, moves), at.B.number(claim["radius"]))
    require(near, "the exact point is not proved to lie within the radius")


def assume(lemma: int, *hypotheses: object) -> None:
    """What a lemma of docs/proofs.md supposes."""
    require(all(hypotheses), f"not all that Lemma {lemma} supposes holds")


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


def are_first(columns: list[list[Fraction]]) -> bool:
    """Whether all columns are exactly the first unit vector."""
    return all(c[0] == 1 and not any(c[1:]) for c in columns)


def collapsed(at: Place, claim: dict[str, Any]) -> None:
    """Lemma 10: ``sum m omega c bar(h') = t`` for every class, where a bar stands for rows 2 .. r.

    At equal logits the slopes of a sample's loss are ``c (1, .., 1, -(K - 1), 1, .., 1)``; for cross-entropy
    ``c = tau / K``.  Where the softmax is another ``pi``, that of the offsets or the class masses at the best bias,
    the slopes for class k are ``K pi_k`` times those: its sum must be ``K pi_k t``.
    """
    p, W, t = at.p, at.point.columns[: at.p.classes], claim["target"]
    assume(10, p.dim >= 3, at.point.rank >= 2, p.classes >= 2, are_first(W), collapses(p))
    assume(10, not any(t) or {y for y, _, _ in at.point.groups} == {*range(p.classes)})
    for conditions, ready in zip(of_classes(at, t), claim["witness"], strict=True):
        within(at, claim, conditions.met(at.B, ready), conditions.members)


def of_classes(at: Place, target: Sequence[Fraction]) -> list[Conditions]:
    """For every class with samples, the conditions on its features."""
    B, r, groups = at.B, at.point.rank, at.point.groups
    B.charge(r * r)
    axes = constant([[B.number(int(i == a)) for i in range(r)] for a in range(1, r)])
    goals = [B.number(x) for x in target]
    found = {y: Conditions([], [], axes, goals) for y in sorted({y for y, _, _ in groups})}
    for (y, _, _), h, w in zip(groups, at.point.columns[at.p.classes :], pulls(at), strict=True):
        found[y].members.append([B.number(x) for x in h])
        found[y].weights.append(w)
    return list(found.values())


def pulls(at: Place) -> list[Any]:
    """What all groups weigh: ``m omega c``, with offsets or a free bias over ``K pi_k``."""
    B, p, K = at.B, at.p, at.p.classes
    samples = {p.taus[first]: first for _, _, first in at.point.groups}
    c = {tau: pull(at, first) for tau, first in samples.items()}
    over = [B.number(int(not p.bias))] * K
    if p.bias:
        for share, y in zip(at.shares, p.labels, strict=True):
            over[y] += K * share
    elif p.loss == "logit-offsets":
        powers = [B.function("exp", B.number(row[0])) for row in p.parameters["offsets"]]
        over = [K * x / sum(powers) for x in powers]
    return [m * at.shares[first] * c[p.taus[first]] / over[y] for y, m, first in at.point.groups]


def pull(at: Place, sample: int) -> Any:
    """``tau`` times the derivative of a sample's loss by another class's logit where all are equal; not zero."""
    B, p, tau = at.B, at.p, at.p.taus[sample]
    level = [leaf(B, B.number(0), (k, 0), B.number(tau)) for k in range(p.classes)]
    slope = LOSSES[p.loss].cost(level, 0, tau, p.parameters).first[1, 0]
    pulled = B.less(0, slope) or B.less(slope, 0)
    require(pulled, "the loss is not proved to pull where all logits are equal")
    return slope


def degenerate(at: Place, claim: dict[str, Any]) -> list[Any]:
    """Lemma 11, in exact rationals but for the costs of both points."""
    p, groups, K = at.p, at.point.groups, at.p.classes
    W, H = at.point.columns[:K], at.point.columns[K:]
    assume(11, p.dim == at.point.rank == 2 <= K, are_first(W), lies_flat(p))
    # with all of the mass smoothed no slope is left, whatever the signs
    assume(11, all(h[0] == 0 and abs(h[1]) == 1 for h in H), p.parameters.get("smoothing") != 1)
    at.B.charge(len(groups) * sum(q.bit_length() for q in {w.denominator for w in p.weights + p.taus}))
    sums = [Fraction(0)] * K
    for h, (y, m, first) in zip(H, groups, strict=True):
        sums[y] += h[1] * m * p.weights[first] * p.taus[first]
    high, low = sums.index(max(sums)), sums.index(min(sums))
    if high != low:
        words = f"the signed sums of classes {high} and {low} differ"
        raise Refuted(f"{words}, so that the point is not critical")
    return proved_lower(at, claim, at.around(0).unit.cost)


def well_classified(at: Place, claim: dict[str, Any]) -> None:
    """Theorem F over the ball: every sample leads, or is hot enough for Theorem E."""
    B, p, X, K = at.B, at.p, at.around(claim["radius"]).columns, at.p.classes
    holds = p.loss == "cross-entropy" and p.dim == K - 1 >= 3 and not p.bias
    require(holds, "Theorem F needs cross-entropy without a bias, and d = K - 1 >= 3")
    B.charge(len(X) * K * at.point.rank)
    for (y, _, first), h in zip(at.point.groups, X[K:], strict=True):
        leads = [dot([a - b for a, b in zip(X[y], w, strict=True)], h) for w in X[:y] + X[y + 1 : K]]
        well = 2 * p.taus[first] <= K - 2 or all(B.less(0, x) for x in leads)
        require(well, f"a sample of class {y} is not proved to be well classified")


def parts_of(at: Place) -> list[int]:
    """For each class the first one that has exactly the same classifier."""
    first: dict[tuple[Fraction, ...], int] = {}
    return [first.setdefault(tuple(w), k) for k, w in enumerate(at.point.columns[: at.p.classes])]


def least_logits(at: Place, W: Columns, parts: list[int], y: int, tau: Fraction) -> tuple[Columns, list[Any]]:
    """Columns and values with ``<a, h> = c``: where the loss of class y is least among logits equal on each part.

    In a part of s classes the own logit of squared error is best at ``k M / (k + s - 1)``; label smoothing's softmax
    must have the targets' mass on each part.
    """
    B, p, own, s, firsts = at.B, at.p, parts[y], parts.count(parts[y]), sorted({*parts})
    if p.loss == "squared-error":
        k = p.parameters["own_weight"]
        best = k * p.parameters["target"] / ((k + s - 1) * tau)
        return [W[j] for j in firsts], [B.number(best * (j == own)) for j in firsts]
    eps = p.parameters.get("smoothing", 0)
    fits = p.loss == "label-smoothing" and 0 < eps < 1 < len(firsts)
    require(fits, "the claim is for squared error, and for label smoothing of classifiers that differ")
    lead = B.function("log", B.number(1 + p.classes * (1 - eps) / (s * eps))) / B.number(tau)
    others = [W[j] for j in firsts if j != own]
    return [[a - b for a, b in zip(W[y], w, strict=True)] for w in others], [lead for _ in others]


def floors(at: Place) -> Iterator[Conditions]:
    """Where the losses of the groups are least, among the normalised classifiers: conditions on each feature."""
    W, H = at.around(0).unit.X[: at.p.classes], at.around(0).columns[at.p.classes :]
    parts = parts_of(at)
    for (y, _, first), h in zip(at.point.groups, H, strict=True):
        at.B.charge(len(W) * at.point.rank)
        A, goals = least_logits(at, W, parts, y, at.p.taus[first])
        yield Conditions([h], [at.B.number(1)], constant(A), goals)


def at_floors(at: Place, claim: dict[str, Any]) -> None:
    """Lemma 12 for each feature."""
    met = [one.met(at.B, ready) for one, ready in zip(floors(at), claim["witness"], strict=True)]
    within(at, claim, at.around(0).unit.X[: at.p.classes] + [h for (h,) in met])


def least_loss(at: Place, claim: dict[str, Any]) -> None:
    """Lemma 12, of classifiers that all differ."""
    require(len({*parts_of(at)}) == at.p.classes, "two classifiers are equal")
    at_floors(at, claim)


def one_each(at: Place) -> bool:
    """Whether all samples of each class share a feature, and all samples one tau; without a bias."""
    single = [y for y, _, _ in sorted(at.point.groups)] == [*range(at.p.classes)]
    return single and len({*at.p.taus}) == 1 and not at.p.bias


def shared_loss(at: Place, claim: dict[str, Any]) -> None:
    """Lemma 14: where classes share classifier, feature, weight and tau, exchanging them changes nothing."""
    require(one_each(at), "not every class has one feature, and all one tau, without a bias")
    groups = zip(at.point.groups, at.point.columns[at.p.classes :], strict=True)
    kinds = {y: (h, m * at.p.weights[first]) for (y, m, first), h in groups}
    alike = all(kinds[k] == kinds[j] for k, j in enumerate(parts_of(at)))
    require(alike, "classes of one classifier are not proved to be exchangeable")
    at_floors(at, claim)


def equal_features(at: Place, claim: dict[str, Any]) -> None:
    """Lemma 15: every feature is the first unit vector, and all classifiers have one part normal to it."""
    p, W, H = at.p, at.point.columns[: at.p.classes], at.point.columns[at.p.classes :]
    assume(15, are_first(H), all(abs(w[0]) == abs(W[0][0]) and w[1:] == W[0][1:] for w in W))
    assume(15, p.bias, len({*p.taus}) == 1, p.parameters.get("own_weight", 1) == 1)
    assume(15, p.loss in ("cross-entropy", "label-smoothing", "logistic", "squared-error"))
    within(at, claim, at.around(0).unit.X)


def frame(at: Place, claim: dict[str, Any]) -> None:
    """Lemma 16: features are the classifiers mirrored, or turned round, and these a frame; they move by ``I + A``.

    A is symmetric without trace: conditions are ``<W W^T, E_q> = <diag(m), E_q>`` for a basis E_q of such matrices.
    """
    p, K, r, W = at.p, at.p.classes, at.point.rank, at.point.columns[: at.p.classes]
    mirror, sides, own = claim["mirror"], claim["sides"], p.parameters
    assume(16, p.loss == "squared-error", own.get("own_weight") == 1, own.get("target", 0) > 0)
    assume(16, one_each(at), len({m * p.weights[first] for _, m, first in at.point.groups}) == 1)
    assume(16, r > 1, len(mirror) == r, len(sides) == K)
    assume(16, all(abs(x) == 1 for x in [*mirror, *sides]), len({*mirror}) == 1 or {*sides} == {1})
    labels = [y for y, _, _ in at.point.groups]
    images = [[sides[y] * a * b for a, b in zip(mirror, W[y], strict=True)] for y in labels]
    require(at.point.columns[K:] == images, "a feature is not its classifier mirrored")
    near = framed(at, mirror).met(at.B, (claim["witness"] or [None])[0])
    exact = [[int(sides[y] * a) * b for a, b in zip(mirror, near[y], strict=True)] for y in labels]
    within(at, claim, [*near, *exact])


def framed(at: Place, mirror: Sequence[Fraction]) -> Conditions:
    """``<W W^T - diag(m), E_q> = 0`` at the normalised classifiers, for all ``E_ab + E_ba`` and ``E_aa - E_rr``."""
    B, K, r = at.B, at.p.classes, len(mirror)
    B.charge(4 * K * r**3)
    theta, mean = at.p.taus[0] / at.p.parameters["target"], Fraction(sum(mirror)) / r
    goal = [Fraction(K, r) + (x - mean) / theta for x in mirror]
    pairs = [(a, b) for a in range(r) for b in range(a, r)][:-1]

    def lifts(x: list[Any]) -> Columns:
        """All ``E_q x``."""
        moved = [{a: x[b], b: x[a]} if a < b else {a: x[a], r - 1: -x[-1]} for a, b in pairs]
        return [[line.get(i, B.number(0)) for i in range(r)] for line in moved]

    goals = [B.number(goal[a] - goal[-1] if a == b else 0) for a, b in pairs]
    return Conditions(at.around(0).unit.X[:K], [B.number(1)] * K, lifts, goals, degree=1)


MEMBERSHIPS = (collapsed, degenerate, well_classified, least_loss, shared_loss, equal_features, frame)
FAMILIES: dict[str, Check] = {check.__name__: check for check in MEMBERSHIPS}
