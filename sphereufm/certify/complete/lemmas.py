"""Neighbourhoods of the collapsed family without other critical points (docs/complete.md, section 3)."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations, pairwise
from typing import Any

from flint import arb

from sphereufm.certify.complete.arithmetic import exact
from sphereufm.certify.complete.reading import Instance


def lemma_closed(p: Instance, closed: float) -> bool:
    """Whether no critical point has a planar W of diameter in ``(0, closed]``, as no two classes can be its ends."""
    if not 0 <= closed < 1.57:
        return False
    (x, c), tau = (arb(closed) / 2).sin_cos(), exact(p.tau)
    sums = signed_sums(p)
    # all signs positive
    weights = [max(each) for each in sums]
    for a, b in combinations(range(len(sums)), 2) if closed else ():
        differ, shared = compared(sums[a], sums[b])
        if differ is not None and not (tau * x).tanh() + 1 - c + 2 * x < exact(differ):
            return False
        if shared is not None and not no_balance(p.classes, tau, x, c, weights[a] + weights[b], shared):
            return False
    return closed == 0 or len(sums) > 1


def compared(a: set[Fraction], b: set[Fraction]) -> tuple[Fraction | None, Fraction | None]:
    """The least difference of two sums that differ, and the least size of a sum in both; None where there is none."""
    near = [t - s for s, t in pairwise(sorted(a | b)) if (s in a and t in b) or (s in b and t in a)]
    return min(near, default=None), min(map(abs, a & b), default=None)


def no_balance(K: int, tau: Any, x: Any, c: Any, ends: Fraction, shared: Fraction) -> bool:
    """Condition 2 of Lemma 1: the ends' features, of this weight and with these signed sums, outweigh those between."""
    end, between, v = exact(ends), exact(1 - ends), (-2 * tau * x).exp()
    room = K * (tau / 2 + 2) * x + (K + 1) * (1 - c)
    sines = ((K - 2) * exact(shared) - room).max(0)
    cosines = (between * between - sines * sines).max(0).sqrt() + x * between
    left = end * 2 * v / (2 * v + K - 2) * c * (tau * x * c).tanh()
    return bool(left > (1 - c) * end + x * (3 * x * end + 2 / (2 + (K - 2) * v) * cosines))


def signed_sums(p: Instance) -> list[set[Fraction]]:
    """For each class all sums ``sum +-omega_i``; no lists where they are too many."""
    sums = [{Fraction(0)} for _ in range(p.classes)]
    for (y, w), block in p.blocks.items():
        if len(sums[y]) * len(block) > 1_000_000:
            return []
        sums[y] = {s + w * turned for s in sums[y] for turned in range(-len(block), len(block) + 1, 2)}
        if len(sums[y]) > 4096:
            return []
    return sums


def collapsed_are_saddles(p: Instance) -> bool:
    """Whether every critical point with equal classifiers is a strict saddle (docs/complete.md, Lemma 2)."""
    sums = signed_sums(p)
    return p.classes > 1 and (p.dim > 2 or (p.dim == 2 and bool(sums) and not set.intersection(*sums)))
