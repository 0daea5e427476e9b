"""The ``.npz`` format: a zip archive of ``.npy`` entries.

``numpy.savez`` stores entries uncompressed, so they are read in place at the offset behind the *local*
header; ``numpy.savez_compressed`` deflates them, and they are streamed through a bounded decompressor.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from sphereufm.errors import UnreadableFileError, check_integer
from sphereufm.features.readers.limits import WHOLE_EXPANSION, check_expansion, printable
from sphereufm.features.readers.plain.npy import NPY_PREFIX, NpyHeader, parse_npy_header, stored_npy
from sphereufm.features.readers.plain.zips import STORED, ZipEntry, inflate
from sphereufm.features.readers.source import AnyArray, ArraySource, RefusedSource
from sphereufm.features.readers.stored import StoredFile, deliver

__all__ = ["DeflatedArray", "open_npz"]


@dataclass(frozen=True, kw_only=True, eq=False)
class DeflatedArray:
    """A compressed array of an archive, decompressed once per pass."""

    name: str
    file: StoredFile
    entry: ZipEntry
    header: NpyHeader

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape, rows first."""
        return self.header.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the blocks."""
        return self.header.dtype.newbyteorder("=")

    def blocks(self, rows: int) -> Iterator[AnyArray]:
        """Row blocks; an array in column order has to be read whole first."""
        step = check_integer("rows", rows, 1)
        if not self.shape or (self.header.fortran and min(self.shape) > 1 and len(self.shape) > 1):
            whole = self.read()
            for start in range(0, self.shape[0] if self.shape else 1, step):
                yield np.ascontiguousarray(whole[start : start + step] if self.shape else whole)
            return
        count, row_shape = self.shape[0], self.shape[1:]
        block = np.empty((min(step, count), *row_shape), self.header.dtype)
        feeder = _Feeder(self.name, inflate(self.file, self.entry))
        feeder.fill(memoryview(bytearray(self.header.length)))
        for start in range(0, count, step):
            part = block[: min(step, count - start)]
            feeder.fill(part.reshape(-1).view(np.uint8).data)
            yield deliver(part)
        feeder.finish()

    def read(self) -> AnyArray:
        """Return the whole array, if it is in proportion to its compressed size."""
        check_expansion(self.name, self.entry.size, self.entry.packed, WHOLE_EXPANSION)
        raw = b"".join(inflate(self.file, self.entry))[self.header.length :]
        whole = deliver(np.frombuffer(raw, self.header.dtype))
        return whole.reshape(self.shape, order="F" if self.header.fortran else "C")


class _Feeder:
    """Hands out a stream of byte pieces in the lengths asked for."""

    def __init__(self, name: str, pieces: Iterator[bytes]) -> None:
        self.name = name
        self.pieces = pieces
        self.left = memoryview(b"")

    def fill(self, view: memoryview) -> None:
        """Fill ``view`` with the next bytes."""
        done = 0
        while done < len(view):
            if not len(self.left):
                self.left = memoryview(next(self.pieces, b""))
                if not len(self.left):
                    raise UnreadableFileError(f"{self.name} is truncated; save it again")
            count = min(len(self.left), len(view) - done)
            view[done : done + count] = self.left[:count]
            self.left, done = self.left[count:], done + count

    def finish(self) -> None:
        """Let the stream check its end."""
        if len(self.left) or next(self.pieces, b""):
            raise UnreadableFileError(f"{self.name} is longer than it says; save it again")


def open_npz(file: StoredFile, name: str, entries: dict[str, ZipEntry]) -> dict[str, ArraySource]:
    """Return the arrays of an archive by name.

    Raises
    ------
    UnreadableFileError
        If the archive holds no array, or an entry does not have the size its header describes.

    Examples
    --------
    >>> import tempfile
    >>> from sphereufm.features.readers.plain.zips import read_zip_directory
    >>> with tempfile.NamedTemporaryFile() as handle:
    ...     np.savez_compressed(handle, a=np.ones((3, 4)))
    ...     handle.flush()
    ...     file = StoredFile.at(handle.name)
    ...     arrays = open_npz(file, "x.npz", read_zip_directory(file))
    ...     arrays["a"].name, float(arrays["a"].read().sum())
    ('x.npz:a', 12.0)
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
    prefix = _prefix(file, entry)
    try:
        header = parse_npy_header(name, prefix)
    except UnreadableFileError as error:
        return RefusedSource(name=name, reason=str(error))
    if header.size != entry.size:
        raise UnreadableFileError(
            f"{name} has {entry.size} bytes, but its header describes {header.size}; the file is damaged"
        )
    if entry.method == STORED:
        return stored_npy(file, name, header, entry.start)
    check_expansion(name, entry.size, entry.packed)
    return DeflatedArray(name=name, file=file, entry=entry, header=header)


def _prefix(file: StoredFile, entry: ZipEntry) -> bytes:
    """The first bytes of an entry, enough for the header."""
    if entry.method == STORED:
        return file.read_at(entry.start, min(NPY_PREFIX, entry.size))
    gathered = b""
    for piece in inflate(file, entry):
        gathered += piece
        if len(gathered) >= NPY_PREFIX:
            break
    return gathered[:NPY_PREFIX]
