"""Structs of a batch: dataclasses whose arrays have one row an item; some items are taken, put back or cleared.

Every array field is meant, so that none is forgotten when items stop.
"""

from __future__ import annotations

from collections.abc import Callable
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


def keep(struct: Any, rows: NDArray[np.bool_]) -> None:
    """Go on with some items, in place, in the structs within as well."""
    _change(struct, lambda array: array[rows])


def clear(struct: Any, rows: NDArray[np.bool_]) -> None:
    """Zeros for some items, in place, in the structs within as well."""
    _change(
        struct, lambda array: np.where(rows.reshape(-1, *(1,) * (array.ndim - 1)), array.dtype.type(0), array)
    )


def _change(struct: Any, change: Callable[[NDArray[Any]], NDArray[Any]]) -> None:
    for field in fields(struct):
        value = getattr(struct, field.name)
        params = getattr(value, "__dataclass_params__", None)
        if isinstance(value, np.ndarray):
            setattr(struct, field.name, change(value))
        # frozen ones, such as problems, are the same for all items
        elif params is not None and not params.frozen:
            _change(value, change)


def _arrays(struct: Any) -> dict[str, NDArray[Any]]:
    """Fields that are arrays."""
    values = {field.name: getattr(struct, field.name) for field in fields(struct)}
    return {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
