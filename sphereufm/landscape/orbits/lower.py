r"""Is one point lower than another?  Costs that differ by rounding do not say so, and a constant must not matter.

The difference of two costs is known to some roundings of either.  Where that does not decide (a constant of 1e13 may
stand in front of everything) the gradient is integrated along the great circles from one point to the other,

    f(Y) - f(X) = int_0^1 <grad f(c(t)), c'(t)> dt,

by two Gauss rules that have to agree; a constant never enters.
"""

from __future__ import annotations

import numpy as np

from sphereufm.geometry.spheres import Array, column_norms, exponential, logarithm
from sphereufm.problem.interface import Evaluation, SphereProblem

_EPS = float(np.finfo(np.float64).eps)
_ROUNDINGS = 100.0
# of the sum of the gradient's scales: smaller differences are those of one critical value, as a search finds it
_SAME = 1e-9
_NODES = (48, 64)
_AGREE = 0.1


def cost_noise(point: Evaluation) -> Array:
    """Differences of cost near critical points that mean nothing, blind to constants, shape ``(...)``."""
    return np.asarray(_SAME * point.gradient_scale.sum(axis=-1))


def is_lower(problem: SphereProblem, Y: Array, X: Array) -> bool:
    """Whether the cost at ``Y`` is below that at ``X`` by more than rounding explains.

    ``Y`` and ``X``, shape ``(d, M)``.
    """
    both = problem.at(np.stack([Y, X]))
    below, here = np.asarray(both.cost).tolist()
    least = _SAME * float(both.gradient_scale.sum(axis=-1).max())
    rounding = _ROUNDINGS * _EPS * max(abs(below), abs(here))
    if abs(here - below) > max(least, rounding):
        return bool(below < here)
    if rounding <= least:
        return False
    coarse, fine = (_difference(problem, Y, X, nodes) for nodes in _NODES)
    return bool(fine > least and abs(fine - coarse) <= _AGREE * fine)


def _difference(problem: SphereProblem, Y: Array, X: Array, nodes: int) -> float:
    """``f(X) - f(Y)`` by one Gauss rule; NaN where the way is not unique or the gradient not finite."""
    if (column_norms(X + Y) < 1e-9).any():
        return np.nan
    places, weights = np.polynomial.legendre.leggauss(nodes)
    t = (0.5 + 0.5 * places)[:, None, None]
    U = logarithm(Y, X)
    angle = column_norms(U)
    curve = exponential(np.broadcast_to(Y, (nodes, *Y.shape)), t * U)
    velocity = np.cos(angle * t) * U - angle * np.sin(angle * t) * Y
    slopes = (problem.at(curve).gradient * velocity).sum(axis=(-1, -2))
    return float(0.5 * weights @ slopes)
