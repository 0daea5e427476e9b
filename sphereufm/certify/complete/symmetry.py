"""Zeros gathered into critical orbits: which symmetry carries one into the other, or that none does."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise, permutations, product
from typing import Any

from flint import arb

from sphereufm.certify.complete.boxes import Zero
from sphereufm.certify.complete.planar import Planar
from sphereufm.certify.complete.reading import Instance, NotProvedError, integer, items, refuse_if

LARGEST_GROUP = 50_000


@dataclass(frozen=True, kw_only=True)
class Orbit:
    """One critical orbit: its cost in nats, rounded, and its orbits of O(d) alone."""

    cost: float
    copies: int


def symmetries(p: Instance) -> list[tuple[list[int], list[int], int]]:
    """Permutations of classes and of samples that keep labels and weights, each with both signs of the plane."""
    found = []
    for image in permutations(range(p.classes)):
        if not all(p.like(k, l) for k, l in enumerate(image)):
            continue
        found += [(list(image), move, sign) for move in sample_moves(p, image) for sign in (1, -1)]
        if len(found) > LARGEST_GROUP:
            raise NotProvedError("the symmetry group is too large")
    return found


def sample_moves(p: Instance, image: Sequence[int]) -> Iterator[list[int]]:
    """Where samples can go if class k goes to ``image[k]``."""
    N = len(p.labels)
    blocks: dict[tuple[int, Fraction], list[int]] = {}
    for i in range(N):
        blocks.setdefault((p.labels[i], p.weights[i]), []).append(i)
    starts = list(blocks.items())
    for choice in product(*(permutations(blocks[image[y], w]) for (y, w), _ in starts)):
        move = [0] * N
        for (_, block), target in zip(starts, choice, strict=True):
            for i, j in zip(block, target, strict=True):
                move[i] = j
        yield move


def moved(p: Instance, source: tuple[Planar, Zero], g: Any, chart: Planar) -> list[Any]:
    """Unknowns of a zero after a symmetry, in the order of another search; angles count modulo ``2 pi``."""
    (planar, zero), (image, move, sign) = source, g
    angle = [arb(0)]
    for gap in zero.balls[: planar.K - 1]:
        angle.append(angle[-1] + gap)
    w = [arb(0)] * planar.K
    for place, k in enumerate(planar.order):
        w[image[k]] = sign * angle[place]
    gaps = [w[b] - w[a] for a, b in pairwise(chart.order)]
    turns = [arb(0)] * planar.N
    for i, j in enumerate(move):
        # an angle as seen from the own classifier only changes its sign
        turns[j] = sign * zero.balls[planar.K - 1 + i]
    return gaps + turns


def same(x: list[Any], zero: Zero, periodic: bool = True) -> bool:
    """Whether unknowns are proved to lie in the cube of a zero, where they are angles modulo ``2 pi``."""
    for value, centre in zip(x, zero.point, strict=True):
        turns = round((float(value.mid()) - centre) / math.tau) if periodic else 0
        if not abs(value - turns * 2 * arb.pi() - centre) < zero.radius:
            return False
    return True


def different(x: list[Any], zero: Zero) -> bool:
    """Whether some unknown is proved to differ from that of a zero, modulo ``2 pi``."""
    return any(abs(((a - b) / 2).sin()) > 0 for a, b in zip(x, zero.balls, strict=True))


def check_orders(p: Instance, orders: list[list[int]]) -> None:
    """Every order of the classes must be one of the list, up to equal classes and direction."""
    patterns = set()
    for order in orders:
        kinds = tuple(min(l for l in range(p.classes) if p.like(k, l)) for k in order)
        patterns |= {kinds, kinds[::-1]}
    for every in permutations(range(p.classes)):
        if tuple(min(l for l in range(p.classes) if p.like(k, l)) for k in every) not in patterns:
            raise NotProvedError(f"the order {every} of the classes on the circle was not searched")


def read_groups(proved: Sequence[Sequence[Any]], groups: list[Any]) -> list[list[Any]]:
    """Zeros of each group; each zero must be in one group."""
    named, members = set(), []
    for entry in groups:
        listed = []
        for pair in items(entry, "orbit", 10_000):
            s, z = (integer(v, 0, 10_000, "orbit") for v in items(pair, "orbit", 2, 2))
            refuse_if(s >= len(proved) or z >= len(proved[s]), "an orbit names a zero that is not listed")
            refuse_if((s, z) in named, "a zero is in two orbits")
            named.add((s, z))
            listed.append(proved[s][z])
        refuse_if(not listed, "an orbit is empty")
        members.append(listed)
    if len(named) != sum(map(len, proved)):
        raise NotProvedError("a zero is in no orbit")
    return members


def check_orbits(
    p: Instance, proved: Sequence[Sequence[tuple[Planar, Zero]]], groups: list[Any]
) -> tuple[Orbit, ...]:
    """Zeros of one group are one orbit, those of two groups are not."""
    group, members = symmetries(p), read_groups(proved, groups)
    orbits = []
    for number_, listed in enumerate(members):
        chart, first = listed[0]
        for other, zero in listed[1:]:
            if not any(same(moved(p, (other, zero), g, chart), first) for g in group):
                raise NotProvedError(f"two zeros of orbit {number_ + 1} are not proved to be one orbit")
        for later in members[number_ + 1 :]:
            if not all(different(moved(p, later[0], g, chart), first) for g in group):
                raise NotProvedError(f"orbit {number_ + 1} is not proved to differ from a later one")
        fixed = {(*image, *move) for image, move, sign in group if fixes(p, listed[0], (image, move, sign))}
        cost = float(chart.cost(first.balls).mid())
        orbits.append(Orbit(cost=cost, copies=len(group) // 2 // len(fixed)))
    return tuple(sorted(orbits, key=lambda orbit: orbit.cost))


def fixes(p: Instance, source: tuple[Planar, Zero], g: Any) -> bool:
    """Whether a symmetry fixes a zero; undecided is refused."""
    chart, zero = source
    x = moved(p, source, g, chart)
    if same(x, zero):
        return True
    if different(x, zero):
        return False
    raise NotProvedError("a symmetry of a zero is not decided")
