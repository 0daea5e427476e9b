"""An independent checker of certificates ``sphereufm-certificate/1``: one file, standard library and ball arithmetic.

It shares no code with the provers and believes nothing that a certificate says: parser, cost, gradient, Hessian and
proofs are written here from the format's document (docs/certificates.md) and its lemmas (docs/proofs.md).  Run alone:

    python checker.py FILE [--backend flint|mpmath]

Exit codes: 0 every claim and the row are PROVED, 1 a claim is REFUTED, 2 unreadable, 3 UNDECIDED.

What is trusted: this file, Python's standard library, and the arithmetic of Arb (python-flint) or of mpmath's
intervals.  Symbols are those of the document: columns x_j of X = [w_1 .. w_K, h_1 .. h_g], sample multiplicities m,
scales s_j, multipliers lambda.  Every test is written positively: a comparison that balls cannot decide is false.
"""

from __future__ import annotations

import json
import math
import re
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import combinations
from pathlib import Path
from typing import Any

__all__ = ["CheckError", "CheckResult", "ClaimResult", "check_bytes", "check_file"]

FORMAT = "sphereufm-certificate/1"
LARGEST_FILE = 1 << 24
LEVELS = (128, 256, 512)
# larger cases are UNDECIDED: time and memory stay bounded
MOST_UNKNOWNS, MOST_SCHUR, MOST_TERMS, MOST_SPARSE = 800, 400, 3_000_000, 400_000
RATIONAL = re.compile(r"-?[0-9]{1,60}(/[0-9]{1,60})?")
DYADIC = re.compile(r"(-?)0x([0-9a-f])(?:\.([0-9a-f]{1,130}))?p([+-][0-9]{1,5})")
FIELDS = {
    "critical": {"radius", "unique_radius"},
    "rank_one": set(),
    "index": {"index"},
    "strict_saddle": {"radius", "curvature", "form"},
    "global_minimum": set(),
    "gap": {"gap", "shifts"},
    "collapsed": {"radius", "target"},
    "spurious": {"lower_point", "margin"},
    "benign": {"theorem", "basis"},
}
SADDLE_FIELDS = {
    "tangent": {"direction"},
    "normal": {"direction"},
    "split_tangent": {"group", "direction"},
    "split_normal": {"group"},
}
# strings are passed over, also one that is never closed: no backtracking
TOKENS = re.compile(r'"(?:[^"\\]|\\.|\\\Z)*(?:"|\Z)|[\[\]{}]', re.DOTALL)
PROVED, REFUTED, UNDECIDED = "PROVED", "REFUTED", "UNDECIDED"


class CheckError(ValueError):
    """The file is no certificate of this format; the message says where and why."""


class Undecided(Exception):
    """The claim cannot be decided at this precision, or by this checker at all."""


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


# --- arithmetic: the one place that knows a library


class Flint:
    """Balls of Arb."""

    name = "flint"

    def __init__(self, bits: int) -> None:
        import flint

        self.f, self.bits = flint, bits

    def __enter__(self) -> None:
        self.before, self.f.ctx.prec = self.f.ctx.prec, self.bits

    def __exit__(self, *_: object) -> None:
        self.f.ctx.prec = self.before

    def number(self, mantissa: int, exponent: int = 0) -> Any:
        return self.f.arb((mantissa, exponent))

    def around(self, x: Any, radius: Any) -> Any:
        return x + self.f.arb(0, radius)

    def exp(self, x: Any) -> Any:
        return x.exp()

    def log(self, x: Any) -> Any:
        return x.log()

    def log1p(self, x: Any) -> Any:
        return x.log1p()

    def sqrt(self, x: Any) -> Any:
        return x.sqrt()

    def top(self, x: Any) -> Any:
        """An exact upper bound of ``|x|``."""
        return abs(x).upper()

    def mid(self, x: Any) -> Any:
        return x.mid()

    def product(self, A: list[list[Any]], B: list[list[Any]]) -> list[list[Any]]:
        return (self.f.arb_mat(A) * self.f.arb_mat(B)).tolist()

    def inverse(self, A: list[list[Any]]) -> list[list[Any]]:
        with suppress(ZeroDivisionError):
            return [[x.mid() for x in row] for row in self.f.arb_mat(A).inv().tolist()]
        raise Undecided("an approximate inverse does not exist")

    def show(self, x: Any) -> str:
        return x.str(6, radius=False)


class Interval:
    """An interval of mpmath whose comparisons are false where they cannot be decided (mpmath's own raise)."""

    __slots__ = ("v",)

    def __init__(self, v: Any) -> None:
        self.v = v

    def __add__(self, other: Any) -> Interval:
        return Interval(self.v + raw(other))

    def __sub__(self, other: Any) -> Interval:
        return Interval(self.v - raw(other))

    def __rsub__(self, other: Any) -> Interval:
        return Interval(raw(other) - self.v)

    def __mul__(self, other: Any) -> Interval:
        return Interval(self.v * raw(other))

    def __truediv__(self, other: Any) -> Interval:
        return Interval(self.v / raw(other))

    def __rtruediv__(self, other: Any) -> Interval:
        return Interval(raw(other) / self.v)

    def __neg__(self) -> Interval:
        return Interval(-self.v)

    def __abs__(self) -> Interval:
        return Interval(abs(self.v))

    def __lt__(self, other: Any) -> bool:
        return bool(high(self.v) < low(raw(other)))

    def __gt__(self, other: Any) -> bool:
        return bool(low(self.v) > high(raw(other)))

    def __le__(self, other: Any) -> bool:
        return bool(high(self.v) <= low(raw(other)))

    def __ge__(self, other: Any) -> bool:
        return bool(low(self.v) >= high(raw(other)))

    def __eq__(self, other: object) -> bool:
        return bool(low(self.v) == high(self.v) == low(raw(other)) == high(raw(other)))

    __radd__, __rmul__, __hash__ = __add__, __mul__, None  # type: ignore[assignment]

    @property
    def mid(self) -> Any:
        """The middle, as mpmath's number."""
        return self.v.mid


def raw(x: Any) -> Any:
    """What mpmath computes with."""
    return x.v if isinstance(x, Interval) else x


def low(x: Any) -> Any:
    """Lower end, a point."""
    return x.a if hasattr(x, "a") else x


def high(x: Any) -> Any:
    """Upper end, a point."""
    return x.b if hasattr(x, "b") else x


class Mpmath:
    """Intervals of mpmath: slow, and independent of Arb."""

    name = "mpmath"

    def __init__(self, bits: int) -> None:
        import mpmath  # type: ignore[import-untyped]

        self.m, self.bits = mpmath, bits

    def __enter__(self) -> None:
        self.before = self.m.iv.prec, self.m.mp.prec
        self.m.iv.prec = self.m.mp.prec = self.bits

    def __exit__(self, *_: object) -> None:
        self.m.iv.prec, self.m.mp.prec = self.before

    def number(self, mantissa: int, exponent: int = 0) -> Any:
        power = self.m.iv.mpf(2) ** exponent
        return Interval(self.m.iv.mpf(mantissa) * power)

    def around(self, x: Any, radius: Any) -> Any:
        return x + Interval(self.m.iv.mpf([-1, 1])) * radius

    def exp(self, x: Any) -> Any:
        if not abs(x) < 1e30:
            # mpmath would need as many digits as the result's exponent has
            raise Undecided("an exponent is too large for the mpmath backend")
        return Interval(self.m.iv.exp(x.v))

    def log(self, x: Any) -> Any:
        return Interval(self.m.iv.log(x.v))

    def log1p(self, x: Any) -> Any:
        if x < 1e-3 and x >= 0:
            # log(1 + x) = x / (1 + t) for some t between 0 and x
            return Interval(x.v / (1 + self.m.iv.mpf([0, 1]) * x.v))
        return self.log(1 + x)

    def sqrt(self, x: Any) -> Any:
        return Interval(self.m.iv.sqrt(x.v))

    def top(self, x: Any) -> Any:
        """An exact upper bound of ``|x|``."""
        return Interval(abs(x.v).b)

    def mid(self, x: Any) -> Any:
        return Interval(self.m.iv.mpf(self.m.mpf(x.v.mid)))

    def product(self, A: list[list[Any]], B: list[list[Any]]) -> list[list[Any]]:
        columns = list(zip(*B, strict=True))
        return [
            [sum((a * b for a, b in zip(row, c, strict=True)), self.number(0)) for c in columns] for row in A
        ]

    def inverse(self, A: list[list[Any]]) -> list[list[Any]]:
        if len(A) > 60:
            raise Undecided("too large for the mpmath backend")
        with suppress(ZeroDivisionError):
            inverse = self.m.matrix([[self.m.mpf(x.v.mid) for x in row] for row in A]) ** -1
            return [[Interval(self.m.iv.mpf(x)) for x in row] for row in inverse.tolist()]
        raise Undecided("an approximate inverse does not exist")

    def show(self, x: Any) -> str:
        return str(self.m.nstr(self.m.mpf(x.v.mid), 6))


