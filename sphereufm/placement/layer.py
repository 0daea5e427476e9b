"""What is known of a network when the first pass is made, and its unit vectors as the second pass sees them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sphereufm.features.feature_set import FeatureSet
from sphereufm.features.metrics.companion import Gathered, View, add_to_classes
from sphereufm.features.metrics.statistics import ClassMoments
from sphereufm.geometry.spheres import Array, column_norms
from sphereufm.problem.arguments import Number
from sphereufm.problem.losses.cross_entropy import PLAIN
from sphereufm.problem.losses.interface import Loss
from sphereufm.problem.theory.theorems import simplex_etf

UNIT_TOLERANCE = 1e-3
"""Norms of features that were normalised in half precision are off one by up to 5e-4, however they were saved."""


@dataclass(frozen=True, kw_only=True)
class Placing:
    """How features are placed: the options of :func:`~sphereufm.placement.measurement.position`."""

    tau: Number | None = None
    weight_decay: tuple[float, float] | None = None
    curvature: bool = True
    loss: Loss = PLAIN


@dataclass(frozen=True, eq=False)
class Given:
    """Features, what the first pass has measured of them, and how they are to be placed."""

    features: FeatureSet
    W: Array  #: shape ``(d, K)``: the classifier as it was saved
    moments: ClassMoments
    place: Placing
    normalize: bool

    @property
    def tolerance(self) -> float:
        """Relative differences of lengths that count as none."""
        return max(UNIT_TOLERANCE, 2.0 * self.features.rounding)

    @property
    def common_length(self) -> float | None:
        """The length of all features, where they have one, classifier rows have length one and there is no bias."""
        bias, (low, high) = self.features.bias, self.moments.norms
        middle, off = 0.5 * (low + high), float(np.abs(column_norms(self.W) - 1.0).max())
        if (bias is not None and bias.any()) or not low > 0.0 or off > self.tolerance:
            return None
        return middle if high - low <= 2.0 * self.tolerance * middle else None

    @property
    def is_nonnegative(self) -> bool:
        """Whether features are entrywise nonnegative, as after a ReLU."""
        return self.moments.least_entry >= 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class UnitLayer:
    """Unit classifiers; unit features are ``h_i / l_i = (r_i + m_{y_i}) / l_i`` in a view."""

    W: Array  #: shape ``(d, K)``: unit columns
    row_lengths: Array  #: shape ``(K,)``: lengths of the classifiers with which a view's products are made
    base: Array  #: shape ``(K, d)``: the points ``m_k`` that residuals are about
    samples: int

    @classmethod
    def of(cls, given: Given) -> UnitLayer:
        """The unit vectors of a network."""
        rows = column_norms(given.W)
        return cls(
            W=np.ascontiguousarray(given.W / rows),
            row_lengths=np.ones(rows.size) if given.normalize else rows,
            base=given.moments.base,
            samples=given.features.labels.size,
        )

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
        """Root mean square distance of a column from that of the nearest collapsed point; None for ``d < K - 1``.

        That point ``[E E_y]`` turned by ``Q`` in O(d), ``E`` a simplex frame, solves an orthogonal Procrustes problem:
        with ``C_k = w_k + sum_{y_i = k} h_i`` its distance is ``sqrt(2 (K + N) - 2 |C E^T|_*)``.
        """
        K, d = self.base.shape
        if d < K - 1:
            return None
        C = self.W.T + found.added["C"] + found.added["class_weights"][:, None] * self.base
        nuclear = float(np.linalg.svd(simplex_etf(K, K - 1) @ C, compute_uv=False).sum())
        return math.sqrt(max(0.0, 2.0 - 2.0 * nuclear / (K + self.samples)))
