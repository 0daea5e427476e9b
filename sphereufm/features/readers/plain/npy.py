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
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.lib import format as npy_format

from sphereufm.errors import UnreadableFileError
from sphereufm.features.readers.limits import check_shape, printable, refused, why
from sphereufm.features.readers.source import ArraySource, RefusedSource
from sphereufm.features.readers.stored import StoredArray, StoredFile, contiguous_strides, stored_dtype

_PREFIX = 10_000 + 12  # bytes that hold any header that numpy accepts
_LONGEST_TEXT = 4 * 999
_FAILURES = (ValueError, TypeError, KeyError, SyntaxError, RecursionError, MemoryError, tokenize.TokenError)


def open_npy(file: StoredFile, name: str) -> StoredArray:
    """Return the array of a ``.npy`` file, or of a member of an archive."""
    stream = io.BytesIO(file.read_at(0, _PREFIX))
    try:
        # the third version is for structures with names in UTF-8
        read = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}[
            npy_format.read_magic(stream)
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of long integers as Python 2 wrote them
            lengths, fortran, dtype = read(stream)
    except _FAILURES as error:
        raise refused(name, "it has no .npy header, a damaged one, or entries of unknown type") from error
    stored, shape, offset = _plain(name, dtype), check_shape(name, lengths), stream.tell()
    described = offset + math.prod(shape) * stored.itemsize
    if described != file.size:
        has = f"it has {file.size} bytes, but its header describes {described}"
        raise refused(name, f"{has}: it is truncated, or holds more than one array")
    strides = contiguous_strides(shape, fortran)
    return StoredArray(name=name, file=file, offset=offset, stored=stored, shape=shape, strides=strides)


def open_npz(name: str, members: Mapping[str, StoredFile]) -> dict[str, ArraySource]:
    """Return the arrays of an archive by name; what is no array of numbers is listed, but refuses to be read."""
    found: dict[str, ArraySource] = {}
    for member, file in members.items():
        key = member.removesuffix(".npy")
        title = f"{name}:{printable(key)}"
        if key != member:
            try:
                found[key] = open_npy(file, title)
            except UnreadableFileError as error:
                found[key] = RefusedSource(name=title, reason=why(error))
    if not found:
        raise refused(name, "it is a zip archive without arrays; save some with numpy.savez")
    return found


def _plain(name: str, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type of a header, which must be a plain number or a short text."""
    if dtype.hasobject:
        raise refused(name, "it holds pickled Python objects, which are never loaded; save plain numbers")
    # numpy knows no bfloat16: ml_dtypes and jax save two bytes without a type
    if dtype.str.lstrip("<|=") == "V2":
        return stored_dtype("bfloat16")
    if dtype.kind not in "biufc" and not (dtype.kind in "US" and 0 < dtype.itemsize <= _LONGEST_TEXT):
        raise refused(name, f"its entries are of type {dtype.str!r}; save plain numbers")
    return dtype
