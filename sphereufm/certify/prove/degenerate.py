"""Claim ``degenerate``: an exact critical point in the plane that is no strict saddle (docs/proofs.md, Lemma 11)."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from flint import arb

from sphereufm.certify.balls import UFMBalls, unit_columns
from sphereufm.certify.certificate import DegenerateClaim, ExactPoint, Groups
from sphereufm.certify.prove.candidate import Array, exact_columns
from sphereufm.certify.prove.spurious import dyadic_below

__all__ = ["prove_degenerate"]

NEAR = 1e-6


def prove_degenerate(
    problem: UFMBalls, columns: Array, groups: Groups | None, lower_problem: UFMBalls, lower: ExactPoint
) -> tuple[ExactPoint, DegenerateClaim] | None:
    """Return the exact point near ``columns``, with equal classifiers and features orthogonal to them.

    Parameters
    ----------
    problem : UFMBalls
        With the grouping of ``columns``.
    columns : ndarray, shape (2, K + g)
    groups : tuple or None
    lower_problem : UFMBalls
        With the grouping of ``lower``.
    lower : ExactPoint
        A point of lower cost.
    """
    K = problem.classes
    if columns.shape[0] != 2 or K < 2 or np.abs(columns[:, :K] - columns[:, :1]).max() > NEAR:
        return None
    w = columns[:, 0] / np.linalg.norm(columns[:, 0])
    along, across = np.array([w, [-w[1], w[0]]]) @ columns[:, K:]
    if np.abs(along).max() > NEAR:
        return None
    signs = np.sign(across).astype(int)
    if len(_class_sums(problem, signs)) != 1:
        return None
    margin = dyadic_below(arb(K).log() - lower_problem.at(unit_columns(lower.columns)).cost)
    point = np.zeros_like(columns)
    point[0, :K], point[1, K:] = 1.0, signs
    claim = DegenerateClaim(lower_point=lower, margin=margin)
    return (ExactPoint(columns=exact_columns(point), groups=groups), claim) if margin > 0 else None


def _class_sums(problem: UFMBalls, signs: np.ndarray) -> set[Fraction]:
    """Return the different values of ``sum m omega s`` over classes, those without samples included."""
    sums = [Fraction(0)] * problem.classes
    for y, m, omega, sign in zip(problem.labels, problem.counts, problem.omega, signs, strict=True):
        sums[y] += m * omega * int(sign)
    return set(sums)
