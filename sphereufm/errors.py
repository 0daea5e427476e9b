"""Exceptions of the package, and the checks that raise them.

Every message has one shape: ``name=value`` that was given, the condition it breaks, and what to do.
Non-convergence and a failed proof are results, not exceptions.

NumPy is imported where arrays are checked, so that the command's help appears without it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fractions import Fraction

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

# a power of ten takes as much memory as its exponent says
_MOST_EXPONENT = 3_000


class SphereUFMError(Exception):
    """Base of every error that the package raises on purpose."""


class InvalidInputError(SphereUFMError, ValueError):
    """An argument, option or array breaks a stated condition."""


class UnreadableFileError(SphereUFMError, OSError):
    """A file is missing, damaged, or of a kind that is refused for safety."""


class OutputError(SphereUFMError, OSError):
    """A result cannot be written where it was asked for."""


class MissingExtraError(SphereUFMError, ImportError):
    """An optional library is needed; the message names the extra to install."""


def check_integer(name: str, value: object, minimum: int, remedy: str = "") -> int:
    """Return ``value`` as an int of at least ``minimum``; booleans, texts and floats with a fraction are refused.

    ``name`` is shown in the message, ``remedy`` (what to do) ends it.
    """
    try:
        number = int(value)  # type: ignore[call-overload]
        exact = not _is_flag_or_text(value) and number == value
    except (TypeError, ValueError, OverflowError):
        exact = False
    if not exact or number < minimum:
        raise InvalidInputError(_message(f"{name}={value!r} must be an integer >= {minimum}", remedy))
    return int(number)


def check_positive(name: str, value: object, remedy: str = "") -> float:
    """Return ``value`` as a finite float above zero; booleans and texts are refused."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not (math.isfinite(number) and number > 0.0) or _is_flag_or_text(value):
        raise InvalidInputError(_message(f"{name}={value!r} must be a finite positive number", remedy))
    return number


def _is_flag_or_text(value: object) -> bool:
    """Whether this is a boolean, of NumPy too, or a text, which Python would turn into numbers."""
    return isinstance(value, (bool, str, bytes)) or getattr(value, "dtype", None) == "bool"


def keep_checked(record: object, **checked: object) -> None:
    """Write what checks returned into the fields of a frozen dataclass while it is made."""
    for name, value in checked.items():
        object.__setattr__(record, name, value)


def one_of(value: object, known: Iterable[str]) -> str:
    """The names that are allowed, and the one that was perhaps meant: ``"one of a, b, c; did you mean b?"``."""
    from difflib import get_close_matches

    names = list(known)
    near = get_close_matches(str(value)[:100], names, n=1)
    return f"one of {', '.join(names)}" + (f"; did you mean {near[0]}?" if near else "")


def read_fraction(text: str) -> Fraction:
    """The number that a text states, exactly; ValueError or ZeroDivisionError if it states none."""
    from fractions import Fraction

    exponent = re.search(r"e([+-]?[\d_]+)", text, re.IGNORECASE)
    if exponent and abs(int(exponent.group(1))) > _MOST_EXPONENT:
        raise InvalidInputError(f"{text[:60]} must have a decimal exponent within {_MOST_EXPONENT}")
    return Fraction(text)


def as_array(name: str, value: ArrayLike) -> NDArray[Any]:
    """Return ``value`` as an array of whatever type, if it is one and has no masked entries."""
    import numpy as np

    # numpy.ma is not asked: to load it takes longer than a small search has
    hidden = (
        int(np.count_nonzero(value.mask)) if isinstance(value, np.ndarray) and hasattr(value, "mask") else 0
    )
    if hidden:
        fact = f"{name} has {hidden} masked entries, which would be read as if they were there"
        raise InvalidInputError(f"{fact}; fill or drop them first")
    try:
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:  # the last of tensors that carry gradients
        raise InvalidInputError(f"{name} is not a rectangular array of numbers: {error}") from error


def check_array(
    name: str, value: ArrayLike, shape: Sequence[int | None] | None = None
) -> NDArray[np.float64]:
    """Return ``value`` as a float64 array of finite entries; itself where it already is one.

    ``shape``: expected trailing axes, ``None`` for any length; leading axes are batch axes.
    """
    import numpy as np

    array = as_array(name, value)
    if array.dtype.kind not in "biuf":
        raise InvalidInputError(f"{name} has type {array.dtype}, but real numbers are needed")
    if array.dtype != np.float64:
        with np.errstate(over="ignore"):  # of longer floats; infinity is refused below
            array = array.astype(np.float64)
    if shape is not None:
        tail = array.shape[max(array.ndim - len(shape), 0) :]
        fits = array.ndim >= len(shape) and all(s is None or s == t for s, t in zip(shape, tail, strict=True))
        if not fits:
            wanted = ", ".join("any" if s is None else str(s) for s in shape)
            raise InvalidInputError(f"{name} has shape {array.shape}, but (..., {wanted}) is needed")
    if not np.isfinite(array).all():
        count = int(array.size - np.count_nonzero(np.isfinite(array)))
        raise InvalidInputError(f"{name} has {count} NaN or infinite entries; remove or replace them first")
    return array


def check_labels(
    name: str, value: ArrayLike, classes: int | None = None, length: int | None = None
) -> NDArray[np.intp]:
    """Return ``value`` as a vector of class numbers ``0 .. classes - 1``; floats are accepted where all are whole."""
    import numpy as np

    array = as_array(name, value)
    if array.ndim != 1 or array.dtype.kind not in "iuf":
        raise InvalidInputError(
            f"{name} has shape {array.shape} and type {array.dtype}, but a vector of whole numbers is needed"
        )
    if array.dtype.kind == "f" and not (np.isfinite(array).all() and (array == np.floor(array)).all()):
        raise InvalidInputError(f"{name} has entries that are not whole numbers; labels are 0, 1, ..., K - 1")
    if length is not None and array.size != length:
        raise InvalidInputError(f"{name} has length {array.size}, but there are {length} samples")
    above = np.iinfo(np.intp).max + 1 if classes is None else classes
    if array.size and (array.min() < 0 or int(array.max()) >= above):
        upper = "K - 1" if classes is None else str(classes - 1)
        raise InvalidInputError(
            f"{name} runs from {array.min()} to {array.max()}, but labels must lie in 0 .. {upper}"
        )
    return array.astype(np.intp)


def _message(fact: str, remedy: str) -> str:
    """Join the broken condition and what to do about it."""
    return f"{fact}; {remedy}" if remedy else fact
