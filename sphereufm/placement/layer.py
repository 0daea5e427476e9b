"""A network's last layer with its features, streamed in blocks of columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sphereufm.features.feature_set import FeatureSet
from sphereufm.features.readers import finite_blocks
from sphereufm.geometry.spheres import Array

__all__ = ["Layer", "Lengths", "feature_lengths"]

_BLOCK_LOGITS = 1 << 18
# 8 MB of doubles: what is done to a block element by element stays near the processor
_BLOCK_ENTRIES = 1 << 20
_SMALLEST_BLOCK = 256


@dataclass(frozen=True, kw_only=True)
class Lengths:
    """What one pass over the features says about their lengths.

    Attributes
    ----------
    low, high : float
        Least and largest length.
    squares : float
        ``|H|_F^2``.
    nonnegative : bool
        Whether every entry is nonnegative.
    """

    low: float
    high: float
    squares: float
    nonnegative: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """Features, classifier and how the logits come about.

    Attributes
    ----------
    features : FeatureSet
    W : ndarray, shape (d, K)
    bias : ndarray, shape (K,), or None
    unit : bool
        Whether each feature is divided by its length.
    """

    features: FeatureSet
    W: Array
    bias: Array | None
    unit: bool

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

    def logits(self) -> Iterator[tuple[Array, NDArray[np.intp]]]:
        """Yield ``W^T H`` (without bias and temperature), shape ``(K, n)``, and the labels, block by block."""
        for H, y in self.blocks():
            yield np.ascontiguousarray(self.W.T @ H), y


def feature_lengths(features: FeatureSet) -> Lengths:
    """Lengths of all features, in one pass.

    Raises
    ------
    InvalidInputError
        If a feature holds NaN or infinity.
    """
    low, high, squares, nonnegative = np.inf, 0.0, 0.0, True
    for block in finite_blocks(features.features, _SMALLEST_BLOCK):
        lengths = np.linalg.norm(block.astype(np.float64), axis=1)
        low, high = min(low, float(lengths.min())), max(high, float(lengths.max()))
        squares += float(lengths @ lengths)
        nonnegative = nonnegative and bool((block >= 0).all())
    return Lengths(low=float(low), high=high, squares=squares, nonnegative=nonnegative)
