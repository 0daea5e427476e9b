"""Losses, as programs of the calculus: functions of the K logits z of one sample, its label, tau and parameters.

A free bias: ``phi(q) = min over b in R^K of Phi(q, b)`` (Lemma 13).

Phi is convex in (q, b), so phi is convex in q.  Let b(q) be the minimiser and ``A = Phi_bb`` there.  Then

    phi' = Phi_q,      phi'' = Phi_qq - Phi_qb A^-1 Phi_bq      at (q, b(q)).

Where a loss ignores a common shift of its logits the last entry of b stays zero.  Newton's method finds b at the middle
of a box of q; Krawczyk's test (Lemma 4), for each q of the box at once, shows that a zero of ``Phi_b`` is near: of a
convex function, a minimiser.

A theorem that makes instances benign stands with its formal statement and the hypotheses that are verified.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from sphereufm.certify.checker.calculus import (
    Evaluated,
    Jet,
    combined,
    cross_entropy,
    leaf,
    log_odds,
    softplus,
)
from sphereufm.certify.checker.kernel import cap, contraction, dot, require
from sphereufm.certify.checker.newton import minimiser
from sphereufm.certify.checker.programs import exp, sqrt, times


def arcface(z: list[Jet], y: int, tau: Fraction, p: dict[str, Any]) -> Jet:
    """Cross-entropy whose own logit is ``cos(m) z_y - sin(m) (tau^2 (1 + delta^2) - z_y^2)^(1/2)``."""
    B, own = z[y].B, z[y]
    root = combined([-1], [own.apply(times, own)], tau**2 * (1 + p["rounding"] ** 2)).apply(sqrt)
    turned = combined([sine(B, p["margin"], 0), -sine(B, p["margin"], 1)], [own, root])
    return cross_entropy([*z[:y], turned, *z[y + 1 :]], y, tau, {})


def sine(B: Any, m: Fraction, odd: int) -> Any:
    """``sin m`` (odd = 1) or ``cos m``: of an alternating series the rest is below the last term, which falls."""
    require(0 <= m <= 3, "an angle is not between 0 and 3")
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
    if len(z) == 1:
        return cross_entropy(z, y, tau, {})
    s = log_odds(z, y)
    cost, gamma = s.apply(softplus), s.B.number(p["focusing"])
    return combined([gamma, -gamma], [s, cost]).apply(exp).apply(times, cost)


def squared_error(z: list[Jet], y: int, tau: Fraction, p: dict[str, Any]) -> Jet:
    """``(k (z_y - M)^2 + sum_{j != y} z_j^2) / 2``."""
    factors = [z[0].B.number((p["own_weight"] if k == y else 1) * Fraction(1, 2)) for k in range(len(z))]
    off = [*z[:y], combined([1], [z[y]], -p["target"]), *z[y + 1 :]]
    return combined(factors, [x.apply(times, x) for x in off])


def logistic(z: list[Jet], y: int, tau: Fraction, p: dict[str, Any]) -> Jet:
    """``log(1 + exp(-z_y)) + sum_{j != y} log(1 + exp(z_j))``."""
    one = z[0].B.number(1)
    turned = [*z[:y], combined([-one], [z[y]]), *z[y + 1 :]]
    return combined([one] * len(z), [x.apply(softplus) for x in turned])


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


def at_best_bias(
    B: Any, X: list[list[Any]], cost: Callable[[list[list[Jet]]], Jet], z: list[list[Jet]], n: int
) -> Evaluated:
    """``phi`` for the logits z at columns X, and Phi with the n entries of the bias at rest at b(q)."""
    zero, one, K = B.number(0), B.number(1), range(n)

    def at(z: list[list[Jet]], b: list[Any]) -> tuple[Jet, list[Any], list[list[Any]]]:
        """Phi, ``Phi_b`` and ``Phi_bb``: entries of the bias are leaves of their own."""
        B.charge(n * n)
        leaves = [leaf(B, x, (-1, k), one) for k, x in enumerate(b)]
        moved = [[combined([one, one], [*pair]) for pair in zip(row, leaves, strict=False)] for row in z]
        total = cost([some + row[n:] for some, row in zip(moved, z, strict=True)])
        bends = [[total.second.get((-1, k), {}).get((-1, l), zero) for l in K] for k in K]
        return total, [total.first[-1, k] for k in K], bends

    middle = [[Jet(B, (B.middle(x.value), [], dict)) for x in row] for row in z]
    b, Y = minimiser(B, lambda b: at(middle, b), n)
    _, slopes, _ = at(z, b)
    step = cap(B, [B.top(dot(row, slopes)) for row in Y])
    total, _, bends = at(z, [B.around(x, 4 * step) for x in b])
    q = contraction(B, B.times(B.matrix(Y), B.matrix(bends)).tolist(), [one] * n)
    require(B.less(B.number(0.25) + q, 1), "the best bias is not enclosed")
    # A^-1 = (Y A)^-1 Y, and |I - Y A| <= q < 1 in the largest row sum
    rest = q / (1 - q) * cap(B, [sum(map(B.top, row), zero) for row in Y])
    inverse = [[B.around(x, rest) for x in row] for row in Y]
    first = {a: x for a, x in total.first.items() if a[0] >= 0}
    number, rows = {a: i for i, a in enumerate(first)}, [total.second.get(a, {}) for a in first]

    def at_rest() -> dict[tuple[int, int], Any]:
        return {(i, number[c]): x for i, row in enumerate(rows) for c, x in row.items() if c in number}

    def curvatures() -> dict[tuple[int, int], Any]:
        B.charge(2 * n * len(first) * (n + len(first)))
        mixed = [[row.get((-1, k), zero) for k in K] for row in rows]
        moved = [[dot(column, row) for column in inverse] for row in mixed]
        pairs, found = ((i, j) for i in number.values() for j in number.values()), at_rest()
        return {(i, j): found.get((i, j), zero) - dot(moved[i], mixed[j]) for i, j in pairs}

    parts = tuple(leaf(B, zero, a, one) for a in first)
    node = total.value, [*first.values()]
    found, still = (Evaluated(B, X, [], [Jet(B, (*node, bend), parts)]) for bend in (curvatures, at_rest))
    found.at_rest = still
    return found


# theorems of cross-entropy hold for margins and other fixed offsets of the logits, and all for a tau per sample
WITH_BIAS = "benign_bias"
SOFTMAX = ("cross-entropy", "cosine-margin", "logit-offsets")


def is_S(B: Any, p: Any) -> bool:
    """Cross-entropy at any temperatures."""
    return p.loss in SOFTMAX and p.dim >= max(p.classes, 3)


def is_E(B: Any, p: Any) -> bool:
    """Cross-entropy at d = K - 1."""
    return p.loss in SOFTMAX and p.dim == p.classes - 1 >= 3 and 2 * max(p.taus) <= p.classes - 2


def is_smoothed(B: Any, p: Any) -> bool:
    """Label smoothing with ``2 tau < log(1 + K (1 - eps) / eps)``, the logarithm taken to the other side."""
    if p.loss != "label-smoothing" or p.dim < max(p.classes, 3) or not p.parameters["smoothing"]:
        return False
    odds = 1 + p.classes * (1 - p.parameters["smoothing"]) / p.parameters["smoothing"]
    return bool(B.less(B.function("exp", B.number(2 * max(p.taus))), B.number(odds)))


def is_smoothed_three(B: Any, p: Any) -> bool:
    """Label smoothing with the same ``tau`` for all samples, however large."""
    fits = p.loss == "label-smoothing" and p.classes <= 3 <= p.dim and min(p.taus) == max(p.taus)
    return fits and 0 < p.parameters["smoothing"] < 1


def is_squared(B: Any, p: Any) -> bool:
    """The own logit never reaches its target; the own weight is positive by the format."""
    return p.loss == "squared-error" and p.dim > p.classes and max(p.taus) < p.parameters["target"]


# by formal statement: the theorem, and its hypotheses beside K >= 2 and positive tau and weights
THEOREMS: dict[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "benign_S": ("S", is_S),
    WITH_BIAS: ("S", is_S),  # the one statement about a bias that is minimised over
    "benign_E": ("E", is_E),
    "benign_smoothed": ("C", is_smoothed),
    "benign_smoothed_three": ("C", is_smoothed_three),
    "benign_one_against_all": ("C", lambda B, p: p.loss == "logistic" and p.dim > p.classes),
    "benign_squared": ("C", is_squared),
}


def applies(B: Any, p: Any, formal: str) -> bool:
    """Whether the hypotheses of a theorem hold."""
    return p.classes > 1 and p.bias == (formal == WITH_BIAS) and THEOREMS[formal][1](B, p)
