"""Named arrays from what a torch file holds: bare tensors, dictionaries, lists of batches.

Keys join with dots, ``model.fc.weight``; a bare tensor is ``"array"``.  Lists of tensors, of tuples or dictionaries of
tensors, and dictionaries from samples to features or labels are joined; a list of numbers is a vector, and a list of
texts one of their places in the alphabet.  What is foreign is listed and refused, alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from sphereufm.features.readers.keys import role_and_stem
from sphereufm.features.readers.limits import check_expansion, printable, refused
from sphereufm.features.readers.pickle.unpickler import Foreign
from sphereufm.features.readers.source import ArraySource, MemorySource, RefusedSource, joined, text_source
from sphereufm.features.readers.stored import StoredArray, StoredFile

_MAX_VALUES = 2_000_000
_MAX_DEPTH = 20
_LETTERS = 64  # of a name, which count as a value
_MOST_REFUSED = 1000

_Path: TypeAlias = tuple[str, ...]


def named_arrays(value: Any, file: StoredFile) -> dict[str, ArraySource]:
    """Return the arrays inside the interpreted pickle of a file."""
    walk = _Walk(file)
    walk.visit((), value)
    if all(isinstance(source, RefusedSource) for source in walk.found.values()):
        for source in walk.found.values():
            source.read()  # raises its reason
        raise refused(file.name, "it holds no dense tensors; save features and labels as tensors")
    return walk.found


class _Walk:
    """The arrays found so far, and how much has been looked at."""

    def __init__(self, file: StoredFile) -> None:
        self.file = file
        self.found: dict[str, ArraySource] = {}
        self.count = self.refused = 0
        self.samples: list[Any] = []

    def visit(self, path: _Path, value: Any) -> None:
        """Add the arrays below a value; one long key can stand in many names."""
        self.tick(1 + sum(map(len, path)) // _LETTERS)
        if len(path) > _MAX_DEPTH:
            raise refused(self.file.name, f"it nests deeper than {_MAX_DEPTH} levels")
        items: Iterable[tuple[Any, Any]] = ()
        if isinstance(value, StoredArray):
            self.add(path, replace(value, name=self.title(path)))
        elif isinstance(value, Foreign):
            self.refuse(path, value.reason)
        elif isinstance(value, dict):
            items = value.items() if not self.by_sample(path, value) else ()
        elif isinstance(value, (list, tuple)) and value and not self.sequence(path, value):
            items = enumerate(value)
        for key, item in items:
            self.visit((*path, str(key)), item)

    def by_sample(self, path: _Path, value: dict[Any, Any]) -> bool:
        """Take a dictionary called features or labels as a list by sample, if it is one, in the first one's order."""
        if len(value) < 2 or _role(path) not in ("features", "labels"):
            return False
        self.tick(len(value))
        kinds = {type(item) for item in value.values()}
        if _number_type(kinds) is None and kinds not in ({str}, {StoredArray}):
            return False
        self.samples = self.samples or list(value)
        if set(value) == set(self.samples):
            self.visit(path, [value[key] for key in self.samples])
        else:
            self.refuse(path, "its samples are not those of the dictionary before it; save lists in order")
        return True

    def sequence(self, path: _Path, value: Sequence[Any]) -> bool:
        """Take a list as a vector or as batches, if it is one."""
        self.tick(len(value))
        kinds = {type(item) for item in value}
        if (dtype := _number_type(kinds)) is not None:
            self.numbers(path, value, dtype)
        elif kinds == {str}:
            self.add(path, text_source(self.title(path), value))
        elif kinds == {Foreign} and _role(path) is not None:
            why = value[0].reason
            self.refuse(path, f"it is a list of {len(value)} items, of which the first cannot be read: {why}")
        elif kinds == {StoredArray} and isinstance(value, list):
            return self.tensors(path, value)
        elif isinstance(value[0], (list, tuple, dict)):
            self.tick(sum(len(item) for item in value if isinstance(item, (list, tuple, dict))))
            rows = kinds <= {list, tuple} and self.rows(path, value)
            return rows or (isinstance(value, list) and len(kinds) == 1 and self.columns(path, value))
        else:
            return False
        return True

    def rows(self, path: _Path, items: Sequence[Any]) -> bool:
        """Take a list of lists of numbers as rows, where its name (or there being nothing else) says it is data."""
        dtype = _number_type({type(entry) for item in items for entry in item})
        named = not path or (len(path) == 1 and path[0].isdigit()) or _role(path) in ("features", "labels")
        if dtype is None or not named:
            return False
        widths = sorted(set(map(len, items)))
        if len(widths) == 1:
            self.numbers(path, items, dtype)
        elif path:
            self.refuse(path, f"it is a list of lists of unlike lengths {widths[:4]}; pad them to one length")
        return len(widths) == 1 or bool(path)

    def columns(self, path: _Path, items: list[Any]) -> bool:
        """Take a list of equal tuples or dictionaries of tensors and numbers apart, into lists by part."""
        parts = [item if isinstance(item, dict) else dict(enumerate(item)) for item in items]
        lists: dict[str, list[Any]] = {str(key): [part.get(key) for part in parts] for key in parts[0]}
        kinds = [{type(entry) for entry in column} for column in lists.values()]
        like = all(part.keys() == parts[0].keys() for part in parts) and len(lists) == len(parts[0])
        if not like or {StoredArray} not in kinds or any(kind not in _COLUMN_KINDS for kind in kinds):
            return False
        firsts = [column[0] for column in lists.values() if isinstance(column[0], StoredArray)]
        heights = {first.shape[0] for first in firsts if len(first.shape) > 1}
        for key, column in lists.items():
            # a vector as long as the batch beside it is high
            if isinstance(column[0], StoredArray) and column[0].shape in {(n,) for n in heights}:
                self.tensors((*path, key), column, batches=True)
            else:
                self.visit((*path, key), column)
        return True

    def numbers(self, path: _Path, items: Sequence[Any], dtype: type[Any]) -> None:
        """A list of numbers, or of rows of numbers."""
        try:
            self.add(path, MemorySource(name=self.title(path), array=np.array(items, dtype=dtype)))
        except OverflowError:
            self.refuse(path, "it holds integers of more than 64 bits")

    def tensors(self, path: _Path, items: list[StoredArray], batches: bool = False) -> bool:
        """One array of a list of tensors; where they do not fit together their list is refused, alone."""
        title = self.title(path)
        if len(items) == 1:
            self.add(path, replace(items[0], name=title))
            return True
        rows = _as_rows(items, batches or role_and_stem(".".join(path)).role == "labels")
        if isinstance(rows, str):
            if path:
                self.refuse(path, rows)
            return False
        sources = tuple(replace(part, name=f"{title}[{i}]") for i, part in enumerate(rows))
        whole = joined(f"{title} ({len(rows)} batches)", sources)
        check_expansion(title, math.prod(whole.shape) * whole.dtype.itemsize, self.file.size)
        self.add(path, whole)
        return True

    def title(self, path: _Path) -> str:
        """Name of an array for messages."""
        return f"{self.file.name}:{printable('.'.join(path))}" if path else self.file.name

    def add(self, path: _Path, source: ArraySource) -> None:
        """Keep an array under its joined name."""
        key = ".".join(path) or "array"
        if key in self.found:
            source = RefusedSource(name=self.title(path), reason="two of the file's arrays have this name")
        self.found[key] = source

    def refuse(self, path: _Path, reason: str) -> None:
        """List something that is not read; a thousand of them are enough to be named."""
        key = ".".join(path) or "array"
        self.refused += 1
        if key not in self.found and self.refused <= _MOST_REFUSED:
            self.found[key] = RefusedSource(name=self.title(path), reason=printable(reason, 600))

    def tick(self, count: int = 1) -> None:
        """Count what is looked at: shared values can make a small file endless."""
        self.count += count
        if self.count > _MAX_VALUES:
            raise refused(self.file.name, f"it describes more than {_MAX_VALUES} values")


