"""Named arrays from what a torch file holds: bare tensors, dictionaries, lists of batches.

Keys join with dots, ``model.fc.weight``; a bare tensor is ``"array"``.  Lists of tensors, of tuples or dictionaries of
tensors, and dictionaries from samples to features or labels are joined; a list of numbers is a vector, and a list of
texts one of their places in the alphabet.  What is foreign is listed and refused, alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from sphereufm.errors import UnreadableFileError
from sphereufm.features.readers.keys import role_and_stem
from sphereufm.features.readers.limits import NOT_LABELS, check_expansion, few_texts, printable
from sphereufm.features.readers.pickle.torch_values import TensorRef, tensor_dtype, why_foreign
from sphereufm.features.readers.pickle.unpickler import Foreign
from sphereufm.features.readers.source import ArraySource, JoinedSource, MemorySource, RefusedSource

_MAX_VALUES = 2_000_000
_MAX_DEPTH = 20
_MOST_REFUSED = 1000


def named_arrays(
    value: Any, file: str, size: int, open_tensor: Callable[[str, TensorRef], ArraySource]
) -> dict[str, ArraySource]:
    """Return the arrays inside an interpreted pickle.

    ``size``: bytes of the file; joined batches may not grow out of proportion to it.
    """
    walk = _Walk(file, size, open_tensor)
    walk.visit((), value, 0)
    readable = [source for source in walk.found.values() if not isinstance(source, RefusedSource)]
    if walk.found and not readable:
        next(iter(walk.found.values())).read()  # raises its reason
    if not readable:
        raise UnreadableFileError(f"{file} holds no dense tensors; save features and labels as tensors")
    return walk.found


class _Walk:
    """The arrays found so far, and how much has been looked at."""

    def __init__(self, file: str, size: int, open_tensor: Callable[[str, TensorRef], ArraySource]) -> None:
        self.file, self.size, self.open_tensor = file, size, open_tensor
        self.found: dict[str, ArraySource] = {}
        self.count = self.refused = 0
        self.samples: list[Any] = []

    def visit(self, path: tuple[str, ...], value: Any, depth: int) -> None:
        """Add the arrays below a value."""
        self.tick()
        if depth > _MAX_DEPTH:
            raise UnreadableFileError(f"{self.file} is refused: it nests deeper than {_MAX_DEPTH} levels")
        items: Iterable[tuple[Any, Any]] = ()
        if isinstance(value, TensorRef):
            self.add(path, self.open_tensor(self.title(path), value))
        elif isinstance(value, Foreign):
            self.refuse(path, why_foreign(value))
        elif isinstance(value, dict):
            items = value.items() if not self.by_sample(path, value, depth) else ()
        elif isinstance(value, (list, tuple)) and value and not self.sequence(path, value, depth):
            items = enumerate(value)
        for key, item in items:
            self.visit((*path, str(key)), item, depth + 1)

    def by_sample(self, path: tuple[str, ...], value: dict[Any, Any], depth: int) -> bool:
        """Take a dictionary called features or labels as a list by sample, if it is one, in the first one's order."""
        if len(value) < 2 or not _is_data(path):
            return False
        self.tick(len(value))
        kinds = {type(item) for item in value.values()}
        if not (kinds <= {int, float} or kinds in ({str}, {bool}, {TensorRef})):
            return False
        self.samples = self.samples or list(value)
        if set(value) == set(self.samples):
            self.visit(path, [value[key] for key in self.samples], depth + 1)
        else:
            self.refuse(
                path, "its samples are not those of the dictionary before it; save lists in one order"
            )
        return True

    def sequence(self, path: tuple[str, ...], value: list[Any] | tuple[Any, ...], depth: int) -> bool:
        """Take a list as a vector or as batches, if it is one."""
        self.tick(len(value))
        kinds = {type(item) for item in value}
        if kinds <= {int, float} or kinds == {bool}:
            self.numbers(path, value, kinds)
        elif kinds == {str}:
            self.texts(path, value)
        elif kinds <= {list, tuple} and self.rows(path, value):
            pass
        elif kinds == {Foreign} and path and role_and_stem(path[-1]).role is not None:
            why = why_foreign(value[0])
            self.refuse(path, f"it is a list of {len(value)} items, of which the first cannot be read: {why}")
        elif isinstance(value, list) and kinds == {TensorRef}:
            return self.tensors(path, value)
        elif isinstance(value, list) and (columns := _columns(value)) is not None:
            firsts = [column[0] for column in columns.values() if isinstance(column[0], TensorRef)]
            heights = {first.shape[0] for first in firsts if len(first.shape) > 1}
            for key, column in columns.items():
                self.tick(len(column))
                # as long as the batch beside it is high
                if isinstance(column[0], TensorRef) and column[0].shape in {(n,) for n in heights}:
                    self.tensors((*path, key), column, batches=True)
                else:
                    self.visit((*path, key), column, depth + 1)
        else:
            return False
        return True

    def rows(self, path: tuple[str, ...], items: list[Any] | tuple[Any, ...]) -> bool:
        """Take a list of lists of numbers as rows, where its name (or there being nothing else) says it is data."""
        self.tick(sum(map(len, items)))
        kinds = {type(entry) for item in items for entry in item}
        data = not path or (len(path) == 1 and path[0].isdigit()) or _is_data(path)
        if not data or not kinds or not (kinds <= {int, float} or kinds == {bool}):
            return False
        widths = sorted(set(map(len, items)))
        if len(widths) == 1:
            self.numbers(path, items, kinds)
        elif path:
            self.refuse(path, f"it is a list of lists of unlike lengths {widths[:4]}; pad them to one length")
        return len(widths) == 1 or bool(path)

    def numbers(
        self, path: tuple[str, ...], items: list[Any] | tuple[Any, ...], kinds: set[type[Any]]
    ) -> None:
        """A list of numbers, or of rows of numbers."""
        dtype: type[Any] = np.bool_ if kinds == {bool} else np.int64 if kinds == {int} else np.float64
        try:
            self.add(path, MemorySource(name=self.title(path), array=np.array(items, dtype=dtype)))
        except OverflowError:
            self.refuse(path, "it holds integers of more than 64 bits")

    def texts(self, path: tuple[str, ...], items: list[Any] | tuple[Any, ...]) -> None:
        """A list of texts, numbered in alphabetical order; labels are short and not all different."""
        kinds = few_texts([items])
        if kinds is None:
            self.refuse(path, NOT_LABELS)
            return
        places = {text: place for place, text in enumerate(kinds)}
        array = np.array([places[item] for item in items], dtype=np.int32)
        self.add(path, MemorySource(name=self.title(path), array=array, categories=kinds))

    def tensors(self, path: tuple[str, ...], items: list[TensorRef], batches: bool = False) -> bool:
        """One array of a list of tensors; where they do not fit together their list is refused, alone."""
        title = self.title(path)
        if len(items) == 1:
            self.add(path, self.open_tensor(title, items[0]))
            return True
        rows = as_rows(items, batches or (bool(path) and role_and_stem(".".join(path)).role == "labels"))
        if isinstance(rows, str):
            if path:
                self.refuse(path, rows)
            return False
        sources = tuple(self.open_tensor(f"{title}[{i}]", part) for i, part in enumerate(rows))
        whole = JoinedSource.of(f"{title} ({len(rows)} batches)", sources)
        check_expansion(title, math.prod(whole.shape) * whole.dtype.itemsize, self.size)
        self.add(path, whole)
        return True

    def title(self, path: tuple[str, ...]) -> str:
        """Name of an array for messages."""
        return f"{self.file}:{printable('.'.join(path))}" if path else self.file

    def add(self, path: tuple[str, ...], source: ArraySource) -> None:
        """Keep an array under its joined name."""
        key = ".".join(path) or "array"
        if key in self.found:
            raise UnreadableFileError(f"{self.file} is refused: two of its arrays are called {key[:80]!r}")
        self.found[key] = source

    def refuse(self, path: tuple[str, ...], reason: str) -> None:
        """List something that is not read; a thousand of them are enough to be named."""
        key = ".".join(path) or "array"
        self.refused += 1
        if key not in self.found and self.refused <= _MOST_REFUSED:
            self.found[key] = RefusedSource(name=self.title(path), reason=printable(reason, 600))

    def tick(self, count: int = 1) -> None:
        """Count what is looked at: shared values can make a small file endless."""
        self.count += count
        if self.count > _MAX_VALUES:
            raise UnreadableFileError(f"{self.file} is refused: it describes more than {_MAX_VALUES} values")


