"""Two classes: all critical points in closed form, without a search.

Off ``w_1 = w_2`` every feature is ``h_i = s_i (w_y - w_j) / r``, a sign s_i and ``r = |w_1 - w_2|``; then ``r = 2``
or ``r = log(Omega_+ / Omega_-) / tau`` with the total weights of both signs, where that lies in (0, 2).
docs/complete.md has the proof.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from itertools import product

import numpy as np

from sphereufm.certify.instances import ExactInstance
from sphereufm.geometry.spheres import Array


def two_class_points(instance: ExactInstance) -> list[Array]:
    """Return one point ``[W H]`` of R^2 for each critical orbit with distinct classifiers."""
    points = []
    for signs in _sign_patterns(instance):
        points.append(_point(instance, signs, 2.0))
        positive = sum(
            (instance.weight(i) for i, s in enumerate(signs) if s > 0),
            Fraction(0),
        )
        if 1 > positive > Fraction(1, 2):
            r = math.log(positive / (1 - positive)) / float(instance.tau)
            if r < 2:
                points.append(_point(instance, signs, r))
    return points


def _sign_patterns(instance: ExactInstance) -> Iterator[tuple[int, ...]]:
    """One pattern for each number of negative signs in each group of equal samples, up to equal classes."""
    groups: dict[tuple[int, Fraction], list[int]] = {}
    for i in range(instance.samples):
        groups.setdefault((instance.label(i), instance.weight(i)), []).append(i)
    weights = [sorted(w for (y, w), g in groups.items() if y == k for _ in g) for k in (0, 1)]
    exchange, seen = weights[0] == weights[1], set()
    for counts in product(*(range(len(group) + 1) for group in groups.values())):
        pattern = frozenset(zip(groups, counts, strict=True))
        if pattern in seen:
            continue
        seen.add(pattern)
        if exchange:
            seen.add(frozenset(((1 - y, w), count) for (y, w), count in pattern))
        signs = [1] * instance.samples
        for group, count in zip(groups.values(), counts, strict=True):
            for i in group[:count]:
                signs[i] = -1
        yield tuple(signs)


def _point(instance: ExactInstance, signs: tuple[int, ...], r: float) -> Array:
    """The point with given signs and distance of the classifiers."""
    half, height = r / 2, math.sqrt(max(1 - r * r / 4, 0.0))
    columns = [[half, height], [-half, height]]
    columns += [[s * (1 - 2 * instance.label(i)), 0.0] for i, s in enumerate(signs)]
    return np.array(columns, dtype=np.float64).T