_COLUMN_KINDS: tuple[set[type[Any]], ...] = ({StoredArray}, {int}, {float}, {str})


def _role(path: _Path) -> str | None:
    """What the last word of a name says it is."""
    return role_and_stem(path[-1]).role if path else None


def _number_type(kinds: set[type[Any]]) -> type[Any] | None:
    """The type of an array of such values, where they are numbers."""
    if kinds == {bool} or kinds == {int}:
        return np.bool_ if bool in kinds else np.int64
    return np.float64 if kinds and kinds <= {int, float} else None


def _as_rows(items: list[StoredArray], batches: bool) -> list[StoredArray] | str:
    """Tensors of a list as pieces of one array with rows first, or in words why they are none.

    A last batch whose axis of length one was squeezed away gets it back; numbers without an axis are one row each.
    Vectors of one length are samples, ``(d,)`` each, unless they are integers or known to be batches of numbers.
    """
    count, shapes = f"it is a list of {len(items)} tensors", {item.shape for item in items}
    kinds = {item.dtype.kind for item in items}
    if len(kinds) > 1:
        types = sorted({item.stored.name for item in items})
        return f"{count} of unlike types: {', '.join(types[:4])}; save one type"
    tallest = max(map(len, shapes))
    samples = len(shapes) == 1 and tallest == 1 and not batches and kinds == {"f"}
    if tallest == 0 or samples:
        return [_as_row(item) for item in items]
    # the shapes of a row: those of full batches without their height, and those of squeezed ones
    if len({shape[1:] if len(shape) == tallest else shape for shape in shapes}) > 1:
        few = ", ".join(map(str, sorted(shapes, key=str)[:4]))
        return f"{count} whose shapes do not fit together: {few}; pad or pool them"
    return [item if len(item.shape) == tallest else _as_row(item) for item in items]


def _as_row(item: StoredArray) -> StoredArray:
    """A batch of one sample."""
    return replace(item, shape=(1, *item.shape), strides=(0, *item.strides))
