"""A network's unit classifiers with its unit features, as both are seen while a file is gone through."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sphereufm.features.metrics.companion import Gathered, View, add_to_classes
from sphereufm.geometry.spheres import Array
from sphereufm.problem.theory.theorems import simplex_etf


@dataclass(frozen=True, kw_only=True, eq=False)
class UnitLayer:
    """Unit classifiers; unit features are ``h_i / l_i = (r_i + m_{y_i}) / l_i`` in a view."""

    W: Array  #: shape ``(d, K)``: unit columns
    row_lengths: Array  #: shape ``(K,)``: lengths of the classifiers with which a view's products are made
    base: Array  #: shape ``(K, d)``: the points ``m_k`` that residuals are about
    samples: int

    def cosines(self, view: View) -> tuple[Array, Array]:
        """``<w_k, h_i>`` of unit vectors, shape ``(K, n)``, C-contiguous, and ``1 / l_i``, shape ``(n,)``."""
        inverse = np.ones(len(view.labels)) if view.lengths is None else 1.0 / view.lengths
        return np.ascontiguousarray((view.products * inverse[:, None] / self.row_lengths).T), inverse

    def begin(self, found: Gathered) -> None:
        """Sums over each class of no samples: of ``r_i / l_i``, and of ``1 / l_i``."""
        found.added.update(C=np.zeros_like(self.base), class_weights=np.zeros(len(self.base)))

    def add(self, found: Gathered, view: View, inverse: Array) -> None:
        """Gather a block; residuals that are not divided have sum zero over a class."""
        weights = np.bincount(view.labels, weights=inverse, minlength=len(self.base))
        found.added["class_weights"] += weights
        if view.lengths is not None:
            add_to_classes(found.added["C"], view.residuals * inverse[:, None], view.labels)

    def distance(self, found: Gathered) -> float | None:
        """Distance from the nearest collapsed point."""
        sums = found.added["C"] + found.added["class_weights"][:, None] * self.base
        return distance_of(sums + self.W.T, self.samples)


def distance_of(C: Array, samples: int) -> float | None:
    """Root mean square distance of a column from that of the nearest collapsed point; None for ``d < K - 1``.

    ``C``, shape ``(K, d)``: each classifier with the sum of the unit features of its class.  The nearest collapsed
    point ``[E E_y]`` turned by ``Q`` in O(d), ``E`` a simplex frame, solves an orthogonal Procrustes problem in these
    sums: its distance is ``sqrt(2 (K + N) - 2 |C E^T|_*)``.
    """
    K, d = C.shape
    if d < K - 1:
        return None
    nuclear = float(np.linalg.svd(simplex_etf(K, K - 1) @ C, compute_uv=False).sum())
    return math.sqrt(max(0.0, 2.0 - 2.0 * nuclear / (K + samples)))
