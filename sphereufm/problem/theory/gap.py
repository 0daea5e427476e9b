r"""How far a point can be from the global minimum: upper bounds on ``f(X) - min f`` at any point.

Three bounds, the least of which is reported.

1. ``cost``: ``f`` above its floor, the weighted sum of each loss's own lower bound: ``f`` itself for losses that are
   not negative, ``f`` less the entropy of the targets for label smoothing.  Nothing cancels.

2. ``closed-form``: ``f - f*`` where the minimum ``f*`` is known.  For cross-entropy, with ``x_ij = z_ij - z_{y_i i} + K
   tau / (K - 1)``,
   ``q = 1 - exp(-f*)``, ``wbar`` the mean classifier, ``r_k = |w_k - wbar|`` and ``m_k = (w_k - wbar) / r_k``,

       f - f* = q (tau K / (K - 1)) L + q sum_i omega_i mean_j phi(x_ij) + sum_i omega_i psi(u_i),
       L      = (|wbar|^2 + var(r)) / (1 + mean(r)) + sum_i omega_i r_{y_i} |h_i - m_{y_i}|^2 / 2,
       phi(x) = e^x - 1 - x,   u_i = q mean_j (e^{x_ij} - 1),   psi(u) = log(1 + u) - u,

   means over ``j != y_i``.  Nothing cancels in ``L``, and the last two terms by a factor ``K`` at most, so the
   difference is accurate far below the rounding error of ``f``.

3. ``multiplier-bound``, for losses that are convex in the logits: for any positive ``b`` (N,) and ``a`` (K,) with
   ``[[diag(a), G], [G^T, diag(b)]] >= 0``, convexity gives ``f(X) - min f <= (sum a + sum b) / 2 + <G, W^T H>``.  Here
   ``b_i = c |V g_i|``, first with ``V = W``: that is ``-beta_i`` at critical points with ``beta_i < 0`` and lifts the
   other samples.  ``a`` is raised until the ``K x K`` Schur complement ``diag(a) - G diag(1 / b) G^T`` is positive
   semidefinite, and the best factor ``c`` is known.  A few fixed-point steps improve ``V``.  For small problems the
   plain shift ``M |lambda_min(S)| / 2`` is tried too.

The bounds hold in exact arithmetic; the floats carry an allowance for rounding but are numerical, not proved.

References
----------
N. Boumal, V. Voroninski, A. Bandeira, *The non-convex Burer-Monteiro approach works on smooth semidefinite
programs*, 2016.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sphereufm.geometry.spheres import Array, column_norms, normalize
from sphereufm.problem.losses.cross_entropy import CrossEntropy
from sphereufm.problem.losses.logits import exp_remainder, set_own, subtract_own
from sphereufm.problem.theory.theorems import global_minimum

if TYPE_CHECKING:
    from sphereufm.problem.evaluation import UFMEvaluation
    from sphereufm.problem.ufm import UFMProblem

_EPS = sys.float_info.epsilon
# a smaller positive value has lost digits, so nothing below it is claimed
_SMALLEST = sys.float_info.min
# share of |g_i| added to |W g_i| in squares, so that a sample without pull can be divided by
_LEAST_PULL = 1e-8
_SERIES_LIMIT = 0.02
_MOST_LIFTS = 12
# a pass over the samples is worth its price while the bound falls by this factor
_WORTHWHILE = 0.9


@dataclass(frozen=True, kw_only=True)
class OptimalityGap:
    """An upper bound on ``f(X) - min f``, in nats, in floating point (numerical, not proved)."""

    value: float  #: the least of the bounds; never negative
    method: str  #: which one it is: ``"cost"``, ``"closed-form"`` or ``"multiplier-bound"``
    bounds: dict[str, float]  #: every bound that is defined for the problem


def optimality_gap(problem: UFMProblem, X: Array) -> OptimalityGap:
    """Bound ``f(X) - min f`` from above at any one point, shape ``(d, K + N)``, critical or not; in floats.

    Infinite, by the method ``"none"``, for a loss that is not convex and has no known lower bound, or beyond the range
    of floats.  The closed form for cross-entropy carries an allowance of ``2 sqrt(gap q) rho + q rho^2`` for rounding,
    with ``rho = 4 eps (1 + tau) sqrt(K + d)``: near a minimiser it resolves gaps down to about ``q rho^2``, far below
    the rounding error ``eps f`` of the cost.  The multiplier bound cannot resolve less than about
    ``1e-15 (K + sqrt(N)) sum(|G|)``.  Where the cost underflows, the smallest normal number is returned and not zero,
    and the multiplier bound is left out.
    """
    point = problem.at(problem.spheres.check_points(X))
    facts, least = problem.loss.facts(problem.classes), global_minimum(problem)
    cost = float(point.excess) if math.isfinite(facts.floor) else None
    found = {
        "cost": cost,
        "closed-form": None if least is None else _closed_form_gap(point, least),
        "multiplier-bound": _multiplier_gap(point, cost) if facts.convex else None,
    }
    # what over- or underflowed bounds nothing
    known = {name: float(bound) for name, bound in found.items() if bound is not None}
    bounds = {name: max(bound, _SMALLEST) for name, bound in known.items() if math.isfinite(bound)}
    method = min(bounds, key=bounds.__getitem__, default="none")
    return OptimalityGap(value=bounds.get(method, math.inf), method=method, bounds=bounds)


def _closed_form_gap(point: UFMEvaluation, least: float) -> float:
    """``f - f*`` with its rounding allowance."""
    problem, cost = point.problem, float(point.cost)
    # where least underflows, formula 2 overflows, and no cost of zero is told from it
    if cost > 2.0 * least or not least or not isinstance(problem.loss, CrossEntropy):
        return max(cost - least, 0.0) + 8.0 * _EPS * (1.0 + problem.tau) * cost
    q = -math.expm1(-least)
    gap = max(_small_difference(problem.at(normalize(point.X)), q), 0.0)
    rho = 4.0 * _EPS * (1.0 + problem.tau) * math.sqrt(problem.classes + problem.dim)
    off = math.sqrt(gap) + math.sqrt(q) * rho
    return off * off


def _small_difference(point: UFMEvaluation, q: float) -> float:
    """``f - f*`` by formula 2 of the module, for ``f`` of the order of ``f*``."""
    K, rest = point.problem.classes, 0.0
    lead = K * point.problem.tau / (K - 1)
    for block in point.problem.blocks:
        # margins as they are on the logits: a constant added to all of them cancels
        x = subtract_own(point.logits(block), block.flat) + lead
        set_own(x, block.flat, 0.0)
        u = q * np.expm1(x).sum(axis=0) / (K - 1)
        rest += float(block.weights @ (q * exp_remainder(x).sum(axis=0) / (K - 1) + _log_remainder(u)))
    return q * lead * _alignment_defect(point) + rest


def _alignment_defect(point: UFMEvaluation) -> float:
    """``L``: zero exactly when classifiers have mean zero and each feature lies at its own."""
    problem = point.problem
    mean = point.W.mean(axis=1, keepdims=True)
    centred = point.W - mean
    r = column_norms(centred)
    # a classifier at the mean points nowhere; its r = 0 removes it from the sum
    m = centred / np.where(r == 0.0, 1.0, r)
    spread = (float(np.square(mean).sum()) + float(np.square(r - r.mean()).mean())) / (1.0 + float(r.mean()))
    off = np.square(point.H - m[:, problem.labels]).sum(axis=0)
    return spread + 0.5 * float((problem.weights * r[problem.labels]) @ off)


def _log_remainder(u: Array) -> Array:
    """``log(1 + u) - u`` without cancellation."""
    tail = 1 / 4 - u * (1 / 5 - u * (1 / 6 - u * (1 / 7 - u * (1 / 8 - u / 9))))
    series = -np.square(u) * (1 / 2 - u * (1 / 3 - u * tail))
    return np.where(np.abs(u) < _SERIES_LIMIT, series, np.log1p(u) - u)


def _multiplier_gap(point: UFMEvaluation, cost: float | None) -> float | None:
    """Least of the bounds that the multiplier matrix gives; none where a column of ``G`` underflows or overflows."""
    least, most = float(point.gradient_scale.min()), float(point.gradient_scale.max())
    if not _SMALLEST / _EPS <= least <= most <= _EPS / _SMALLEST:
        return None
    bound = _lifted_gap(point, point.W)
    if cost is not None and bound > cost:
        # far from a minimiser, or all classifiers equal: the Gram matrix I knows more than theirs
        bound = min(bound, _lifted_gap(point, np.eye(point.problem.classes)))
    S = point.multiplier_matrix
    may_say_more = S.is_small and S.is_psd(2.0 * bound / S.size)
    return min(bound, S.guaranteed_decrease()) if may_say_more else bound


def _lifted_gap(point: UFMEvaluation, V: Array) -> float:
    """Formula 3 of the module, improved over ``V`` by fixed-point steps; ``beta`` and ``G`` are those of the point.

    ``V <- normalize(V B)`` is block coordinate ascent of ``sum_i |V g_i|``, whose maximum over all ``V`` with unit
    columns is the least value of ``(sum a + sum b) / 2``.
    """
    K, N = point.problem.classes, point.problem.samples
    beta = float(point.beta.sum())
    # beta and b are sums of K terms, then of N
    slack = _EPS * (4.0 * K + np.sqrt(N)) * float(point.gradient_scale[K:].sum())
    best = float("inf")
    for _ in range(_MOST_LIFTS):
        B, sum_b = _pulls(point, V)
        bound: float = max(0.0, least_sum(V, B, sum_b, N) + beta) + slack
        if bound > _WORTHWHILE * best:
            return min(bound, best)
        best = bound
        moved = V @ B
        if not (column_norms(moved) > _SMALLEST).all():
            break
        V = normalize(moved)
    return best


def _pulls(point: UFMEvaluation, V: Array) -> tuple[Array, float]:
    """``B = G diag(1 / b) G^T`` and ``sum b`` for ``b_i = |V g_i|``, which is kept above zero."""
    B = np.zeros((V.shape[1], V.shape[1]))
    sum_b = 0.0
    for term in point.terms():
        # a sample that reached the minimum of its loss pulls at nothing
        scale = np.maximum(np.abs(term.G).max(axis=0), _SMALLEST)
        g = term.G / scale
        size = np.sqrt(np.square(V @ g).sum(axis=0) + _LEAST_PULL**2 * np.square(g).sum(axis=0))
        size = np.maximum(size, _SMALLEST)
        B += (g / size) @ term.G.T
        sum_b += float(scale @ size)
    return B, sum_b


def least_sum(V: Array, B: Array, sum_b: float, samples: int) -> float:
    """Least over ``c`` of ``(sum a + sum c b) / 2`` with ``a`` raised until ``diag(a) - B / c >= 0``."""
    K = B.shape[0]
    a = np.einsum("kl,lk->k", V.T @ V, B)
    size = float(np.abs(B).sum(axis=1).max())
    slack = _EPS * (4.0 * K + np.sqrt(samples)) * size
    sum_a = float(a.sum()) + K * max(0.0, slack - float(np.linalg.eigvalsh(np.diag(a) - B)[0]))
    return float(np.sqrt(sum_a) * np.sqrt(sum_b))
