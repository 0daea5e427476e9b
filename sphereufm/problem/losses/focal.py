r"""Focal loss ``(1 - p_y)^gamma (-log p_y)``: well classified samples count less.

It is a function ``phi(s) = m^gamma c`` of ``s = log sum_{j != y} exp(z_j - z_y)`` alone, with ``m = 1 - p_y`` and ``c =
-log p_y``.  With ``q`` the softmax over the other classes,

    G_j = scale phi' q_j,      G_y = - scale phi',
    phi'  = m^gamma (gamma p_y c + m),
    phi'' = m^gamma p_y (gamma^2 p_y c + (2 gamma + 1) m - gamma m c).

``phi' > 0``, but ``phi''`` may be negative: the loss is not convex.

References
----------
T.-Y. Lin et al., *Focal Loss for Dense Object Detection*, ICCV 2017.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from sphereufm.geometry.spheres import Array
from sphereufm.problem.arguments import Number, exact_number
from sphereufm.problem.losses.interface import BlockTerms, LogitTerms, LossFacts, SampleBlock
from sphereufm.problem.losses.logits import get_own, log_softplus, own_margin, set_own, subtract_own


@dataclass(frozen=True, kw_only=True)
class Focal:
    """Focal loss, in nats; ``focusing``: ``gamma >= 0``, with zero the loss is cross-entropy."""

    name = "focal"

    focusing: Number = Fraction(2)

    def __post_init__(self) -> None:
        self.__dict__.update(focusing=exact_number("focusing", self.focusing, 0))

    def facts(self, classes: int) -> LossFacts:
        """Blind to shifts, never zero, not convex unless ``gamma = 0``."""
        plain, never = self.focusing == 0, math.inf
        return LossFacts(
            convex=plain, shift_invariant=True, probability=plain, vanishes_from=never, floor=0.0, unit="nats"
        )

    def forward(self, Z: Array, block: SampleBlock, out: Array | None = None) -> LogitTerms:
        """The block's terms; ``state`` is ``scale phi''``."""
        gamma, E = float(self.focusing), subtract_own(Z, block.flat)
        G, m, p, c, _ = own_margin(E, block.flat, out)
        set_own(E, block.flat, 0.0)
        power = np.power(m, gamma)
        pull = block.scale * power * (gamma * p * c + m)
        second = power * p * (gamma**2 * p * c + (2.0 * gamma + 1.0) * m - gamma * m * c)
        G *= pull[..., None, :]
        set_own(G, block.flat, -pull)
        return LogitTerms(power * c, G, block.scale * second, E)

    def curvature(self, terms: BlockTerms, D: Array, block: SampleBlock) -> Array:
        """``scale (phi' (q D - q <q, D>) + phi'' q <q, D>)``, with ``D_y`` subtracted first."""
        assert terms.state is not None
        D = subtract_own(D, block.flat)
        pull = -get_own(terms.G, block.flat)
        # where the pull underflows to zero, so does everything else
        safe = np.where(pull > 0.0, pull, 1.0)
        mean = np.einsum("...kn,...kn->...n", terms.G, D) / safe
        along = terms.state * mean
        D -= (mean - along / safe)[..., None, :]
        D *= terms.G
        set_own(D, block.flat, -along)
        return D

    def log_cost(self, Z: Array, block: SampleBlock) -> Array:
        """``gamma log m + log c``, with ``log m = -log(1 + e^{-s})``."""
        s = own_margin(subtract_own(Z, block.flat), block.flat).log_odds
        return np.asarray(log_softplus(s) - float(self.focusing) * np.logaddexp(0.0, -s))
