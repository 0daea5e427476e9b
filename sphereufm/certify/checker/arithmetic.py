"""Ball arithmetic: the one place that knows a library, and one budget of work for every path.

A number is a ball: an interval that contains the exact value, whatever was rounded on the way.  A comparison is
true only if it holds for all pairs of points.  Matrices are Arb's own, and stay so inside the kernel.
"""

from __future__ import annotations

from typing import Any


class CheckError(ValueError):
    """The file is no certificate of this format; the message says where and why."""


class Undecided(Exception):
    """The claim cannot be decided at this precision."""


class TooLarge(Undecided):
    """The claim cannot be decided by this checker at all: time and memory stay bounded."""


class Arb:
    """Balls of Arb, through python-flint; one unit of work is about a microsecond."""

    name, most, product_cost = "flint", 3e7, 0.01

    def __init__(self, bits: int, spent: float = 0.0) -> None:
        import flint

        self.flint, self.bits, self.spent = flint, bits, spent

    def __enter__(self) -> None:
        self.before: Any = self.flint.ctx.prec
        self.flint.ctx.prec = self.bits

    def __exit__(self, *_: object) -> None:
        self.flint.ctx.prec = self.before

    def charge(self, work: float) -> None:
        """Count operations before they are done."""
        self.spent += work
        if self.spent > self.most:
            raise TooLarge("too large for this checker")

    def dyadic(self, mantissa: int, exponent: int) -> Any:
        """``mantissa 2^exponent``, exactly."""
        return self.flint.arb((mantissa, exponent))

    def number(self, x: Any) -> Any:
        """An integer, a double or a fraction."""
        top, bottom = x.as_integer_ratio()
        if bottom & (bottom - 1):
            return self.flint.arb(top) / bottom
        return self.flint.arb((top, 1 - bottom.bit_length()))

    def around(self, x: Any, radius: Any) -> Any:
        """All numbers within ``radius`` of ``x``."""
        return x + self.flint.arb(0, self.top(radius))

    def less(self, a: Any, b: Any) -> bool:
        """Whether a < b for all points of both: false where that is not decided, or one is not a number."""
        return bool(a < b)

    def top(self, x: Any) -> Any:
        """An exact upper bound of ``|x|``."""
        return abs(self.flint.arb(x)).upper()

    def middle(self, x: Any) -> Any:
        """One exact number of the ball."""
        return x.mid()

    def real(self, x: Any) -> float:
        """A double near by."""
        return float(x.mid())

    def function(self, name: str, x: Any) -> Any:
        """exp, log, log1p or sqrt."""
        return getattr(x, name)()

    def matrix(self, rows: list[list[Any]]) -> Any:
        """A matrix from its rows."""
        return self.flint.arb_mat(rows)

    def times(self, A: Any, C: Any) -> Any:
        """A product of matrices."""
        self.charge(A.nrows() * C.ncols() * (A.ncols() * self.product_cost + 3))
        return A * C

    def bound(self, x: Any, up: bool) -> tuple[int, int] | None:
        """Mantissa and exponent of an end of the ball, None where there is none."""
        end = x.upper() if up else x.lower()
        if not end.is_finite():
            return None
        mantissa, exponent = end.man_exp()
        return int(mantissa), int(exponent)
