r"""Cross-entropy with an additive angular margin: the own angle ``theta`` counts as ``theta + m``.

The own logit ``z = tau cos(theta)`` becomes ``tau cos(theta + m) = z cos m - sin m sqrt(tau^2 - z^2)``.  That function
has corners at ``theta = 0`` and ``pi``, collapse among them, where no derivative exists; here the root is rounded,
``tau r``, ``r^2 = 1 - (z / tau)^2 + delta^2``, and the cost is smooth.  ``delta = 0`` would be the loss as published.
Not convex, and no function that is linear in the Gram matrix stands behind it: no theorem and no bound apply.

References
----------
J. Deng et al., *ArcFace: Additive Angular Margin Loss for Deep Face Recognition*, CVPR 2019.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from sphereufm.geometry.spheres import Array
from sphereufm.problem.arguments import Number, exact_number, exact_positive
from sphereufm.problem.losses.cross_entropy import PLAIN, softmax_curvature
from sphereufm.problem.losses.interface import BlockTerms, LogitTerms, LossFacts, SampleBlock
from sphereufm.problem.losses.logits import get_own, set_own

# of less the corner is sharper than doubles tell logits apart, and the square of much more overflows
_ROUNDINGS = 1e-7, 1e6


@dataclass(frozen=True, kw_only=True)
class ArcFace:
    """Cross-entropy with an angular margin, in nats.

    ``margin``: ``m`` in radians, in ``[0, pi / 2)``; ``rounding``: ``delta`` in ``[1e-7, 1e6)``, radians over which
    the corner is rounded.
    """

    name = "arcface"

    margin: Number = Fraction(1, 2)
    rounding: Number = Fraction(1, 100)

    def __post_init__(self) -> None:
        margin = exact_number("margin", self.margin, 0, math.pi / 2)
        rounding = exact_positive("rounding", self.rounding, "in radians")
        exact_number("rounding", self.rounding, *_ROUNDINGS)
        self.__dict__.update(margin=margin, rounding=rounding)

    def facts(self, classes: int) -> LossFacts:
        """Its floor is zero; nothing else is known."""
        return LossFacts(floor=0.0, unit="nats")

    def forward(self, Z: Array, block: SampleBlock, out: Array | None = None) -> LogitTerms:
        """The terms; ``state`` has rows ``scale p_y``, slope of the own logit, pull on it, and its bend times that."""
        value, slope, bend = self._own(get_own(Z, block.flat), block)
        set_own(Z, block.flat, value)
        cost, G, own, _ = PLAIN.forward(Z, block, out)
        assert own is not None
        pull = get_own(G, block.flat)
        set_own(G, block.flat, slope * pull)
        return LogitTerms(cost, G, np.stack([own, slope, pull, bend * (pull / block.temperatures)], axis=-2))

    def curvature(self, terms: BlockTerms, D: Array, block: SampleBlock) -> Array:
        """The chain rule: the softmax's curvature between two slopes, and the own logit's second derivative."""
        assert terms.state is not None
        own, slope, pull, bend = np.moveaxis(terms.state, -2, 0)
        G, d = terms.G.copy(), get_own(D, block.flat)
        set_own(G, block.flat, pull)
        set_own(D, block.flat, slope * d)
        D = softmax_curvature(G, own, D, block)
        set_own(D, block.flat, slope * get_own(D, block.flat) + bend * d)
        return D

    def log_cost(self, Z: Array, block: SampleBlock) -> Array:
        """Logarithm of the loss."""
        set_own(Z, block.flat, self._own(get_own(Z, block.flat), block)[0])
        return PLAIN.log_cost(Z, block)

    def _own(self, z: Array, block: SampleBlock) -> tuple[Array, Array, Array]:
        """The own logit with its margin, its slope by ``z``, and ``tau`` times the second derivative."""
        m, delta, tau = float(self.margin), float(self.rounding), block.temperatures
        x = z / tau
        root = np.sqrt(np.maximum((1.0 - x) * (1.0 + x), 0.0) + delta**2)
        c, s = math.cos(m), math.sin(m)
        return z * c - s * tau * root, c + s * x / root, s * (1.0 + delta**2) / (root * root * root)
