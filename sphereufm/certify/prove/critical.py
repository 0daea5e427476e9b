"""Claim ``critical``: Newton's method to many digits, a rounded centre, and Krawczyk's test around it.

Nothing here is a proof but the last test; see ``docs/proofs.md``, Lemmas 3 and 4.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from flint import arb, arb_mat
from numpy.typing import NDArray

from sphereufm.certify.balls import BallProblem, box, floats
from sphereufm.certify.certificate import CriticalClaim
from sphereufm.certify.exact import round_dyadic
from sphereufm.certify.prove.gauge import Columns, Local, jacobian, krawczyk, local, residual
from sphereufm.certify.prove.inertia import power

__all__ = ["prove_critical", "refine"]

NEWTON_STEPS = 12
# A start farther from a critical point than this is not "near" one.
LARGEST_STEP = 0.3
# The box that is tried first: right for a hundred unknowns.
FIRST_RADIUS = Fraction(1, 1 << 17)


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
        here = local(problem, point)
        scales = here.evaluation.scales
        if inverse is None:
            inverse = _approximate_inverse(jacobian(problem, here, here.columns, scales))
        if inverse is None:
            return None
        step, size = _newton_step(here, scales, inverse)
        if not size < min(LARGEST_STEP, last * 4):
            return None
        point = (point - step).mid()
        if size < 2.0 ** -(bits + 8):
            return _rounded(point, bits)
        inverse = inverse if size < 1e-3 * last and last < np.inf else None
        last = size
    return _rounded(point, bits) if last < 1e-6 else None


def prove_critical(problem: BallProblem, columns: Columns) -> tuple[CriticalClaim, int] | None:
    """Return the claim that a critical point lies near ``columns``, and its index in its own space.

    The box is chosen by its linear behaviour, ``q`` about proportional to its radius, and then tested; the
    radii claimed leave room to a checker.
    """
    rho = FIRST_RADIUS
    for _ in range(4):
        test = krawczyk(problem, columns, rho)
        if test.holds and 0.004 < test.q < 0.5:
            break
        if not test.q < 1e12:
            return None
        wanted = rho * Fraction(min(max(0.2 / max(test.q, 1e-9), 2.0**-60), 2.0**11))
        wanted = min(round_dyadic(wanted, 1), Fraction(1, 8))
        if wanted == rho and test.holds:
            break
        rho = wanted
    if not test.holds:
        return None
    radius = _power_above(4 * rho * Fraction(test.eta) / Fraction(1 - test.q))
    unique = _power_below(rho / _detour(problem, columns))
    return (CriticalClaim(radius=radius, unique_radius=unique), test.negative) if radius <= unique else None


def _detour(problem: BallProblem, columns: Columns) -> Fraction:
    """Return how much farther than a critical point its rotated copy on the slice may lie (Lemma 4)."""
    if not problem.is_orthogonally_invariant or len(columns[0]) == 1:
        return Fraction(1)
    here = problem.at(box(columns, Fraction(0)))
    halves = np.array(here.scales) / 2 - max(here.scales) / 2
    sigma = float(np.linalg.svd(floats(here.X) * np.exp2(halves), compute_uv=False)[-1])
    by_rank = 1 + 2 * Fraction(2) ** int(np.ceil(-np.log2(max(0.999 * sigma, 1e-12))))
    return min(by_rank, Fraction(2) ** int(-halves.min()))


def _approximate_inverse(J: arb_mat) -> arb_mat | None:
    """Return a float inverse of the midpoint, as an exact matrix."""
    middle = floats(J)
    if not np.isfinite(middle).all():
        return None
    try:
        inverse = np.linalg.inv(middle)
    except np.linalg.LinAlgError:
        return None
    return arb_mat(inverse.tolist()) if np.isfinite(inverse).all() else None


def _newton_step(here: Local, scales: list[int], inverse: arb_mat) -> tuple[arb_mat, float]:
    """Return the step in X and its largest entry."""
    r, M = here.evaluation.X.nrows(), len(scales)
    entries = (inverse * residual(here, scales)).mid().entries()
    step = [value * power(-scales[i // r] // 2) for i, value in enumerate(entries)]
    return arb_mat(M, r, step).transpose(), max(abs(float(value)) for value in step)


def _rounded(point: arb_mat, bits: int) -> Columns:
    """Return exact columns of so many bits after the point."""
    return tuple(tuple(to_dyadic(entry, bits) for entry in column) for column in point.transpose().tolist())


def to_dyadic(value: arb, bits: int) -> Fraction:
    """Return the midpoint, cut to a multiple of ``2^-bits``."""
    mantissa, power = value.mid().man_exp()
    shift = int(power) + bits
    scaled = int(mantissa) << shift if shift >= 0 else (int(mantissa) + (1 << (-shift - 1))) >> -shift
    return Fraction(scaled, 1 << bits)


def _power_above(value: Fraction) -> Fraction:
    """Return a power of two that is at least ``value``, and not below ``2^-400``."""
    return max(2 * _power_below(value), Fraction(1, 1 << 400)) if value > 0 else Fraction(1, 1 << 400)


def _power_below(value: Fraction) -> Fraction:
    """Return the greatest power of two that is not above a positive ``value``, up to a factor of two."""
    return Fraction(2) ** (value.numerator.bit_length() - value.denominator.bit_length() - 1)
