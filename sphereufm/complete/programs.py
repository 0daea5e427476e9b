"""Own costs: critical points of a program over unit columns, in charts and over boxes.

Value, gradient and Hessian are carried forward through the program.  In the plane they are those by the columns'
angles, and the equations say that the gradient vanishes.  A column of R^d, d >= 3, lies on a face of a cube:
``x = y / |y|`` with ``y_f = sigma``, a sign, and the other entries t in [-1, 1].  With the gradient g by the entries of
x, it is critical where g is parallel to x, which is, with ``s = 1 / |y|``,

    E_b = g_b - sigma t_b g_f = 0 for b != f,        d x_a / d t_c = s ([a = c] - x_a x_c).

A program that is homogeneous in every column is evaluated at y instead: that changes each column's g by a positive
factor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np

from sphereufm.certify.instances import ExpressionInstance
from sphereufm.complete.balls import Balls, Mask, between, sine_cosine
from sphereufm.complete.planar import TURN_BOX
from sphereufm.geometry.spheres import Array

FACE_BOX = (-1 - 1 / 64, 1 + 1 / 64)

# for each column the row that is fixed and its sign; none in the plane
Faces = tuple[tuple[int, int], ...]


def charts(instance: ExpressionInstance) -> list[Faces]:
    """Return the charts that cover the product of spheres."""
    if instance.dim == 2:
        return [()]
    faces = [(row, sign) for row in range(instance.dim) for sign in (1, -1)]
    return list(product(faces, repeat=instance.columns))


def degrees(instance: ExpressionInstance) -> tuple[int, ...] | None:
    """Return the degree of a program in each column, or None where it is not homogeneous in all of them."""
    none = (0,) * instance.columns
    done: list[tuple[int, ...] | None] = []
    for name, *arguments in instance.program:
        parts = (
            []
            if name in ("const", "x", "gram")
            else [done[t] for t in arguments[: 1 if name == "pow" else None]]
        )
        result: tuple[int, ...] | None = None
        if name == "const":
            result = none
        elif name in ("x", "gram"):
            columns = arguments[1:] if name == "x" else arguments
            result = tuple(sum(j == k for k in columns) for j in range(instance.columns))
        elif name in ("add", "sub", "neg"):
            result = parts[0] if all(part == parts[0] for part in parts) else None
        elif name == "mul" and None not in parts:
            result = tuple(sum(pair) for pair in zip(*parts, strict=True))
        elif name == "pow" and parts[0] is not None:
            result = tuple(arguments[1] * degree for degree in parts[0])
        done.append(result)
    return done[-1]


class ProgramEquations:
    """The gradient of a program in one chart, over batches of boxes.

    In the plane a program of Gram entries alone is invariant under rotations: the first angle is then zero.

    ``faces``: one of :func:`charts`.
    """

    def __init__(self, instance: ExpressionInstance, faces: Faces) -> None:
        self.instance, self.faces = instance, faces
        self.homogeneous = bool(faces) and degrees(instance) is not None
        self.pinned = instance.dim == 2 and instance.is_orthogonally_invariant
        per_column = instance.dim - 1
        self.variables = per_column * instance.columns - self.pinned
        box = FACE_BOX if faces else TURN_BOX
        self.low, self.high = np.full(self.variables, box[0]), np.full(self.variables, box[1])
        self.periodic = np.full(self.variables, not faces)
        self.square = np.arange(self.variables, dtype=np.int64)

    def outside(self, low: Array, _: Array) -> Mask:
        """Tell which boxes need no test: none."""
        return np.zeros(len(low), dtype=np.bool_)

    def signs(self, m: Array, _: Array) -> Mask:
        """Tell which boxes hold no zero, by signs alone: none."""
        return np.zeros(len(m), dtype=np.bool_)

    def values(self, x: Array) -> Array:
        """Return the gradient at points."""
        return self.derivative(x, np.zeros_like(x))[0].m

    def derivative(self, m: Array, r: Array) -> tuple[Balls, Balls]:
        """Return values and derivatives of the equations over boxes."""
        last = self._evaluate(m, r)
        return self._on_faces(last, m, r) if self.faces else (last.gradient, last.hessian)

    def _on_faces(self, last: _Jet, m: Array, r: Array) -> tuple[Balls, Balls]:
        """``E`` and its derivative by t."""
        n, d, g, H = self.variables, self.instance.dim, last.gradient, last.hessian
        E, by_entries = _zeros(len(m), n), _zeros(len(m), n, d * self.instance.columns)
        own = _zeros(len(m), n, n)
        slopes = _zeros(len(m), d * self.instance.columns, n)
        k = 0
        for j, (row, sign) in enumerate(self.faces):
            x, s = self._entries(j, m, r)
            free, f = [a for a in range(d) if a != row], j * d + row
            for c, b in enumerate(free):
                t = Balls(m[:, k + c], r[:, k + c]) * float(sign)
                _put(E, k + c, g[:, j * d + b] - t * g[:, f])
                _put(by_entries, k + c, H[:, j * d + b] - t[:, None] * H[:, f])
                own.m[:, k + c, k + c], own.r[:, k + c, k + c] = -sign * g.m[:, f], g.r[:, f]
                for a in range(d):
                    slope = self._slope(x, s, a, b)
                    slopes.m[:, j * d + a, k + c], slopes.r[:, j * d + a, k + c] = slope.m, slope.r
            k += d - 1
        return E, own + _matmul(by_entries, slopes)

    def _slope(self, x: dict[int, Balls], s: Balls, a: int, b: int) -> Balls:
        """Derivative of an entry by ``t_b``."""
        if self.homogeneous:
            return s * float(a == b)
        return s * (-(x[a] * x[b]) if a != b else -_square(x[a]) + 1.0)

    def point(self, x: Array) -> Array:
        """Return the columns of one point, shape ``(d, M)``."""
        columns = (self._column(j, x[None], 0 * x[None]) for j in range(self.instance.columns))
        X = np.array([[float(entry.value.m[0]) for entry in column] for column in columns]).T
        return X / np.linalg.norm(X, axis=0)

    def _evaluate(self, m: Array, r: Array) -> _Jet:
        """Run the program."""
        columns = [self._column(j, m, r) for j in range(self.instance.columns)]
        done: list[_Jet] = []
        for name, *arguments in self.instance.program:
            if name == "const":
                done.append(_constant(np.full(len(m), float(Fraction(arguments[0]))), self._seeds))
            elif name == "x":
                done.append(columns[arguments[1]][arguments[0]])
            elif name == "gram":
                i, j = arguments
                done.append(self._gram(i, j, columns, m, r))
            else:
                done.append(_OPERATIONS[name](done, arguments))
        return done[-1]

    @property
    def _seeds(self) -> int:
        """How many variables derivatives are carried for: angles in the plane, else entries."""
        return self.instance.dim * self.instance.columns if self.faces else self.variables

    def _gram(self, i: int, j: int, columns: Sequence[Sequence[_Jet]], m: Array, r: Array) -> _Jet:
        """``<x_i, x_j>``; in the plane the cosine of a difference."""
        if i == j and not self.homogeneous:
            return _constant(np.ones(len(m)), self._seeds)
        if self.faces:
            return _total([_multiply(a, b) for a, b in zip(columns[i], columns[j], strict=True)])
        form = np.zeros(self.variables)
        for column, sign in ((i, 1.0), (j, -1.0)):
            if column >= self.pinned:
                form[column - self.pinned] = sign
        return _wave(Balls(m @ form, r @ np.abs(form)), form)[0]

    def _column(self, j: int, m: Array, r: Array) -> list[_Jet]:
        """Entries of a unit column, with their derivatives by angles or by themselves."""
        n = self._seeds
        if self.faces:
            d = self.instance.dim
            entries, _ = self._entries(j, m, r)
            unit = np.tile(np.eye(n)[None], (len(m), 1, 1))
            return [
                _Jet(entries[a], Balls(unit[:, j * d + a], 0 * unit[:, 0]), _zeros(len(m), n, n))
                for a in range(d)
            ]
        k = j - self.pinned
        if k < 0:
            return [_constant(np.full(len(m), v), n) for v in (1.0, 0.0)]
        return list(_wave(Balls(m[:, k], r[:, k]), np.eye(n)[k]))

    def _entries(self, j: int, m: Array, r: Array) -> tuple[dict[int, Balls], Balls]:
        """Entries of a column on its face, and ``s``."""
        d, (row, sign) = self.instance.dim, self.faces[j]
        free = [a for a in range(d) if a != row]
        part = slice(j * (d - 1), (j + 1) * (d - 1))
        t = Balls(m[:, part], r[:, part])
        if self.homogeneous:
            one = Balls(np.ones(len(m)), np.zeros(len(m)))
            return {row: one * float(sign), **{a: t[:, c] for c, a in enumerate(free)}}, one
        squares = _square(t)
        low, high = squares.low, squares.high
        s = between(1 / np.sqrt(1 + high.sum(1)), 1 / np.sqrt(1 + low.sum(1)))
        x = {row: s * float(sign)}
        for c, a in enumerate(free):
            least, most = 1 + low.sum(1) - low[:, c], 1 + high.sum(1) - high[:, c]
            x[a] = between(_share(t.low[:, c], most, least), _share(t.high[:, c], least, most))
        return x, s


class _Jet:
    """Value, gradient and Hessian over boxes."""

    __slots__ = ("gradient", "hessian", "value")

    def __init__(self, value: Balls, gradient: Balls, hessian: Balls) -> None:
        self.value, self.gradient, self.hessian = value, gradient, hessian

    def through(self, value: Balls, first: Balls, second: Balls) -> _Jet:
        """The jet of a function with these derivatives at the value."""
        g = self.gradient
        outer = _outer(g, g)
        return _Jet(
            value, first[:, None] * g, first[:, None, None] * self.hessian + second[:, None, None] * outer
        )


def _share(t: Array, rest: Array, rest_if_negative: Array) -> Array:
    """``t / sqrt(t^2 + rest)``; of two rests the one that makes it a bound."""
    return t / np.sqrt(t * t + np.where(t >= 0, rest, rest_if_negative))


def _wave(angle: Balls, form: Array) -> tuple[_Jet, _Jet]:
    """Cosine and sine of an angle that is a linear form in the variables."""
    sine, cosine = sine_cosine(angle)
    both = form[:, None] * form[None, :]
    return (
        _Jet(cosine, -(sine[:, None] * form), -(cosine[:, None, None] * both)),
        _Jet(sine, cosine[:, None] * form, -(sine[:, None, None] * both)),
    )


def _put(into: Balls, k: int, part: Balls) -> None:
    """Store a row."""
    into.m[:, k], into.r[:, k] = part.m, part.r


def _matmul(A: Balls, B: Balls) -> Balls:
    """Products of matrices."""
    a, b = np.abs(A.m), np.abs(B.m)
    return Balls(A.m @ B.m, a @ B.r + A.r @ (b + B.r))


def _zeros(*shape: int) -> Balls:
    """Exact zeros."""
    return Balls(np.zeros(shape), np.zeros(shape))


def _constant(value: Array, n: int) -> _Jet:
    """A number."""
    return _Jet(Balls(value, np.zeros_like(value)), _zeros(len(value), n), _zeros(len(value), n, n))


def _square(x: Balls) -> Balls:
    """The square."""
    return _power(x, 2)


def _power(x: Balls, k: int) -> Balls:
    """A power, exact at both ends."""
    low, high = x.low**k, x.high**k
    if k % 2:
        return between(low, high)
    across = (x.low < 0) & (x.high > 0)
    return between(np.where(across, 0.0, np.minimum(low, high)), np.maximum(low, high))


def _outer(a: Balls, b: Balls) -> Balls:
    """Outer products; squares on the diagonal of one with itself."""
    result = a[:, :, None] * b[:, None, :]
    if a is b:
        k = np.arange(a.m.shape[1])
        squares = _square(a)
        result.m[:, k, k], result.r[:, k, k] = squares.m, squares.r
    return result


def _total(parts: Sequence[_Jet]) -> _Jet:
    """A sum."""
    first, *rest = parts
    value, gradient, hessian = first.value, first.gradient, first.hessian
    for part in rest:
        value, gradient, hessian = value + part.value, gradient + part.gradient, hessian + part.hessian
    return _Jet(value, gradient, hessian)


def _multiply(a: _Jet, b: _Jet) -> _Jet:
    """A product."""
    if a is b:
        return a.through(_square(a.value), a.value * 2.0, Balls(np.full_like(a.value.m, 2.0), 0 * a.value.r))
    cross = _outer(a.gradient, b.gradient)
    turned = Balls(cross.m.transpose(0, 2, 1), cross.r.transpose(0, 2, 1))
    u, v = a.value, b.value
    return _Jet(
        u * v,
        u[:, None] * b.gradient + v[:, None] * a.gradient,
        u[:, None, None] * b.hessian + v[:, None, None] * a.hessian + cross + turned,
    )


def _negative(a: _Jet) -> _Jet:
    """The opposite."""
    return _Jet(-a.value, -a.gradient, -a.hessian)


def _to_power(a: _Jet, k: int) -> _Jet:
    """A power, 2 or more."""
    second = _power(a.value, k - 2) if k > 2 else Balls(np.ones_like(a.value.m), 0 * a.value.r)
    return a.through(_power(a.value, k), _power(a.value, k - 1) * float(k), second * float(k * (k - 1)))


def _monotone(a: _Jet, functions: Sequence[Callable[[Array], Array]]) -> _Jet:
    """A function whose value and two derivatives are monotone on its domain."""
    low, high = a.value.low, a.value.high
    parts = []
    with np.errstate(all="ignore"):
        for function in functions:
            p, q = function(low), function(high)
            parts.append(between(np.minimum(p, q), np.maximum(p, q)))
    return a.through(*parts)


def _positive(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """A function of positive numbers, NaN elsewhere: what is not defined decides nothing."""
    return lambda x: np.where(x > 0, function(np.where(x > 0, x, 1.0)), np.nan)


def _inverse(a: _Jet) -> _Jet:
    """One divided by a value of one sign."""
    if (a.value.high < 0).all():
        return _negative(_inverse(_negative(a)))
    return _monotone(
        a, [_positive(lambda x: 1 / x), _positive(lambda x: -1 / x**2), _positive(lambda x: 2 / x**3)]
    )


_OPERATIONS: dict[str, Any] = {
    "add": lambda done, a: _total([done[t] for t in a]),
    "sub": lambda done, a: _total([done[a[0]], _negative(done[a[1]])]),
    "neg": lambda done, a: _negative(done[a[0]]),
    "mul": lambda done, a: _multiply(done[a[0]], done[a[1]]),
    "div": lambda done, a: _multiply(done[a[0]], _inverse(done[a[1]])),
    "pow": lambda done, a: _to_power(done[a[0]], a[1]),
    "exp": lambda done, a: _monotone(done[a[0]], [np.exp] * 3),
    "log": lambda done, a: _monotone(
        done[a[0]], [_positive(np.log), _positive(lambda x: 1 / x), _positive(lambda x: -1 / x**2)]
    ),
    "sqrt": lambda done, a: _monotone(
        done[a[0]],
        [_positive(np.sqrt), _positive(lambda x: 0.5 / np.sqrt(x)), _positive(lambda x: -0.25 / x**1.5)],
    ),
}
