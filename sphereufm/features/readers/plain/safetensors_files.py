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
from sphereufm.features.readers.plain.narrow import narrow_dtype
from sphereufm.features.readers.plain.stored_array import StoredArray, contiguous_strides
from sphereufm.features.readers.source import ArraySource, RefusedSource
from sphereufm.features.readers.stored import StoredFile

_MAX_HEADER = 2**22  # four megabytes hold some thirty thousand tensors; the format itself allows a hundred
_PLAIN = {
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
}
_NARROW = {
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
    """Return the tensors of a safetensors file by name.

    Raises UnreadableFileError if the header is damaged or too long, or its byte ranges do not cover the file
    in turn.

    Examples
    --------
    >>> import tempfile
    >>> header = b'{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
    >>> with tempfile.NamedTemporaryFile() as handle:
    ...     written = handle.write(struct.pack("<Q", len(header)) + header + np.ones(2, "<f4").tobytes())
    ...     handle.flush()
    ...     open_safetensors(StoredFile.at(handle.name), "f")["x"].read()
    array([1., 1.], dtype=float32)
    """
    (length,) = struct.unpack("<Q", file.read_at(0, 8))
    if length > _MAX_HEADER or 8 + length > file.size:
        raise _damaged(name, f"its header claims {length} bytes")
    header = _parse(name, file.read_at(8, length))
    header.pop("__metadata__", None)
    if len(header) > MAX_ENTRIES:
        raise _damaged(name, f"it has more than {MAX_ENTRIES} tensors")
    ranges, found = [], {}
    for key, fields in header.items():
        begin, end, shape, kind = _fields(name, fields)
        ranges.append((begin, end))
        found[key] = _tensor(file, f"{name}:{printable(key)}", 8 + length + begin, end - begin, shape, kind)
    _check_cover(name, sorted(ranges), file.size - 8 - length)
    if not found:
        raise UnreadableFileError(f"{name} holds no tensors")
    return found


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


def _fields(name: str, fields: Any) -> tuple[int, int, tuple[int, ...], str]:
    """Byte range, shape and type of one tensor."""
    if not isinstance(fields, dict) or set(fields) != {"dtype", "shape", "data_offsets"}:
        raise _damaged(name, "a tensor is described in an unknown way")
    span, shape, kind = fields["data_offsets"], fields["shape"], fields["dtype"]
    if (
        not isinstance(span, list)
        or len(span) != 2
        or not isinstance(shape, list)
        or not isinstance(kind, str)
    ):
        raise _damaged(name, "a tensor is described in an unknown way")
    begin, end = check_shape(name, span)
    if end < begin:
        raise _damaged(name, "a tensor ends before it begins")
    return begin, end, check_shape(name, shape), kind


def _tensor(
    file: StoredFile, title: str, start: int, nbytes: int, shape: tuple[int, ...], kind: str
) -> ArraySource:
    """One tensor; a type we do not know is listed, but refuses to be read."""
    if kind in _PLAIN:
        dtype = np.dtype(_PLAIN[kind])
    elif kind in _NARROW:
        dtype = narrow_dtype(_NARROW[kind])
    else:
        return RefusedSource(name=title, reason=f"its numbers have type {kind[:20]!r}")
    if math.prod(shape) * dtype.itemsize != nbytes:
        raise _damaged(title, f"shape {shape} of {kind} does not take {nbytes} bytes")
    return StoredArray(
        name=title, file=file, offset=start, stored=dtype, shape=shape, strides=contiguous_strides(shape)
    )


def _check_cover(name: str, ranges: list[tuple[int, int]], size: int) -> None:
    """Ranges must follow one another from the first byte to the last."""
    at = 0
    for begin, end in ranges:
        if begin != at:
            raise _damaged(name, "its tensors overlap or leave holes")
        at = end
    if at != size:
        raise _damaged(name, f"its tensors take {at} bytes, but {size} follow the header")


def _damaged(name: str, fact: str) -> UnreadableFileError:
    """Name the file and what is wrong with it."""
    return UnreadableFileError(f"{name} is a damaged or hostile safetensors file: {fact}; save it again")
