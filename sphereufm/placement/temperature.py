"""The inverse temperature of a network, where the features tell it.

The cost is convex in ``tau``.  Where some sample is not classified right it has a minimum, and the network's
temperature was presumably near it.  Where every sample is, the cost falls for ever as ``tau`` grows, and near collapse
no other property of the point depends on ``tau`` either: then nothing is fitted, and the fit says that it is unbounded.
What remains is the least margin ``min_i min_j <w_{y_i} - w_j, h_i>``, ``j != y_i``, by which the cost falls: about
``exp(-tau margin)``.  On spheres no point has a larger one than ``K / (K - 1)``, K the classes that have samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sphereufm.placement.layer import Layer

__all__ = ["TemperatureFit", "fit_temperature"]

_LOW, _HIGH = 1e-4, 1e6
_STEPS = 80
_MOST_MARGINS = 1 << 27


@dataclass(frozen=True, kw_only=True)
class TemperatureFit:
    """The ``tau`` that minimises a cost, or why there is none.

    Attributes
    ----------
    tau : float or None
    unbounded : bool
        Whether the cost falls for ever as ``tau`` grows.
    least_margin : float
        By how much the least well classified sample is classified right; negative if it is not.
    """

    tau: float | None
    unbounded: bool
    least_margin: float


def fit_temperature(layer: Layer) -> TemperatureFit:
    """Minimise the cost of a layer over ``tau``, to about ten digits.

    Parameters
    ----------
    layer : Layer
        Its logits are ``tau W^T H``; a bias is left out.

    Returns
    -------
    TemperatureFit
        Without ``tau`` where every sample is classified right (or so nearly that the minimum lies above 1e6), and
        where the classifier is no better than chance, so that the cost is least at ``tau = 0``.

    Notes
    -----
    Bisection on the sign of the derivative ``sum_i omega_i sum_j p_ij (a_ij - a_{y_i i})``, ``a = W^T H``.  Margins are
    kept in memory; where there are more than 2^27, those of evenly spaced blocks.
    """
    margins, least = _margins(layer)
    low, high = _LOW, _HIGH
    unbounded = least >= 0.0 or _slope(margins, high) < 0.0
    if unbounded or _slope(margins, low) >= 0.0:
        return TemperatureFit(tau=None, unbounded=unbounded, least_margin=least)
    for _ in range(_STEPS):
        middle = float(np.sqrt(low * high))
        if _slope(margins, middle) < 0.0:
            low = middle
        else:
            high = middle
    return TemperatureFit(tau=high, unbounded=False, least_margin=least)


def _margins(layer: Layer) -> tuple[list[NDArray[np.float32]], float]:
    """``a_ij - a_{y_i i}`` of every block, in single precision, since a fit needs no more; and the least margin."""
    blocks, least = [], np.inf
    stride = 1 + layer.features.classes * layer.features.labels.size // _MOST_MARGINS
    for number, (A, y) in enumerate(layer.logits()):
        columns = np.arange(y.size)
        differences = A - A[y, columns]
        if number % stride == 0:
            blocks.append(differences.astype(np.float32))
        differences[y, columns] = -np.inf
        least = min(least, -float(differences.max()))
    return blocks, least


def _slope(margins: list[NDArray[np.float32]], tau: float) -> float:
    """Derivative of the cost by ``tau``, up to a positive factor."""
    total = 0.0
    for block in margins:
        Z = tau * block.astype(np.float64)
        P = np.exp(Z - Z.max(axis=0))
        total += float(((P * block).sum(axis=0) / P.sum(axis=0)).sum())
    return total
