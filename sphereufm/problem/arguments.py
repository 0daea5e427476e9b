"""Arguments of a problem of normalised features and of its loss: checked, and kept as exact numbers."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from numbers import Rational
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sphereufm.errors import InvalidInputError, check_integer, check_labels, read_fraction
from sphereufm.geometry.spheres import Array

Number: TypeAlias = float | int | str | Fraction
_Item = TypeVar("_Item")

# samples, or classes: beyond this the labels alone, eight bytes each, take more memory than a point of any use leaves
_MOST_SAMPLES = 10**9
# sizes of a loss's parameters whose squares and products stay within the range of floats
_SMALLEST, _LARGEST = 1e-100, 1e100
_LOGITS = "logits are tau * W.T @ H"


def classes_and_labels(
    class_sizes: Sequence[int] | None, labels: ArrayLike | None, classes: int | None
) -> tuple[int, NDArray[np.intp]]:
    """Check and combine the three ways to say which sample is of which class."""
    K = None if classes is None else check_integer("classes", classes, 1)
    sizes = None
    if class_sizes is not None:
        sizes = [check_integer("class_sizes entry", n, 0) for n in _sequence("class_sizes", class_sizes)]
        check_samples(sum(sizes))
        if K is not None and len(sizes) != K:
            raise InvalidInputError(f"classes={K} contradicts class_sizes of {len(sizes)} entries")
        K = len(sizes)
    if labels is not None:
        y = check_labels("labels", labels, K)
    elif sizes is not None:
        y = np.repeat(np.arange(len(sizes)), sizes)
    else:
        raise InvalidInputError(
            "neither class_sizes nor labels was given; give one, e.g. class_sizes=(5, 5, 5)"
        )
    if y.size == 0:
        raise InvalidInputError("there is no sample; at least one class needs a positive size")
    K = int(y.max()) + 1 if K is None else K
    if K < 2:
        raise InvalidInputError(f"classes={K} must be at least 2; with a single class the cost is constant")
    if K > _MOST_SAMPLES:
        raise InvalidInputError(f"classes={K} must be at most {_MOST_SAMPLES:.0e}; labels number them from 0")
    if sizes is not None and sizes != (counts := np.bincount(y, minlength=K).tolist()):
        raise InvalidInputError(f"class_sizes={tuple(sizes)} contradicts labels, which count {tuple(counts)}")
    return K, y.astype(np.intp, copy=False)


def check_samples(count: int) -> None:
    """Refuse more samples than a machine's memory has room for."""
    if count > _MOST_SAMPLES:
        raise InvalidInputError(
            f"class_sizes sum to {count:.3g} samples; at most {_MOST_SAMPLES:.0e} are allowed"
        )


def _rational(value: Number) -> Fraction | None:
    """The rational that a float, integer, text or fraction stands for; None where it is no finite number."""
    if isinstance(value, bool | np.bool_):
        return None
    try:
        if isinstance(value, str | Decimal):
            return read_fraction(str(value))
        if isinstance(value, Rational):
            # NumPy's integers would stay inside a fraction, and wrap around
            return Fraction(int(value.numerator), int(value.denominator))
        return Fraction(float(value))
    except InvalidInputError:
        raise
    except (TypeError, ValueError, OverflowError, ZeroDivisionError):
        return None


def exact_positive(name: str, value: Number, remedy: str) -> Fraction:
    """The exact positive rational that a value stands for."""
    exact = _rational(value)
    if exact is None or exact <= 0:
        kind = "a finite positive number" if exact is None else "positive"
        raise InvalidInputError(f"{name}={value!r} must be {kind}; {remedy}")
    return exact


def exact_number(name: str, value: Number, low: float | None = None, high: float | None = None) -> Fraction:
    """The rational that a parameter of a loss stands for: zero, or of a size from 1e-100 to 1e100, in ``[low, high)``.

    Examples
    --------
    >>> exact_number("smoothing", "0.1", 0, 1)
    Fraction(1, 10)
    """
    bounds = (
        "finite" if low is None else f"at least {low}" + (f" and below {high}" if high is not None else "")
    )
    exact = _rational(value)
    if exact is None:
        raise InvalidInputError(f"{name}={value!r} must be a number, {bounds}")
    if (low is not None and exact < low) or (high is not None and exact >= high):
        raise InvalidInputError(f"{name}={value!r} must be {bounds}")
    if exact and not _SMALLEST <= abs(exact) <= _LARGEST:
        raise InvalidInputError(
            f"{name}={value!r} must be of a size from {_SMALLEST:g} to {_LARGEST:g}, or zero"
        )
    return exact


def exact_numbers(name: str, values: Iterable[Number]) -> tuple[Fraction, ...]:
    """Several of them."""
    return tuple(exact_number(f"{name} entry", value) for value in values)


def temperatures(
    tau: Number | Sequence[Number], y: NDArray[np.intp], K: int
) -> tuple[Fraction, tuple[Fraction, ...] | None]:
    """The largest temperature, and the ratios of each sample's to it where they differ."""
    if isinstance(tau, str) or np.ndim(tau) == 0:  # type: ignore[arg-type]
        return exact_temperature(tau), None  # type: ignore[arg-type]
    each = [exact_temperature(t) for t in tau]  # type: ignore[union-attr]
    if len(each) not in (K, y.size):
        raise InvalidInputError(
            f"tau has {len(each)} entries; give one, one a class ({K}) or one a sample ({y.size})"
        )
    if len(each) == K:
        each = [each[k] for k in y.tolist()]
    return relative_temperatures(each)


def relative_temperatures(each: Sequence[Fraction]) -> tuple[Fraction, tuple[Fraction, ...] | None]:
    """The largest of the samples' temperatures, and their ratios to it where they differ."""
    top = max(each)
    return top, None if len(set(each)) == 1 else tuple(t / top for t in each)


def exact_temperature(tau: Number) -> Fraction:
    """Exact ``tau``, refused where it is zero or infinite in double precision."""
    exact = exact_positive("tau", tau, _LOGITS)
    if exact > sys.float_info.max or not float(exact):
        raise InvalidInputError(f"tau={tau!r} is outside the range of double precision; {_LOGITS}")
    return exact


def sample_weights(
    weights: Iterable[Number] | None, samples: int
) -> tuple[tuple[Fraction, ...] | None, Array]:
    """Exact relative weights (None when all are equal) and float weights that sum to one."""
    if weights is None:
        return None, np.full(samples, 1.0 / samples)
    remedy = "sample weights are relative and positive"
    exact = tuple(exact_positive("weight", w, remedy) for w in _sequence("weights", weights))
    if len(exact) != samples:
        raise InvalidInputError(f"weights has length {len(exact)}, but there are {samples} samples")
    if len(set(exact)) == 1:
        return sample_weights(None, samples)
    total = sum(exact)
    return exact, np.array([float(w / total) for w in exact])


def _sequence(name: str, values: Iterable[_Item]) -> list[_Item]:
    """Return the values as a list, refusing what holds none."""
    try:
        return list(values)
    except TypeError:
        raise InvalidInputError(f"{name}={values!r} must be a sequence with one entry each") from None
