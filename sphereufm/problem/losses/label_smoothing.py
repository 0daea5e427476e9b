r"""Cross-entropy against smoothed labels.

The target of a sample is ``T = (1 - eps) e_y + eps / K``, the loss ``- sum_k T_k log p_k``.  Its curvature is that of
cross-entropy; its least value is the entropy of ``T``, reached where all margins are ``z_j - z_y = -delta``,
``delta = log(1 + K (1 - eps) / eps)``: there the derivative vanishes.  On the spheres that is within reach from
``2 tau = delta`` on.  Above the floor the loss is ``sum_k T_k (e^{-a_k} - 1 + a_k)``, ``a_k = log(T_k / p_k)``: terms
that are not negative, so nothing cancels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np

from sphereufm.geometry.spheres import Array
from sphereufm.problem.arguments import Number, exact_number
from sphereufm.problem.losses.cross_entropy import PLAIN, softmax_curvature
from sphereufm.problem.losses.interface import BlockTerms, LogitTerms, LossFacts, SampleBlock
from sphereufm.problem.losses.logits import add_own, exp_remainder, get_own, own_margin, set_own, subtract_own


@dataclass(frozen=True, kw_only=True)
class LabelSmoothing:
    """Cross-entropy against ``(1 - eps) e_y + eps / K``, in nats; ``smoothing``: ``eps`` in ``[0, 1)``."""

    name = "label-smoothing"

    smoothing: Number = Fraction(1, 10)

    def __post_init__(self) -> None:
        self.__dict__.update(smoothing=exact_number("smoothing", self.smoothing, 0, 1))

    def facts(self, classes: int) -> LossFacts:
        """Convex and blind to shifts; the derivative may vanish from ``tau = delta / 2`` on."""
        own, other = self._targets(classes)
        entropy = -own * math.log(own) - (classes - 1) * other * math.log(other) if other else 0.0
        return LossFacts(
            convex=True,
            shift_invariant=True,
            probability=self.smoothing == 0,
            vanishes_from=0.5 * self.least_margin(classes),
            harmless_to=3,
            floor=entropy,
            unit="nats",
        )

    def least_margin(self, classes: int) -> float:
        """``delta``, the lead of the own logit at which the loss is least; infinite without smoothing."""
        own, other = self._targets(classes)
        return math.log(own / other) if other else math.inf

    def forward(self, Z: Array, block: SampleBlock, out: Array | None = None) -> LogitTerms:
        """The block's terms; ``Z`` is overwritten by the margins."""
        cost, G, own, E = PLAIN.forward(Z, block, out)
        assert E is not None
        cost = cost - self._targets(G.shape[-2])[1] * E.sum(axis=-2)
        return LogitTerms(cost, self._smoothed(G, -1.0, block), own, E)

    def curvature(self, terms: BlockTerms, D: Array, block: SampleBlock) -> Array:
        """That of cross-entropy: targets are constant."""
        return softmax_curvature(self._smoothed(terms.G.copy(), 1.0, block), terms.state, D, block)

    def _smoothed(self, G: Array, sign: float, block: SampleBlock) -> Array:
        """Add ``sign scale (eps / K - eps e_y)`` to ``G``, in place."""
        K = G.shape[-2]
        part = sign * self._targets(K)[1] * block.scale
        G += part
        add_own(G, block.flat, -K * part)
        return G

    def magnitude(self, terms: BlockTerms, block: SampleBlock) -> Array:
        """``|G|`` and the part of the target that is not subtracted exactly."""
        return np.abs(terms.G) + 2.0 * self._targets(terms.G.shape[-2])[1] * block.scale

    def excess(self, Z: Array, block: SampleBlock) -> Array:
        """Divergence of the softmax from the target."""
        own, other = self._targets(Z.shape[-2])
        if not other:
            return PLAIN.forward(Z, block).cost
        E = subtract_own(Z, block.flat)
        cost = own_margin(E.copy(), block.flat).cost
        a = cost[..., None, :] - E + math.log(other)
        set_own(a, block.flat, cost + math.log(own))
        rest = exp_remainder(-a)
        return np.asarray(other * rest.sum(axis=-2) + (own - other) * get_own(rest, block.flat))

    def log_cost(self, Z: Array, block: SampleBlock) -> Array:
        """Logarithm of the loss, which is not below the entropy of the target."""
        if self.smoothing == 0:
            return PLAIN.log_cost(Z, block)
        return np.log(self.excess(Z, block) + self.facts(Z.shape[-2]).floor)

    def balanced_minimum(self, classes: int, dim: int, tau: Fraction) -> float | None:
        """The loss at a collapsed frame up to ``tau K / (K - 1) = delta``; from there the floor, for ``d >= K``."""
        if self.smoothing == 0:
            return PLAIN.balanced_minimum(classes, dim, tau)
        exact = tau * Fraction(classes, classes - 1)
        if exact > self.least_margin(classes):
            return self.facts(classes).floor if dim >= classes else None
        if dim < classes - 1:
            return None
        lead, others = float(exact), (classes - 1) * self._targets(classes)[1]
        return math.log1p((classes - 1) * math.exp(-lead)) + others * lead

    def _targets(self, classes: int) -> tuple[float, float]:
        """``T_y`` and ``T_j``."""
        return _targets(Fraction(self.smoothing), classes)


@lru_cache(maxsize=64)
def _targets(smoothing: Fraction, classes: int) -> tuple[float, float]:
    """Both to the nearest double."""
    other = smoothing / classes
    return float(1 - (classes - 1) * other), float(other)
