"""An independent checker of certificates ``sphereufm-complete/1``: "these are all critical points".

One file, standard library and the balls of Arb.  It shares no code with the search; the equations, the tests and the
tree are gone through again from docs/complete.md.  A certificate only says where boxes are cut, and where zeros lie:
what it does not say, such as where a box may be made smaller, is found out here.

    python check.py FILE

Exit codes: 0 PROVED, 2 unreadable, 3 UNDECIDED.  Tests are written positively: what balls cannot decide is not proved.
"""

from __future__ import annotations

import base64
import json
import math
import re
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise, permutations, product
from pathlib import Path
from typing import Any

from flint import arb, arb_mat, ctx, fmpq

__all__ = ["CompleteCheckError", "CompleteResult", "Orbit", "check_complete", "check_complete_bytes"]

FORMAT = "sphereufm-complete/1"
LARGEST_FILE, LARGEST_TREE = 1 << 24, 1 << 26
BITS = 64
PROVED, UNDECIDED = "PROVED", "UNDECIDED"
RATIONAL = re.compile(r"-?[0-9]{1,60}(/[0-9]{1,60})?")
# a tree's codes: a leaf without a zero, a leaf inside a zero's box, and from here on a cut (16 passes + axis)
DEAD, UNIQUE, CUT = 0, 1, 128
# passes over a leaf before it is given up
PATIENCE = 6
# larger than 2 pi, with room for the rounding of a sum of floats
ROUND = 6.283185308
GAP_BOX = (-1 / 128, -1 / 128 + 13 / 4)
TURN_BOX = (-1 / 128, -1 / 128 + 101 / 16)
LARGEST_GROUP, MOST_PATTERNS = 50_000, 100_000

Box = tuple[list[float], list[float]]
Row = list[Any]


class CompleteCheckError(ValueError):
    """The file is no certificate of this format; the message says where and why."""


class NotProvedError(Exception):
    """A step of the proof does not hold, or balls cannot decide it."""


@dataclass(frozen=True, kw_only=True)
class Orbit:
    """One critical orbit: its cost in nats, rounded, and its classes modulo O(d) alone."""

    cost: float
    copies: int


@dataclass(frozen=True, kw_only=True)
class CompleteResult:
    """What was found out: a status, the statement in words, and the orbits by cost."""

    status: str
    text: str
    orbits: tuple[Orbit, ...] = ()


# --- reading


def fail(condition: object, message: str) -> None:
    """Refuse the file."""
    if condition:
        raise CompleteCheckError(message)


@dataclass(frozen=True, kw_only=True)
class Instance:
    """Cross-entropy with exact temperature and weights."""

    classes: int
    dim: int
    labels: list[int]
    tau: Fraction
    weights: list[Fraction]

    def like(self, a: int, b: int) -> bool:
        """Whether two classes carry the same weights."""
        return self.weights_of(a) == self.weights_of(b)

    def weights_of(self, k: int) -> list[Fraction]:
        """Weights of a class, sorted."""
        return sorted(w for w, y in zip(self.weights, self.labels, strict=True) if y == k)


def keys(value: Any, where: str, needed: set[str], optional: Sequence[str] = ()) -> dict[str, Any]:
    """An object with these keys."""
    fail(not isinstance(value, dict), f"{where} must be an object")
    fail(needed - value.keys(), f"{where} lacks {', '.join(sorted(needed - value.keys()))}")
    extra = value.keys() - needed - set(optional)
    fail(extra, f"{where} has the unknown key {sorted(extra)[:1]}")
    return dict(value)


def integer(value: Any, low: int, high: int, where: str) -> int:
    """An integer in a range; true is not 1."""
    fail(type(value) is not int or not low <= value <= high, f"{where} must be an integer, {low} .. {high}")
    return int(value)


def rational(value: Any, where: str) -> Fraction:
    """A positive exact rational."""
    fail(not isinstance(value, str) or not RATIONAL.fullmatch(value), f"{where} must be a rational")
    top, _, bottom = value.partition("/")
    fail(bottom != "" and int(bottom) == 0, f"{where} has the denominator zero")
    number = Fraction(int(top), int(bottom or "1"))
    fail(number <= 0, f"{where} must be positive")
    return number


def number(value: Any, where: str) -> float:
    """A finite float, written in hexadecimal."""
    fail(not isinstance(value, str) or len(value) > 40, f"{where} must be a hexadecimal float")
    try:
        x = float.fromhex(value)
    except (ValueError, OverflowError):
        raise CompleteCheckError(f"{where} must be a hexadecimal float") from None
    fail(not math.isfinite(x), f"{where} must be finite")
    return x


def items(value: Any, where: str, most: int, length: int | None = None) -> list[Any]:
    """A list."""
    fail(not isinstance(value, list) or len(value) > most, f"{where} must be a list, at most {most} long")
    fail(length is not None and len(value) != length, f"{where} must have {length} entries")
    return list(value)


