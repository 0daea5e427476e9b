"""Losses, as programs of the calculus: functions of the K logits z of one sample, its label y, tau and parameters.

Nothing that is small may be a difference of what is not: all softmaxes are made of the log odds s and of
``log(1 + e^s)``.

A free bias: ``phi(q) = min over b in R^K of Phi(q, b)``, one node of the calculus over all leaves q (Lemma 13).

Phi is convex in (q, b), so phi is convex in q.  Let b(q) be the minimiser and ``A = Phi_bb`` there.  Then

    phi' = Phi_q,      phi'' = Phi_qq - Phi_qb A^-1 Phi_bq      at (q, b(q)).

Where a loss ignores a common shift of its logits the last entry of b stays zero.  Newton's method finds b at the middle
of a box of q; Krawczyk's test (Lemma 4), for each q of the box at once, shows that a zero of ``Phi_b`` is near: of a
convex function, a minimiser.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from sphereufm.certify.checker.calculus import Evaluated, Jet, combined, program_jets
from sphereufm.certify.checker.kernel import Undecided, cap, contraction, dot


def log_odds(z: list[Jet], y: int) -> Jet:
    """``log sum_{j != y} exp(z_j - z_y)``."""
    return z[y].apply("odds", *(x for k, x in enumerate(z) if k != y))


def cross_entropy(z: list[Jet], y: int, tau: Fraction, p: dict[str, Any]) -> Jet:
    """``log(1 + e^s)`` of the logits ``z_k + o_ky``, the own one lowered by ``tau m``; rows of one number: ``o_k``."""
    rows, m = p.get("offsets") or [[0]] * len(z), p.get("margin", 0)
    z = [
        x.plus(row[min(y, len(row) - 1)] - tau * m * (k == y))
        for k, (x, row) in enumerate(zip(z, rows, strict=True))
    ]
    return log_odds(z, y).apply("softplus") if len(z) > 1 else combined([z[0].B.number(0)], z)


def arcface(z: list[Jet], y: int, tau: Fraction, p: dict[str, Any]) -> Jet:
    """Cross-entropy whose own logit is ``cos(m) z_y - sin(m) (tau^2 (1 + delta^2) - z_y^2)^(1/2)``."""
    B, own = z[y].B, z[y]
    root = own.apply("mul", own).apply("neg").plus(tau**2 * (1 + p["rounding"] ** 2)).apply("sqrt")
    turned = combined([sine(B, p["margin"], 0), -sine(B, p["margin"], 1)], [own, root])
    return cross_entropy([turned if k == y else x for k, x in enumerate(z)], y, tau, {})


def sine(B: Any, m: Fraction, odd: int) -> Any:
    """``sin m`` (odd = 1) or ``cos m``: of an alternating series the rest is below the last term, which falls."""
    if not 0 <= m <= 3:
        raise Undecided("an angle is not between 0 and 3")
    term = total = B.number(m if odd else 1)
    for n in range(1, 100):
        term = -term * B.number(m) * B.number(m) / ((2 * n + odd) * (2 * n + odd - 1))
        total += term
    return B.around(total, term)


def label_smoothing(z: list[Jet], y: int, tau: Fraction, p: dict[str, Any]) -> Jet:
    """Cross-entropy plus ``(eps / K) sum_j (z_y - z_j)``."""
    B, K, eps = z[0].B, len(z), p["smoothing"]
    pulls = [B.number(eps * (K * (k == y) - 1) / K) for k in range(K)]
    return combined([B.number(1), *pulls], [cross_entropy(z, y, tau, {}), *z])


def focal(z: list[Jet], y: int, tau: Fraction, p: dict[str, Any]) -> Jet:
    """``m^gamma log(1 + e^s)`` with ``m = e^s / (1 + e^s) = exp(s - log(1 + e^s))``."""
    s = log_odds(z, y)
    cost = s.apply("softplus")
    power = combined([s.B.number(p["focusing"])], [s.apply("sub", cost)]).apply("exp")
    return power.apply("mul", cost)


def squared_error(z: list[Jet], y: int, tau: Fraction, p: dict[str, Any]) -> Jet:
    """``(k (z_y - M)^2 + sum_{j != y} z_j^2) / 2``."""
    off = [x.plus(-p["target"]) if k == y else x for k, x in enumerate(z)]
    factors = [z[0].B.number((p["own_weight"] if k == y else 1) * Fraction(1, 2)) for k in range(len(z))]
    return combined(factors, [x.apply("pow") for x in off])


def logistic(z: list[Jet], y: int, tau: Fraction, p: dict[str, Any]) -> Jet:
    """``log(1 + exp(-z_y)) + sum_{j != y} log(1 + exp(z_j))``."""
    turned = [x.apply("neg") if k == y else x for k, x in enumerate(z)]
    return combined([z[0].B.number(1)] * len(z), [x.apply("softplus") for x in turned])


@dataclass(frozen=True)
class Loss:
    """A function of logits and label, and its parameters with their signs (``matrix``: rows of numbers, one a class).

    Only where the loss is convex in the logits does ``S >= 0`` prove a global minimum (Lemmas 8 and 9).  ``blind``: a
    common shift of the logits changes nothing, and no class is treated unlike another (Lemma 10); ``shifts``: the first
    of these.
    """

    cost: Callable[[list[Jet], int, Fraction, dict[str, Any]], Jet]
    parameters: dict[str, str] = field(default_factory=dict)
    convex: bool = False
    blind: bool = False
    shifts: bool = True


LOSSES = {
    "cross-entropy": Loss(cross_entropy, convex=True, blind=True),
    "cosine-margin": Loss(cross_entropy, {"margin": "-0+"}, convex=True, blind=True),
    "logit-offsets": Loss(cross_entropy, {"margin": "-0+", "offsets": "matrix"}, convex=True),
    "arcface": Loss(arcface, {"margin": "0+", "rounding": "+"}),
    "label-smoothing": Loss(label_smoothing, {"smoothing": "0+"}, convex=True, blind=True),
    "focal": Loss(focal, {"focusing": "0+"}, blind=True),
    "squared-error": Loss(squared_error, {"own_weight": "+", "target": "-0+"}, convex=True, shifts=False),
    "logistic": Loss(logistic, convex=True, shifts=False),
}


MOST_STEPS = 80
# Phi of all leaves, one group of K after the other, and the n entries of the bias that move
Cost = Callable[[list[Jet], list[Jet]], Jet]


def minimised(B: Any, cost: Cost, leaves: list[Jet], n: int) -> tuple[Jet, Jet]:
    """``phi``, and Phi with the bias at rest at b(q)."""
    b, Y = newton(B, cost, [Jet(B, (B.middle(leaf.value), [], dict)) for leaf in leaves], n)
    steps = [B.top(dot(row, slopes(cost(leaves, moving(B, b)), n))) for row in Y]
    u = 4 * cap(B, steps)
    total = cost(leaves, moving(B, [B.around(x, u) for x in b]))
    q = contraction(B, B.times(B.matrix(Y), B.matrix(bends(total, n))).tolist(), [u] * n)
    if not B.less(cap(B, steps) / u + q, 1):
        raise Undecided("the best bias is not enclosed")
    # A^-1 = (Y A)^-1 Y, and |I - Y A| <= q < 1 in the largest row sum
    rest = q / (1 - q) * cap(B, [sum(map(B.top, row), B.number(0)) for row in Y])
    inverse = [[B.around(x, rest) for x in row] for row in Y]
    first = [total.first[leaf.leaf] for leaf in leaves if leaf.leaf]

    def at_rest() -> dict[tuple[int, int], Any]:
        number = {leaf.leaf: i for i, leaf in enumerate(leaves)}
        rows = [(number[a], row) for a, row in total.second.items() if a in number]
        return {(i, number[c]): x for i, row in rows for c, x in row.items() if c in number}

    def curvatures() -> dict[tuple[int, int], Any]:
        B.charge(2 * n * len(leaves) * (n + len(leaves)))
        found = at_rest()
        zero = B.number(0)
        rows = [total.second.get(leaf.leaf, {}) for leaf in leaves if leaf.leaf]
        mixed = [[row.get((-1, k), zero) for k in range(n)] for row in rows]
        moved = [[dot(column, row) for column in inverse] for row in mixed]
        pairs = [(i, j) for i in range(len(leaves)) for j in range(len(leaves))]
        return {(i, j): found.get((i, j), zero) - dot(moved[i], mixed[j]) for i, j in pairs}

    parts = tuple(leaves)
    return Jet(B, (total.value, first, curvatures), parts), Jet(B, (total.value, first, at_rest), parts)


def newton(B: Any, cost: Cost, middle: list[Jet], n: int) -> tuple[list[Any], list[list[Any]]]:
    """An exact b near the minimiser, and nearly the inverse of ``Phi_bb`` there; nothing here is believed."""
    b = [B.number(0)] * n
    for _ in range(MOST_STEPS):
        total = cost(middle, moving(B, b))
        Y = inverted(B, bends(total, n))
        r = slopes(total, n)
        step = [B.middle(dot(row, r)) for row in Y]
        size = max(abs(B.real(x)) for x in step)
        # steps s -> log(1 + s) go down wherever third derivatives are bounded by second ones
        shrink = B.number(math.log1p(size) / size) if size > 0.1 else B.number(1)
        b = [B.middle(x - shrink * t) for x, t in zip(b, step, strict=True)]
        if size < 2.0 ** -(B.bits // 2):
            return b, Y
    raise Undecided("the best bias is not found")


def moving(B: Any, b: list[Any]) -> list[Jet]:
    """Entries of the bias, as leaves of their own."""
    return [Jet(B, (x, [], dict), leaf=(-1, k)) for k, x in enumerate(b)]


def slopes(total: Jet, n: int) -> list[Any]:
    """``Phi_b``."""
    return [total.first[-1, k] for k in range(n)]


def bends(total: Jet, n: int) -> list[list[Any]]:
    """``Phi_bb``."""
    zero = total.B.number(0)
    return [[total.second.get((-1, k), {}).get((-1, l), zero) for l in range(n)] for k in range(n)]


def inverted(B: Any, A: list[list[Any]]) -> list[list[Any]]:
    """About the inverse of a positive definite matrix, by elimination."""
    n = len(A)
    B.charge(4 * n**3)
    rows = [[B.middle(x) for x in row] + [B.number(int(k == l)) for l in range(n)] for k, row in enumerate(A)]
    for k in range(n):
        if not B.less(0, rows[k][k]):
            raise Undecided("the curvature by the bias is not proved positive")
        rows[k] = [B.middle(x / rows[k][k]) for x in rows[k]]
        for l in range(n):
            if l != k:
                t = rows[l][k]
                rows[l] = [B.middle(x - t * y) for x, y in zip(rows[l], rows[k], strict=True)]
    return [row[n:] for row in rows]


def evaluate(
    B: Any, p: Any, groups: list[tuple[int, int, int]], masses: list[Any], X: list[list[Any]]
) -> Evaluated:
    """Cost and derivatives of an instance; groups of label, size and one sample, and what each weighs."""
    if p.program:
        d, zero, one = 0 if p.invariant else p.dim, B.number(0), B.number(1)
        B.charge(4 * d * d)
        fixed = [[zero] * a + [one] + [zero] * (d - 1 - a) for a in range(d)]
        return Evaluated(B, X, fixed, program_jets(B, p.program, X + fixed, len(X)))
    K, loss = p.classes, LOSSES[p.loss]
    B.charge(len(groups) * K * (12 + len(X[0]) // 4))

    def cost(leaves: list[Jet], bias: list[Jet]) -> Jet:
        parts = []
        for g, (y, _, first) in enumerate(groups):
            tau, z = p.taus[first], leaves[K * g : K * g + K]
            logits = [
                combined([B.number(t) for t in (tau, 1)[: len(terms)]], terms)
                for terms in ([x, *bias[k : k + 1]] for k, x in enumerate(z))
            ]
            parts.append(loss.cost(logits, y, tau, p.parameters))
        return combined(masses, parts)

    pairs = [(k, g) for g in range(K, len(X)) for k in range(K)]
    leaves = [Jet(B, (dot(X[k], X[g]), [], dict), leaf=(k, g)) for k, g in pairs]
    if not p.bias:
        return Evaluated(B, X, [], [cost(leaves, [])])
    best, at_rest = minimised(B, cost, leaves, K - loss.shifts)
    found = Evaluated(B, X, [], [best])
    found.at_rest = Evaluated(B, X, [], [at_rest])
    return found
