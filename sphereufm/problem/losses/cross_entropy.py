r"""Cross-entropy of the softmax, with margins and fixed offsets of the logits.

``log(1 + sum_{j != y} exp(z_j - z_y))`` and ``G`` are assembled from the terms of that sum, never as ``P - Y``: so both
keep full relative accuracy when the cost is 1e-33, where ``P - Y`` is exactly zero.

With a margin ``m`` the own logit is ``tau_i (<w_y, h_i> - m)`` (CosFace); with offsets ``o`` the loss sees
``z_k + o_k``, or ``z_k + o_ky`` for samples of class ``y`` (logit adjustment).  Both only shift the margins ``E``.

References
----------
H. Wang et al., *CosFace: Large Margin Cosine Loss for Deep Face Recognition*, CVPR 2018.
A. K. Menon et al., *Long-tail learning via logit adjustment*, ICLR 2021.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sphereufm.errors import InvalidInputError
from sphereufm.geometry.spheres import Array
from sphereufm.problem.arguments import Number, exact_number, exact_numbers
from sphereufm.problem.losses.interface import BlockTerms, LogitTerms, LossFacts, SampleBlock
from sphereufm.problem.losses.logits import (
    add_own,
    log1p_exp,
    log_softplus,
    own_margin,
    set_own,
    subtract_own,
)

# exp overflows beyond 709; K terms of exp(600) sum without overflow, and the reciprocal times a sample weight
# stays a normal number.
_LARGEST_SAFE_MARGIN = 600.0
_LARGEST_FLOAT = Fraction(sys.float_info.max)

_Offsets = tuple[Fraction, ...] | tuple[tuple[Fraction, ...], ...]


@dataclass(frozen=True, kw_only=True)
class CrossEntropy:
    """Cross-entropy of the softmax, ``logsumexp(z) - z_y``, in nats.

    ``margin``: ``m``, subtracted from the cosine of the own class; any sign.  ``offsets``, shape ``(K,)`` or
    ``(K, K)``: added to the logits: ``o_k``, or ``o_ky`` in row ``k`` and column ``y``.
    """

    name = "cross-entropy"

    margin: Number = Fraction(0)
    offsets: Any = None

    def __post_init__(self) -> None:
        self.__dict__.update(margin=exact_number("margin", self.margin), offsets=_exact_offsets(self.offsets))

    @property
    def is_plain(self) -> bool:
        """Whether there is neither a margin nor an offset."""
        return self.margin == 0 and self.offsets is None

    def facts(self, classes: int) -> LossFacts:
        """Convex, blind to shifts, with a derivative ``p - e_y`` that never vanishes; offsets must fit ``K``."""
        if self.offsets is not None and len(self.offsets) != classes:
            raise InvalidInputError(
                f"offsets has {len(self.offsets)} rows, but there are {classes} classes; give K or K x K numbers"
            )
        return LossFacts(
            convex=True,
            shift_invariant=True,
            probability=True,
            offsets=not self.is_plain,
            vanishes_from=math.inf,
            floor=0.0,
            unit="nats",
            class_kinds=None if self.offsets is None else _class_kinds(self.offsets),
        )

    def forward(self, Z: Array, block: SampleBlock, out: Array | None = None) -> LogitTerms:
        """The block's terms; ``Z`` is overwritten by the margins."""
        flat, scale = block.flat, block.scale
        E = self._margins(Z, block)
        if E.max(initial=0.0) > _LARGEST_SAFE_MARGIN:
            # the largest margin is taken out before exponentials
            G, miss, own, cost, _ = own_margin(E, flat, out)
            set_own(E, flat, 0.0)
            pull = scale * miss
            G *= pull[..., None, :]
            set_own(G, flat, -pull)
            own *= scale
        else:
            G = np.exp(E, out=out)
            set_own(G, flat, 0.0)
            others = np.add.reduce(G, axis=-2)
            cost, own = np.log1p(others), scale / (1.0 + others)
            set_own(G, flat, -others)
            G *= own[..., None, :]
        # shifted margins say nothing of <w_k, h_i>
        return LogitTerms(cost, G, own, E if self.is_plain else None)

    def curvature(self, terms: BlockTerms, D: Array, block: SampleBlock) -> Array:
        """``scale (diag(p) - p p^T) D``, column by column."""
        return softmax_curvature(terms.G, terms.state, D, block)

    def log_cost(self, Z: Array, block: SampleBlock) -> Array:
        """``log log(1 + e^s)``."""
        return log_softplus(own_margin(self._margins(Z, block), block.flat).log_odds)

    def balanced_minimum(self, classes: int, dim: int, tau: Fraction) -> float | None:
        """``log(1 + (K - 1) exp(tau m - K tau / (K - 1)))``, for ``d >= K - 1`` and no offsets."""
        if dim < classes - 1 or self.offsets is not None:
            return None
        # how far the own logit leads at a collapsed simplex frame; its rounding, which the exponential of a lead feels,
        # is put back to first order
        lead = tau * Fraction(classes, classes - 1) - tau * Fraction(self.margin)
        lead = min(max(lead, -_LARGEST_FLOAT), _LARGEST_FLOAT)
        rounded = float(lead)
        rest = float(lead - Fraction(rounded)) if rounded > 0.0 else 0.0
        return log1p_exp((classes - 1) * (1.0 - rest), -rounded)

    def _margins(self, Z: Array, block: SampleBlock) -> Array:
        """``E`` in place of ``Z``."""
        if self.offsets is not None:
            shift = self._offset_array
            Z += shift[:, block.labels] if shift.ndim == 2 else shift[:, None]
        if self.margin != 0:
            add_own(Z, block.flat, -float(self.margin) * block.temperatures)
        return subtract_own(Z, block.flat)

    @cached_property
    def _offset_array(self) -> Array:
        """Offsets in floating point."""
        return np.array(self.offsets, dtype=np.float64)


