r"""Signs of curvatures that hold at the critical point meant, not only at the point computed.

A search ends near a critical point, at a distance that its gradient (or the rounding of it) leaves open.  Along a unit
tangent ``u`` with curvature ``k = <u, Hess u>`` that distance is about ``nu / |k|``, ``nu`` the size of ``|<u, grad>|``
or of its rounding.  The sign of ``k`` is *decided* if the gradient along the great circle is still explained by ``k``
a hundred times as far out, on both sides:

    |(<c'(t), grad f(c(t))> - <u, grad f(X)>) / t - k| <= |k| / 2,   t = +-100 nu / |k|,   |t| <= 0.3.

This needs no scale: a curvature of 1e-12 with a clean gradient is decided, and one of 0.1 beside a fourth-order
minimum, which vanishes at the minimum, is not.  Curvatures that are not decided count as zero.  The rounding is
bounded by the gradient's scale, or measured, where that bound is too coarse, by what a parabola leaves unexplained of
slopes a few 1e-8 radians apart.

Where charges coincide a cost is finite by rounding alone, and its curvature is gone a millionth of a radian further:
such a point is *rough*, and nothing is claimed of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array, column_lengths, column_norms, exponential
from sphereufm.problem.interface import Evaluation, SphereProblem

# roundings of a column's scale that its gradient may be off by
_ROUNDINGS = 64.0 * float(np.finfo(np.float64).eps)
_CURVATURE_ROUNDINGS = 32.0 * float(np.finfo(np.float64).eps)
_FACTOR = 100.0
_SHORTEST, _LONGEST = 1e-6, 0.3
_PART = 0.5
# where slopes are looked at, as parts of a way of at most so many radians
_STATIONS = np.array([0.25, 0.5, 0.75, 1.0])
_FARTHEST = 0.7
# less than this part of the curvature left at the shortest step: the point is rough
_LEFT = 0.1
_EXTENTS = np.logspace(-7.0, -1.0, 13)
_SEEN = 30.0
# radians between slopes of which a parabola is taken off, and deviations that count as noise
_SPACING = np.arange(-3.0, 4.0) * 1e-8
_DEVIATIONS = 4.0


@dataclass(frozen=True, eq=False, slots=True)
class CurvatureSigns:
    """Signs along some tangents."""

    signs: NDArray[np.int8]  #: shape ``(k,)``: 0 where the sign is not decided
    rough: bool  #: whether some curvature is gone a millionth of a radian further
    radius: float  #: radians that rounding leaves open along the tangents of decided sign


def gradient_noise(point: Evaluation) -> Array:
    """Bound on the rounding of each column's gradient by its scale, shape ``(..., M)``."""
    return _ROUNDINGS * point.gradient_scale


def curvature_signs(problem: SphereProblem, X: Array, U: Array) -> CurvatureSigns:
    """Sign of the curvature along each tangent.

    ``X``, shape ``(d, M)``: near a critical point; ``U``, shape ``(k, d, M)``: tangents, none zero.
    """
    U = _unit(U)
    point = problem.at(X)
    unit = float(point.gradient_scale.max()) or 1.0
    with np.errstate(all="ignore"):
        here = (U * (point.gradient / unit)).sum(axis=(-1, -2))
        k = (U * (problem.at(X[None]).hessian_product(U) / unit)).sum(axis=(-1, -2))
        noise = (gradient_noise(point) / unit * column_norms(U)).sum(axis=-1)
        noise = np.maximum(noise, np.abs(here))
        decided, rough = _borne_out(problem, X, U, noise, here, k, unit)
        rest = np.flatnonzero(~decided & (k != 0.0))
        if rest.size:
            measured = np.maximum(slope_noise(problem, X, U[rest], unit), np.abs(here[rest]))
            noise[rest] = measured
            decided[rest], also = _borne_out(problem, X, U[rest], measured, here[rest], k[rest], unit)
            rough |= also
        # columns are unit to rounding only, which turns into a curvature of as many roundings of the scale
        floor = _CURVATURE_ROUNDINGS * (np.square(column_norms(U)) * (point.gradient_scale / unit)).sum(
            axis=-1
        )
        decided &= np.abs(k) > floor
        radius = float((noise[decided] / np.abs(k[decided])).max(initial=0.0))
    signs = np.where(decided, np.sign(k), 0.0).astype(np.int8)
    return CurvatureSigns(signs=signs, rough=rough, radius=radius)