BACKENDS: dict[str, Any] = {"flint": Flint, "mpmath": Mpmath}


# --- reading


def fail(condition: bool, message: str) -> None:
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
        fail(len(digits) > 10 or len(digits.lstrip("-")) > 9, "an integer of more than 9 digits")
        return int(digits)

    def refuse(word: str) -> Any:
        raise CheckError(f"the number {word[:20]} is not an integer; numbers are text")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        fail(len(found) != len(pairs), "a key occurs twice in one object")
        return found

    try:
        return json.loads(
            text, parse_int=whole, parse_float=refuse, parse_constant=refuse, object_pairs_hook=once
        )
    except (json.JSONDecodeError, RecursionError) as error:
        raise CheckError(f"not JSON: {error}") from None


def keys(value: Any, where: str, required: set[str], optional: set[str] | None = None) -> dict[str, Any]:
    """An object with exactly these keys."""
    fail(not isinstance(value, dict), f"{where} must be an object")
    names = set(value)
    fail(not required <= names, f"{where} lacks {', '.join(sorted(required - names))}")
    extra = names - required - (optional or set())
    fail(bool(extra), f"{where} has the unknown key {sorted(extra)[:1]}")
    return dict(value)


def integer(value: Any, where: str, low: int, high: int = 10**9) -> int:
    """An integer in a range; true is not 1."""
    fail(
        type(value) is not int or not low <= value <= high,
        f"{where} must be an integer between {low} and {high}",
    )
    return int(value)


def items(value: Any, where: str, length: int | None = None) -> list[Any]:
    """A list, of a given length."""
    fail(not isinstance(value, list), f"{where} must be a list")
    fail(length is not None and len(value) != length, f"{where} must have {length} entries")
    return list(value)


def rational(value: Any, where: str) -> Fraction:
    """Exact rational."""
    fail(
        not isinstance(value, str) or not RATIONAL.fullmatch(value),
        f"{where} must be a rational such as 18/5",
    )
    top, _, bottom = value.partition("/")
    fail(bottom != "" and int(bottom) == 0, f"{where} has the denominator zero")
    return Fraction(int(top), int(bottom or "1"))


def dyadic(value: Any, where: str) -> tuple[int, int]:
    """Exact number ``mantissa 2^exponent``."""
    match = DYADIC.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise CheckError(f"{where} must be a dyadic such as 0x1.8p+1")
    sign, lead, rest, exponent = match[1], match[2], match[3] or "", int(match[4])
    fail(abs(exponent) > 16000, f"{where} has an exponent beyond 16000")
    mantissa = int(lead + rest, 16)
    return (-mantissa if sign else mantissa), exponent - 4 * len(rest)


def sign_of(number: tuple[int, int]) -> int:
    """Sign of a dyadic."""
    return (number[0] > 0) - (number[0] < 0)


def is_one(mantissa: int, exponent: int) -> bool:
    """Whether a dyadic is exactly one."""
    return exponent <= 0 and mantissa == 1 << -exponent


def exceeds(a: tuple[int, int], b: tuple[int, int]) -> bool:
    """Whether ``a > b``, exactly."""
    low = min(a[1], b[1])
    return a[0] << (a[1] - low) > b[0] << (b[1] - low)


@dataclass
class Problem:
    """An instance: either the cross-entropy problem, or the program of an expression."""

    kind: str
    dim: int
    classes: int = 0
    sizes: list[int] | None = None
    labels: list[int] | None = None
    samples: int = 0
    tau: Fraction = Fraction(1)
    weights: list[Fraction] | None = None
    columns: int = 0
    program: list[Any] = field(default_factory=list)
    invariant: bool = True
    starts: list[int] = field(default_factory=list)

    def label(self, i: int) -> int:
        """Class of a sample."""
        if self.labels is not None:
            return self.labels[i]
        low, high = 0, self.classes
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.starts[middle] <= i else (low, middle)
        while self.sizes is not None and self.sizes[low] == 0:
            low -= 1
        return low


@dataclass
class Point:
    """Stored columns, and the groups of samples that share a feature: label, size, and one sample's number."""

    rank: int
    columns: list[list[tuple[int, int]]]
    groups: list[tuple[int, int, int]]


def read_problem(value: Any) -> Problem:
    """Sections 3 and 6 of the format."""
    fail(not isinstance(value, dict), "instance must be an object")
    if value.get("kind") == "expression":
        return read_expression(value)
    data = keys(
        value, "instance", {"kind", "classes", "dim", "tau", "weights", "loss"}, {"class_sizes", "labels"}
    )
    fail(
        data["kind"] != "ufm" or data["loss"] != "cross-entropy",
        "instance: kind and loss must be ufm and cross-entropy",
    )
    fail(("class_sizes" in data) == ("labels" in data), "instance needs one of class_sizes and labels")
    K = integer(data["classes"], "classes", 1, 100_000)
    p = Problem(
        kind="ufm", dim=integer(data["dim"], "dim", 1, 100_000), classes=K, tau=rational(data["tau"], "tau")
    )
    fail(p.tau <= 0, "tau must be positive")
    if "labels" in data:
        p.labels = [integer(y, "label", 0, K - 1) for y in items(data["labels"], "labels")]
        p.samples = len(p.labels)
    else:
        p.sizes = [integer(n, "class size", 0) for n in items(data["class_sizes"], "class_sizes", K)]
        p.samples = sum(p.sizes)
        p.starts = [0]
        for n in p.sizes[:-1]:
            p.starts.append(p.starts[-1] + n)
    fail(p.samples < 1, "there is no sample")
    if data["weights"] is not None:
        p.weights = [rational(w, "weight") for w in items(data["weights"], "weights", p.samples)]
        fail(not all(w > 0 for w in p.weights), "weights must be positive")
    return p


def read_expression(value: Any) -> Problem:
    """Section 6: instruction t may only use earlier ones."""
    data = keys(value, "instance", {"kind", "dim", "columns", "program"})
    d, M = integer(data["dim"], "dim", 1, 10_000), integer(data["columns"], "columns", 1, 10_000)
    program = items(data["program"], "program")
    fail(not 1 <= len(program) <= 20_000, "program must have 1 to 20000 instructions")
    read: list[Any] = []
    for t, step in enumerate(program):
        words = items(step, "instruction")
        fail(not words or not isinstance(words[0], str), "an instruction starts with its name")
        name, rest = words[0], words[1:]
        arity = {
            "const": 1,
            "x": 2,
            "gram": 2,
            "sub": 2,
            "mul": 2,
            "div": 2,
            "neg": 1,
            "exp": 1,
            "log": 1,
            "sqrt": 1,
            "pow": 2,
        }
        fail(name not in arity and name != "add", f"unknown instruction {name[:20]!r}")
        fail(
            len(rest) < 2 if name == "add" else len(rest) != arity[name],
            f"{name} has a wrong number of arguments",
        )
        if name == "const":
            rest = [rational(rest[0], "const")]
        elif name in ("x", "gram"):
            limits = (d - 1 if name == "x" else M - 1, M - 1)
            rest = [integer(a, name, 0, most) for a, most in zip(rest, limits, strict=True)]
        elif name == "pow":
            rest = [integer(rest[0], "pow", 0, t - 1), integer(rest[1], "exponent", 2, 64)]
        else:
            rest = [integer(a, name, 0, t - 1) for a in rest]
        read.append((name, *rest))
    invariant = all(step[0] != "x" for step in read)
    return Problem(kind="expression", dim=d, columns=M, program=read, invariant=invariant)


