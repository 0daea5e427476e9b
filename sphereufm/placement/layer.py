"""A network's last layer with its features, streamed in blocks of columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from sphereufm.features.feature_set import FeatureSet
from sphereufm.features.metrics.companion import Companion, View
from sphereufm.features.readers import finite_blocks
from sphereufm.geometry.spheres import Array

Gatherer = TypeVar("Gatherer", bound=Companion)

_BLOCK_LOGITS = 1 << 18
# 8 MB of doubles: what is done to a block element by element stays near the processor
_BLOCK_ENTRIES = 1 << 20
_SMALLEST_BLOCK = 256


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """Features, classifier and how the logits come about."""

    features: FeatureSet
    W: Array  #: shape ``(d, K)``
    bias: Array | None  #: shape ``(K,)``, or None
    unit: bool  #: whether each feature is divided by its length

    def blocks(self) -> Iterator[tuple[Array, NDArray[np.intp]]]:
        """Yield ``H`` of shape ``(d, n)`` and its labels, block by block."""
        d, K = self.W.shape
        rows = max(_SMALLEST_BLOCK, min(_BLOCK_LOGITS // K, _BLOCK_ENTRIES // d))
        start = 0
        for block in finite_blocks(self.features.features, rows):
            H = block.astype(np.float64)
            if self.unit:
                H /= np.linalg.norm(H, axis=1, keepdims=True)
            yield H.T, self.features.labels[start : start + len(block)]
            start += len(block)

    def gather(self, companion: Gatherer) -> Gatherer:
        """Let a companion gather the same as residuals about zero, with their products, block by block."""
        start = 0
        for H, y in self.blocks():
            rows = slice(start, start + y.size)
            companion.add(
                View(rows=rows, residuals=H.T, labels=y, products=H.T @ self.W, lengths=None, centred=False)
            )
            start = rows.stop
        return companion
