"""Symmetries of cross-entropy in the plane, and whether they carry one zero into another.

Permutations of classes and samples that keep labels and weights, and a reflection; classes on the circle in the orders
that these leave to be searched.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

from sphereufm.certify.checker.kernel import require
from sphereufm.certify.complete.arithmetic import Array, Balls, Mask, point, sine_cosine
from sphereufm.certify.complete.boxes import Zero
from sphereufm.certify.complete.reading import Instance

LARGEST_GROUP = 50_000


# a certificate may name 120 orders of the classes, all of one instance: its group is made once
@lru_cache(maxsize=1)
def symmetries(p: Instance) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
    """Where each symmetry sends classes and samples, and the sign that it gives to angles; with both signs each."""
    images = [every for every in permutations(range(p.classes)) if [p.kinds[k] for k in every] == p.kinds]
    # counted before they are listed: 15 equal samples have 15! permutations
    size = 2 * len(images) * math.prod(math.factorial(len(block)) for block in p.blocks.values())
    require(size <= LARGEST_GROUP, "the symmetry group is too large")
    both = [(image, move) for image in images for move in sample_moves(p, image) for _ in range(2)]
    image, move = (np.array(part) for part in zip(*both, strict=True))
    return image, move, np.resize([[1.0], [-1.0]], (len(both), 1))


def sample_moves(p: Instance, image: Sequence[int]) -> Iterator[list[int]]:
    """Where samples can go if class k goes to ``image[k]``."""
    for choice in product(*(permutations(p.blocks[image[y], w]) for y, w in p.blocks)):
        move = [0] * len(p.labels)
        for block, target in zip(p.blocks.values(), choice, strict=True):
            for i, j in zip(block, target, strict=True):
                move[i] = j
        yield move


def circle_orders(p: Instance, searched: Sequence[Sequence[int]] = ()) -> list[tuple[int, ...]]:
    """One order of the classes for each way to place them on the circle that is not among those searched."""
    orders: list[tuple[int, ...]] = []
    seen = {tuple(p.kinds[k] for k in way) for order in searched for way in (order, order[::-1])}
    for order in permutations(range(p.classes)):
        pattern = tuple(p.kinds[k] for k in order)
        if pattern not in seen:
            seen |= {pattern, pattern[::-1]}
            orders.append(order)
    return orders


def same(x: Balls, zero: Zero, periodic: Mask) -> Mask:
    """Which unknowns, shape ``(.., n)``, are proved to lie in the cube of a zero, where some are modulo ``2 pi``."""
    turns = np.where(periodic, np.rint((x.m - zero.point) / math.tau), 0.0)
    off = x - Balls(turns * math.tau, np.abs(turns) * 1e-14) - point(zero.point)
    inside: Mask = np.all(np.abs(off.m) + off.r * (1 + 1e-12) < zero.radius * (1 - 1e-12), axis=-1)
    return inside


def different(x: Balls, zero: Zero) -> Mask:
    """Which unknowns are proved to differ somewhere from those of a zero, modulo ``2 pi``."""
    s = sine_cosine((x - zero.box) * 0.5)[0]
    apart: Mask = np.any(np.abs(s.m) > s.r, axis=-1)
    return apart