def read_point(value: Any, p: Problem, where: str) -> Point:
    """Section 4: columns, and groups that hold each sample exactly once."""
    data = keys(value, where, {"rank", "columns", "groups"})
    r = integer(data["rank"], f"{where}.rank", 1, p.dim)
    columns = [
        [dyadic(x, "entry") for x in items(c, "column", r)]
        for c in items(data["columns"], f"{where}.columns")
    ]
    if p.kind == "expression":
        fail(
            data["groups"] is not None or r != p.dim or len(columns) != p.columns,
            f"{where} does not fit the expression",
        )
        return Point(r, columns, [])
    if data["groups"] is None:
        fail(len(columns) != p.classes + p.samples, f"{where} must have {p.classes + p.samples} columns")
        return Point(r, columns, [(p.label(i), 1, i) for i in range(p.samples)])
    groups, taken, held = [], [], 0
    for group in items(data["groups"], "groups"):
        ranges = [
            [integer(a, "range", 0, p.samples) for a in items(pair, "range", 2)]
            for pair in items(group, "group")
        ]
        fail(not ranges or not all(a < b for a, b in ranges), "a group needs nonempty ranges")
        # before the samples are looked at one by one: overlapping ranges could name each of them many times
        taken += ranges
        held += sum(b - a for a, b in ranges)
        fail(held > p.samples, "groups must hold each sample exactly once")
        first = ranges[0][0]
        fail(
            not all(alike(p, first, a, b) for a, b in ranges), "samples of a group differ in label or weight"
        )
        groups.append((p.label(first), sum(b - a for a, b in ranges), first))
    ends = sorted(taken)
    starts = [0, *[b for _, b in ends]]
    fail(
        [a for a, _ in ends] != starts[:-1] or starts[-1] != p.samples,
        "groups must hold each sample exactly once",
    )
    fail(len(columns) != p.classes + len(groups), f"{where} must have {p.classes + len(groups)} columns")
    return Point(r, columns, groups)


def alike(p: Problem, first: int, a: int, b: int) -> bool:
    """Whether samples ``a .. b - 1`` have the label and weight of the first one."""
    same_label = p.label(first) == p.label(a) == p.label(b - 1)
    if p.labels is not None:
        same_label = all(p.labels[i] == p.labels[first] for i in range(a, b))
    return same_label and (p.weights is None or all(p.weights[i] == p.weights[first] for i in range(a, b)))


def read_claims(value: Any, p: Problem, point: Point | None) -> list[dict[str, Any]]:
    """Section 5: each type once, with exactly its fields; numbers become dyadics."""
    claims = items(value, "claims")
    fail(len(claims) > 16, "more than 16 claims")
    for claim in claims:
        kind = claim.get("type") if isinstance(claim, dict) else None
        fail(not isinstance(kind, str) or kind not in FIELDS, "a claim has an unknown type")
        more: set[str] = set()
        if kind == "strict_saddle":
            fail(claim.get("form") not in list(SADDLE_FIELDS), "strict_saddle has an unknown form")
            more = SADDLE_FIELDS[claim["form"]]
        assert kind is not None
        keys(claim, kind, {"type"} | FIELDS[kind] | more)
        read_fields(claim, p, point)
    kinds = [claim["type"] for claim in claims]
    fail(len(set(kinds)) != len(kinds), "a type of claim occurs twice")
    existence = [kind for kind in kinds if kind in ("critical", "rank_one")]
    fail(len(existence) > 1, "critical and rank_one exclude each other")
    needs = [kind for kind in kinds if kind in ("index", "global_minimum", "spurious")]
    fail(bool(needs) and not existence, "index, global_minimum and spurious need critical or rank_one")
    fail(point is None and kinds not in ([], ["benign"]), "point may be null only beside the claim benign")
    allowed = {"critical", "index", "strict_saddle", "spurious"}
    fail(p.kind == "expression" and not set(kinds) <= allowed, "an expression allows other claims")
    return claims


def read_fields(claim: dict[str, Any], p: Problem, point: Point | None) -> None:
    """Check and parse the fields of one claim in place."""
    for name in ("radius", "unique_radius", "gap", "margin", "curvature"):
        if name in claim:
            claim[name] = dyadic(claim[name], name)
            least = 0 if name == "gap" or (name == "radius" and claim["type"] == "strict_saddle") else 1
            wrong = claim[name][0] >= 0 if name == "curvature" else sign_of(claim[name]) < least
            fail(wrong, f"{claim['type']}: {name} has the wrong sign")
    if claim["type"] == "critical":
        fail(exceeds(claim["radius"], claim["unique_radius"]), "critical: radius exceeds unique_radius")
    if claim["type"] == "benign":
        fail(claim["theorem"] != "S" or claim["basis"] != "BY_THEOREM", "benign: theorem S, basis BY_THEOREM")
        return
    if point is None:
        return
    M, r = len(point.columns), point.rank
    if claim["type"] == "index":
        integer(claim["index"], "index", 0)
    if "shifts" in claim:
        claim["shifts"] = [dyadic(x, "shift") for x in items(claim["shifts"], "shifts", M)]
    if "target" in claim:
        claim["target"] = [dyadic(x, "target") for x in items(claim["target"], "target", r - 1)]
    if "lower_point" in claim:
        claim["lower_point"] = read_point(claim["lower_point"], p, "lower_point")
    if "group" in claim:
        g = integer(claim["group"], "group", 0, len(point.groups) - 1)
        fail(point.groups[g][1] < 2, "strict_saddle: the group has a single sample")
    if claim["type"] == "strict_saddle":
        fail(
            p.kind == "expression" and claim["form"] != "tangent",
            "an expression allows the form tangent only",
        )
        if claim["form"] == "tangent":
            rows = [items(v, "direction", r) for v in items(claim["direction"], "direction", M)]
            claim["direction"] = [[dyadic(x, "direction") for x in v] for v in rows]
        elif "direction" in claim:
            length = M if claim["form"] == "normal" else r
            claim["direction"] = [
                dyadic(x, "direction") for x in items(claim["direction"], "direction", length)
            ]


# --- cost, gradient and Hessian of the cross-entropy problem


