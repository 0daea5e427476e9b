"""Claim ``spurious``: a proved local minimiser, and an explicit point that lies lower (docs/certificates.md, 5.8)."""

from __future__ import annotations

from fractions import Fraction

from flint import arb

from sphereufm.certify.balls import BallProblem, unit_columns
from sphereufm.certify.certificate import ExactPoint, SpuriousClaim
from sphereufm.certify.exact import round_dyadic
from sphereufm.certify.prove.index import Neighbourhood

__all__ = ["dyadic_below", "prove_spurious"]


def prove_spurious(
    near: Neighbourhood, lower_problem: BallProblem, lower: ExactPoint
) -> SpuriousClaim | None:
    """Return the claim if the normalised ``lower`` is proved to lie below every point of the box.

    Parameters
    ----------
    near : Neighbourhood
        Box of a critical point whose index is proved to be zero.
    lower_problem : BallProblem
        The problem with the grouping of ``lower``.
    lower : ExactPoint
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
