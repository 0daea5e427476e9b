r"""Losses as functions of the logits: value, first derivative, and second derivative applied to a direction.

One block of ``n`` samples at a time; leading axes are batch axes.

==========  ===============  ===================================================================
symbol      shape            meaning
==========  ===============  ===================================================================
``Z``       ``(..., K, n)``  logits ``tau W^T H``
``flat``    ``(n,)``         place ``y_i n + i`` of each sample's own class in a flattened column
``scale``   ``(n,)``         ``tau omega_i``
``E``       ``(..., K, n)``  margins ``z_j - z_y``; zero at ``y``
``G``       ``(..., K, n)``  ``scale (P - Y)``, the derivative by ``W^T H``
``p``       ``(..., n)``     softmax probability of the sample's own class
``D``       ``(..., K, n)``  change of ``W^T H`` along a direction
==========  ===============  ===================================================================

Cross-entropy is ``log1p(sum_{j != y} exp(z_j - z_y))`` and ``G`` is assembled from the terms of that sum, never
as ``P - Y``: so both keep full relative accuracy when the cost is 1e-33, where ``P - Y`` is exactly zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array

__all__ = ["LOSSES", "CrossEntropy", "LogitTerms", "Loss"]

# exp overflows beyond 709; margins are at most 2 tau, and K terms of exp(600) still sum without overflow.
_LARGEST_SAFE_MARGIN = 600.0


@dataclass(frozen=True, eq=False, slots=True)
class LogitTerms:
    """What a loss knows about one block of samples after its forward pass.

    Attributes
    ----------
    cost : ndarray, shape (..., n)
        Loss of each sample, in nats, not weighted.
    G : ndarray, shape (..., K, n)
        Weighted derivative by ``W^T H``.
    E : ndarray, shape (..., K, n)
        Margins ``z_j - z_y``.
    p : ndarray, shape (..., n)
        Probability of the sample's own class.
    """

    cost: Array
    G: Array
    E: Array
    p: Array


class Loss(Protocol):
    """A loss of the logits that is convex in them and blind to a common shift of each column."""

    @property
    def name(self) -> str:
        """Name on the command line and in files."""

    def forward(self, Z: Array, flat: NDArray[np.intp], scale: Array) -> LogitTerms:
        """Value and first derivative of one block."""

    def curvature(
        self, terms: LogitTerms, D: Array, flat: NDArray[np.intp], tau: float, scale: Array
    ) -> Array:
        """Derivative of ``G`` along ``D``, shape ``(..., K, n)``."""

    def log_cost(self, Z: Array, flat: NDArray[np.intp]) -> Array:
        """Logarithm of each sample's loss, shape ``(..., n)``, finite where the loss itself underflows."""


@dataclass(frozen=True)
class CrossEntropy:
    """Cross-entropy of the softmax, ``logsumexp(z) - z_y``, in nats.

    Examples
    --------
    >>> terms = CrossEntropy().forward(np.array([[0.0], [0.0]]), np.array([0]), np.array([1.0]))
    >>> float(terms.cost[0]) == np.log(2.0), terms.G.ravel()
    (True, array([-0.5,  0.5]))
    """

    name: str = "cross-entropy"

    def forward(self, Z: Array, flat: NDArray[np.intp], scale: Array) -> LogitTerms:
        """Return cost, ``G``, margins and own probability; ``Z`` is overwritten by the margins.

        Parameters
        ----------
        Z : ndarray, shape (..., K, n)
            Logits, C-contiguous.
        flat, scale
            As in the module's table.
        """
        E = _margins(Z, flat)
        if E.max() > _LARGEST_SAFE_MARGIN:
            return _forward_shifted(E, flat, scale)
        G = np.exp(E)
        flat_G = _flatten(G)
        flat_G[..., flat] = 0.0
        others = G.sum(axis=-2)
        p = 1.0 / (1.0 + others)
        weight = scale * p
        G *= weight[..., None, :]
        flat_G[..., flat] = -weight * others
        return LogitTerms(np.log1p(others), G, E, p)

    def curvature(
        self, terms: LogitTerms, D: Array, flat: NDArray[np.intp], tau: float, scale: Array
    ) -> Array:
        """Return ``tau^2 omega (diag(p) - p p^T) D`` column by column; ``D`` is overwritten.

        ``D_y`` is subtracted first (the curvature ignores a common shift), so that only the small
        probabilities ``p_j``, ``j != y``, enter, and nothing cancels.
        """
        flat_D = _flatten(D)
        D -= flat_D[..., flat][..., None, :]
        mean = np.einsum("...kn,...kn->...n", terms.G, D) / scale
        D -= mean[..., None, :]
        D *= terms.G
        D *= tau
        flat_D[..., flat] = -tau * scale * terms.p * mean
        return D

    def log_cost(self, Z: Array, flat: NDArray[np.intp]) -> Array:
        """Return ``log(cost)`` of each sample; ``Z`` is overwritten by the margins."""
        E = _margins(Z, flat)
        _flatten(E)[..., flat] = -np.inf
        top = E.max(axis=-2)
        log_sum = top + np.log(np.exp(E - top[..., None, :]).sum(axis=-2))
        # log(log1p(e^t)) = t - e^t / 2 + ... below -36, where e^t is under half an ulp of one
        safe = np.clip(log_sum, -36.0, None)
        return np.where(log_sum < -36.0, log_sum, np.log(np.logaddexp(0.0, safe)))


LOSSES: dict[str, Loss] = {"cross-entropy": CrossEntropy()}


def _flatten(Z: Array) -> Array:
    """View of the last two axes as one."""
    return Z.reshape(*Z.shape[:-2], Z.shape[-2] * Z.shape[-1])


def _margins(Z: Array, flat: NDArray[np.intp]) -> Array:
    """Subtract each sample's own logit, in place."""
    Z -= _flatten(Z)[..., flat][..., None, :]
    return Z


def _forward_shifted(E: Array, flat: NDArray[np.intp], scale: Array) -> LogitTerms:
    """Forward pass where ``exp`` of a margin may overflow: the largest margin is taken out first."""
    top = E.max(axis=-2)
    G = np.exp(E - top[..., None, :])
    flat_G = _flatten(G)
    flat_G[..., flat] = 0.0
    others = G.sum(axis=-2)
    own = np.exp(-top)
    total = others + own
    weight = scale / total
    G *= weight[..., None, :]
    flat_G[..., flat] = -weight * others
    # top = 0 where the own logit is the largest: there log1p keeps the accuracy of small costs
    cost = np.where(top > 0.0, top + np.log(total), np.log1p(others))
    return LogitTerms(cost, G, E, own / total)
