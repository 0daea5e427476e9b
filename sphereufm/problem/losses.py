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
``own``     ``(..., n)``     ``scale p_y``, from the softmax probability of the sample's own class
``D``       ``(..., K, n)``  change of ``Z`` along a direction
==========  ===============  ===================================================================

Cross-entropy is ``log1p(sum_{j != y} exp(z_j - z_y))`` and ``G`` is assembled from the terms of that sum, never
as ``P - Y``: so both keep full relative accuracy when the cost is 1e-33, where ``P - Y`` is exactly zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array

__all__ = ["LOSSES", "BlockTerms", "CrossEntropy", "KeptTerms", "LogitTerms", "Loss"]

# exp overflows beyond 709; K terms of exp(600) sum without overflow, and the reciprocal times a sample weight
# stays a normal number.
_LARGEST_SAFE_MARGIN = 600.0


class BlockTerms(Protocol):
    """What derivatives need of a block's forward pass: the attributes of :class:`LogitTerms` but the margins."""

    @property
    def cost(self) -> Array:
        """Loss of each sample, shape ``(..., n)``."""

    @property
    def G(self) -> Array:
        """Weighted derivative, shape ``(..., K, n)``."""

    @property
    def own(self) -> Array:
        """Weighted probability of the own class, shape ``(..., n)``."""

    @property
    def tau_beta(self) -> Array | None:
        """``sum_k G_ki Z_ki``, shape ``(..., n)``, if known."""


class KeptTerms(NamedTuple):
    """The part of :class:`LogitTerms` that is worth keeping; ``tau_beta`` only where it will be asked for."""

    cost: Array
    G: Array
    own: Array
    tau_beta: Array | None = None


class LogitTerms(NamedTuple):
    """What a loss knows about one block of samples after its forward pass.

    Attributes
    ----------
    cost : ndarray, shape (..., n)
        Loss of each sample, in nats, not weighted.
    G : ndarray, shape (..., K, n)
        Weighted derivative by ``W^T H``.
    own : ndarray, shape (..., n)
        ``scale p``, with the probability ``p`` of the sample's own class.
    E : ndarray, shape (..., K, n)
        Margins ``z_j - z_y``.
    """

    cost: Array
    G: Array
    own: Array
    E: Array

    @property
    def tau_beta(self) -> Array:
        """``sum_k G_ki Z_ki``, shape ``(..., n)``, from the margins: columns of ``G`` sum to zero."""
        return np.einsum("...kn,...kn->...n", self.G, self.E)


class Loss(Protocol):
    """A loss of the logits that is convex in them and blind to a common shift of each column."""

    @property
    def name(self) -> str:
        """Name on the command line and in files."""

    def forward(self, Z: Array, flat: NDArray[np.intp], scale: Array, out: Array | None = None) -> LogitTerms:
        """Value and first derivative of one block."""

    def curvature(self, terms: BlockTerms, D: Array, flat: NDArray[np.intp], scale: Array) -> Array:
        """Derivative of ``G`` along ``D``, shape ``(..., K, n)``."""

    def log_cost(self, Z: Array, flat: NDArray[np.intp]) -> Array:
        """Logarithm of each sample's loss, shape ``(..., n)``, finite where the loss itself underflows."""


@dataclass(frozen=True)
class CrossEntropy:
    """Cross-entropy of the softmax, ``logsumexp(z) - z_y``, in nats.

    Examples
    --------
    >>> terms = CrossEntropy().forward(np.array([[0.0], [0.0]]), np.array([0]), np.array([1.0]))
    >>> bool(terms.cost[0] == np.log(2.0)), terms.G.ravel()
    (True, array([-0.5,  0.5]))
    """

    name: str = "cross-entropy"

    def forward(self, Z: Array, flat: NDArray[np.intp], scale: Array, out: Array | None = None) -> LogitTerms:
        """Return the block's terms; ``Z`` is overwritten by the margins.

        Parameters
        ----------
        Z : ndarray, shape (..., K, n)
            Logits, C-contiguous.
        flat, scale
            As in the module's table.
        out : ndarray, shape (..., K, n), optional
            C-contiguous array that receives ``G``.
        """
        E = _subtract_own(Z, flat)
        if E.max() > _LARGEST_SAFE_MARGIN:
            return _forward_shifted(E, flat, scale, out)
        G = np.exp(E, out=out)
        _set_own(G, flat, 0.0)
        others = np.add.reduce(G, axis=-2)
        own = scale / (1.0 + others)
        _set_own(G, flat, -others)
        G *= own[..., None, :]
        return LogitTerms(np.log1p(others), G, own, E)

    def curvature(self, terms: BlockTerms, D: Array, flat: NDArray[np.intp], scale: Array) -> Array:
        """Return ``tau omega (diag(p) - p p^T) D`` column by column; ``D``, C-contiguous, is overwritten.

        ``D_y`` is subtracted first (the curvature ignores a common shift), so that only the small
        probabilities ``p_j``, ``j != y``, enter, and nothing cancels.
        """
        D = _subtract_own(D, flat)
        mean = np.einsum("...kn,...kn->...n", terms.G, D) / scale
        D -= mean[..., None, :]
        D *= terms.G
        _set_own(D, flat, -terms.own * mean)
        return D

    def log_cost(self, Z: Array, flat: NDArray[np.intp]) -> Array:
        """Return ``log(cost)`` of each sample; ``Z`` is overwritten by the margins."""
        E = _subtract_own(Z, flat)
        _set_own(E, flat, -np.inf)
        top = E.max(axis=-2)
        log_sum = top + np.log(np.exp(E - top[..., None, :]).sum(axis=-2))
        # log(log1p(e^t)) = t - e^t / 2 + ... below -36, where e^t is under half an ulp of one
        safe = np.clip(log_sum, -36.0, None)
        return np.where(log_sum < -36.0, log_sum, np.log(np.logaddexp(0.0, safe)))


LOSSES: dict[str, Loss] = {"cross-entropy": CrossEntropy()}


def _flatten(Z: Array) -> Array:
    """View of the last two axes as one."""
    return Z.reshape(*Z.shape[:-2], -1)


def _subtract_own(Z: Array, flat: NDArray[np.intp]) -> Array:
    """Subtract each sample's own entry from its column, in place."""
    # plain indexing of a vector is several times quicker than the same with an ellipsis
    own = Z.reshape(-1)[flat] if Z.ndim == 2 else _flatten(Z)[..., flat]
    Z -= own[..., None, :]
    return Z


def _set_own(Z: Array, flat: NDArray[np.intp], value: Array | float) -> None:
    """Assign each sample's own entry, in place."""
    if Z.ndim == 2:
        Z.reshape(-1)[flat] = value
    else:
        _flatten(Z)[..., flat] = value


def _forward_shifted(E: Array, flat: NDArray[np.intp], scale: Array, out: Array | None) -> LogitTerms:
    """Forward pass where ``exp`` of a margin may overflow: the largest margin is taken out first."""
    top = E.max(axis=-2)
    G = np.subtract(E, top[..., None, :], out=out)
    np.exp(G, out=G)
    _set_own(G, flat, 0.0)
    others = np.add.reduce(G, axis=-2)
    shifted = np.exp(-top)
    total = others + shifted
    _set_own(G, flat, -others)
    G *= (scale / total)[..., None, :]
    # top = 0 where the own logit is the largest: there log1p keeps the accuracy of small costs
    cost = np.where(top > 0.0, top + np.log(total), np.log1p(others))
    return LogitTerms(cost, G, scale * (shifted / total), E)