def read_instance(value: Any) -> Instance:
    """The instance of docs/certificates.md, section 3."""
    needed = {"kind", "classes", "dim", "tau", "loss", "weights"}
    data = keys(value, "instance", needed, ("class_sizes", "labels"))
    fail(data["kind"] != "ufm" or data["loss"] != "cross-entropy", "instance must be ufm, cross-entropy")
    K = integer(data["classes"], 1, 1000, "classes")
    fail(("class_sizes" in data) == ("labels" in data), "instance needs one of class_sizes and labels")
    if "labels" in data:
        labels = [integer(y, 0, K - 1, "labels") for y in items(data["labels"], "labels", 10_000)]
    else:
        sizes = [
            integer(n, 0, 10_000, "class_sizes") for n in items(data["class_sizes"], "class_sizes", K, K)
        ]
        fail(sum(sizes) > 10_000, "there are more than 10000 samples")
        labels = [y for y, n in enumerate(sizes) for _ in range(n)]
    fail(not labels, "there is no sample")
    weights = [Fraction(1)] * len(labels)
    if data["weights"] is not None:
        weights = [rational(w, "weights") for w in items(data["weights"], "weights", 10_000, len(labels))]
    total = sum(weights, Fraction(0))
    dim = integer(data["dim"], 1, 100_000, "dim")
    tau = rational(data["tau"], "tau")
    return Instance(classes=K, dim=dim, labels=labels, tau=tau, weights=[w / total for w in weights])


def read_json(data: bytes) -> dict[str, Any]:
    """JSON without repeated keys and without numbers that are not integers."""
    fail(len(data) > LARGEST_FILE, f"the file is larger than {LARGEST_FILE} bytes")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        fail(len(dict(pairs)) != len(pairs), "a key occurs twice in one object")
        return dict(pairs)

    def refuse(word: str) -> Any:
        raise CompleteCheckError(f"the number {word[:20]} is not an integer; numbers are text")

    def whole(digits: str) -> int:
        fail(len(digits) > 10, "an integer of more than 9 digits")
        return int(digits)

    hooks: dict[str, Any] = {"parse_float": refuse, "parse_constant": refuse, "parse_int": whole}
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=once, **hooks)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise CompleteCheckError(f"not JSON: {error}") from None
    needed = {"format", "producer", "instance", "method"}
    value = keys(value, "certificate", needed, ("closed", "searches", "orbits"))
    fail(value["format"] != FORMAT, f"format must be {FORMAT}")
    return value


def read_tree(value: Any) -> bytes:
    """Bytes of a tree."""
    fail(not isinstance(value, str), "tree must be a text")
    try:
        unpacker = zlib.decompressobj()
        raw = unpacker.decompress(base64.b64decode(value, validate=True), LARGEST_TREE)
    except (ValueError, zlib.error):
        raise CompleteCheckError("a tree is damaged") from None
    fail(not unpacker.eof or unpacker.unused_data, "a tree is damaged or too large")
    return raw


# --- balls


def exact(value: Fraction) -> Any:
    """A ball around a rational."""
    return arb(fmpq(value.numerator, value.denominator))


def around(middle: Any, radius: Any) -> Any:
    """The ball of a radius (a nonnegative ball) around a middle."""
    return middle + arb(0, radius.upper())


def up(x: float) -> float:
    """A float above."""
    return math.nextafter(math.nextafter(x, math.inf), math.inf)


def down(x: float) -> float:
    """A float below."""
    return math.nextafter(math.nextafter(x, -math.inf), -math.inf)


def hull(low: Any, high: Any) -> Any:
    """The ball from the bottom of one ball to the top of another."""
    return low.lower().union(high.upper())


UNIT = arb(0, 1)


def sine_cosine(x: Any) -> tuple[Any, Any]:
    """Sine and cosine by ``sin(m + e) = sin m cos e + cos m sin e``: small where the slope is."""
    s, c = x.mid().sin_cos()
    e = x.rad()
    if e == 0:
        return s, c
    if not e < 3:
        return UNIT, UNIT
    swing, rest = e.sin_cos()
    if not e < 1.57:
        swing = arb(1)
    h = (1 - rest) / 2
    size_s, size_c, keep = abs(s), abs(c), 1 - h
    sine, cosine = (
        around(s * keep, size_s * h + size_c * swing),
        around(c * keep, size_c * h + size_s * swing),
    )
    if e > 0.05:
        sine, cosine = sine.intersection(UNIT), cosine.intersection(UNIT)
    return sine, cosine


def squared(x: Any) -> Any:
    """The square, from the least to the largest size."""
    low, high = x.abs_lower(), x.abs_upper()
    return hull(low * low, high * high)


def positive(values: list[Any]) -> bool:
    """Whether all balls are proved positive."""
    return all(value > 0 for value in values)


# --- the equations in the plane


