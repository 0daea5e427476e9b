r"""Squared error against a scaled one-hot target, ``(k (z_y - M)^2 + sum_{j != y} z_j^2) / 2``.

References
----------
J. Zhou et al., *Are All Losses Created Equal: A Neural Collapse Perspective*, NeurIPS 2022 (rescaled mean squared
error).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from sphereufm.geometry.spheres import Array
from sphereufm.problem.arguments import Number, exact_number, exact_positive
from sphereufm.problem.losses.interface import BlockTerms, LogitTerms, LossFacts, SampleBlock
from sphereufm.problem.losses.logits import add_own, get_own, set_own


@dataclass(frozen=True, kw_only=True)
class SquaredError:
    """Squared error of the logits, the own class weighed and scaled.

    ``own_weight``: ``k > 0``.  ``target``: ``M > 0``, what the own logit should be; the others should be zero.
    """

    name = "squared-error"

    own_weight: Number = Fraction(1)
    target: Number = Fraction(1)

    def __post_init__(self) -> None:
        for field in ("own_weight", "target"):
            given = getattr(self, field)
            exact_number(field, given)  # refuses what no float can hold
            self.__dict__[field] = exact_positive(field, given, "both parameters are")

    def facts(self, classes: int) -> LossFacts:
        """Convex; the derivative vanishes only where the own logit is ``M``, out of reach below ``tau = M``."""
        return LossFacts(convex=True, vanishes_from=float(self.target), floor=0.0)

    def forward(self, Z: Array, block: SampleBlock, out: Array | None = None) -> LogitTerms:
        """The block's terms; ``Z`` is overwritten."""
        k = float(self.own_weight)
        own = get_own(Z, block.flat) - float(self.target)
        set_own(Z, block.flat, own)
        squares = np.einsum("...kn,...kn->...n", Z, Z) + (k - 1.0) * np.square(own)
        G = np.multiply(Z, block.scale, out=out)
        set_own(G, block.flat, k * block.scale * own)
        return LogitTerms(0.5 * squares, G, None)

    def curvature(self, terms: BlockTerms, D: Array, block: SampleBlock) -> Array:
        """``scale D``, the own entry ``k`` times."""
        D *= block.scale
        set_own(D, block.flat, float(self.own_weight) * get_own(D, block.flat))
        return D

    def magnitude(self, terms: BlockTerms, block: SampleBlock) -> Array:
        """``|G|``, the size of the logits before their sum was taken, and the target of the own one."""
        size = np.abs(terms.G) + block.temperatures * block.scale
        add_own(size, block.flat, 2.0 * float(self.own_weight) * float(self.target) * block.scale)
        return size

    def balanced_minimum(self, classes: int, dim: int, tau: Fraction) -> float | None:
        """``k (M - tau)^2 / 2`` up to ``tau = M``, for ``d >= K``; beyond it zero, for ``d > K``."""
        # at orthonormal classifiers, with the own logit as near to its target as it gets
        target = Fraction(self.target)
        if dim < classes or (tau > target and dim == classes):
            return None
        return float(Fraction(self.own_weight) * max(target - tau, Fraction(0)) ** 2 / 2)
