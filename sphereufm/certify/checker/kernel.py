"""Ball arithmetic with one budget of work, and two tests in balls by one witness: a contraction, and with it inertia.

A number is a ball: an interval that contains the exact value, whatever was rounded on the way.  A comparison is
true only if it holds for all pairs of points.  Matrices are Arb's own; this is the one place that knows a library.

A witness is an exact matrix T and a number ``minus``; with E the diagonal matrix of ``minus`` entries -1 and then
entries 1, put ``Y = T E T^T``.  Whoever made T is not believed: a bad one only makes a test fail.

Lemma 6.  Let A be symmetric and ``|I - Y A| < 1`` in some operator norm.  Then A is nonsingular and has exactly
``minus`` negative eigenvalues.  (``Y A`` is invertible, so Y, T and A are; along ``(1 - t) Y^-1 + t A`` no eigenvalue
crosses zero, and Y has the inertia of E by Sylvester's law.)

Lemma 4 (Krawczyk).  Over the box of the y with ``|y - yhat|_i <= u_i`` let J contain the derivative of F, and put
``eta = max_i |Y F(yhat)|_i / u_i`` and ``q = max_i sum_j |I - Y J|_ij u_j / u_i``.  If ``eta + q < 1`` the box holds
exactly one zero of F, at distance at most ``u_i eta / (1 - q)``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class CheckError(ValueError):
    """The file is no certificate of this format; the message says where and why."""


class Undecided(Exception):
    """The claim cannot be decided at this precision."""


class Refuted(Exception):
    """The claim is false, and the message says why."""


def require(holds: object, why: str) -> None:
    """Go on only where something is proved to hold."""
    if not holds:
        raise Undecided(why)


class Arb:
    """Balls of Arb, through python-flint; one unit of work is about a microsecond."""

    most, product_cost = 3e7, 0.01

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
        require(self.spent <= self.most, "too large for this checker")

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

    def bound(self, x: Any, up: bool) -> tuple[int, int]:
        """Mantissa and exponent of an end of the ball."""
        mantissa, exponent = (x.upper() if up else x.lower()).man_exp()
        return int(mantissa), int(exponent)


# T as integers, column after column, a power of two for each column, and the number of entries -1 of E
Witness = tuple[int, list[int], list[list[int]]]


def dot(a: Iterable[Any], b: Iterable[Any]) -> Any:
    """Inner product."""
    return sum(x * y for x, y in zip(a, b, strict=True))


def cap(B: Any, values: list[Any]) -> Any:
    """An exact number that is proved to exceed every value."""
    bound = B.number(max([1e-300, *(1.001 * x for x in map(B.real, values) if x < 1e300)]))
    require(all(B.less(x, bound) for x in values), "a bound is not finite")
    return bound


def scaled(A: list[list[Any]], units: list[Any]) -> list[list[Any]]:
    """``D A D`` for the diagonal matrix D of ``units``."""
    return [[x * s * t for x, t in zip(row, units, strict=True)] for row, s in zip(A, units, strict=True)]


def on_tangent(B: Any, A: Any, N: Any) -> Any:
    """``P A P + N N^T`` for N of orthonormal columns and ``P = I - N N^T``."""
    NA = B.times(N.transpose(), A)
    C = B.times(NA, N)
    rows = enumerate(C.tolist())
    half = [[B.dyadic(-(i == j), -1) - B.dyadic(1, -1) * x for j, x in enumerate(row)] for i, row in rows]
    F = B.times(N, NA + B.times(B.matrix(half), N.transpose()))
    return A - F - F.transpose()


def applied(B: Any, witness: Witness | None, A: Any) -> Any:
    """``Y A = T (E (T^T A))``."""
    minus, exponents, columns = witness or (0, [], [])
    fits = columns and len(columns) == A.nrows()
    require(fits, "a witness has another size than its matrix, or there is none")
    B.charge(len(columns) ** 2)
    turned = B.matrix(columns)
    signs = [B.dyadic(-1 if j < minus else 1, 2 * e) for j, e in enumerate(exponents)]
    rows = [[s * x for x in row] for s, row in zip(signs, B.times(turned, A).tolist(), strict=True)]
    return B.times(turned.transpose(), B.matrix(rows))


def contraction(B: Any, YA: list[list[Any]], u: list[Any]) -> Any:
    """``q = max_i sum_j |I - Y A|_ij u_j / u_i`` for the exact positive numbers u."""
    rest = B.matrix([[int(i == j) - x for j, x in enumerate(row)] for i, row in enumerate(YA)])
    # a box times a row: all of sum_j x_j [-u_j, u_j], whose largest point is sum_j |x_j| u_j
    spread = B.times(rest, B.matrix([[B.around(B.number(0), t)] for t in u])).entries()
    return cap(B, [B.top(x) / t for x, t in zip(spread, u, strict=True)])


def inertia(B: Any, witness: Any, A: Any, what: str) -> int:
    """Number of negative eigenvalues of every symmetric matrix in ``A``, all proved nonsingular (Lemma 6)."""
    q = contraction(B, applied(B, witness, A).tolist(), [B.number(1)] * A.nrows())
    require(B.less(q, 1), f"the inertia of {what} is not proved")
    return int(witness[0])


def krawczyk(B: Any, witness: Witness | None, F: list[Any], J: Any, u: list[Any]) -> tuple[Any, Any]:
    """Lemma 4: eta and q of the box of radii ``u``, with ``eta + q < 1``."""
    rows = applied(B, witness, B.matrix([[*row, y] for row, y in zip(J.tolist(), F, strict=True)])).tolist()
    eta = cap(B, [B.top(row.pop()) / t for row, t in zip(rows, u, strict=True)])
    q = contraction(B, rows, u)
    require(B.less(eta + q, 1), f"Krawczyk's test fails: eta + q is about {B.real(eta + q):.3g}")
    return eta, q
