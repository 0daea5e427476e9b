"""Claim ``critical``: Newton's method to many digits, a rounded centre, and Krawczyk's test around it.

Nothing here is a proof but the last test; see ``docs/proofs.md``, Lemmas 3 and 4.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from flint import arb, arb_mat
from numpy.typing import NDArray

from sphereufm.certify.balls import BallProblem, floats
from sphereufm.certify.certificate import CriticalClaim
from sphereufm.certify.exact import round_dyadic
from sphereufm.certify.prove.gauge import (
    Columns,
    gauge_pairs,
    jacobian,
    krawczyk,
    residual,
    scaled_multipliers,
)

__all__ = ["prove_critical", "refine"]

NEWTON_STEPS = 12
# A start farther from a critical point than this is not "near" one.
LARGEST_STEP = 0.3


def refine(problem: BallProblem, X: NDArray[np.float64], bits: int, precision: int) -> Columns | None:
    """Return a centre of ``bits`` bits near the critical point that Newton's method reaches from X.

    Parameters
    ----------
    problem : BallProblem
    X : ndarray, shape (r, M)
        Near a critical point.
    bits : int
        Digits of the centre, base two.
    precision : int
        The working precision, which is set already.

    Returns
    -------
    tuple of tuple of Fraction, or None
        None if the steps do not shrink.
    """
    point = arb_mat(X.tolist())
    inverse, last = None, np.inf
    for _ in range(NEWTON_STEPS):
        evaluation = problem.at(point)
        if inverse is None:
            inverse = _approximate_inverse(problem, point)
        if inverse is None:
            return None
        step, size = _newton_step(problem, point, inverse)
        if not size < min(LARGEST_STEP, last * 4):
            return None
        point = (point - step).mid()
        if size < 2.0 ** -(bits + 8):
            return _rounded(point, bits)
        inverse = inverse if size < 1e-3 * last and last < np.inf else None
        last = size
        del evaluation
    return _rounded(point, bits) if last < 1e-6 else None


def prove_critical(problem: BallProblem, columns: Columns) -> CriticalClaim | None:
    """Return the claim that a critical point lies near ``columns``, with radii that leave room to a checker.

    The box is chosen by its linear behaviour, ``q`` about proportional to its radius, and then tested; the
    radii claimed are half and twice what the test gave.
    """
    rho = Fraction(1, 1 << 14)
    for _ in range(4):
        test = krawczyk(problem, columns, rho)
        q = float(test.q)
        if test.holds and 0.1 < q < 0.8:
            break
        if not q < 1e12:
            return None
        wanted = rho * Fraction(min(max(0.3 / max(q, 1e-9), 2.0**-60), 2.0**11))
        wanted = min(round_dyadic(wanted, 1), Fraction(1, 8))
        if wanted == rho and test.holds:
            break
        rho = wanted
    if not test.holds:
        return None
    radius = _power_above(2 * test.radius)
    return CriticalClaim(radius=radius, unique_radius=rho / 2) if 2 * radius <= rho else None


def _approximate_inverse(problem: BallProblem, point: arb_mat) -> arb_mat | None:
    """Return a float inverse of the Jacobian at a point, as an exact matrix."""
    evaluation = problem.at(point)
    scales = evaluation.scales
    mu = scaled_multipliers(evaluation, scales)
    pairs = gauge_pairs(problem, point.nrows())
    J = floats(arb_mat(jacobian(evaluation, mu, arb(0), scales, pairs, point.transpose().tolist())))
    if not np.isfinite(J).all():
        return None
    try:
        inverse = np.linalg.inv(J)
    except np.linalg.LinAlgError:
        return None
    return arb_mat(inverse.tolist()) if np.isfinite(inverse).all() else None


def _newton_step(problem: BallProblem, point: arb_mat, inverse: arb_mat) -> tuple[arb_mat, float]:
    """Return the step in X and its largest entry."""
    evaluation = problem.at(point)
    scales, r = evaluation.scales, point.nrows()
    mu = [value.mid() for value in scaled_multipliers(evaluation, scales)]
    step = (inverse * residual(evaluation, mu, scales, gauge_pairs(problem, r))).mid()
    entries = step.entries()[: r * problem.columns]
    size = max(abs(float(entry)) for entry in entries)
    return arb_mat(problem.columns, r, entries).transpose(), size


def _rounded(point: arb_mat, bits: int) -> Columns:
    """Return exact columns of so many bits after the point."""
    return tuple(tuple(to_dyadic(entry, bits) for entry in column) for column in point.transpose().tolist())


def to_dyadic(value: arb, bits: int) -> Fraction:
    """Return the midpoint, cut to a multiple of ``2^-bits``."""
    mantissa, power = value.mid().man_exp()
    shift = int(power) + bits
    scaled = int(mantissa) << shift if shift >= 0 else (int(mantissa) + (1 << (-shift - 1))) >> -shift
    return Fraction(scaled, 1 << bits)


def _power_above(value: arb) -> Fraction:
    """Return a power of two that is at least ``value``, and not below ``2^-400``."""
    mantissa, power = value.upper().man_exp()
    e = max(int(power) + int(mantissa).bit_length(), -400) if mantissa else -400
    return Fraction(2) ** e
