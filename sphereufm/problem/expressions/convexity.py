r"""Is a cost convex in the Gram matrix?  Then its multipliers bound the global minimum at any point.

Read off the program by rules of composition; "no" means "not seen".  For a convex ``F`` with ``f(X) = F(X^T X)``,
``C = dF/dG + (dF/dG)^T`` and ``S = C - diag(<x_j, X c_j>)``, every point ``Y`` of any dimension has

    f(Y) >= f(X) + trace(S Y^T Y) / 2 >= f(X) + M min(0, lambda_min(S)) / 2,

since ``trace(S X^T X) = 0``: weak duality of the semidefinite relaxation (Burer and Monteiro, Journée et al.).

======  =====================================================================================
flag    meaning
======  =====================================================================================
``+``   convex            ``-``  concave           both: affine
``p``   positive          ``l``  log-convex (sums and products of exponentials of convex ones)
======  =====================================================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from sphereufm.geometry.spheres import Array
from sphereufm.problem.theory.gap import OptimalityGap

_AFFINE = frozenset("+-")
# of the size of S: eigenvalues are known to this
_ROUNDING = 1e-14


def is_convex_in_gram(program: Sequence[tuple[Any, ...]]) -> bool:
    """Whether the rules show that the cost reads Gram entries alone and is convex in them."""
    flags: list[frozenset[str]] = []
    numbers: dict[int, Fraction] = {}
    for t, (name, *arguments) in enumerate(program):
        if name == "x":
            return False
        if name == "const":
            numbers[t] = Fraction(arguments[0])
            flags.append(_AFFINE | (frozenset("pl") if numbers[t] > 0 else frozenset()))
        elif name == "gram":
            # the square of a column is one
            flags.append(_AFFINE | (frozenset("p") if arguments[0] == arguments[1] else frozenset()))
        elif name == "pow":
            flags.append(_power(flags[arguments[0]], arguments[1]))
        elif name in ("mul", "div") and any(a in numbers for a in arguments):
            flags.append(_scaled(name, arguments, flags, numbers))
        else:
            flags.append(_RULES[name](*(flags[a] for a in arguments)))
    return "+" in flags[-1]


def multiplier_gap(problem: Any, X: Array) -> OptimalityGap:
    """Bound ``f(X) - min f`` from above at any point, for a cost that is convex in the Gram matrix (numerical).

    ``X``, shape ``(d, M)``.  Result: by the method ``"multiplier-bound"``, with an allowance for rounding.
    """
    S = problem.at(X).normal_hessian()
    values = np.linalg.eigvalsh(S)
    short = max(0.0, -float(values[0])) + _ROUNDING * float(np.abs(values).max())
    value = 0.5 * len(S) * short
    return OptimalityGap(value=value, method="multiplier-bound", bounds={"multiplier-bound": value})


def _power(inner: frozenset[str], n: int) -> frozenset[str]:
    """A power with a whole exponent of at least two."""
    convex = (n % 2 == 0 and inner >= _AFFINE) or inner >= frozenset("+p")
    return frozenset("+" if convex else "") | (inner & frozenset("pl"))


def _scaled(
    name: str, arguments: Sequence[int], flags: list[frozenset[str]], numbers: dict[int, Fraction]
) -> frozenset[str]:
    """A multiple of a value, or a number divided by one."""
    if name == "div" and arguments[1] not in numbers:
        # a / v for positive concave v
        number, below = numbers[arguments[0]], flags[arguments[1]]
        return frozenset("+p") if number > 0 and below >= frozenset("-p") else frozenset()
    place = 0 if arguments[1] in numbers else 1
    number, inner = numbers[arguments[1 - place]], flags[arguments[place]]
    if name == "div" and number == 0:
        return frozenset()
    return inner if number > 0 else _negative(inner)


def _negative(inner: frozenset[str]) -> frozenset[str]:
    """Convex and concave change places, and nothing is positive any more."""
    swap = {"+": "-", "-": "+"}
    return frozenset(swap[flag] for flag in inner & _AFFINE)


def _all(*inner: frozenset[str]) -> frozenset[str]:
    """What all terms of a sum are."""
    return frozenset.intersection(*inner)


_RULES: dict[str, Any] = {
    "add": _all,
    "sub": lambda a, b: _all(a, _negative(b)),
    "neg": _negative,
    "mul": lambda a, b: frozenset("+pl") if "l" in a and "l" in b else a & b & frozenset("p"),
    "div": lambda a, b: frozenset(),
    "exp": lambda a: frozenset("+pl") if "+" in a else frozenset("p"),
    # concave of concave; and the logarithm of what is log-convex
    "log": lambda a: frozenset(("-" if "-" in a else "") + ("+" if "l" in a else "")),
    "sqrt": lambda a: frozenset("-p" if "-" in a else "p"),
}
