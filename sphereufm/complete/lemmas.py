"""How far from the collapsed family there is nothing else: what a lemma settles need not be searched.

With ``x = sin(delta / 2)`` and ``c = cos(delta / 2)`` for the diameter delta of W, docs/complete.md proves two
sufficient conditions, each of which holds below any delta at which it holds.
"""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations

from sphereufm.certify.instances import ExactInstance

_LARGEST_SUMS = 4096


def closed_neighbourhood(instance: ExactInstance) -> float:
    """A delta with no critical point of the plane whose W has a diameter in ``(0, delta]``; 0 if unknown."""
    labels = [instance.label(i) for i in range(instance.samples)]
    weights = {instance.weight(i) for i in range(instance.samples)}
    tau, K = float(instance.tau), instance.classes
    low, high = 0.0, 1.56
    gap = float(least_mismatch(instance))
    balanced = sorted(labels) == list(range(K)) and len(weights) == 1
    for _ in range(50):
        delta = 0.5 * (low + high)
        if _mismatch(delta, tau, gap) or (balanced and _balanced(delta, tau, K)):
            low = delta
        else:
            high = delta
    # a little less, so that the checker's balls can decide it
    return 0.999 * low


def least_mismatch(instance: ExactInstance) -> Fraction:
    """Return the least difference of signed weight sums of two classes, over all classes and signs."""
    sums = []
    for k in range(instance.classes):
        reached = {Fraction(0)}
        for i in range(instance.samples):
            if instance.label(i) == k:
                reached = {s + sign * instance.weight(i) for s in reached for sign in (1, -1)}
            if len(reached) > _LARGEST_SUMS:
                return Fraction(0)
        sums.append(reached)
    return min((abs(s - t) for a, b in combinations(sums, 2) for s in a for t in b), default=Fraction(0))


def _mismatch(delta: float, tau: float, gap: float) -> bool:
    """Lemma 1, for any weights."""
    x, c = math.sin(delta / 2), math.cos(delta / 2)
    return math.tanh(tau * x) + 1 - c + 2 * x < gap


def _balanced(delta: float, tau: float, K: int) -> bool:
    """Lemma 2, for one sample a class."""
    x, c = math.sin(delta / 2), math.cos(delta / 2)
    slack = c - K * tau * x
    if not ((2 + K * tau) * x < 2 * c and slack > 0):
        return False
    turn = math.sin(min(math.acos(slack) + delta, math.pi / 2))
    u = math.exp(-2 * tau * x)
    left = 2 * (1 + u) / (K - 1 + u) * c * math.tanh(tau * x * c)
    return left > x * (3 * x + (K - 2) * 2 / (2 + (K - 2) * u) * turn) + 1 - c
