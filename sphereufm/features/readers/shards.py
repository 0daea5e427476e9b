"""Directories and patterns of files that hold one data set in pieces.

Files are taken in natural order (``part-2`` before ``part-10``).  Arrays are joined by their keys; an array
without a key (``.npy``, a bare tensor) goes by its file's name without the running number, so that
``feats_000.npy feats_001.npy labels_000.npy labels_001.npy`` gives ``feats`` and ``labels``.  A missing
number, or a shard without one of the arrays, is an error: rows would slip against labels.  So is one array in
files of different names (``train_0.npz``, ``test_0.npz``): two data sets are never silently joined.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable
from pathlib import Path

from sphereufm.errors import UnreadableFileError
from sphereufm.features.readers.limits import MAX_ENTRIES, printable
from sphereufm.features.readers.source import ArraySource, JoinedSource, RefusedSource
from sphereufm.features.readers.stored import StoredFile
from sphereufm.notebook import counted

_SUFFIXES = (
    *(".npy", ".npz", ".safetensors", ".h5", ".hdf5", ".hdf", ".parquet", ".pq", ".feather", ".arrow"),
    *(".pt", ".pth", ".bin", ".ckpt"),
)
_SERIES = ("epoch", "ep", "step", "iter", "iteration", "checkpoint", "ckpt")
_NUMBER = re.compile(r"^(.*?)[-_. ]*(\d+)(?:[-_]of[-_](\d+))?$")
# as Spark names its parts: number, a transaction, one identifier for the whole job, an attempt, a codec
_SPARK = re.compile(
    r"^(part)(?:-[rm])?-(\d+)(?:-tid-\d+)?-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?:-\d+-\d+)?(?:[-.]c\d+)?(?:\.\w+)?()$"
)

Opener = Callable[[StoredFile], dict[str, ArraySource]]


def is_data_name(path: str | os.PathLike[str]) -> bool:
    """Whether a name ends as those of data files do."""
    return os.path.splitext(path)[1].lower() in _SUFFIXES


def is_pattern(path: str) -> bool:
    """Whether a path is a glob pattern, and no existing file."""
    return glob.has_magic(path) and not os.path.lexists(path)


def open_shards(path: str, open_file: Opener) -> dict[str, ArraySource]:
    """Return the arrays of all files of a directory, or of those that fit a pattern, joined by rows."""
    title = os.path.basename(path.rstrip("/\\")) or path
    grouped: dict[str, list[tuple[str, ArraySource]]] = {}
    keyed: set[frozenset[str]] = set()
    for where in _files(path):
        arrays = open_file(_within(where, path))
        bare = set(arrays) == {"array"}
        if not bare:
            keyed.add(frozenset(arrays))
        for key, array in arrays.items():
            grouped.setdefault(_stem(where.name) if bare else key, []).append((where.name, array))
    if len(keyed) > 1:
        raise UnreadableFileError(f"{title}: its files hold different arrays; name one file, or a pattern")
    for key, parts in grouped.items():
        _check_complete(f"{title}:{printable(key)}", [name for name, _ in parts])
    return {key: _join(f"{title}:{printable(key)}", parts) for key, parts in grouped.items()}


def _files(path: str) -> list[Path]:
    """The data files, in natural order."""
    places = map(Path, glob.iglob(path)) if is_pattern(path) else filter(is_data_name, Path(path).iterdir())
    chosen = [place for place in places if place.is_file()]
    if not chosen or len(chosen) > MAX_ENTRIES:
        raise UnreadableFileError(
            f"path={path!r} holds {len(chosen)} data files; give a file or a folder of files"
        )
    return sorted(chosen, key=lambda p: natural(p.name))


def natural(name: str) -> list[tuple[int, str]]:
    """Sorting key by which ``part-9`` comes before ``part-10``."""
    words = filter(None, re.split(r"([0-9]+)", name))
    return [(int(word), "") if word.isdecimal() else (-1, word) for word in words]


def _within(where: Path, path: str) -> StoredFile:
    """A file of the directory; a link that leads out of it is refused."""
    folder = Path(os.path.realpath(where.parent))
    if where.is_symlink() and folder not in Path(os.path.realpath(where)).parents:
        raise UnreadableFileError(
            f"{where.name} in {os.path.basename(path) or path} is a link to another folder; name that folder instead"
        )
    return StoredFile.at(where)


def _stem(name: str) -> str:
    """The name of a file without suffix and running number."""
    match = _numbered(name)
    return (match.group(1) if match else Path(name).stem) or "array"


def _numbered(name: str) -> re.Match[str] | None:
    """Name, running number and total of a shard, where it has a number."""
    stem = Path(name).stem
    return _SPARK.match(stem) or _NUMBER.match(stem)


def _check_complete(title: str, names: list[str]) -> None:
    """The files of one array must have one name and all numbers between the first and the last."""
    if len(names) == 1:
        return
    stems = sorted({_stem(name) for name in names})
    matches = [match for name in names if (match := _numbered(name))]
    if stems[0].lower().endswith(_SERIES):
        raise UnreadableFileError(
            f"{title} lies in files that look like epochs of one training ({names[0]}, ...), not like shards; name one"
        )
    if len(stems) > 1 or len(matches) != len(names):
        raise UnreadableFileError(
            f"{title} lies in files of different names {stems[:4]}; name one, or a pattern"
        )
    numbers = {int(match.group(2)) for match in matches}
    missing = sorted(set(range(min(numbers), min(max(numbers), min(numbers) + MAX_ENTRIES))) - numbers)[:3]
    totals = {int(match.group(3)) for match in matches if match.group(3)} or {len(names)}
    if missing or len(numbers) != len(names) or totals != {len(names)}:
        raise UnreadableFileError(
            f"{title} has {len(names)} shards, but their numbers say that some are missing: {missing or totals}; "
            "put them there, or name the files with a pattern"
        )


def _join(title: str, parts: list[tuple[str, ArraySource]]) -> ArraySource:
    """One array of all shards."""
    refused = [part for _, part in parts if isinstance(part, RefusedSource)]
    if refused or len(parts) == 1:
        return refused[0] if refused else parts[0][1]
    if any(not part.shape for _, part in parts):
        return RefusedSource(name=title, reason="it has no rows to join over the shards")
    return JoinedSource.of(f"{title} ({counted(len(parts), 'file')})", tuple(part for _, part in parts))
