r"""How far an ordinary network, nothing normalised, stands from the best cost for its own norms.

For any column-stochastic ``P~`` and ``G~ = (P~ - Y) diag(omega)``, Gibbs' inequality gives, for all ``W'``, ``H'``
with ``|W'|_F <= |W|_F``, ``|H'|_F <= |H|_F`` and the given bias ``b``,

    f' >= sum_i omega_i Ent(p~_i) - tau |G~|_2 |W|_F |H|_F + <G~, b 1^T>.

Here ``P~ = Y + c (P - Y)`` with the network's own softmax ``P``, and ``c`` in [0, 1] maximises the bound: ``G~ = c G``,
one ``K x K`` eigenvalue problem, and with ``q_i = 1 - p_{y_i}``

    Ent(p~_i) = -(1 - c q_i) log(1 - c q_i) - c q_i log c - c sum_{j != y_i} p_j log p_j.

Over *all* biases the bound holds where ``G~ 1 = 0``.  That is nearly so for the softmax ``P`` at the bias that
minimises the cost for these ``W`` and ``H`` (:mod:`~sphereufm.placement.bias`), and what is missing is mended by mixing
in a little of a constant column; the term with ``b`` is then zero.

Where all classes have equally many samples the least cost over all biases is known in closed form, which is never below
these bounds; it holds for the given bias as well.  For ``N = n K`` samples, any bias and any dimension, Jensen's
inequality and then Cauchy's give, with ``w = |W|_F`` and ``h = |H|_F``,

    f >= log(1 + (K - 1) exp(-t)),    t = tau w h / sqrt(K N) * K / (K - 1),

since ``-(K - 1) t`` bounds the mean over samples of ``tau sum_j <w_j - w_y, h>`` from below and the bias drops out of
that mean.  A simplex frame with features of equal length and equal biases attains it (``d >= K - 1``).  For entrywise
nonnegative features ``sum_k |mu_k - mubar|^2 <= (1 - 1/K) sum_k |mu_k|^2``, so there ``t`` carries a factor
``sqrt(1 - 1/K)``; orthogonal class features attain that (``d >= K``).  For unit features and classifiers these are the
minima on spheres.

With weight decay ``mu_W w^2 / 2 + mu_H h^2 / 2 >= sqrt(mu_W mu_H) w h`` the minimum over the norms is, for
``p = sqrt(mu_W mu_H) w h / t`` below ``(K - 1) / K`` (else the minimum is ``log K``, at zero),

    -p log p - (1 - p) log(1 - p) + p log(K - 1).

Otherwise the bounds are tight at a simplex frame and weak far from it.  How weak they may be is shown by the cost of a
simplex frame with these norms and this bias: the least cost lies between both.

With weight decay, and none on a bias, the bound is ``sum omega Ent`` where ``tau c |G|_2 <= sqrt(mu_W mu_H)``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from sphereufm.geometry.spheres import Array
from sphereufm.placement.bias import Logits, best_bias
from sphereufm.placement.landscape_position import LandscapePosition
from sphereufm.placement.layer import Layer
from sphereufm.placement.ordinary_sums import BoundTerms, OrdinarySums
from sphereufm.problem.theory.theorems import simplex_etf

# a bias whose cost is this share of the network's is as good as one of cost zero
_NEGLIGIBLE = 1e-6


@dataclass(frozen=True, kw_only=True)
class BalancedNorms:
    """Least costs for given norms, balanced classes and any bias."""

    #: ``classes`` and ``samples``: K and N.
    classes: int
    samples: int
    tau: float  #: multiplies ``W^T H``
    nonnegative: bool = False  #: whether the features are entrywise nonnegative

    @property
    def rate(self) -> float:
        """``t`` for each unit of ``|W|_F |H|_F``."""
        K = self.classes
        share = math.sqrt(1.0 - 1.0 / K) if self.nonnegative else 1.0
        return self.tau * share * K / ((K - 1) * math.sqrt(K * self.samples))

    def least_cost(self, norms: float) -> float:
        """Least cost, in nats, where ``|W|_F |H|_F`` is at most ``norms``."""
        return math.log1p((self.classes - 1) * math.exp(-self.rate * norms))

    def least_regularised(self, decay: tuple[float, float]) -> float:
        """Least cost with ``mu_W |W|^2 / 2 + mu_H |H|^2 / 2`` added."""
        K = self.classes
        p = math.sqrt(decay[0] * decay[1]) / self.rate
        if p >= (K - 1) / K:
            return math.log(K)
        return -p * math.log(p) - (1.0 - p) * math.log1p(-p) + p * math.log(K - 1)


def frame_cost(counts: NDArray[np.intp], norms: float, tau: float, bias: Array) -> float:
    """Cost of a simplex frame with ``|W|_F |H|_F = norms``, features of equal length, and this bias.

    ``counts``, shape ``(K,)``: samples of each class; ``bias``, shape ``(K,)``.
    """
    K, N = len(counts), float(counts.sum())
    E = simplex_etf(K, K - 1)
    Z = tau * norms / math.sqrt(K * N) * (E.T @ E) + bias[:, None]
    margins = Z - np.diag(Z)
    np.fill_diagonal(margins, -np.inf)
    return float(counts @ np.log1p(np.exp(logsumexp(margins, axis=0)))) / N


def ordinary_position(
    layer: Layer,
    tau: float,
    feature_squares: float,
    weight_decay: tuple[float, float] | None = None,
    nonnegative: bool = False,
    sums: OrdinarySums | None = None,
) -> LandscapePosition:
    """Bound the cost of ``tau W^T H + b 1^T`` from below for a layer's own norms; ``feature_squares`` is ``|H|_F^2``.

    ``sums`` were gathered of all features already; without them they are gone through here.  At most two more passes
    are made, where there is a bias, classes have different numbers of samples, and logits were not kept.
    """
    sums = sums or layer.gather(OrdinarySums.of(layer, tau))
    counts, own = sums.counts, sums.terms(layer.bias)
    squares = (float(np.square(layer.W).sum()), feature_squares)
    norms, cost = float(np.sqrt(squares[0] * squares[1])), own.cost
    bounds: dict[str, BoundTerms | BalancedNorms] = {"norm-bound": own}
    over_biases: list[BoundTerms] | list[BalancedNorms] = [own]
    balanced = BalancedNorms(classes=counts.size, samples=int(counts.sum()), tau=tau)
    is_balanced = bool((counts == counts[0]).all())
    if is_balanced:
        bounds["closed-form"] = balanced
        over_biases = [balanced]
    elif layer.bias is not None:
        over_biases = _at_best_bias(layer, sums, cost)

    lows = {method: bound.least_cost(norms) for method, bound in bounds.items()}
    method = max(lows, key=lows.__getitem__)
    free = max(bound.least_cost(norms) for bound in over_biases)
    nonnegative_gap = regularised_gap = None
    if nonnegative and is_balanced:
        nonnegative_gap = max(cost - replace(balanced, nonnegative=True).least_cost(norms), 0.0)
    if weight_decay is not None:
        objective = cost + 0.5 * float(np.dot(weight_decay, squares))
        least = max(bound.least_regularised(weight_decay) for bound in over_biases)
        regularised_gap = max(objective - least, 0.0)
    return LandscapePosition(
        cost=cost,
        optimality_gap=max(cost - lows[method], 0.0),
        gap_method=method,
        free_bias_gap=None if layer.bias is None else max(cost - free, 0.0),
        least_cost_range=(min(lows[method], cost), _attained(layer, tau, counts, norms, cost)),
        nonnegative_gap=nonnegative_gap,
        regularised_gap=regularised_gap,
    )


def _attained(layer: Layer, tau: float, counts: NDArray[np.intp], norms: float, cost: float) -> float:
    """The lower of the network's cost and that of a simplex frame with its norms and bias, where there is one."""
    d, K = layer.W.shape
    if d < K - 1:
        return cost
    bias = np.zeros(K) if layer.bias is None else layer.bias
    return min(cost, frame_cost(counts, norms, tau, bias))


def _at_best_bias(layer: Layer, sums: OrdinarySums, cost: float) -> list[BoundTerms]:
    """Terms near the bias of least cost; classes without samples drop out, as with a bias of minus infinity.

    Where the logits of all samples were kept, at that bias; else at the best one of some samples, and after a step from
    there: two passes.
    """
    kept = sums.sample_logits().present()
    found = best_bias(kept, sums.tau, _NEGLIGIBLE * cost)
    if sums.has_all_logits:
        return [_collect(kept, sums.tau, found.bias).balanced_terms()]
    whole = Logits(
        labels=layer.features.labels, bias=sums.bias, parts=lambda: (layer.W.T @ H for H, _ in layer.blocks())
    ).present()
    first = _collect(whole, sums.tau, found.bias)
    second = _collect(whole, sums.tau, found.corrected(first.gathered.added["row_sums"] / whole.samples))
    return [first.balanced_terms(), second.balanced_terms()]


def _collect(logits: Logits, tau: float, bias: Array) -> OrdinarySums:
    """Sums of logits at another bias."""
    sums = OrdinarySums(tau=tau, bias=bias, labels=logits.labels).fresh()
    for A, y, _ in logits.blocks():
        sums.gather(A, y)
    return sums
