"""Own costs in balls: critical points of a program over unit columns, in charts (docs/complete.md, section 4).

Derivatives are carried forward, sparsely: a jet is a value, first derivatives by number and second derivatives by pairs
of numbers, the lower one first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from flint import arb

from sphereufm.certify.complete.arithmetic import Row, exact, hull, power, sine_cosine, squared
from sphereufm.certify.complete.planar import TURN_BOX
from sphereufm.certify.complete.reading import NotProvedError, Program

FACE_BOX = (-1 - 1 / 64, 1 + 1 / 64)

Jet = tuple[Any, dict[int, Any], dict[tuple[int, int], Any]]


class ProgramEquations:
    """Equations in one chart: the angles of the plane, or one face of a cube for each column."""

    def __init__(self, p: Program, faces: Sequence[tuple[int, int]]) -> None:
        self.p, self.faces = p, list(faces)
        # a program of inner products alone does not see a rotation of the plane: the first angle is zero
        self.pinned = int(p.dim == 2 and p.invariant)
        self.variables = (p.dim - 1) * p.columns - self.pinned
        self.homogeneous = bool(faces) and degrees(p) is not None
        box = FACE_BOX if faces else TURN_BOX
        self.low, self.high = [box[0]] * self.variables, [box[1]] * self.variables
        self.periodic = [not faces] * self.variables

    def outside(self, low: list[float], high: list[float]) -> bool:
        """No box is left out."""
        return False

    def evaluate(self, x: list[Any], derivative: bool = True) -> tuple[list[Any], list[Row]]:
        """The equations, and rows of their derivative."""
        columns = [self.column(j, x) for j in range(self.p.columns)]
        _, g, h = self.run(columns, x)
        if self.faces:
            return self.on_faces(x, g, h)
        n = self.variables
        rows = [[h.get((min(k, l), max(k, l)), arb(0)) for l in range(n)] for k in range(n)]
        return [g.get(k, arb(0)) for k in range(n)], rows

    def on_faces(self, x: list[Any], g: Any, h: Any) -> tuple[list[Any], list[Row]]:
        """``E_b = g_b - sigma t_b g_f`` for each column."""
        d, n = self.p.dim, self.variables
        slopes: dict[int, dict[int, Any]] = {}
        for j in range(self.p.columns):
            self.add_slopes(j, x, slopes)
        values, rows = [], []
        for j, (row, sign) in enumerate(self.faces):
            f = j * d + row
            gf = g.get(f, arb(0))
            for c, b in enumerate(a for a in range(d) if a != row):
                k = j * (d - 1) + c
                t, own = sign * x[k], j * d + b
                values.append(g.get(own, arb(0)) - t * gf)
                line = [arb(0)] * n
                line[k] = -sign * gf
                for a, by_t in slopes.items():
                    second = h.get((min(own, a), max(own, a)), arb(0)) - t * h.get(
                        (min(f, a), max(f, a)), arb(0)
                    )
                    for l, slope in by_t.items():
                        line[l] = line[l] + second * slope
                rows.append(line)
        return values, rows

    def add_slopes(self, j: int, x: list[Any], slopes: dict[int, dict[int, Any]]) -> None:
        """Derivatives of a column's entries by its coordinates."""
        d, (row, _) = self.p.dim, self.faces[j]
        entries, s = self.entries(j, x)
        for a in range(d):
            by_t = slopes.setdefault(j * d + a, {})
            for c, b in enumerate(b for b in range(d) if b != row):
                if self.homogeneous:
                    if a == b:
                        by_t[j * (d - 1) + c] = arb(1)
                elif a == b:
                    by_t[j * (d - 1) + c] = s * (1 - squared(entries[a]))
                else:
                    by_t[j * (d - 1) + c] = -(s * entries[a] * entries[b])

    def entries(self, j: int, x: list[Any]) -> tuple[list[Any], Any]:
        """Entries of a column (of y itself where the program is homogeneous), and ``1 / |y|``."""
        d, (row, sign) = self.p.dim, self.faces[j]
        t = x[j * (d - 1) : (j + 1) * (d - 1)]
        free = [a for a in range(d) if a != row]
        entries = [arb(sign)] * d
        if self.homogeneous:
            for a, value in zip(free, t, strict=True):
                entries[a] = value
            return entries, arb(1)
        squares = [squared(value) for value in t]
        length = 1 + sum(squares, arb(0))
        s = hull(1 / length.upper().sqrt(), 1 / length.lower().sqrt())
        entries[row] = sign * s
        for c, (a, value) in enumerate(zip(free, t, strict=True)):
            rest = 1 + sum((q for e, q in enumerate(squares) if e != c), arb(0))
            entries[a] = hull(self.share(value.lower(), rest, True), self.share(value.upper(), rest, False))
        return entries, s

    @staticmethod
    def share(t: Any, rest: Any, below: bool) -> Any:
        """``t / sqrt(t^2 + rest)`` for an exact t: a bound from below or above."""
        return t / (t * t + (rest.upper() if (t > 0) == below else rest.lower())).sqrt()

    def column(self, j: int, x: list[Any]) -> list[Jet]:
        """Jets of a column's entries."""
        if self.faces:
            return [(v, {j * self.p.dim + a: arb(1)}, {}) for a, v in enumerate(self.entries(j, x)[0])]
        k = j - self.pinned
        if k < 0:
            return [(arb(1), {}, {}), (arb(0), {}, {})]
        s, c = sine_cosine(x[k])
        return [(c, {k: -s}, {(k, k): -c}), (s, {k: c}, {(k, k): -s})]

    def point(self, x: list[Any]) -> list[list[Any]]:
        """Unit columns."""
        columns = [[jet[0] for jet in self.column(j, x)] for j in range(self.p.columns)]
        if not self.homogeneous:
            return columns
        lengths = [sum((v * v for v in column), arb(0)).sqrt() for column in columns]
        return [[v / r for v in column] for column, r in zip(columns, lengths, strict=True)]

    def coordinates(self, X: list[list[Any]]) -> list[Any] | None:
        """Coordinates of unit columns on these faces, None where they are not proved to lie there."""
        found = []
        for (row, sign), column in zip(self.faces, X, strict=True):
            if not sign * column[row] > 0:
                return None
            found += [v / (sign * column[row]) for a, v in enumerate(column) if a != row]
        return found

    def cost(self, X: list[list[Any]]) -> Any:
        """The cost at unit columns."""
        return self.run([[(v, {}, {}) for v in column] for column in X], None)[0]

    def run(self, columns: list[list[Jet]], x: list[Any] | None) -> Jet:
        """Run the program."""
        done: list[Jet] = []
        for name, *rest in self.p.program:
            if name == "const":
                done.append((exact(rest[0]), {}, {}))
            elif name == "x":
                done.append(columns[rest[1]][rest[0]])
            elif name == "gram":
                done.append(self.gram(rest[0], rest[1], columns, x))
            elif name == "pow":
                done.append(to_power(done[rest[0]], rest[1]))
            else:
                done.append(OPERATIONS[name](*(done[t] for t in rest)))
        return done[-1]

    def gram(self, i: int, j: int, columns: list[list[Jet]], x: list[Any] | None) -> Jet:
        """``<x_i, x_j>``; in the plane the cosine of a difference."""
        if i == j and not self.homogeneous:
            return arb(1), {}, {}
        if self.faces or x is None:
            return total(*(multiply(a, b) for a, b in zip(columns[i], columns[j], strict=True)))
        zero = arb(0)
        a, b = (x[k - self.pinned] if k >= self.pinned else zero for k in (i, j))
        s, c = sine_cosine(a - b)
        signs = {k - self.pinned: sign for k, sign in ((i, 1), (j, -1)) if k >= self.pinned}
        pairs = {(k, l): -c * signs[k] * signs[l] for k in signs for l in signs if k <= l}
        return c, {k: -s * sign for k, sign in signs.items()}, pairs


