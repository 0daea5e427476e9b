"""What is known of an instance before any point: theorems that make it benign, and convexity in the Gram matrix.

Each theorem stands with its formal statement and the hypotheses that are verified here.  Convexity of an expression is
read off its program by rules of composition; no means "not seen".  Flags of a value, as a function on the convex set of
the Gram matrices of unit columns where it is defined:
``+`` convex, ``-`` concave (both: affine), ``p`` positive, ``l`` positive with a convex logarithm.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

Flags = frozenset[str]
AFFINE = frozenset("+-")

# theorems of cross-entropy hold for margins and other fixed offsets of the logits, and all for a tau per sample
WITH_BIAS = "benign_bias"
SOFTMAX = ("cross-entropy", "cosine-margin", "logit-offsets")


def is_S(B: Any, p: Any) -> bool:
    """Any temperatures."""
    return p.loss in SOFTMAX and p.dim >= max(p.classes, 3)


def is_E(B: Any, p: Any) -> bool:
    """Exact comparisons of integers and rationals."""
    return p.loss in SOFTMAX and p.dim == p.classes - 1 >= 3 and 2 * max(p.taus) <= p.classes - 2


def is_smoothed(B: Any, p: Any) -> bool:
    """``2 tau < log(1 + K (1 - eps) / eps)``, the logarithm taken to the other side."""
    if p.loss != "label-smoothing" or p.dim < max(p.classes, 3) or not p.parameters["smoothing"]:
        return False
    odds = 1 + p.classes * (1 - p.parameters["smoothing"]) / p.parameters["smoothing"]
    return bool(B.less(B.function("exp", B.number(2 * max(p.taus))), B.number(odds)))


def is_smoothed_three(B: Any, p: Any) -> bool:
    """The same ``tau`` for all samples, however large."""
    return (
        p.loss == "label-smoothing"
        and p.classes <= 3 <= p.dim
        and 0 < p.parameters["smoothing"] < 1
        and min(p.taus) == max(p.taus)
    )


def is_logistic(B: Any, p: Any) -> bool:
    """One class against the others."""
    return p.loss == "logistic" and p.dim > p.classes


def is_squared(B: Any, p: Any) -> bool:
    """The own logit never reaches its target; the own weight is positive by the format."""
    return p.loss == "squared-error" and p.dim > p.classes and max(p.taus) < p.parameters["target"]


# by formal statement: the theorem, its hypotheses beside K >= 2 and positive tau and weights, and these in words
THEOREMS: dict[str, tuple[str, Callable[[Any, Any], bool], str]] = {
    "benign_S": ("S", is_S, "cross-entropy, K >= 2 and d >= max(K, 3)"),
    # the one statement about a bias that is minimised over
    WITH_BIAS: ("S", is_S, "cross-entropy with a free bias, K >= 2 and d >= max(K, 3)"),
    "benign_E": ("E", is_E, "cross-entropy, d = K - 1 >= 3 and tau <= (K - 2) / 2"),
    "benign_smoothed": (
        "C",
        is_smoothed,
        "label smoothing, d >= max(K, 3) and 2 tau < log(1 + K (1 - eps) / eps)",
    ),
    "benign_smoothed_three": (
        "C",
        is_smoothed_three,
        "label smoothing above zero and below one, K <= 3, d >= 3 and one tau",
    ),
    "benign_one_against_all": ("C", is_logistic, "the logistic loss, K >= 2 and d >= K + 1"),
    "benign_squared": ("C", is_squared, "squared error, K >= 2, d >= K + 1 and tau < target"),
}


def applies(B: Any, p: Any, formal: str) -> bool:
    """Whether the hypotheses of a theorem hold."""
    return p.classes > 1 and p.bias == (formal == WITH_BIAS) and THEOREMS[formal][1](B, p)


def is_convex_in_gram(program: Sequence[tuple[Any, ...]]) -> bool:
    """Whether the rules show that the cost reads Gram entries alone and is convex in them."""
    known: list[Flags] = []
    for name, *words in program:
        if name == "x":
            return False
        if name == "gram":
            flags = AFFINE | (frozenset("p") if words[0] == words[1] else frozenset())
        elif name == "const":
            flags = AFFINE | (frozenset("pl") if Fraction(words[0]) > 0 else frozenset())
        elif name == "pow":
            a = known[words[0]]
            convex = a >= frozenset("+p") or (a >= AFFINE and words[1] % 2 == 0)
            flags = (a & frozenset("pl")) | (frozenset("+") if convex else frozenset())
        elif name in ("mul", "div"):
            numbers = [program[t][0] == "const" for t in words]
            a, b = (known[t] for t in words)
            flags = product(a, b if name == "mul" or numbers[1] else inverse(b), numbers)
        else:
            flags = RULES[name](*(known[t] for t in words))
        known.append(flags)
    return "+" in known[-1]


def negative(a: Flags) -> Flags:
    """Convex and concave change places."""
    return frozenset({"+": "-", "-": "+"}[flag] for flag in a & AFFINE)


def inverse(a: Flags) -> Flags:
    """One over a positive value; over a concave one, its logarithm is convex."""
    return a & frozenset("p") and frozenset("+pl" if "-" in a else "p")


def product(a: Flags, b: Flags, numbers: list[bool]) -> Flags:
    """A multiple of a value, or a product of positive ones; a number is not positive only if it is zero or negative."""
    if any(numbers):
        number, other = (a, b) if numbers[0] else (b, a)
        return other if "p" in number else negative(other)
    return frozenset("+pl") if "l" in a & b else a & b & frozenset("p")


RULES: dict[str, Callable[..., Flags]] = {
    "add": lambda *terms: frozenset.intersection(*terms),
    "sub": lambda a, b: a & negative(b),
    "neg": negative,
    "exp": lambda a: frozenset("+pl" if "+" in a else "p"),
    "log": lambda a: frozenset(("-" if "-" in a else "") + ("+" if "l" in a else "")),
    "sqrt": lambda a: frozenset("-p" if "-" in a else "p"),
}
