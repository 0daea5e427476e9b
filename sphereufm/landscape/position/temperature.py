"""The inverse temperature of a network, where the features tell it.

The cost is convex in ``tau``.  Where some sample is not classified right it has a minimum, and the network's
temperature was presumably near it.  Where every sample is, the cost falls for ever as ``tau`` grows, and near collapse
no other property of the point depends on ``tau`` either: then nothing is fitted.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sphereufm.landscape.position.layer import Layer

__all__ = ["fit_temperature"]

_LOW, _HIGH = 1e-4, 1e6
_STEPS = 80
_MOST_MARGINS = 1 << 27


def fit_temperature(layer: Layer) -> float | None:
    """The ``tau`` that minimises the cost of a layer, to about ten digits; None where there is no minimum.

    Parameters
    ----------
    layer : Layer
        Its logits are ``tau W^T H``; a bias is left out.

    Notes
    -----
    Bisection on the sign of the derivative ``sum_i omega_i sum_j p_ij (a_ij - a_{y_i i})``, ``a = W^T H``.  Margins are
    kept in memory; where there are more than 2^27, those of evenly spaced blocks.
    """
    margins = _margins(layer)
    if max(float(block.max()) for block in margins) <= 0.0:
        return None
    low, high = _LOW, _HIGH
    if _slope(margins, low) >= 0.0:
        return None
    for _ in range(_STEPS):
        middle = float(np.sqrt(low * high))
        if _slope(margins, middle) < 0.0:
            low = middle
        else:
            high = middle
    return high


def _margins(layer: Layer) -> list[NDArray[np.float32]]:
    """``a_ij - a_{y_i i}`` of every block; single precision, since a fit needs no more."""
    blocks = []
    stride = 1 + layer.features.classes * layer.features.labels.size // _MOST_MARGINS
    for number, (A, y) in enumerate(layer.logits()):
        if number % stride:
            continue
        own = A[y, np.arange(y.size)]
        blocks.append((A - own).astype(np.float32))
    return blocks


def _slope(margins: list[NDArray[np.float32]], tau: float) -> float:
    """Derivative of the cost by ``tau``, up to a positive factor."""
    total = 0.0
    for block in margins:
        Z = tau * block.astype(np.float64)
        P = np.exp(Z - Z.max(axis=0))
        total += float(((P * block).sum(axis=0) / P.sum(axis=0)).sum())
    return total
