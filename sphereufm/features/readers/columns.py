"""Features spread over the columns of a table, one number a column.

Columns that are labels, indices, sample numbers or a network's outputs (confidence, loss, ...) by their names are no
features.  Where most of the others share a name and a running number (``f0 f1 f2 ...``) those are taken, in the order
of the table; else all columns of floating-point numbers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from sphereufm.features.readers.isolated.parent import IsolatedArray
from sphereufm.features.readers.keys import is_index, role_and_stem
from sphereufm.features.readers.source import ArraySource, MemorySource

_OUTPUT_WORDS = (
    "confidence conf score scores prob probs proba probability pred preds prediction predicted loss weight weights "
    "fold split epoch logit logits entropy margin time timestamp"
)
_OUTPUTS = frozenset(_OUTPUT_WORDS.split())
_NUMBERED = re.compile(r"^(.*?)[^0-9A-Za-z]*(\d+)$")


def with_matrix(name: str, arrays: Mapping[str, ArraySource]) -> dict[str, ArraySource]:
    """The columns of a table, and ``"columns"``, the matrix of those that are features."""
    chosen = _feature_columns(arrays)
    if len(chosen) < 2 or "columns" in arrays:
        return dict(arrays)
    return {**arrays, "columns": _matrix(name, chosen, arrays)}


def _feature_columns(arrays: Mapping[str, ArraySource]) -> tuple[str, ...]:
    """Names of the columns that are features."""
    vectors = [
        key for key, a in arrays.items() if len(a.shape) == 1 and a.dtype.kind in "fiu" and _is_feature(key)
    ]
    floats = [key for key in vectors if arrays[key].dtype.kind == "f"]
    families: dict[str, list[str]] = {}
    for key in vectors:
        match = _NUMBERED.match(key)
        if match:
            families.setdefault(match.group(1), []).append(key)
    largest = max(families.values(), key=len, default=[])
    if len(largest) >= max(4, 0.75 * len(floats)):
        return tuple(largest)
    return tuple(floats)


def _is_feature(key: str) -> bool:
    """Whether nothing in a column's name says that it is something else."""
    said = role_and_stem(key)
    words = said.stem | {re.sub(r"\d+$", "", word) for word in said.stem}
    return said.role != "labels" and not is_index(key) and _OUTPUTS.isdisjoint(words)


def _matrix(name: str, columns: tuple[str, ...], arrays: Mapping[str, ArraySource]) -> ArraySource:
    """Columns side by side; those of one library's file are read together."""
    parts = [arrays[key] for key in columns]
    first, dtype = parts[0], np.result_type(*(part.dtype for part in parts))
    if isinstance(first, IsolatedArray):
        return first.matrix(f"{name}:columns", columns, dtype)
    held = np.stack([part.read() for part in parts], axis=1, dtype=dtype)
    return MemorySource(name=f"{name}:columns", array=held, columns=columns)