class Planar:
    """Cross-entropy with classes in a given order on the circle (docs/complete.md, section 2).

    Unknowns: gaps ``g_1 .. g_{K-1}``, then the angle of each sample as seen from its own classifier.
    """

    def __init__(self, p: Instance, order: Sequence[int], closed: float) -> None:
        self.p, self.order, self.closed = p, list(order), closed
        self.K, self.N = p.classes, len(p.labels)
        self.places = [self.order.index(y) for y in p.labels]
        self.tau2, self.omega = exact(2 * p.tau), [exact(w) for w in p.weights]
        self.variables = self.K - 1 + self.N
        self.low = [GAP_BOX[0]] * (self.K - 1) + [TURN_BOX[0]] * self.N
        self.high = [GAP_BOX[1]] * (self.K - 1) + [TURN_BOX[1]] * self.N
        back = [self.order[-1 - i] for i in range(self.K)]
        self.mirrored = all(p.like(a, b) for a, b in zip(self.order, back, strict=True))
        same: dict[tuple[int, Fraction], int] = {}
        self.alike = []
        for i, key in enumerate(zip(p.labels, p.weights, strict=True)):
            if key in same:
                self.alike.append((same[key], i))
            same[key] = i

    def outside(self, low: list[float], high: list[float]) -> bool:
        """Whether a box misses the fundamental domain, or lies where a lemma leaves collapsed classifiers only."""
        n = self.K - 1
        g, top = low[:n], high[:n]
        return (
            min(top) < 0
            or sum(g) + max(g) > ROUND
            or sum(top) < self.closed - 1e-9
            or (self.mirrored and n > 1 and g[0] > top[-1])
            or any(low[n + a] > high[n + b] for a, b in self.alike)
        )

    def halves(self, x: list[Any]) -> list[list[Any]]:
        """``(a_j - a_l) / 2`` for all places l, j."""
        K = self.K
        table = [[arb(0)] * K for _ in range(K)]
        for l in range(K):
            total = arb(0)
            for j in range(l + 1, K):
                total = total + x[j - 1] / 2
                table[l][j], table[j][l] = total, -total
        return table

    def no_sign_change(self, x: list[Any]) -> bool:
        """Whether all terms of one equation have one sign."""
        K, half = self.K, self.halves(x)
        own_turns: list[list[Any]] = [[] for _ in range(K)]
        for i, y in enumerate(self.places):
            b, terms = x[K - 1 + i], []
            for k in range(K):
                delta = half[y][k]
                turn = sine_cosine(2 * delta - b)[0]
                own_turns[k].append(-turn if k == y else turn)
                if k != y:
                    terms.append(sine_cosine(delta)[0] * sine_cosine(b - delta)[1])
            if positive(terms) or positive([-t for t in terms]):
                return True
        return any(positive(turns) or positive([-t for t in turns]) for turns in own_turns)

    def values(self, x: list[Any]) -> list[Any]:
        """``T_1 .. T_K, chi_1 .. chi_N``."""
        return self.evaluate(x, False)[0]

    def evaluate(self, x: list[Any], derivative: bool = True) -> tuple[list[Any], list[Row]]:
        """Values, and rows of the derivative."""
        K, N, half = self.K, self.N, self.halves(x)
        sines: list[Row] = [
            [sine_cosine(half[l][j])[0] if l < j else None for j in range(K)] for l in range(K)
        ]
        values = [arb(0)] * K
        rows = [[arb(0)] * self.variables for _ in range(K + N)]
        chis = []
        for i, y in enumerate(self.places):
            b, w = x[K - 1 + i], self.omega[i]
            S = [sines[y][k] if y < k else (-sines[k][y] if k < y else arb(0)) for k in range(K)]
            near = [sine_cosine(b - half[y][k]) for k in range(K)]
            turn = [sine_cosine(2 * half[y][k] - b) for k in range(K)]
            A = [S[k] * near[k][1] for k in range(K)]
            low, high = self.ratios(b, y, near, half, sines)
            everyone, rivals = range(K), [j for j in range(K) if j != y]
            p = [self.share(low[k], high[k], everyone) for k in range(K)]
            rest = [self.complement(low[k], high[k], everyone) for k in range(K)]
            rho = [arb(0) if k == y else self.share(low[k], high[k], rivals) for k in range(K)]
            weight = [-rest[k] if k == y else p[k] for k in range(K)]
            chi = sum((r * a for r, a in zip(rho, A, strict=True)), arb(0))
            chis.append(chi)
            for k in range(K):
                values[k] = values[k] + w * weight[k] * turn[k][0]
            if derivative:
                self.differentiate(rows, i, (S, near, turn, A), (p, rest, rho, weight, chi))
        return values + chis, rows

    def ratios(
        self, b: Any, y: int, near: Any, half: list[Row], sines: list[Row]
    ) -> tuple[list[Row], list[Row]]:
        """Lower and upper bounds of ``exp(z_j - z_k)`` in row k; zero at ``j = k``.

        Bounds are kept apart: a ball from 1e-10 to 1 would forget its lower end.
        """
        K, most = self.K, around(arb(0), self.tau2)
        low = [[arb(0)] * K for _ in range(K)]
        high = [[arb(0)] * K for _ in range(K)]
        for k in range(K):
            for j in range(k + 1, K):
                # z_j - z_k = 2 tau sin((a_j - a_k) / 2) sin(b - delta_k - delta_j)
                across = near[k + j - y][0] if y in (k, j) else sine_cosine(b - half[y][k] - half[y][j])[0]
                z = (self.tau2 * sines[k][j] * across).intersection(most)
                low[k][j], high[k][j] = z.lower().exp(), z.upper().exp()
                low[j][k], high[j][k] = 1 / high[k][j], 1 / low[k][j]
        return low, high

    @staticmethod
    def share(low: Row, high: Row, among: Iterable[int]) -> Any:
        """``1 / (1 + sum)``."""
        top, bottom = sum((high[j] for j in among), arb(1)), sum((low[j] for j in among), arb(1))
        return hull(1 / top, 1 / bottom)

    @staticmethod
    def complement(low: Row, high: Row, among: Iterable[int]) -> Any:
        """``sum / (1 + sum)``."""
        top, bottom = sum((high[j] for j in among), arb(0)), sum((low[j] for j in among), arb(0))
        return hull(bottom / (1 + bottom), top / (1 + top))

    def differentiate(self, rows: list[Row], i: int, angles: Any, weights: Any) -> None:
        """Add one sample's part of the derivative."""
        K, y, w, tau2 = self.K, self.places[i], self.omega[i], self.tau2
        S, near, turn, A = angles
        p, rest, rho, weight, chi = weights
        column, row = K - 1 + i, rows[K + i]
        spread = arb(0)
        for l in range(K):
            for j in range(l + 1, K):
                if y not in (l, j):
                    both = (rho[l] * rho[j]).intersection(arb(0.125, 0.125))
                    spread = spread + both * squared(A[l] - A[j])
        tilt = sum((r * s * n[0] for r, s, n in zip(rho, S, near, strict=True)), arb(0))
        row[column] = tau2 * spread - tilt
        by_delta = [r * (t[1] - tau2 * t[0] * (a - chi)) for r, t, a in zip(rho, turn, A, strict=True)]
        self.by_gaps(row, y, by_delta)
        mean = sum((q * a for q, a in zip(p, A, strict=True)), arb(0))
        for k in range(K):
            s, c = turn[k]
            rows[k][column] = rows[k][column] + w * (tau2 * p[k] * (A[k] - mean) * s - weight[k] * c)
            pull = tau2 * w * p[k] * s
            slopes = [pull * (p[l] * turn[l][0]) if l != k else -pull * (rest[k] * s) for l in range(K)]
            slopes[k] = slopes[k] + 2 * w * weight[k] * c
            self.by_gaps(rows[k], y, slopes)

    def by_gaps(self, row: Row, y: int, by_delta: list[Any]) -> None:
        """Add derivatives by ``delta_k = (a_k - a_y) / 2`` as derivatives by gaps."""
        upper, lower = arb(0), arb(0)
        for k in range(self.K - 1, y, -1):
            upper = upper + by_delta[k] / 2
            row[k - 1] = row[k - 1] + upper
        for k in range(y):
            lower = lower - by_delta[k] / 2
            row[k] = row[k] + lower

    def cost(self, x: list[Any]) -> Any:
        """The cost in nats."""
        half, total = self.halves(x), arb(0)
        for i, y in enumerate(self.places):
            b = x[self.K - 1 + i]
            z = [self.tau2 * half[y][k].sin() * (b - half[y][k]).sin() for k in range(self.K) if k != y]
            total = total + self.omega[i] * sum((v.exp() for v in z), arb(0)).log1p()
        return total


