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

Where all classes have equally many samples the least cost over all biases is known in closed form
(:mod:`~sphereufm.placement.norms`), which is never below these bounds; it holds for the given bias as well.
Otherwise the bounds are tight at a simplex frame and weak far from it.  How weak they may be is shown by the cost of a
simplex frame with these norms and this bias: the least cost lies between both.

With weight decay ``mu_W |W|^2 / 2 + mu_H |H|^2 / 2`` in the objective (and none on a bias) the norms are minimised
over: the bound is ``sum omega Ent`` where ``tau c |G|_2 <= sqrt(mu_W mu_H)``.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array
from sphereufm.placement.bias import Logits, best_bias
from sphereufm.placement.landscape_position import LandscapePosition
from sphereufm.placement.layer import Layer
from sphereufm.placement.norms import BalancedNorms, frame_cost
from sphereufm.placement.ordinary_sums import BoundTerms, OrdinarySums

# a bias whose cost is this share of the network's is as good as one of cost zero
_NEGLIGIBLE = 1e-6


def ordinary_position(
    layer: Layer,
    tau: float,
    feature_squares: float,
    weight_decay: tuple[float, float] | None = None,
    nonnegative: bool = False,
    sums: OrdinarySums | None = None,
) -> LandscapePosition:
    """Bound the cost from below for a layer's own norms.

    * ``tau``: multiplies ``W^T H``; the bias is added after.
    * ``feature_squares``: ``|H|_F^2``.
    * ``weight_decay``: ``mu_W`` and ``mu_H``, positive.
    * ``nonnegative``: whether all features are entrywise nonnegative.
    * ``sums``: what was gathered of all features already; without them they are gone through here.  At most
      two more passes are made, where there is a bias, classes have different numbers of samples, and logits
      were not kept.
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
        labels=layer.features.labels,
        bias=sums.bias,
        parts=lambda: (layer.W.T @ H for H, _ in layer.blocks()),
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
