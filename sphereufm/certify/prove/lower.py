"""Claims with an explicit point that lies lower, ``spurious`` and ``degenerate`` (docs/certificates.md, 5.8, 5.9)."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from flint import arb

from sphereufm.certify.balls import BallProblem, UFMBalls, unit_columns
from sphereufm.certify.certificate import DegenerateClaim, ExactPoint, Groups, SpuriousClaim
from sphereufm.certify.exact import round_dyadic
from sphereufm.certify.prove.candidate import Array, exact_columns
from sphereufm.certify.prove.index import Neighbourhood

NEAR = 1e-6


def prove_spurious(
    near: Neighbourhood, lower_problem: BallProblem, lower: ExactPoint
) -> SpuriousClaim | None:
    """Return the claim if the normalised ``lower`` is proved to lie below every point of the box.

    ``near``: box of a critical point whose index is proved to be zero; ``lower_problem``: the problem with
    the grouping of ``lower``.
    """
    below = lower_problem.at(unit_columns(lower.columns)).cost
    margin = dyadic_below(near.evaluation.cost - below)
    return SpuriousClaim(lower_point=lower, margin=margin) if margin > 0 else None


def dyadic_below(value: arb) -> Fraction:
    """Return a short dyadic number a little below a positive ball; zero where it is not proved positive."""
    if not value > 0:
        return Fraction(0)
    mantissa, power = value.lower().man_exp()
    exact = Fraction(int(mantissa)) * Fraction(2) ** int(power)
    return round_dyadic(exact - exact / 64, 24)


def prove_degenerate(
    problem: UFMBalls, columns: Array, groups: Groups | None, lower_problem: UFMBalls, lower: ExactPoint
) -> tuple[ExactPoint, DegenerateClaim] | None:
    """Return the exact point near ``columns``, with equal classifiers and features orthogonal to them.

    * ``problem``: with the grouping of ``columns``.
    * ``columns``, shape ``(2, K + g)``.
    * ``lower_problem``: with the grouping of ``lower``.
    * ``lower``: a point of lower cost.
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
