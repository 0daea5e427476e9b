"""Strict reading of JSON: whatever a format does not have is refused, before it is converted or recursed into."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

from sphereufm.certify.exact import parse_dyadic
from sphereufm.errors import InvalidInputError

__all__ = [
    "bounded_text",
    "check_keys",
    "dyadics",
    "integer",
    "integers",
    "items",
    "parse_strictly",
    "sample_range",
]

MAX_DEPTH = 10
MAX_DIGITS = 9


def parse_strictly(text: str) -> Any:
    """Return the JSON value of a text without floats, NaN, long integers, duplicate keys or deep nesting.

    Raises
    ------
    InvalidInputError
        If the text is no JSON, or has one of these.

    Examples
    --------
    >>> parse_strictly('{"index": 3}')
    {'index': 3}
    """
    _check_depth(text)
    try:
        return json.loads(
            text, object_pairs_hook=_unique, parse_int=_integer, parse_float=_refuse, parse_constant=_refuse
        )
    except json.JSONDecodeError as error:
        raise InvalidInputError(f"the text is not JSON: {error}") from error


def dyadics(name: str, value: Any) -> tuple[Fraction, ...]:
    """Read a list of dyadic numbers."""
    return tuple(parse_dyadic(entry) for entry in items(name, value))


def integers(name: str, value: Any) -> tuple[int, ...]:
    """Read a list of integers."""
    return tuple(integer(name, entry) for entry in items(name, value))


def sample_range(value: Any) -> tuple[int, int]:
    """Read ``[start, stop]``."""
    pair = integers("range", value)
    if len(pair) != 2 or not 0 <= pair[0] < pair[1]:
        raise InvalidInputError(f"range={list(pair)[:4]} must be [start, stop] with 0 <= start < stop")
    return pair


def integer(name: str, value: Any) -> int:
    """Read an integer; booleans are none."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidInputError(f"{name}={str(value)[:40]!r} must be an integer")
    return value


def bounded_text(name: str, value: Any, limit: int) -> str:
    """Read a text of bounded length."""
    if not isinstance(value, str) or len(value) > limit:
        raise InvalidInputError(f"{name} must be text of at most {limit} characters")
    return value


def items(name: str, value: Any) -> list[Any]:
    """Read a list."""
    if not isinstance(value, list):
        raise InvalidInputError(f"{name} must be a list")
    return value


def check_keys(name: str, value: Any, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> None:
    """Check that an object has the keys it must have, and no others."""
    if not isinstance(value, dict):
        raise InvalidInputError(f"{name} must be an object")
    missing = [key for key in required if key not in value]
    unknown = [key for key in value if key not in required and key not in optional]
    if missing or unknown:
        raise InvalidInputError(f"{name} lacks {missing} and has unknown {[key[:40] for key in unknown][:5]}")


def _check_depth(text: str) -> None:
    """Refuse deep nesting before the parser recurses into it."""
    depth, quoted, escaped = 0, False, False
    for letter in text:
        if quoted:
            quoted = escaped or letter != '"'
            escaped = letter == "\\" and not escaped
        elif letter == '"':
            quoted = True
        elif letter in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise InvalidInputError(f"the text nests deeper than {MAX_DEPTH} levels")
        elif letter in "]}":
            depth -= 1


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse duplicate keys."""
    result = dict(pairs)
    if len(result) < len(pairs):
        raise InvalidInputError(f"an object has a key twice, among {[key[:40] for key, _ in pairs][:5]}")
    return result


def _integer(digits: str) -> int:
    """Refuse long integers before they are converted."""
    if len(digits.lstrip("-")) > MAX_DIGITS:
        raise InvalidInputError(f"an integer has more than {MAX_DIGITS} digits")
    return int(digits)


def _refuse(value: str) -> Any:
    """Refuse floats, NaN and infinities."""
    raise InvalidInputError(f"number={value[:40]} is no integer; the format has no floats")
