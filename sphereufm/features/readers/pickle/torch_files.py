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
from dataclasses import replace
from typing import Any, BinaryIO

from sphereufm.features.readers.limits import refused
from sphereufm.features.readers.pickle.torch_tree import named_arrays
from sphereufm.features.readers.pickle.unpickler import MAX_PICKLE, Place, TorchUnpickler, item_size
from sphereufm.features.readers.source import ArraySource
from sphereufm.features.readers.stored import StoredFile

_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_LEGACY_VERSION = 1001

LEGACY_MAGIC = b"\x8a\x0a" + _MAGIC_NUMBER.to_bytes(10, "little")
"""The pickled magic number; it stands near the start, behind the pickle's protocol and frame."""


def open_torch_zip(file: StoredFile, members: Mapping[str, StoredFile]) -> dict[str, ArraySource]:
    """Return the tensors of a zip archive that ``torch.save`` wrote."""
    name = file.name
    folders = [member.removesuffix("data.pkl") for member in members if member.endswith("/data.pkl")]
    if len(folders) != 1:
        raise refused(name, "it must hold one pickled object in a folder")
    (folder,) = folders
    if folder + "constants.pkl" in members or any(m.startswith(folder + "code/") for m in members):
        raise refused(name, "it is TorchScript; save the state_dict() instead")
    marked, pickled = members.get(folder + "byteorder"), members[folder + "data.pkl"]
    order = b"little" if marked is None else marked.read_at(0, 16)
    if order not in (b"little", b"big"):
        raise refused(name, "its byte order is unknown")
    if pickled.size > MAX_PICKLE:
        raise refused(name, f"its pickle of {pickled.size} bytes is too large")

    def place(key: str, size: int) -> StoredFile:
        member = members.get(f"{folder}data/{key}")
        if member is None or member.size != size:
            has = "is missing" if member is None else f"has {member.size} bytes"
            raise refused(name, f"storage {key[:80]!r} claims {size} bytes but {has}")
        return member

    stream = io.BytesIO(pickled.read_at(0, MAX_PICKLE))
    value = TorchUnpickler(stream, name, place, order == b"big").load()
    if stream.read(1):
        raise refused(name, "bytes follow its pickle")
    return named_arrays(value, file)


def open_torch_legacy(file: StoredFile) -> dict[str, ArraySource]:
    """Return the tensors of a file in the form before torch 1.6."""
    name, stream = file.name, io.BytesIO(file.read_at(0, MAX_PICKLE))
    _, reader, keys = _interpreted(stream, name, lambda _, size: replace(file, size=size))
    known = isinstance(keys, list) and all(isinstance(key, str) for key in keys)
    if not known or sorted(keys) != sorted(reader.storages):
        raise refused(name, "its list of storages does not fit its tensors")
    at, places = stream.tell(), {}
    for key in keys:
        # torch writes this number in the machine's order
        count = int.from_bytes(file.read_at(at, 8), "big" if reader.big else "little", signed=True)
        storage = reader.storages[key]
        places[key] = replace(storage.file, start=at + 8)
        at += 8 + storage.file.size
        if count * item_size(storage.dtype) != storage.file.size or at > file.size:
            raise refused(name, f"it is truncated, or storage {key[:80]!r} has not the size it claims")
    if at != file.size:
        raise refused(name, f"{file.size - at} bytes follow its last storage")
    # now that it is known where the storages lie
    value, _, _ = _interpreted(stream, name, lambda key, _: places[key])
    return named_arrays(value, file)


def _interpreted(stream: BinaryIO, name: str, place: Place) -> tuple[Any, TorchUnpickler, Any]:
    """The object of a file in the old form, its reader, and the list of keys."""
    stream.seek(0)
    reader = TorchUnpickler(stream, name, place)
    magic, version, machine = (reader.load() for _ in range(3))
    if magic != _MAGIC_NUMBER or version != _LEGACY_VERSION or not isinstance(machine, dict):
        raise refused(name, "it is no saved torch object, though it begins like one")
    reader.big = machine.get("little_endian") is False
    return reader.load(), reader, reader.load()
