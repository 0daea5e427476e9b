"""Exact numbers of certificates as text: ``p``, ``p/q`` or ``m@e``, which is ``m 2^e``.

They are kept as :class:`fractions.Fraction`, so nothing is rounded between a file and a proof.
"""

from __future__ import annotations

from fractions import Fraction

from sphereufm.errors import InvalidInputError

# docs/certificates.md, section 2
MAX_EXPONENT = 16000


def rational_text(value: Fraction) -> str:
    """Return ``value`` as ``"p/q"``, or ``"p"`` for whole numbers; as ``"m@e"`` where that would be long."""
    if max(abs(value.numerator), value.denominator) >= 10**60:
        return exact_text(value)
    return str(value)


def exact_text(value: Fraction) -> str:
    """Return an exact number as ``p``, ``p/q``, or ``m@e`` for ``m 2^e`` where q is a power of two.

    Raises InvalidInputError if it has more digits than a certificate may hold.
    """
    top, bottom, power = value.numerator, value.denominator, 0
    if bottom & (bottom - 1) == 0:
        power = 1 - bottom.bit_length()
        if top and not power:
            power = (top & -top).bit_length() - 1
            power = power if power > 60 else 0
            top >>= power
        bottom = 1
    if abs(top) >= 10**200 or bottom >= 10**60 or abs(power) > MAX_EXPONENT:
        raise InvalidInputError(
            "a number has more digits than a certificate may hold, 200, and 60 below a fraction's line; round it, or "
            "multiply the cost"
        )
    return f"{top}@{power}" if power else f"{top}/{bottom}" if bottom > 1 else str(top)


def round_dyadic(value: Fraction, bits: int) -> Fraction:
    """Return ``value`` truncated towards zero to ``bits`` significant bits."""
    if value == 0:
        return value
    shift = bits - (abs(value.numerator).bit_length() - value.denominator.bit_length())
    scaled = abs(value) * (Fraction(2) ** shift)
    whole = int(scaled)
    excess = max(whole.bit_length() - bits, 0)
    rounded = Fraction((whole >> excess) << excess) / (Fraction(2) ** shift)
    return -rounded if value < 0 else rounded
