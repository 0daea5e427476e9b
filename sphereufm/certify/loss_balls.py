r"""Losses in ball arithmetic: value, first and second derivatives by the logits of one sample.

Each function takes balls ``z`` (K logits), the label ``y``, ``tau`` and the loss's parameters, and returns balls that
contain the exact values for every point of ``z``.  Nothing that is small is formed as a difference of what is not.

Softmax of balls: if every logit moves by at most rho, ``log p_k`` moves by at most ``2 rho``; so p is evaluated at the
centre and multiplied by ``exp([-2 rho, 2 rho])``.  Each entry keeps its relative accuracy, however small.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import NamedTuple

from flint import arb, fmpq

Row = list[arb]
Parameters = Mapping[str, Fraction]


class LossBalls(NamedTuple):
    """One sample: the loss, its derivatives by the logits (K), and its second derivatives (K rows of K)."""

    value: arb
    slopes: Row
    curvature: Callable[[], list[Row]]


@dataclass(frozen=True)
class LossFormula:
    """A loss for the prover.

    ``convex`` in the logits: ``S >= 0`` proves a global minimum.  ``shift_invariant``: curvatures have row sums zero.
    """

    evaluate: Callable[[Row, int, arb, Parameters], LossBalls]
    convex: bool = False
    shift_invariant: bool = False


def ball(value: Fraction) -> arb:
    """Return a ball around an exact number (exact where the precision allows)."""
    return arb(fmpq(value.numerator, value.denominator))


def _sum(values: list[arb]) -> arb:
    """Sum of a list, which may be empty."""
    return sum(values, arb(0))


def cross_entropy(z: Row, y: int, tau: arb, parameters: Parameters) -> LossBalls:
    """``log(1 + sum_{j != y} exp(z_j - z_y))``."""
    centre = [value.mid() for value in z]
    radius = 2 * max(value.rad() for value in z)
    spread = arb(0, radius.upper()).exp() if radius > 0 else arb(1)
    e = [arb(1) if j == y else (value - centre[y]).exp() for j, value in enumerate(centre)]
    others = _sum([value for j, value in enumerate(e) if j != y])
    total = 1 + others
    p = [value / total * spread for value in e]
    rest = [1 - value for value in p]
    rest[y] = others / total * spread
    for k, value in enumerate(p):
        if k != y and value > 0.5:
            rest[k] = _sum([entry for j, entry in enumerate(p) if j != k])
    slopes = [-rest[k] if k == y else p[k] for k in range(len(p))]

    def curvature() -> list[Row]:
        return [[a * rest[k] if k == l else -a * b for l, b in enumerate(p)] for k, a in enumerate(p)]

    return LossBalls((others * spread).log1p(), slopes, curvature)


def cosine_margin(z: Row, y: int, tau: arb, parameters: Parameters) -> LossBalls:
    """Cross-entropy whose own logit is lowered by ``tau m``."""
    shift = tau * ball(parameters["margin"])
    lowered = [value - shift if k == y else value for k, value in enumerate(z)]
    return cross_entropy(lowered, y, tau, parameters)


def label_smoothing(z: Row, y: int, tau: arb, parameters: Parameters) -> LossBalls:
    """Cross-entropy plus ``(eps / K) sum_j (z_y - z_j)``."""
    K = len(z)
    share = ball(parameters["smoothing"] / K)
    plain = cross_entropy(z, y, tau, parameters)
    linear = _sum([z[y] - value for value in z])
    slopes = [s + share * (K - 1) if k == y else s - share for k, s in enumerate(plain.slopes)]
    return LossBalls(plain.value + share * linear, slopes, plain.curvature)


def focal(z: Row, y: int, tau: arb, parameters: Parameters) -> LossBalls:
    """``phi(s) = (1 - p_y)^gamma log(1 + e^s)`` for ``e^s = sum_{j != y} exp(z_j - z_y)``."""
    gamma = ball(parameters["focusing"])
    e = [arb(0) if j == y else (value - z[y]).exp() for j, value in enumerate(z)]
    odds = _sum(e)
    miss, own, cost = 1 / (1 + 1 / odds), 1 / (1 + odds), odds.log1p()
    power = (gamma * miss.log()).exp()
    first = power * (gamma * own * cost + miss)
    second = power * own * (gamma**2 * own * cost + (2 * gamma + 1) * miss - gamma * miss * cost)
    # each share of the others, without the dependence of numerator and denominator
    q = [
        arb(0) if j == y else 1 / _sum([(b - value).exp() for k, b in enumerate(z) if k != y])
        for j, value in enumerate(z)
    ]
    along = [arb(-1) if j == y else value for j, value in enumerate(q)]

    def curvature() -> list[Row]:
        rows = [[second * a * b for b in along] for a in along]
        for k, a in enumerate(q):
            for l, b in enumerate(q):
                rows[k][l] += first * a * (1 - a if k == l else -b)
        return rows

    return LossBalls(power * cost, [first * value for value in along], curvature)


def squared_error(z: Row, y: int, tau: arb, parameters: Parameters) -> LossBalls:
    """``(k (z_y - M)^2 + sum_{j != y} z_j^2) / 2``."""
    own = ball(parameters["own_weight"])
    off = [value - ball(parameters["target"]) if j == y else value for j, value in enumerate(z)]
    factors = [own if j == y else arb(1) for j in range(len(z))]
    value = _sum([f * v**2 for f, v in zip(factors, off, strict=True)]) / 2
    slopes = [f * v for f, v in zip(factors, off, strict=True)]

    def curvature() -> list[Row]:
        return [[f if k == l else arb(0) for l in range(len(z))] for k, f in enumerate(factors)]

    return LossBalls(value, slopes, curvature)


def logistic(z: Row, y: int, tau: arb, parameters: Parameters) -> LossBalls:
    """``log(1 + e^{-z_y}) + sum_{j != y} log(1 + e^{z_j})``."""
    signs = [-1 if j == y else 1 for j in range(len(z))]
    turned = [s * value for s, value in zip(signs, z, strict=True)]
    p = [1 / (1 + (-value).exp()) for value in turned]

    def curvature() -> list[Row]:
        bent = [a / (1 + value.exp()) for a, value in zip(p, turned, strict=True)]
        return [[bent[k] if k == l else arb(0) for l in range(len(z))] for k in range(len(z))]

    value = _sum([value.exp().log1p() for value in turned])
    return LossBalls(value, [s * a for s, a in zip(signs, p, strict=True)], curvature)


LOSSES: Mapping[str, LossFormula] = MappingProxyType(
    {
        "cross-entropy": LossFormula(cross_entropy, convex=True, shift_invariant=True),
        "cosine-margin": LossFormula(cosine_margin, convex=True, shift_invariant=True),
        "label-smoothing": LossFormula(label_smoothing, convex=True, shift_invariant=True),
        "focal": LossFormula(focal, shift_invariant=True),
        "squared-error": LossFormula(squared_error, convex=True),
        "logistic": LossFormula(logistic, convex=True),
    }
)
