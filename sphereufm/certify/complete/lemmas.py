"""Neighbourhoods of the collapsed family without other critical points (docs/complete.md, section 3)."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
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
    return closed == 0 or balanced_lemma(p, tau, K, arb(closed), x, c) or mismatch_lemma(p, tau, x, c)


def mismatch_lemma(p: Instance, tau: Any, x: Any, c: Any) -> bool:
    """Lemma 1: signed sums of weights of any two classes differ by g, ``tanh(tau x) + 1 - c + 2 x < g``."""
    return bool((tau * x).tanh() + 1 - c + 2 * x < exact(least_mismatch(p)))


def least_mismatch(p: Instance) -> Fraction:
    """The least difference of signed weight sums of two classes, over all classes and signs; 0 beyond 4096 sums."""
    sums = signed_sums(p)
    return min((abs(s - t) for a, b in combinations(sums, 2) for s in a for t in b), default=Fraction(0))


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
