"""An independent checker of certificates ``sphereufm-certificate/1``: one file, standard library and ball arithmetic.

It shares no code with the provers and believes nothing that a certificate says: parser, cost, gradient, Hessian and
proofs are written here from the format's document (docs/certificates.md) and its lemmas (docs/proofs.md).  Run alone:

    python checker.py FILE [--backend flint|integers]

Exit codes: 0 every claim and the row are PROVED, 1 a claim is REFUTED, 2 unreadable, 3 UNDECIDED, 70 a defect here.

What is trusted: this file, Python's standard library, and the arithmetic of Arb (python-flint), or with the backend
``integers`` Python's integers alone.  Symbols are those of the document: columns x_j of X = [w_1 .. w_K, h_1 .. h_g],
group sizes m, scales s_j = 4^(k_j), multipliers lambda.  Every test is written positively: a comparison that balls
cannot decide is false.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import random
import re
import stat
import sys
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from functools import cached_property, lru_cache
from itertools import combinations, groupby, pairwise, permutations, product
from pathlib import Path
from typing import Any

__all__ = ["CheckError", "CheckResult", "ClaimResult", "check_bytes", "check_file"]

FORMAT = "sphereufm-certificate/1"
LARGEST_FILE = 1 << 24
LEVELS = (128, 256, 512)
PROVED, REFUTED, UNDECIDED = "PROVED", "REFUTED", "UNDECIDED"
RATIONAL = re.compile(r"-?[0-9]{1,60}(/[0-9]{1,60})?")
DYADIC = re.compile(r"(-?)0x([0-9a-f])(?:\.([0-9a-f]{1,130}))?p([+-][0-9]{1,5})")
# strings are passed over, also one that is never closed: no backtracking
TOKENS = re.compile(r'"(?:[^"\\]|\\.|\\\Z)*(?:"|\Z)|[\[\]{}]', re.DOTALL)
# instructions of a program, with their number of arguments
ARITY = {"const": 1, "x": 2, "gram": 2, "add": 0, "sub": 2, "mul": 2, "div": 2, "neg": 1, "pow": 2}
ARITY |= {"exp": 1, "log": 1, "sqrt": 1}

Matrix = list[list[Any]]
Dyadic = tuple[int, int]


class CheckError(ValueError):
    """The file is no certificate of this format; the message says where and why."""


class Undecided(Exception):
    """The claim cannot be decided at this precision."""


class TooLarge(Undecided):
    """The claim cannot be decided by this checker at all: time and memory stay bounded."""


@dataclass(frozen=True, kw_only=True)
class ClaimResult:
    """One claim: its type, its status, and what was verified, in words."""

    type: str
    status: str
    text: str


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """A certificate; PROVED only where all claims are, and together make a sentence about an existing point."""

    status: str
    row: str
    claims: tuple[ClaimResult, ...]
    backend: str = "flint"
    reason: str = ""
    instance: str = ""
    sha256: str = ""


def words(number: Dyadic | None, up: bool) -> str:
    """Six decimal digits of ``mantissa 2^exponent``, rounded so that the number printed is a bound of it."""
    if number is None:
        return "an unknown number"
    if max(number[0].bit_length(), abs(number[1])) > 40000:
        return f"2^{number[0].bit_length() + number[1] - (not up)}" if number[0] > 0 else "an extreme number"
    exact = Fraction(number[0]) * Fraction(2) ** number[1]
    context = Context(prec=6, rounding=ROUND_CEILING if up else ROUND_FLOOR, Emin=-999999, Emax=999999)
    return f"{context.divide(Decimal(exact.numerator), Decimal(exact.denominator)):g}"


# --- arithmetic: the one place that knows a library


class Flint:
    """Balls of Arb."""

    name, most = "flint", 3e7

    def __init__(self, bits: int) -> None:
        import flint

        self.f, self.bits, self.spent = flint, bits, 0.0

    def __enter__(self) -> None:
        self.before: Any = self.f.ctx.prec
        self.f.ctx.prec = self.bits

    def __exit__(self, *_: object) -> None:
        self.f.ctx.prec = self.before

    def spend(self, work: float) -> None:
        """Count operations before they are done."""
        self.spent += work
        if self.spent > self.most:
            raise TooLarge("too large for this checker")

    def number(self, mantissa: int, exponent: int = 0) -> Any:
        return self.f.arb((mantissa, exponent))

    def around(self, x: Any, radius: Any) -> Any:
        return x + self.f.arb(0, radius)

    def less(self, a: Any, b: Any) -> bool:
        return bool(a < b)

    def top(self, x: Any) -> Any:
        """An exact upper bound of ``|x|``."""
        return abs(x).upper()

    def mid(self, x: Any) -> Any:
        return x.mid()

    def real(self, x: Any) -> float:
        return float(x.mid())

    def function(self, name: str, x: Any) -> Any:
        return getattr(x, name)()

    def product(self, A: Matrix, B: Matrix) -> Matrix:
        self.spend(len(A) * len(B[0]) * (len(B) * 0.01 + 3))
        return (self.f.arb_mat(A) * self.f.arb_mat(B)).tolist()

    def bound(self, x: Any, up: bool) -> Dyadic | None:
        """An exact number not below (not above) any of a ball, None where there is none."""
        end = x.upper() if up else x.lower()
        mantissa, exponent = end.man_exp() if end.is_finite() else (0, 0)
        return (int(mantissa), int(exponent)) if end.is_finite() else None

    def most_of(self, x: Any) -> str:
        """A decimal that is not below any of a ball."""
        return words(self.bound(x, True), True)

    def least_of(self, x: Any) -> str:
        """A decimal that is not above any of a ball."""
        return words(self.bound(x, False), False)


class Interval:
    """``[low, high] 2^exponent`` in integers, rounded outward to a number of bits.

    Every operation rounds ``low`` down and ``high`` up by integer division and shifts, so that nothing but Python's
    integers is trusted; exp and log add their Taylor series with an explicit bound of what is left out.
    """

    __slots__ = ("bits", "exponent", "high", "low")

    def __init__(self, low: int, high: int, exponent: int, bits: int) -> None:
        excess = max(low.bit_length(), high.bit_length()) - bits
        if excess > 0:
            low, high, exponent = low >> excess, -(-high >> excess), exponent + excess
        if abs(exponent) > 1 << 26:
            raise Undecided("a number is too large or too small for the second arithmetic")
        self.low, self.high, self.exponent, self.bits = low, high, exponent, bits

    def of(self, x: Any) -> Interval:
        """A number as an interval."""
        if isinstance(x, Interval):
            return x
        top, bottom = x.as_integer_ratio()
        return Interval(top, top, 1 - bottom.bit_length(), self.bits)

    def top(self) -> int:
        """An exponent t with ``|x| < 2^t`` for all of it."""
        return max(self.low.bit_length(), self.high.bit_length()) + self.exponent

    def at(self, exponent: int) -> tuple[int, int]:
        """Ends in units of another power of two, rounded outward."""
        s = self.exponent - exponent
        return (self.low << s, self.high << s) if s >= 0 else (self.low >> -s, -(-self.high >> -s))

    def __neg__(self) -> Interval:
        return Interval(-self.high, -self.low, self.exponent, self.bits)

    def __add__(self, other: Any) -> Interval:
        other = self.of(other)
        if not (other.low or other.high):
            return self
        if not (self.low or self.high):
            return Interval(other.low, other.high, other.exponent, self.bits)
        e = max(min(self.exponent, other.exponent), max(self.top(), other.top()) - self.bits - 8)
        (a, b), (c, d) = self.at(e), other.at(e)
        return Interval(a + c, b + d, e, self.bits)

    def __mul__(self, other: Any) -> Interval:
        other = self.of(other)
        ends = [x * y for x in (self.low, self.high) for y in (other.low, other.high)]
        return Interval(min(ends), max(ends), self.exponent + other.exponent, self.bits)

    def __truediv__(self, other: Any) -> Interval:
        other = self.of(other)
        if other.low <= 0 <= other.high:
            raise Undecided("a divisor is not proved nonzero")
        s = self.bits + 8 + max(other.low.bit_length(), other.high.bit_length())
        ends = [(x << s, y) for x in (self.low, self.high) for y in (other.low, other.high)]
        low, high = min(x // y for x, y in ends), max(-(-x // y) for x, y in ends)
        return Interval(low, high, self.exponent - other.exponent - s, self.bits)

    def __sub__(self, other: Any) -> Interval:
        return self + -self.of(other)

    def __rsub__(self, other: Any) -> Interval:
        return self.of(other) - self

    def __rtruediv__(self, other: Any) -> Interval:
        return self.of(other) / self

    __radd__, __rmul__ = __add__, __mul__

    def __abs__(self) -> Interval:
        low = max(self.low, -self.high, 0)
        return Interval(low, max(-self.low, self.high), self.exponent, self.bits)

    def __lt__(self, other: Any) -> bool:
        """Whether all of it lies below all of the other."""
        other = self.of(other)
        e, f = self.exponent, other.exponent
        a, b = self.high, other.low
        if (a > 0) != (b > 0) or not a or not b:
            return (a > 0) - (a < 0) < (b > 0) - (b < 0)
        tops = a.bit_length() + e, b.bit_length() + f
        if tops[0] != tops[1]:
            return (tops[0] < tops[1]) == (a > 0)
        return a << max(e - f, 0) < b << max(f - e, 0)

    def __gt__(self, other: Any) -> bool:
        return self.of(other) < self

    def end(self, up: bool) -> Interval:
        """One end."""
        x = self.high if up else self.low
        return Interval(x, x, self.exponent, self.bits)

    def function(self, name: str) -> Interval:
        """An increasing function, by its values at both ends."""
        a, b = (getattr(self, name)(x) for x in (self.low, self.high))
        # digits far below the leading one of the larger end need not be kept
        e = max(min(a.exponent, b.exponent), max(a.top(), b.top()) - self.bits - 8)
        return Interval(a.at(e)[0], b.at(e)[1], e, self.bits)

    def sqrt(self, x: int) -> Interval:
        """Square root of ``x 2^exponent``."""
        if x < 0:
            raise Undecided("a square root of a negative number")
        s = 2 * self.bits + (self.exponent & 1)
        root = math.isqrt(x << s)
        return Interval(root, root + (root * root != x << s), (self.exponent - s) // 2, self.bits)

    def exp(self, x: int) -> Interval:
        """``e^y`` for ``y = k log 2 + 2^8 t``, ``0 < t < 2^-7``, from its Taylor series at t."""
        e, size = self.exponent, x.bit_length() + self.exponent
        if size > 24:
            raise Undecided("an exponent is too large for the second arithmetic")
        P = self.bits + 64
        low, high = Interval(x, x, e, max(x.bit_length(), 1)).at(-P)
        two = logarithm_of_two(P)
        # one less than the quotient, so that what remains is positive whatever the rounding
        k = low // two[0] - 1
        ends = sorted((k * two[0], k * two[1]))
        low, high = low - ends[1], high - ends[0]
        t, u = low >> 8, -(-high >> 8)
        sums, terms, n = [1 << P, 1 << P], [1 << P, 1 << P], 1
        while terms[1] > 1:
            terms = [terms[0] * t // (n << P), -(-terms[1] * u // (n << P))]
            sums, n = [a + b for a, b in zip(sums, terms, strict=True)], n + 1
        # u < 2^P / 2: what is left out is below the last term
        a, b = sums[0], sums[1] + terms[1]
        for _ in range(8):
            a, b = a * a >> P, -(-b * b >> P)
        return Interval(a, b, k - P, self.bits)

    def log(self, x: int) -> Interval:
        """``log y = k log 2 + log f`` with ``1 <= f < 2``."""
        if x <= 0:
            raise Undecided("a logarithm of a number that is not positive")
        P, k = self.bits + 64, x.bit_length() - 1
        low, high = Interval(x, x, -k, max(x.bit_length(), 1)).at(-P)
        one = 1 << P
        z = [((low - one) << P) // (low + one), -(-((high - one) << P) // (high + one))]
        a, b = twice_atanh(z[0], z[1], P)
        k += self.exponent
        two = sorted(k * t for t in logarithm_of_two(P))
        return Interval(a + two[0], b + two[1], -P, self.bits)

    def log1p(self, x: int) -> Interval:
        """``log(1 + y)``; of small y to as many digits as of others."""
        e = self.exponent
        size = x.bit_length() + e
        y = Interval(x, x, e, max(self.bits, x.bit_length()))
        if size < -self.bits:
            # log(1 + y) = y / (1 + t) for some t between 0 and y
            t = Interval(-1, 1, size, self.bits)
            return Interval(x, x, e, self.bits) / (1 + t)
        if size >= -2:
            return (y + 1).function("log")
        P = self.bits + 64 - size
        low, high = y.at(-P)
        two = 2 << P
        z = [(low << P) // (low + two), -(-(high << P) // (high + two))]
        a, b = twice_atanh(z[0], z[1], P)
        return Interval(a, b, -P, self.bits)


@lru_cache(maxsize=8)
def logarithm_of_two(P: int) -> tuple[int, int]:
    """Bounds of ``log 2 = 2 atanh(1/3)`` in units of ``2^-P``."""
    return twice_atanh((1 << P) // 3, -(-(1 << P) // 3), P)


def twice_atanh(low: int, high: int, P: int) -> tuple[int, int]:
    """Bounds of ``2 (z + z^3/3 + z^5/5 + ...)``, all in units of ``2^-P``, for ``|z| <= 1/2`` of one sign."""
    if high <= 0 > low:
        a, b = twice_atanh(-high, -low, P)
        return -b, -a
    squares = low * low >> P, -(-high * high >> P)
    a, b, powers, n = 0, 0, (low, high), 1
    while powers[1] > 1:
        a, b, n = a + powers[0] // n, b - (-powers[1] // n), n + 2
        powers = powers[0] * squares[0] >> P, -(-powers[1] * squares[1] >> P)
    # the powers that are left out add up to less than twice the first of them
    return 2 * a, 2 * (b + 2 * powers[1])


class Integers(Flint):
    """Intervals of integers: slow, and independent of Arb."""

    name, most = "integers", 1e6

    def __init__(self, bits: int) -> None:
        self.bits, self.spent = bits, 0.0

    def __enter__(self) -> None:
        """Nothing is global."""

    def __exit__(self, *_: object) -> None:
        """Nothing is global."""

    def number(self, mantissa: int, exponent: int = 0) -> Any:
        return Interval(mantissa, mantissa, exponent, self.bits)

    def around(self, x: Any, radius: Any) -> Any:
        r = self.top(radius)
        return x + Interval(-r.high, r.high, r.exponent, self.bits)

    def less(self, a: Any, b: Any) -> bool:
        return self.number(0).of(a) < b

    def top(self, x: Any) -> Any:
        return abs(self.number(0).of(x)).end(True)

    def mid(self, x: Any) -> Any:
        return self.number((x.low + x.high) >> 1, x.exponent)

    def real(self, x: Any) -> float:
        middle = (x.low + x.high) >> 1
        excess = max(middle.bit_length() - 60, 0)
        try:
            return math.ldexp(middle >> excess, x.exponent + excess)
        except OverflowError:
            return math.copysign(math.inf, middle)

    def function(self, name: str, x: Any) -> Any:
        return x.function(name)

    def product(self, A: Matrix, B: Matrix) -> Matrix:
        self.spend(len(A) * len(B[0]) * len(B))
        return [[dot(row, column) for column in zip(*B, strict=True)] for row in A]

    def bound(self, x: Any, up: bool) -> Dyadic | None:
        return (x.high if up else x.low), x.exponent


BACKENDS: dict[str, Any] = {"flint": Flint, "integers": Integers}


# --- reading: parsers take a value and its place, and return what they read


def fail(condition: object, message: str) -> None:
    """Refuse the file."""
    if condition:
        raise CheckError(message)


def read_json(data: bytes) -> Any:
    """JSON with the format's own limits, which are tested before anything is built."""
    fail(len(data) > LARGEST_FILE, f"the file is larger than {LARGEST_FILE} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise CheckError("the file is not UTF-8") from None
    depth = 0
    for bracket in TOKENS.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(bracket[0], 0)
        fail(depth > 10, "nesting deeper than 10 levels")

    def whole(digits: str) -> int:
        fail(len(digits.lstrip("-")) > 9, "an integer of more than 9 digits")
        return int(digits)

    def refuse(word: str) -> Any:
        raise CheckError(f"the number {word[:20]} is not an integer; numbers are text")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        fail(len(dict(pairs)) != len(pairs), "a key occurs twice in one object")
        return dict(pairs)

    parsers: dict[str, Any] = {"parse_int": whole, "parse_float": refuse, "parse_constant": refuse}
    try:
        return json.loads(text, object_pairs_hook=once, **parsers)
    except (json.JSONDecodeError, RecursionError) as error:
        raise CheckError(f"not JSON: {error}") from None


def record(value: Any, where: str, fields: dict[str, Any], optional: dict[str, Any] | None = None) -> Any:
    """An object with exactly these keys, each read by its parser."""
    fail(not isinstance(value, dict), f"{where} must be an object")
    parsers = {**fields, **(optional or {})}
    missing, extra = sorted(fields.keys() - value.keys()), sorted(value.keys() - parsers.keys())
    fail(missing, f"{where} lacks {', '.join(missing)}")
    fail(extra, f"{where} has the unknown key {extra[0][:40]!r}" if extra else "")
    return {name: parsers[name](item, f"{where}.{name}") for name, item in value.items()}


def anything(value: Any, where: str) -> Any:
    """A value that is read later."""
    return value


def text(longest: int) -> Callable[[Any, str], str]:
    """A short text."""

    def read(value: Any, where: str) -> str:
        fail(
            not isinstance(value, str) or len(value) > longest,
            f"{where} must be a text, at most {longest} long",
        )
        return str(value)

    return read


def only(*words: str) -> Callable[[Any, str], str]:
    """One word of a few."""

    def read(value: Any, where: str) -> str:
        fail(value not in words, f"{where} must be {' or '.join(words)}")
        return str(value)

    return read


def integer(low: int, high: int = 10**9) -> Callable[[Any, str], int]:
    """An integer in a range; true is not 1."""

    def read(value: Any, where: str) -> int:
        fail(
            type(value) is not int or not low <= value <= high, f"{where} must be an integer, {low} .. {high}"
        )
        return int(value)

    return read


def listing(item: Any, length: int | None = None) -> Callable[[Any, str], list[Any]]:
    """A list, of a given length."""

    def read(value: Any, where: str) -> list[Any]:
        fail(not isinstance(value, list), f"{where} must be a list")
        fail(length is not None and len(value) != length, f"{where} must have {length} entries")
        return [item(x, where) for x in value]

    return read


def rational(value: Any, where: str) -> Fraction:
    """Exact rational."""
    fail(
        not isinstance(value, str) or not RATIONAL.fullmatch(value),
        f"{where} must be a rational such as 18/5",
    )
    top, _, bottom = value.partition("/")
    fail(bottom != "" and int(bottom) == 0, f"{where} has the denominator zero")
    return Fraction(int(top), int(bottom or "1"))


def dyadic(value: Any, where: str) -> Dyadic:
    """Exact number ``mantissa 2^exponent``."""
    match = DYADIC.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise CheckError(f"{where} must be a dyadic such as 0x1.8p+1")
    sign, lead, rest, exponent = match[1], match[2], match[3] or "", int(match[4])
    fail(abs(exponent) > 16000, f"{where} has an exponent beyond 16000")
    mantissa = int(lead + rest, 16)
    return (-mantissa if sign else mantissa), exponent - 4 * len(rest)


def signed(allowed: str) -> Callable[[Any, str], Dyadic]:
    """A dyadic that is positive (+), not negative (0+), or negative (-)."""

    def read(value: Any, where: str) -> Dyadic:
        number = dyadic(value, where)
        fail("0+-"[(number[0] > 0) - (number[0] < 0)] not in allowed, f"{where} has the wrong sign")
        return number

    return read


def is_one(number: Dyadic, sign: int = 1) -> bool:
    """Whether a dyadic is exactly one."""
    mantissa, exponent = number
    return exponent <= 0 and mantissa * sign == 1 << -exponent


def exceeds(a: Dyadic, b: Dyadic) -> bool:
    """Whether ``a > b``, exactly."""
    low = min(a[1], b[1])
    return a[0] << (a[1] - low) > b[0] << (b[1] - low)


@dataclass(kw_only=True)
class Problem:
    """An instance: the cross-entropy problem (classes > 0), or the program of an expression."""

    dim: int
    classes: int = 0
    samples: int = 0
    tau: Fraction = Fraction(1)
    weights: list[Fraction] | None = None
    labels: list[int] | None = None
    starts: list[int] = field(default_factory=list)
    columns: int = 0
    program: list[Any] = field(default_factory=list)
    invariant: bool = True

    def label(self, i: int) -> int:
        """Class of a sample."""
        return bisect_right(self.starts, i) - 1 if self.labels is None else self.labels[i]

    def alike(self, first: int, a: int, b: int) -> bool:
        """Whether samples ``a .. b - 1`` have the label and weight of the first one."""
        labels = {self.label(first), self.label(a), self.label(b - 1), *(self.labels or [])[a:b]}
        weights = {self.weights[first], *self.weights[a:b]} if self.weights else {0}
        return len(labels) == len(weights) == 1


def canonical(p: Problem) -> dict[str, Any]:
    """What an instance is, in one form for all files that state it: fractions reduced, the first weight one."""
    if p.program:
        program = [[str(x) if isinstance(x, Fraction) else x for x in step] for step in p.program]
        return {"kind": "expression", "dim": p.dim, "columns": p.columns, "program": program}
    if p.labels is None:
        sizes = [b - a for a, b in pairwise([*p.starts, p.samples])]
    else:
        counts = Counter(p.labels)
        sizes = [counts[k] for k in range(p.classes)]
    ordered = p.labels is None or all(a <= b for a, b in pairwise(p.labels))
    weights = None
    if p.weights is not None and any(w != p.weights[0] for w in p.weights):
        weights = [str(w / p.weights[0]) for w in p.weights]
    return {
        "kind": "ufm",
        "classes": p.classes,
        "dim": p.dim,
        "class_sizes": sizes,
        "labels": None if ordered else p.labels,
        "tau": str(p.tau),
        "weights": weights,
        "loss": "cross-entropy",
    }


def fingerprint(data: dict[str, Any]) -> str:
    """SHA-256 of the canonical form as JSON: keys sorted, no blanks."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def in_words(data: dict[str, Any]) -> str:
    """The canonical form in one line."""
    if data["kind"] == "expression":
        size = len(data["program"])
        return f"an expression of {size} instructions, d = {data['dim']}, columns = {data['columns']}"
    weights = "equal weights" if data["weights"] is None else f"weights {runs(data['weights'])}"
    order = "" if data["labels"] is None else " (labels not in order)"
    return (
        f"{data['loss']}, K = {data['classes']}, class sizes {runs(data['class_sizes'])}{order}, "
        f"d = {data['dim']}, tau = {data['tau'][:60]}, {weights}"
    )


def runs(values: list[Any]) -> str:
    """Values joined by commas, equal neighbours counted, cut where there are many."""
    parts = [(str(value)[:24], len(list(group))) for value, group in groupby(values)]
    shown = ", ".join(value if n == 1 else f"{value} ({n} times)" for value, n in parts[:12])
    return shown + (", ..." if len(parts) > 12 else "")


@dataclass
class Point:
    """Stored columns, and the groups of samples that share a feature: label, size, and one sample's number."""

    rank: int
    columns: list[list[Dyadic]]
    groups: list[tuple[int, int, int]]


def read_problem(value: Any) -> Problem:
    """Sections 3 and 6 of the format."""
    fail(not isinstance(value, dict), "instance must be an object")
    if value.get("kind") == "expression":
        return read_expression(value)
    K = integer(1, 100_000)(value.get("classes"), "instance.classes")
    fields = {"kind": only("ufm"), "classes": anything, "dim": integer(1, 100_000), "tau": rational}
    fields |= {"loss": only("cross-entropy"), "weights": anything}
    sizes = {"class_sizes": listing(integer(0), K), "labels": listing(integer(0, K - 1))}
    fail(("class_sizes" in value) == ("labels" in value), "instance needs one of class_sizes and labels")
    data = record(value, "instance", fields, sizes)
    n = data.get("class_sizes", [])
    samples = len(data["labels"]) if "labels" in data else sum(n)
    fail(data["tau"] <= 0, "tau must be positive")
    fail(samples < 1, "there is no sample")
    weights = data["weights"]
    if weights is not None:
        weights = listing(rational, samples)(weights, "instance.weights")
        fail(not all(w.numerator > 0 for w in weights), "weights must be positive")
    starts = [sum(n[:0])]
    for size in n[:-1]:
        starts.append(starts[-1] + size)
    more = {"weights": weights, "labels": data.get("labels"), "starts": starts}
    return Problem(dim=data["dim"], classes=K, samples=samples, tau=data["tau"], **more)


def read_expression(value: Any) -> Problem:
    """Section 6: instruction t may only use earlier ones."""
    size = integer(1, 10_000)
    fields = {"kind": anything, "dim": size, "columns": size, "program": listing(listing(anything))}
    data = record(value, "instance", fields)
    d, M, program = data["dim"], data["columns"], data["program"]
    fail(not 1 <= len(program) <= 20_000, "program must have 1 to 20000 instructions")
    for t, step in enumerate(program):
        name: Any = step[0] if step else None
        rest = step[1:]
        fail(not isinstance(name, str) or name not in ARITY, f"unknown instruction {str(name)[:20]!r}")
        right = len(rest) >= 2 if name == "add" else len(rest) == ARITY[name]
        fail(not right, f"{name} has a wrong number of arguments")
        earlier = integer(0, t - 1)
        special: dict[str, list[Any]] = {"const": [rational], "x": [integer(0, d - 1), integer(0, M - 1)]}
        special |= {"gram": [integer(0, M - 1)] * 2, "pow": [earlier, integer(2, 64)]}
        parsers = special.get(name, [earlier] * len(rest))
        program[t] = (name, *(read(a, name) for read, a in zip(parsers, rest, strict=True)))
    return Problem(dim=d, columns=M, program=program, invariant=all(step[0] != "x" for step in program))


def read_point(value: Any, p: Problem, where: str) -> Point:
    """Section 4: columns, and groups that hold each sample exactly once."""
    ranges = listing(listing(listing(integer(0, p.samples), 2)))
    fields = {"rank": integer(1, p.dim), "columns": listing(listing(dyadic)), "groups": anything}
    data = record(value, where, fields)
    r, columns, groups = data["rank"], data["columns"], data["groups"]
    fail(not all(len(column) == r for column in columns), f"columns of {where} must have {r} entries")
    if p.program:
        wrong = groups is not None or r != p.dim or len(columns) != p.columns
        fail(wrong, f"{where} does not fit the expression")
        return Point(r, columns, [])
    if groups is None:
        found = [(p.label(i), 1, i) for i in range(p.samples)] if len(columns) > p.samples else []
    else:
        groups = ranges(groups, f"{where}.groups")
        fail(not all(groups) or not all(a < b for g in groups for a, b in g), "a group needs nonempty ranges")
        # before the samples are looked at one by one: overlapping ranges could name each of them many times
        ends = [0]
        for a, b in sorted(pair for group in groups for pair in group):
            fail(a != ends.pop(), "groups must hold each sample exactly once")
            ends.append(b)
        fail(ends != [p.samples], "groups must hold each sample exactly once")
        same = all(p.alike(group[0][0], a, b) for group in groups for a, b in group)
        fail(not same, "samples of a group differ in label or weight")
        found = [(p.label(g[0][0]), sum(b - a for a, b in g), g[0][0]) for g in groups]
    many = p.classes + (p.samples if groups is None else len(found))
    fail(len(columns) != many, f"{where} must have {many} columns")
    return Point(r, columns, found)


def claim_fields(claim: dict[str, Any], p: Problem, point: Point) -> dict[str, Any]:
    """Section 5: the fields of a claim, and their parsers."""
    M, r = len(point.columns), point.rank
    if claim["type"] == "strict_saddle":
        form = claim.get("form")
        columns, group = listing(listing(dyadic, r), M), integer(0, len(point.groups) - 1)
        forms: dict[Any, dict[str, Any]] = {"tangent": {"direction": columns}}
        if not p.program:
            forms["normal"] = {"direction": listing(dyadic, M)}
            forms["split_tangent"] = {"group": group, "direction": listing(dyadic, r)}
            forms["split_normal"] = {"group": group}
        fail(not isinstance(form, str) or form not in forms, "strict_saddle has an unknown form")
        return {"radius": signed("0+"), "curvature": signed("-"), "form": anything, **forms[form]}

    def lower(value: Any, where: str) -> Point:
        return read_point(value, p, where)

    known: dict[str, dict[str, Any]] = {
        "critical": {"radius": signed("+"), "unique_radius": signed("+")},
        "rank_one": {},
        "index": {"index": integer(0)},
        "global_minimum": {},
        "gap": {"gap": signed("0+"), "shifts": listing(dyadic, M)},
        "collapsed": {"radius": signed("+"), "target": listing(dyadic, r - 1)},
        "degenerate": {"lower_point": lower, "margin": signed("+")},
        "spurious": {"lower_point": lower, "margin": signed("+")},
        "benign": {"theorem": only("S", "E"), "basis": only("BY_THEOREM")},
    }
    return known[claim["type"]]


def read_claims(value: Any, p: Problem, point: Point | None) -> dict[str, Any]:
    """Section 5: each type once, with exactly its fields."""
    claims = listing(anything)(value, "claims")
    fail(len(claims) > 16, "more than 16 claims")
    kinds: list[Any] = [claim.get("type") if isinstance(claim, dict) else None for claim in claims]
    fail(not all(isinstance(kind, str) and kind in ORDER for kind in kinds), "a claim has an unknown type")
    fail(len(set(kinds)) != len(kinds), "a type of claim occurs twice")
    fail({"critical", "rank_one"} <= {*kinds}, "critical and rank_one exclude each other")
    needs = {"index", "global_minimum", "spurious"} & {*kinds} and not {"critical", "rank_one"} & {*kinds}
    fail(needs, "index, global_minimum and spurious need critical or rank_one")
    fail(point is None and not {*kinds} <= {"benign"}, "point may be null only beside the claim benign")
    allowed = {"critical", "index", "strict_saddle", "spurious"}
    fail(p.program and not {*kinds} <= allowed, "an expression allows other claims")
    place, found = point or Point(1, [], []), {}
    for kind, claim in zip(kinds, claims, strict=True):
        found[kind] = record(claim, kind, {"type": anything, **claim_fields(claim, p, place)})
        if "group" in found[kind]:
            fail(place.groups[claim["group"]][1] < 2, "strict_saddle: the group has a single sample")
    c = found.get("critical")
    fail(c and exceeds(c["radius"], c["unique_radius"]), "critical: radius exceeds unique_radius")
    return found


# --- linear algebra in balls


def dot(a: Iterable[Any], b: Iterable[Any]) -> Any:
    """Inner product."""
    return sum(x * y for x, y in zip(a, b, strict=True))


def turned(A: Matrix) -> Matrix:
    """The transpose."""
    return [list(column) for column in zip(*A, strict=True)]


def combine(A: Matrix, B: Matrix, c: Any = 1) -> Matrix:
    """``A + c B``."""
    return [[x + c * y for x, y in zip(a, b, strict=True)] for a, b in zip(A, B, strict=True)]


def scaled(A: Matrix, units: list[Any]) -> Matrix:
    """``D A D`` for the diagonal D."""
    return [[x * s * t for x, t in zip(row, units, strict=True)] for row, s in zip(A, units, strict=True)]


def on_tangent(B: Any, A: Matrix, N: Matrix) -> Matrix:
    """``P A P + N N^T`` for N of orthonormal columns and ``P = I - N N^T``."""
    NA = B.product(turned(N), A)
    C = B.product(NA, N)
    for i, row in enumerate(C):
        row[i] += 1
    F = B.product(N, combine(NA, B.product(C, turned(N)), B.number(-1, -1)))
    return combine(combine(A, F, -1), turned(F), -1)


def cap(B: Any, values: list[Any]) -> Any:
    """A number that is proved to exceed every value."""
    bound = B.number(*exact(max(1.001 * max(map(B.real, values)), 1e-300)))
    if not all(B.less(x, bound) for x in values):
        raise Undecided("a bound is not finite")
    return bound


def exact(x: float) -> Dyadic:
    """A double as mantissa and exponent."""
    top, bottom = x.as_integer_ratio()
    return top, 1 - bottom.bit_length()


def inverses(B: Any, A: Matrix) -> Iterator[tuple[Matrix, int]]:
    """Symmetric matrices Y near an inverse, also by way of random bases, and how many negative eigenvalues Y has.

    That number is exact for one symmetric matrix in the balls Y, unless it is singular; nothing else is trusted.
    """
    middle, n = [[B.mid(x) for x in row] for row in A], len(A)
    B.spend(n * n)
    for seed in range(3):
        mix = random.Random(seed).gauss
        R = [[B.number(*exact(mix(0, 1))) for _ in range(n)] for _ in range(n)] if seed else None
        with suppress(ZeroDivisionError, ValueError):
            if R is None:
                yield inverse(B, middle)
            else:
                Y, minus = inverse(B, B.product(turned(R), B.product(middle, R)))
                yield B.product(R, B.product(Y, turned(R))), minus


def inverse(B: Any, A: Matrix) -> tuple[Matrix, int]:
    """``Y = L diag(Y_P, Y_S) L^T`` for ``A = [[P, Q], [Q^T, R]]``, ``X = Y_P Q`` and ``L = [[I, -X], [0, I]]``."""
    n, m = len(A), len(A) // 2
    if n == 1:
        y = B.mid(1 / A[0][0])
        return [[y]], int(B.less(y, 0))
    P, Q, R = [row[:m] for row in A[:m]], [row[m:] for row in A[:m]], [row[m:] for row in A[m:]]
    Y, first = inverse(B, P)
    X = [[B.mid(x) for x in row] for row in B.product(Y, Q)]
    Z, second = inverse(B, [[B.mid(x) for x in row] for row in combine(R, B.product(turned(Q), X), -1)])
    corner = [[-x for x in row] for row in B.product(X, Z)]
    Y = combine(Y, B.product(corner, turned(X)), -1)
    upper = [a + b for a, b in zip(Y, corner, strict=True)]
    return upper + [a + b for a, b in zip(turned(corner), Z, strict=True)], first + second


def defect(B: Any, Y: Matrix, A: Matrix) -> Matrix:
    """Upper bounds of ``|I - Y A|``, entry by entry."""
    return [[B.top(int(i == j) - x) for j, x in enumerate(row)] for i, row in enumerate(B.product(Y, A))]


def inertia(B: Any, A: Matrix, what: str) -> int:
    """Number of negative eigenvalues of every symmetric matrix in ``A``, all proved nonsingular (Lemma 6)."""
    for Y, minus in inverses(B, A):
        if all(B.less(sum(row), 1) for row in defect(B, Y, A)):
            return minus
    raise Undecided(f"the inertia of {what} is not proved")


def krawczyk(B: Any, F: list[Any], J: Matrix, u: list[Any]) -> tuple[Any, Any, int]:
    """Lemma 4 for the box of radii ``u``: eta, q, and (Lemma 6) the index of every symmetric matrix in J."""
    sizes: list[str] = []
    for Y, minus in inverses(B, J):
        step = B.product(Y, [[x] for x in F])
        spread = B.product(defect(B, Y, J), [[x] for x in u])
        eta = cap(B, [B.top(row[0]) / x for row, x in zip(step, u, strict=True)])
        q = cap(B, [row[0] / x for row, x in zip(spread, u, strict=True)])
        if B.less(eta + q, 1):
            return eta, q, minus
        sizes.append(f"eta = {B.most_of(eta)}, q = {B.most_of(q)}")
    raise Undecided(f"Krawczyk's test fails: {sizes[0] if sizes else 'the Jacobian is singular'}")


# --- cost, gradient and Hessian; derivatives are Euclidean


class Evaluated:
    """What follows from columns of balls ``X`` and the ``gradient`` there."""

    X: Matrix
    gradient: Matrix

    @cached_property
    def multipliers(self) -> list[Any]:
        """``lambda_j = <x_j, grad_j>``."""
        return [dot(x, g) for x, g in zip(self.X, self.gradient, strict=True)]

    def tangential(self) -> Matrix:
        """``grad_j - lambda_j x_j``."""
        parts = zip(self.X, self.gradient, self.multipliers, strict=True)
        return [[b - t * a for a, b in zip(x, g, strict=True)] for x, g, t in parts]


class Evaluation(Evaluated):
    """The cross-entropy problem at one matrix of balls ``X`` (a list of columns)."""

    def __init__(self, B: Any, p: Problem, point: Point, omega: list[Any], X: Matrix) -> None:
        self.B, self.p, self.X, self.r, self.K = B, p, X, len(X[0]), p.classes
        self.W, self.H = X[: self.K], X[self.K :]
        self.y, self.m = [y for y, _, _ in point.groups], [size for _, size, _ in point.groups]
        self.metric = [1] * self.K + self.m
        B.spend(len(self.H) * (self.K * 12 + 60))
        tau = B.number(p.tau.numerator) / p.tau.denominator
        self.omega, self.tau = omega, tau
        self.prob, self.G, self.cost = [], [], B.number(0)
        logits = [[tau * x for x in row] for row in B.product(self.H, turned(self.W))]
        for z, omega, (y, m, _) in zip(logits, self.omega, point.groups, strict=True):
            centre = [B.mid(x) for x in z]
            # if no logit moves by more than t, no log p_k and no log (1 - p_k) moves by more than 2 t
            t = cap(B, [B.top(x - c) for x, c in zip(z, centre, strict=True)])
            spread = B.function("exp", B.around(B.number(0), B.top(2 * t)))
            e = [B.function("exp", c - centre[y]) if k != y else B.number(1) for k, c in enumerate(centre)]
            others = sum((x for k, x in enumerate(e) if k != y), B.number(0))
            self.prob.append([x / (1 + others) * spread for x in e])
            scale, wrong = tau * m * omega, others / (1 + others) * spread
            self.G.append([-scale * wrong if k == y else scale * x for k, x in enumerate(self.prob[-1])])
            self.cost += m * omega * B.function("log1p", others * spread)

    @cached_property
    def gradient(self) -> Matrix:  # type: ignore[override]
        return self.B.product(turned(self.G), self.H) + self.B.product(self.G, self.W)

    def curvature(self, g: int) -> Matrix:
        """``tau^2 omega C`` of one sample of a group, where nothing cancels."""
        q, c, K = self.prob[g], self.tau * self.tau * self.omega[g], range(self.K)
        self.B.spend(self.K * self.K)
        C = [[-c * q[k] * q[l] for l in K] for k in K]
        for k in K:
            C[k][k] = -sum((C[k][l] for l in K if l != k), self.B.number(0))
        return C

    def differences(self, g: int) -> Matrix:
        """Rows ``w_k`` less one exact vector near the label's: for C they are as good as W, as ``C 1 = 0``."""
        origin = [self.B.mid(x) for x in self.W[self.y[g]]]
        return [[a - b for a, b in zip(w, origin, strict=True)] for w in self.W]

    def quadratic(self, V: Matrix) -> Any:
        """Second derivative along ``V``: the form without its multipliers."""
        U, total = V[: self.K], self.B.number(0)
        for g, (h, v) in enumerate(zip(self.H, V[self.K :], strict=True)):
            C, D = self.curvature(g), [dot(u, h) + dot(w, v) for u, w in zip(U, self.W, strict=True)]
            for k, l in combinations(range(self.K), 2):
                total -= self.m[g] * C[k][l] * (D[k] - D[l]) * (D[k] - D[l])
            total += 2 * sum(a * dot(u, v) for a, u in zip(self.G[g], U, strict=True))
        return total

    def split(self, g: int, beta: Any) -> Matrix:
        """``tau^2 omega W C W^T - (beta / m) I`` of one sample of a group."""
        V = self.differences(g)
        block = self.B.product(turned(V), self.B.product(self.curvature(g), V))
        for a, row in enumerate(block):
            row[a] -= beta / self.m[g]
        return block

    def hessian(self, lam: list[Any]) -> Matrix:
        """Entry ``(j r + a, i r + b)`` of the second derivative, less ``lam_j`` on the diagonal."""
        B, r, K, n = self.B, self.r, self.K, self.r * len(self.X)
        B.spend(6 * n * n + len(self.H) * K * K * r * r)
        A = [[B.number(0)] * n for _ in range(n)]
        for k, alpha in enumerate(lam[:K]):
            for a in range(k * r, k * r + r):
                A[a][a] = -alpha
        for g, (h, m) in enumerate(zip(self.H, self.m, strict=True)):
            C = [[m * x for x in row] for row in self.curvature(g)]
            CW, at = B.product(C, self.differences(g)), (K + g) * r
            hh = [[x * y for y in h] for x in h]
            for a, row in enumerate(self.split(g, lam[K + g])):
                A[at + a][at : at + r] = [m * x for x in row]
            for k in range(K):
                for a in range(r):
                    row = A[k * r + a]
                    for l, c in enumerate(C[k]):
                        for b, x in enumerate(hh[a], l * r):
                            row[b] += c * x
                    for b in range(r):
                        row[at + b] = A[at + b][k * r + a] = h[a] * CW[k][b] + (self.G[g][k] if a == b else 0)
        return A

    def multiplier_matrix(self) -> Matrix:
        """``S``."""
        self.B.spend(6 * len(self.X) ** 2)
        S = [[self.B.number(0)] * len(self.X) for _ in self.X]
        for j, x in enumerate(self.multipliers):
            S[j][j] = -x
        for g, column in enumerate(self.G, self.K):
            for k, x in enumerate(column):
                S[k][g] = S[g][k] = x
        return S


class Expression(Evaluated):
    """The same interface for a program: sparse second-order automatic differentiation."""

    def __init__(self, B: Any, p: Problem, X: Matrix) -> None:
        self.B, self.X, self.r, self.K = B, X, len(X[0]), len(X)
        self.m: list[int] = []
        self.metric = [1] * self.K
        values: list[Any] = []
        for step in p.program:
            values.append(self.step(step[0], step[1:], values))
        self.cost, self.first, self.second = values[-1]
        rows = [range(j * self.r, j * self.r + self.r) for j in range(self.K)]
        self.gradient = [[self.first.get(a, B.number(0)) for a in row] for row in rows]

    def step(self, name: str, words: tuple[Any, ...], values: list[Any]) -> Any:
        """Value, gradient and Hessian (pairs i <= j) of one instruction."""
        if name == "const":
            return self.B.number(words[0].numerator) / words[0].denominator, {}, {}
        if name == "x":
            return self.X[words[1]][words[0]], {words[1] * self.r + words[0]: self.B.number(1)}, {}
        if name == "gram":
            return self.gram(*words)
        a, v = values[words[0]], values[words[0]][0]
        if name in ("add", "neg", "sub"):
            first = -1 if name == "neg" else 1
            signs = [first] + [-1 if name == "sub" else 1] * (len(words) - 1)
            return self.linear(signs, [values[t] for t in words])
        if name == "mul":
            return self.times(a, values[words[1]])
        if name == "div":
            v = values[words[1]][0]
            if not (self.B.less(0, v) or self.B.less(v, 0)):
                raise Undecided("a divisor is not proved nonzero")
            return self.times(a, self.chain(values[words[1]], 1 / v, -1 / (v * v), 2 / (v * v * v)))
        if name == "pow":
            n, powers = words[1], [self.B.number(1)]
            for _ in range(n):
                powers.append(powers[-1] * v)
            return self.chain(a, powers[n], n * powers[n - 1], n * (n - 1) * powers[n - 2])
        if name != "exp" and not self.B.less(0, v):
            raise Undecided(f"the argument of {name} is not proved positive")
        f = self.B.function(name, v)
        if name == "exp":
            return self.chain(a, f, f, f)
        return (
            self.chain(a, f, 1 / v, -1 / (v * v))
            if name == "log"
            else self.chain(a, f, f / (2 * v), -f / (4 * v * v))
        )

    def gram(self, i: int, j: int) -> Any:
        """``<x_i, x_j>``."""
        first: dict[int, Any] = {}
        second: dict[tuple[int, int], Any] = {}
        self.B.spend(30 * self.r)
        for a in range(self.r):
            for p, q in ((i, j), (j, i)):
                first[p * self.r + a] = first.get(p * self.r + a, 0) + self.X[q][a]
            second[min(i, j) * self.r + a, max(i, j) * self.r + a] = self.B.number(2 if i == j else 1)
        return dot(self.X[i], self.X[j]), first, second

    def linear(self, factors: list[Any], parts: list[Any]) -> Any:
        """A linear combination."""
        value = self.B.number(0)
        first: dict[int, Any] = {}
        second: dict[tuple[int, int], Any] = {}
        for c, (v, f, s) in zip(factors, parts, strict=True):
            self.B.spend(8 + 10 * len(f) + 10 * len(s))
            value += c * v
            for target, source in ((first, f), (second, s)):
                for key, x in source.items():
                    target[key] = target.get(key, 0) + c * x
        return value, first, second

    def times(self, a: Any, b: Any) -> Any:
        """A product."""
        _, first, second = self.linear([b[0], a[0]], [a, b])
        return a[0] * b[0], first, self.squares(second, a[1], b[1], 1)

    def chain(self, a: Any, value: Any, one: Any, two: Any) -> Any:
        """A function of one value, with its derivatives."""
        _, first, second = self.linear([one], [a])
        return value, first, self.squares(second, a[1], a[1], two / 2)

    def squares(self, second: Any, a: dict[int, Any], b: dict[int, Any], c: Any) -> Any:
        """Add ``c (a b^T + b a^T)``."""
        self.B.spend(10 * len(a) * len(b))
        for i, x in a.items():
            for j, y in b.items():
                pair = (min(i, j), max(i, j))
                second[pair] = second.get(pair, 0) + (2 * c if i == j else c) * x * y
        return second

    def hessian(self, lam: list[Any]) -> Matrix:
        """As in :class:`Evaluation`."""
        n = self.r * self.K
        self.B.spend(6 * n * n)
        A = [[self.B.number(0)] * n for _ in range(n)]
        for (i, j), x in self.second.items():
            A[i][j] = A[j][i] = self.B.number(0) + x
        for i in range(n):
            A[i][i] -= lam[i // self.r]
        return A

    def quadratic(self, V: Matrix) -> Any:
        """As in :class:`Evaluation`."""
        v = [x for column in V for x in column]
        return sum((1 if i == j else 2) * x * v[i] * v[j] for (i, j), x in self.second.items())


# --- the claims


class Checker:
    """All claims of one certificate at one precision."""

    def __init__(self, B: Any, p: Problem, point: Point | None, claims: dict[str, Any]) -> None:
        self.B, self.p, self.point, self.claims = B, p, point, claims
        self.status: dict[str, str] = {}
        self.cache: dict[Any, Any] = {}

    def run(self) -> list[ClaimResult]:
        """Every claim; those about X* wait for its existence."""
        found = {}
        for kind in ORDER:
            if kind in self.claims:
                try:
                    status, text = getattr(self, kind)(self.claims[kind])
                except (Undecided, ArithmeticError, ValueError) as reason:
                    status, text = UNDECIDED, str(reason)[:300] or type(reason).__name__
                except (LookupError, TypeError, AttributeError, MemoryError, RecursionError) as defect:
                    # a defect of this file decides nothing, and stops nothing else
                    status, text = UNDECIDED, f"an internal error of the checker: {type(defect).__name__}"
                self.status[kind] = status
                found[kind] = ClaimResult(type=kind, status=status, text=text)
        return [found[kind] for kind in self.claims]

    # evaluation

    @property
    def place(self) -> Point:
        """The stored point."""
        assert self.point is not None
        return self.point

    @cached_property
    def centre(self) -> Any:
        """Evaluation at the stored columns divided by their lengths."""
        return self.normalised(self.place)

    def at(self, radius: Dyadic) -> Any:
        """Evaluation over ``B(radius)``."""
        # by the exact radius: its printed digits do not tell two radii apart
        if radius not in self.cache:
            reach = self.B.number(*radius)
            X = [[self.B.around(x, reach) for x in column] for column in self.stored(self.place)]
            self.cache[radius] = self.evaluate(self.place, X)
        return self.cache[radius]

    def stored(self, point: Point) -> Matrix:
        """Stored columns, whose lengths lie between 1/2 and 2."""
        self.B.spend(4 * point.rank * len(point.columns))
        columns = [[self.B.number(*x) for x in column] for column in point.columns]
        squares = [dot(c, c) for c in columns]
        if not all(self.B.less(0.25, x) and self.B.less(x, 4) for x in squares):
            raise Undecided("a stored column has a length outside 1/2 .. 2")
        return columns

    def normalised(self, point: Point, radius: Any = 0) -> Any:
        """Evaluation at the columns near the stored ones, divided by their lengths."""
        columns = [[self.B.around(x, radius) for x in column] for column in self.stored(point)]
        lengths = [self.B.function("sqrt", dot(c, c)) for c in columns]
        if not all(self.B.less(0, length) for length in lengths):
            raise Undecided("a column is not proved nonzero")
        e = self.evaluate(point, [[x / t for x in c] for c, t in zip(columns, lengths, strict=True)])
        e.stored, e.lengths = columns, lengths
        return e

    def evaluate(self, point: Point, X: Matrix) -> Any:
        """Cost and derivatives at columns of balls."""
        if self.p.program:
            return Expression(self.B, self.p, X)
        omega = [self.shares[first if self.p.weights else 0] for _, _, first in point.groups]
        return Evaluation(self.B, self.p, point, omega, X)

    @cached_property
    def shares(self) -> list[Any]:
        """Normalised weights of all samples; of one, where they are equal."""
        if self.p.weights is None:
            return [self.B.number(1) / self.p.samples]
        # in balls: the exact sum may have as many digits as the file
        self.B.spend(2 * self.p.samples)
        weights = [self.B.number(w.numerator) / w.denominator for w in self.p.weights]
        total = sum(weights)
        return [w / total for w in weights]

    def radius(self) -> Dyadic:
        """Radius of X*, whose existence must have been proved."""
        if self.status.get("rank_one") == PROVED:
            return 0, 0
        if self.status.get("critical") != PROVED:
            raise Undecided("no critical point is proved")
        found: Dyadic = self.claims["critical"]["radius"]
        return found

    @cached_property
    def scales(self) -> list[int]:
        """Exponents ``k_j`` of scales ``4^(k_j)`` near each column's gradient; any others would do."""
        e, real = self.centre, self.B.real
        if self.p.program:
            sizes = [max(abs(real(x)) for x in g) for g in e.gradient]
            sizes = [max(size, 1e-6 * max(sizes), 1e-300) for size in sizes]
        else:
            sizes = [sum(abs(real(x)) for x in row) for row in [*turned(e.G), *e.G]]
        if not min(sizes) > 1e-290:
            raise Undecided("gradient scales underflow")
        return [round(math.log2(size) / 2) for size in sizes]

    # claims about X*

    def critical(self, claim: dict[str, Any]) -> tuple[str, str]:
        """Lemmas 3 and 4."""
        B, r = self.B, self.place.rank
        radius = B.number(*claim["radius"])
        if any(B.less(t, 0) or B.less(0, t) for row in self.at(claim["radius"]).tangential() for t in row):
            return REFUTED, "the gradient does not vanish anywhere within the radius"
        rho, roots = B.number(*claim["unique_radius"]), [B.number(1, k) for k in self.scales]
        if self.p.invariant and r > 1:
            rho *= self.detour()
        J = self.jacobian(self.normalised(self.place, rho))
        eta, q, self.minus = krawczyk(
            B, self.residual(self.centre), J, [t * rho for t in roots for _ in range(r)]
        )
        reach = rho * eta / (1 - q)
        if not B.less(reach, radius):
            return UNDECIDED, f"the exact point is proved within {B.most_of(reach)} only"
        name = "modulo rotations, " if self.p.invariant else ""
        unique = words(claim["unique_radius"], False)
        return PROVED, (
            f"an exact critical point of rank at most {r} exists within {words(claim['radius'], True)} of the stored "
            f"point, {name}unique within {unique} (eta = {B.most_of(eta)}, q = {B.most_of(q)})"
        )

    def residual(self, e: Any) -> list[Any]:
        """The system of Lemma 3 at the centre, columns in units of ``s_j^(1/2)``."""
        F = []
        for x, y, length, k in zip(e.X, e.tangential(), e.lengths, self.scales, strict=True):
            unit, root = self.B.number(1, -k), self.B.number(1, k)
            F += [unit * b / length + root * (length - 1) * a for a, b in zip(x, y, strict=True)]
        return F

    def jacobian(self, e: Any) -> Matrix:
        """Its derivative over a box, both factors of the gauge's term included: so it holds Lemma 6's A too."""
        B, r, M = self.B, e.r, len(e.X)
        units = [B.number(1, -k) / length for k, length in zip(self.scales, e.lengths, strict=True)]
        H = scaled(e.hessian(e.multipliers), [t for t in units for _ in range(r)])
        N = [[x if i == j else B.number(0) for i in range(M)] for j, column in enumerate(e.X) for x in column]
        J = on_tangent(B, H, N)
        omega = [[B.number(0)] * r for _ in range(r)]
        if self.p.invariant and r > 1:
            V = self.weighted(e.stored)
            turn = B.product(turned(V), self.weighted(self.centre.stored))
            for a, b in permutations(range(r), 2):
                omega[a][b] = turn[a][b] - turn[b][a]
            B.spend(2 * len(J) ** 2)
            for (j, v), (i, w) in product(enumerate(V), repeat=2):
                # the block of Z Z^T: <v, w> I - w v^T
                terms = [x * y for x, y in zip(v, w, strict=True)]
                for a, b in product(range(r), repeat=2):
                    J[j * r + a][i * r + b] += sum(terms[:a] + terms[a + 1 :]) if a == b else -w[a] * v[b]
        for j, (x, y, length, t) in enumerate(zip(e.X, e.tangential(), e.lengths, units, strict=True)):
            shrink = 1 - 1 / length
            for a in range(r):
                for b in range(r):
                    bend = t * t * (x[a] * y[b] + y[a] * x[b]) + shrink * x[a] * x[b]
                    J[j * r + a][j * r + b] += omega[a][b] - bend + (shrink if a == b else 0)
        return J

    def detour(self) -> Any:
        """A factor (Lemma 4): a critical point within one of the centre has a rotated copy on the slice within this."""
        V, furthest = self.weighted(self.centre.stored), max(self.scales) - min(self.scales)
        gram = self.B.product(turned(V), V)
        for k in range(min(furthest - 1, 40)):
            square = self.B.number(1, -2 * k)
            shifted = [[x - square if i == j else x for j, x in enumerate(row)] for i, row in enumerate(gram)]
            with suppress(Undecided):
                if inertia(self.B, shifted, "the stored columns") == 0:
                    return 1 + self.B.number(1, k + 1)
        return self.B.number(1, furthest)

    def rank_one(self, claim: dict[str, Any]) -> tuple[str, str]:
        """Lemma 5: all entries are 1 or -1."""
        signs = all(is_one(x) or is_one(x, -1) for column in self.place.columns for x in column)
        if self.place.rank == 1 and signs:
            return PROVED, "the point is exactly of rank one, and therefore critical in every dimension"
        return REFUTED, "the stored point is not exactly of rank one"

    def index(self, claim: dict[str, Any]) -> tuple[str, str]:
        """Lemmas 6 and 7."""
        e, r, d, K = self.at(self.radius()), self.place.rank, self.p.dim, self.p.classes
        if d == 1:
            raise Undecided(
                "the unit sphere of R^1 is two points: there is no Hessian, and nothing is a saddle"
            )
        total = self.minus if r > 1 else 0
        multiple = [(g, e.multipliers[K + g], m - 1) for g, m in enumerate(e.m) if m > 1]
        for g, beta, copies in multiple:
            unit = self.B.number(1, -2 * self.scales[K + g]) * e.m[g]
            block = on_tangent(
                self.B, scaled(e.split(g, beta), [self.B.function("sqrt", unit)] * r), turned([e.H[g]])
            )
            total += copies * inertia(self.B, block, "a split block")
        if r < d:
            total += (d - r) * inertia(self.B, self.normal_matrix(e), "the multiplier matrix")
            for _, beta, copies in multiple:
                if not (self.B.less(0, beta) or self.B.less(beta, 0)):
                    raise Undecided("the sign of a multiplier is not proved")
                total += (d - r) * copies if self.B.less(0, beta) else 0
        if total == claim["index"]:
            return PROVED, f"its Morse index is {total}, and its kernel is exactly the orbit's tangent space"
        return REFUTED, f"its Morse index is {total}"

    def weighted(self, X: Matrix) -> Matrix:
        """Columns times ``(s_j / max s)^(1/2)``."""
        most = max(self.scales)
        units = [self.B.number(1, k - most) for k in self.scales]
        return [[a * unit for a in x] for x, unit in zip(X, units, strict=True)]

    def normal_matrix(self, e: Any) -> Matrix:
        """``D^(-1/2) (S + D X^T X D / max) D^(-1/2)``."""
        V = self.weighted(e.X)
        S = scaled(e.multiplier_matrix(), [self.B.number(1, -k) for k in self.scales])
        return combine(S, self.B.product(V, turned(V)))

    def global_minimum(self, claim: dict[str, Any]) -> tuple[str, str]:
        """Lemma 8."""
        e = self.at(self.radius())
        if inertia(self.B, self.normal_matrix(e), "the multiplier matrix") == 0:
            return (
                PROVED,
                "its multiplier matrix is positive semidefinite: a global minimiser in every dimension",
            )
        return UNDECIDED, "its multiplier matrix has a negative eigenvalue, which decides nothing"

    def spurious(self, claim: dict[str, Any]) -> tuple[str, str]:
        """A local minimiser, and a point that is lower by the margin over the whole ball."""
        if self.claims.get("index", {}).get("index") != 0 or self.status.get("index") != PROVED:
            refuted = self.status.get("index") == REFUTED
            return REFUTED if refuted else UNDECIDED, "index 0 is not claimed and proved"
        here, there = self.at(self.radius()).cost, self.normalised(claim["lower_point"]).cost
        costs = (
            f"of cost at least {self.B.least_of(here)}, and a point of cost at most {self.B.most_of(there)}"
        )
        if self.B.less(there, here - self.B.number(*claim["margin"])):
            return PROVED, f"a local minimiser {costs}, lower by the margin"
        return (
            REFUTED if self.B.less(here, there) else UNDECIDED
        ), f"not lower by the margin: a point {costs}"

    # claims about all critical points near by, or none

    def strict_saddle(self, claim: dict[str, Any]) -> tuple[str, str]:
        """Section 5.4: one Rayleigh quotient over the ball."""
        B, e = self.B, self.at(claim["radius"])
        if "normal" in claim["form"] and e.r >= self.p.dim:
            raise Undecided("no direction is normal to the span")
        top, bottom = getattr(self, f"form_{claim['form']}")(claim, e)
        c = B.number(*claim["curvature"])
        if B.less(0, bottom) and B.less(top - c * bottom, 0):
            kind = "in this space" if self.p.program else f"of this grouping, in the span of {e.r} dimensions"
            where = (
                f"every critical point {kind}, within {words(claim['radius'], False)} of the stored point,"
            )
            bound = words(claim["curvature"], True)
            return PROVED, f"{where} has a Hessian eigenvalue below {bound} (form {claim['form']})"
        return UNDECIDED, "the curvature along the stored direction is not proved below the bound"

    def form_tangent(self, claim: dict[str, Any], e: Any) -> tuple[Any, Any]:
        """``Hess[V, V]`` and the length of V in the full problem's metric."""
        V = [self.tangent(v, x) for v, x in zip(claim["direction"], e.X, strict=True)]
        sizes = [dot(v, v) for v in V]
        return e.quadratic(V) - dot(e.multipliers, sizes), dot(e.metric, sizes)

    def form_normal(self, claim: dict[str, Any], e: Any) -> tuple[Any, Any]:
        """``c^T S c`` and the length of c."""
        c = [self.B.number(*x) for x in claim["direction"]]
        cross = sum(x * dot(column, c[: e.K]) for x, column in zip(c[e.K :], e.G, strict=True))
        squares = [x * x for x in c]
        return 2 * cross - dot(e.multipliers, squares), dot(e.metric, squares)

    def form_split_tangent(self, claim: dict[str, Any], e: Any) -> tuple[Any, Any]:
        """``v^T B_g v`` and the length of v."""
        g = claim["group"]
        v = self.tangent(claim["direction"], e.H[g])
        return dot(v, [dot(row, v) for row in e.split(g, e.multipliers[e.K + g])]), dot(v, v)

    def form_split_normal(self, claim: dict[str, Any], e: Any) -> tuple[Any, Any]:
        """``-beta_g / m_g``."""
        return -e.multipliers[e.K + claim["group"]] / e.m[claim["group"]], self.B.number(1)

    def tangent(self, direction: list[Dyadic], x: list[Any]) -> list[Any]:
        """Projection of a stored direction on the tangent space of ``x``."""
        v = [self.B.number(*a) for a in direction]
        t = dot(v, x)
        return [a - t * b for a, b in zip(v, x, strict=True)]

    def gap(self, claim: dict[str, Any]) -> tuple[str, str]:
        """Lemma 9, by the K x K Schur complement."""
        B, K, e = self.B, self.p.classes, self.centre
        lam, delta = e.multipliers, [m * B.number(*x) for m, x in zip(e.metric, claim["shifts"], strict=True)]
        # exactly: a ball around the sum could hide that it is larger
        least = min(exponent for _, exponent in claim["shifts"])
        total = sum(m * (x << (k - least)) for m, (x, k) in zip(e.metric, claim["shifts"], strict=True))
        if exceeds((total, least - 1), claim["gap"]):
            return UNDECIDED, "the shifts add up to more than the gap"
        low = [b - a for a, b in zip(lam[K:], delta[K:], strict=True)]
        if not all(B.less(0, x) for x in low):
            raise Undecided("a shifted diagonal entry is not proved positive")
        unit = B.number(*exact(max(abs(B.real(x)) for x in lam) or 1.0))
        C = B.product(turned([[x / (a * unit) for x in row] for row, a in zip(e.G, low, strict=True)]), e.G)
        A = [[-x for x in row] for row in C]
        for k in range(K):
            A[k][k] += (delta[k] - lam[k]) / unit
            # the matrix is symmetric: both balls hold the same number
            A[k][:k] = [A[l][k] for l in range(k)]
        if inertia(B, A, "the Schur complement") != 0:
            return UNDECIDED, "the shifted multiplier matrix is not positive definite"
        gap = words(claim["gap"], True)
        return PROVED, f"the cost lies at most {gap} nats above the global minimum"

    def collapsed(self, claim: dict[str, Any]) -> tuple[str, str]:
        """Lemma 10."""
        B, p, groups = self.B, self.p, self.place.groups
        empty = len({y for y, _, _ in groups}) < p.classes and any(m != 0 for m, _ in claim["target"])
        if not (p.classes >= 2 and p.dim >= 3 and self.place.rank >= 2 and self.one_classifier()) or empty:
            raise Undecided("the hypotheses of the lemma do not hold")
        e, radius, target = (
            self.at((0, 0)),
            B.number(*claim["radius"]),
            [B.number(*x) for x in claim["target"]],
        )
        for k in range(p.classes):
            members = [(m * e.omega[g], e.H[g]) for g, (y, m, _) in enumerate(groups) if y == k]
            if members and not self.class_fits(members, target, radius):
                return UNDECIDED, f"class {k} is not proved to have an exact member near by"
        return PROVED, (
            f"an exact member of the collapsed family lies within {words(claim['radius'], True)} of the stored point; "
            "it is critical, its cost is log K, and it is a strict saddle (Theorem S, case A)"
        )

    def one_classifier(self) -> bool:
        """Whether every stored ``w_k`` is exactly the first unit vector."""
        columns = self.place.columns[: self.p.classes]
        return all(is_one(c[0]) and not any(m for m, _ in c[1:]) for c in columns)

    def class_fits(self, members: list[Any], target: list[Any], radius: Any) -> bool:
        """Whether some small shift ``c`` of all features of a class meets the target, within the radius."""
        B, n = self.B, len(target)
        zero = [B.number(0)] * n
        value, slope, inside = self.shifted(members, zero, radius)
        residual = [a - t for a, t in zip(value, target, strict=True)]
        if all(B.top(x) == 0 for x in residual):
            return inside
        Y = next((Y for Y, _ in inverses(B, slope)), None)
        if Y is None:
            return False
        reach = cap(B, [B.top(row[0]) for row in B.product(Y, [[x] for x in residual])])
        for factor in (2, 8):
            u = factor * reach
            _, slope, inside = self.shifted(members, [B.around(x, u) for x in zero], radius)
            with suppress(Undecided):
                krawczyk(B, residual, slope, [u] * n)
                return inside
        return False

    def shifted(self, members: list[Any], c: list[Any], radius: Any) -> tuple[list[Any], Matrix, bool]:
        """``sum m omega bar(n(h + (0, c)))``, its derivative by c, and whether all ``n`` stay near h."""
        B, n = self.B, len(c)
        B.spend(4 * len(members) * n * n)
        value, J, inside = [B.number(0)] * n, [[B.number(0)] * n for _ in c], True
        for w, h in members:
            moved = [h[0], *(a + b for a, b in zip(h[1:], c, strict=True))]
            length = B.function("sqrt", dot(moved, moved))
            if not B.less(0, length):
                raise Undecided("a feature is not proved nonzero")
            unit = [x / length for x in moved]
            inside = inside and all(B.less(B.top(a - b), radius) for a, b in zip(unit, h, strict=True))
            value = [a + w * b for a, b in zip(value, unit[1:], strict=True)]
            t = w / length
            J = combine(
                J,
                [
                    [(t if a == b else 0) - t * x * y for b, y in enumerate(unit[1:])]
                    for a, x in enumerate(unit[1:])
                ],
            )
        return value, J, inside

    def degenerate(self, claim: dict[str, Any]) -> tuple[str, str]:
        """Lemma 11, in exact rationals but for the cost of the lower point."""
        B, p, groups = self.B, self.p, self.place.groups
        features = self.place.columns[p.classes :]
        signs = (
            [is_one(h[1]) - is_one(h[1], -1) if h[0][0] == 0 else 0 for h in features]
            if p.dim == self.place.rank == 2
            else []
        )
        if not (p.dim == self.place.rank == 2 and p.classes >= 2 and self.one_classifier() and all(signs)):
            raise Undecided("the hypotheses of the lemma do not hold")
        B.spend(len(groups) * max(sum(q.bit_length() for q in {w.denominator for w in p.weights or ()}), 1))
        sums = [Fraction(0)] * p.classes
        for sign, (y, m, first) in zip(signs, groups, strict=True):
            sums[y] += sign * m * (p.weights[first] if p.weights else 1)
        if len(set(sums)) > 1:
            high, low = sums.index(max(sums)), sums.index(min(sums))
            return (
                REFUTED,
                f"the signed sums of classes {high} and {low} differ, so that the point is not critical",
            )
        here, there = B.function("log", B.number(p.classes)), self.normalised(claim["lower_point"]).cost
        if B.less(there, here - B.number(*claim["margin"])):
            return PROVED, (
                "the stored point is exactly critical with a positive semidefinite Hessian: no strict saddle, "
                f"and no global minimiser, as its cost is log {p.classes} and another point has cost at most "
                f"{B.most_of(there)}"
            )
        return (
            REFUTED if B.less(here, there) else UNDECIDED
        ), "the other point is not proved lower by the margin"

    def benign(self, claim: dict[str, Any]) -> tuple[str, str]:
        """Theorem S, or Theorem E: exact comparisons of integers and rationals."""
        p, name = self.p, claim["theorem"]
        needs = "K >= 2, d >= max(K, 3)" if name == "S" else "d = K - 1 >= 3, tau <= (K - 2) / 2"
        holds = p.classes >= 2 and p.dim >= max(p.classes, 3)
        if name == "E":
            holds = p.dim == p.classes - 1 >= 3 and 2 * p.tau <= p.classes - 2
        if not p.program and holds:
            return PROVED, (
                f"BY_THEOREM: the hypotheses of Theorem {name} hold ({needs}), so every critical point of this "
                "instance is a global minimiser or a strict saddle; this is a theorem, not an enumeration"
            )
        return UNDECIDED, f"Theorem {name} does not apply (it needs {needs})"


# claims in the order in which they are looked at: existence first
ORDER = (
    "critical",
    "rank_one",
    "index",
    "strict_saddle",
    "global_minimum",
    "gap",
    "collapsed",
    "degenerate",
    "spurious",
    "benign",
)


# --- the public face


def check_bytes(data: bytes, backend: str = "flint") -> CheckResult:
    """Check a certificate.

    Parameters
    ----------
    data : bytes
        The file's content.
    backend : str
        ``"flint"``, or ``"integers"`` for small instances.

    Returns
    -------
    CheckResult

    Raises
    ------
    CheckError
        If the bytes are no certificate of this format, or the backend is unknown.

    Examples
    --------
    >>> check_bytes(b"{}")
    Traceback (most recent call last):
    ...
    sphereufm.certify.checker.CheckError: certificate lacks claims, format, instance, point, producer
    """
    fail(backend not in BACKENDS, f"backend={backend!r} must be one of {', '.join(BACKENDS)}")
    producer = {"name": text(200), "version": text(200)}
    hints = {"precision": integer(53, 4096), "cost": dyadic}
    fields = {"format": only(FORMAT), "producer": lambda v, where: record(v, where, producer)}
    fields |= {"instance": anything, "point": anything, "claims": anything}
    optional = {"hints": lambda v, where: record(v, where, {}, hints), "reason": text(2000)}
    certificate = record(read_json(data), "certificate", fields, optional)
    p = read_problem(certificate["instance"])
    point = None if certificate["point"] is None else read_point(certificate["point"], p, "point")
    claims = read_claims(certificate["claims"], p, point)
    first = min(certificate.get("hints", {}).get("precision", 0), LEVELS[-1])
    results: list[ClaimResult] = []
    spent = 0.0
    for bits in [b for b in LEVELS if b >= first]:
        arithmetic = BACKENDS[backend](bits)
        arithmetic.spent = spent
        with arithmetic:
            results = Checker(arithmetic, p, point, claims).run()
        spent = arithmetic.spent
        if all(result.status != UNDECIDED for result in results) or spent > arithmetic.most:
            break
    status, row = sentence(results, claims)
    instance = canonical(p)
    return CheckResult(
        status=status,
        row=row,
        claims=tuple(results),
        backend=backend,
        reason=certificate.get("reason", ""),
        instance=in_words(instance),
        sha256=fingerprint(instance),
    )


def sentence(results: list[ClaimResult], claims: dict[str, Any]) -> tuple[str, str]:
    """Section 8: what the claims say together."""
    if any(result.status == REFUTED for result in results):
        return REFUTED, "a claim is refuted"
    if not results or any(result.status != PROVED for result in results):
        return UNDECIDED, "not every claim is proved" if results else "there is no claim"
    if "collapsed" in claims:
        return PROVED, "member of the collapsed family, a strict saddle"
    if "degenerate" in claims:
        return PROVED, "degenerate critical point, neither a strict saddle nor a global minimiser"
    if "critical" in claims or "rank_one" in claims:
        radius = claims["critical"]["radius"] if "critical" in claims else (0, 0)
        covered = "strict_saddle" in claims and not exceeds(radius, claims["strict_saddle"]["radius"])
        index = claims["index"]["index"] if "index" in claims else None
        if "global_minimum" in claims:
            return PROVED, "global minimiser"
        if "spurious" in claims:
            return PROVED, "spurious local minimiser"
        if covered or (index is not None and index > 0):
            return PROVED, "strict saddle"
        if index == 0:
            return PROVED, "local minimiser"
    if "gap" in claims:
        return PROVED, "optimality gap"
    if {*claims} == {"benign"}:
        return PROVED, "benign instance, BY_THEOREM"
    return UNDECIDED, "the claims make no sentence about an existing point"


def check_file(path: str | Path, backend: str = "flint") -> CheckResult:
    """Check a certificate in a file; see :func:`check_bytes`.

    Raises
    ------
    CheckError
        If the file cannot be read, or is no certificate of this format.
    """
    return check_bytes(read_file(path), backend)


def read_file(path: str | Path) -> bytes:
    """Content of a regular file, at most one byte more than is allowed."""
    try:
        # a pipe to which nobody writes must not keep us waiting
        with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
            fail(not stat.S_ISREG(os.fstat(file.fileno()).st_mode), "cannot be read: not a regular file")
            return file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise CheckError(f"cannot be read: {error.strerror}") from None


def main(words: list[str]) -> int:
    """Check one file and print what was found."""
    backend = words[words.index("--backend") + 1] if "--backend" in words[:-1] else "flint"
    files = [w for i, w in enumerate(words) if w != "--backend" and (i == 0 or words[i - 1] != "--backend")]
    if len(files) != 1:
        print("usage: python checker.py FILE [--backend flint|integers]", file=sys.stderr)
        return 2
    try:
        result = check_file(files[0], backend)
    except CheckError as error:
        print(f"{files[0]}: {error}", file=sys.stderr)
        return 2
    except Exception as defect:
        # Python's own exit code would be 1, which is for refutations only
        print(f"{files[0]}: internal error: {type(defect).__name__}: {defect}", file=sys.stderr)
        return 70
    print(f"instance: {result.instance} (sha256 {result.sha256})")
    for claim in result.claims:
        print(f"{claim.status} {claim.type}: {claim.text}")
    print(f"{result.status}: {result.row}")
    return {PROVED: 0, REFUTED: 1, UNDECIDED: 3}[result.status]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
