r"""The bias of least cost for given features and classifier.

The cost is convex in ``b``, unchanged by a shift of all its entries, and grows without bound in every other direction
where every class has a sample.  Newton's method, with

    r = (1/N) sum_i (p_i - e_{y_i}),    C = (1/N) sum_i (diag(p_i) - p_i p_i^T),
    b <- b - s (C + 1 1^T trace(C) / K^2)^{-1} r,

and the step ``s`` shortened while the cost does not fall.  Where costs are nearly exponential in ``b`` a step lowers
them by a factor of e only: many steps are made, over samples that are in memory, some of each class where not all are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array
from sphereufm.problem.losses.cross_entropy import PLAIN
from sphereufm.problem.losses.interface import block_from_labels

# how often samples are gone through at most; any bias gives a valid bound
_STEPS = 40
_SHORTEST = 1e-3
# sum of |r| over the sum of |G|: what rounding leaves
_FLAT = 1e-13
_COLUMNS = 1 << 12
# numbers of some samples of each class: 32 MB
_SAMPLE = 1 << 22


@dataclass(frozen=True, kw_only=True, eq=False)
class Logits:
    """``tau W^T H`` of samples, without the bias."""

    values: Array  #: shape ``(K, n)``
    labels: NDArray[np.intp]  #: shape ``(n,)``
    weights: Array  #: shape ``(n,)``: how many samples each stands for

    def blocks(self) -> Iterator[tuple[Array, NDArray[np.intp], Array]]:
        """Yield values, C-contiguous, labels and weights, block by block."""
        for start in range(0, self.labels.size, _COLUMNS):
            part = slice(start, start + _COLUMNS)
            yield np.ascontiguousarray(self.values[:, part]), self.labels[part], self.weights[part]


def few_of_each(labels: NDArray[np.intp], classes: int) -> NDArray[np.bool_]:
    """Which samples stand for all: some of each class, evenly spaced, with at most about so many logits in all."""
    each = max(2, _SAMPLE // classes**2)
    order = np.argsort(labels, kind="stable")
    sizes = np.bincount(labels, minlength=classes)
    steps = np.maximum(1, -(-sizes // each))
    ranks = np.arange(labels.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    chosen = np.zeros(labels.size, dtype=bool)
    chosen[order] = ranks % np.repeat(steps, sizes) == 0
    return chosen


def best_bias(logits: Logits, start: Array, negligible: float = 0.0) -> tuple[Array, Array]:
    """The bias that minimises the cost of ``tau W^T H + b 1^T``, and ``C`` there.

    ``start``, shape ``(K,)``: where to begin; minus infinity for classes without samples.  ``negligible``: a cost that
    is as good as zero.
    """
    b, length = start, 1.0
    cost, r, C, scale = _moments(logits, b)
    step = newton(r, C)
    for _ in range(_STEPS):
        if np.abs(r).sum() <= _FLAT * scale or cost <= negligible or length < _SHORTEST:
            break
        # a step may be far too long: its cost is no finite number then, and it is not taken
        with np.errstate(over="ignore", invalid="ignore"):
            trial = _moments(logits, b - length * step)
        if trial[0] <= cost:
            b, length = b - length * step, 1.0
            cost, r, C, scale = trial
            step = newton(r, C)
        else:
            length *= 0.25
    return b, C


def newton(r: Array, C: Array) -> Array:
    """Newton's direction; the added matrix leaves ``C`` as it is where ``r`` lives, on vectors of sum zero."""
    K = len(r)
    whole = C + float(np.trace(C)) / K**2 + np.finfo(np.float64).tiny * np.eye(K)
    return np.asarray(np.linalg.lstsq(whole, r, rcond=None)[0])


def _moments(logits: Logits, b: Array) -> tuple[float, Array, Array, float]:
    """Cost, ``r``, ``C`` and the mean of ``sum_k |G_ki|``."""
    K = len(b)
    cost, scale, r, C = 0.0, 0.0, np.zeros(K), np.zeros((K, K))
    for Z, y, weights in logits.blocks():
        terms = PLAIN.forward(Z + b[:, None], block_from_labels(y, np.ones(y.size)))
        G = np.asarray(terms.G)
        P = G.copy()
        P[y, np.arange(y.size)] += 1.0
        cost += float(np.asarray(terms.cost) @ weights)
        scale += float(np.abs(G).sum(axis=0) @ weights)
        r += G @ weights
        C += np.diag(P @ weights) - (P * weights) @ P.T
    total = float(logits.weights.sum())
    return cost / total, r / total, C / total, scale / total
