"""Numbers with a radius, as arrays: what the search for a complete list computes with.

A pair ``(m, r)`` stands for every number within ``r`` of ``m``.  Rounding errors are not bounded here: the search
only proposes a proof, and the checker (:mod:`sphereufm.certify.complete`) redoes all of it in ball arithmetic.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array

Mask: TypeAlias = NDArray[np.bool_]
Index: TypeAlias = NDArray[np.int64]


class Balls:
    """Arrays of midpoints ``m`` and radii ``r`` of one shape, with ``+``, ``-``, ``*`` and sums.

    Examples
    --------
    >>> product = Balls(np.array(2.0), np.array(0.5)) * Balls(np.array(-1.0), np.array(0.1))
    >>> float(product.m), round(float(product.r), 12)
    (-2.0, 0.75)
    """

    __slots__ = ("m", "r")

    def __init__(self, m: Array, r: Array) -> None:
        self.m, self.r = m, r

    def __add__(self, other: Balls | float | Array) -> Balls:
        if isinstance(other, Balls):
            return Balls(self.m + other.m, self.r + other.r)
        return Balls(self.m + other, self.r)

    def __neg__(self) -> Balls:
        return Balls(-self.m, self.r)

    def __sub__(self, other: Balls | float | Array) -> Balls:
        return self + (-other)

    def __mul__(self, other: Balls | float | Array) -> Balls:
        if isinstance(other, Balls):
            a, b = np.abs(self.m), np.abs(other.m)
            return Balls(self.m * other.m, a * other.r + self.r * (b + other.r))
        return Balls(self.m * other, self.r * np.abs(other))

    def __getitem__(self, key: Any) -> Balls:
        return Balls(self.m[key], self.r[key])

    def sum(self, axis: int) -> Balls:
        """Return the sum along one axis."""
        return Balls(self.m.sum(axis), self.r.sum(axis))

    @property
    def low(self) -> Array:
        """Least number."""
        return self.m - self.r

    @property
    def high(self) -> Array:
        """Largest number."""
        return self.m + self.r


def between(low: Array, high: Array) -> Balls:
    """Return the balls from ``low`` to ``high``."""
    return Balls(0.5 * (low + high), 0.5 * (high - low))


def sine_cosine(x: Balls) -> tuple[Balls, Balls]:
    """Return sine and cosine, by ``sin(m + e) = sin m cos e + cos m sin e``.

    Examples
    --------
    >>> s, c = sine_cosine(Balls(np.array(0.0), np.array(0.1)))
    >>> bool(s.high >= np.sin(0.1)), bool(c.low <= np.cos(0.1)), bool(c.high >= 1)
    (True, True, True)
    """
    s, c = np.sin(x.m), np.cos(x.m)
    e = np.minimum(x.r, np.pi)
    swing = np.where(e < np.pi / 2, np.sin(e), 1.0)
    h = 0.5 * (1.0 - np.cos(e))
    return (
        _clipped(s * (1 - h), np.abs(s) * h + np.abs(c) * swing),
        _clipped(c * (1 - h), np.abs(c) * h + np.abs(s) * swing),
    )


def _clipped(m: Array, r: Array) -> Balls:
    """Balls cut down to ``[-1, 1]``."""
    return between(np.maximum(m - r, -1.0), np.minimum(m + r, 1.0))