# --- boxes


def balls_of(low: list[float], high: list[float]) -> tuple[list[float], list[float], list[Any]]:
    """Centres, radii that reach both ends, and balls."""
    centre = [a + (b - a) / 2 for a, b in zip(low, high, strict=True)]
    radius = [up(max(b - c, c - a)) for a, b, c in zip(low, high, centre, strict=True)]
    return centre, radius, [arb(c, r) for c, r in zip(centre, radius, strict=True)]


def contract(equations: Any, low: list[float], high: list[float]) -> Box | None:
    """Where zeros of a box lie, by one pass; None where there are none."""
    centre, radius, x = balls_of(low, high)
    if equations.no_sign_change(x):
        return None
    F, J = equations.evaluate(x)
    if any(value > 0 or value < 0 for value in F):
        return None
    at_centre = equations.values([arb(c) for c in centre])
    reach = [arb(r) for r in radius]
    bounds = [[-r for r in reach], reach[:]]
    if not narrow(bounds, at_centre, J, reach):
        return None
    square = equations.K - 1
    Y = near_inverse(J[-square - equations.N :])
    if Y is not None:
        YJ = (Y * arb_mat(J[-square - equations.N :])).tolist()
        YF = [row[0] for row in (Y * arb_mat([[f] for f in at_centre[-square - equations.N :]])).tolist()]
        if not narrow(bounds, YF, YJ, reach):
            return None
    new_low = [
        max(a, down(c + down(float(b.lower())))) for a, b, c in zip(low, bounds[0], centre, strict=True)
    ]
    new_high = [min(a, up(c + up(float(b.upper())))) for a, b, c in zip(high, bounds[1], centre, strict=True)]
    if any(a > b for a, b in zip(new_low, new_high, strict=True)):
        return None
    return new_low, new_high


