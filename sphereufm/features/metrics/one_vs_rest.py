r"""How far each direction lies from the convex hull of the others, with a bound on the error.

For unit rows ``u_k`` the distance ``min |u_k - sum_j lambda_j u_j|`` over ``lambda`` in the simplex is a convex
quadratic program.  With ``p_j = u_j - u_k`` it asks for the point of least length in the hull of the ``p_j``; for *any*
``x`` in it, and for the left side even any ``x != 0``,

    min_j <x, p_j> / |x|  <=  distance  <=  |x|,

and both sides meet at the solution: their difference is the duality gap.

Only the smallest of the K distances is asked for: the one-vs-rest distance of generalised neural collapse, ``K / (K -
1)`` for a simplex frame, 1 for a subset of a cross-polytope.  So the K programs are not all solved: accelerated
projected gradient steps, for many of them at once, raise the lower bounds; a program whose lower bound has reached the
least distance known is done with, and the most promising one is solved by non-negative least squares, ``min | [P; 1^T]
u - (0, 1) |``, ``u >= 0``, ``x = P u / sum u`` (least distance programming).  At K = 1000 few are.

``U``, shape ``(K, r)``, has unit rows in coordinates of their span; ``L``, ``(n, K)``, weights ``lambda`` for each of n
programs, and ``X = L U - U_k``, ``(n, r)``, one point of its hull for each.

References
----------
C. Lawson, R. Hanson, *Solving Least Squares Problems*, 1974, chapter 23.  A. Beck, M. Teboulle, *A fast iterative
shrinkage-thresholding algorithm for linear inverse problems*, SIAM J. Imaging Sci. 2009.  B. O'Donoghue, E. Candès,
*Adaptive restart for accelerated gradient schemes*, Found. Comput. Math. 2015.  J. Jiang et al., *Generalized Neural
Collapse for a Large Number of Classes*, ICML 2024.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sphereufm.features.metrics.companion import Array
from sphereufm.features.metrics.frames import directions

_SMALLEST = 1e-290
# unit vectors that are equal up to rounding
_COINCIDENT = 1e-15
# weights of programs that are kept at once: 32 MB
_WEIGHTS = 1 << 22
_STEPS = 10
_ROUNDS = 40
# a lower bound this close to the least upper bound, relatively, has reached it
_CLOSE = 1e-10


class OneVsRest(NamedTuple):
    """The least distance of a row from the hull of the others; NaN where a row is zero."""

    distance: float  #: upper bound, attained by a point that was found
    gap: float  #: ``distance - gap`` is a lower bound (numerical)


def one_vs_rest(A: Array) -> OneVsRest:
    """One-vs-rest distance of the directions of the rows of ``A``, shape ``(K, d)``.

    The gap is at most 1e-10 of the distance, or what rounding leaves.
    """
    U = directions(A)
    if not np.isfinite(U).all():
        return OneVsRest(math.nan, math.nan)
    if U.shape[1] > U.shape[0]:
        # only inner products matter: K coordinates are enough
        U = np.asarray(np.linalg.qr(U.T, mode="r")).T
    cosines = U @ U.T
    np.fill_diagonal(cosines, -np.inf)
    # as lengths of differences: nothing cancels for rows that nearly coincide
    nearest = np.linalg.norm(U - U[np.argmax(cosines, axis=1)], axis=1)
    least, low = float(nearest.min()), np.inf
    if least <= _COINCIDENT:  # no step can be made on programs of length zero
        return OneVsRest(least, least)
    order, size = np.argsort(nearest), max(1, _WEIGHTS // len(U))
    step = 1.0 / max(float(np.linalg.norm(U - U.mean(axis=0), 2)) ** 2, _SMALLEST)
    for start in range(0, len(U), size):
        programs = _Programs(U, order[start : start + size], step, least)
        programs.solve()
        least, low = programs.least, min(low, programs.done)
    return OneVsRest(least, max(0.0, least - low))


class _Programs:
    """Several of the K programs: one row of each array for each that is not done with.

    ``least`` is the least distance known so far, ``done`` the least lower bound of those that are done with.
    """

    def __init__(self, U: Array, rows: NDArray[np.intp], step: float, least: float) -> None:
        self.U, self.step, self.least, self.done = U, step, least, np.inf
        self.rows, self.momentum, self.low = rows, np.ones(len(rows)), np.zeros(len(rows))
        self.L = np.full((len(rows), len(U)), 1.0 / (len(U) - 1))
        self.L[np.arange(len(rows)), rows] = 0.0
        self.X = self.L @ U - U[rows]
        self.L_before, self.X_before = self.L, self.X
        self.high = np.linalg.norm(self.X, axis=1)

    def solve(self) -> None:
        """Steps for all, and the most promising solved, in turns; at last those that are left, one by one."""
        self._bound(self.X)
        for turn in itertools.count():
            self._drop()
            if not self.rows.size:
                return
            self._solve_one(int(np.argmin(self.high if turn < _ROUNDS else self.low)))
            for _ in range(_STEPS if turn < _ROUNDS else 0):
                self._descend()

    def _solve_one(self, place: int) -> None:
        """Solve one program, which is done with then."""
        k = int(self.rows[place])
        low, high = _bounds(np.delete(self.U, k, axis=0) - self.U[k])
        self.least = min(self.least, high, float(self.high[place]))
        self.done = min(self.done, max(low, float(self.low[place])))
        self._keep(np.arange(self.rows.size) != place)

    def _drop(self) -> None:
        """Drop programs whose lower bound has reached the least distance known."""
        self.least = min(self.least, float(self.high.min(initial=np.inf)))
        reached = self.low >= self.least * (1.0 - _CLOSE)
        self.done = min(self.done, float(self.low[reached].min(initial=np.inf)))
        self._keep(~reached)

    def _keep(self, wanted: NDArray[np.bool_]) -> None:
        """Keep some of the programs."""
        if not wanted.all():
            for name in ("rows", "L", "X", "L_before", "X_before", "momentum", "low", "high"):
                setattr(self, name, getattr(self, name)[wanted])

    def _descend(self) -> None:
        """One accelerated step of every program, with a restart where it goes uphill."""
        t = 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * np.square(self.momentum)))
        ahead = ((self.momentum - 1.0) / t)[:, None]
        slope = self._bound(self.X + ahead * (self.X - self.X_before))
        L = _onto_simplex(self.L + ahead * (self.L - self.L_before) - self.step * slope, self.rows)
        uphill = np.einsum("nk,nk->n", slope, L - self.L) > 0.0
        self.momentum = np.where(uphill, 1.0, t)
        self.L_before, self.X_before = self.L, self.X
        self.L, self.X = L, L @ self.U - self.U[self.rows]
        self.high = np.minimum(self.high, np.linalg.norm(self.X, axis=1))

    def _bound(self, X: Array) -> Array:
        """Raise lower bounds by points ``X``; returns ``<x, u_j>``, zero for the program's own row."""
        products: Array = X @ self.U.T
        places = (np.arange(self.rows.size), self.rows)
        own = products[places].copy()
        products[places] = np.inf
        bounds = (products.min(axis=1) - own) / np.maximum(np.linalg.norm(X, axis=1), _SMALLEST)
        self.low = np.maximum(self.low, np.minimum(bounds, self.high))
        products[places] = 0.0
        return products


