"""Arrays of numbers with a radius, in double precision with every rounding error bounded.

A ball ``(m, r)`` stands for all numbers within ``r`` of ``m``.  Sums, products, quotients and square roots of doubles
are within ``u = 2^-53`` of the exact ones, relatively (IEEE 754), and sums of n terms within ``n u`` of the sum of
sizes in any order; radii grow by several times that.  Sine, cosine and exponential are not taken from a library of
which nothing is known, but by short Taylor sums from tables that Arb wrote.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cache, reduce
from typing import Any, TypeAlias

import numpy as np
from flint import arb, ctx, fmpq
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]

# a radius is a sum of a few nonnegative terms: GROW is more than their rounding; FINE more than that of a middle;
# LEAST more than what underflow takes away
GROW, FINE, LEAST = 1 + 2.0**-48, 2.0**-50, 1e-300
# steps of the tables of sine and cosine, and of the exponential between two whole numbers
TURNS, STEPS = 256, 64
# largest angles, and exponents, of the tables
WIDEST, LARGEST = 64, 700


class Balls:
    """Arrays of middles ``m`` and radii ``r`` of one shape."""

    __slots__ = ("m", "r")

    def __init__(self, m: Array, r: Array) -> None:
        self.m, self.r = m, r

    def __add__(self, other: Balls | Array | float) -> Balls:
        other = other if isinstance(other, Balls) else point(other)
        m = self.m + other.m
        return Balls(m, outward(self.r + other.r, m))

    def __neg__(self) -> Balls:
        return Balls(-self.m, self.r)

    def __sub__(self, other: Balls | Array | float) -> Balls:
        return self + (-other)

    def __mul__(self, other: Balls | Array | float) -> Balls:
        if not isinstance(other, Balls):
            m = self.m * other
            return Balls(m, outward(self.r * np.abs(other), m))
        m = self.m * other.m
        return Balls(m, outward(np.abs(self.m) * other.r + self.r * (np.abs(other.m) + other.r), m))

    def __matmul__(self, other: Balls) -> Balls:
        a, b = np.abs(self.m), np.abs(other.m)
        size = a @ b
        r = a @ other.r + self.r @ (b + other.r)
        # sums of n products in any order: n u of their sizes, and n u of the radii
        n = self.m.shape[-1] + 2
        return Balls(self.m @ other.m, (r + n * FINE * size) * (1 + n * FINE) + LEAST)

    def __getitem__(self, key: Any) -> Balls:
        return Balls(self.m[key], self.r[key])

    def sum(self, axis: int) -> Balls:
        """The sum along one axis."""
        n = self.m.shape[axis] * FINE
        return Balls(self.m.sum(axis), (self.r.sum(axis) + n * np.abs(self.m).sum(axis)) * (1 + n) + LEAST)

    @property
    def low(self) -> Array:
        """At most the least number."""
        return self.m - outward(self.r, self.m)

    @property
    def high(self) -> Array:
        """At least the largest number."""
        return self.m + outward(self.r, self.m)


def outward(r: Array, m: Array) -> Array:
    """A radius that covers the rounding of itself and of its middle."""
    return r * GROW + (np.abs(m) * FINE + LEAST)


def point(value: Any) -> Balls:
    """Exact doubles."""
    m = np.asarray(value, dtype=np.float64)
    return Balls(m, np.zeros_like(m))


def rational(value: Fraction) -> Balls:
    """A ball around a rational."""
    m = float(value)
    return Balls(np.array(m), np.array(abs(m) * FINE + LEAST))


def between(low: Array, high: Array) -> Balls:
    """The balls from ``low`` to ``high``."""
    m = 0.5 * low + 0.5 * high
    return Balls(m, outward(np.maximum(high - m, m - low), m))


def applied(how: str, form: Array, x: Balls, terms: int) -> Balls:
    """An ``einsum`` of balls with short dyadic coefficients, which are exact, into sums of so many terms."""
    size, n = np.abs(form), terms + 2
    r = np.einsum(how, size, x.r + n * FINE * np.abs(x.m))
    return Balls(np.einsum(how, form, x.m), r * (1 + n * FINE) + LEAST)


def arranged(how: Callable[..., Array], *balls: Balls) -> Balls:
    """What a function does to arrays whose entries it only puts elsewhere, done to balls."""
    return Balls(how(*(x.m for x in balls)), how(*(x.r for x in balls)))


def joined(axis: int, *parts: Balls) -> Balls:
    """Arrays side by side."""
    return arranged(lambda *arrays: np.concatenate(arrays, axis), *parts)


def power(x: Balls, n: int) -> Balls:
    """``x^n`` for ``n >= 0``: monotone in x, or in its size where n is even."""
    if n < 2:
        return x if n else point(np.ones_like(x.m))
    low, high = x.low, x.high
    if n % 2 == 0:
        low, high = np.maximum(np.maximum(low, -high), 0.0), np.maximum(-low, high)
    a, b = (reduce(np.multiply, [end] * n) for end in (low, high))
    return between(a - 16 * FINE * np.abs(a), b + 16 * FINE * np.abs(b))


@cache
def turning() -> tuple[Array, Array]:
    """Sines and cosines of multiples of ``1 / TURNS``, rounded."""
    with ctx.workprec(80):
        pairs = [(arb(j) / TURNS).sin_cos() for j in range(-WIDEST * TURNS, WIDEST * TURNS + 1)]
    s, c = (np.array([float(pair[k].mid()) for pair in pairs]) for k in (0, 1))
    return s, c


def sine_cosine(x: Balls) -> tuple[Balls, Balls]:
    """Sine and cosine, by ``sin(m + e) = sin m cos e + cos m sin e``: small where the slope is."""
    sines, cosines = turning()
    nearest = np.rint(np.clip(x.m, 0.5 - WIDEST, WIDEST - 0.5) * TURNS)
    s0, c0 = (table[nearest.astype(np.int64) + WIDEST * TURNS] for table in (sines, cosines))
    # exact, and at most 1/512: the first terms left out are below 2^-60
    e = x.m - nearest / TURNS
    f = e * e
    rise, fall = e * (1 - f * (1 / 6 - f / 120)), f * (0.5 - f / 24)
    s, c = s0 - s0 * fall + c0 * rise, c0 - c0 * fall - s0 * rise
    # |sin e| and 1 - cos e for |e| <= r, from above by sums that end after a positive term
    r = np.minimum(x.r, 4.0)
    q = r * r
    swing = np.where(r < 1.5, np.minimum(r * (1 - q * (1 / 6 - q / 120)) * GROW, 1.0), 1.0)
    h = np.minimum(q * (0.25 - q * (1 / 48 - q / 1440)) * GROW, 1.0)
    size_s, size_c = np.abs(s), np.abs(c)
    # rounding of the tables and of both sums, small where the values are
    rise = np.abs(rise)
    error_s, error_c = np.abs(s0) + rise, np.abs(c0) + np.abs(s0) * rise
    known = np.abs(x.m) < WIDEST - 1
    return (
        clipped(known, s * (1 - h), size_s * h + size_c * swing + 2 * FINE * error_s),
        clipped(known, c * (1 - h), size_c * h + size_s * swing + 2 * FINE * error_c),
    )


def clipped(known: Mask, m: Array, r: Array) -> Balls:
    """Balls cut down to ``[-1, 1]``, all of it where nothing is known."""
    m, r = np.where(known, m, 0.0), np.where(known, outward(r, m), 1.0)
    wide = np.abs(m) + r > 1
    cut = between(np.maximum(m - r * GROW, -1.0), np.minimum(m + r * GROW, 1.0))
    return Balls(np.where(wide, cut.m, m), np.where(wide, cut.r, r))


@cache
def growing() -> tuple[Array, Array]:
    """Exponentials of whole numbers, and of multiples of ``1 / STEPS`` below one, rounded."""
    with ctx.workprec(80):
        whole = [float(arb(n).exp().mid()) for n in range(-LARGEST, LARGEST + 1)]
        parts = [float((arb(j) / STEPS).exp().mid()) for j in range(STEPS)]
    return np.array(whole), np.array(parts)


def exponential(x: Array) -> tuple[Array, Array]:
    """Bounds on ``exp``, NaN beyond what doubles hold."""
    whole, parts = growing()
    nearest = np.rint(np.clip(np.nan_to_num(x), 1 - LARGEST, LARGEST - 1) * STEPS)
    k = nearest.astype(np.int64)
    e = x - nearest / STEPS
    # |e| <= 1/128: the first term left out is below 2^-60
    series = 1 + e * (1 + e * (0.5 + e * (1 / 6 + e * (1 / 24 + e * (1 / 120 + e / 720)))))
    y = np.where(np.abs(x) < LARGEST - 2, whole[k // STEPS + LARGEST] * parts[k % STEPS], np.nan) * series
    return y * (1 - 16 * FINE), y * (1 + 16 * FINE)


def logarithm(x: Array) -> tuple[Array, Array]:
    """Bounds on ``log`` of positive numbers: a guess y is off by ``log(x exp(-y))``."""
    y = np.log(x)
    low, high = exponential(-y)
    off = 2 * np.maximum(np.abs(x * low - 1), np.abs(x * high - 1)) + 16 * FINE
    off = np.where(off < 0.5, off + FINE * np.abs(y), np.nan)
    return y - off, y + off


def exact(value: Fraction) -> Any:
    """A ball of Arb around a rational."""
    return arb(fmpq(value.numerator, value.denominator))
