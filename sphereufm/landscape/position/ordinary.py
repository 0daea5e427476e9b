r"""How far an ordinary network, nothing normalised, stands from the best cost for its own norms.

For any column-stochastic ``P~`` and ``G~ = (P~ - Y) diag(omega)``, Gibbs' inequality gives, for all ``W'``, ``H'``
with ``|W'|_F <= |W|_F``, ``|H'|_F <= |H|_F`` and the given bias ``b``,

    f' >= sum_i omega_i Ent(p~_i) - tau |G~|_2 |W|_F |H|_F + <G~, b 1^T>.

Here ``P~ = Y + c (P - Y)`` with the network's own softmax ``P``, and ``c`` in [0, 1] maximises the bound: ``G~ = c G``,
one ``K x K`` eigenvalue problem, and with ``q_i = 1 - p_{y_i}``

    Ent(p~_i) = -(1 - c q_i) log(1 - c q_i) - c q_i log c - c sum_{j != y_i} p_j log p_j.

Tight at a simplex frame, weak far from it.  With weight decay ``mu_W |W|^2 / 2 + mu_H |H|^2 / 2`` in the objective the
norms are minimised over: the bound is ``sum omega Ent + <G~, b 1^T>`` where ``tau c |G|_2 <= sqrt(mu_W mu_H)``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sphereufm.geometry.spheres import Array
from sphereufm.landscape.position.layer import Layer
from sphereufm.problem.losses import CrossEntropy

__all__ = ["OrdinaryPosition", "ordinary_position"]

# p log p with p below this is zero to all digits that are printed, and its logarithm stays finite
_TINY = 1e-300
_STEPS = 100


@dataclass(frozen=True, kw_only=True)
class OrdinaryPosition:
    """Cost and guaranteed gap of a network without normalisation.

    Attributes
    ----------
    cost : float
        Mean cross-entropy, nats.
    lower_bound : float
        No features and classifier of these Frobenius norms have a lower cost, with this bias (numerical).
    regularised_gap : float or None
        With weight decay: how far the regularised objective is above its minimum, at most.
    """

    cost: float
    lower_bound: float
    regularised_gap: float | None

    @property
    def gap(self) -> float:
        """Upper bound on the distance from the best cost for these norms and this bias."""
        return self.cost - self.lower_bound


def ordinary_position(
    layer: Layer, tau: float, feature_squares: float, weight_decay: tuple[float, float] | None = None
) -> OrdinaryPosition:
    """Bound the cost from below for a layer's own norms, in one pass.

    Parameters
    ----------
    layer : Layer
    tau : float
        Multiplies ``W^T H``; the bias is added after.
    feature_squares : float
        ``|H|_F^2``.
    weight_decay : (float, float), optional
        ``mu_W`` and ``mu_H``, positive.

    Returns
    -------
    OrdinaryPosition
    """
    terms = _collect(layer, tau)
    W_norm, H_norm = float(np.linalg.norm(layer.W)), float(np.sqrt(feature_squares))
    pull = tau * terms.G_norm
    # entropies cannot be negative, so neither can the best bound: c = 0 gives zero
    bound = terms.best(1.0, pull * W_norm * H_norm)
    regularised = None
    if weight_decay is not None:
        mu_W, mu_H = weight_decay
        top = min(1.0, float(np.sqrt(mu_W * mu_H)) / pull) if pull > 0.0 else 1.0
        penalty = 0.5 * (mu_W * W_norm**2 + mu_H * feature_squares)
        regularised = terms.cost + penalty - terms.best(top, 0.0)
    return OrdinaryPosition(cost=terms.cost, lower_bound=bound, regularised_gap=regularised)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Terms:
    """What one pass leaves: cost, ``|G|_2``, ``q``, mean of ``sum p log p`` off the label, ``<G, b 1^T>``."""

    cost: float
    G_norm: float
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
        return max(0.0, self.bound(top, price), self.bound(0.5 * (low + high), price))


def _collect(layer: Layer, tau: float) -> _Terms:
    """The pass over all features."""
    K, N = layer.W.shape[1], layer.features.labels.size
    loss, cost, off_label = CrossEntropy(), 0.0, 0.0
    gram, row_sums, q = np.zeros((K, K)), np.zeros(K), []
    for A, y in layer.logits():
        Z = tau * A if layer.bias is None else tau * A + layer.bias[:, None]
        columns = np.arange(y.size)
        terms = loss.forward(Z, y * y.size + columns, np.full(y.size, 1.0))
        P = np.array(terms.G)
        gram += P @ P.T
        row_sums += P.sum(axis=1)
        q.append(-P[y, columns])
        P[y, columns] = 0.0
        off_label += float((P * np.log(np.maximum(P, _TINY))).sum())
        cost += float(terms.cost.sum())
    b = np.zeros(K) if layer.bias is None else layer.bias
    return _Terms(
        cost=cost / N,
        G_norm=float(np.sqrt(max(np.linalg.eigvalsh(gram)[-1], 0.0))) / N,
        q=np.concatenate(q),
        off_label=off_label / N,
        bias_term=float(row_sums @ b) / N,
    )
