"""Reading saved features, labels and classifiers from files that need not be trusted.

One module a format; a file is opened by what it contains, never by its name.  Everything is read in row
blocks (:class:`~sphereufm.features.readers.source.ArraySource`); nothing a file names is ever called.

In: paths and keys.  Out: sources of arrays.
Calls the ground only; ``features`` calls it.
"""

from __future__ import annotations

import glob
import os
from pathlib import Path

from sphereufm.features.readers.isolated.parent import Format, open_isolated
from sphereufm.features.readers.keys import Role, choose_key, feature_columns
from sphereufm.features.readers.limits import refused
from sphereufm.features.readers.pickle.torch_files import LEGACY_MAGIC, open_torch_legacy, open_torch_zip
from sphereufm.features.readers.plain.npy import open_npy, open_npz
from sphereufm.features.readers.plain.safetensors_files import open_safetensors
from sphereufm.features.readers.plain.text import looks_like_text, open_text
from sphereufm.features.readers.plain.zips import read_zip_directory
from sphereufm.features.readers.shards import is_data_name, is_pattern, open_shards
from sphereufm.features.readers.source import ArraySource, usable
from sphereufm.features.readers.stored import StoredFile
from sphereufm.features.readers.views import matrix

_MAGIC_BYTES = 32
_MAX_SCHEMA = 2**24
_TABLES: dict[bytes, Format] = {b"PAR1": "parquet", b"ARROW1\0\0": "feather", b"\xff\xff\xff\xff": "stream"}
_NOT_READ = {
    b"\x80": "it is a pickle, which is never loaded; save plain arrays, for example with numpy.savez",
    b"FEA1": "it is a Feather file of the first version; write it again with a recent pyarrow",
}
_UNKNOWN = "it is of unknown kind; known are npy, npz, pt, safetensors, HDF5, Parquet, Feather, Arrow and CSV in UTF-8"
_HDF5 = b"\x89HDF\r\n\x1a\n"


def open_arrays(path: str | os.PathLike[str]) -> dict[str, ArraySource]:
    """Return all arrays that a file offers, by key, without loading any.

    ``path``: a file of NumPy, torch, safetensors, HDF5, Parquet, Feather, Arrow streams or CSV, or a directory or glob
    pattern of such files; the content decides, not the name.  A file of one array has the key ``"array"``.  Entries
    that are refused (pickled objects) are listed, and raise when they are read.  Raises UnreadableFileError if the file
    is missing, damaged, of unknown kind, or refused for safety; MissingExtraError if the format needs a library of the
    extra ``features`` that is not installed.
    """
    place = os.fsdecode(path)
    if os.path.isdir(place) or is_pattern(place):
        return open_shards(place, _open_file)
    return _open_file(StoredFile.at(place))


def open_array(spec: str | os.PathLike[str], role: Role = "features") -> ArraySource:
    """Return the array that ``spec`` names, or that plays ``role`` by convention.

    ``spec``: ``"FILE"`` or ``"FILE:KEY"``; ``role``, one of "features", "labels", "classifier", "bias": what
    it is for.  Raises UnreadableFileError as for :func:`open_arrays`, or if the array itself is refused;
    InvalidInputError if the key is not there, or no array or several fit the role.
    """
    path, key = split_spec(spec)
    arrays = open_arrays(path)
    return usable(arrays[choose_key(arrays, role, key)])


def split_spec(spec: str | os.PathLike[str]) -> tuple[str, str | None]:
    """Split ``"FILE:KEY"`` at the last colon that leaves an existing path; a path object has no key."""
    text = os.fsdecode(spec)
    if isinstance(spec, os.PathLike) or is_path(text):
        return text, None
    cuts = [i for i, letter in enumerate(text) if letter == ":" and 0 < i < len(text) - 1]
    for cut in reversed(cuts):
        if os.path.isfile(text[:cut]) or (is_path(text[:cut]) and not is_data_name(text)):
            return text[:cut], text[cut + 1 :]
    # Nothing exists: the message about the missing file should not show the key, but all of a path with a colon.
    return (text, None) if not cuts or is_data_name(text) else (text[: cuts[-1]], text[cuts[-1] + 1 :])


def is_path(path: str) -> bool:
    """Whether a path, or a glob pattern, names something."""
    try:
        return Path(path).exists() or (glob.has_magic(path) and next(glob.iglob(path), None) is not None)
    except (OSError, ValueError):
        return False


def _open_file(file: StoredFile) -> dict[str, ArraySource]:
    """Choose the reader by the first bytes."""
    name, magic = file.name, file.read_at(0, _MAGIC_BYTES)
    form = next((form for start, form in _TABLES.items() if magic.startswith(start)), None)
    if form and (form != "stream" or 0 < int.from_bytes(magic[4:8], "little") < _MAX_SCHEMA):
        return _table(name, open_isolated(file, form))
    if magic.startswith(b"\x93NUMPY"):
        return {"array": open_npy(file, name)}
    if magic.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        members = read_zip_directory(file)
        is_torch = any(f"/{member}".endswith("/data.pkl") for member in members)
        return open_torch_zip(file, members) if is_torch else open_npz(name, members)
    if magic.startswith(b"\x80") and LEGACY_MAGIC in magic:
        return open_torch_legacy(file)
    if magic[8:9] == b"{" and int.from_bytes(magic[:8], "little") < 2**40:  # a length and a brace
        return open_safetensors(file)
    # the signature may stand behind a block of the user's
    if any(file.read_at(at, 8) == _HDF5 for at in (0, *(2**n for n in range(9, 20))) if at < file.size):
        return open_isolated(file, "hdf5")
    if looks_like_text(file):
        return _table(name, open_text(file))
    seen = next((text for start, text in _NOT_READ.items() if magic.startswith(start)), _UNKNOWN)
    raise refused(name, seen if magic else "it is empty; give a file of saved arrays")


def _table(name: str, arrays: dict[str, ArraySource]) -> dict[str, ArraySource]:
    """The columns of a table, and ``"columns"``, the matrix of those that are features."""
    chosen = feature_columns(arrays)
    if len(chosen) < 2 or "columns" in arrays:
        return arrays
    return {**arrays, "columns": matrix(f"{name}:columns", chosen, arrays)}
