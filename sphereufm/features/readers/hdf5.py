"""HDF5 files, through h5py, with every way out of the file closed.

An HDF5 file can point elsewhere: external and soft links, virtual datasets, external storage, filters loaded
from plugins.  Only hard links to datasets that store their own numbers, with the four filters that HDF5 and
h5py bring along, are read.  Datasets are read in row blocks from a handle that each pass opens anew.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from sphereufm.errors import MissingExtraError, UnreadableFileError, check_integer
from sphereufm.features.readers.limits import (
    MAX_ENTRIES,
    STREAM_EXPANSION,
    WHOLE_EXPANSION,
    check_expansion,
    check_shape,
)
from sphereufm.features.readers.source import AnyArray, ArraySource, RefusedSource
from sphereufm.features.readers.stored import StoredFile, deliver

__all__ = ["HDF5_MAGIC", "Hdf5Array", "find_hdf5_magic", "open_hdf5"]

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_MAX_DEPTH = 16
_MAX_CHUNK = 2**25
_FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 32000: "lzf"}
_FAILURES = (
    OSError,
    RuntimeError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    OverflowError,
    MemoryError,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Hdf5Array:
    """A dataset of an HDF5 file, read by row blocks."""

    name: str
    file: StoredFile
    key: str
    shape: tuple[int, ...]
    stored: np.dtype[Any]
    nbytes: int

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the blocks."""
        return self.stored.newbyteorder("=")

    def blocks(self, rows: int) -> Iterator[AnyArray]:
        """Row blocks; the chunks of one block are read at a time."""
        step = check_integer("rows", rows, 1)
        if not self.shape:
            yield self.read()
            return
        with _opened(self.file) as root, _translated(self.name):
            dataset = root[self.key]
            for start in range(0, self.shape[0], step):
                with _translated(self.name):
                    part = np.ascontiguousarray(dataset[start : start + step])
                yield deliver(part)

    def read(self) -> AnyArray:
        """Return the whole array, if it is in proportion to its bytes in the file."""
        size = math.prod(self.shape) * self.stored.itemsize
        check_expansion(self.name, size, self.nbytes, WHOLE_EXPANSION)
        with _opened(self.file) as root, _translated(self.name):
            return deliver(np.asarray(root[self.key][()]))


def find_hdf5_magic(file: StoredFile) -> bool:
    """Whether the signature stands at byte 0, 512, 1024, 2048 ..., where a user block may put it."""
    at = 0
    while at + 8 <= min(file.size, 2**20):
        if file.read_at(at, 8) == HDF5_MAGIC:
            return True
        at = 2 * at or 512
    return False


def open_hdf5(file: StoredFile, name: str) -> dict[str, ArraySource]:
    """Return the datasets of an HDF5 file by path.

    Raises
    ------
    UnreadableFileError
        If the file is damaged, or holds a link or dataset that leads outside.
    MissingExtraError
        If h5py is not installed.
    """
    found: dict[str, ArraySource] = {}
    with _opened(file) as root, _translated(name):
        for key, dataset in _datasets(name, root):
            found[key] = _check_dataset(file, f"{name}:{key}", key, dataset)
    if not found:
        raise UnreadableFileError(f"{name} holds no datasets")
    return found


@contextmanager
def _opened(file: StoredFile) -> Iterator[Any]:
    """The root group; the file must still be the one that was identified."""
    try:
        import h5py
    except ImportError as error:
        raise MissingExtraError(
            'HDF5 files need h5py; install it with pip install "sphereufm[features]"'
        ) from error
    with file.open() as handle:
        with _translated(file.path.name):
            # HDF5 reads through our own handle, so that it has no path to look beside.
            root = h5py.File(handle, "r", driver="fileobj", rdcc_nbytes=_MAX_CHUNK)
        try:
            yield root
        finally:
            root.close()


@contextmanager
def _translated(name: str) -> Iterator[None]:
    """Turn whatever the library raises on a damaged file into one error."""
    try:
        yield
    except (UnreadableFileError, MissingExtraError):
        raise
    except _FAILURES as error:
        text = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise UnreadableFileError(f"{name} is a damaged HDF5 file ({text}); save it again") from error


def _datasets(name: str, root: Any) -> Iterator[tuple[str, Any]]:
    """All datasets that hard links reach, each once; any other link is refused."""
    import h5py

    seen, count = set(), 0
    todo = [("", root, 0)]
    while todo:
        path, group, depth = todo.pop()
        for key in group:
            place, count = f"{path}/{key}" if path else key, count + 1
            if count > MAX_ENTRIES // 10 or depth > _MAX_DEPTH:
                raise UnreadableFileError(f"{name} is refused: too many or too deep groups")
            link = group.get(key, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise UnreadableFileError(
                    f"{name} is refused: {place[:80]!r} is a soft or external link, which may lead outside the file"
                )
            item = group[key]
            address = h5py.h5o.get_info(item.id).addr
            if isinstance(item, h5py.Dataset):
                yield place, item
            elif isinstance(item, h5py.Group) and address not in seen:
                seen.add(address)
                todo.append((place, item, depth + 1))


def _check_dataset(file: StoredFile, title: str, key: str, dataset: Any) -> ArraySource:
    """Describe a dataset; one that leads outside condemns the file, one of odd type only itself."""
    if dataset.is_virtual or dataset.external:
        raise UnreadableFileError(
            f"{title} is refused: its numbers lie in other files; save them in this one"
        )
    dtype = dataset.dtype
    if dtype.kind not in "biufc" or dtype.subdtype is not None or dtype.metadata:
        return RefusedSource(name=title, reason=f"its entries have type {dtype}")
    if dataset.shape is None:
        return RefusedSource(name=title, reason="it is empty")
    shape = check_shape(title, dataset.shape)
    _check_filters(title, dataset)
    size, stored = math.prod(shape) * dtype.itemsize, int(dataset.id.get_storage_size())
    if stored > file.size or (dataset.chunks is None and size != stored):
        raise UnreadableFileError(f"{title} claims {size} bytes, but the file stores {stored} for it")
    check_expansion(title, size, stored, STREAM_EXPANSION)
    return Hdf5Array(name=title, file=file, key=key, shape=shape, stored=dtype, nbytes=stored)


def _check_filters(title: str, dataset: Any) -> None:
    """Only filters that need no plugin, and chunks that fit in memory."""
    plist = dataset.id.get_create_plist()
    used = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
    if not set(used) <= set(_FILTERS):
        raise UnreadableFileError(f"{title} is refused: it is compressed by a plugin; use gzip or lzf")
    if dataset.chunks and math.prod(dataset.chunks) * dataset.dtype.itemsize > _MAX_CHUNK:
        raise UnreadableFileError(
            f"{title} is refused: its chunks of {dataset.chunks} take more than {_MAX_CHUNK} bytes; use smaller ones"
        )
