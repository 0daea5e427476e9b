"""What the checks of arguments let through is what they return, and the rest is refused in one sentence."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from sphereufm.errors import InvalidInputError, check_array, check_integer, check_labels, check_positive


class Tensor:
    """Raises as tensors do that carry gradients, or have a type that NumPy lacks."""

    def __init__(self, error):
        self.error = error

    def __array__(self, *_, **__):
        raise self.error


@pytest.mark.parametrize("check", [check_array, check_labels])
@pytest.mark.parametrize(
    "value",
    [
        [[1], [1, 2]],
        Tensor(RuntimeError("requires grad")),
        Tensor(TypeError("unsupported type")),
        np.ma.masked_array([1, 0], mask=[True, False]),
        [None, 1],
        ["a", "b"],
        [1j, 0],
        [np.nan, 1.0],
    ],
)
def test_what_is_no_array_of_numbers_is_refused(check, value):
    with pytest.raises(InvalidInputError, match=r"^X ") as refused:
        check("X", value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("kind", ["<f2", ">f4", "f8", ">f8", "g", "i1", ">u4"])
def test_numbers_of_any_type_are_taken(kind):
    given = np.array([0, 2, 1], dtype=kind)
    assert check_array("X", given).dtype == np.float64
    assert (
        check_array("X", np.ma.masked_array(given)).tolist() == check_labels("y", given).tolist() == [0, 2, 1]
    )


def test_checked_numbers_are_plain_numbers():
    for value in (3, 3.0, np.int8(3), np.float32(3.0), Fraction(3), np.array(3)):
        assert type(check_integer("n", value, 1)) is int
        assert type(check_positive("t", value)) is float
    for value in (True, np.True_, np.array(True), "3", b"3", 3.5, None, [3], np.nan, np.inf, 3 + 0j, 0, -1):
        with pytest.raises(InvalidInputError, match=r"^n="):
            check_integer("n", value, 1)
    for value in (
        True,
        np.True_,
        np.array(True),
        "3",
        b"3",
        None,
        [3],
        np.nan,
        np.inf,
        1j,
        0.0,
        -1,
        Decimal("1e-400"),
        10**400,
    ):
        with pytest.raises(InvalidInputError, match=r"^t="):
            check_positive("t", value)
