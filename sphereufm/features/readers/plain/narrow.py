"""Number types that numpy lacks: bfloat16 and the float8 family, through ml_dtypes.

They are stored as they are and delivered as float32, which holds each of them exactly.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sphereufm.errors import MissingExtraError

NARROW_FLOATS = frozenset(
    {"bfloat16", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu"}
)
"""Names, the same in torch and in ml_dtypes."""


def narrow_dtype(name: str) -> np.dtype[Any]:
    """The numpy type of a narrow float."""
    try:
        import ml_dtypes
    except ImportError as error:
        raise MissingExtraError(
            f'{name} numbers need ml_dtypes; install it with pip install "sphereufm[features]"'
        ) from error
    return np.dtype(getattr(ml_dtypes, name))


def delivered_dtype(stored: np.dtype[Any]) -> np.dtype[Any]:
    """The type in which stored numbers arrive: native byte order, narrow floats as float32."""
    if stored.name in NARROW_FLOATS:
        return np.dtype(np.float32)
    return stored.newbyteorder("=")


def unit_roundoff(stored: np.dtype[Any]) -> float:
    """Half the distance from one to the next number of a type: what rounding changes a number by, relatively."""
    if stored.name in NARROW_FLOATS:
        import ml_dtypes

        return float(ml_dtypes.finfo(stored).eps) / 2.0  # type: ignore[no-untyped-call]
    return float(np.finfo(stored).eps) / 2.0 if stored.kind == "f" else 0.0
