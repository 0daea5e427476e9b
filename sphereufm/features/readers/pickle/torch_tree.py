"""Named arrays from what a torch file holds: bare tensors, dictionaries, lists of batches.

Keys join with dots, ``model.fc.weight``; a bare tensor is ``"array"``.  A list of tensors of equal row shape
is a list of batches and is joined; so is a list of tuples or dictionaries of such tensors, part by part.
A list of numbers is a vector.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sphereufm.errors import UnreadableFileError
from sphereufm.features.readers.limits import check_expansion, printable
from sphereufm.features.readers.pickle.torch_values import TensorRef
from sphereufm.features.readers.source import ArraySource, JoinedSource, MemorySource

__all__ = ["named_arrays"]

_MAX_VALUES = 200_000
_MAX_DEPTH = 20


def named_arrays(
    value: Any, file: str, size: int, open_tensor: Callable[[str, TensorRef], ArraySource]
) -> dict[str, ArraySource]:
    """Return the arrays inside an interpreted pickle.

    Parameters
    ----------
    value : object
        What :func:`~sphereufm.features.readers.pickle.load.interpret` returned.
    file : str
        Name of the file, for messages.
    size : int
        Bytes of the file; joined batches may not grow out of proportion to it.
    open_tensor : callable
        Makes a source of a name and a tensor.

    Raises
    ------
    UnreadableFileError
        If there is no tensor, two have the same name, or the value is too large or deep to be genuine.

    Examples
    --------
    >>> list(named_arrays({"labels": [0, 1, 1]}, "f.pt", 100, open_tensor=None))
    ['labels']
    """
    walk = _Walk(file, size, open_tensor)
    walk.visit((), value, 0)
    if not walk.found:
        raise UnreadableFileError(f"{file} holds no dense tensors; save features and labels as tensors")
    return walk.found


class _Walk:
    """The arrays found so far, and how much has been looked at."""

    def __init__(self, file: str, size: int, open_tensor: Callable[[str, TensorRef], ArraySource]) -> None:
        self.file, self.size, self.open_tensor = file, size, open_tensor
        self.found: dict[str, ArraySource] = {}
        self.count = 0

    def visit(self, path: tuple[str, ...], value: Any, depth: int) -> None:
        """Add the arrays below a value."""
        self.tick()
        if depth > _MAX_DEPTH:
            raise UnreadableFileError(f"{self.file} is refused: it nests deeper than {_MAX_DEPTH} levels")
        if isinstance(value, TensorRef):
            self.add(path, self.tensor(path, value))
        elif isinstance(value, dict):
            for key, item in value.items():
                self.visit((*path, str(key)), item, depth + 1)
        elif isinstance(value, (list, tuple)) and value and not self.sequence(path, value, depth):
            for i, item in enumerate(value):
                self.visit((*path, str(i)), item, depth + 1)

    def sequence(self, path: tuple[str, ...], value: list[Any] | tuple[Any, ...], depth: int) -> bool:
        """Take a list as a vector or as batches, if it is one."""
        self.tick(len(value))
        if all(type(item) in (int, float) for item in value):
            self.add(path, _vector(self.title(path), value))
        elif isinstance(value, list) and _are_batches(value):
            self.add(path, self.joined(path, value))
        elif isinstance(value, list) and (columns := _columns(value)) is not None:
            for key, column in columns.items():
                self.tick(len(column))
                self.visit((*path, key), column, depth + 1)
        else:
            return False
        return True

    def joined(self, path: tuple[str, ...], parts: list[TensorRef]) -> ArraySource:
        """One array of a list of batches."""
        if len(parts) == 1:
            return self.tensor(path, parts[0])
        title = self.title(path)
        sources = tuple(self.open_tensor(f"{title}[{i}]", part) for i, part in enumerate(parts))
        whole = JoinedSource.of(f"{title} ({len(parts)} batches)", sources)
        check_expansion(title, int(np.prod(whole.shape, dtype=object)) * whole.dtype.itemsize, self.size)
        return whole

    def tensor(self, path: tuple[str, ...], value: TensorRef) -> ArraySource:
        """One array of one tensor."""
        return self.open_tensor(self.title(path), value)

    def title(self, path: tuple[str, ...]) -> str:
        """Name of an array for messages."""
        return f"{self.file}:{printable('.'.join(path))}" if path else self.file

    def add(self, path: tuple[str, ...], source: ArraySource) -> None:
        """Keep an array under its joined name."""
        key = ".".join(path) or "array"
        if key in self.found:
            raise UnreadableFileError(f"{self.file} is refused: two of its arrays are called {key[:80]!r}")
        self.found[key] = source

    def tick(self, count: int = 1) -> None:
        """Count what is looked at: shared values can make a small file endless."""
        self.count += count
        if self.count > _MAX_VALUES * 10:
            raise UnreadableFileError(
                f"{self.file} is refused: it describes more than {_MAX_VALUES * 10} values"
            )


def _are_batches(items: list[Any]) -> bool:
    """Whether all items are tensors with rows, of one type and row shape."""
    if not all(isinstance(item, TensorRef) and item.shape for item in items):
        return False
    return len({(item.shape[1:], item.dtype) for item in items}) == 1


def _columns(items: list[Any]) -> dict[str, list[Any]] | None:
    """Turn a list of equal tuples or dictionaries of tensors into lists by part, or return None."""
    first = items[0]
    if isinstance(first, dict) and all(isinstance(i, dict) and i.keys() == first.keys() for i in items):
        rows = [list(item.values()) for item in items]
        names = [str(key) for key in first]
    elif isinstance(first, (list, tuple)) and all(
        type(i) is type(first) and len(i) == len(first) for i in items
    ):
        rows, names = [list(item) for item in items], [str(i) for i in range(len(first))]
    else:
        return None
    if not names or len(set(names)) != len(names):
        return None
    columns = [list(column) for column in zip(*rows, strict=True)]
    if not all(_are_batches(column) for column in columns):
        return None
    return dict(zip(names, columns, strict=True))


def _vector(title: str, items: list[Any] | tuple[Any, ...]) -> MemorySource:
    """A list of numbers as an array."""
    try:
        array = np.array(items, dtype=np.int64 if all(type(i) is int for i in items) else np.float64)
    except OverflowError as error:
        raise UnreadableFileError(f"{title} holds integers of more than 64 bits") from error
    return MemorySource(name=title, array=array)
