r"""How far an ordinary network, nothing normalised, stands from the best cost for its own norms.

For any column-stochastic ``P~`` and ``G~ = (P~ - Y) diag(omega)``, Gibbs' inequality gives, for all ``W'``, ``H'``
with ``|W'|_F <= |W|_F``, ``|H'|_F <= |H|_F`` and the given bias ``b``,

    f' >= sum_i omega_i Ent(p~_i) - tau |G~|_2 |W|_F |H|_F + <G~, b 1^T>.

Here ``P~ = Y + c (P - Y)`` with the network's own softmax ``P``, and ``c`` in [0, 1] maximises the bound: ``G~ = c G``,
one ``K x K`` eigenvalue problem, and with ``q_i = 1 - p_{y_i}``

    Ent(p~_i) = -(1 - c q_i) log(1 - c q_i) - c q_i log c - c sum_{j != y_i} p_j log p_j.

Over *all* biases the bound holds where ``G~ 1 = 0``.  That is so for the softmax ``P`` at the bias that minimises the
cost for these ``W`` and ``H`` (:mod:`~sphereufm.placement.bias`); the term with ``b`` is then zero.

Where all classes have equally many samples the least cost over all biases is known in closed form
(:mod:`~sphereufm.placement.norms`), which is never below these bounds; it holds for the given bias as well.
Otherwise the bounds are tight at a simplex frame and weak far from it.  How weak they may be is told by the cost of a
simplex frame with these norms and this bias: the least cost lies between both.

With weight decay ``mu_W |W|^2 / 2 + mu_H |H|^2 / 2`` in the objective (and none on a bias) the norms are minimised
over: the bound is ``sum omega Ent`` where ``tau c |G|_2 <= sqrt(mu_W mu_H)``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sphereufm.geometry.spheres import Array
from sphereufm.placement.bias import best_bias, present_classes
from sphereufm.placement.layer import Layer
from sphereufm.placement.norms import BalancedNorms, frame_cost
from sphereufm.problem.losses.cross_entropy import CrossEntropy
from sphereufm.problem.losses.interface import block_from_labels

__all__ = ["OrdinaryPosition", "ordinary_position"]

# p log p with p below this is zero to all digits that are printed, and its logarithm stays finite
_TINY = 1e-300
_STEPS = 100


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
) -> OrdinaryPosition:
    """Bound the cost from below for a layer's own norms.

    One pass over the features; a few more where there is a bias and classes have different numbers of samples.

    Parameters
    ----------
    layer : Layer
    tau : float
        Multiplies ``W^T H``; the bias is added after.
    feature_squares : float
        ``|H|_F^2``.
    weight_decay : (float, float), optional
        ``mu_W`` and ``mu_H``, positive.
    nonnegative : bool
        Whether all features are entrywise nonnegative.

    Returns
    -------
    OrdinaryPosition
    """
    counts = np.bincount(layer.features.labels, minlength=layer.W.shape[1]).astype(np.float64)
    squares = (float(np.square(layer.W).sum()), feature_squares)
    norms = float(np.sqrt(squares[0] * squares[1]))
    own = _collect(layer, tau, layer.bias)
    bounds = {"norm-bound": own.best(1.0, own.pull * norms)}
    free, balanced = own, None
    if (counts == counts[0]).all():
        balanced = BalancedNorms(classes=counts.size, samples=int(counts.sum()), tau=tau)
        bounds["closed-form"] = balanced.least_cost(norms)
    elif layer.bias is not None:
        free = _at_best_bias(layer, tau)
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


def _free_gap(own: _Terms, free: _Terms, balanced: BalancedNorms | None, norms: float) -> float:
    """Distance of the cost from a lower bound over all biases."""
    low = free.best(1.0, free.pull * norms) if balanced is None else balanced.least_cost(norms)
    return max(own.cost - low, 0.0)


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
    own: _Terms,
    free: _Terms,
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
    top = min(1.0, float(np.sqrt(decay[0] * decay[1])) / free.pull) if free.pull > 0.0 else 1.0
    return max(objective - free.best(top, 0.0), 0.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Terms:
    """What one pass leaves: cost, ``tau |G|_2``, ``q``, mean of ``sum p log p`` off the label, ``<G, b 1^T>``."""

    cost: float
    pull: float
    q: Array
    off_label: float
    bias_term: float

    def bound(self, c: float, price: float) -> float:
        """Lower bound at ``c``; ``price`` is ``tau |G|_2 |W|_F |H|_F``."""
        if c <= 0.0:
            return 0.0
        rest = 1.0 - c * self.q
        own = -np.where(rest > 0.0, rest * np.log(np.maximum(rest, _TINY)), 0.0)
        entropy = float(own.mean()) - c * float(self.q.mean()) * np.log(c) - c * self.off_label
        return float(entropy - c * price + c * self.bias_term)

    def best(self, top: float, price: float) -> float:
        """Largest bound for ``c`` in ``[0, top]``; it is concave in ``c``, and any ``c`` gives a valid one."""
        ratio = (np.sqrt(5.0) - 1.0) / 2.0
        low, high = 0.0, top
        for _ in range(_STEPS):
            left, right = high - ratio * (high - low), low + ratio * (high - low)
            if self.bound(left, price) < self.bound(right, price):
                low = left
            else:
                high = right
        # entropies cannot be negative, so neither can the best bound: c = 0 gives zero
        return max(0.0, self.bound(top, price), self.bound(0.5 * (low + high), price))


def _at_best_bias(layer: Layer, tau: float) -> _Terms:
    """Terms at the bias of least cost; classes without samples drop out, as with a bias of minus infinity."""
    seen = present_classes(layer)
    return _collect(seen, tau, best_bias(seen, tau), free=True)


def _collect(layer: Layer, tau: float, bias: Array | None, free: bool = False) -> _Terms:
    """A pass over all features; with ``free`` the rows of ``G`` have sum zero and the bias has no part in the bound."""
    K, N = layer.W.shape[1], layer.features.labels.size
    loss, cost, off_label = CrossEntropy(), 0.0, 0.0
    gram, row_sums, q = np.zeros((K, K)), np.zeros(K), []
    for A, y in layer.logits():
        Z = tau * A if bias is None else tau * A + bias[:, None]
        columns = np.arange(y.size)
        terms = loss.forward(Z, block_from_labels(y, np.ones(y.size)))
        P = np.array(terms.G)
        gram += P @ P.T
        row_sums += P.sum(axis=1)
        q.append(-P[y, columns])
        P[y, columns] = 0.0
        off_label += float((P * np.log(np.maximum(P, _TINY))).sum())
        cost += float(terms.cost.sum())
    b = np.zeros(K) if bias is None or free else bias
    return _Terms(
        cost=cost / N,
        pull=tau * float(np.sqrt(max(np.linalg.eigvalsh(gram)[-1], 0.0))) / N,
        q=np.concatenate(q),
        off_label=off_label / N,
        bias_term=float(row_sums @ b) / N,
    )
