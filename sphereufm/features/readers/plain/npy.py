r"""The formats of numpy: ``.npy``, a header and the numbers, and ``.npz``, a zip archive of such files.

``numpy.savez`` stores entries uncompressed, so they are read in place at the offset behind the *local* header;
``numpy.savez_compressed`` deflates them, and they are streamed through a bounded decompressor.  The header is the text
of a dictionary ``{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4)}``, which numpy itself reads as a literal.
Types that hold Python objects would need unpickling, which never happens here.

References
----------
NumPy Enhancement Proposal 1; ``numpy.lib.format``.
"""

from __future__ import annotations

import io
import math
import tokenize
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib import format as npy_format

from sphereufm.errors import UnreadableFileError
from sphereufm.features.readers.limits import check_expansion, check_shape, printable
from sphereufm.features.readers.plain.narrow import narrow_dtype
from sphereufm.features.readers.plain.stored_array import StoredArray, contiguous_strides
from sphereufm.features.readers.plain.zips import STORED, ZipEntry, inflate
from sphereufm.features.readers.source import ArraySource, RefusedSource
from sphereufm.features.readers.stored import StoredFile

NPY_MAGIC = npy_format.MAGIC_PREFIX
NPY_PREFIX = 10_000 + 12
"""Bytes that hold any header that numpy accepts."""

_LONGEST_TEXT = 4 * 999
_FAILURES = (ValueError, TypeError, KeyError, SyntaxError, RecursionError, MemoryError, tokenize.TokenError)


@dataclass(frozen=True, kw_only=True)
class NpyHeader:
    """What a header says: stored type, shape, order, and its own length in bytes."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool
    length: int

    @property
    def size(self) -> int:
        """Bytes of header and numbers."""
        return self.length + math.prod(self.shape) * self.dtype.itemsize

    def array(
        self, file: StoredFile, name: str, start: int = 0, entry: ZipEntry | None = None
    ) -> StoredArray:
        """The array whose header lies at byte ``start`` of a file or of a deflated entry."""
        return StoredArray(
            name=name,
            file=file,
            offset=start + self.length,
            stored=self.dtype,
            shape=self.shape,
            strides=contiguous_strides(self.shape, self.fortran),
            entry=entry,
        )


def parse_npy_header(name: str, prefix: bytes) -> NpyHeader:
    """Parse the first ``NPY_PREFIX`` bytes of an array."""
    stream = io.BytesIO(prefix)
    try:
        # the third version is for structures with names in UTF-8
        read = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}[
            npy_format.read_magic(stream)
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of long integers as Python 2 wrote them
            shape, fortran, dtype = read(stream)
    except _FAILURES as error:
        raise UnreadableFileError(
            f"{name} has no .npy header, a damaged one, or entries of unknown type; save plain numbers again"
        ) from error
    return NpyHeader(
        dtype=_plain(name, dtype), shape=check_shape(name, shape), fortran=fortran, length=stream.tell()
    )


def open_npy(file: StoredFile, name: str) -> dict[str, ArraySource]:
    """Return the array of a ``.npy`` file under the key ``"array"``."""
    header = parse_npy_header(name, file.read_at(0, NPY_PREFIX))
    if header.size != file.size:
        raise UnreadableFileError(
            f"{name} has {file.size} bytes, but its header describes {header.size}; "
            "it is truncated, or holds more than one array"
        )
    return {"array": header.array(file, name)}


def open_npz(file: StoredFile, name: str, entries: dict[str, ZipEntry]) -> dict[str, ArraySource]:
    """Return the arrays of an archive by name."""
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


def _plain(name: str, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type of a header, which must be a plain number or a short text."""
    if dtype.hasobject:
        raise UnreadableFileError(
            f"{name} holds pickled Python objects, which are never loaded; save plain numbers instead"
        )
    if (
        dtype.str.lstrip("<|=") == "V2"
    ):  # numpy knows no bfloat16: ml_dtypes and jax save two bytes without a type
        return narrow_dtype("bfloat16")
    if dtype.kind not in "biufc" and not (dtype.kind in "US" and 0 < dtype.itemsize <= _LONGEST_TEXT):
        raise UnreadableFileError(f"{name} has entries of type {dtype.str!r}; save plain numbers instead")
    return dtype
