"""The two containers of ``torch.save``: zip archives, and the legacy sequence of pickles.

* zip: ``NAME/data.pkl`` describes the object; ``NAME/data/KEY`` holds the bytes of storage KEY, uncompressed unless
  the archive was packed again; ``NAME/byteorder`` is ``little`` or ``big`` (absent: little).
* legacy: pickles of a magic number, the version 1001, the machine, the object, and the list of keys; then for
  each key the number of elements (int64) and the bytes.

Tensors are read in place, in row blocks, at the offset of their storage.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from sphereufm.errors import UnreadableFileError
from sphereufm.features.readers.limits import check_expansion
from sphereufm.features.readers.pickle.torch_tree import named_arrays
from sphereufm.features.readers.pickle.torch_values import StorageRef, TensorRef, TorchUnpickler, tensor_dtype
from sphereufm.features.readers.pickle.unpickler import MAX_PICKLE
from sphereufm.features.readers.plain.stored_array import StoredArray
from sphereufm.features.readers.plain.zips import STORED, ZipEntry, inflate
from sphereufm.features.readers.source import ArraySource
from sphereufm.features.readers.stored import StoredFile

_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_LEGACY_VERSION = 1001

# first byte of a storage, and the deflated entry in which it counts, if it is one
_Place: TypeAlias = tuple[int, ZipEntry | None]

LEGACY_MAGIC = b"\x8a\x0a" + _MAGIC_NUMBER.to_bytes(10, "little")
"""The pickled magic number; it stands near the start, behind the pickle's protocol and frame."""


def is_torch_zip(entries: dict[str, ZipEntry]) -> bool:
    """Whether an archive holds a torch object."""
    return any(name.endswith("/data.pkl") or name == "data.pkl" for name in entries)


def open_torch_zip(file: StoredFile, name: str, entries: dict[str, ZipEntry]) -> dict[str, ArraySource]:
    """Return the tensors of a zip archive that ``torch.save`` wrote."""
    folders = [entry.removesuffix("data.pkl") for entry in entries if entry.endswith("/data.pkl")]
    if len(folders) != 1:
        raise UnreadableFileError(f"{name} is refused: it must hold one pickled object in a folder")
    (folder,) = folders
    if folder + "constants.pkl" in entries or any(e.startswith(folder + "code/") for e in entries):
        raise UnreadableFileError(f"{name} is refused: it is TorchScript; save the state_dict() instead")
    order = _record(file, name, entries, folder + "byteorder", 16) or b"little"
    if order not in (b"little", b"big"):
        raise UnreadableFileError(f"{name} is refused: its byte order is unknown")
    stream = io.BytesIO(_record(file, name, entries, folder + "data.pkl", MAX_PICKLE))
    reader = TorchUnpickler(stream, name)
    value = reader.load()
    if stream.read(1):
        raise UnreadableFileError(f"{name} is refused: bytes follow its pickle")
    places = {key: _place(name, entries, folder, ref) for key, ref in reader.storages.items()}
    return _arrays(file, name, value, places, order == b"big")


def open_torch_legacy(file: StoredFile, name: str) -> dict[str, ArraySource]:
    """Return the tensors of a file in the form before torch 1.6."""
    stream = io.BytesIO(file.read_at(0, MAX_PICKLE))
    reader = TorchUnpickler(stream, name)
    magic, version, machine = (reader.load() for _ in range(3))
    if magic != _MAGIC_NUMBER or version != _LEGACY_VERSION or not isinstance(machine, dict):
        raise UnreadableFileError(f"{name} is no saved torch object, though it begins like one")
    big = machine.get("little_endian") is False
    value, keys = reader.load(), reader.load()
    offsets = _legacy_starts(file, name, keys, stream.tell(), reader.storages, big)
    return _arrays(file, name, value, offsets, big)


def _arrays(
    file: StoredFile, name: str, value: Any, places: Mapping[str, _Place], big: bool
) -> dict[str, ArraySource]:
    """Sources of all tensors, given the places of their storages."""

    def open_tensor(title: str, ref: TensorRef) -> ArraySource:
        stored = tensor_dtype(ref.dtype)
        if big and stored.itemsize > 1:
            if stored.kind == "V":
                raise UnreadableFileError(f"{title} is refused: {ref.dtype} of a big-endian machine")
            stored = stored.newbyteorder(">")
        first, entry = places[ref.storage.key]
        return StoredArray(
            name=title,
            file=file,
            offset=first + ref.offset * stored.itemsize,
            stored=np.dtype(stored),
            shape=ref.shape,
            strides=ref.strides,
            negate=ref.negate,
            conjugate=ref.conjugate,
            entry=entry,
        )

    return named_arrays(value, name, file.size, open_tensor)


def _record(file: StoredFile, name: str, entries: dict[str, ZipEntry], key: str, limit: int) -> bytes:
    """The bytes of a small entry, none if it is not there."""
    entry = entries.get(key)
    if entry is None:
        return b""
    if entry.size > limit:
        raise UnreadableFileError(f"{name} is refused: entry {key[-80:]!r} is too large")
    return file.read_at(entry.start, entry.size) if entry.method == STORED else b"".join(inflate(file, entry))


def _place(name: str, entries: dict[str, ZipEntry], folder: str, ref: StorageRef) -> _Place:
    """Where a storage lies, whose entry must have exactly the claimed size."""
    entry = entries.get(f"{folder}data/{ref.key}")
    if entry is None or entry.size != ref.nbytes:
        has = "is missing" if entry is None else f"has {entry.size} bytes"
        raise UnreadableFileError(
            f"{name} is refused: storage {ref.key[:80]!r} claims {ref.nbytes} bytes but {has}"
        )
    if entry.method == STORED:
        return entry.start, None
    check_expansion(f"{name}: storage {ref.key[:80]!r}", entry.size, entry.packed)
    return 0, entry


def _legacy_starts(
    file: StoredFile, name: str, keys: Any, at: int, storages: dict[str, StorageRef], big: bool
) -> dict[str, _Place]:
    """Places of the storages, which follow one another behind the pickles."""
    known = isinstance(keys, list) and all(isinstance(key, str) for key in keys)
    if not known or sorted(keys) != sorted(storages):
        raise UnreadableFileError(f"{name} is refused: its list of storages does not fit its tensors")
    starts: dict[str, _Place] = {}
    for key in keys:
        # torch writes this number in the machine's order
        count = int.from_bytes(file.read_at(at, 8), "big" if big else "little", signed=True)
        starts[key], nbytes = (at + 8, None), storages[key].nbytes
        at += 8 + nbytes
        if count * tensor_dtype(storages[key].dtype).itemsize != nbytes or at > file.size:
            raise UnreadableFileError(
                f"{name} is truncated, or storage {key[:80]!r} has not the size it claims"
            )
    if at != file.size:
        raise UnreadableFileError(f"{name} is refused: {file.size - at} bytes follow its last storage")
    return starts
