"""Arrays of a batch in one dataclass, the first axis its items: some of them taken, or put back.

Every array field is meant, so that none is forgotten when items stop.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

_Struct = TypeVar("_Struct")


def take(struct: _Struct, rows: NDArray[Any]) -> _Struct:
    """The same for some items; fields that are no arrays stay."""
    return replace(struct, **{name: array[rows] for name, array in _arrays(struct).items()})  # type: ignore[type-var]


def put(struct: _Struct, rows: NDArray[Any], other: _Struct) -> _Struct:
    """A copy with some items taken from ``other``, which holds only those."""
    copies = {name: array.copy() for name, array in _arrays(struct).items()}
    for name, array in copies.items():
        array[rows] = getattr(other, name)
    return replace(struct, **copies)  # type: ignore[type-var]


def _arrays(struct: Any) -> dict[str, NDArray[Any]]:
    """Fields that are arrays."""
    values = {field.name: getattr(struct, field.name) for field in fields(struct)}
    return {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
