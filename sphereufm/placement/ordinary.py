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

from dataclasses import dataclass

import numpy as np

from sphereufm.geometry.spheres import Array
from sphereufm.placement.bias import Logits, best_bias
from sphereufm.placement.layer import Layer
from sphereufm.placement.norms import BalancedNorms, frame_cost
from sphereufm.placement.ordinary_sums import BoundTerms, OrdinarySums

# a bias whose cost is this share of the network's is as good as one of cost zero
_NEGLIGIBLE = 1e-6


@dataclass(frozen=True, kw_only=True)
class OrdinaryPosition:
    """Position of a network that normalises nothing; see :class:`~sphereufm.placement.LandscapePosition`."""

    cost: float
    optimality_gap: float
    gap_method: str
    free_bias_gap: float | None
    least_cost_range: tuple[float, float]
    nonnegative_gap: float | None
    regularised_gap: float | None


def ordinary_position(
    layer: Layer,
    tau: float,
    feature_squares: float,
    weight_decay: tuple[float, float] | None = None,
    nonnegative: bool = False,
    sums: OrdinarySums | None = None,
) -> OrdinaryPosition:
    """Bound the cost from below for a layer's own norms.

    * ``tau``: multiplies ``W^T H``; the bias is added after.
    * ``feature_squares``: ``|H|_F^2``.
    * ``weight_decay``: ``mu_W`` and ``mu_H``, positive.
    * ``nonnegative``: whether all features are entrywise nonnegative.
    * ``sums``: what was gathered of all features already; without them they are gone through here.  At most
      two more passes are made, where there is a bias, classes have different numbers of samples, and logits
      were not kept.
    """
    counts = np.bincount(layer.features.labels, minlength=layer.W.shape[1]).astype(np.float64)
    squares = (float(np.square(layer.W).sum()), feature_squares)
    norms = float(np.sqrt(squares[0] * squares[1]))
    if sums is None:
        sums = OrdinarySums.of(layer, tau)
        for view in layer.views():
            sums.add(view)
    own = sums.terms(layer.bias)
    bounds = {"norm-bound": own.best(1.0, own.pull * norms)}
    free, balanced = [own], None
    if (counts == counts[0]).all():
        balanced = BalancedNorms(classes=counts.size, samples=int(counts.sum()), tau=tau)
        bounds["closed-form"] = balanced.least_cost(norms)
    elif layer.bias is not None:
        free = _at_best_bias(layer, sums, own.cost)
    method = max(bounds, key=bounds.__getitem__)
    low = bounds[method]
    return OrdinaryPosition(
        cost=own.cost,
        optimality_gap=max(own.cost - low, 0.0),
        gap_method=method,
        free_bias_gap=None if layer.bias is None else _free_gap(own, free, balanced, norms),
        least_cost_range=(min(low, own.cost), _attained(layer, tau, counts, norms, own.cost)),
        nonnegative_gap=_nonnegative_gap(own.cost, balanced, norms) if nonnegative else None,
        regularised_gap=_regularised_gap(own, free, balanced, squares, weight_decay),
    )


def _free_gap(own: BoundTerms, free: list[BoundTerms], balanced: BalancedNorms | None, norms: float) -> float:
    """Distance of the cost from a lower bound over all biases."""
    if balanced is not None:
        return max(own.cost - balanced.least_cost(norms), 0.0)
    return max(own.cost - max(terms.best(1.0, terms.pull * norms) for terms in free), 0.0)


def _attained(layer: Layer, tau: float, counts: Array, norms: float, cost: float) -> float:
    """The lower of the network's cost and that of a simplex frame with its norms and bias, where there is one."""
    d, K = layer.W.shape
    if d < K - 1:
        return cost
    bias = np.zeros(K) if layer.bias is None else layer.bias
    return min(cost, frame_cost(counts, norms, tau, bias))


def _nonnegative_gap(cost: float, balanced: BalancedNorms | None, norms: float) -> float | None:
    """Distance from the least cost of nonnegative features, where that is known."""
    if balanced is None:
        return None
    bound = BalancedNorms(
        classes=balanced.classes, samples=balanced.samples, tau=balanced.tau, nonnegative=True
    )
    return max(cost - bound.least_cost(norms), 0.0)


def _regularised_gap(
    own: BoundTerms,
    free: list[BoundTerms],
    balanced: BalancedNorms | None,
    squares: tuple[float, float],
    decay: tuple[float, float] | None,
) -> float | None:
    """Distance of the objective with weight decay from a lower bound over all norms, and biases where there are any."""
    if decay is None:
        return None
    objective = own.cost + 0.5 * (decay[0] * squares[0] + decay[1] * squares[1])
    if balanced is not None:
        return max(objective - balanced.least_regularised(decay), 0.0)
    root = float(np.sqrt(decay[0] * decay[1]))
    tops = [min(1.0, root / terms.pull) if terms.pull > 0.0 else 1.0 for terms in free]
    return max(objective - max(t.best(top, 0.0) for t, top in zip(free, tops, strict=True)), 0.0)


def _at_best_bias(layer: Layer, sums: OrdinarySums, cost: float) -> list[BoundTerms]:
    """Terms near the bias of least cost; classes without samples drop out, as with a bias of minus infinity.

    Where the logits of all samples were kept, at that bias; else at the best one of some samples, and after a step from
    there: two passes.
    """
    kept = sums.sample_logits().present()
    if sums.has_all_logits:
        found = best_bias(kept, sums.tau, _NEGLIGIBLE * cost)
        return [_collect(kept, sums.tau, found.bias).balanced_terms()]
    found = best_bias(kept, sums.tau, _NEGLIGIBLE * cost)
    whole = Logits(
        labels=layer.features.labels, bias=sums.bias, parts=lambda: (A for A, _ in layer.logits())
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
