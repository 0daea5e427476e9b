"""Claim ``gap``: how far, at most, the cost at any point lies above the minimum (docs/proofs.md, Lemma 9).

If ``S + diag(delta) >= 0`` then ``f(X) - min f <= (1/2) sum delta``. Positivity is decided by the K x K Schur
complement,

    -diag(alpha) + Delta_W - G diag(1 / (-beta + Delta_H)) G^T > 0    with    -beta + Delta_H > 0,

so M may be in the thousands; of an expression by the whole matrix.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from flint import arb, arb_mat
from numpy.typing import NDArray

from sphereufm.certify.balls import BallEvaluation, BallProblem, UFMEvaluation, ball, floats, unit_columns
from sphereufm.certify.certificate import GapClaim
from sphereufm.certify.exact import round_dyadic
from sphereufm.certify.prove.gauge import Columns
from sphereufm.certify.prove.inertia import inertia, power, scaled
from sphereufm.certify.witness import Witness

Array = NDArray[np.float64]
# Rounding of the float eigenproblem, and room for another checker's arithmetic.
ROOM = 2.0**-46


def prove_shifts(problem: BallProblem, columns: Columns) -> tuple[GapClaim, tuple[int, ...]] | None:
    """Return the least gap found among a few patterns of shifts, verified in balls at the normalised columns.

    Beside it stand the units ``k_j`` of the columns, in which its witness is stated.
    """
    evaluation, counts = problem.at(unit_columns(columns)), problem.multiplicities
    claims = [_verified(evaluation, counts, pattern) for pattern in _patterns(evaluation, counts)]
    best = min((claim for claim in claims if claim is not None), key=lambda claim: claim.gap, default=None)
    return None if best is None else (best, tuple(e // 2 for e in evaluation.scales))


def _patterns(evaluation: BallEvaluation, multiplicities: list[int]) -> list[Array]:
    """Return directions of shifts per column of the merged S: by the scale of G, by its multipliers, and equal ones."""
    top = max(evaluation.scales)
    scales = np.array([2.0 ** (e - top) for e in evaluation.scales])
    multipliers = np.array([abs(float(value * power(-top))) for value in evaluation.multipliers])
    counts = np.array(multiplicities, dtype=np.float64)
    return [scales, np.maximum(multipliers, scales * 1e-3), counts * scales.max() / counts.max()]


def _verified(evaluation: BallEvaluation, counts: list[int], pattern: Array) -> GapClaim | None:
    """Return a gap with shifts along a pattern, enlarged until balls accept them."""
    top = max(evaluation.scales)
    factor = _least_factor(evaluation, pattern, top)
    for attempt in range(6):
        t = max(factor, 0.0) * (1 + 2.0**-20) + ROOM * 4.0**attempt
        shifts = [
            round_dyadic(Fraction(t * float(p)) * Fraction(2) ** top / m, 53)
            for p, m in zip(pattern, counts, strict=True)
        ]
        found = shifted_positive(evaluation, [ball(s * m) for s, m in zip(shifts, counts, strict=True)])
        if found is not None:
            total = sum((s * m for s, m in zip(shifts, counts, strict=True)), Fraction(0)) / 2
            return GapClaim(gap=_dyadic_above(total), shifts=tuple(shifts), witness=(found,))
    return None


def _least_factor(evaluation: BallEvaluation, pattern: Array, top: int) -> float:
    """Return, in floats, about the least t >= 0 with ``S / 2^top + t diag(pattern) >= 0``; of losses by bisection."""
    size = power(-top)
    if not isinstance(evaluation, UFMEvaluation):
        S = floats(arb_mat(evaluation.S) * size) / np.sqrt(np.outer(pattern, pattern))
        return -float(np.linalg.eigvalsh(S)[0]) if np.isfinite(S).all() else 0.0
    K = evaluation.problem.classes
    G = floats(arb_mat(evaluation.g) * size).T
    diagonal = -np.array([float(value * size) for value in evaluation.multipliers])
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


def shifted_positive(evaluation: BallEvaluation, shifts: list[arb]) -> Witness | None:
    """Return a witness that ``S + diag(shifts) > 0``, and the same of the split parts of merged samples."""
    diagonal = [shift - value for shift, value in zip(shifts, evaluation.multipliers, strict=True)]
    if isinstance(evaluation, UFMEvaluation):
        K = evaluation.problem.classes
        if not all(value > 0 for value in diagonal):
            return None
        pairs = zip(evaluation.g, diagonal[K:], strict=True)
        divided = [[entry / d for entry in column] for column, d in pairs]
        rows = (-(arb_mat(evaluation.g).transpose() * arb_mat(divided))).tolist()
        added = diagonal
    else:
        rows, added = evaluation.S, shifts
    for k, row in enumerate(rows):
        row[k] += added[k]
    found = inertia(scaled(arb_mat(rows), evaluation.scales[: len(rows)]))
    return None if found is None or found.minus else found


def _dyadic_above(value: Fraction) -> Fraction:
    """Return a short dyadic number at or a little above ``value >= 0``."""
    rounded = round_dyadic(value, 24)
    return rounded if rounded == value else round_dyadic(value * (1 + Fraction(1, 1 << 22)), 24)
