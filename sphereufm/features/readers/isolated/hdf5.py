"""HDF5 files, through h5py, with every way out of the file closed.

An HDF5 file can point elsewhere: external links, virtual datasets, external storage, filters loaded from plugins.
Only datasets that store their own numbers, with the four filters that HDF5 and h5py bring along, are read; they are
reached by hard links, or by soft links that are followed here, step by step, inside the file.  Anything else is listed
and refused, alone.

The functions here run in the child process of :mod:`sphereufm.features.readers.isolated.parent`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from sphereufm.errors import SphereUFMError, UnreadableFileError
from sphereufm.features.readers.isolated.parent import Listed
from sphereufm.features.readers.limits import (
    MAX_ENTRIES,
    MAX_TEXT,
    NOT_LABELS,
    check_expansion,
    check_shape,
    few_texts,
)
from sphereufm.features.readers.plain.stored_array import deliver
from sphereufm.features.readers.source import AnyArray
from sphereufm.features.readers.stored import StoredFile

_MAX_DEPTH = 16
_MAX_CHUNK = 2**25
_TEXT_ROWS = 2**14
_FILTERS = frozenset({1, 2, 3, 32000})  # gzip, shuffle, fletcher32, lzf
_FAILURES = (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError, OverflowError)


def load() -> Any:
    """Import the library."""
    import h5py

    return h5py


def describe(h5py: Any, file: StoredFile, _form: str) -> list[Listed]:
    """The datasets of a file by path."""
    with _opened(h5py, file) as root:
        return [
            Listed(key=key, refused=item) if isinstance(item, str) else _check_dataset(h5py, file, key, item)
            for key, item in _datasets(h5py, file, root)
        ]


def blocks(h5py: Any, file: StoredFile, _form: str, listed: Listed, rows: int) -> Iterator[AnyArray]:
    """Row blocks of one dataset; the chunks of one block are read at a time."""
    with _opened(h5py, file) as root:
        (dataset,) = [item for key, item in _datasets(h5py, file, root) if key == listed.key]
        if _check_dataset(h5py, file, listed.key, dataset) != listed:
            raise UnreadableFileError(f"{file.name} changed while it was read; read a finished file")
        if not listed.shape:
            yield deliver(np.asarray(dataset[()]))
            return
        places = {text.encode(): place for place, text in enumerate(listed.names)}
        for start in range(0, listed.shape[0], rows):
            block = np.ascontiguousarray(dataset[start : start + rows])
            if places:
                block = np.array([places[text] for text in block.tolist()], dtype=listed.dtype)
            yield deliver(block.view(listed.dtype) if block.dtype.metadata else block)


@contextmanager
def _opened(h5py: Any, file: StoredFile) -> Iterator[Any]:
    """The root group; whatever the library raises on a damaged file becomes one error."""
    with file.open() as handle:
        try:
            # HDF5 reads through our own handle, so that it has no path to look beside.
            with h5py.File(handle, "r", driver="fileobj", rdcc_nbytes=_MAX_CHUNK) as root:
                yield root
        except SphereUFMError:
            raise
        except _FAILURES as error:
            text = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            raise UnreadableFileError(
                f"{file.name} is a damaged HDF5 file ({text}); save it again"
            ) from error


def _datasets(h5py: Any, file: StoredFile, root: Any) -> Iterator[tuple[str, Any]]:
    """All datasets, each group once; for what is not followed the reason in its place."""
    seen, count = set(), 0
    todo = [("", root, 0)]
    while todo:
        path, group, depth = todo.pop()
        for key in group:
            place, count = f"{path}/{key}" if path else key, count + 1
            if count > MAX_ENTRIES // 10 or depth > _MAX_DEPTH:
                raise UnreadableFileError(f"{file.name} is refused: too many or too deep groups")
            item = _follow(h5py, root, group, key)
            if isinstance(item, (h5py.Dataset, str)):
                yield place, item
            elif isinstance(item, h5py.Group):
                address = h5py.h5o.get_info(item.id).addr
                if address not in seen:
                    seen.add(address)
                    todo.append((place, item, depth + 1))


def _follow(h5py: Any, root: Any, group: Any, key: str) -> Any:
    """What a link of a group leads to, or in words why it is not followed; no library follows anything here."""
    steps, at, hops = [key], group, 0
    while steps:
        step = steps.pop(0)
        if step in ("", "."):
            continue
        link = at.get(step, getlink=True) if isinstance(at, h5py.Group) and step in at else None
        if isinstance(link, h5py.SoftLink):
            hops += 1
            if hops > _MAX_DEPTH:
                return "its soft links lead in a circle, or too far"
            at = root if link.path.startswith("/") else at
            steps = link.path.split("/") + steps
        elif isinstance(link, h5py.HardLink):
            at = at[step]
        elif link:
            return "it is an external link, which leads outside the file; give the file it leads to"
        else:
            return "its soft link leads nowhere"
    return at


def _check_dataset(h5py: Any, file: StoredFile, key: str, dataset: Any) -> Listed:
    """Describe a dataset; one that leads outside, or is of odd type, is refused.  Enumerations are their numbers."""
    title = f"{file.name}:{key}"
    if dataset.is_virtual or dataset.external:
        return Listed(key=key, refused="its numbers lie in other files; save them in this one")
    dtype, text = dataset.dtype, h5py.check_string_dtype(dataset.dtype)
    if h5py.check_enum_dtype(dtype) is not None:
        dtype = np.dtype(dtype.str)
    if text is None and (dtype.kind not in "biufc" or dtype.subdtype is not None or dtype.metadata):
        return Listed(key=key, refused=f"its entries have type {dtype}")
    if dataset.shape is None:
        return Listed(key=key, refused="it is empty")
    plist = dataset.id.get_create_plist()
    if not {plist.get_filter(i)[0] for i in range(plist.get_nfilters())} <= _FILTERS:
        return Listed(key=key, refused="it is compressed by a plugin; use gzip or lzf")
    if dataset.chunks and math.prod(dataset.chunks) * dtype.itemsize > _MAX_CHUNK:
        large = f"its chunks of {dataset.chunks} take more than {_MAX_CHUNK} bytes; use smaller ones"
        return Listed(key=key, refused=large)
    shape = check_shape(title, dataset.shape)
    size, stored = math.prod(shape) * dtype.itemsize, int(dataset.id.get_storage_size())
    # a text of any length is an address in the file, which takes more bytes there than here
    lacks = size > stored if dtype.kind == "O" else size != stored
    if stored > file.size or (dataset.chunks is None and lacks):
        raise UnreadableFileError(f"{title} claims {size} bytes, but the file stores {stored} for it")
    if text is not None:
        return _texts(title, key, dataset, stored)
    native = dtype.newbyteorder("=").str
    return Listed(key=key, columns=(key,), shape=shape, dtype=native, stored=stored)


def _texts(title: str, key: str, dataset: Any, stored: int) -> Listed:
    """Describe a vector of texts, of a bounded number of different ones; more of them are no labels."""
    if dataset.ndim != 1 or dataset.dtype.itemsize > 4 * MAX_TEXT:
        return Listed(key=key, refused=NOT_LABELS)
    check_expansion(title, dataset.shape[0] * dataset.dtype.itemsize, stored)
    starts = range(0, dataset.shape[0], _TEXT_ROWS)
    found = few_texts(dataset[start : start + _TEXT_ROWS].tolist() for start in starts)
    if found is None:
        return Listed(key=key, refused=NOT_LABELS)
    try:
        names = tuple(sorted(text.decode("utf-8") for text in found))
    except UnicodeDecodeError:
        return Listed(key=key, refused="its texts are not in UTF-8")
    return Listed(key=key, columns=(key,), shape=dataset.shape, dtype="<i4", stored=stored, names=names)
