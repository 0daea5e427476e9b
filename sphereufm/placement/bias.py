r"""The bias of least cost for given features and classifier.

The cost is convex in ``b``, unchanged by a shift of all its entries, and grows without bound in every other direction
where every class has a sample.  Newton's method, with

    r = (1/N) sum_i (p_i - e_{y_i}),    C = (1/N) sum_i (diag(p_i) - p_i p_i^T),
    b <- b - s (C + 1 1^T trace(C) / K^2)^{-1} r,

and the step ``s`` halved while the cost does not fall.  Each step is a pass over the features.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sphereufm.geometry.spheres import Array
from sphereufm.placement.layer import Layer
from sphereufm.problem.losses.cross_entropy import CrossEntropy
from sphereufm.problem.losses.interface import block_from_labels

__all__ = ["best_bias", "present_classes"]

_PASSES = 60
# sum of |r| over the sum of |G|: what rounding leaves
_FLAT = 1e-13


def present_classes(layer: Layer) -> Layer:
    """The layer without the classes that have no sample; labels are numbered anew."""
    labels = layer.features.labels
    places, numbers = np.unique(labels, return_inverse=True)
    bias = None if layer.bias is None else layer.bias[places]
    features = replace(layer.features, labels=numbers.astype(np.intp), classes=int(places.size))
    return Layer(features=features, W=np.ascontiguousarray(layer.W[:, places]), bias=bias, unit=layer.unit)


def best_bias(layer: Layer, tau: float) -> Array:
    """The bias that minimises the cost of ``tau W^T H + b 1^T``, shape ``(K,)``, of mean zero.

    Parameters
    ----------
    layer : Layer
        Every class has a sample.
    tau : float

    Examples
    --------
    >>> from sphereufm.features import feature_set_from_arrays
    >>> data = feature_set_from_arrays(np.zeros((4, 2)), [0, 0, 0, 1], np.zeros((2, 2)))
    >>> b = best_bias(Layer(features=data, W=np.zeros((2, 2)), bias=None, unit=False), 1.0)
    >>> np.exp(b[0] - b[1]).round(9)
    np.float64(3.0)
    """
    K = layer.W.shape[1]
    b = np.zeros(K) if layer.bias is None else layer.bias.copy()
    cost, r, C, scale = _moments(layer, tau, b)
    step, length = _newton(r, C), 1.0
    for _ in range(_PASSES):
        if np.abs(r).sum() <= _FLAT * scale:
            break
        trial = _moments(layer, tau, b - length * step)
        if trial[0] <= cost:
            b, length = b - length * step, 1.0
            cost, r, C, scale = trial
            step = _newton(r, C)
        else:
            length *= 0.5
    return b - b.mean()


def _newton(r: Array, C: Array) -> Array:
    """Newton's direction; the added matrix leaves ``C`` as it is where ``r`` lives, on vectors of sum zero."""
    K = len(r)
    whole = C + float(np.trace(C)) / K**2 + np.finfo(np.float64).tiny * np.eye(K)
    return np.asarray(np.linalg.lstsq(whole, r, rcond=None)[0])


def _moments(layer: Layer, tau: float, b: Array) -> tuple[float, Array, Array, float]:
    """Cost, ``r``, ``C`` and the mean of ``sum_k |G_ki|``, in one pass."""
    K, N = len(b), layer.features.labels.size
    loss, cost, scale = CrossEntropy(), 0.0, 0.0
    r, C = np.zeros(K), np.zeros((K, K))
    for A, y in layer.logits():
        columns = np.arange(y.size)
        terms = loss.forward(tau * A + b[:, None], block_from_labels(y, np.ones(y.size)))
        G = np.asarray(terms.G)
        P = G.copy()
        P[y, columns] += 1.0
        cost += float(terms.cost.sum())
        scale += float(np.abs(G).sum())
        r += G.sum(axis=1)
        C += np.diag(P.sum(axis=1)) - P @ P.T
    return cost / N, r / N, C / N, scale / N
