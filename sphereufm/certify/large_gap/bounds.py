r"""The bound behind large gap certificates: floating point with a-priori errors.

The bound.  Let ``A = W^T H``, shape ``(K, N)``, entries in [-1, 1], and ``G`` the derivative of the cost by ``A``.  The
cost is convex in ``A``.  For *any* matrix ``Ghat`` and any positive ``nu``, ``mu`` such that
``[[diag(nu), Ghat], [Ghat^T, diag(mu)]]`` is positive semidefinite, and every feasible ``A'``,

    f(A) - f(A') <= <G, A - A'> <= <Ghat, A> + (sum(nu) + sum(mu)) / 2 + 2 sum |G - Ghat|,

since the Gram matrix of ``X' = [W' H']`` is positive semidefinite with unit diagonal.  ``Ghat`` is the computed ``G``,
taken as exact; each entry of it is right to a relative error ``e_G``.  ``mu`` is chosen sample by sample, so that one
pass suffices; semidefiniteness is that of the ``K x K`` matrix ``diag(nu) - Ghat diag(1/mu) Ghat^T``, shown by a
Cholesky factorisation that runs to its end (Rump 2006).  Where that says less, ``-<Ghat, A'> <= sum |Ghat|`` is used.

docs/large-gaps.md says what is trusted: IEEE 754, ``gamma(n) = n u / (1 - n u)`` with ``u = 2^-53`` for sums of n terms
in any order, and four units in the last place of ``numpy.exp``; and where this is from.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sphereufm.certify.checker.reading import refuse_if

Array = NDArray[np.float64]

UNIT = 2.0**-53
BLOCK = 4096
# margins reach 2 tau: nothing over- or underflows between exp(-300), with a weight of 1e-30, and exp(300)
LARGEST_TAU = 150
LEAST_WEIGHT = 1e-30
# entries of V, so that nothing that is made of them overflows
LARGEST_DUAL = 1e100
EXP_ULPS = 4
# share of the largest entry of g_i that is added to mu, so that a sample without pull can be divided by
_LEAST_MU = 1e-8
# C sums N K products, each right to 2^-1075 where it underflows, and is divided by at least 1e-100
_LEAST_SCALE = 1e-180
# more than covers products of (1 + small) and the rounding of the bounds' own evaluation
_SLACK = 1.01


@dataclass(frozen=True, kw_only=True)
class Errors:
    """Relative errors; each line covers what the line before it feeds into."""

    K: int
    d: int
    tau: float
    e_omega: float

    @property
    def e_dot(self) -> float:
        """Entries of ``A``: normalising both columns (``gamma(d + 4)`` each) and an inner product of length d."""
        return _gamma(3 * self.d + 20)

    @property
    def e_G(self) -> float:
        """Entries of ``G``, relatively: ``exp`` of margins ``tau (a_k - a_y)``, their sums, quotient and weight."""
        e_margin = _SLACK * self.tau * (2.0 * self.e_dot + 8.0 * UNIT)
        if e_margin > 1e-3:
            return math.inf
        e_exp = _SLACK * e_margin + 2.0 * (EXP_ULPS + 1) * UNIT
        return _SLACK * (3.0 * e_exp + 2.0 * _gamma(self.K + 8) + self.e_omega + 8.0 * UNIT)


class Sums:
    """Everything that is summed over samples; ``C = Ghat diag(1/mu) Ghat^T``, lists are summed exactly at the end."""

    def __init__(self, K: int) -> None:
        self.C = np.zeros((K, K))
        self.trace: list[float] = []
        self.absolute: list[float] = []
        self.inner: list[float] = []
        self.mu: list[float] = []

    def add(self, W: Array, V: Array, H: Array, y: NDArray[np.intp], omega: Array, tau: float) -> None:
        """Take in one block: unit rows ``W``, shape (K, d), ``H``, shape (n, d), and any ``V`` with K rows."""
        rows = np.arange(len(y))
        A = H @ W.T
        E = A - A[rows, y][:, None]
        E *= tau
        np.exp(E, out=E)
        E[rows, y] = 0.0
        total = E.sum(axis=1)
        # E becomes Ghat, transposed: shape (n, K)
        E *= (tau * omega / (1.0 + total))[:, None]
        own = E.sum(axis=1)
        E[rows, y] = -own
        b = np.einsum("ik,ik->i", E, A)
        # any positive mu is valid; at a critical point |W g_i| = |beta_i|
        mu = _lengths(E @ V) + _LEAST_MU * own
        E *= (1.0 / np.sqrt(mu))[:, None]
        self.C += E.T @ E
        self.trace.append(float(np.einsum("ik,ik->", E, E)))
        self.absolute.append(float(2.0 * own.sum()))
        self.inner.append(float(b.sum()))
        self.mu.append(float(mu.sum()))

    def better(self, V: Array) -> Array:
        """One step of the fixed-point iteration towards the ``V`` of the least bound; nothing is trusted of it."""
        moved = self.C @ V
        return np.asarray(moved / np.maximum(_lengths(moved), 1e-300)[:, None])

    def bound(self, errors: Errors, V: Array) -> float:
        """Bound of the gap from the sums; ``V`` as in :meth:`add`."""
        sums = _SLACK * _gamma(BLOCK + errors.K + 16)
        absolute = _up(math.fsum(self.absolute) * (1.0 + sums))
        # computed <Ghat, A>: rounding of inner products, of the sums, and of A itself
        inner = math.fsum(self.inner) + (2.0 * sums + _SLACK * errors.e_dot) * absolute
        # -<Ghat, A'> is at most sum |Ghat| too, whatever V is
        other = min(absolute, self._half_trace(V, sums))
        total = inner + other + 2.0 * _SLACK * errors.e_G * absolute
        return total + 8.0 * UNIT * (abs(inner) + other + absolute)

    def _half_trace(self, V: Array, sums: float) -> float:
        """``(sum(nu) + sum(mu)) / 2`` for which semidefiniteness is shown, infinite where it is not."""
        mu = _up(math.fsum(self.mu) * (1.0 + sums))
        nu = _candidate(self.C, V)
        # c mu and C / c are as valid for every c > 0
        balance = math.sqrt(float(nu.sum()) / mu)
        if not 1e-100 < balance < 1e100:
            return math.inf
        # |C - computed C|_2 <= gamma sum |g_i|^2 / mu_i
        error = _SLACK * _gamma(BLOCK + len(self.trace) + 20) * _up(math.fsum(self.trace)) / balance
        shown = _shifts(self.C / balance, nu / balance, error)
        return math.inf if shown is None else _up(0.5 * (mu * balance + math.fsum(shown.tolist())))


def _candidate(C: Array, V: Array) -> Array:
    """Return ``nu`` from the multipliers, raised to about where ``diag(nu) - C`` is semidefinite; proves nothing."""
    nu = np.maximum(np.einsum("kl,lk->k", V @ V.T, C), 0.0)
    return nu + max(0.0, -float(np.linalg.eigvalsh(np.diag(nu) - C)[0]))


def _shifts(C: Array, nu: Array, error: float) -> Array | None:
    """Return ``nu`` raised until ``diag(nu) - C - error I`` is positive semidefinite, None where that fails."""
    K = len(nu)
    C = 0.5 * (C + C.T)
    # rounding of the symmetrised C and of the diagonal, and Rump's shift for a Cholesky factorisation
    scale = float(np.abs(nu).sum() + np.trace(C))
    # below, what underflows in C could exceed a rounding
    if not _LEAST_SCALE < scale < math.inf:
        return None
    margin = error + 8.0 * UNIT * scale + 2.0 * _gamma(K + 4) * scale
    for factor in (1.0, 4.0, 100.0):
        raised = nu + 2.0 * factor * margin
        # what the raised trace adds to Rump's shift is below K gamma margin
        shift = margin * (1.0 + 0.5 * factor)
        try:
            np.linalg.cholesky(np.diag(raised - shift) - C)
        except np.linalg.LinAlgError:
            continue
        if 2.0 * _gamma(K + 4) * (float(raised.sum()) + scale) + error + 8.0 * UNIT * scale < shift:
            return raised
    return None


def _lengths(rows: Array) -> Array:
    """Lengths of rows, whose squares must not underflow: each row is scaled by its largest entry."""
    largest = np.maximum(np.abs(rows).max(axis=1), 1e-300)
    return np.asarray(largest * np.sqrt(np.square(rows / largest[:, None]).sum(axis=1)))


def _gamma(n: int) -> float:
    """``n u / (1 - n u)``, rounded up."""
    return _up(n * UNIT / (1.0 - n * UNIT))


def _up(value: float) -> float:
    """A float that is not below the exact value of an expression of a few roundings; values are nonnegative."""
    return value * (1.0 + 8.0 * UNIT)


def unit_rows(rows: Array) -> Array:
    """Rows divided by their lengths."""
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    # outside this range squares could over- or underflow, where the error bounds do not hold
    known = ((lengths > 1e-100) & (lengths < 1e100)).all()
    refuse_if(not known, "a row of classifier or features has no length between 1e-100 and 1e100")
    return np.asarray(rows / lengths[:, None])