def _onto_simplex(V: Array, own: NDArray[np.intp]) -> Array:
    """The nearest weights to each row of ``V``, zero for the program's own row of ``U``."""
    V[np.arange(len(V)), own] = -np.inf
    ordered = np.sort(V, axis=1)[:, ::-1]
    excess = np.cumsum(ordered, axis=1) - 1.0
    count = np.arange(1, V.shape[1] + 1)
    positive = np.count_nonzero(ordered * count > excess, axis=1)
    level = excess[np.arange(len(V)), positive - 1] / positive
    return np.maximum(V - level[:, None], 0.0)


def _bounds(P: Array) -> tuple[float, float]:
    """Lower and upper bound on the distance of the origin from the hull of the rows of ``P``."""
    from scipy.optimize import nnls

    system = np.vstack([P.T, np.ones(len(P))])
    target = np.zeros(len(system))
    target[-1] = 1.0
    try:
        weights = nnls(system, target, maxiter=30 * len(P))[0]
    except RuntimeError:
        # out of iterations: any point of the hull gives valid bounds, if wide ones
        weights = np.ones(len(P))
    total = float(weights.sum())
    x = (weights / total if total > 0.0 else np.full(len(P), 1.0 / len(P))) @ P
    length = float(np.linalg.norm(x))
    if not length > _SMALLEST:
        return 0.0, length
    return max(0.0, float((P @ x).min()) / length), length
