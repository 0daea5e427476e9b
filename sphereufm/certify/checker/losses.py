"""Losses, as programs of the calculus: functions of the K logits z of one sample, its label y, tau and parameters.

Nothing that is small may be a difference of what is not: all softmaxes are made of the log odds s and of
``log(1 + e^s)``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from sphereufm.certify.checker.calculus import Evaluated, Jet, combined, program_jets
from sphereufm.certify.checker.kernel import Undecided, dot


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
    common shift of the logits changes nothing, and no class is treated unlike another (Lemma 10).
    """

    cost: Callable[[list[Jet], int, Fraction, dict[str, Any]], Jet]
    parameters: dict[str, str] = field(default_factory=dict)
    convex: bool = False
    blind: bool = False


LOSSES = {
    "cross-entropy": Loss(cross_entropy, convex=True, blind=True),
    "cosine-margin": Loss(cross_entropy, {"margin": "-0+"}, convex=True, blind=True),
    "logit-offsets": Loss(cross_entropy, {"margin": "-0+", "offsets": "matrix"}, convex=True),
    "arcface": Loss(arcface, {"margin": "0+", "rounding": "+"}),
    "label-smoothing": Loss(label_smoothing, {"smoothing": "0+"}, convex=True, blind=True),
    "focal": Loss(focal, {"focusing": "0+"}, blind=True),
    "squared-error": Loss(squared_error, {"own_weight": "+", "target": "-0+"}, convex=True),
    "logistic": Loss(logistic, convex=True),
}


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
    B.charge(len(groups) * K * (2 + len(X[0]) // 4))
    parts = []
    for g, (y, _, first) in enumerate(groups, K):
        leaves = [Jet(B, (dot(w, X[g]), [], dict), leaf=(k, g)) for k, w in enumerate(X[:K])]
        logits = [combined([B.number(p.taus[first])], [leaf]) for leaf in leaves]
        parts.append(loss.cost(logits, y, p.taus[first], p.parameters))
    return Evaluated(B, X, [], [combined(masses, parts)])
