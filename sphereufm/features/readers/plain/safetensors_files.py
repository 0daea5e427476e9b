"""The safetensors format: eight bytes of length, a JSON header, the numbers.

The header maps each name to type, shape and a byte range behind the header.  Ranges must cover all bytes in
turn, without holes or overlaps, which is the format's own rule.  The safetensors library is not used: its
numpy side has no bfloat16 and no float8, and it maps the file.

References
----------
https://github.com/huggingface/safetensors, section "Format".
"""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import numpy as np

from sphereufm.errors import UnreadableFileError
from sphereufm.features.readers.limits import MAX_ENTRIES, check_shape, printable
from sphereufm.features.readers.plain.narrow import NARROW_FLOATS, narrow_dtype
from sphereufm.features.readers.plain.stored_array import StoredArray, contiguous_strides
from sphereufm.features.readers.source import ArraySource, RefusedSource
from sphereufm.features.readers.stored import StoredFile

_MAX_HEADER = 2**22  # four megabytes hold some thirty thousand tensors; the format itself allows a hundred
_TYPES = {
    "BOOL": "|b1",
    "U8": "|u1",
    "I8": "|i1",
    "U16": "<u2",
    "I16": "<i2",
    "F16": "<f2",
    "U32": "<u4",
    "I32": "<i4",
    "F32": "<f4",
    "U64": "<u8",
    "I64": "<i8",
    "F64": "<f8",
    "C64": "<c8",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E8M0": "float8_e8m0fnu",
    "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
}


def looks_like_safetensors(magic: bytes) -> bool:
    """Whether the first nine bytes can begin such a file: a length, and the brace of its header."""
    return len(magic) > 8 and magic[8:9] == b"{" and struct.unpack_from("<Q", magic)[0] < 2**40


def open_safetensors(file: StoredFile, name: str) -> dict[str, ArraySource]:
    """Return the tensors of a safetensors file by name."""
    (length,) = struct.unpack("<Q", file.read_at(0, 8))
    if length > _MAX_HEADER or 8 + length > file.size:
        raise _damaged(name, f"its header claims {length} bytes")
    header = _parse(name, file.read_at(8, length))
    header.pop("__metadata__", None)
    if not header or len(header) > MAX_ENTRIES:
        raise _damaged(name, "it has no tensors, or too many")
    found: dict[str, tuple[int, int, ArraySource]] = {}
    for key, fields in header.items():
        found[key] = _tensor(file, f"{name}:{printable(key)}", 8 + length, fields)
    at = 0
    for begin, end, _ in sorted(found.values(), key=lambda item: item[:2]):
        if begin != at:
            raise _damaged(name, "its tensors overlap or leave holes")
        at = end
    if at != file.size - 8 - length:
        raise _damaged(name, f"its tensors take {at} bytes, but {file.size - 8 - length} follow the header")
    return {key: array for key, (_, _, array) in found.items()}


def _parse(name: str, text: bytes) -> dict[str, Any]:
    """The header's JSON object, without repeated names."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            raise ValueError("a name is repeated")
        return made

    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise _damaged(name, "its header is no valid JSON") from error
    if not isinstance(header, dict):
        raise _damaged(name, "its header is no JSON object")
    return header


def _tensor(file: StoredFile, title: str, start: int, fields: Any) -> tuple[int, int, ArraySource]:
    """Byte range and source of one tensor; a type we do not know is listed, but refuses to be read."""
    if not isinstance(fields, dict) or set(fields) != {"dtype", "shape", "data_offsets"}:
        raise _damaged(title, "it is described in an unknown way")
    kind, lengths, span = str(fields["dtype"]), fields["shape"], fields["data_offsets"]
    if not isinstance(lengths, list) or not isinstance(span, list) or len(span) != 2:
        raise _damaged(title, "it is described in an unknown way")
    (begin, end), shape = check_shape(title, span), check_shape(title, lengths)
    if kind not in _TYPES:
        return begin, end, RefusedSource(name=title, reason=f"its numbers have type {kind[:20]!r}")
    stored = _TYPES[kind]
    dtype = narrow_dtype(stored) if stored in NARROW_FLOATS else np.dtype(stored)
    if math.prod(shape) * dtype.itemsize != end - begin:
        raise _damaged(title, f"shape {shape} of {kind} does not take {end - begin} bytes")
    strides = contiguous_strides(shape)
    return (
        begin,
        end,
        StoredArray(name=title, file=file, offset=start + begin, stored=dtype, shape=shape, strides=strides),
    )


def _damaged(name: str, fact: str) -> UnreadableFileError:
    """Name the file and what is wrong with it."""
    return UnreadableFileError(f"{name} is a damaged or hostile safetensors file: {fact}; save it again")
