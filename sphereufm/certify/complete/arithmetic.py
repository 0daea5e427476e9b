"""Balls of Arb that stay tight where they are wide."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from flint import arb, arb_mat, fmpq

Row = list[Any]


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


def power(x: Any, n: int) -> Any:
    """A power, exact at both ends."""
    if n < 2:
        return x if n else arb(1)
    low, high = x.lower() ** n, x.upper() ** n
    if n % 2 or x > 0:
        return hull(low, high)
    return hull(high, low) if x < 0 else hull(arb(0), low.max(high))


def positive(values: list[Any]) -> bool:
    """Whether all balls are proved positive."""
    return all(value > 0 for value in values)


def near_inverse(J: list[Row]) -> Any:
    """An exact matrix near the inverse, or None."""
    try:
        inverse = arb_mat([[entry.mid() for entry in row] for row in J]).inv()
    except ZeroDivisionError:
        return None
    rows = [[entry.mid() for entry in row] for row in inverse.tolist()]
    return arb_mat(rows) if all(entry.is_finite() for row in rows for entry in row) else None
