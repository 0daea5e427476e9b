"""HDF5 files, through h5py in the child process, with every way out of the file closed.

An HDF5 file can point elsewhere: external links, virtual datasets, external storage, filters loaded from plugins.
Only datasets that store their own numbers, with the four filters that HDF5 and h5py bring along, are read; they are
reached by hard links, or by soft links that are followed here, step by step, inside the file.  Anything else is listed
and refused, alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from sphereufm.errors import UnreadableFileError
from sphereufm.features.readers import limits
from sphereufm.features.readers.isolated.parent import Described, IsolatedArray
from sphereufm.features.readers.source import AnyArray
from sphereufm.features.readers.stored import StoredFile, deliver

_MAX_DEPTH = 16
_MAX_CHUNK = 2**25
_TEXT_ROWS = 2**14
_FILTERS = frozenset({1, 2, 3, 32000})  # gzip, shuffle, fletcher32, lzf


class HDF5Reader:
    """The datasets of a file by path."""

    def __init__(self, file: StoredFile) -> None:
        import h5py

        self.h5py: Any = h5py
        self.file = file

    def describe(self) -> dict[str, Described]:
        """What each dataset is."""
        with self._opened() as root:
            return {key: self._described(key, item) for key, item in self._datasets(root)}

    def blocks(self, array: IsolatedArray, rows: int) -> Iterator[AnyArray]:
        """Row blocks of one dataset; the chunks of one block are read at a time."""
        with self._opened() as root:
            (dataset,) = [item for key, item in self._datasets(root) if key == array.key]
            found = self._described(array.key, dataset)
            if isinstance(found, str) or (found["shape"], found["dtype"]) != (array.shape, array.dtype.str):
                raise limits.refused(array.name, "it changed while it was read; read a finished file")
            if not array.shape:
                yield deliver(np.asarray(dataset[()]))
            for start in range(0, array.shape[0] if array.shape else 0, rows):
                stop = start + rows
                if array.categories:
                    yield limits.text_places(dataset.asstr("utf-8")[start:stop], array.categories)
                    continue
                block = np.ascontiguousarray(dataset[start:stop])
                yield deliver(block.view(block.dtype.str))  # enumerations are their numbers

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        """The root group."""
        # HDF5 reads through our own handle, so that it has no path to look beside.
        options = {"driver": "fileobj", "rdcc_nbytes": _MAX_CHUNK}
        with self.file.open() as handle, self.h5py.File(handle, "r", **options) as root:
            yield root

    def _datasets(self, root: Any) -> Iterator[tuple[str, Any]]:
        """All datasets, each group once; for what is not followed the reason in its place."""
        seen, count = set(), 0
        todo = [("", root, 0)]
        while todo:
            path, group, depth = todo.pop()
            for key in group:
                place, count = f"{path}/{key}" if path else key, count + 1
                if count > limits.MAX_ENTRIES // 10 or depth > _MAX_DEPTH:
                    raise limits.refused(self.file.name, "it has too many or too deep groups")
                item = self._follow(root, group, key)
                if isinstance(item, (self.h5py.Dataset, str)):
                    yield place, item
                elif isinstance(item, self.h5py.Group):
                    address = self.h5py.h5o.get_info(item.id).addr
                    if address not in seen:
                        seen.add(address)
                        todo.append((place, item, depth + 1))

    def _follow(self, root: Any, group: Any, key: str) -> Any:
        """What a link of a group leads to, or in words why it is not followed; no library follows anything here."""
        steps, at, hops = [key], group, 0
        while steps:
            step = steps.pop(0)
            if step in ("", "."):
                continue
            link = at.get(step, getlink=True) if isinstance(at, self.h5py.Group) and step in at else None
            if isinstance(link, self.h5py.SoftLink):
                hops += 1
                if hops > _MAX_DEPTH:
                    return "its soft links lead in a circle, or too far"
                at = root if link.path.startswith("/") else at
                steps = link.path.split("/") + steps
            elif isinstance(link, self.h5py.HardLink):
                at = at[step]
            elif link:
                return "it is an external link, which leads outside the file; give the file it leads to"
            else:
                return "its soft link leads nowhere"
        return at

    def _described(self, key: str, dataset: Any) -> Described:
        """Describe a dataset, or say why it is refused.  Enumerations are their numbers."""
        if isinstance(dataset, str):
            return dataset
        title = f"{self.file.name}:{key}"
        if dataset.is_virtual or dataset.external:
            return "its numbers lie in other files; save them in this one"
        dtype, text = dataset.dtype, self.h5py.check_string_dtype(dataset.dtype)
        if self.h5py.check_enum_dtype(dtype) is not None:
            dtype = np.dtype(dtype.str)
        if text is None and (dtype.kind not in "biufc" or dtype.subdtype is not None or dtype.metadata):
            return f"its entries have type {dtype}"
        if dataset.shape is None:
            return "it is empty"
        plist = dataset.id.get_create_plist()
        if not {plist.get_filter(i)[0] for i in range(plist.get_nfilters())} <= _FILTERS:
            return "it is compressed by a plugin; use gzip or lzf"
        if dataset.chunks and math.prod(dataset.chunks) * dtype.itemsize > _MAX_CHUNK:
            return f"its chunks of {dataset.chunks} take more than {_MAX_CHUNK} bytes; use smaller ones"
        shape = limits.check_shape(title, dataset.shape)
        size, stored = math.prod(shape) * dtype.itemsize, int(dataset.id.get_storage_size())
        # a text of any length is an address in the file, which takes more bytes there than here
        lacks = size > stored if dtype.kind == "O" else size != stored
        if stored > self.file.size or (dataset.chunks is None and lacks):
            return f"it claims {size} bytes, but the file stores {stored} for it"
        if text is None:
            return {"shape": shape, "dtype": dtype.newbyteorder("=").str, "packed": stored}
        # a vector of texts, of a bounded number of different ones; more of them are no labels
        names = None
        if len(shape) == 1 and dtype.itemsize <= 4 * limits.MAX_TEXT:
            texts = dataset.asstr("utf-8")
            try:
                limits.check_expansion(title, size, stored)
                starts = range(0, shape[0], _TEXT_ROWS)
                names = limits.few_texts(texts[start : start + _TEXT_ROWS] for start in starts)
            except UnicodeDecodeError:
                return "its texts are not in UTF-8"
            except UnreadableFileError as error:
                return limits.why(error)
        if names is None:
            return limits.NOT_LABELS
        return {"shape": shape, "dtype": np.dtype(np.int32).str, "packed": stored, "categories": names}
