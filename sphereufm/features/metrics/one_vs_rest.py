r"""How far each direction lies from the convex hull of the others, with a bound on the error.

For unit rows ``u_k`` the distance ``min |u_k - sum_j lambda_j u_j|`` over ``lambda`` in the simplex is a convex
quadratic program.  With ``p_j = u_j - u_k`` it asks for the point of least length in the hull of the ``p_j``; for *any*
``x`` in it, and for the left side even any ``x != 0``,

    min_j <x, p_j> / |x|  <=  distance  <=  |x|,

and both sides meet at the solution: their difference is the duality gap.

Only the smallest of the K distances is asked for: the one-vs-rest distance of generalised neural collapse.  For a
simplex frame it is ``K / (K - 1)``, for a subset of a cross-polytope it is 1.  So the K programs are not all solved:
accelerated projected gradient steps, for many of them at once, raise the lower bounds; a program whose lower bound has
reached the least distance known is done with, and the most promising one is solved by non-negative least squares,
``min | [P; 1^T] u - (0, 1) |``, ``u >= 0``, ``x = P u / sum u`` (least distance programming).  At K = 1000 few are.

==========  ===========  ======================================================
symbol      shape        meaning
==========  ===========  ======================================================
``U``       ``(K, r)``   unit rows, in coordinates of their span
``L``       ``(n, K)``   weights ``lambda``, a row for each of n programs
``X``       ``(n, r)``   ``L U - U_k``, one point of its hull for each program
==========  ===========  ======================================================

References
----------
C. Lawson, R. Hanson, *Solving Least Squares Problems*, 1974, chapter 23.  A. Beck, M. Teboulle, *A fast iterative
shrinkage-thresholding algorithm for linear inverse problems*, SIAM J. Imaging Sci. 2009.  B. O'Donoghue, E. Candès,
*Adaptive restart for accelerated gradient schemes*, Found. Comput. Math. 2015.  J. Jiang et al., *Generalized Neural
Collapse for a Large Number of Classes*, ICML 2024.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sphereufm.features.metrics.frames import directions
from sphereufm.features.metrics.statistics import Array

_SMALLEST = 1e-290
# unit vectors that are equal up to rounding
_COINCIDENT = 1e-15
# weights of programs that are kept at once: 32 MB
_WEIGHTS = 1 << 22
_STEPS = 10
_ROUNDS = 40
# a lower bound this close to the least upper bound, relatively, has reached it
_CLOSE = 1e-10


@dataclass(frozen=True, kw_only=True)
class OneVsRest:
    """The least distance of a row from the hull of the others.

    ``distance``: upper bound, attained by a point that was found; ``gap``: ``distance - gap`` is a lower
    bound (numerical).
    """

    distance: float
    gap: float


def one_vs_rest(A: Array) -> OneVsRest | None:
    """One-vs-rest distance of the directions of the rows of ``A``, shape ``(K, d)``; none if a row is zero.

    The gap is at most 1e-10 of the distance, or what rounding leaves.
    """
    U = directions(A)
    if U is None:
        return None
    if U.shape[1] > U.shape[0]:
        # only inner products matter: K coordinates are enough
        U = np.asarray(np.linalg.qr(U.T, mode="r")).T
    nearest = _nearest(U)
    if float(nearest.min()) <= _COINCIDENT:  # no step can be made on programs of length zero
        return OneVsRest(distance=float(nearest.min()), gap=float(nearest.min()))
    bounds = _Bounds(least=float(nearest.min()))
    order, size = np.argsort(nearest), max(1, _WEIGHTS // len(U))
    step = 1.0 / max(float(np.linalg.norm(U - U.mean(axis=0), 2)) ** 2, _SMALLEST)
    for start in range(0, len(U), size):
        _Programs(U, order[start : start + size], step, bounds).solve()
    return OneVsRest(distance=bounds.least, gap=max(0.0, bounds.least - bounds.low))


def _nearest(U: Array) -> Array:
    """Distance of each row from the nearest other one."""
    found = np.empty(len(U))
    for k, u in enumerate(U):
        products = U @ u
        products[k] = -np.inf
        # once more as a difference: nothing cancels for rows that nearly coincide
        found[k] = np.linalg.norm(U[int(np.argmax(products))] - u)
    return found


@dataclass(kw_only=True)
class _Bounds:
    """The least distance known so far, and the least lower bound of the programs that are done with."""

    least: float
    low: float = np.inf

    def close(self, low: Array) -> NDArray[np.bool_]:
        """Whether lower bounds have reached the least distance known."""
        return low >= self.least * (1.0 - _CLOSE)


@dataclass(kw_only=True, eq=False)
class _Iterates:
    """Where each program stands; arrays of one row a program."""

    rows: NDArray[np.intp]  #: its row of ``U``
    L: Array  #: weights
    X: Array  #: the point that they make
    L_before: Array
    X_before: Array
    momentum: Array
    low: Array
    high: Array

    def take(self, wanted: NDArray[np.bool_]) -> _Iterates:
        """Some of the programs."""
        return _Iterates(**{name: value[wanted] for name, value in vars(self).items()})


class _Programs:
    """Several of the K programs: weights, points, bounds, all of those that are not done with."""

    def __init__(self, U: Array, rows: NDArray[np.intp], step: float, bounds: _Bounds) -> None:
        self.U, self.step, self.bounds = U, step, bounds
        L = np.full((len(rows), len(U)), 1.0 / (len(U) - 1))
        L[np.arange(len(rows)), rows] = 0.0
        X = L @ U - U[rows]
        low, high = np.zeros(len(rows)), np.linalg.norm(X, axis=1)
        self.at = _Iterates(
            rows=rows, L=L, X=X, L_before=L, X_before=X, momentum=np.ones(len(rows)), low=low, high=high
        )

    def solve(self) -> None:
        """Steps for all, and the most promising solved, in turns; at last those that are left, one by one."""
        self._bound(self.at.X)
        self._drop()
        for _ in range(_ROUNDS):
            if not self.at.rows.size:
                return
            self._solve_one(int(np.argmin(self.at.high)))
            for _ in range(_STEPS):
                self._descend()
            self._drop()
        while self.at.rows.size:
            self._solve_one(int(np.argmin(self.at.low)))
            self._drop()

    def _solve_one(self, place: int) -> None:
        """Solve one program and drop it."""
        k = int(self.at.rows[place])
        low, high = _bounds(np.delete(self.U, k, axis=0) - self.U[k])
        self.bounds.least = min(self.bounds.least, high, float(self.at.high[place]))
        self.bounds.low = min(self.bounds.low, max(low, float(self.at.low[place])))
        self._keep(np.arange(self.at.rows.size) != place)

    def _drop(self) -> None:
        """Drop programs whose lower bound has reached the least distance known."""
        self.bounds.least = min(self.bounds.least, float(self.at.high.min(initial=np.inf)))
        done = self.bounds.close(self.at.low)
        self.bounds.low = min(self.bounds.low, float(self.at.low[done].min(initial=np.inf)))
        self._keep(~done)

    def _descend(self) -> None:
        """One accelerated step of every program, with a restart where it goes uphill."""
        t = 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * np.square(self.at.momentum)))
        ahead = ((self.at.momentum - 1.0) / t)[:, None]
        X = self.at.X + ahead * (self.at.X - self.at.X_before)
        Y = self.at.L + ahead * (self.at.L - self.at.L_before)
        slope = self._bound(X)
        L = _onto_simplex(Y - self.step * slope, self.at.rows)
        uphill = np.einsum("nk,nk->n", slope, L - self.at.L) > 0.0
        self.at.momentum = np.where(uphill, 1.0, t)
        self.at.L_before, self.at.X_before = self.at.L, self.at.X
        self.at.L, self.at.X = L, L @ self.U - self.U[self.at.rows]
        self.at.high = np.minimum(self.at.high, np.linalg.norm(self.at.X, axis=1))

    def _bound(self, X: Array) -> Array:
        """Raise lower bounds by points ``X``; returns ``<x, u_j>``, zero for the program's own row."""
        products: Array = X @ self.U.T
        places = (np.arange(self.at.rows.size), self.at.rows)
        own = products[places].copy()
        products[places] = np.inf
        lengths = np.linalg.norm(X, axis=1)
        bounds = (products.min(axis=1) - own) / np.maximum(lengths, _SMALLEST)
        self.at.low = np.maximum(self.at.low, np.minimum(bounds, self.at.high))
        products[places] = 0.0
        return products

    def _keep(self, wanted: NDArray[np.bool_]) -> None:
        """Keep some of the programs."""
        if wanted.all():
            return
        self.at = self.at.take(wanted)


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