class Evaluation:
    """Everything at one matrix of balls ``X`` (a list of columns); derivatives are Euclidean."""

    def __init__(self, B: Any, p: Problem, point: Point, X: list[list[Any]]) -> None:
        self.B, self.p, self.X, self.K, self.r = B, p, X, p.classes, len(X[0])
        self.W, self.H = X[: self.K], X[self.K :]
        self.y = [group[0] for group in point.groups]
        self.m = [group[1] for group in point.groups]
        number = B.number
        fail_large(len(self.H) * self.K * min(self.K, 16), MOST_TERMS)
        fail_large(len(self.H) * self.K * self.r, 24 * MOST_TERMS)
        self.tau = number(p.tau.numerator) / p.tau.denominator
        if p.weights is None:
            self.omega = [number(1) / p.samples for _ in self.y]
        else:
            w = [number(a.numerator) / a.denominator for a in p.weights]
            total = sum(w, number(0))
            self.omega = [w[group[2]] / total for group in point.groups]
        self.softmax()

    def softmax(self) -> None:
        """Probabilities ``p[g][k]``, their complements, ``G[g][k]`` and the cost; nothing cancels."""
        B, K = self.B, self.K
        self.prob, self.G, self.cost = [], [], B.number(0)
        for h, y, m, omega in zip(self.H, self.y, self.m, self.omega, strict=True):
            z = [self.tau * dot(w, h) for w in self.W]
            if K <= 16:
                ratio = [[B.exp(z[j] - z[k]) for j in range(K)] for k in range(K)]
                prob = [
                    1 / (1 + sum((ratio[k][j] for j in range(K) if j != k), B.number(0))) for k in range(K)
                ]
                others = sum((ratio[y][j] for j in range(K) if j != y), B.number(0))
            else:
                e = [B.exp(a - z[y]) for a in z]
                others = sum((e[j] for j in range(K) if j != y), B.number(0))
                prob = [a / (1 + others) if k != y else 1 / (1 + others) for k, a in enumerate(e)]
            self.prob.append(prob)
            scale = self.tau * m * omega
            wrong = sum((prob[j] for j in range(K) if j != y), B.number(0))
            self.G.append([scale * prob[k] if k != y else -scale * wrong for k in range(K)])
            self.cost += m * omega * B.log1p(others)

    def gradient(self) -> list[list[Any]]:
        """Euclidean gradient, column by column."""
        gW = [combine(self.B, [g[k] for g in self.G], self.H) for k in range(self.K)]
        return gW + [combine(self.B, g, self.W) for g in self.G]

    def quadratic(self, V: list[list[Any]]) -> Any:
        """Euclidean second derivative along ``V``: the form without its multipliers."""
        U, total = V[: self.K], self.B.number(0)
        for g, (h, v) in enumerate(zip(self.H, V[self.K :], strict=True)):
            D = [dot(u, h) + dot(w, v) for u, w in zip(U, self.W, strict=True)]
            total += self.curvature(g) * self.spread(g, D)
            total += 2 * sum((a * dot(u, v) for a, u in zip(self.G[g], U, strict=True)), self.B.number(0))
        return total

    def curvature(self, g: int) -> Any:
        """``tau^2 m omega`` of a group."""
        return self.tau * self.tau * self.m[g] * self.omega[g]

    def spread(self, g: int, D: list[Any]) -> Any:
        """``D^T C D = sum_{k < l} p_k p_l (D_k - D_l)^2``."""
        q = self.prob[g]
        return sum(
            (q[k] * q[l] * (D[k] - D[l]) * (D[k] - D[l]) for k, l in combinations(range(self.K), 2)),
            self.B.number(0),
        )

    def centred(self, g: int) -> list[list[Any]]:
        """Rows ``(C W^T)_k = p_k sum_l p_l (w_k - w_l)``."""
        q = self.prob[g]
        rows = []
        for k in range(self.K):
            rest = [(q[l], w) for l, w in enumerate(self.W) if l != k]
            differences = [[a - b for a, b in zip(self.W[k], w, strict=True)] for _, w in rest]
            rows.append([q[k] * x for x in combine(self.B, [p for p, _ in rest], differences)])
        return rows

    def split(self, g: int, beta: Any) -> list[list[Any]]:
        """``tau^2 omega W C W^T - (beta / m) I`` of one sample of a group."""
        fail_large(self.K * self.K * self.r * self.r, 4 * MOST_TERMS)
        q, B = self.prob[g], self.B
        c = self.tau * self.tau * self.omega[g]
        block = [[B.number(0) for _ in range(self.r)] for _ in range(self.r)]
        for k, l in combinations(range(self.K), 2):
            d = [a - b for a, b in zip(self.W[k], self.W[l], strict=True)]
            add_outer(block, c * q[k] * q[l], d, d)
        for a in range(self.r):
            block[a][a] -= beta / self.m[g]
        return block

    def hessian(self) -> list[list[Any]]:
        """Euclidean Hessian, entry ``(j r + a, i r + b)``."""
        r, K, B = self.r, self.K, self.B
        n = r * len(self.X)
        fail_large(n, MOST_UNKNOWNS)
        fail_large(K * K * len(self.H) * r * r, 4 * MOST_TERMS)
        A = [[B.number(0)] * n for _ in range(n)]
        for g, h in enumerate(self.H):
            q, c, cw = self.prob[g], self.curvature(g), self.centred(g)
            inside = self.split(g, B.number(0))
            place = (K + g) * r
            hh = [[a * b for b in h] for a in h]
            for a in range(r):
                for b in range(r):
                    A[place + a][place + b] += self.m[g] * inside[a][b]
            for k in range(K):
                rest = sum((q[j] for j in range(K) if j != k), B.number(0))
                for l in range(K):
                    weight = c * (q[k] * rest if k == l else -q[k] * q[l])
                    for a in range(r):
                        row = A[k * r + a]
                        for b in range(r):
                            row[l * r + b] += weight * hh[a][b]
                for a in range(r):
                    for b in range(r):
                        x = c * h[a] * cw[k][b] + (self.G[g][k] if a == b else 0)
                        A[k * r + a][place + b] += x
                        A[place + b][k * r + a] += x
        return A

    def multiplier_matrix(self, lam: list[Any]) -> list[list[Any]]:
        """``S``."""
        K, M = self.K, len(self.X)
        fail_large(M, MOST_UNKNOWNS)
        S = [[self.B.number(0) for _ in range(M)] for _ in range(M)]
        for j in range(M):
            S[j][j] = -lam[j]
        for g, column in enumerate(self.G):
            for k in range(K):
                S[k][K + g] = S[K + g][k] = column[k]
        return S


class Expression:
    """The same interface for a program: sparse second-order automatic differentiation."""

    def __init__(self, B: Any, p: Problem, X: list[list[Any]]) -> None:
        self.B, self.X, self.r = B, X, len(X[0])
        self.m: list[int] = []
        self.K = len(X)
        self.work = 0
        values: list[tuple[Any, dict[int, Any], dict[tuple[int, int], Any]]] = []
        terms = 0
        for step in p.program:
            values.append(self.step(step, values))
            terms += len(values[-1][1]) + len(values[-1][2])
            fail_large(terms, MOST_SPARSE)
        self.cost, self.first, self.second = values[-1]

    def step(self, step: Any, values: list[Any]) -> Any:
        """Value, gradient and Hessian (pairs i <= j) of one instruction."""
        name, number, r = step[0], self.B.number, self.r
        if name == "const":
            return number(step[1].numerator) / step[1].denominator, {}, {}
        if name == "x":
            return self.X[step[2]][step[1]], {step[2] * r + step[1]: number(1)}, {}
        if name == "gram":
            return self.gram(step[1], step[2])
        if name == "add":
            return self.linear([(1, values[a]) for a in step[1:]])
        if name in ("sub", "neg"):
            parts = (
                [(1, values[step[1]]), (-1, values[step[2]])] if name == "sub" else [(-1, values[step[1]])]
            )
            return self.linear(parts)
        if name == "mul":
            return self.times(values[step[1]], values[step[2]])
        if name == "div":
            v = values[step[2]][0]
            if not (v > 0 or v < 0):
                raise Undecided("a divisor is not proved nonzero")
            return self.times(
                values[step[1]], self.chain(values[step[2]], 1 / v, -1 / (v * v), 2 / (v * v * v))
            )
        v = values[step[1]][0]
        if name in ("log", "sqrt") and not v > 0:
            raise Undecided(f"the argument of {name} is not proved positive")
        if name == "exp":
            e = self.B.exp(v)
            return self.chain(values[step[1]], e, e, e)
        if name == "log":
            return self.chain(values[step[1]], self.B.log(v), 1 / v, -1 / (v * v))
        if name == "sqrt":
            s = self.B.sqrt(v)
            return self.chain(values[step[1]], s, 1 / (2 * s), -1 / (4 * s * v))
        n = step[2]
        powers = [number(1)]
        for _ in range(n):
            powers.append(powers[-1] * v)
        return self.chain(values[step[1]], powers[n], n * powers[n - 1], n * (n - 1) * powers[n - 2])

    def gram(self, i: int, j: int) -> Any:
        """``<x_i, x_j>``."""
        r = self.r
        first: dict[int, Any] = {}
        second: dict[tuple[int, int], Any] = {}
        for a in range(r):
            first[i * r + a] = first.get(i * r + a, 0) + self.X[j][a]
            first[j * r + a] = first.get(j * r + a, 0) + self.X[i][a]
            pair = (min(i, j) * r + a, max(i, j) * r + a)
            second[pair] = self.B.number(2 if i == j else 1)
        if i == j:
            first = {i * r + a: 2 * self.X[i][a] for a in range(r)}
        return dot(self.X[i], self.X[j]), first, second

    def spend(self, terms: int) -> None:
        """Bound the work before it is done; an instruction's result may be much smaller than its work."""
        self.work += terms
        fail_large(self.work, 4 * MOST_SPARSE)

    def linear(self, parts: list[tuple[int, Any]]) -> Any:
        """A sum with signs."""
        value = self.B.number(0)
        first: dict[int, Any] = {}
        second: dict[tuple[int, int], Any] = {}
        for c, (v, f, s) in parts:
            self.spend(1 + len(f) + len(s))
            value += c * v
            for key, x in f.items():
                first[key] = first.get(key, 0) + c * x
            for pair, x in s.items():
                second[pair] = second.get(pair, 0) + c * x
        return value, first, second

    def times(self, a: Any, b: Any) -> Any:
        """A product; the square of one value has each cross term once."""
        self.spend(len(a[1]) * len(b[1]) + len(a[2]) + len(b[2]))
        first = {key: a[0] * b[1].get(key, 0) + b[0] * a[1].get(key, 0) for key in {**a[1], **b[1]}}
        second = {pair: a[0] * b[2].get(pair, 0) + b[0] * a[2].get(pair, 0) for pair in {**a[2], **b[2]}}
        for i, x in a[1].items():
            for j, y in b[1].items():
                pair = (min(i, j), max(i, j))
                second[pair] = second.get(pair, 0) + (2 if i == j else 1) * x * y
        return a[0] * b[0], first, second

    def chain(self, a: Any, value: Any, one: Any, two: Any) -> Any:
        """A function of one value, with its derivatives."""
        self.spend(len(a[1]) * len(a[1]) + len(a[2]))
        first = {key: one * x for key, x in a[1].items()}
        second = {pair: one * x for pair, x in a[2].items()}
        for i, x in a[1].items():
            for j, y in a[1].items():
                if i <= j:
                    second[i, j] = second.get((i, j), 0) + two * x * y
        return value, first, second

    def gradient(self) -> list[list[Any]]:
        """Euclidean gradient."""
        zero = self.B.number(0)
        return [[self.first.get(j * self.r + a, zero) for a in range(self.r)] for j in range(len(self.X))]

    def hessian(self) -> list[list[Any]]:
        """Euclidean Hessian."""
        n = self.r * len(self.X)
        A = [[self.B.number(0) for _ in range(n)] for _ in range(n)]
        for (i, j), x in self.second.items():
            A[i][j] = A[j][i] = self.B.number(0) + x
        return A

    def quadratic(self, V: list[list[Any]]) -> Any:
        """Second derivative along ``V``."""
        v = [x for column in V for x in column]
        total = self.B.number(0)
        for (i, j), x in self.second.items():
            total += (1 if i == j else 2) * x * v[i] * v[j]
        return total


