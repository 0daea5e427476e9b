"""Losses and other operations as nodes of automatic differentiation: value, slopes and curvatures of ``f(v_1 .. v_n)``.

A node takes the balls v and returns ``(f, slopes, curvatures)``: ``slopes[i] = df/dv_i`` and a function that gives
``{(i, j): d2f/dv_i dv_j}`` with both orders of each pair, called only where second derivatives are needed.  A loss is a
node of the K logits of one sample and its label y; nothing that is small may be a difference of what is not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sphereufm.certify.checker.arithmetic import Undecided
from sphereufm.certify.checker.kernel import cap

__all__ = ["ARITY", "LOSSES", "Loss", "Node", "operation"]

Node = tuple[Any, list[Any], Callable[[], dict[tuple[int, int], Any]]]

# operations of programs, with their number of arguments (0: two or more)
ARITY = {"add": 0, "sub": 2, "mul": 2, "div": 2, "neg": 1, "pow": 1, "exp": 1, "log": 1, "sqrt": 1}


def cross_entropy(B: Any, z: list[Any], y: int) -> Node:
    """``log(1 + sum_{k != y} exp(z_k - z_y))``; slopes ``p - e_y``, curvatures ``diag(p) - p p^T``."""
    K = range(len(z))
    B.spend(20 + 12 * len(z))
    centre = [B.middle(x) for x in z]
    # if no logit moves by more than t, no log p_k and no log (1 - p_k) moves by more than 2 t
    t = cap(B, [B.top(x - c) for x, c in zip(z, centre, strict=True)])
    spread = B.function("exp", B.around(B.number(0), 2 * t))
    e = [B.number(1) if k == y else B.function("exp", c - centre[y]) for k, c in enumerate(centre)]
    others = sum((x for k, x in enumerate(e) if k != y), B.number(0))
    p, wrong = [x / (1 + others) * spread for x in e], others / (1 + others) * spread

    def curvatures() -> dict[tuple[int, int], Any]:
        B.spend(len(z) ** 2)
        C = {(k, l): -p[k] * p[l] for k in K for l in K if k != l}
        return C | {(k, k): -sum((C[k, l] for l in K if l != k), B.number(0)) for k in K}

    slopes = [-wrong if k == y else x for k, x in enumerate(p)]
    return B.function("log1p", others * spread), slopes, curvatures


@dataclass(frozen=True)
class Loss:
    """A node of logits and label; the names of its parameters, which it takes as fractions after the label.

    Only where the loss is convex in the logits does ``S >= 0`` prove a global minimum (Lemmas 8 and 9).
    """

    node: Callable[..., Node]
    parameters: tuple[str, ...] = ()
    convex: bool = False


LOSSES = {"cross-entropy": Loss(cross_entropy, convex=True)}


def operation(B: Any, name: str, v: list[Any], power: int = 2) -> Node:
    """A node of a program."""
    x = v[0]
    B.spend(8 * len(v))
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
