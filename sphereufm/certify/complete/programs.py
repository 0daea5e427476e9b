"""Own costs over batches of boxes: critical points of a program over unit columns, in charts.

Value, gradient and Hessian are carried forward through the program.  In the plane they are those by the columns'
angles, and the equations say that the gradient vanishes.  A column of R^d, d >= 3, lies on a face of a cube:
``x = y / |y|`` with ``y_f = sigma``, a sign, and the other entries t in [-1, 1].  With the gradient g by the entries of
x, it is critical where g is parallel to x, which is, with ``s = 1 / |y|``,

    E_b = g_b - sigma t_b g_f = 0 for b != f,        d x_a / d t_c = s ([a = c] - x_a x_c).

A program that is homogeneous in every column is evaluated at y instead: that changes each column's g by a positive
factor (docs/complete.md, section 4).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from sphereufm.certify.complete.arithmetic import (
    FINE,
    Array,
    Balls,
    Mask,
    between,
    exponential,
    logarithm,
    point,
    rational,
    sine_cosine,
    squared,
)
from sphereufm.certify.complete.planar import TURN_BOX
from sphereufm.certify.complete.reading import Program

FACE_BOX = (-1 - 1 / 64, 1 + 1 / 64)

# for each column the row that is fixed and its sign; none in the plane
Faces = tuple[tuple[int, int], ...]


def charts(p: Program) -> list[Faces]:
    """The charts that cover the product of spheres."""
    if p.dim == 2:
        return [()]
    return list(product(product(range(p.dim), (1, -1)), repeat=p.columns))


def degrees(p: Program) -> list[int] | None:
    """The degree in each column of a program that is homogeneous in all of them."""
    done: list[list[int] | None] = []
    for name, *rest in p.program:
        result: list[int] | None = None
        if name == "const":
            result = [0] * p.columns
        elif name in ("x", "gram"):
            columns = rest[1:] if name == "x" else rest
            result = [columns.count(j) for j in range(p.columns)]
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


class Jet(NamedTuple):
    """Value, gradient and Hessian over boxes; an empty Hessian where none is asked for."""

    value: Balls
    gradient: Balls
    hessian: Balls

    def through(self, value: Balls, first: Balls, second: Balls) -> Jet:
        """A function with these derivatives at the value."""
        n = self.hessian.m.shape[1]
        g, k = self.gradient[:, :n], np.arange(n)
        outer, squares = outer_product(g, g), squared(g)
        outer.m[:, k, k], outer.r[:, k, k] = squares.m, squares.r
        hessian = first[:, None, None] * self.hessian + second[:, None, None] * outer
        return Jet(value, first[:, None] * self.gradient, hessian)


class ProgramEquations:
    """The gradient of a program in one chart: the angles of the plane, or one face of a cube for each column."""

    def __init__(self, p: Program, faces: Faces) -> None:
        self.p, self.faces = p, faces
        # a program of inner products alone does not see a rotation of the plane: the first angle is zero
        self.pinned = int(p.dim == 2 and p.invariant)
        self.variables = (p.dim - 1) * p.columns - self.pinned
        self.homogeneous = bool(faces) and degrees(p) is not None
        # derivatives are carried by angles in the plane, else by entries
        self.seeds = p.dim * p.columns if faces else self.variables
        box = FACE_BOX if faces else TURN_BOX
        self.low, self.high = np.full(self.variables, box[0]), np.full(self.variables, box[1])
        self.periodic, self.unit = np.full(self.variables, not faces), np.ones(self.variables)

    def trim(self, low: Array, high: Array) -> tuple[Mask, Array, Array]:
        """No box is left out."""
        return np.zeros(len(low), dtype=np.bool_), low, high

    def evaluate(self, x: Balls, derivative: bool = True) -> tuple[Balls, Balls]:
        """The equations and their derivative."""
        order = self.seeds if derivative else 0
        columns = [self.column(j, x, order) for j in range(self.p.columns)]
        last = self.run(columns, x)
        if not self.faces:
            return last.gradient, last.hessian
        return self.on_faces(last, x) if derivative else (self.residual(last.gradient, x), last.hessian)

    def residual(self, g: Balls, x: Balls) -> Balls:
        """``E``."""
        d, k = self.p.dim, 0
        E = zeros(len(x.m), self.variables)
        for j, (row, sign) in enumerate(self.faces):
            for b in (a for a in range(d) if a != row):
                put(E, (slice(None), k), g[:, j * d + b] - x[:, k] * float(sign) * g[:, j * d + row])
                k += 1
        return E

    def on_faces(self, last: Jet, x: Balls) -> tuple[Balls, Balls]:
        """``E`` and its derivative by t."""
        n, d, g, H = self.variables, self.p.dim, last.gradient, last.hessian
        boxes = len(x.m)
        by_entries, own, slopes = (zeros(boxes, *s) for s in ((n, self.seeds), (n, n), (self.seeds, n)))
        k = 0
        for j, (row, sign) in enumerate(self.faces):
            entries, s = self.entries(j, x)
            free, f = [a for a in range(d) if a != row], j * d + row
            for c, b in enumerate(free):
                t = x[:, k + c] * float(sign)
                put(by_entries, (slice(None), k + c), H[:, j * d + b] - t[:, None] * H[:, f])
                put(own, (slice(None), k + c, k + c), g[:, f] * float(-sign))
                for a in range(d):
                    put(slopes, (slice(None), j * d + a, k + c), self.slope(entries, s, a, b))
            k += d - 1
        return self.residual(g, x), own + by_entries @ slopes

    def slope(self, x: Sequence[Balls], s: Balls, a: int, b: int) -> Balls:
        """Derivative of an entry by ``t_b``."""
        if self.homogeneous:
            return s * float(a == b)
        return s * (-(x[a] * x[b]) if a != b else -squared(x[a]) + 1.0)

    def entries(self, j: int, x: Balls) -> tuple[list[Balls], Balls]:
        """Entries of a column (of y itself where the program is homogeneous), and ``1 / |y|``."""
        d, (row, sign) = self.p.dim, self.faces[j]
        t = x[:, j * (d - 1) : (j + 1) * (d - 1)]
        one = point(np.ones(len(x.m)))
        result = [one * float(sign)] * d
        free = [a for a in range(d) if a != row]
        if self.homogeneous:
            for c, a in enumerate(free):
                result[a] = t[:, c]
            return result, one
        squares = squared(t)
        s = power_of_positive(one + squares.sum(1), -0.5)
        result[row] = s * float(sign)
        for c, a in enumerate(free):
            others = squares[:, [e for e in range(d - 1) if e != c]]
            rest = one + others.sum(1) if d > 2 else one
            low, high = t.low[:, c], t.high[:, c]
            # t / sqrt(t^2 + rest): of two rests the one that makes it a bound
            ends = [
                v / np.sqrt(v * v + np.where((v > 0) == below, rest.high, rest.low))
                for v, below in ((low, True), (high, False))
            ]
            result[a] = between(ends[0] - 8 * FINE, ends[1] + 8 * FINE)
        return result, s

    def column(self, j: int, x: Balls, order: int = 0) -> list[Jet]:
        """Jets of a column's entries."""
        n, boxes = self.seeds, len(x.m)
        if self.faces:
            entries, unit = self.entries(j, x)[0], np.tile(np.eye(n)[None], (boxes, 1, 1))
            first = j * self.p.dim
            return [
                Jet(v, point(unit[:, first + a]), zeros(boxes, order, order)) for a, v in enumerate(entries)
            ]
        k = j - self.pinned
        if k < 0:
            return [constant(point(np.full(boxes, v)), n, order) for v in (1.0, 0.0)]
        return wave(x[:, k], np.eye(n)[k], order)

    def point(self, x: Balls) -> Balls:
        """Unit columns, shape ``(boxes, columns, d)``."""
        columns = [[jet.value for jet in self.column(j, x)] for j in range(self.p.columns)]
        X = Balls(*(np.array([[getattr(v, k) for v in c] for c in columns]).transpose(2, 0, 1) for k in "mr"))
        if not self.homogeneous:
            return X
        return X * power_of_positive(squared(X).sum(2), -0.5)[:, :, None]

    def coordinates(self, X: Balls) -> Balls | None:
        """Coordinates of unit columns on these faces, None where they are not proved to lie there."""
        parts = []
        for j, (row, sign) in enumerate(self.faces):
            height = X[:, j, row] * float(sign)
            if not (height.low > 0).all():
                return None
            free = [a for a in range(self.p.dim) if a != row]
            parts.append(X[:, j, free] * power_of_positive(height, -1)[:, None])
        return Balls(*(np.concatenate([getattr(part, k) for part in parts], 1) for k in "mr"))

    @property
    def names(self) -> tuple[str, ...]:
        """The unknowns in words."""
        if not self.faces:
            return tuple(f"angle of x_{j + 1}" for j in range(self.pinned, self.p.columns))
        columns = enumerate(self.faces)
        return tuple(
            f"x_{j + 1}[{a}] / {'-' * (sign < 0)}x_{j + 1}[{row}]"
            for j, (row, sign) in columns
            for a in range(self.p.dim)
            if a != row
        )

    def cost(self, x: Balls) -> Balls:
        """The cost."""
        X = self.point(x)
        columns = [
            [constant(X[:, j, a], self.seeds) for a in range(self.p.dim)] for j in range(self.p.columns)
        ]
        return self.run(columns, None).value

    def run(self, columns: list[list[Jet]], x: Balls | None) -> Jet:
        """Run the program."""
        done: list[Jet] = []
        boxes, order = columns[0][0].hessian.m.shape[:2]
        for name, *rest in self.p.program:
            if name == "const":
                value = rational(rest[0])
                done.append(
                    constant(Balls(*(np.full(boxes, v) for v in (value.m, value.r))), self.seeds, order)
                )
            elif name == "x":
                done.append(columns[rest[1]][rest[0]])
            elif name == "gram":
                done.append(self.gram(rest[0], rest[1], columns, x))
            elif name == "pow":
                done.append(to_power(done[rest[0]], rest[1]))
            else:
                done.append(OPERATIONS[name](*(done[t] for t in rest)))
        return done[-1]

    def gram(self, i: int, j: int, columns: list[list[Jet]], x: Balls | None) -> Jet:
        """``<x_i, x_j>``; in the plane the cosine of a difference."""
        if i == j and not self.homogeneous:
            boxes, order = columns[0][0].hessian.m.shape[:2]
            return constant(point(np.ones(boxes)), self.seeds, order)
        if self.faces or x is None:
            return total(*(multiply(a, b) for a, b in zip(columns[i], columns[j], strict=True)))
        form = np.zeros(self.variables)
        for column, sign in ((i, 1.0), (j, -1.0)):
            if column >= self.pinned:
                form[column - self.pinned] = sign
        return wave((x * point(form)).sum(1), form, columns[0][0].hessian.m.shape[1])[0]


