"""Neighbourhoods of the collapsed family without other critical points (docs/complete.md, section 3)."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations, pairwise
from typing import Any

from flint import arb

from sphereufm.certify.complete.arithmetic import exact
from sphereufm.certify.complete.reading import Instance


def lemma_closed(p: Instance, closed: float) -> bool:
    """Whether no critical point has a planar W of diameter in ``(0, closed]`` (docs/complete.md, Lemmas 1 and 2)."""
    if not 0 <= closed < 1.57:
        return False
    x, c = (arb(closed) / 2).sin_cos()
    tau, K = exact(p.tau), p.classes
    return closed == 0 or balanced_lemma(p, tau, K, arb(closed), x, c) or ends_lemma(p, tau, x, c)


def ends_lemma(p: Instance, tau: Any, x: Any, c: Any) -> bool:
    """Lemma 1: no two classes can be the ends of W."""
    sums = signed_sums(p)
    weights = [sum(p.weights_of(k), Fraction(0)) for k in range(p.classes)]
    for a, b in combinations(range(len(sums)), 2):
        differ, shared = compared(sums[a], sums[b])
        if differ is not None and not (tau * x).tanh() + 1 - c + 2 * x < exact(differ):
            return False
        if shared is not None and not no_balance(p.classes, tau, x, c, weights[a] + weights[b], shared):
            return False
    return len(sums) > 1


def compared(a: set[Fraction], b: set[Fraction]) -> tuple[Fraction | None, Fraction | None]:
    """The least difference of two sums that differ, and the least size of a sum in both; None where there is none."""
    near = [t - s for s, t in pairwise(sorted(a | b)) if (s in a and t in b) or (s in b and t in a)]
    return min(near, default=None), min(map(abs, a & b), default=None)


def no_balance(K: int, tau: Any, x: Any, c: Any, ends: Fraction, shared: Fraction) -> bool:
    """Lemma 1 (ii): the ends' features, of this weight and with these signed sums, outweigh those between."""
    end, between, v = exact(ends), exact(1 - ends), (-2 * tau * x).exp()
    room = K * (tau / 2 + 2) * x + (K + 1) * (1 - c)
    sines = ((K - 2) * exact(shared) - room).max(0)
    cosines = (between * between - sines * sines).max(0).sqrt() + x * between
    left = end * 2 * v / (2 * v + K - 2) * c * (tau * x * c).tanh()
    return bool(left > (1 - c) * end + x * (3 * x * end + 2 / (2 + (K - 2) * v) * cosines))


def signed_sums(p: Instance) -> list[set[Fraction]]:
    """For each class all sums ``sum +-omega_i``; no lists where they are more than 4096."""
    sums = []
    for k in range(p.classes):
        reached = {Fraction(0)}
        for w in p.weights_of(k):
            reached = {s + sign * w for s in reached for sign in (1, -1)}
            if len(reached) > 4096:
                return []
        sums.append(reached)
    return sums


def collapsed_are_saddles(p: Instance) -> bool:
    """Whether every critical point with equal classifiers is a strict saddle (docs/complete.md, Lemma 3)."""
    sums = signed_sums(p)
    return p.classes > 1 and (p.dim > 2 or (p.dim == 2 and bool(sums) and not set.intersection(*sums)))


def balanced_lemma(p: Instance, tau: Any, K: int, delta: Any, x: Any, c: Any) -> bool:
    """Lemma 2: one sample a class, equal weights."""
    if sorted(p.labels) != list(range(K)) or len(set(p.weights)) != 1 or K < 2:
        return False
    slack = c - K * tau * x
    if not ((2 + K * tau) * x < 2 * c and slack > 0):
        return False
    angle = slack.acos() + delta
    turn = angle.sin() if angle < 1.57 else arb(1)
    u = (-2 * tau * x).exp()
    left = 2 * (1 + u) / (K - 1 + u) * c * (tau * x * c).tanh()
    right = x * (3 * x + (K - 2) * 2 / (2 + (K - 2) * u) * turn) + 1 - c
    return bool(left > right)
