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

from collections.abc import Callable
from functools import cache, partial, reduce
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sphereufm.certify.checker.kernel import require
from sphereufm.certify.checker.reading import refuse_if
from sphereufm.certify.complete.arithmetic import (
    FINE,
    Array,
    Balls,
    Mask,
    applied,
    arranged,
    between,
    exponential,
    logarithm,
    point,
    power,
    rational,
    sine_cosine,
)
from sphereufm.certify.complete.planar import TURN_BOX
from sphereufm.certify.complete.reading import Program

FACE_BOX = (-1 - 1 / 64, 1 + 1 / 64)
MOST_UNKNOWNS, MOST_CHARTS = 16, 5000

# for each column the row that is fixed and its sign; none in the plane
Faces = tuple[tuple[int, int], ...]


def charts(p: Program) -> list[ProgramEquations]:
    """The charts that cover the product of spheres."""
    d, M = p.dim, p.columns
    require(
        d == 2 or not p.invariant,
        "a cost of inner products alone has no isolated critical points in d >= 3; four charges are an exception",
    )
    refuse_if(d == 2 and M == 1 and p.invariant, "a cost of one column's length is constant")
    unknowns, count = (d - 1) * M, (2 * d) ** M if d > 2 else 1
    far = unknowns > MOST_UNKNOWNS or count > MOST_CHARTS
    refuse_if(far, f"{unknowns} unknowns in {count} charts are more than can be searched")
    faces = list(product(range(d), (1, -1)))
    return [ProgramEquations(p, each) for each in (product(faces, repeat=M) if d > 2 else [()])]


def is_homogeneous(p: Program) -> bool:
    """Whether a program is seen to be homogeneous in every column."""
    unit, done = np.eye(p.columns), list[Array]()
    for name, *rest in p.program:
        degree = np.full(p.columns, np.nan)
        if name == "const":
            degree = np.zeros(p.columns)
        elif name in ("x", "gram"):
            degree = unit[rest[1:] if name == "x" else rest].sum(0)
        elif name == "pow":
            degree = done[rest[0]] * rest[1]
        elif name == "mul":
            degree = done[rest[0]] + done[rest[1]]
        elif name in ("add", "sub", "neg") and all((done[t] == done[rest[0]]).all() for t in rest):
            degree = done[rest[0]]
        # larger ones would be rounded
        done.append(np.where(degree < 2**40, degree, np.nan))
    return not np.isnan(done[-1]).any()


class Jet(NamedTuple):
    """Value, gradient and Hessian over boxes; an empty Hessian where none is asked for."""

    value: Balls
    gradient: Balls
    hessian: Balls

    def through(self, value: Balls, first: Balls, second: Balls) -> Jet:
        """A function with these derivatives at the value."""
        n = np.arange(self.hessian.m.shape[1])
        hessian = first[:, None, None] * self.hessian + second[:, None, None] * products(self.gradient, n, n)
        return Jet(value, first[:, None] * self.gradient, hessian)