def wave(angle: Balls, form: Array, order: int) -> list[Jet]:
    """Cosine and sine of an angle that is a linear form with coefficients 0 and +-1."""
    sine, cosine = sine_cosine(angle)
    both = point(form[:order, None] * form[None, :order])
    minus = -point(form)
    return [
        Jet(cosine, sine[:, None] * minus, -(cosine[:, None, None] * both)),
        Jet(sine, cosine[:, None] * point(form), -(sine[:, None, None] * both)),
    ]


def put(into: Balls, where: Any, part: Balls) -> None:
    """Store a part."""
    into.m[where], into.r[where] = part.m, part.r


def zeros(*shape: int) -> Balls:
    """Exact zeros."""
    return Balls(np.zeros(shape), np.zeros(shape))


def constant(value: Balls, n: int, order: int = 0) -> Jet:
    """A number."""
    return Jet(value, zeros(len(value.m), n), zeros(len(value.m), order, order))


def outer_product(a: Balls, b: Balls) -> Balls:
    """All products of two lists."""
    return a[:, :, None] * b[:, None, :]


def total(*parts: Jet) -> Jet:
    """A sum."""
    return reduce(lambda a, b: Jet(*(u + v for u, v in zip(a, b, strict=True))), parts)


def negative(a: Jet) -> Jet:
    """The opposite."""
    return Jet(*(-part for part in a))