def narrow(bounds: list[list[Any]], value: list[Any], J: list[Row], reach: list[Any]) -> bool:
    """Narrow bounds on ``x - c`` by rows ``value + J (x - c) = 0``; False where some row has no zero."""
    for f, row in zip(value, J, strict=True):
        sizes = [abs(entry).upper() * r for entry, r in zip(row, reach, strict=True)]
        total = sum(sizes, arb(0))
        if abs(f) > total:
            return False
        for j, entry in enumerate(row):
            if entry > 0 or entry < 0:
                rest = (total - sizes[j]).upper()
                slope = abs(entry)
                middle = -f if entry > 0 else f
                bottom, top = (middle - rest).lower(), (middle + rest).upper()
                bottom = bottom / (slope.upper() if bottom > 0 else slope.lower())
                top = top / (slope.lower() if top > 0 else slope.upper())
                if bottom > bounds[0][j]:
                    bounds[0][j] = bottom
                if top < bounds[1][j]:
                    bounds[1][j] = top
    return True


def near_inverse(J: list[Row]) -> Any:
    """An exact matrix near the inverse, or None."""
    try:
        inverse = arb_mat([[entry.mid() for entry in row] for row in J]).inv()
    except ZeroDivisionError:
        return None
    rows = [[entry.mid() for entry in row] for row in inverse.tolist()]
    return arb_mat(rows) if all(entry.is_finite() for row in rows for entry in row) else None


@dataclass(frozen=True, kw_only=True)
class Zero:
    """A proved zero: balls around it, and the cube in which it is the only one."""

    point: list[float]
    radius: float
    balls: list[Any]


def prove_zero(equations: Any, point: list[float], radius: float) -> Zero:
    """Krawczyk's test on a cube (docs/proofs.md, Lemma 4)."""
    if not 0 < radius < 1:
        raise NotProvedError("the radius of a zero must lie between 0 and 1")
    m = equations.variables
    J = equations.evaluate([arb(c, up(radius)) for c in point])[1][-m:]
    F = equations.values([arb(c) for c in point])[-m:]
    Y = near_inverse(equations.evaluate([arb(c) for c in point])[1][-m:])
    if Y is None:
        raise NotProvedError("the derivative at a zero is singular")
    YJ = (Y * arb_mat(J)).tolist()
    q = arb(0)
    for i, row in enumerate(YJ):
        size = sum((abs(entry - (i == j)) for j, entry in enumerate(row)), arb(0))
        q = hull(q, size) if not size < q else q
    q = q.upper()
    move = (Y * arb_mat([[f] for f in F])).tolist()
    step = max((float(abs(row[0]).upper()) for row in move), default=0.0)
    if not q < 1:
        raise NotProvedError(f"the zero near {point} is not proved to be the only one within {radius}")
    reach = (arb(up(step)) / (1 - q)).upper()
    if not reach < arb(radius):
        raise NotProvedError(f"no zero is proved near {point}")
    return Zero(point=point, radius=radius, balls=[around(arb(c), reach) for c in point])


def covers(zero: Zero, low: list[float], high: list[float], periodic: list[bool]) -> bool:
    """Whether a box lies in the cube of a zero, turned by multiples of ``2 pi``."""
    two_pi = 2 * arb.pi()
    for x, a, b, turns in zip(zero.point, low, high, periodic, strict=True):
        shift = round(((a + b) / 2 - x) / math.tau) if turns else 0
        middle = arb(x) + shift * two_pi
        if not (arb(a) > middle - zero.radius and arb(b) < middle + zero.radius):
            return False
    return True


