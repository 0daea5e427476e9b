"""Zeros gathered into critical orbits: which symmetry carries one into the other, or that none does."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise, permutations, product
from typing import Any

import numpy as np

from sphereufm.certify.complete.arithmetic import Array, Balls, Mask, applied, point, sine_cosine
from sphereufm.certify.complete.boxes import Zero
from sphereufm.certify.complete.planar import Planar
from sphereufm.certify.complete.reading import Instance, NotProvedError, refuse_if

LARGEST_GROUP = 50_000
# how well costs are known that a statement lists, relative to them where they are large
COST_ROOM = 1e-6


@dataclass(frozen=True, kw_only=True)
class Orbit:
    """One critical orbit: its cost in nats, rounded, and its orbits modulo O(d) alone."""

    cost: float
    copies: int


def cost_at(equations: Any, zero: Zero) -> float:
    """The cost at a zero, if the place of the zero is known well enough for the digits that are printed."""
    cost = equations.cost(zero.box)
    if not cost.r[0] <= COST_ROOM * (1 + abs(cost.m[0])):
        raise NotProvedError(f"the cost near {zero.point.tolist()} is not known to six digits")
    return float(cost.m[0])


def symmetries(p: Instance) -> list[tuple[tuple[int, ...], list[int], int]]:
    """Permutations of classes and of samples that keep labels and weights, each with both signs of the plane."""
    kinds, blocks = kinds_of(p), Counter(zip(p.labels, p.weights, strict=True))
    images = [every for every in permutations(range(p.classes)) if [kinds[k] for k in every] == kinds]
    # counted before they are listed: 15 equal samples have 15! permutations
    if 2 * len(images) * math.prod(map(math.factorial, blocks.values())) > LARGEST_GROUP:
        raise NotProvedError("the symmetry group is too large")
    return [(image, move, sign) for image in images for move in sample_moves(p, image) for sign in (1, -1)]


def kinds_of(p: Instance) -> list[int]:
    """For each class the first one that carries the same weights."""
    return [min(l for l in range(p.classes) if p.like(k, l)) for k in range(p.classes)]


def sample_moves(p: Instance, image: Sequence[int]) -> Iterator[list[int]]:
    """Where samples can go if class k goes to ``image[k]``."""
    blocks: dict[tuple[int, Fraction], list[int]] = {}
    for i, key in enumerate(zip(p.labels, p.weights, strict=True)):
        blocks.setdefault(key, []).append(i)
    starts = list(blocks.items())
    for choice in product(*(permutations(blocks[image[y], w]) for (y, w), _ in starts)):
        move = [0] * len(p.labels)
        for (_, block), target in zip(starts, choice, strict=True):
            for i, j in zip(block, target, strict=True):
                move[i] = j
        yield move


def matrices(source: Planar, chart: Planar, group: Sequence[Any]) -> Array:
    """What each symmetry does to the unknowns of one order, in those of another, modulo ``2 pi``."""
    K, n = source.K, source.variables
    result = np.zeros((len(group), n, n))
    for g, (image, move, sign) in enumerate(group):
        w = np.zeros((K, n))
        for place, k in enumerate(source.order):
            w[image[k], :place] = sign
        for row, (a, b) in enumerate(pairwise(chart.order)):
            result[g, row] = w[b] - w[a]
        for i, j in enumerate(move):
            # an angle as seen from the own classifier only changes its sign
            result[g, K - 1 + j, K - 1 + i] = sign
    return result


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


def check_orders(p: Instance, orders: list[list[int]]) -> None:
    """Every order of the classes must be one of the list, up to equal classes and direction."""
    kinds, patterns = kinds_of(p), set[tuple[int, ...]]()
    for order in orders:
        pattern = tuple(kinds[k] for k in order)
        patterns |= {pattern, pattern[::-1]}
    for every in permutations(range(p.classes)):
        if tuple(kinds[k] for k in every) not in patterns:
            raise NotProvedError(f"the order {every} of the classes on the circle was not searched")


def read_groups(proved: Sequence[Sequence[Any]], groups: list[Any]) -> list[list[Any]]:
    """Zeros of each group; each zero must be in one group."""
    named: set[tuple[int, int]] = set()
    for s, z in (pair for group in groups for pair in group):
        refuse_if(s >= len(proved) or z >= len(proved[s]), "an orbit names a zero that is not listed")
        refuse_if((s, z) in named, "a zero is in two orbits")
        named.add((s, z))
    refuse_if(not all(groups), "an orbit is empty")
    if len(named) != sum(map(len, proved)):
        raise NotProvedError("a zero is in no orbit")
    return [[proved[s][z] for s, z in group] for group in groups]


def check_orbits(
    p: Instance, proved: Sequence[Sequence[tuple[Planar, Zero]]], groups: list[Any]
) -> tuple[Orbit, ...]:
    """Zeros of one group are one orbit, those of two groups are not."""
    group, members = symmetries(p), read_groups(proved, groups)
    # whether a symmetry moves something depends on classes and samples, not on the sign of the plane
    kinds = np.array([[*image, *move] for image, move, _ in group])
    orbits = []
    for number, listed in enumerate(members):
        chart, first = listed[0]

        def images(other: tuple[Planar, Zero], chart: Planar = chart) -> Balls:
            return applied("gij,bj->gi", matrices(other[0], chart, group), other[1].box, chart.variables)

        if not all(same(images(other), first, chart.all_angles).any() for other in listed[1:]):
            raise NotProvedError(f"two zeros of orbit {number + 1} are not proved to be one orbit")
        if not all(different(images(later[0]), first).all() for later in members[number + 1 :]):
            raise NotProvedError(f"orbit {number + 1} is not proved to differ from a later one")
        own = images(listed[0])
        fixed = same(own, first, chart.all_angles)
        if not (fixed | different(own, first)).all():
            raise NotProvedError("a symmetry of a zero is not decided")
        copies = len(group) // 2 // len(np.unique(kinds[fixed], axis=0))
        orbits.append(Orbit(cost=cost_at(chart, first), copies=copies))
    return tuple(sorted(orbits, key=lambda orbit: orbit.cost))
