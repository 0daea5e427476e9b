"""Two classes: all critical points in closed form (docs/complete.md, section 1)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any

from flint import arb

from sphereufm.certify.checker.kernel import require
from sphereufm.certify.complete.arithmetic import exact
from sphereufm.certify.complete.reading import Instance

MOST_PATTERNS = 100_000


@dataclass(frozen=True, kw_only=True)
class Orbit:
    """One critical orbit: its cost in nats, rounded, and its orbits modulo O(d) alone."""

    cost: float
    copies: int


# how many samples of each label and weight have a positive sign
Pattern = dict[tuple[int, Fraction], int]


def two_class_orbits(p: Instance) -> list[tuple[Orbit, Pattern, Any]]:
    """All critical orbits with distinct classifiers, by cost, each with its signs and the classifiers' distance."""
    require(p.classes == 2 and p.dim >= 2, "the closed form is for K = 2 and d >= 2")
    found = [
        (Orbit(cost=cost(p, weight, r), copies=copies), pattern, r)
        for pattern, copies, weight in sign_patterns(p)
        for r in distances(p, weight)
    ]
    return sorted(found, key=lambda orbit: orbit[0].cost)


def sign_patterns(p: Instance) -> Iterator[tuple[Pattern, int, Fraction]]:
    """Patterns up to equal samples and classes, each with its number of copies and the weight of positive signs."""
    sizes = [len(block) for block in p.blocks.values()]
    few = math.prod(m + 1 for m in sizes) <= MOST_PATTERNS
    require(few, f"there are more than {MOST_PATTERNS} sign patterns")
    swap, seen = p.kinds[0] == p.kinds[1], set[frozenset[Any]]()
    for counts in product(*(range(m + 1) for m in sizes)):
        pattern = dict(zip(p.blocks, counts, strict=True))
        if frozenset(pattern.items()) in seen:
            continue
        twin = {(1 - y, w): c for (y, w), c in pattern.items()} if swap else pattern
        seen.add(frozenset(twin.items()))
        copies = math.prod(math.comb(m, c) for m, c in zip(sizes, counts, strict=True))
        weight = sum((w * c for (_, w), c in pattern.items()), Fraction(0))
        yield pattern, copies if twin == pattern else 2 * copies, weight


def distances(p: Instance, positive: Fraction) -> list[Any]:
    """The distances of the classifiers for a weight of positive signs: 2, and one more if it is smaller."""
    if not 1 > positive > Fraction(1, 2):
        return [arb(2)]
    r = exact(positive / (1 - positive)).log() / exact(p.tau)
    require(r < 2 or r > 2, "the distance of the classifiers is not decided")
    return [arb(2), r] if r < 2 else [arb(2)]


def cost(p: Instance, positive: Fraction, r: Any) -> float:
    """Cost of a sign pattern: logits differ by ``+- tau r``, and ``log(1 + e^z) = z + log(1 + e^-z)``."""
    z = exact(p.tau) * r
    return float(((-z).exp().log1p() + exact(1 - positive) * z).mid())
