"""The plane, order by order: what must be searched, and zeros back as points.

Up to rotations, permutations of exchangeable classes and reflections, the classes stand on the circle in one of a few
orders, with the largest gap last.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import permutations

import numpy as np

from sphereufm.certify.instances import ExactInstance
from sphereufm.complete.planar import PlanarEquations
from sphereufm.geometry.spheres import Array


def circle_orders(instance: ExactInstance) -> list[tuple[int, ...]]:
    """Return one order of the classes for each way to place them on the circle up to symmetry."""
    kinds = _kinds(instance)
    orders, seen = [], set()
    for order in permutations(range(instance.classes)):
        pattern = tuple(kinds[k] for k in order)
        if pattern not in seen:
            seen |= {pattern, pattern[::-1]}
            orders.append(order)
    return orders


def equations_for(instance: ExactInstance, order: Sequence[int], closed: float) -> PlanarEquations:
    """Return the equations for classes in one order."""
    kinds = _kinds(instance)
    pattern = [kinds[k] for k in order]
    weights = [instance.weight(i) for i in range(instance.samples)]
    last: dict[tuple[int, Fraction], int] = {}
    alike = []
    for i, weight in enumerate(weights):
        key = instance.label(i), weight
        if key in last:
            alike.append((last[key], i))
        last[key] = i
    return PlanarEquations(
        classes=instance.classes,
        labels=[list(order).index(instance.label(i)) for i in range(instance.samples)],
        weights=[float(w) for w in weights],
        tau=float(instance.tau),
        closed=closed,
        mirrored=pattern == pattern[::-1],
        alike=alike,
    )


def planar_point(instance: ExactInstance, order: Sequence[int], x: Array) -> Array:
    """Return ``[W H]``, shape ``(2, K + N)``, from gaps and angles."""
    K = instance.classes
    angle = np.zeros(K)
    angle[list(order)] = np.concatenate([[0.0], np.cumsum(x[: K - 1])])
    labels = [instance.label(i) for i in range(instance.samples)]
    angles = np.concatenate([angle, x[K - 1 :] + angle[labels]])
    return np.array([np.cos(angles), np.sin(angles)])


def _kinds(instance: ExactInstance) -> list[int]:
    """For each class the first one that carries the same weights."""
    weights = [
        sorted(instance.weight(i) for i in range(instance.samples) if instance.label(i) == k)
        for k in range(instance.classes)
    ]
    return [weights.index(w) for w in weights]