def _is_data(path: tuple[str, ...]) -> bool:
    """Whether a name is one of features or labels."""
    return bool(path) and role_and_stem(path[-1]).role in ("features", "labels")


def as_rows(items: list[TensorRef], batches: bool) -> list[TensorRef] | str:
    """Tensors of a list as pieces of one array with rows first, or in words why they are none.

    A last batch whose axis of length one was squeezed away gets it back; numbers without an axis are one row each.
    Vectors of one length are samples, ``(d,)`` each, unless they are integers or known to be batches of numbers.
    """
    count, shapes = f"it is a list of {len(items)} tensors", {item.shape for item in items}
    types = {item.dtype for item in items}
    kinds = {"f" if (kind := tensor_dtype(name).kind) == "V" else kind for name in types}
    if len(kinds) > 1:
        return f"{count} of unlike types: {', '.join(sorted(types)[:4])}; save one type"
    tallest = max(map(len, shapes))
    tails = {shape[1:] for shape in shapes if len(shape) == tallest}
    samples = len(shapes) == 1 and tallest == 1 and not batches and kinds == {"f"}
    if not (tallest == 0 or samples):
        tail = next(iter(tails))
        if len(tails) > 1 or any(shape != tail for shape in shapes if len(shape) < tallest):
            few = ", ".join(map(str, sorted(shapes, key=str)[:4]))
            return f"{count} whose shapes do not fit together: {few}; pad or pool them"
    return [
        replace(item, shape=(1, *item.shape), strides=(0, *item.strides))
        if tallest == 0 or samples or len(item.shape) < tallest
        else item
        for item in items
    ]


def _columns(items: list[Any]) -> dict[str, list[Any]] | None:
    """Turn a list of equal tuples or dictionaries of tensors and numbers into lists by part, or return None."""
    first = items[0]
    if not isinstance(first, (dict, list, tuple)) or any(type(item) is not type(first) for item in items):
        return None
    if isinstance(first, dict):
        names = [str(key) for key in first]
        equal = all(item.keys() == first.keys() for item in items)
        items = [list(item.values()) for item in items]
    else:
        names = [str(i) for i in range(len(first))]
        equal = all(len(item) == len(first) for item in items)
    if not names or not equal or len(set(names)) != len(names):
        return None
    columns = [list(column) for column in zip(*items, strict=True)]
    kinds = [{type(item) for item in column} for column in columns]
    if {TensorRef} not in kinds or not all(
        len(kind) == 1 and kind <= {TensorRef, int, float, str} for kind in kinds
    ):
        return None
    return dict(zip(names, columns, strict=True))