def fail_large(size: int, most: int) -> None:
    """Leave what is too large undecided."""
    if size > most:
        raise Undecided(f"too large for this checker ({size} exceeds {most})")


def dot(a: list[Any], b: list[Any]) -> Any:
    """Inner product."""
    total = a[0] * b[0]
    for x, y in zip(a[1:], b[1:], strict=True):
        total += x * y
    return total


def combine(B: Any, weights: list[Any], columns: list[list[Any]]) -> list[Any]:
    """``sum_i weights_i columns_i``."""
    total = [B.number(0) for _ in columns[0]]
    for w, c in zip(weights, columns, strict=True):
        total = [t + w * x for t, x in zip(total, c, strict=True)]
    return total


def add_outer(A: list[list[Any]], weight: Any, a: list[Any], b: list[Any]) -> None:
    """``A += weight a b^T``."""
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            A[i][j] += weight * x * y


def plus_squares(B: Any, A: list[list[Any]], vectors: list[list[Any]]) -> list[list[Any]]:
    """``A`` plus the sum of ``v v^T``."""
    squares = B.product([list(c) for c in zip(*vectors, strict=True)], vectors)
    return [[x + y for x, y in zip(row, more, strict=True)] for row, more in zip(A, squares, strict=True)]


# --- linear algebra in balls


def inertia(B: Any, A: list[list[Any]]) -> int | None:
    """Negative eigenvalues of every symmetric matrix in ``A``, if all are proved nonsingular; else None.

    Sylvester: for nonsingular T, ``T^T A T`` has the inertia of A; where it is strictly diagonally dominant,
    its signs are those of its diagonal, and T is nonsingular of itself.  T comes from floating point and is
    not trusted; a second pass improves it.
    """
    n = len(A)
    fail_large(n, MOST_UNKNOWNS)
    with suppress(ZeroDivisionError, OverflowError, ValueError):
        for seed in range(2):
            C = A
            for _ in range(3):
                T = [
                    [B.number(*exact(x)) for x in row]
                    for row in diagonaliser([[real(x) for x in row] for row in C], seed)
                ]
                C = B.product([list(c) for c in zip(*T, strict=True)], B.product(C, T))
                tops = [[B.top(x) for x in row] for row in C]
                if all(
                    abs(C[i][i]) > sum((t for j, t in enumerate(row) if j != i), B.number(0))
                    for i, row in enumerate(tops)
                ):
                    return sum(1 for i in range(n) if C[i][i] < 0)
                seed = 0
    return None


def real(x: Any) -> float:
    """Nearest double to the middle of a ball."""
    return float(x.mid() if callable(x.mid) else x.mid.a)


def exact(x: float) -> tuple[int, int]:
    """A double as mantissa and exponent."""
    top, bottom = x.as_integer_ratio()
    return top, 1 - bottom.bit_length()


def diagonaliser(A: list[list[float]], seed: int) -> list[list[float]]:
    """T with ``T^T A T`` nearly diagonal: reflect (from the second try on), then LDL^T without pivots."""
    n = len(A)
    v = (
        [((i * 7919 + seed * 104729 + 1) % 1009) / 1009 - 0.3 for i in range(n)]
        if seed or has_small_pivot(A)
        else None
    )
    if v is not None:
        c = 2.0 / sum(x * x for x in v)
        Av = [sum(a * x for a, x in zip(row, v, strict=True)) for row in A]
        q = c * c * sum(a * x for a, x in zip(Av, v, strict=True))
        A = [
            [A[i][j] - c * (v[i] * Av[j] + Av[i] * v[j]) + q * v[i] * v[j] for j in range(n)]
            for i in range(n)
        ]
    L: list[list[float]] = []
    D: list[float] = []
    for i in range(n):
        row: list[float] = []
        for j in range(i):
            row.append(A[i][j] - sum(a * b for a, b in zip(row, L[j], strict=False)))
        scaled = [a / d for a, d in zip(row, D, strict=True)]
        pivot = A[i][i] - sum(a * b for a, b in zip(row, scaled, strict=True))
        L.append([*scaled, 1.0])
        D.append(pivot or 1e-30)
        # rows of L are kept scaled; the sum above uses unscaled row against scaled rows
    T = [[0.0] * n for _ in range(n)]
    for j in range(n):
        x = [0.0] * n
        x[j] = 1.0 / abs(D[j]) ** 0.5
        for i in range(j - 1, -1, -1):
            x[i] = -sum(L[k][i] * x[k] for k in range(i + 1, j + 1))
        if v is not None:
            t = c * sum(a * b for a, b in zip(v, x, strict=True))
            x = [a - t * b for a, b in zip(x, v, strict=True)]
        for i in range(n):
            T[i][j] = x[i]
    return T


def has_small_pivot(A: list[list[float]]) -> bool:
    """Whether a diagonal entry is small beside its row."""
    return any(abs(row[i]) < 1e-3 * max(map(abs, row)) for i, row in enumerate(A))


def krawczyk(B: Any, F: list[Any], J: list[list[Any]], u: list[Any]) -> tuple[Any, Any]:
    """Lemma 4: upper bounds of eta and q for the box of radii ``u``; the inverse is approximate."""
    n = len(F)
    fail_large(n, MOST_UNKNOWNS)
    Y = B.inverse([[B.mid(x) for x in row] for row in J])
    step = B.product(Y, [[x] for x in F])
    YJ = B.product(Y, J)
    eta = q = B.number(0)
    for i in range(n):
        here = B.top(step[i][0]) / u[i]
        eta = larger(B, eta, here)
        row = sum((B.top((1 if i == j else 0) - x) * u[j] for j, x in enumerate(YJ[i])), B.number(0)) / u[i]
        q = larger(B, q, row)
    return eta, q


def larger(B: Any, a: Any, b: Any) -> Any:
    """An upper bound of both."""
    return a if a >= b else b if b >= a else B.top(a) + B.top(b)


# --- the claims


