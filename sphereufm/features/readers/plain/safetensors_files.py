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
from dataclasses import replace
from typing import Any

from sphereufm.features.readers.limits import MAX_ENTRIES, check_counts, check_shape, printable, refused
from sphereufm.features.readers.source import ArraySource, RefusedSource
from sphereufm.features.readers.stored import StoredArray, StoredFile, contiguous_strides, stored_dtype

_MAX_HEADER = 2**22  # four megabytes hold some thirty thousand tensors; the format itself allows a hundred
_TYPES = {
    **{f"{kind[0].upper()}{8 * size}": f"{kind}{size}" for size in (1, 2, 4, 8) for kind in "ui"},
    **{"BOOL": "bool", "F16": "float16", "F32": "float32", "F64": "float64", "C64": "complex64"},
    **{"BF16": "bfloat16", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2"},
    **{"F8_E8M0": "float8_e8m0fnu", "F8_E4M3FNUZ": "float8_e4m3fnuz", "F8_E5M2FNUZ": "float8_e5m2fnuz"},
}


def open_safetensors(file: StoredFile) -> dict[str, ArraySource]:
    """Return the tensors of a safetensors file by name."""
    name = file.name
    (length,) = struct.unpack("<Q", file.read_at(0, 8))
    if length > _MAX_HEADER or 8 + length > file.size:
        raise refused(name, f"its header claims {length} bytes")
    header = _parse(name, file.read_at(8, length))
    header.pop("__metadata__", None)
    if not header or len(header) > MAX_ENTRIES:
        raise refused(name, "it has no tensors, or too many")
    numbers = replace(file, start=8 + length, size=file.size - 8 - length)
    spans, found = [], {}
    for key, fields in header.items():
        span, found[key] = _tensor(numbers, f"{name}:{printable(key)}", fields)
        spans.append(span)
    begins, ends = zip(*sorted(spans), strict=True)
    if (*begins, numbers.size) != (0, *ends) or list(ends) != sorted(ends):
        raise refused(name, f"its tensors overlap, or do not fill the {numbers.size} bytes behind the header")
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
        raise refused(name, "its header is no valid JSON") from error
    if not isinstance(header, dict):
        raise refused(name, "its header is no JSON object")
    return header


def _tensor(numbers: StoredFile, title: str, fields: Any) -> tuple[tuple[int, ...], ArraySource]:
    """Byte range and source of one tensor; a type we do not know is listed, but refuses to be read."""
    if not isinstance(fields, dict) or set(fields) != {"dtype", "shape", "data_offsets"}:
        raise refused(title, "it is described in an unknown way")
    kind, lengths, ends = str(fields["dtype"]), fields["shape"], fields["data_offsets"]
    if not isinstance(lengths, list) or not isinstance(ends, list) or len(ends) != 2:
        raise refused(title, "it is described in an unknown way")
    span, shape = check_counts(title, ends), check_shape(title, lengths)
    if kind not in _TYPES:
        return span, RefusedSource(name=title, reason=f"its numbers have type {kind[:20]!r}")
    stored, strides = stored_dtype(_TYPES[kind]), contiguous_strides(shape)
    if math.prod(shape) * stored.itemsize != span[1] - span[0]:
        raise refused(title, f"shape {shape} of {kind} does not take {span[1] - span[0]} bytes")
    array = StoredArray(name=title, file=numbers, offset=span[0], stored=stored, shape=shape, strides=strides)
    return span, array
