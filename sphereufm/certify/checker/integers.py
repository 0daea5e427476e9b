"""A second arithmetic, of Python's integers alone: intervals rounded outward by shifts and integer division.

It exists so that one library's error cannot pass unseen; it is slow, and for small instances.  Series are those of exp
at ``t < 2^-7`` and of ``2 atanh(z)`` at ``|z| <= 1/3``; what is left out of each is bounded by its last term.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

from sphereufm.certify.checker.kernel import Undecided, dot


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

    def end(self, up: bool) -> Interval:
        """One end."""
        x = self.high if up else self.low
        return Interval(x, x, self.exponent, self.bits)

    def function(self, name: str) -> Interval:
        """An increasing function, by its values at both ends."""
        at = {"exp": self.exp, "log": self.log, "log1p": self.log1p, "sqrt": self.sqrt}[name]
        a, b = at(self.low), at(self.high)
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


class Table:
    """A matrix of intervals, with what the kernel asks of Arb's."""

    def __init__(self, rows: list[list[Any]]) -> None:
        self.rows = rows

    def tolist(self) -> list[list[Any]]:
        """Rows."""
        return [list(row) for row in self.rows]

    def entries(self) -> list[Any]:
        """Row after row."""
        return [x for row in self.rows for x in row]

    def nrows(self) -> int:
        """Number of rows."""
        return len(self.rows)

    def ncols(self) -> int:
        """Number of columns."""
        return len(self.rows[0])

    def transpose(self) -> Table:
        """The transpose."""
        return Table([list(column) for column in zip(*self.rows, strict=True)])

    def __add__(self, other: Table) -> Table:
        pairs = zip(self.rows, other.rows, strict=True)
        return Table([[x + y for x, y in zip(a, b, strict=True)] for a, b in pairs])

    def __sub__(self, other: Table) -> Table:
        return self + Table([[-x for x in row] for row in other.rows])

    def __mul__(self, other: Table) -> Table:
        columns = other.transpose().rows
        return Table([[dot(row, column) for column in columns] for row in self.rows])


class Integers:
    """The arithmetic's face, the same as that of Arb."""

    most = 1e6

    def __init__(self, bits: int, spent: float = 0.0) -> None:
        self.bits, self.spent = bits, spent

    def __enter__(self) -> None:
        """Nothing is global."""

    def __exit__(self, *_: object) -> None:
        """Nothing is global."""

    def charge(self, work: float) -> None:
        """Count operations before they are done."""
        self.spent += work
        if self.spent > self.most:
            raise Undecided("too large for this checker")

    def dyadic(self, mantissa: int, exponent: int) -> Interval:
        """``mantissa 2^exponent``, rounded outward to so many bits."""
        return Interval(mantissa, mantissa, exponent, self.bits)

    def number(self, x: Any) -> Interval:
        """An integer, a double or a fraction."""
        top, bottom = x.as_integer_ratio()
        if bottom & (bottom - 1):
            return self.dyadic(top, 0) / bottom
        return self.dyadic(top, 1 - bottom.bit_length())

    def around(self, x: Interval, radius: Any) -> Interval:
        """All numbers within ``radius`` of ``x``."""
        r = self.top(radius)
        return x + Interval(-r.high, r.high, r.exponent, self.bits)

    def less(self, a: Any, b: Any) -> bool:
        """Whether a < b for all points of both."""
        return self.dyadic(0, 0).of(a) < b

    def top(self, x: Any) -> Interval:
        """An exact upper bound of ``|x|``."""
        return abs(self.dyadic(0, 0).of(x)).end(True)

    def middle(self, x: Interval) -> Interval:
        """One exact number of the interval."""
        return self.dyadic((x.low + x.high) >> 1, x.exponent)

    def real(self, x: Interval) -> float:
        """A double near by."""
        middle = (x.low + x.high) >> 1
        excess = max(middle.bit_length() - 60, 0)
        try:
            return math.ldexp(middle >> excess, x.exponent + excess)
        except OverflowError:
            return math.copysign(math.inf, middle)

    def function(self, name: str, x: Interval) -> Interval:
        """exp, log, log1p or sqrt."""
        return x.function(name)

    def matrix(self, rows: list[list[Any]]) -> Table:
        """A matrix from its rows."""
        zero = self.dyadic(0, 0)
        return Table([[zero.of(x) for x in row] for row in rows])

    def times(self, A: Table, C: Table) -> Table:
        """A product of matrices."""
        self.charge(A.nrows() * C.ncols() * A.ncols())
        return A * C

    def bound(self, x: Interval, up: bool) -> tuple[int, int] | None:
        """Mantissa and exponent of an end."""
        return (x.high if up else x.low), x.exponent
