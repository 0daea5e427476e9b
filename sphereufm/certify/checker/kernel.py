"""Two tests in balls, both by one witness: a contraction, and with it the inertia of a symmetric matrix.

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

from sphereufm.certify.checker.arithmetic import Undecided

# T as integers, column after column, a power of two for each column, and the number of entries -1 of E
Witness = tuple[int, list[int], list[list[int]]]


def dot(a: Iterable[Any], b: Iterable[Any]) -> Any:
    """Inner product."""
    return sum(x * y for x, y in zip(a, b, strict=True))


def cap(B: Any, values: list[Any]) -> Any:
    """An exact number that is proved to exceed every value."""
    bound = B.number(max(1.001 * max(map(B.real, values)), 1e-300))
    if not all(B.less(x, bound) for x in values):
        raise Undecided("a bound is not finite")
    return bound


def scaled(A: list[list[Any]], units: list[Any]) -> list[list[Any]]:
    """``D A D`` for the diagonal matrix D of ``units``."""
    return [[x * s * t for x, t in zip(row, units, strict=True)] for row, s in zip(A, units, strict=True)]


def on_tangent(B: Any, A: Any, N: Any) -> Any:
    """``P A P + N N^T`` for N of orthonormal columns and ``P = I - N N^T``."""
    NA = B.times(N.transpose(), A)
    C = B.times(NA, N)
    half = B.matrix(
        [[B.dyadic(-(i == j), 0) - x for j, x in enumerate(row)] for i, row in enumerate(C.tolist())]
    )
    F = B.times(N, NA + B.times(half, N.transpose()) * B.dyadic(1, -1))
    return A - F - F.transpose()


def opened(B: Any, witness: Witness) -> tuple[int, Any]:
    """``minus`` and ``T^T``."""
    minus, exponents, columns = witness
    B.charge(len(columns) ** 2)
    rows = [[B.dyadic(x, e) for x in column] for e, column in zip(exponents, columns, strict=True)]
    return minus, B.matrix(rows)


def applied(B: Any, minus: int, turned: Any, A: Any) -> Any:
    """``Y A = T (E (T^T A))``."""
    if turned.nrows() != A.nrows():
        raise Undecided("a witness has another size than its matrix")
    rows = B.times(turned, A).tolist()
    rows[:minus] = [[-x for x in row] for row in rows[:minus]]
    return B.times(turned.transpose(), B.matrix(rows))


def contraction(B: Any, minus: int, turned: Any, A: Any, u: list[Any]) -> Any:
    """``q = max_i sum_j |I - Y A|_ij u_j / u_i`` for the exact positive numbers u."""
    YA, n = applied(B, minus, turned, A), len(u)
    rest = B.matrix([[int(i == j) for j in range(n)] for i in range(n)]) - YA
    # a box times a row: all of sum_j x_j [-u_j, u_j], whose largest point is sum_j |x_j| u_j
    spread = B.times(rest, B.matrix([[B.around(B.number(0), t)] for t in u])).entries()
    return cap(B, [B.top(x) / t for x, t in zip(spread, u, strict=True)])


def inertia(B: Any, witness: Witness, A: Any, what: str) -> int:
    """Number of negative eigenvalues of every symmetric matrix in ``A``, all proved nonsingular (Lemma 6)."""
    if not B.less(contraction(B, *opened(B, witness), A, [B.number(1)] * A.nrows()), 1):
        raise Undecided(f"the inertia of {what} is not proved")
    return witness[0]


def krawczyk(B: Any, witness: Witness, F: list[Any], J: Any, u: list[Any]) -> tuple[Any, Any]:
    """Lemma 4: eta and q of the box of radii ``u``, with ``eta + q < 1``."""
    minus, turned = opened(B, witness)
    step = applied(B, minus, turned, B.matrix([[x] for x in F])).entries()
    eta = cap(B, [B.top(x) / t for x, t in zip(step, u, strict=True)])
    q = contraction(B, minus, turned, J, u)
    if not B.less(eta + q, 1):
        raise Undecided(f"Krawczyk's test fails: eta + q is about {B.real(eta + q):.3g}")
    return eta, q
