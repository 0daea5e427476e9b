"""Costs of one's own: programs of section 6 of the format, their values, and where they are convex in the Gram matrix.

Convexity is read off the program by rules of composition; no means "not seen".  Flags of a value, as a function on the
convex set of the Gram matrices of unit columns where it is defined:
``+`` convex, ``-`` concave (both: affine), ``p`` positive, ``l`` positive with a convex logarithm, ``c`` a number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from sphereufm.certify.checker.calculus import Evaluated, Jet, Node, leaf
from sphereufm.certify.checker.kernel import dot, require

Flags = frozenset[str]
AFFINE, POSITIVE, LOGARITHMIC = frozenset("+-"), frozenset("p"), frozenset("+pl")

# --- nodes of the calculus


def linear(*signs: int) -> Callable[[Any, list[Any]], Node]:
    """A sum with signs, the last of which is that of all further terms."""
    return lambda B, v: (dot(all_signs(signs, v), v), all_signs(signs, v), dict)


def all_signs(signs: tuple[int, ...], v: list[Any]) -> list[int]:
    """As many signs as terms."""
    return [signs[min(i, len(signs) - 1)] for i in range(len(v))]


def times(B: Any, v: list[Any]) -> Node:
    """``x y``."""
    return v[0] * v[1], v[::-1], lambda: {(0, 1): B.number(1), (1, 0): B.number(1)}


def divided(B: Any, v: list[Any]) -> Node:
    """``x / y``."""
    x, y = v
    require(B.less(0, y) or B.less(y, 0), "a divisor is not proved nonzero")
    mixed = -1 / (y * y)
    return x / y, [1 / y, x * mixed], lambda: {(0, 1): mixed, (1, 0): mixed, (1, 1): 2 * x / (y * y * y)}


def power(n: int) -> Callable[[Any, list[Any]], Node]:
    """``x^n`` for n >= 2."""

    def node(B: Any, v: list[Any]) -> Node:
        low = B.number(1)
        for _ in range(n - 2):
            low = low * v[0]
        return low * v[0] * v[0], [n * low * v[0]], lambda: {(0, 0): n * (n - 1) * low}

    return node


def exp(B: Any, v: list[Any]) -> Node:
    """``e^x``."""
    f = B.function("exp", v[0])
    return f, [f], lambda: {(0, 0): f}


def log(B: Any, v: list[Any]) -> Node:
    """``log x``."""
    require(B.less(0, v[0]), "the argument of log is not proved positive")
    return B.function("log", v[0]), [1 / v[0]], lambda: {(0, 0): -1 / (v[0] * v[0])}


def sqrt(B: Any, v: list[Any]) -> Node:
    """``x^(1/2)``."""
    require(B.less(0, v[0]), "the argument of sqrt is not proved positive")
    f = B.function("sqrt", v[0])
    return f, [f / (2 * v[0])], lambda: {(0, 0): -f / (4 * v[0] * v[0])}


# --- what is known of their values


def negated(a: Flags) -> Flags:
    """Convex and concave change places."""
    return frozenset({"+": "-", "-": "+"}[flag] for flag in a & AFFINE)


def multiplied(a: Flags, b: Flags) -> Flags:
    """A multiple of a value, or a product of positive ones; a number is not positive only if it is zero or negative."""
    if "c" in a | b:
        number, other = (a, b) if "c" in a else (b, a)
        return other if "p" in number else negated(other)
    return LOGARITHMIC if "l" in a & b else a & b & POSITIVE


def over(a: Flags, b: Flags) -> Flags:
    """Over a number, or a positive value; one over a concave one has a convex logarithm."""
    inverse = b & POSITIVE and (LOGARITHMIC if "-" in b else POSITIVE)
    return multiplied(a, b if "c" in b else inverse)


def raised(a: Flags, n: int) -> Flags:
    """Even powers of affine values are convex, and all powers of positive convex ones."""
    convex = {"+", "p"} <= a or (a >= AFFINE and n % 2 == 0)
    return (a & {"p", "l"}) | (frozenset("+") if convex else frozenset())


def of_number(q: Any) -> Flags:
    """Affine, and positive if it is."""
    return frozenset("+-cpl") if Fraction(q) > 0 else frozenset("+-c")


# --- programs

# number of arguments (0: two or more), node, and what is known of it
OPERATIONS: dict[str, tuple[int, Callable[[Any, list[Any]], Node], Callable[..., Flags]]] = {
    "add": (0, linear(1), lambda *terms: frozenset.intersection(*terms) - {"c"}),
    "sub": (2, linear(1, -1), lambda a, b: a & negated(b)),
    "neg": (1, linear(-1), negated),
    "mul": (2, times, multiplied),
    "div": (2, divided, over),
    "exp": (1, exp, lambda a: LOGARITHMIC if "+" in a else POSITIVE),
    "log": (1, log, lambda a: frozenset(("-" if "-" in a else "") + ("+" if "l" in a else ""))),
    "sqrt": (1, sqrt, lambda a: POSITIVE | (a & {"-"})),
}


def evaluate_program(B: Any, p: Any, X: list[list[Any]]) -> Evaluated:
    """Cost and derivatives; an entry of a column is its inner product with a unit vector, which stands after X."""
    d, M = 0 if p.invariant else p.dim, len(X)
    B.charge(4 * d * d)
    fixed = [[B.number(int(a == b)) for b in range(d)] for a in range(d)]
    columns, jets = X + fixed, list[Jet]()
    for name, *words in p.program:
        if name == "const":
            jets.append(Jet(B, (B.number(words[0]), [], dict)))
        elif name in ("x", "gram"):
            B.charge(4 * len(X[0]))
            i, j = sorted(words if name == "gram" else (words[1], M + words[0]))
            jets.append(leaf(B, dot(columns[i], columns[j]), (i, j), B.number(1)))
        else:
            node = power(words.pop()) if name == "pow" else OPERATIONS[name][1]
            first, *others = (jets[t] for t in words)
            jets.append(first.apply(node, *others))
    return Evaluated(B, X, fixed, jets)


def is_convex_in_gram(program: Sequence[tuple[Any, ...]]) -> bool:
    """Whether the rules show that the cost reads Gram entries alone and is convex in them."""
    known: list[Flags] = []
    for name, *words in program:
        if name == "x":
            return False
        if name == "const":
            known.append(of_number(words[0]))
        elif name == "gram":
            known.append(AFFINE | (POSITIVE if words[0] == words[1] else frozenset()))
        elif name == "pow":
            known.append(raised(known[words[0]], words[1]))
        else:
            known.append(OPERATIONS[name][2](*(known[t] for t in words)))
    return "+" in known[-1]