def degrees(p: Program) -> list[int] | None:
    """The degree in each column of a program that is homogeneous in all of them."""
    done: list[list[int] | None] = []
    for name, *rest in p.program:
        result: list[int] | None = None
        if name == "const":
            result = [0] * p.columns
        elif name == "x":
            result = [int(rest[1] == j) for j in range(p.columns)]
        elif name == "gram":
            result = [int(rest[0] == j) + int(rest[1] == j) for j in range(p.columns)]
        elif name == "pow":
            base = done[rest[0]]
            result = None if base is None else [rest[1] * n for n in base]
        elif name in ("add", "sub", "neg"):
            parts = [done[t] for t in rest]
            result = parts[0] if all(part == parts[0] for part in parts) else None
        elif name == "mul":
            a, b = done[rest[0]], done[rest[1]]
            result = None if a is None or b is None else [m + n for m, n in zip(a, b, strict=True)]
        done.append(result)
    return done[-1]


def total(*parts: Jet) -> Jet:
    """A sum."""
    value, g, h = arb(0), dict[int, Any](), dict[tuple[int, int], Any]()
    for part in parts:
        value = value + part[0]
        for k, v in part[1].items():
            g[k] = g[k] + v if k in g else v
        for key, v in part[2].items():
            h[key] = h[key] + v if key in h else v
    return value, g, h


