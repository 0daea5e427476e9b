"""Exact numbers of certificates: rationals and dyadics as text.

A *rational* is ``"18/5"``; a *dyadic* is ``"0x1.8p+1"`` (as :meth:`float.hex` writes it, with more digits
allowed). Both are kept as :class:`fractions.Fraction`, so nothing is rounded between a file and a proof.
"""

from __future__ import annotations

import re
from fractions import Fraction

from sphereufm.errors import InvalidInputError

_RATIONAL = re.compile(r"(-?[0-9]{1,60})(?:/([0-9]{1,60}))?", re.ASCII)
_DYADIC = re.compile(r"(-?)0x([0-9a-f])(?:\.([0-9a-f]{1,130}))?p([+-][0-9]{1,5})", re.ASCII)
MAX_EXPONENT = 16000  # docs/certificates.md, section 2


def parse_rational(text: object) -> Fraction:
    """Return the rational that ``text`` states.

    Raises InvalidInputError if ``text`` is not ``-?digits(/digits)?``, or the denominator is zero.
    """
    match = _RATIONAL.fullmatch(text) if isinstance(text, str) else None
    denominator = int(match.group(2) or "1") if match else 0
    if match is None or denominator == 0:
        raise InvalidInputError(
            f"rational={str(text)[:40]!r} must look like '18/5', with a nonzero denominator"
        )
    return Fraction(int(match.group(1)), denominator)


def rational_text(value: Fraction) -> str:
    """Return ``value`` as ``"p/q"``, or ``"p"`` for whole numbers; as ``"m@e"`` where that would be long."""
    if max(abs(value.numerator), value.denominator) >= 10**60:
        return exact_text(value)
    return str(value.numerator) if value.denominator == 1 else f"{value.numerator}/{value.denominator}"


def parse_dyadic(text: object) -> Fraction:
    """Return exactly the number that the hexadecimal ``text`` states.

    Raises InvalidInputError if ``text`` is not of the form ``-?0xD.DDDp+E`` or its exponent is beyond 16000.
    """
    match = _DYADIC.fullmatch(text) if isinstance(text, str) else None
    if match is None or abs(int(match.group(4))) > MAX_EXPONENT:
        raise InvalidInputError(f"dyadic={str(text)[:40]!r} must look like '0x1.8p+1', exponent within 16000")
    sign, head, tail, exponent = match.groups()
    digits = head + (tail or "")
    power = int(exponent) - 4 * (len(digits) - 1)
    mantissa = int(digits, 16) * (-1 if sign else 1)
    return Fraction(mantissa << power) if power >= 0 else Fraction(mantissa, 1 << -power)


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
            "value has more digits than a certificate may hold; round it with round_dyadic"
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
