r"""The ``.npy`` format: magic, version, header length, a Python literal, then the numbers.

The header is the text of a dictionary ``{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4)}``.  Types
that hold Python objects would need unpickling, which never happens here.

References
----------
NumPy Enhancement Proposal 1; ``numpy.lib.format``.
"""

from __future__ import annotations

import ast
import re
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from sphereufm.errors import UnreadableFileError
from sphereufm.features.readers.limits import check_shape
from sphereufm.features.readers.plain.narrow import narrow_dtype
from sphereufm.features.readers.source import ArraySource
from sphereufm.features.readers.stored import StoredArray, StoredFile, contiguous_strides

NPY_MAGIC = b"\x93NUMPY"
_MAX_HEADER = 10_000  # numpy.lib.format's own limit
NPY_PREFIX = _MAX_HEADER + 12
"""Bytes that hold any header we accept."""

_DESCR = re.compile(r"[<>|=]?[?bhilqBHILQefdgFDG]|[<>|=]?[biufc](1|2|4|8|16)|[<>|=]?[US]([1-9]\d{0,2})")
# numpy knows no bfloat16: ml_dtypes and jax save it as two bytes without a type
_BFLOAT16 = ("V2", "bfloat16")


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
        count = 1
        for axis in self.shape:
            count *= axis
        return self.length + count * self.dtype.itemsize


def parse_npy_header(name: str, prefix: bytes) -> NpyHeader:
    """Parse the first ``NPY_PREFIX`` bytes of an array.

    Raises UnreadableFileError if this is no ``.npy`` header, or the type is neither a plain number nor a
    short text.
    """
    if len(prefix) < 12 or not prefix.startswith(NPY_MAGIC) or prefix[6] not in (1, 2, 3):
        raise UnreadableFileError(f"{name} has no .npy header; save it again with numpy.save")
    wide = prefix[6] > 1
    length = struct.unpack_from("<L" if wide else "<H", prefix, 8)[0]
    start = 12 if wide else 10
    if length > _MAX_HEADER or start + length > len(prefix):
        raise UnreadableFileError(f"{name} has a header that is cut short or too long; save it again")
    fields = _literal(name, prefix[start : start + length])
    dtype = _plain_dtype(name, fields["descr"])
    if not isinstance(fields["fortran_order"], bool) or not isinstance(fields["shape"], tuple):
        raise UnreadableFileError(f"{name} has a damaged .npy header; save it again")
    shape = check_shape(name, fields["shape"])
    return NpyHeader(dtype=dtype, shape=shape, fortran=fields["fortran_order"], length=start + length)


def open_npy(file: StoredFile, name: str) -> dict[str, ArraySource]:
    """Return the array of a ``.npy`` file under the key ``"array"``.

    Raises UnreadableFileError if the header is damaged, holds objects, or does not describe all bytes of the
    file.
    """
    header = parse_npy_header(name, file.read_at(0, NPY_PREFIX))
    if header.size != file.size:
        raise UnreadableFileError(
            f"{name} has {file.size} bytes, but its header describes {header.size}; "
            "it is truncated, or holds more than one array"
        )
    return {"array": stored_npy(file, name, header, 0)}


def stored_npy(file: StoredFile, name: str, header: NpyHeader, start: int) -> StoredArray:
    """An array whose header lies at byte ``start`` of a file."""
    return StoredArray(
        name=name,
        file=file,
        offset=start + header.length,
        stored=header.dtype,
        shape=header.shape,
        strides=contiguous_strides(header.shape, header.fortran),
    )


def _literal(name: str, text: bytes) -> dict[str, Any]:
    """Evaluate the header's dictionary as a literal; Python 2 wrote long integers with an ``L``."""
    try:
        fields = ast.literal_eval(re.sub(r"(\d)L\b", r"\1", text.decode("utf-8")).strip())
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise UnreadableFileError(f"{name} has a damaged .npy header; save it again") from error
    if not isinstance(fields, dict) or set(fields) != {"descr", "fortran_order", "shape"}:
        raise UnreadableFileError(f"{name} has a damaged .npy header; save it again")
    return fields


def _plain_dtype(name: str, descr: object) -> np.dtype[Any]:
    """The type of a header, which must be a plain number or a short text."""
    if isinstance(descr, str) and descr.lstrip("<>|=") in ("O", "O8", "O4"):
        raise UnreadableFileError(
            f"{name} holds pickled Python objects, which are never loaded; save plain numbers instead"
        )
    if isinstance(descr, str) and descr.lstrip("<|=") in _BFLOAT16:
        return narrow_dtype("bfloat16")
    if not isinstance(descr, str) or not _DESCR.fullmatch(descr):
        shown = descr[:40] if isinstance(descr, str) else "a structure"
        raise UnreadableFileError(f"{name} has entries of type {shown!r}; save plain numbers instead")
    try:
        return np.dtype(descr)
    except TypeError as error:
        raise UnreadableFileError(f"{name} has entries of unknown type {descr!r}") from error
