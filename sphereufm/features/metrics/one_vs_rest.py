r"""How far each direction lies from the convex hull of the others, with a bound on the error.

For unit rows ``u_k`` the distance ``min |u_k - sum_j lambda_j u_j|`` over ``lambda`` in the simplex is a convex
quadratic program.  With ``p_j = u_j - u_k`` it asks for the point ``x`` of least length in the hull of the ``p_j``;
for *any* ``x`` there,

    min_j <x, p_j> / |x|  <=  distance  <=  |x|,

and both sides meet at the solution: their difference is the duality gap.  The solution comes from non-negative least
squares, ``min | [P; 1^T] u - (0, 1) |``, ``u >= 0``, ``x = P u / sum u`` (least distance programming).

The smallest of the K distances is the one-vs-rest distance of generalised neural collapse; for a simplex frame it is
``K / (K - 1)``, for a subset of a cross-polytope it is 1.

References
----------
C. Lawson, R. Hanson, *Solving Least Squares Problems*, 1974, chapter 23.  J. Jiang et al., *Generalized Neural
Collapse for a Large Number of Classes*, ICML 2024.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sphereufm.features.metrics.statistics import Array

__all__ = ["OneVsRest", "one_vs_rest"]

_SMALLEST = 1e-290


@dataclass(frozen=True, kw_only=True)
class OneVsRest:
    """The least distance of a row from the hull of the others.

    Attributes
    ----------
    distance : float
        Upper bound, attained by a point that was found.
    gap : float
        ``distance - gap`` is a lower bound (numerical).
    """

    distance: float
    gap: float


def one_vs_rest(A: Array) -> OneVsRest | None:
    """One-vs-rest distance of the directions of the rows of ``A``, shape ``(K, d)``; none if a row is zero.

    Examples
    --------
    >>> found = one_vs_rest(np.array([[1.0, 0.0], [-0.5, 0.75**0.5], [-0.5, -(0.75**0.5)]]))
    >>> round(found.distance, 9), found.gap < 1e-9
    (1.5, True)
    """
    lengths = np.linalg.norm(A, axis=1)
    if not (lengths > _SMALLEST).all():
        return None
    U = A / lengths[:, None]
    if U.shape[1] > U.shape[0]:
        # only inner products matter: K coordinates are enough
        U = np.asarray(np.linalg.qr(U.T, mode="r")).T
    pairs = [_bounds(np.delete(U, k, axis=0) - U[k]) for k in range(len(U))]
    upper, lower = min(high for _, high in pairs), min(low for low, _ in pairs)
    return OneVsRest(distance=upper, gap=max(0.0, upper - lower))


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
