"""Exact numbers as text: what is written is read back, and nothing else is read."""

from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sphereufm.certify.checker import CheckError
from sphereufm.certify.checker.reading import number
from sphereufm.certify.convert import numbers
from sphereufm.certify.exact import exact_text, rational_text, round_dyadic

DYADICS = st.builds(
    lambda m, e: Fraction(m) * Fraction(2) ** e, st.integers(-(2**400), 2**400), st.integers(-2000, 2000)
)


@given(DYADICS)
@example(Fraction(0))
@example(Fraction(1, 2**1074))
def test_dyadics_survive_the_round_trip(value):
    assert number()(exact_text(value), "value") == value


@given(st.fractions(max_denominator=10**30))
def test_fractions_survive_the_round_trip(value):
    assert number()(exact_text(value), "value") == value


@given(st.floats(allow_nan=False, allow_infinity=False))
@example(5e-324)
def test_numbers_of_format_1_are_what_float_hex_writes(value):
    assert number()(numbers([value.hex()])[0], "value") == Fraction(value)


@given(st.fractions(min_value=-(10**30), max_value=10**30, max_denominator=10**30))
def test_rationals_survive_the_round_trip(value):
    assert number()(rational_text(value), "value") == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3.6",
        "1/0",
        " 1",
        "1/ 2",
        "1" * 201,
        "0x1p0",
        "1e3",
        "nan",
        "inf",
        "+1",
        "--1",
        "1/-2",
        "\u0661",
        1,
        1.0,
        None,
        True,
    ],
)
def test_other_text_is_no_number(text):
    with pytest.raises(CheckError):
        number()(text, "value")


@given(DYADICS, st.integers(2, 200))
def test_rounding_moves_by_at_most_half_a_unit(value, bits):
    rounded = round_dyadic(value, bits)
    assert abs(rounded - value) <= abs(value) / 2 ** (bits - 1)
    significant = abs(rounded.numerator)
    while significant and significant % 2 == 0:
        significant //= 2
    assert significant.bit_length() <= bits