class ProgramEquations:
    """The gradient of a program in one chart: the angles of the plane, or one face of a cube for each column."""

    def __init__(self, p: Program, faces: Faces) -> None:
        self.p, self.faces = p, faces
        d, M = p.dim, p.columns
        # a program of inner products alone does not see a rotation of the plane: the first angle is zero
        self.pinned = int(d == 2 and p.invariant)
        self.up_to = ", up to O(2)," if self.pinned else ""
        self.variables = (d - 1) * M - self.pinned
        self.homogeneous = bool(faces) and is_homogeneous(p)
        # derivatives are carried by angles in the plane, else by entries
        self.seeds = d * M if faces else self.variables
        box = FACE_BOX if faces else TURN_BOX
        self.low, self.high = np.full(self.variables, box[0]), np.full(self.variables, box[1])
        self.periodic, self.unit = np.full(self.variables, not faces), np.ones(self.variables)
        # in the plane every angle as a linear form in the unknowns
        self.angles = np.eye(M)[:, self.pinned :]
        # else of all entries, column by column, those that are fixed, with their signs; the others are the unknowns
        rows = np.array(faces, dtype=np.int64).reshape(-1, 2)
        self.fixed, self.sign = d * np.arange(len(faces)) + rows[:, 0], rows[:, 1].astype(np.float64)
        self.free = np.setdiff1d(np.arange(d * M), self.fixed)
        self.of = self.free // d
        self.places = np.argsort(np.append(self.fixed, self.free))

    def trim(self, low: Array, high: Array) -> tuple[Mask, Array, Array]:
        """No box is left out."""
        return np.zeros(len(low), dtype=np.bool_), low, high

    def evaluate(self, x: Balls, derivative: bool = True) -> tuple[Balls, Balls]:
        """The equations and their derivative."""
        X, s = self.entries(x, self.homogeneous) if self.faces else (x, x)
        _, g, H = self.run(x, X, self.seeds if derivative else 0)
        if not self.faces:
            return g, H
        fixed, t = g[:, self.fixed[self.of]], x * self.sign[self.of]
        E = g[:, self.free] - t * fixed
        if not derivative:
            return E, H
        by_entries = H[:, self.free] - t[:, :, None] * H[:, self.fixed[self.of]]
        own = (fixed * -self.sign[self.of])[:, :, None] * np.eye(self.variables)
        if self.homogeneous:
            return E, own + by_entries[:, :, self.free]
        entry = np.arange(self.seeds)
        tangent = point(np.equal.outer(entry, self.free)) - products(X, entry, self.free)
        slopes = tangent * s[:, None, self.of] * np.equal.outer(entry // self.p.dim, self.of)
        return E, own + by_entries @ slopes

    def entries(self, x: Balls, of_y: bool = False) -> tuple[Balls, Balls]:
        """All entries of unit columns, column by column, or of y itself, and every ``1 / |y|``."""
        if not self.faces:
            both = sine_cosine(applied("jv,bv->bj", self.angles, x, self.variables))[::-1]
            return arranged(lambda *a: np.stack(a, 2).reshape(len(x.m), -1), *both), x
        if of_y:
            signs = point(np.tile(self.sign, (len(x.m), 1)))
            return self.ordered(signs, x), signs
        squares, own = power(x, 2), np.equal.outer(np.arange(len(self.faces)), self.of).astype(np.float64)
        s = power_of_positive(applied("jv,bv->bj", own, squares, self.p.dim) + 1.0, -0.5)
        rest = applied("cv,bv->bc", own.T @ own - np.eye(self.variables), squares, self.p.dim) + 1.0
        # t / sqrt(t^2 + rest): of two rests the one that makes it a bound
        low, high = (
            v / np.sqrt(v * v + np.where((v > 0) == below, rest.high, rest.low))
            for v, below in ((x.low, True), (x.high, False))
        )
        return self.ordered(s * self.sign, between(low - 8 * FINE, high + 8 * FINE)), s

    def ordered(self, fixed: Balls, free: Balls) -> Balls:
        """All entries in their order."""
        return arranged(lambda a, b: np.concatenate([a, b], 1)[:, self.places], fixed, free)

    def point(self, x: Balls) -> Balls:
        """All entries of unit columns, column by column, shape ``(boxes, columns d)``."""
        return self.entries(x)[0]

    def place(self, x: Array) -> Array:
        """The point that unknowns stand for, as columns."""
        X = self.point(point(x[None])).m.reshape(self.p.columns, -1).T
        return np.asarray(X / np.linalg.norm(X, axis=0))

    def images(self, source: ProgramEquations, x: Balls) -> Balls:
        """Coordinates here of a point of another chart, none if it is not proved to lie on these faces.

        In the plane also of its mirror image, where a rotation is free.
        """
        if not self.faces:
            return applied("g,bv->gv", np.array([1.0, -1.0])[: 1 + self.pinned], x, 1)
        X = source.point(x)
        heights = X[:, self.fixed] * self.sign
        here = (heights.low > 0).all(1)
        return (X[:, self.free] * power_of_positive(heights, -1)[:, self.of])[here]

    def signature(self, x: Balls) -> Balls:
        """Numbers that the point determines: of its columns, or of their inner products where a rotation is free."""
        X = self.point(x)
        if not self.pinned:
            return X
        i, j = np.triu_indices(self.p.columns, 1)
        return X[:, 2 * i] * X[:, 2 * j] + X[:, 2 * i + 1] * X[:, 2 * j + 1]

    @property
    def names(self) -> tuple[str, ...]:
        """The unknowns in words."""
        if not self.faces:
            return tuple(f"angle of x_{j + 1}" for j in range(self.pinned, self.p.columns))
        of = ((j, entry % self.p.dim, *self.faces[j]) for j, entry in zip(self.of, self.free, strict=True))
        return tuple(f"x_{j + 1}[{a}] / {'-' * (sign < 0)}x_{j + 1}[{row}]" for j, a, row, sign in of)

    def cost(self, x: Balls) -> Balls:
        """The cost."""
        return self.run(x, self.point(x), 0).value

    def run(self, x: Balls, X: Balls, order: int) -> Jet:
        """Run the program at unknowns, and the entries that they stand for."""
        done: list[Jet] = []
        leaf = cache(partial(self.leaf, x, X, order))
        for name, *rest in self.p.program:
            if name == "const":
                value = rational(rest[0])
                value = Balls(np.full(len(x.m), value.m), np.full(len(x.m), value.r))
                done.append(constant(value, self.seeds, order))
            elif name == "x":
                done.append(leaf(*rest))
            elif name == "pow":
                done.append(to_power(done[rest[0]], rest[1]))
            elif name != "gram":
                done.append(OPERATIONS[name](*(done[t] for t in rest)))
            elif rest[0] == rest[1] and not self.homogeneous:
                done.append(constant(point(np.ones(len(x.m))), self.seeds, order))
            elif not self.faces:
                done.append(wave(x, self.angles[rest[0]] - self.angles[rest[1]], order)[0])
            else:
                done.append(total(*(multiply(leaf(a, rest[0]), leaf(a, rest[1])) for a in range(self.p.dim))))
        return done[-1]

    def leaf(self, x: Balls, X: Balls, order: int, a: int, j: int) -> Jet:
        """Entry a of column j."""
        if not self.faces:
            return wave(x, self.angles[j], order)[a]
        at = j * self.p.dim + a
        jet = constant(X[:, at], self.seeds, order)
        jet.gradient.m[:, at] = 1
        return jet


def wave(x: Balls, form: Array, order: int) -> tuple[Jet, Jet]:
    """Cosine and sine of an angle that is a linear form with coefficients 0 and +-1."""
    sine, cosine = sine_cosine((x * form).sum(1))
    both = np.outer(form, form)[:order, :order]
    return (
        Jet(cosine, sine[:, None] * -form, -(cosine[:, None, None] * both)),
        Jet(sine, cosine[:, None] * form, -(sine[:, None, None] * both)),
    )


def zeros(*shape: int) -> Balls:
    """Exact zeros."""
    return Balls(np.zeros(shape), np.zeros(shape))


def constant(value: Balls, n: int, order: int = 0) -> Jet:
    """A number."""
    return Jet(value, zeros(len(value.m), n), zeros(len(value.m), order, order))


def products(x: Balls, a: NDArray[np.int64], b: NDArray[np.int64]) -> Balls:
    """All products of two selections, and squares where an entry meets itself."""
    result = x[:, a, None] * x[:, None, b]
    i, j = np.nonzero(np.equal.outer(a, b))
    squares = power(x[:, a[i]], 2)
    result.m[:, i, j], result.r[:, i, j] = squares.m, squares.r
    return result


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
    cross = a.gradient[:, :n, None] * b.gradient[:, None, :n]
    turned = arranged(lambda m: m.transpose(0, 2, 1), cross)
    u, v = a.value, b.value
    return Jet(
        u * v,
        u[:, None] * b.gradient + v[:, None] * a.gradient,
        u[:, None, None] * b.hessian + v[:, None, None] * a.hessian + cross + turned,
    )


def to_power(a: Jet, e: float) -> Jet:
    """A power with a whole exponent, 2 or more, of any value; or with a small one of a positive value."""
    raised: Callable[..., Balls] = power if e >= 2 else power_of_positive
    factors = enumerate((1.0, float(e), float(e * (e - 1))))
    return a.through(*(raised(a.value, e - k) * factor for k, factor in factors))


def monotone(x: Balls, bounds: Callable[[Array], tuple[Array, Array]]) -> Balls:
    """A monotone function with bounds on its values."""
    with np.errstate(all="ignore"):
        (a, b), (c, d) = bounds(x.low), bounds(x.high)
        return between(np.minimum(a, c), np.maximum(b, d))


def power_of_positive(x: Balls, exponent: float) -> Balls:
    """``x^exponent`` for an exponent 1/2 or below, a multiple of 1/2; NaN, of which nothing follows, unless x > 0."""

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
    first, second, third = (power_of_positive(a.value * sign, n) for n in (-1, -2, -3))
    return a.through(first * sign, -second, third * (2 * sign))


def logarithm_of(a: Jet) -> Jet:
    """The logarithm."""
    value = monotone(a.value, lambda v: logarithm(np.where(v > 0, v, np.nan)))
    return a.through(value, power_of_positive(a.value, -1), -power_of_positive(a.value, -2))


OPERATIONS: dict[str, Callable[..., Jet]] = {
    "add": total,
    "sub": lambda a, b: total(a, negative(b)),
    "mul": multiply,
    "div": lambda a, b: multiply(a, inverse(b)),
    "neg": negative,
    "exp": lambda a: a.through(*[monotone(a.value, exponential)] * 3),
    "log": logarithm_of,
    "sqrt": lambda a: to_power(a, 0.5),
}
