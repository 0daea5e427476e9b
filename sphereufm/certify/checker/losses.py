"""Losses and other operations as nodes of automatic differentiation: value, slopes and curvatures of a function.

A node takes the balls v and returns ``(f, slopes, curvatures)``: ``slopes[i] = df/dv_i`` and a function that gives
``{(i, j): d2f/dv_i dv_j}`` with both orders of each pair, called only where second derivatives are needed.  A loss is a
node of the K logits z of one sample, its label y, tau, and the loss's parameters; nothing that is small may be a
difference of what is not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from sphereufm.certify.checker.arithmetic import Undecided
from sphereufm.certify.checker.kernel import cap

Node = tuple[Any, list[Any], Callable[[], dict[tuple[int, int], Any]]]

# operations of programs, with their number of arguments (0: two or more)
ARITY = {"add": 0, "sub": 2, "mul": 2, "div": 2, "neg": 1, "pow": 1, "exp": 1, "log": 1, "sqrt": 1}


def cross_entropy(B: Any, z: list[Any], y: int, tau: Any, parameters: dict[str, Fraction]) -> Node:
    """``log(1 + sum_{k != y} exp(z_k - z_y))``; slopes ``p - e_y``, curvatures ``diag(p) - p p^T``."""
    K = range(len(z))
    B.charge(20 + 12 * len(z))
    centre = [B.middle(x) for x in z]
    # if no logit moves by more than t, no log p_k and no log (1 - p_k) moves by more than 2 t
    t = cap(B, [B.top(x - c) for x, c in zip(z, centre, strict=True)])
    spread = B.function("exp", B.around(B.number(0), 2 * t))
    e = [B.number(1) if k == y else B.function("exp", c - centre[y]) for k, c in enumerate(centre)]
    others = sum((x for k, x in enumerate(e) if k != y), B.number(0))
    p, wrong = [x / (1 + others) * spread for x in e], others / (1 + others) * spread

    def curvatures() -> dict[tuple[int, int], Any]:
        B.charge(len(z) ** 2)
        C = {(k, l): -p[k] * p[l] for k in K for l in K if k != l}
        return C | {(k, k): -sum((C[k, l] for l in K if l != k), B.number(0)) for k in K}

    slopes = [-wrong if k == y else x for k, x in enumerate(p)]
    return B.function("log1p", others * spread), slopes, curvatures


def cosine_margin(B: Any, z: list[Any], y: int, tau: Any, parameters: dict[str, Fraction]) -> Node:
    """Cross-entropy whose own logit is lowered by ``tau m``."""
    lowered = [x - tau * B.number(parameters["margin"]) if k == y else x for k, x in enumerate(z)]
    return cross_entropy(B, lowered, y, tau, parameters)


def label_smoothing(B: Any, z: list[Any], y: int, tau: Any, parameters: dict[str, Fraction]) -> Node:
    """Cross-entropy plus ``(eps / K) sum_j (z_y - z_j)``."""
    value, slopes, curvatures = cross_entropy(B, z, y, tau, parameters)
    share = B.number(parameters["smoothing"]) / len(z)
    slopes = [x + share * (len(z) - 1) if k == y else x - share for k, x in enumerate(slopes)]
    return value + share * sum(z[y] - x for x in z), slopes, curvatures


def focal(B: Any, z: list[Any], y: int, tau: Any, parameters: dict[str, Fraction]) -> Node:
    """``phi(s) = m^gamma c``, ``e^s = sum_{j != y} exp(z_j - z_y)``, ``c = log(1 + e^s)``, ``m = e^s / (1 + e^s)``.

    With ``o = 1 - m``: ``m' = m o``, ``c' = m``; the gradient of s is -1 at y and the softmax q of the others there.
    """
    K, gamma = range(len(z)), B.number(parameters["focusing"])
    B.charge(20 * len(z) ** 2)
    odds = sum((B.function("exp", x - z[y]) for k, x in enumerate(z) if k != y), B.number(0))
    c, m, o = B.function("log1p", odds), 1 / (1 + 1 / odds), 1 / (1 + odds)
    power = B.function("exp", gamma * B.function("log", m))
    slope = power * (gamma * o * c + m)
    bend = power * o * (gamma * gamma * o * c + (2 * gamma + 1) * m - gamma * m * c)
    others = [k for k in K if k != y]
    q = {k: 1 / sum(B.function("exp", z[l] - z[k]) for l in others) for k in others}
    along = [q.get(k, B.number(-1)) for k in K]

    def curvatures() -> dict[tuple[int, int], Any]:
        C = {(k, l): bend * along[k] * along[l] for k in K for l in K}
        for k in others:
            for l in others:
                C[k, l] += slope * q[k] * ((1 if k == l else 0) - q[l])
        return C

    return power * c, [slope * x for x in along], curvatures


def squared_error(B: Any, z: list[Any], y: int, tau: Any, parameters: dict[str, Fraction]) -> Node:
    """``(k (z_y - M)^2 + sum_{j != y} z_j^2) / 2``."""
    own, target = B.number(parameters["own_weight"]), B.number(parameters["target"])
    off = [x - target if k == y else x for k, x in enumerate(z)]
    factors = [own if k == y else B.number(1) for k in range(len(z))]
    slopes = [f * x for f, x in zip(factors, off, strict=True)]
    value = sum(s * x for s, x in zip(slopes, off, strict=True)) / 2
    return value, slopes, lambda: {(k, k): f for k, f in enumerate(factors)}


def logistic(B: Any, z: list[Any], y: int, tau: Any, parameters: dict[str, Fraction]) -> Node:
    """``sum_k log(1 + exp(t_k))``, ``t_k = z_k`` but for ``t_y = -z_y``."""
    B.charge(10 * len(z))
    e = [B.function("exp", -x if k == y else x) for k, x in enumerate(z)]
    p = [1 / (1 + 1 / x) for x in e]
    value = sum(B.function("log1p", x) for x in e)
    slopes = [-x if k == y else x for k, x in enumerate(p)]
    return value, slopes, lambda: {(k, k): x / (1 + e[k]) for k, x in enumerate(p)}


@dataclass(frozen=True)
class Loss:
    """A node of logits and label, and its parameters with their signs.

    Only where the loss is convex in the logits does ``S >= 0`` prove a global minimum (Lemmas 8 and 9).  ``blind``: a
    common shift of the logits changes nothing, and no class is treated unlike another (Lemma 10).
    """

    node: Callable[..., Node]
    parameters: dict[str, str] = field(default_factory=dict)
    convex: bool = False
    blind: bool = False


LOSSES = {
    "cross-entropy": Loss(cross_entropy, convex=True, blind=True),
    "cosine-margin": Loss(cosine_margin, {"margin": "-0+"}, convex=True, blind=True),
    "label-smoothing": Loss(label_smoothing, {"smoothing": "0+"}, convex=True, blind=True),
    "focal": Loss(focal, {"focusing": "0+"}, blind=True),
    "squared-error": Loss(squared_error, {"own_weight": "+", "target": "-0+"}, convex=True),
    "logistic": Loss(logistic, convex=True),
}


def operation(B: Any, name: str, v: list[Any], power: int = 2) -> Node:
    """A node of a program."""
    x = v[0]
    B.charge(8 * len(v))
    if name in ("add", "sub", "neg"):
        signs = [-1 if name == "neg" or (name == "sub" and i) else 1 for i in range(len(v))]
        return sum(s * a for s, a in zip(signs, v, strict=True)), signs, dict
    if name == "mul":
        return x * v[1], [v[1], x], lambda: {(0, 1): B.number(1), (1, 0): B.number(1)}
    if name == "div":
        y = v[1]
        if not (B.less(0, y) or B.less(y, 0)):
            raise Undecided("a divisor is not proved nonzero")
        mixed = -1 / (y * y)
        return x / y, [1 / y, x * mixed], lambda: {(0, 1): mixed, (1, 0): mixed, (1, 1): 2 * x / (y * y * y)}
    if name == "pow":
        powers = [B.number(1)]
        for _ in range(power):
            powers.append(powers[-1] * x)
        return (
            powers[-1],
            [power * powers[-2]],
            lambda: {(0, 0): power * (power - 1) * powers[power - 2]},
        )
    if name != "exp" and not B.less(0, x):
        raise Undecided(f"the argument of {name} is not proved positive")
    f = B.function(name, x)
    if name == "exp":
        return f, [f], lambda: {(0, 0): f}
    if name == "log":
        return f, [1 / x], lambda: {(0, 0): -1 / (x * x)}
    return f, [f / (2 * x)], lambda: {(0, 0): -f / (4 * x * x)}
