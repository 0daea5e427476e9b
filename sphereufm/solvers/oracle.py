r"""What a strategy sees of a problem: costs, gradients and Hessian products in a scaled metric, counted.

Columns are measured in the metric ``<u, v> = sum_j r_j^2 <u_j, v_j>`` with one positive factor ``r_j`` a column.  In
the coordinates ``u' = r u`` it is the Euclidean one, so strategies work with

    gradient'  = gradient / (r c),      Hess' u' = Hess (u' / r) / (r c),      cost' = cost / c,

and are not aware of it.  ``c`` is the *unit* of an item, a power of two that keeps squares of gradients away from
underflow and overflow (at ``tau = 300`` the gradient itself is 1e-195, for K = 3).

==========  ===============  ==========================================================
symbol      shape            meaning
==========  ===============  ==========================================================
``X``       ``(B, d, M)``    points, one for each item of the batch that is still running
``U``       ``(B, d, M)``    tangent vectors in the scaled coordinates
``r``       ``(M,)``         factors of the metric
``rows``    ``(b,)``         positions of some items in the batch
==========  ===============  ==========================================================
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array, column_norms
from sphereufm.problem import capabilities
from sphereufm.problem.interface import Evaluation, SphereProblem
from sphereufm.solvers import batch
from sphereufm.solvers.result import Settings

Rows = NDArray[np.intp]

_EPS = np.finfo(np.float64).eps
_TINY = np.finfo(np.float64).tiny
# a cost is a sum of terms as large as the gradient's scales; so many roundings of such a sum are noise
_NOISE = 8.0 * _EPS
# gradients of this size have cubes that do not underflow, though they fall by a tolerance of 1e-12 further
_LEAST_IN_UNITS = 1e-60
_LARGEST_IN_UNITS = 1e60
_LARGEST_RESIDUAL = 0.2
# by trials on the benchmark suites: larger exponents solve too well too early where the Hessian is ill-conditioned
_EXPONENT = 0.35
# inner iterations stop where the outer test would be met with this margin
_MARGIN = 0.2
# a column whose scale is smaller has lost digits of its gradient: nothing is claimed about it
LEAST_SCALE = 1e-290


@dataclass(slots=True, eq=False)
class Points:
    """First-order information at one point of each item."""

    X: Array  #: shape ``(B, d, M)``
    gradient: Array  #: shape ``(B, d, M)``: in scaled coordinates
    cost: Array  #: shape ``(B,)``: in units, with a rounding error of the size of ``noise``
    noise: Array
    relative_norm: Array  #: shape ``(B,)``: the largest of a column (columns that underflow are left out)
    #: ``total_scale`` and ``least_scale``, shape ``(B,)``: sum and minimum of the gradient scales, not in units.
    total_scale: Array
    least_scale: Array
    finite: NDArray[np.bool_]  #: shape ``(B,)``: whether cost, gradient and its scale are finite
    #: What the problem knows at ``X`` (``X[0]`` of a single item); ``None`` after several evaluations.
    evaluation: Evaluation | None

    def take(self, rows: Rows | NDArray[np.bool_]) -> Points:
        """The same for some items."""
        return dataclasses.replace(batch.take(self, rows), evaluation=None)

    def moved(self, accepted: NDArray[np.bool_], trial: Points) -> Points:
        """These, and those of ``trial`` where it is accepted."""
        if accepted.all():
            return trial
        return self.replace(accepted, trial.take(accepted)) if accepted.any() else self

    def replace(self, rows: Rows | NDArray[np.bool_], other: Points) -> Points:
        """A copy with some items taken from ``other``, which holds only those."""
        return dataclasses.replace(batch.put(self, rows, other), evaluation=None)


def inner(U: Array, V: Array) -> Array:
    """Inner product of each item, shape (B,)."""
    return np.einsum("bdm,bdm->b", U, V)


class Oracle:
    """Evaluates a problem for a batch of items, counts per item, and knows what budget is left."""

    def __init__(
        self, problem: SphereProblem, size: int, settings: Settings, expired: Callable[[], bool]
    ) -> None:
        self.problem, self.tolerance = problem, settings.tolerance
        # whether the time is over
        self.expired = expired
        self.factors = capabilities.column_factors(problem)
        self.is_scaled = bool((self.factors != 1.0).any())
        self.items = np.arange(size)
        self.unit = np.ones(size)
        self._in_units = False
        # rows: cost, gradient, hessian; of the running items
        self.counts = np.zeros((3, size), dtype=np.intp)
        self._budget = settings.max_calls
        self.limited = self._budget is not None

    def keep(self, rows: NDArray[np.bool_]) -> None:
        """Go on with some of the items."""
        self.items, self.unit, self.counts = self.items[rows], self.unit[rows], self.counts[:, rows]

    def affordable(self, calls: int) -> NDArray[np.bool_]:
        """Which of the running items may use so many further calls."""
        if self._budget is None:
            return np.ones(self.items.size, dtype=bool)
        return self.counts.sum(axis=0) + calls <= self._budget

    def forcing(self, relative_norm: Array, exponent: float = _EXPONENT) -> Array:
        """Relative residual at which inner iterations stop: order ``1 + exponent``, nothing beyond the tolerance."""
        enough = _MARGIN * self.tolerance / np.maximum(relative_norm, 1e-300)
        return np.minimum(_LARGEST_RESIDUAL, np.maximum(relative_norm**exponent, enough))

    def charge(self, kind: str, rows: Rows) -> None:
        """Count one call of a kind for the items ``rows``."""
        self.counts[("cost", "gradient", "hessian").index(kind), rows] += 1

    def at(self, X: Array, rows: Rows | None = None) -> Points:
        """Cost and gradient at one point of each item, or of the items ``rows``."""
        self.counts[:2, slice(None) if rows is None else rows] += 1
        evaluation = self._evaluate(X)
        gradient = evaluation.gradient.reshape(X.shape)
        scale = evaluation.gradient_scale.reshape(X.shape[0], X.shape[2])
        cost = np.asarray(evaluation.cost).reshape(X.shape[0])
        least, total = np.minimum.reduce(scale, axis=-1), np.add.reduce(scale, axis=-1)
        noise = _NOISE * (np.abs(cost) + total)
        unit: Array | float = 1.0
        if self._in_units:
            unit = self.unit if rows is None else self.unit[rows]
            cost, noise = cost / unit, noise / unit
            gradient, scale = gradient / unit[:, None, None], scale / unit[:, None]
        relative = relative_norms(gradient, scale, unit)
        if self.is_scaled:
            gradient = gradient / self.factors
        # a sum is finite only if its terms are, and none of these is near overflow
        finite = np.isfinite(relative + cost + total)
        return Points(X, gradient, cost, noise, relative, total, least, finite, evaluation)

    def _evaluate(self, X: Array) -> Evaluation:
        """The problem at ``X``; a single point without its batch axis, which is quicker."""
        return self.problem.at(X[0] if X.shape[0] == 1 else X)

    def hessian(
        self, points: Points, U: Array, working: NDArray[np.bool_], rows: Rows | None = None
    ) -> Array:
        """Scaled Hessian applied to ``U``; counted for the items that are ``working``."""
        self.counts[2, working if rows is None else rows[working]] += 1
        if points.evaluation is None:
            points.evaluation = self._evaluate(points.X)
        V = U / self.factors if self.is_scaled else U
        product = points.evaluation.hessian_product(V[0] if V.shape[0] == 1 else V).reshape(U.shape)
        if self.is_scaled:
            product = product / self.factors
        if self._in_units:
            unit = self.unit if rows is None else self.unit[rows]
            product = product / unit[:, None, None]
        return product

    def products(self, points: Points) -> Callable[[Rows, Array], Array]:
        """Scaled Hessian as a function of the items, fewer with every call, and of their ``U``, shape (b, d, M)."""
        part, inside = points, np.arange(points.cost.size)

        def product(rows: Rows, U: Array) -> Array:
            nonlocal part, inside
            # a smaller evaluation costs about one product
            if 2 * rows.size < inside.size:
                part, inside = points.take(rows), rows
            if rows.size == inside.size:
                return self.hessian(part, U, np.ones(rows.size, dtype=bool), inside)
            working = np.isin(inside, rows)
            V = np.zeros((inside.size, *U.shape[1:]))
            V[working] = U
            return self.hessian(part, V, working, inside)[working]

        return product

    def ray(self, points: Points, U: Array) -> Ray:
        """The curve ``t -> R(X, t U)``."""
        move = U / self.factors if self.is_scaled else U
        squares = np.einsum("bdm,bdm->bm", move, move)
        return Ray(points.X, move, squares, inner(points.gradient, U), self.factors)

    def rescale(self, points: Points) -> NDArray[np.bool_]:
        """Choose new units where gradients have become tiny or huge; returns where that happened."""
        total, size = points.total_scale, points.total_scale / self.unit
        far = (size < _LEAST_IN_UNITS) | (size > _LARGEST_IN_UNITS)
        if np.count_nonzero(far):
            far &= (total > _TINY) & (total < np.inf)
            unit = np.where(far, np.exp2(np.floor(np.log2(np.where(far, total, 1.0)))), self.unit)
            ratio = self.unit / unit
            points.cost, points.noise = points.cost * ratio, points.noise * ratio
            points.gradient = points.gradient * ratio[:, None, None]
            self.unit, self._in_units = unit, True
        return far


@dataclass(slots=True, eq=False)
class Ray:
    """Curves ``t -> R(X, t U)`` from one point of each item."""

    X: Array
    move: Array  #: ``U`` in plain coordinates, ``U / r``
    squares: Array  #: shape ``(B, M)``: squared length of each column of ``move``
    slope: Array  #: shape ``(B,)``: derivative of the cost at ``t = 0``
    factors: Array  #: shape ``(M,)``: factors ``r`` of the metric

    def bounded(self, t: Array, first: float, most: float) -> Array:
        """Steps ``t`` by which no column moves more than ``most`` before retraction, ``first`` where they are zero."""
        longest = np.maximum(np.sqrt(self.squares.max(axis=-1)), 1e-300)
        return np.where(t == 0.0, first / longest, np.minimum(t, most / longest))

    def take(self, rows: Rows) -> Ray:
        """The same for some items."""
        return Ray(self.X[rows], self.move[rows], self.squares[rows], self.slope[rows], self.factors)

    def at(self, t: Array) -> Array:
        """Points ``R(X, t U)``."""
        moved = t[:, None, None] * self.move
        moved += self.X
        moved /= column_norms(moved)[:, None, :]
        return moved

    def slope_at(self, t: Array, points: Points) -> Array:
        """Derivative of the cost along the curve, ``sum_j <grad_j, u_j> / |x_j + t u_j|``, at ``points``."""
        stretch = np.sqrt(1.0 + np.square(t)[:, None] * self.squares)
        products = np.einsum("bdm,bdm->bm", points.gradient, self.move)
        return np.add.reduce(products * self.factors / stretch, axis=-1)


def relative_norms(gradient: Array, scale: Array, unit: Array | float = 1.0) -> Array:
    """Largest ``|grad_j| / scale_j``, not finite where an entry is not; columns that underflow are left out.

    ``gradient`` and ``scale`` are in units.
    """
    least, largest = np.minimum.reduce(scale, axis=None), np.maximum.reduce(scale, axis=None)
    if least < _LEAST_IN_UNITS or largest > _LARGEST_IN_UNITS:
        # divide before squaring, which would leave the range of floats
        plain = scale * np.asarray(unit)[..., None]
        ratio = column_norms(gradient / np.where(plain > LEAST_SCALE, scale, np.inf)[..., None, :])
    else:
        ratio = column_norms(gradient) / scale
    # the maximum of anything and NaN is NaN
    return np.maximum.reduce(ratio, axis=-1)