def multiply(a: Jet, b: Jet) -> Jet:
    """A product."""
    if a is b:
        return to_power(a, 2)
    n = a.hessian.m.shape[1]
    cross = outer_product(a.gradient[:, :n], b.gradient[:, :n])
    turned = Balls(cross.m.transpose(0, 2, 1), cross.r.transpose(0, 2, 1))
    u, v = a.value, b.value
    return Jet(
        u * v,
        u[:, None] * b.gradient + v[:, None] * a.gradient,
        u[:, None, None] * b.hessian + v[:, None, None] * a.hessian + cross + turned,
    )


def power(x: Balls, n: int) -> Balls:
    """A power, exact at both ends."""
    if n == 0:
        return point(np.ones_like(x.m))
    if n == 1:
        return x
    low, high = (reduce(np.multiply, [end] * n) for end in (x.low, x.high))
    room = 16 * FINE * np.maximum(np.abs(low), np.abs(high))
    if n % 2:
        return between(low - room, high + room)
    across = (x.low < 0) & (x.high > 0)
    return between(np.where(across, 0.0, np.minimum(low, high) - room), np.maximum(low, high) + room)


def to_power(a: Jet, n: int) -> Jet:
    """A power, 2 or more."""
    v = a.value
    return a.through(power(v, n), power(v, n - 1) * float(n), power(v, n - 2) * float(n * (n - 1)))


