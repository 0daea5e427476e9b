r"""The least cost of a network for its norms, where all classes have equally many samples.

For ``N = n K`` samples, any bias and any dimension, Jensen's inequality and then Cauchy's give, with ``w = |W|_F`` and
``h = |H|_F``,

    f >= log(1 + (K - 1) exp(-t)),    t = tau w h / sqrt(K N) * K / (K - 1),

since ``-(K - 1) t`` bounds the mean over samples of ``tau sum_j <w_j - w_y, h>`` from below and the bias drops out of
that mean.  A simplex frame with features of equal length and equal biases attains it (``d >= K - 1``).  For entrywise
nonnegative features ``sum_k |mu_k - mubar|^2 <= (1 - 1/K) sum_k |mu_k|^2``, so there ``t`` carries a factor
``sqrt(1 - 1/K)``; orthogonal class features attain that (``d >= K``).  For unit features and classifiers these are the
minima on spheres.

With weight decay ``mu_W w^2 / 2 + mu_H h^2 / 2 >= sqrt(mu_W mu_H) w h`` the minimum over the norms is, for
``p = sqrt(mu_W mu_H) w h / t`` below ``(K - 1) / K`` (else the minimum is ``log K``, at zero),

    -p log p - (1 - p) log(1 - p) + p log(K - 1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from sphereufm.geometry.spheres import Array
from sphereufm.problem.theory.theorems import simplex_etf


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
