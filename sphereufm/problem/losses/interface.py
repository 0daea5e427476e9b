r"""What a loss is: a function of each sample's logits and label, with two derivatives and a few facts.

One block of ``n`` samples at a time; leading axes are batch axes.

==========  ===============  ===================================================================
symbol      shape            meaning
==========  ===============  ===================================================================
``Z``       ``(..., K, n)``  logits ``tau_i W^T h_i``
``flat``    ``(n,)``         place ``y_i n + i`` of each sample's own class in a flattened column
``scale``   ``(n,)``         ``tau_i omega_i``
``E``       ``(..., K, n)``  margins ``z_j - z_y``; zero at ``y``
``G``       ``(..., K, n)``  derivative by ``W^T H``: ``scale`` times the loss's derivative by ``Z``
``D``       ``(..., K, n)``  change of ``Z`` along a direction
==========  ===============  ===================================================================
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array


@dataclass(frozen=True, eq=False, slots=True)
class SampleBlock:
    """A run of samples with what each kernel needs of their labels and weights; arrays have shape ``(n,)``."""

    samples: slice  #: columns of ``H``
    columns: slice  #: columns of ``X = [W H]``
    labels: NDArray[np.intp]
    flat: NDArray[np.intp]
    weights: Array  #: ``omega_i``
    scale: Array  #: ``tau_i omega_i``
    tau: float  #: the largest ``tau_i``
    rates: Array | None = None  #: ``tau_i / tau`` where they differ

    @property
    def temperatures(self) -> Array | float:
        """``tau_i`` of each sample, shape ``(n,)``, or the one that all share."""
        return self.tau if self.rates is None else self.tau * self.rates


def block_from_labels(
    labels: NDArray[np.intp],
    weights: Array,
    tau: float = 1.0,
    rates: Array | None = None,
    *,
    start: int = 0,
    classes: int = 0,
) -> SampleBlock:
    """The block of samples that begin at column ``start`` of ``H`` and at ``classes + start`` of ``X``.

    Examples
    --------
    >>> block_from_labels(np.array([1, 0]), np.ones(2)).flat
    array([2, 1])
    """
    n = labels.size
    samples, columns = slice(start, start + n), slice(classes + start, classes + start + n)
    scale = tau * weights if rates is None else tau * weights * rates
    return SampleBlock(samples, columns, labels, labels * n + np.arange(n), weights, scale, tau, rates)


class LogitTerms(NamedTuple):
    """What a loss says of one block of samples."""

    cost: Array  #: shape ``(..., n)``: loss of each sample, not weighted
    G: Array  #: shape ``(..., K, n)``: weighted derivative by ``W^T H``
    state: Array | None  #: what the loss's own ``curvature`` needs beside ``G``, in memory of its own
    #: shape ``(..., K, n)``: logits up to a shift of each column, where columns of ``G`` have sum zero; none where
    #: ``<G, Z>`` is to be had from the columns of ``X`` alone.
    E: Array | None = None


class BlockTerms(NamedTuple):
    """The part of :class:`LogitTerms` that is worth keeping, with its block."""

    block: SampleBlock
    cost: Array
    G: Array
    state: Array | None
    tau_beta: Array | None = None  #: ``sum_k G_ki Z_ki``, shape ``(..., n)``, where it was asked for


@dataclass(frozen=True, kw_only=True)
class LossFacts:
    """What theorems and bounds ask of a loss; the defaults claim nothing."""

    convex: bool = False  #: in the logits of each sample
    shift_invariant: bool = False  #: blind to a common shift of a sample's logits
    #: the derivative by a sample's logits is ``p - e_y`` with positive ``p`` of sum one
    probability: bool = False
    offsets: bool = False  #: the logits are shifted before the loss sees them, by margins or priors
    #: Least ``tau`` at which the derivative by a sample's logits may vanish; infinite where it never does.
    vanishes_from: float = 0.0
    #: up to so many classes Theorem C holds for ``d >= 3`` although the derivative may vanish
    harmless_to: int = 0
    floor: float = -math.inf  #: greatest known lower bound of a sample's loss over all logits
    #: Classes of equal kind may be exchanged without changing the cost; none where all may.
    class_kinds: tuple[Hashable, ...] | None = None
    unit: str = ""  #: of the cost


class Loss(Protocol):
    """A smooth loss of the logits; parameters are the fields of a frozen dataclass.

    It may have methods ``magnitude``, ``excess`` and ``log_cost``: see the functions of these names; and
    ``balanced_minimum(K, d, tau)``, the minimum where classes carry equal weights, none where no formula is proved.
    """

    @property
    def name(self) -> str:
        """Name on the command line and in files."""

    def facts(self, classes: int) -> LossFacts:
        """What is known of the loss for ``K`` classes; InvalidInputError if the parameters do not fit ``K``."""

    def forward(self, Z: Array, block: SampleBlock, out: Array | None = None) -> LogitTerms:
        """Value and first derivative of one block; ``Z``, C-contiguous, may be overwritten; ``out`` receives ``G``."""

    def curvature(self, terms: BlockTerms, D: Array, block: SampleBlock) -> Array:
        """Derivative of ``G`` along ``D``, shape ``(..., K, n)``; ``D``, C-contiguous, may be overwritten."""


# --- what a loss may know better than the defaults


def magnitude(loss: Loss, terms: BlockTerms, block: SampleBlock) -> Array:
    """Size of what was added up in ``G``, shape ``(..., K, n)``: ``|G|``, but for a loss whose terms cancel."""
    known = getattr(loss, "magnitude", None)
    return np.abs(terms.G) if known is None else known(terms, block)


def excess(loss: Loss, Z: Array, block: SampleBlock) -> Array:
    """Loss of each sample above its floor, shape ``(..., n)``; ``Z`` may be overwritten."""
    known, floor = getattr(loss, "excess", None), loss.facts(Z.shape[-2]).floor
    return np.asarray(loss.forward(Z, block).cost - floor) if known is None else known(Z, block)


def log_cost(loss: Loss, Z: Array, block: SampleBlock) -> Array:
    """Logarithm of each sample's loss, shape ``(..., n)``; for some losses finite where the loss itself underflows."""
    known = getattr(loss, "log_cost", None)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(loss.forward(Z, block).cost) if known is None else known(Z, block))
