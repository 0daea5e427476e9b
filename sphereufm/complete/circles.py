"""The plane, order by order: what must be searched, zeros back as points, and what a lemma settles instead.

Up to rotations, permutations of exchangeable classes and reflections, the classes stand on the circle in one of a few
orders, with the largest gap last.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import numpy as np

from sphereufm.certify.complete.lemmas import lemma_closed
from sphereufm.certify.complete.reading import Instance
from sphereufm.geometry.spheres import Array


def circle_orders(p: Instance) -> list[tuple[int, ...]]:
    """Return one order of the classes for each way to place them on the circle up to symmetry."""
    kinds = [next(l for l in range(p.classes) if p.like(k, l)) for k in range(p.classes)]
    orders, seen = [], set()
    for order in permutations(range(p.classes)):
        pattern = tuple(kinds[k] for k in order)
        if pattern not in seen:
            seen |= {pattern, pattern[::-1]}
            orders.append(order)
    return orders


def planar_point(p: Instance, order: Sequence[int], x: Array) -> Array:
    """Return ``[W H]``, shape ``(2, K + N)``, from gaps and angles."""
    K = p.classes
    angle = np.zeros(K)
    angle[list(order)] = np.concatenate([[0.0], np.cumsum(x[: K - 1])])
    angles = np.concatenate([angle, x[K - 1 :] + angle[p.labels]])
    return np.array([np.cos(angles), np.sin(angles)])


def closed_neighbourhood(p: Instance) -> float:
    """Return a delta with no critical point of the plane whose W has a diameter in ``(0, delta]``; 0 if unknown.

    Each lemma holds below any delta at which it holds.
    """
    low, high = 0.0, 1.56
    for _ in range(30):
        delta = 0.5 * (low + high)
        low, high = (delta, high) if lemma_closed(p, delta) else (low, delta)
    return low