class Walk:
    """A tree of boxes, read and proved node by node."""

    def __init__(self, equations: Any, zeros: list[Zero], tree: bytes) -> None:
        self.equations, self.zeros, self.tree, self.at = equations, zeros, tree, 0
        self.periodic = [j >= equations.K - 1 for j in range(equations.variables)]

    def run(self) -> int:
        """Prove the tree; return the number of its nodes."""
        waiting: list[Box | None] = [(self.equations.low, self.equations.high)]
        nodes = 0
        while waiting:
            box = waiting.pop()
            nodes += 1
            code = self.take(1)
            if code >= CUT:
                waiting += reversed(self.cut(box, (code - CUT) // 16, code % 16))
            elif code == UNIQUE:
                self.unique(box, self.take(2))
            elif code == DEAD:
                self.dead(box)
            else:
                raise CompleteCheckError("a tree has an unknown code")
        fail(self.at != len(self.tree), "a tree goes on after its end")
        return nodes

    def take(self, size: int) -> int:
        """The next bytes as a number."""
        part = self.tree[self.at : self.at + size]
        fail(len(part) < size, "a tree ends too early")
        self.at += size
        return int.from_bytes(part, "little")

    def cut(self, box: Box | None, passes: int, axis: int) -> list[Box | None]:
        """Both parts of a box, after some passes over it."""
        fail(axis >= self.equations.variables, "a tree cuts an axis that there is not")
        step = self.take(4)
        for _ in range(passes):
            box = None if box is None else contract(self.equations, *box)
        if box is None:
            return [None, None]
        low, high = box
        # exact: the sides of the whole box are short dyadic numbers
        cut = self.equations.low[axis] + step / 2**32 * (self.equations.high[axis] - self.equations.low[axis])
        below, above = high[:], low[:]
        below[axis], above[axis] = min(cut, high[axis]), max(cut, low[axis])
        return [
            (low, below) if cut >= low[axis] else None,
            (above, high) if cut <= high[axis] else None,
        ]

    def dead(self, box: Box | None) -> None:
        """Prove that a box holds no zero."""
        for _ in range(PATIENCE):
            if box is None or self.equations.outside(*box):
                return
            box = contract(self.equations, *box)
        if box is not None and not self.equations.outside(*box):
            raise NotProvedError(f"a box is not proved free of zeros: {shown(box)}")

    def unique(self, box: Box | None, index: int) -> None:
        """Prove that all zeros of a box are one of the list."""
        fail(index >= len(self.zeros), "a tree names a zero that is not listed")
        for _ in range(PATIENCE):
            if box is None or self.equations.outside(*box) or covers(self.zeros[index], *box, self.periodic):
                return
            box = contract(self.equations, *box)
        raise NotProvedError(f"a box is not proved to lie near its zero: {shown(box)}")


def shown(box: Box | None) -> str:
    """A box in words."""
    return ", ".join(f"[{a:.6g}, {b:.6g}]" for a, b in zip(*box, strict=True)) if box else "empty"


# --- lemmas


def lemma_closed(p: Instance, closed: float) -> bool:
    """Whether no critical point has a planar W of diameter in ``(0, closed]`` (docs/complete.md, Lemmas 1 and 2)."""
    if not 0 <= closed < 1.57:
        return False
    x, c = (arb(closed) / 2).sin_cos()
    tau, K = exact(p.tau), p.classes
    return closed == 0 or balanced_lemma(p, tau, K, arb(closed), x, c) or mismatch_lemma(p, tau, x, c)


def mismatch_lemma(p: Instance, tau: Any, x: Any, c: Any) -> bool:
    """Lemma 1: signed sums of weights of any two classes differ by g, ``tanh(tau x) + 1 - c + 2 x < g``."""
    sums = []
    for k in range(p.classes):
        reached = {Fraction(0)}
        for w in p.weights_of(k):
            reached = {s + sign * w for s in reached for sign in (1, -1)}
            if len(reached) > 4096:
                return False
        sums.append(sorted(reached))
    gap = min(min(abs(s - t) for s in sums[k] for t in sums[l]) for k in range(p.classes) for l in range(k))
    return bool((tau * x).tanh() + 1 - c + 2 * x < exact(gap))


def balanced_lemma(p: Instance, tau: Any, K: int, delta: Any, x: Any, c: Any) -> bool:
    """Lemma 2: one sample a class, equal weights."""
    if sorted(p.labels) != list(range(K)) or len(set(p.weights)) != 1 or K < 2:
        return False
    slack = c - K * tau * x
    if not ((2 + K * tau) * x < 2 * c and slack > 0):
        return False
    angle = slack.acos() + delta
    turn = angle.sin() if angle < 1.57 else arb(1)
    u = (-2 * tau * x).exp()
    left = 2 * (1 + u) / (K - 1 + u) * c * (tau * x * c).tanh()
    right = x * (3 * x + (K - 2) * 2 / (2 + (K - 2) * u) * turn) + 1 - c
    return bool(left > right)


# --- symmetry


def symmetries(p: Instance) -> list[tuple[list[int], list[int], int]]:
    """Permutations of classes and of samples that keep labels and weights, each with both signs of the plane."""
    found = []
    for image in permutations(range(p.classes)):
        if not all(p.like(k, l) for k, l in enumerate(image)):
            continue
        found += [(list(image), move, sign) for move in sample_moves(p, image) for sign in (1, -1)]
        if len(found) > LARGEST_GROUP:
            raise NotProvedError("the symmetry group is too large")
    return found


def sample_moves(p: Instance, image: Sequence[int]) -> Iterator[list[int]]:
    """Where samples can go if class k goes to ``image[k]``."""
    N = len(p.labels)
    blocks: dict[tuple[int, Fraction], list[int]] = {}
    for i in range(N):
        blocks.setdefault((p.labels[i], p.weights[i]), []).append(i)
    starts = list(blocks.items())
    for choice in product(*(permutations(blocks[image[y], w]) for (y, w), _ in starts)):
        move = [0] * N
        for (_, block), target in zip(starts, choice, strict=True):
            for i, j in zip(block, target, strict=True):
                move[i] = j
        yield move


def moved(p: Instance, source: tuple[Planar, Zero], g: Any, chart: Planar) -> list[Any]:
    """Unknowns of a zero after a symmetry, in the order of another search; angles count modulo ``2 pi``."""
    (planar, zero), (image, move, sign) = source, g
    angle = [arb(0)]
    for gap in zero.balls[: planar.K - 1]:
        angle.append(angle[-1] + gap)
    w = [arb(0)] * planar.K
    for place, k in enumerate(planar.order):
        w[image[k]] = sign * angle[place]
    gaps = [w[b] - w[a] for a, b in pairwise(chart.order)]
    turns = [arb(0)] * planar.N
    for i, j in enumerate(move):
        # an angle as seen from the own classifier only changes its sign
        turns[j] = sign * zero.balls[planar.K - 1 + i]
    return gaps + turns


def same(x: list[Any], zero: Zero) -> bool:
    """Whether unknowns are proved to lie in the cube of a zero, modulo ``2 pi``."""
    for value, centre in zip(x, zero.point, strict=True):
        shift = round((float(value.mid()) - centre) / math.tau)
        if not abs(value - shift * 2 * arb.pi() - centre) < zero.radius:
            return False
    return True


def different(x: list[Any], zero: Zero) -> bool:
    """Whether some unknown is proved to differ from that of a zero, modulo ``2 pi``."""
    return any(abs(((a - b) / 2).sin()) > 0 for a, b in zip(x, zero.balls, strict=True))


# --- methods


def planar(p: Instance, data: dict[str, Any]) -> CompleteResult:
    """All critical points with W in a plane, outside of the collapsed family."""
    K = p.classes
    one_each = sorted(p.labels) == list(range(K))
    closed = number(data["closed"], "closed")
    searches = items(data["searches"], "searches", 120)
    fail(K < 2, "the plane is searched for two classes or more")
    walks = [read_search(p, value, closed) for value in searches]
    if not (p.dim == 2 or (K == 3 and one_each and p.dim > 2)):
        raise NotProvedError("the plane is not known to hold all critical points of this instance")
    if not lemma_closed(p, closed):
        raise NotProvedError(f"the neighbourhood {closed:g} of the collapsed family is not closed by a lemma")
    check_orders(p, [equations.order for equations, _, _ in walks])
    proved = []
    for equations, zeros, tree in walks:
        found = [prove_zero(equations, point, radius) for point, radius in zeros]
        Walk(equations, found, tree).run()
        proved.append([(equations, zero) for zero in found])
    orbits = check_orbits(p, proved, items(data["orbits"], "orbits", 10_000))
    return CompleteResult(status=PROVED, text=sentence(p, orbits), orbits=orbits)


def read_search(p: Instance, value: Any, closed: float) -> tuple[Planar, list[Any], bytes]:
    """One order of the classes on the circle, with zeros and tree."""
    data = keys(value, "search", {"order", "zeros", "tree"})
    K = p.classes
    fail(K - 1 + len(p.labels) > 16, "there are more than 16 unknowns")
    order = [integer(k, 0, K - 1, "order") for k in items(data["order"], "order", K, K)]
    fail(sorted(order) != list(range(K)), "order must hold every class once")
    n = K - 1 + len(p.labels)
    zeros = []
    for entry in items(data["zeros"], "zeros", 10_000):
        zero = keys(entry, "zero", {"point", "radius"})
        point = [number(x, "point") for x in items(zero["point"], "point", n, n)]
        zeros.append((point, number(zero["radius"], "radius")))
    return Planar(p, order, closed), zeros, read_tree(data["tree"])


def check_orders(p: Instance, orders: list[list[int]]) -> None:
    """Every order of the classes must be one of the list, up to equal classes and direction."""
    patterns = set()
    for order in orders:
        kinds = tuple(min(l for l in range(p.classes) if p.like(k, l)) for k in order)
        patterns |= {kinds, kinds[::-1]}
    for every in permutations(range(p.classes)):
        if tuple(min(l for l in range(p.classes) if p.like(k, l)) for k in every) not in patterns:
            raise NotProvedError(f"the order {every} of the classes on the circle was not searched")


def check_orbits(
    p: Instance, proved: list[list[tuple[Planar, Zero]]], groups: list[Any]
) -> tuple[Orbit, ...]:
    """Zeros of one group are one orbit, those of two groups are not; each zero is in one group."""
    group = symmetries(p)
    named, members = set(), []
    for entry in groups:
        listed = []
        for pair in items(entry, "orbit", 10_000):
            s, z = (integer(v, 0, 10_000, "orbit") for v in items(pair, "orbit", 2, 2))
            fail(s >= len(proved) or z >= len(proved[s]), "an orbit names a zero that is not listed")
            fail((s, z) in named, "a zero is in two orbits")
            named.add((s, z))
            listed.append(proved[s][z])
        fail(not listed, "an orbit is empty")
        members.append(listed)
    if len(named) != sum(map(len, proved)):
        raise NotProvedError("a zero is in no orbit")
    orbits = []
    for number_, listed in enumerate(members):
        chart, first = listed[0]
        for other, zero in listed[1:]:
            if not any(same(moved(p, (other, zero), g, chart), first) for g in group):
                raise NotProvedError(f"two zeros of orbit {number_ + 1} are not proved to be one orbit")
        for later in members[number_ + 1 :]:
            if not all(different(moved(p, later[0], g, chart), first) for g in group):
                raise NotProvedError(f"orbit {number_ + 1} is not proved to differ from a later one")
        fixed = {(*image, *move) for image, move, sign in group if fixes(p, listed[0], (image, move, sign))}
        cost = float(chart.cost(first.balls).mid())
        orbits.append(Orbit(cost=cost, copies=len(group) // 2 // len(fixed)))
    return tuple(sorted(orbits, key=lambda orbit: orbit.cost))


def fixes(p: Instance, source: tuple[Planar, Zero], g: Any) -> bool:
    """Whether a symmetry fixes a zero; undecided is refused."""
    chart, zero = source
    x = moved(p, source, g, chart)
    if same(x, zero):
        return True
    if different(x, zero):
        return False
    raise NotProvedError("a symmetry of a zero is not decided")


def two_classes(p: Instance, _: dict[str, Any]) -> CompleteResult:
    """Two classes: all critical points in closed form (docs/complete.md, section 1)."""
    if p.classes != 2 or p.dim < 2:
        raise NotProvedError("the closed form is for K = 2 and d >= 2")
    blocks: dict[tuple[int, Fraction], int] = {}
    for key in zip(p.labels, p.weights, strict=True):
        blocks[key] = blocks.get(key, 0) + 1
    if math.prod(m + 1 for m in blocks.values()) > MOST_PATTERNS:
        raise NotProvedError(f"there are more than {MOST_PATTERNS} sign patterns")
    swap = p.like(0, 1)
    seen: set[Any] = set()
    orbits = []
    for counts in product(*(range(m + 1) for m in blocks.values())):
        pattern = dict(zip(blocks, counts, strict=True))
        twin = {(1 - y, w): c for (y, w), c in pattern.items()} if swap else pattern
        if frozenset(pattern.items()) in seen:
            continue
        seen |= {frozenset(pattern.items()), frozenset(twin.items())}
        copies = math.prod(math.comb(m, c) for m, c in zip(blocks.values(), counts, strict=True))
        copies *= 1 if twin == pattern else 2
        positive_weight = sum((w * c for (_, w), c in pattern.items()), Fraction(0))
        costs = [two_class_cost(p, positive_weight, arb(2))]
        negative_weight = 1 - positive_weight
        if positive_weight > negative_weight > 0:
            r = (exact(positive_weight / negative_weight)).log() / exact(p.tau)
            if r < 2:
                costs.append(two_class_cost(p, positive_weight, r))
            elif not r > 2:
                raise NotProvedError("the distance of the classifiers is not decided")
        orbits += [Orbit(cost=cost, copies=copies) for cost in costs]
    orbits.sort(key=lambda orbit: orbit.cost)
    return CompleteResult(status=PROVED, text=sentence(p, tuple(orbits)), orbits=tuple(orbits))


def two_class_cost(p: Instance, positive_weight: Fraction, r: Any) -> float:
    """Cost of a sign pattern: logits differ by ``+- tau r``."""
    z = exact(p.tau) * r
    plus, minus = (-z).exp().log1p(), z.exp().log1p()
    return float((exact(positive_weight) * plus + exact(1 - positive_weight) * minus).mid())


def sentence(p: Instance, orbits: tuple[Orbit, ...]) -> str:
    """The statement in words."""
    costs = ", ".join(f"{orbit.cost:.6f}" for orbit in orbits[:40]) + (", ..." if len(orbits) > 40 else "")
    return (
        f"every critical point has all classifiers equal or is, up to O({p.dim}) and permutations of equal samples and "
        f"classes, in exactly one of these {len(orbits)} critical orbits, and all of them exist; costs: {costs}"
    )


METHODS: dict[str, Any] = {"planar": planar, "two-classes": two_classes}


def check_complete_bytes(data: bytes) -> CompleteResult:
    """Check a certificate.

    Parameters
    ----------
    data : bytes
        The file's content.

    Returns
    -------
    CompleteResult
        With status ``"PROVED"`` or ``"UNDECIDED"``.

    Raises
    ------
    CompleteCheckError
        If the bytes are no certificate of this format.

    Examples
    --------
    >>> check_complete_bytes(b"{}")
    Traceback (most recent call last):
    ...
    sphereufm.certify.complete.check.CompleteCheckError: certificate lacks format, instance, method, producer
    """
    certificate = read_json(data)
    producer = keys(certificate["producer"], "producer", {"name", "version"})
    fail(not all(isinstance(v, str) and len(v) <= 200 for v in producer.values()), "producer must hold texts")
    p = read_instance(certificate["instance"])
    method = certificate["method"]
    fail(method not in METHODS, f"method must be one of {', '.join(METHODS)}")
    wanted = {"closed", "searches", "orbits"} if method == "planar" else set()
    keys(certificate, "certificate", {"format", "producer", "instance", "method"} | wanted)
    before = ctx.prec
    ctx.prec = BITS
    try:
        result: CompleteResult = METHODS[method](p, certificate)
    except NotProvedError as error:
        return CompleteResult(status=UNDECIDED, text=str(error))
    finally:
        ctx.prec = before
    return result


def check_complete(path: str | Path) -> CompleteResult:
    """Check a certificate in a file; see :func:`check_complete_bytes`.

    Raises
    ------
    CompleteCheckError
        If the file cannot be read, or is no certificate of this format.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise CompleteCheckError(f"cannot be read: {error.strerror}") from None
    return check_complete_bytes(data)


def main(words: list[str]) -> int:
    """Check one file and print what was found."""
    if len(words) != 1:
        print("usage: python check.py FILE", file=sys.stderr)
        return 2
    try:
        result = check_complete(words[0])
    except CompleteCheckError as error:
        print(f"{words[0]}: {error}", file=sys.stderr)
        return 2
    print(f"{result.status}: {result.text}")
    return 0 if result.status == PROVED else 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
