"""Claim ``gap``: how far, at most, the cost at any point lies above the minimum (docs/proofs.md, Lemma 9).

If ``S + diag(delta) >= 0`` then ``f(X) - min f <= (1/2) sum delta``.  Floats propose the shifts; positivity is decided
by the checker's K x K Schur complement, so M may be in the thousands.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sphereufm.certify.certificate import GapClaim
from sphereufm.certify.checker.calculus import Evaluated
from sphereufm.certify.checker.place import Place
from sphereufm.certify.exact import round_dyadic
from sphereufm.certify.prove.attempts import attempt
from sphereufm.certify.prove.inertia import inertia
from sphereufm.certify.witness import Witness

Array = NDArray[np.float64]
# Rounding of the float eigenproblem, and room for another checker's arithmetic.
ROOM = 2.0**-46


def prove_shifts(at: Place) -> GapClaim | None:
    """Return the least gap found among a few patterns of shifts, verified in balls at the normalised columns."""
    e = at.around(0).unit
    claims = [_verified(at, e, pattern) for pattern in _patterns(at, e)]
    return min((claim for claim in claims if claim is not None), key=lambda claim: claim.gap, default=None)


def _patterns(at: Place, e: Evaluated) -> list[Array]:
    """Return directions of shifts per column of the merged S: by the scale of G, by its multipliers, and equal ones."""
    top, sizes = max(at.point.scales), np.array(at.point.sizes, dtype=np.float64)
    scales = np.exp2([2.0 * (k - top) for k in at.point.scales])
    multipliers = np.array([abs(float(value * at.B.dyadic(1, -2 * top))) for value in e.multipliers])
    return [scales, np.maximum(multipliers, scales * 1e-3), sizes * scales.max() / sizes.max()]


def _verified(at: Place, e: Evaluated, pattern: Array) -> GapClaim | None:
    """Return a gap with shifts along a pattern, enlarged until balls accept them."""
    factor, counts = _least_factor(at, e, pattern), at.point.sizes
    for trial in range(6):
        t = max(factor, 0.0) * (1 + 2.0**-20) + ROOM * 4.0**trial
        unit = Fraction(4) ** max(at.point.scales)
        shifts = [
            round_dyadic(Fraction(t * float(p)) * unit / m, 53) for p, m in zip(pattern, counts, strict=True)
        ]
        found = positive(at, e, shifts)
        if found is not None:
            total = sum((s * m for s, m in zip(shifts, counts, strict=True)), Fraction(0)) / 2
            return GapClaim(gap=_dyadic_above(total), shifts=tuple(shifts), witness=(found,))
    return None


def _least_factor(at: Place, e: Evaluated, pattern: Array) -> float:
    """Return, in floats, about the least t >= 0 with ``S / 4^top + t diag(pattern) >= 0``, of losses by bisection."""
    K, size = at.p.classes, at.B.dyadic(1, -2 * max(at.point.scales))
    if at.p.program:
        S = multiplier_floats(e, size) / np.sqrt(np.outer(pattern, pattern))
        return -float(np.linalg.eigvalsh(S)[0]) if np.isfinite(S).all() else 0.0
    G = np.array([[float(e.first[k, g] * size) for g in range(K, len(pattern))] for k in range(K)])
    diagonal = -np.array([float(value * size) for value in e.multipliers])
    low, high = 0.0, 2.0**-50
    while not _float_positive(G, diagonal + high * pattern, K):
        low, high = high, high * 4
        if high > 1e6:
            return high
    for _ in range(30):
        middle = (low + high) / 2
        if _float_positive(G, diagonal + middle * pattern, K):
            high = middle
        else:
            low = middle
        if high - low < 1e-4 * high:
            break
    return high


def _float_positive(G: Array, diagonal: Array, K: int) -> bool:
    """Tell in floats whether the shifted S is positive definite."""
    if not diagonal.min() > 0:
        return False
    roots = np.sqrt(diagonal[:K])
    schur = np.eye(K) - (G / diagonal[K:]) @ G.T / np.outer(roots, roots)
    return bool(np.linalg.eigvalsh(schur)[0] > 0)


def multiplier_floats(e: Evaluated, size: Any = 1) -> Array:
    """``size S`` in floats."""
    S = np.diag([-float(t * size) for t in e.multipliers])
    for (i, j), slope in e.first.items():
        if max(i, j) < len(S):
            S[i, j] += float(slope * size)
            S[j, i] += float(slope * size)
    return S


def positive(at: Place, e: Evaluated, shifts: list[Fraction] | None = None) -> Witness | None:
    """Return a witness that ``S + diag(shifts)`` has no negative eigenvalue, the kernel left aside without shifts."""
    below, T = attempt(at.multiplier_matrix, e, shifts) or (1, None)
    found = None if below else inertia(at.B, T)
    return None if found is None or found.minus else found


def _dyadic_above(value: Fraction) -> Fraction:
    """Return a short dyadic number at or a little above ``value >= 0``."""
    rounded = round_dyadic(value, 24)
    return rounded if rounded == value else round_dyadic(value * (1 + Fraction(1, 1 << 22)), 24)
