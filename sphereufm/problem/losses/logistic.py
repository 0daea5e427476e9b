r"""Logistic loss of each class against all others, ``log(1 + e^{-z_y}) + sum_{j != y} log(1 + e^{z_j})``.

Balanced minimum (``d >= K``): with means ``b, b'`` of the own and of the other cosines the cost is at least
``log(1 + e^{-tau b}) + (K - 1) log(1 + e^{tau b'})``, least on the edge ``b = 2 (K - 1) s / K - 1``,
``b' = (K - 2) s / K - 1``, ``0 <= s <= K / (K - 1)``, which ends at the collapsed simplex frame.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from sphereufm.geometry.spheres import Array
from sphereufm.problem.losses.interface import BlockTerms, LogitTerms, LossFacts, SampleBlock
from sphereufm.problem.losses.logits import get_own, log_softplus, set_own

# logits whose exponentials are well within the range, and the logarithm of a product that still is
_LARGEST, _LARGEST_LOG = 300.0, 600.0


@dataclass(frozen=True)
class Logistic:
    """One-against-all logistic loss (binary cross-entropy of each class), in nats."""

    name = "logistic"

    def facts(self, classes: int) -> LossFacts:
        """Convex, with a derivative that never vanishes; a common shift changes it."""
        return LossFacts(convex=True, vanishes_from=math.inf, floor=0.0, unit="nats")

    def forward(self, Z: Array, block: SampleBlock, out: Array | None = None) -> LogitTerms:
        """The block's terms; ``Z`` is overwritten."""
        from scipy.special import expit  # not at the top: other losses start without SciPy

        _turn_own(Z, block)
        top = float(Z.max(initial=0.0))
        if top > _LARGEST:
            cost, G = np.logaddexp(0.0, Z).sum(axis=-2), expit(Z, out=out)
        else:
            e = np.exp(Z, out=Z)
            cost, G = _summed(e, top), np.divide(e, 1.0 + e, out=out)
        G *= block.scale
        _turn_own(G, block)
        return LogitTerms(cost, G, None)

    def curvature(self, terms: BlockTerms, D: Array, block: SampleBlock) -> Array:
        """``scale p (1 - p) D`` for each class by itself."""
        size = np.abs(terms.G)
        D *= size
        D *= 1.0 - size / block.scale
        return D

    def log_cost(self, Z: Array, block: SampleBlock) -> Array:
        """Logarithm of the loss, finite where every part underflows."""
        _turn_own(Z, block)
        return np.asarray(np.logaddexp.reduce(log_softplus(Z), axis=-2))

    def balanced_minimum(self, classes: int, dim: int, tau: Fraction) -> float | None:
        """Least value on the edge of the module's formula, for ``d >= K``; for ``d = K - 1`` where its end is least."""
        from scipy.optimize import brentq
        from scipy.special import expit

        K, t = classes, float(tau)

        def edge(s: float) -> tuple[float, float]:
            return -t * (2.0 * (K - 1) * s / K - 1.0), t * ((K - 2) * s / K - 1.0)

        def slope(s: float) -> float:
            own, others = edge(s)
            return float((K - 2) * expit(others) - 2.0 * expit(own))

        end = K / (K - 1)
        at_frame = slope(end) <= 0.0
        if dim < K - 1 or (dim == K - 1 and not at_frame):
            return None
        s = end if at_frame else 0.0 if slope(0.0) >= 0.0 else float(brentq(slope, 0.0, end))
        own, others = edge(s)
        return float(np.logaddexp(0.0, own) + (K - 1) * np.logaddexp(0.0, others))


def _summed(e: Array, top: float) -> Array:
    """``sum_k log(1 + e_k)``, few logarithms: of products of ``1 + e_k``, less one, that do not overflow."""
    cost, factors = np.zeros(e[..., 0, :].shape), int(_LARGEST_LOG / (top + 1.0))
    for first in range(0, e.shape[-2], factors):
        product = np.zeros(cost.shape)
        for k in range(first, min(first + factors, e.shape[-2])):
            # u + e + u e: nothing cancels
            product += e[..., k, :] * (1.0 + product)
        cost += np.log1p(product)
    return cost


def _turn_own(Z: Array, block: SampleBlock) -> None:
    """Change the sign of each sample's own entry, in place."""
    set_own(Z, block.flat, -get_own(Z, block.flat))