def softmax_curvature(G: Array, own: Array | None, D: Array, block: SampleBlock) -> Array:
    """``scale (diag(p) - p p^T) D`` from ``G = scale (p - e_y)`` and ``own = scale p_y``; overwrites ``D``.

    ``D_y`` is subtracted first (the curvature ignores a common shift), so that only the small
    probabilities ``p_j``, ``j != y``, enter, and nothing cancels.
    """
    assert own is not None
    D = subtract_own(D, block.flat)
    mean = np.einsum("...kn,...kn->...n", G, D) / block.scale
    D -= mean[..., None, :]
    D *= G
    set_own(D, block.flat, -own * mean)
    return D


def _exact_offsets(offsets: Iterable[Any] | None) -> _Offsets | None:
    """Offsets as exact rationals."""
    if offsets is None:
        return None
    refusal = InvalidInputError("offsets must be K numbers, or K rows of K numbers")
    try:
        rows = list(offsets)
        if all(isinstance(row, str) or np.ndim(row) != 1 for row in rows):
            return exact_numbers("offsets", rows)
        matrix = tuple(exact_numbers("offsets", row) for row in rows)
    except InvalidInputError:
        raise
    except (TypeError, ValueError):
        raise refusal from None
    if any(len(row) != len(matrix) for row in matrix):
        raise refusal
    return matrix


def _class_kinds(offsets: _Offsets) -> tuple[Hashable, ...]:
    """Classes are of one kind when exchanging the two leaves the offsets as they are."""
    if not isinstance(offsets[0], tuple):
        return offsets
    number = {value: i for i, value in enumerate({v for row in offsets for v in row})}
    A = np.array([[number[v] for v in row] for row in offsets])
    kinds: list[int] = []
    # exchangeable classes share these, which spares most comparisons of whole matrices
    keys = [(A[k, k], tuple(sorted(A[k])), tuple(sorted(A[:, k]))) for k in range(len(A))]
    for k in range(len(A)):
        like = (l for l in range(k) if kinds[l] == l and keys[l] == keys[k] and _exchangeable(A, k, l))
        kinds.append(next(like, k))
    return tuple(kinds)


def _exchangeable(A: NDArray[np.intp], k: int, l: int) -> bool:
    """Whether exchanging rows and columns ``k`` and ``l`` changes nothing."""
    order = np.arange(len(A))
    order[[k, l]] = l, k
    return bool((A[order][:, order] == A).all())


# without margin and offsets
PLAIN = CrossEntropy()