class Checker:
    """All claims of one certificate at one precision."""

    def __init__(self, B: Any, p: Problem, point: Point | None, claims: list[dict[str, Any]]) -> None:
        self.B, self.p, self.point = B, p, point
        self.claims = {claim["type"]: claim for claim in claims}
        self.status: dict[str, str] = {}
        self.cache: dict[Any, Any] = {}

    def run(self) -> list[ClaimResult]:
        """Every claim; those about X* wait for its existence."""
        order = ["critical", "rank_one", "index"] + [
            k for k in FIELDS if k not in ("critical", "rank_one", "index")
        ]
        found = {}
        for kind in order:
            if kind in self.claims:
                try:
                    status, text = getattr(self, kind)(self.claims[kind])
                except (Undecided, ArithmeticError, ValueError) as reason:
                    status, text = UNDECIDED, str(reason) or type(reason).__name__
                self.status[kind] = status
                found[kind] = ClaimResult(type=kind, status=status, text=text)
        return [found[kind] for kind in self.claims]

    # evaluation

    @property
    def place(self) -> Point:
        """The stored point."""
        assert self.point is not None
        return self.point

    def at(self, radius: Any) -> Any:
        """Evaluation over ``B(radius)``; radius None is the centre itself."""
        # by the exact radius: its printed digits do not tell two radii apart
        if radius not in self.cache:
            X = [[self.B.number(*x) for x in column] for column in self.place.columns]
            for column in X:
                length = dot(column, column)
                if not (length > 0.25 and length < 4):
                    raise Undecided("a stored column has a length outside 1/2 .. 2")
            if radius is not None:
                reach = self.B.number(*radius)
                X = [[self.B.around(x, reach) for x in column] for column in X]
            self.cache[radius] = self.evaluate(self.place, X)
        return self.cache[radius]

    def evaluate(self, point: Point, X: list[list[Any]]) -> Any:
        """Cost and derivatives at columns of balls."""
        if self.p.kind == "expression":
            return Expression(self.B, self.p, X)
        return Evaluation(self.B, self.p, point, X)

    def parts(self, e: Any) -> Any:
        """Gradient and multipliers ``lambda_j = <x_j, grad_j>`` of an evaluation, remembered."""
        if not hasattr(e, "parts"):
            gradient = e.gradient()
            e.parts = gradient, [dot(x, g) for x, g in zip(e.X, gradient, strict=True)]
        return tuple(e.parts)

    def radius(self) -> tuple[int, int]:
        """Radius of X*, whose existence must have been proved."""
        if self.status.get("rank_one") == PROVED:
            return 0, 0
        if self.status.get("critical") == PROVED:
            return tuple(self.claims["critical"]["radius"])
        raise Undecided("no critical point is proved")

    def scales(self) -> list[Any]:
        """Powers of four near each column's gradient scale at the centre; any positive numbers would do."""
        e = self.at(None)
        gradient, _ = self.parts(e)
        if self.p.kind == "expression":
            sizes = [max(abs(real(x)) for x in g) for g in gradient]
            sizes = [max(size, 1e-6 * max(sizes), 1e-300) for size in sizes]
        else:
            sizes = [sum(abs(real(g[k])) for g in e.G) for k in range(e.K)] + [
                sum(abs(real(x)) for x in g) for g in e.G
            ]
        if not min(sizes) > 1e-290:
            raise Undecided("gradient scales underflow")
        return [self.B.number(1, 2 * round(math.log2(size) / 2)) for size in sizes]

    # claims about X*

    def critical(self, claim: dict[str, Any]) -> tuple[str, str]:
        """Lemmas 3 and 4."""
        B, r, M = self.B, self.place.rank, len(self.place.columns)
        radius, rho = B.number(*claim["radius"]), B.number(*claim["unique_radius"])
        skew = list(combinations(range(r), 2)) if self.p.invariant else []
        n = r * M + M + len(skew)
        fail_large(n, MOST_UNKNOWNS)
        if self.no_zero(claim["radius"]):
            return REFUTED, "the gradient does not vanish anywhere within the radius"
        centre, box, s = self.at(None), self.at(claim["unique_radius"]), self.scales()
        (g0, lam0), (_, lam1) = self.parts(centre), self.parts(box)
        mu = [B.mid(a / b) for a, b in zip(lam0, s, strict=True)]
        reach = [2 * B.top(a / b - c) + rho for a, b, c in zip(lam1, s, mu, strict=True)]
        Xhat = centre.X
        F = [g / s[j] - mu[j] * x for j in range(M) for g, x in zip(g0[j], Xhat[j], strict=True)]
        F += [(dot(x, x) - 1) / 2 for x in Xhat] + [B.number(0) for _ in skew]
        J = [[B.number(0)] * n for _ in range(n)]
        for i, row in enumerate(box.hessian()):
            for j, x in enumerate(row):
                J[i][j] = x / s[i // r]
        for j in range(M):
            here = B.around(mu[j], reach[j])
            for a in range(r):
                J[j * r + a][j * r + a] -= here
                J[j * r + a][r * M + j] = -box.X[j][a]
                J[r * M + j][j * r + a] = box.X[j][a]
            for q, (a, b) in enumerate(skew):
                omega = B.around(B.number(0), rho)
                J[j * r + a][j * r + b] += omega
                J[j * r + b][j * r + a] -= omega
                J[j * r + a][r * M + M + q] = box.X[j][b]
                J[j * r + b][r * M + M + q] = -box.X[j][a]
                J[r * M + M + q][j * r + a] = Xhat[j][b]
                J[r * M + M + q][j * r + b] = -Xhat[j][a]
        u = [rho] * (r * M) + reach + [rho] * len(skew)
        eta, q = krawczyk(B, F, J, u)
        if not (eta + q < 1 and rho * eta / (1 - q) <= radius):
            return UNDECIDED, f"Krawczyk's test fails: eta = {B.show(eta)}, q = {B.show(q)}"
        name = "modulo rotations, " if self.p.invariant else ""
        return PROVED, (
            f"an exact critical point of rank at most {r} exists within {B.show(radius)} of the stored point, {name}"
            f"unique within {B.show(rho)} (eta = {B.show(eta)}, q = {B.show(q)})"
        )

    def no_zero(self, radius: Any) -> bool:
        """Whether some tangential component of the gradient excludes zero over the whole ball."""
        e = self.at(radius)
        gradient, lam = self.parts(e)
        for x, g, a in zip(e.X, gradient, lam, strict=True):
            if any(t > 0 or t < 0 for t in (b - a * c for b, c in zip(g, x, strict=True))):
                return True
        return False

    def rank_one(self, claim: dict[str, Any]) -> tuple[str, str]:
        """All entries are 1 or -1."""
        whole = all(is_one(abs(m), e) for column in self.place.columns for m, e in column)
        if self.place.rank == 1 and whole:
            return PROVED, "the point is exactly of rank one, and therefore critical in every dimension"
        return REFUTED, "the stored point is not exactly of rank one"

    def index(self, claim: dict[str, Any]) -> tuple[str, str]:
        """Lemmas 6 and 7."""
        radius = self.radius()
        e, s, r, d = self.at(radius), self.scales(), self.place.rank, self.p.dim
        _, lam = self.parts(e)
        total = self.index_in_span(e, lam, s)
        K, multiple = self.p.classes, [g for g, m in enumerate(e.m) if m > 1]
        for g in multiple:
            total += (e.m[g] - 1) * self.split_index(e, g, lam[K + g], s[K + g])
        if r < d:
            count = known(inertia(self.B, self.normal_matrix(e, lam, s)), "the multiplier matrix")
            for g in multiple:
                if not (lam[K + g] > 0 or lam[K + g] < 0):
                    raise Undecided("the sign of a multiplier is not proved")
                count += e.m[g] - 1 if lam[K + g] > 0 else 0
            total += (d - r) * count
        if total == claim["index"]:
            return PROVED, f"its Morse index is {total}, and its kernel is exactly the orbit's tangent space"
        return REFUTED, f"its Morse index is {total}"

    def index_in_span(self, e: Any, lam: list[Any], s: list[Any]) -> int:
        """``n_-(P H P + N N^T + Z Z^T)`` with columns scaled by ``s^(-1/2)``; zero in R^1."""
        B, r, M = self.B, e.r, len(e.X)
        if r == 1:
            return 0
        fail_large(r * M, MOST_UNKNOWNS)
        root = [B.sqrt(x) for x in s]
        H = e.hessian()
        for j in range(M):
            for a in range(r):
                H[j * r + a][j * r + a] -= lam[j]
        for i, row in enumerate(H):
            for j in range(r * M):
                row[j] /= root[i // r] * root[j // r]
        A = [list(c) for c in zip(*project_rows(project_rows(H, e.X), e.X, transposed=True), strict=True)]
        for j, x in enumerate(e.X):
            for a in range(r):
                for b in range(r):
                    A[j * r + a][j * r + b] += x[a] * x[b]
        if self.p.invariant:
            largest, Z = max(s, key=real), []
            for a, b in combinations(range(r), 2):
                z = [B.number(0)] * (r * M)
                for j, x in enumerate(e.X):
                    weight = B.sqrt(s[j] / largest)
                    z[j * r + a], z[j * r + b] = weight * x[b], -weight * x[a]
                Z.append(z)
            A = plus_squares(B, A, Z)
        return known(inertia(B, A), "the Hessian")

    def split_index(self, e: Any, g: int, beta: Any, scale: Any) -> int:
        """Negative eigenvalues of ``B_g`` on the tangent space of ``h_g``."""
        h = e.H[g]
        block = [[x * e.m[g] / scale for x in row] for row in e.split(g, beta)]
        block = project_rows(project_rows(block, [h]), [h], transposed=True)
        add_outer(block, self.B.number(1), h, h)
        return known(inertia(self.B, block), "a split block")

    def normal_matrix(self, e: Any, lam: list[Any], s: list[Any]) -> list[list[Any]]:
        """``D^(-1/2) (S + D X^T X D / max) D^(-1/2)``."""
        B, largest = self.B, max(s, key=real)
        root = [B.sqrt(x) for x in s]
        S = e.multiplier_matrix(lam)
        fail_large(len(S), MOST_UNKNOWNS)
        S = [[x / (root[i] * root[j]) for j, x in enumerate(row)] for i, row in enumerate(S)]
        V = [[B.sqrt(s[j] / largest) * x[a] for j, x in enumerate(e.X)] for a in range(e.r)]
        return plus_squares(B, S, V)

    def global_minimum(self, claim: dict[str, Any]) -> tuple[str, str]:
        """Lemma 8."""
        e, s = self.at(self.radius()), self.scales()
        _, lam = self.parts(e)
        if known(inertia(self.B, self.normal_matrix(e, lam, s)), "the multiplier matrix") == 0:
            return (
                PROVED,
                "its multiplier matrix is positive semidefinite: a global minimiser in every dimension",
            )
        return UNDECIDED, "its multiplier matrix has a negative eigenvalue, which decides nothing"

    def spurious(self, claim: dict[str, Any]) -> tuple[str, str]:
        """A local minimiser, and a point that is lower by the margin over the whole ball."""
        if self.status.get("index") == REFUTED or self.claims.get("index", {}).get("index") != 0:
            return (
                REFUTED if self.status.get("index") == REFUTED else UNDECIDED
            ), "index 0 is not claimed and proved"
        if self.status.get("index") != PROVED:
            raise Undecided("index 0 is not proved")
        here, there = self.at(self.radius()).cost, self.lower_cost(claim["lower_point"])
        margin = self.B.number(*claim["margin"])
        if there < here - margin:
            return (
                PROVED,
                f"a local minimiser of cost {self.B.show(here)}, above a point of cost {self.B.show(there)}",
            )
        return (REFUTED if there > here else UNDECIDED), "the other point is not proved lower by the margin"

    def lower_cost(self, point: Point) -> Any:
        """Cost at another point, columns divided by their lengths."""
        return self.evaluate(point, self.normalised(point)).cost

    def normalised(self, point: Point) -> list[list[Any]]:
        """Stored columns divided by their lengths."""
        columns = [[self.B.number(*x) for x in column] for column in point.columns]
        lengths = [self.B.sqrt(dot(c, c)) for c in columns]
        if not all(length > 0.5 and length < 2 for length in lengths):
            raise Undecided("a stored column has a length outside 1/2 .. 2")
        return [[x / length for x in c] for c, length in zip(columns, lengths, strict=True)]

    # claims about all critical points near by, or none

    def strict_saddle(self, claim: dict[str, Any]) -> tuple[str, str]:
        """Section 5.4: one Rayleigh quotient over the ball."""
        B = self.B
        radius = B.number(*claim["radius"])
        e = self.at(claim["radius"])
        _, lam = self.parts(e)
        top, bottom = getattr(self, f"form_{claim['form']}")(claim, e, lam)
        c = B.number(*claim["curvature"])
        if bottom > 0 and top - c * bottom < 0:
            where = f"every critical point within {B.show(radius)} of the stored point"
            return PROVED, f"{where} has a Hessian eigenvalue below {B.show(c)} (form {claim['form']})"
        return UNDECIDED, "the curvature along the stored direction is not proved below the bound"

    def form_tangent(self, claim: dict[str, Any], e: Any, lam: list[Any]) -> tuple[Any, Any]:
        """``Hess[V, V]`` and the length of V in the full problem's metric."""
        V = [self.tangent(claim["direction"][j], x) for j, x in enumerate(e.X)]
        sizes = [dot(v, v) for v in V]
        top = e.quadratic(V) - sum((a * b for a, b in zip(lam, sizes, strict=True)), self.B.number(0))
        return top, sum((m * x for m, x in zip(self.multiplicities(e), sizes, strict=True)), self.B.number(0))

    def form_normal(self, claim: dict[str, Any], e: Any, lam: list[Any]) -> tuple[Any, Any]:
        """``c^T S c`` and the length of c."""
        if e.r >= self.p.dim:
            raise Undecided("no direction is normal to the span")
        c = [self.B.number(*x) for x in claim["direction"]]
        top = -sum((a * x * x for a, x in zip(lam, c, strict=True)), self.B.number(0))
        for g, column in enumerate(e.G):
            top += (
                2 * c[e.K + g] * sum((a * x for a, x in zip(column, c[: e.K], strict=True)), self.B.number(0))
            )
        return top, sum((m * x * x for m, x in zip(self.multiplicities(e), c, strict=True)), self.B.number(0))

    def form_split_tangent(self, claim: dict[str, Any], e: Any, lam: list[Any]) -> tuple[Any, Any]:
        """``v^T B_g v`` and the length of v."""
        g = claim["group"]
        v = self.tangent(claim["direction"], e.H[g])
        return dot(v, [dot(row, v) for row in e.split(g, lam[e.K + g])]), dot(v, v)

    def form_split_normal(self, claim: dict[str, Any], e: Any, lam: list[Any]) -> tuple[Any, Any]:
        """``-beta_g / m_g``."""
        if e.r >= self.p.dim:
            raise Undecided("no direction is normal to the span")
        return -lam[e.K + claim["group"]] / e.m[claim["group"]], self.B.number(1)

    def tangent(self, direction: list[tuple[int, int]], x: list[Any]) -> list[Any]:
        """Projection of a stored direction on the tangent space of ``x``."""
        v = [self.B.number(*a) for a in direction]
        t = dot(v, x)
        return [a - t * b for a, b in zip(v, x, strict=True)]

    def multiplicities(self, e: Any) -> list[int]:
        """How often each column counts in the metric."""
        return [1] * e.K + list(e.m)

    def gap(self, claim: dict[str, Any]) -> tuple[str, str]:
        """Lemma 9, by the K x K Schur complement."""
        B, K = self.B, self.p.classes
        fail_large(K, MOST_SCHUR)
        e = self.evaluate(self.place, self.normalised(self.place))
        _, lam = self.parts(e)
        delta = [B.number(*x) for x in claim["shifts"]]
        low = [-lam[K + g] + m * delta[K + g] for g, m in enumerate(e.m)]
        if not all(x > 0 for x in low):
            raise Undecided("a shifted diagonal entry is not proved positive")
        largest = max(abs(real(x)) for x in lam) or 1.0
        unit = B.number(*exact(largest))
        C = B.product([[g[k] / (x * unit) for g, x in zip(e.G, low, strict=True)] for k in range(K)], e.G)
        A = [
            [((delta[k] - lam[k]) / unit if k == l else B.number(0)) - C[k][l] for l in range(K)]
            for k in range(K)
        ]
        for k, l in combinations(range(K), 2):
            # the matrix is symmetric: both balls hold the same number
            A[l][k] = A[k][l]
        if known(inertia(B, A), "the Schur complement") != 0:
            return UNDECIDED, "the shifted multiplier matrix is not positive definite"
        total = sum((m * x for m, x in zip(self.multiplicities(e), delta, strict=True)), B.number(0)) / 2
        if total <= B.number(*claim["gap"]):
            return (
                PROVED,
                f"the cost lies at most {B.show(B.number(*claim['gap']))} nats above the global minimum",
            )
        return UNDECIDED, "the shifts add up to more than the gap"

    def collapsed(self, claim: dict[str, Any]) -> tuple[str, str]:
        """Lemma 10."""
        B, p, r = self.B, self.p, self.place.rank
        groups = self.place.groups
        stored = [is_one(*c[0]) and not any(m for m, _ in c[1:]) for c in self.place.columns[: p.classes]]
        empty = len({y for y, _, _ in groups}) < p.classes
        nonzero = any(m != 0 for m, _ in claim["target"])
        if not (p.classes >= 2 and p.dim >= 3 and r >= 2 and all(stored)) or (empty and nonzero):
            raise Undecided("the hypotheses of the lemma do not hold")
        e, radius, target = self.at(None), B.number(*claim["radius"]), [B.number(*x) for x in claim["target"]]
        for k in range(p.classes):
            members = [(m * e.omega[g], e.H[g]) for g, (y, m, _) in enumerate(groups) if y == k]
            if members and not self.class_fits(members, target, radius):
                return UNDECIDED, f"class {k} is not proved to have an exact member near by"
        return PROVED, (
            f"an exact member of the collapsed family lies within {B.show(radius)} of the stored point; "
            "it is critical, its cost is log K, and it is a strict saddle (Theorem S, case A)"
        )

    def class_fits(self, members: list[tuple[Any, list[Any]]], target: list[Any], radius: Any) -> bool:
        """Whether some small shift ``c`` of all features of a class meets the target, within the radius."""
        B, n = self.B, len(target)
        zero = [B.number(0) for _ in range(n)]
        residual = [a - t for a, t in zip(self.bars(members, zero), target, strict=True)]
        if all(x == 0 for x in residual):
            return self.within(members, zero, radius)
        Y = B.inverse([[B.mid(x) for x in row] for row in self.slope(members, zero)])
        size = B.number(0)
        for x in B.product(Y, [[x] for x in residual]):
            size = larger(B, size, B.top(x[0]))
        for factor in (2, 8):
            u = factor * size + B.number(1, -self.B.bits)
            box = [B.around(x, u) for x in zero]
            eta, q = krawczyk(B, residual, self.slope(members, box), [B.top(u)] * n)
            if eta + q < 1 and self.within(members, [B.around(x, B.top(u)) for x in zero], radius):
                return True
        return False

    def shifted(self, h: list[Any], c: list[Any]) -> tuple[list[Any], Any]:
        """``n(h + (0, c))`` and the length."""
        moved = [h[0], *[a + b for a, b in zip(h[1:], c, strict=True)]]
        square = dot(moved, moved)
        if not square > 0:
            raise Undecided("a feature is not proved nonzero")
        length = self.B.sqrt(square)
        return [x / length for x in moved], length

    def bars(self, members: list[tuple[Any, list[Any]]], c: list[Any]) -> list[Any]:
        """``sum m omega bar(n)`` of a class."""
        return combine(self.B, [w for w, _ in members], [self.shifted(h, c)[0][1:] for _, h in members])

    def slope(self, members: list[tuple[Any, list[Any]]], c: list[Any]) -> list[list[Any]]:
        """Its derivative by ``c``."""
        n = len(c)
        fail_large(n, MOST_UNKNOWNS)
        fail_large(len(members) * n * n, 4 * MOST_TERMS)
        J = [[self.B.number(0) for _ in range(n)] for _ in range(n)]
        for w, h in members:
            unit, length = self.shifted(h, c)
            add_outer(J, -w / length, unit[1:], unit[1:])
            for a in range(n):
                J[a][a] += w / length
        return J

    def within(self, members: list[tuple[Any, list[Any]]], c: list[Any], radius: Any) -> bool:
        """Whether all shifted features stay within the radius of the stored ones."""
        return all(
            self.B.top(a - b) <= radius
            for _, h in members
            for a, b in zip(self.shifted(h, c)[0], h, strict=True)
        )

    def benign(self, claim: dict[str, Any]) -> tuple[str, str]:
        """Theorem S."""
        p = self.p
        if p.kind == "ufm" and p.classes >= 2 and p.dim >= max(p.classes, 3):
            return PROVED, (
                "BY_THEOREM: the hypotheses of Theorem S hold (K >= 2, d >= max(K, 3)), so every critical point "
                "of this instance is a global minimiser or a strict saddle; this is a theorem, not an enumeration"
            )
        return UNDECIDED, "Theorem S does not apply (it needs K >= 2 and d >= max(K, 3))"


def known(count: int | None, what: str) -> int:
    """A number that was proved."""
    if count is None:
        raise Undecided(f"the inertia of {what} is not proved")
    return count


def project_rows(A: list[list[Any]], X: list[list[Any]], transposed: bool = False) -> list[list[Any]]:
    """``P A`` with ``P`` the block diagonal of ``I - x_j x_j^T``; ``A P`` for the transposed."""
    if transposed:
        A = [list(c) for c in zip(*A, strict=True)]
    r, out = len(X[0]), []
    for j, x in enumerate(X):
        rows = A[j * r : (j + 1) * r]
        t = [dot(x, list(c)) for c in zip(*rows, strict=True)]
        out += [[b - a * c for b, c in zip(row, t, strict=True)] for a, row in zip(x, rows, strict=True)]
    return [list(c) for c in zip(*out, strict=True)] if transposed else out


# --- the public face


def check_bytes(data: bytes, backend: str = "flint") -> CheckResult:
    """Check a certificate.

    Parameters
    ----------
    data : bytes
        The file's content.
    backend : str
        ``"flint"``, or ``"mpmath"`` for small instances.

    Returns
    -------
    CheckResult

    Raises
    ------
    CheckError
        If the bytes are no certificate of this format.

    Examples
    --------
    >>> check_bytes(b"{}")
    Traceback (most recent call last):
    ...
    sphereufm.certify.checker.CheckError: certificate lacks claims, format, instance, point, producer
    """
    certificate = keys(
        read_json(data),
        "certificate",
        {"format", "producer", "instance", "point", "claims"},
        {"hints", "reason"},
    )
    fail(certificate["format"] != FORMAT, f"format must be {FORMAT}")
    producer = keys(certificate["producer"], "producer", {"name", "version"})
    words = [*producer.values(), certificate.get("reason", "")]
    fail(
        not all(isinstance(w, str) and len(w) <= 2000 for w in words),
        "producer and reason must be short texts",
    )
    fail(any(len(w) > 200 for w in producer.values()), "producer must be short texts")
    hints = keys(certificate.get("hints", {}), "hints", set(), {"precision", "cost"})
    if "cost" in hints:
        dyadic(hints["cost"], "hints.cost")
    first = integer(hints["precision"], "hints.precision", 53, 4096) if "precision" in hints else 0
    p = read_problem(certificate["instance"])
    point = None if certificate["point"] is None else read_point(certificate["point"], p, "point")
    claims = read_claims(certificate["claims"], p, point)
    results: list[ClaimResult] = []
    for bits in [b for b in LEVELS if b >= min(first, LEVELS[-1])]:
        arithmetic = BACKENDS[backend](bits)
        with arithmetic:
            results = Checker(arithmetic, p, point, claims).run()
        if all(result.status != UNDECIDED for result in results):
            break
    status, row = sentence(results, claims)
    return CheckResult(
        status=status, row=row, claims=tuple(results), backend=backend, reason=certificate.get("reason", "")
    )


def sentence(results: list[ClaimResult], claims: list[dict[str, Any]]) -> tuple[str, str]:
    """Section 8: what the claims say together."""
    if any(result.status == REFUTED for result in results):
        return REFUTED, "a claim is refuted"
    if not results or any(result.status != PROVED for result in results):
        return UNDECIDED, "not every claim is proved" if results else "there is no claim"
    by = {claim["type"]: claim for claim in claims}
    if "benign" in by and len(by) == 1:
        return PROVED, "benign instance, BY_THEOREM"
    if "collapsed" in by:
        return PROVED, "member of the collapsed family, a strict saddle"
    if "critical" in by or "rank_one" in by:
        radius = by["critical"]["radius"] if "critical" in by else (0, 0)
        covered = "strict_saddle" in by and not exceeds(radius, by["strict_saddle"]["radius"])
        index = by["index"]["index"] if "index" in by else None
        if "global_minimum" in by:
            return PROVED, "global minimiser"
        if "spurious" in by:
            return PROVED, "spurious local minimiser"
        if covered or (index is not None and index > 0):
            return PROVED, "strict saddle"
        if index == 0:
            return PROVED, "local minimiser"
    if "gap" in by:
        return PROVED, "optimality gap"
    return UNDECIDED, "the claims make no sentence about an existing point"


def check_file(path: str | Path, backend: str = "flint") -> CheckResult:
    """Check a certificate in a file; see :func:`check_bytes`.

    Raises
    ------
    CheckError
        If the file cannot be read, or is no certificate of this format.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise CheckError(f"cannot be read: {error.strerror}") from None
    return check_bytes(data, backend)


def main(words: list[str]) -> int:
    """Check one file and print what was found."""
    backend = words[words.index("--backend") + 1] if "--backend" in words[:-1] else "flint"
    files = [w for i, w in enumerate(words) if w != "--backend" and (i == 0 or words[i - 1] != "--backend")]
    if len(files) != 1 or backend not in BACKENDS:
        print("usage: python checker.py FILE [--backend flint|mpmath]", file=sys.stderr)
        return 2
    try:
        result = check_file(files[0], backend)
    except CheckError as error:
        print(f"{files[0]}: {error}", file=sys.stderr)
        return 2
    for claim in result.claims:
        print(f"{claim.status} {claim.type}: {claim.text}")
    print(f"{result.status}: {result.row}")
    return {PROVED: 0, REFUTED: 1, UNDECIDED: 3}[result.status]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