def explains_slope(problem: SphereProblem, X: Array, U: Array) -> bool:
    """Whether a curvature of decided sign keeps the slope from zero along a tangent, whose end is not critical then.

    ``X``, shape ``(d, M)``: a critical point.  ``U``, shape ``(d, M)``: a tangent, not zero; its longest
    column is the way in radians.
    """
    way = float(column_norms(U).max())
    V = _unit(U[None])
    sign = int(curvature_signs(problem, X, V).signs[0])
    if way > _FARTHEST or sign == 0:
        return False
    k = float((V * problem.at(X[None]).hessian_product(V)).sum())
    t = way * _STATIONS
    along = np.broadcast_to(V, (t.size, *X.shape))
    slopes = _slope(problem, X, along, t) - _slope(problem, X, V, np.zeros(1))
    return bool((sign * slopes >= _PART * abs(k) * t).all())


def slope_noise(problem: SphereProblem, X: Array, U: Array, unit: float) -> Array:
    """Rounding of the slope along each tangent as measured, in units of ``unit``, shape ``(k,)``."""
    slopes = np.array([_slope(problem, X, U, np.full(len(U), t)) for t in _SPACING]) / unit
    powers = np.vander(_SPACING / np.abs(_SPACING).max(), 3)
    left = slopes - powers @ (np.linalg.pinv(powers) @ slopes)
    deviation = np.sqrt(np.square(left).sum(axis=0) / (len(_SPACING) - 3))
    return np.asarray(_DEVIATIONS * deviation + np.finfo(np.float64).eps * np.abs(slopes).max(axis=0))


def extent(problem: SphereProblem, X: Array, U: Array) -> float:
    """Radians around ``X`` within which the slope does not tell where along the tangents the critical point is.

    Tangents along which it stays silent for a tenth of a radian lead along a family, and are left out.

    ``problem``, ``X`` and ``U``: as for :func:`curvature_signs`.
    """
    if not len(U):
        return 0.0
    U = _unit(U)
    point = problem.at(X)
    noise = ((gradient_noise(point) + column_lengths(point.gradient)) * column_norms(U)).sum(axis=-1)
    silent = np.zeros(len(U))
    open_end = np.ones(len(U), dtype=bool)
    for t in _EXTENTS:
        for sign in (1.0, -1.0):
            open_end &= np.abs(_slope(problem, X, U, np.full(len(U), sign * t))) <= _SEEN * noise
        silent[open_end] = t
        if not open_end.any():
            break
    return float(2.0 * silent[~open_end].max(initial=0.0))


def _borne_out(
    problem: SphereProblem, X: Array, U: Array, noise: Array, here: Array, k: Array, unit: float
) -> tuple[NDArray[np.bool_], bool]:
    """Where slopes on both sides agree with the curvature, and whether somewhere the curvature is gone at once."""
    t = np.maximum(_FACTOR * noise / np.abs(k), _SHORTEST)
    near, shortest = t <= _LONGEST, t == _SHORTEST
    t = np.where(near, t, _LONGEST)
    seen = np.array([(_slope(problem, X, U, s * t) / unit - here) / (s * t) for s in (1.0, -1.0)])
    agree = (np.abs(seen - k) <= _PART * np.abs(k)).all(axis=0)
    gone = shortest & ~(np.abs(seen) >= _LEFT * np.abs(k)).any(axis=0)
    return near & agree, bool(gone.any())


def _unit(U: Array) -> Array:
    """Tangents whose longest column has length one."""
    return U / column_norms(U).max(axis=-1)[..., None, None]


def _slope(problem: SphereProblem, X: Array, U: Array, t: Array) -> Array:
    """Derivative of the cost along each great circle, at ``t``."""
    t = t[:, None, None]
    angle = column_norms(U)[:, None, :]
    velocity = np.cos(angle * t) * U - angle * np.sin(angle * t) * X
    gradient = problem.at(exponential(np.broadcast_to(X, U.shape), t * U)).gradient
    return np.asarray((gradient * velocity).sum(axis=(-1, -2)))