def monotone(x: Balls, bounds: Callable[[Array], tuple[Array, Array]]) -> Balls:
    """A monotone function with bounds on its values."""
    with np.errstate(all="ignore"):
        (a, b), (c, d) = bounds(x.low), bounds(x.high)
        return between(np.minimum(a, c), np.maximum(b, d))


def power_of_positive(x: Balls, exponent: float) -> Balls:
    """``x^exponent`` for an exponent 1/2, -1/2, -1, -3/2, -2 or -3; NaN, of which nothing follows, unless x > 0."""

    def bounds(v: Array) -> tuple[Array, Array]:
        v = np.where(v > 0, v, np.nan)
        whole = reduce(np.multiply, [v] * int(abs(exponent)), np.ones_like(v))
        y = whole * np.sqrt(v) if abs(exponent) % 1 else whole
        y = y if exponent > 0 else 1 / y
        return y * (1 - 4 * FINE), y * (1 + 4 * FINE)

    return monotone(x, bounds)


def inverse(a: Jet) -> Jet:
    """One divided by a value of one sign."""
    sign = np.where(a.value.high < 0, -1.0, 1.0)
    y = a.value * point(sign)
    first, second, third = (power_of_positive(y, n) for n in (-1, -2, -3))
    return a.through(first * point(sign), -second, third * point(2.0 * sign))


def log_bounds(v: Array) -> tuple[Array, Array]:
    """Bounds on the logarithm, NaN unless ``v > 0``."""
    return logarithm(np.where(v > 0, v, np.nan))


def logarithm_of(a: Jet) -> Jet:
    """The logarithm."""
    v = a.value
    return a.through(monotone(v, log_bounds), power_of_positive(v, -1), -power_of_positive(v, -2))


def root(a: Jet) -> Jet:
    """The square root."""
    halves = power_of_positive(a.value, -0.5) * 0.5, power_of_positive(a.value, -1.5) * -0.25
    return a.through(power_of_positive(a.value, 0.5), *halves)


OPERATIONS: dict[str, Callable[..., Jet]] = {
    "add": total,
    "sub": lambda a, b: total(a, negative(b)),
    "mul": multiply,
    "div": lambda a, b: multiply(a, inverse(b)),
    "neg": negative,
    "exp": lambda a: a.through(*[monotone(a.value, exponential)] * 3),
    "log": logarithm_of,
    "sqrt": root,
}
