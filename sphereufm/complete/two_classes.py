"""Two classes: the points of the closed form, without a search.

Off ``w_1 = w_2`` every feature is ``h_i = s_i (w_y - w_j) / r``, a sign s_i and ``r = |w_1 - w_2|``; then ``r = 2``
or ``r = log(Omega_+ / Omega_-) / tau`` with the total weights of both signs, where that lies in (0, 2).
docs/complete.md has the proof.
"""

from __future__ import annotations

import math

import numpy as np

from sphereufm.certify.complete.reading import Instance
from sphereufm.certify.complete.two_classes import Pattern, distances, sign_patterns
from sphereufm.geometry.spheres import Array


def two_class_points(p: Instance) -> list[Array]:
    """Return one point ``[W H]`` of R^2 for each critical orbit with distinct classifiers."""
    return [_point(p, pattern, float(r)) for pattern, _, w in sign_patterns(p) for r in distances(p, w)]


def _point(p: Instance, pattern: Pattern, r: float) -> Array:
    """The point with given signs and distance of the classifiers."""
    half, height = r / 2, math.sqrt(max(1 - r * r / 4, 0.0))
    columns, positive = [[half, height], [-half, height]], dict(pattern)
    for y, w in zip(p.labels, p.weights, strict=True):
        sign = 1 if positive[y, w] > 0 else -1
        positive[y, w] -= 1
        columns.append([sign * (1.0 - 2 * y), 0.0])
    return np.array(columns, dtype=np.float64).T