def scaled(jet: Jet, factor: Any) -> Jet:
    """A multiple by a ball that counts as a constant."""
    return (
        jet[0] * factor,
        {k: v * factor for k, v in jet[1].items()},
        {k: v * factor for k, v in jet[2].items()},
    )


def multiply(a: Jet, b: Jet) -> Jet:
    """A product."""
    if a is b:
        return through(a, squared(a[0]), 2 * a[0], arb(2))
    _, g, h = total(scaled(a, b[0]), scaled(b, a[0]))
    for k, u in a[1].items():
        for l, v in b[1].items():
            key, term = (min(k, l), max(k, l)), u * v * (2 if k == l else 1)
            h[key] = h[key] + term if key in h else term
    return a[0] * b[0], g, h


def through(a: Jet, value: Any, first: Any, second: Any) -> Jet:
    """A function with these derivatives at the value."""
    _, g, h = scaled(a, first)
    order = sorted(a[1])
    for k in order:
        for l in order:
            if k <= l:
                term = second * (squared(a[1][k]) if k == l else a[1][k] * a[1][l])
                h[k, l] = h[k, l] + term if (k, l) in h else term
    return value, g, h


def to_power(a: Jet, n: int) -> Jet:
    """A power, 2 or more."""
    return through(a, power(a[0], n), n * power(a[0], n - 1), n * (n - 1) * power(a[0], n - 2))


def negative(a: Jet) -> Jet:
    """The opposite."""
    return scaled(a, -1)


def monotone(a: Jet, *functions: Callable[[Any], Any]) -> Jet:
    """A function whose value and two derivatives are monotone."""
    low, high = a[0].lower(), a[0].upper()
    parts = []
    for function in functions:
        p, q = function(low), function(high)
        parts.append(p.union(q))
    return through(a, *parts)


def of_positive(a: Jet, *functions: Callable[[Any], Any]) -> Jet:
    """A function of positive numbers."""
    if not a[0] > 0:
        raise NotProvedError("an argument of a division, logarithm or root is not proved positive")
    return monotone(a, *functions)


def inverse(a: Jet) -> Jet:
    """One divided by a value of one sign."""
    if a[0] < 0:
        return negative(inverse(negative(a)))
    return of_positive(a, lambda v: 1 / v, lambda v: -1 / v**2, lambda v: 2 / v**3)


OPERATIONS: dict[str, Callable[..., Jet]] = {
    "add": total,
    "sub": lambda a, b: total(a, negative(b)),
    "mul": multiply,
    "div": lambda a, b: multiply(a, inverse(b)),
    "neg": negative,
    "exp": lambda a: monotone(a, *[lambda v: v.exp()] * 3),
    "log": lambda a: of_positive(a, lambda v: v.log(), lambda v: 1 / v, lambda v: -1 / v**2),
    "sqrt": lambda a: of_positive(
        a, lambda v: v.sqrt(), lambda v: 1 / (2 * v.sqrt()), lambda v: -1 / (4 * v * v.sqrt())
    ),
}
