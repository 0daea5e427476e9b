"""Two classes: the points of the closed form, without a search.

Off ``w_1 = w_2`` every feature is ``h_i = s_i (w_y - w_j) / r``, a sign s_i and ``r = |w_1 - w_2|``; then ``r = 2``
or ``r = log(Omega_+ / Omega_-) / tau`` with the total weights of both signs, where that lies in (0, 2).
docs/complete.md has the proof.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from sphereufm.certify.complete.reading import Instance
from sphereufm.certify.complete.two_classes import Pattern, distances, sign_patterns
from sphereufm.geometry.spheres import Array


def two_class_points(p: Instance) -> list[Array]:
    """Return one point ``[W H]`` of R^2 for each critical orbit with distinct classifiers."""
    # samples of each label and weight
    blocks: dict[tuple[int, Fraction], list[int]] = {}
    for i, key in enumerate(zip(p.labels, p.weights, strict=True)):
        blocks.setdefault(key, []).append(i)
    toward = 1.0 - 2 * np.array(p.labels)
    return [
        _point(_features(blocks, pattern, toward), float(r))
        for pattern, _, w in sign_patterns(p)
        for r in distances(p, w)
    ]


def _features(blocks: dict[tuple[int, Fraction], list[int]], pattern: Pattern, toward: Array) -> Array:
    """First coordinates of features: the first ones of each block have a positive sign."""
    signs = np.full(len(toward), -1.0)
    for key, samples in blocks.items():
        signs[samples[: pattern[key]]] = 1
    return signs * toward


def _point(features: Array, r: float) -> Array:
    """The point with given features and distance of the classifiers."""
    half, height = r / 2, math.sqrt(max(1 - r * r / 4, 0.0))
    return np.array([[half, -half, *features], [height, height, *np.zeros(len(features))]])
