"""The ``.npz`` format: a zip archive of ``.npy`` entries.

``numpy.savez`` stores entries uncompressed, so they are read in place at the offset behind the *local*
header; ``numpy.savez_compressed`` deflates them, and they are streamed through a bounded decompressor.
"""

from __future__ import annotations

from sphereufm.errors import UnreadableFileError
from sphereufm.features.readers.limits import check_expansion, printable
from sphereufm.features.readers.plain.npy import NPY_PREFIX, parse_npy_header
from sphereufm.features.readers.plain.zips import STORED, ZipEntry, inflate
from sphereufm.features.readers.source import ArraySource, RefusedSource
from sphereufm.features.readers.stored import StoredFile


def open_npz(file: StoredFile, name: str, entries: dict[str, ZipEntry]) -> dict[str, ArraySource]:
    """Return the arrays of an archive by name.

    Raises UnreadableFileError if the archive holds no array, or an entry does not have the size its header
    describes.
    """
    found: dict[str, ArraySource] = {}
    for entry in entries.values():
        if entry.name.endswith(".npy"):
            key = entry.name.removesuffix(".npy")
            found[key] = _open_entry(file, f"{name}:{printable(key)}", entry)
    if not found:
        raise UnreadableFileError(f"{name} is a zip archive without arrays; expected .npy entries")
    return found


def _open_entry(file: StoredFile, name: str, entry: ZipEntry) -> ArraySource:
    """One array of the archive; what holds objects is listed, but refuses to be read."""
    stored = entry.method == STORED
    try:
        header = parse_npy_header(name, _prefix(file, entry))
    except UnreadableFileError as error:
        return RefusedSource(name=name, reason=str(error))
    if header.size != entry.size:
        raise UnreadableFileError(
            f"{name} has {entry.size} bytes, but its header describes {header.size}; the file is damaged"
        )
    if stored:
        return header.array(file, name, entry.start)
    check_expansion(name, entry.size, entry.packed)
    return header.array(file, name, entry=entry)


def _prefix(file: StoredFile, entry: ZipEntry) -> bytes:
    """The first bytes of an entry, enough for the header."""
    if entry.method == STORED:
        return file.read_at(entry.start, min(NPY_PREFIX, entry.size))
    return next(inflate(file, entry), b"")[:NPY_PREFIX]
