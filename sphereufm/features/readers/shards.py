"""Directories and patterns of files that hold one data set in pieces.

Files are taken in natural order (``part-2`` before ``part-10``).  Arrays are joined by their keys; an array
without a key (``.npy``, a bare tensor) goes by its file's name without the running number: ``feats_000.npy
feats_001.npy`` give ``feats``.  A missing number, or a shard without one of the arrays, is an error: rows would slip
against labels.  So is one array in files of different names: two data sets are never silently joined.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable
from pathlib import Path

from sphereufm.features.readers.limits import MAX_ENTRIES, printable, refused
from sphereufm.features.readers.source import ArraySource, RefusedSource, joined
from sphereufm.features.readers.stored import StoredFile, not_opened
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


def is_data_name(path: str | os.PathLike[str]) -> bool:
    """Whether a name ends as those of data files do, and is not hidden: systems keep notes beside files so."""
    name = os.path.basename(path)
    return os.path.splitext(name)[1].lower() in _SUFFIXES and not name.startswith(".")


def is_pattern(path: str) -> bool:
    """Whether a path is a glob pattern, and no existing file."""
    return glob.has_magic(path) and not os.path.lexists(path)


def open_shards(
    path: str, open_file: Callable[[StoredFile], dict[str, ArraySource]]
) -> dict[str, ArraySource]:
    """Return the arrays of all files of a directory, or of those that fit a pattern, joined by rows."""
    title = printable(os.path.basename(path.rstrip("/\\")) or path)
    grouped: dict[str, list[tuple[str, ArraySource]]] = {}
    keyed: set[frozenset[str]] = set()
    for where in _files(path):
        arrays = open_file(_within(where, path))
        bare = set(arrays) == {"array"}
        if not bare:
            keyed.add(frozenset(arrays))
        for key, array in arrays.items():
            grouped.setdefault(_shard(where.name)[0] if bare else key, []).append((where.name, array))
    if len(keyed) > 1:
        raise refused(title, "its files hold different arrays; name one file, or a pattern")
    return {key: _join(f"{title}:{printable(key)}", parts) for key, parts in grouped.items()}


def _files(path: str) -> list[Path]:
    """The data files, in natural order."""
    try:
        wanted = None if is_pattern(path) else is_data_name
        places = map(Path, glob.iglob(path)) if wanted is None else Path(path).iterdir()
        chosen = [place for place in filter(wanted, places) if os.path.isfile(place)]
    except OSError as error:
        raise not_opened(path, error) from error
    if not chosen or len(chosen) > MAX_ENTRIES:
        raise refused(f"path={path!r}", f"it holds {len(chosen)} data files; give one or a folder of them")
    return sorted(chosen, key=lambda p: natural(p.name))


def natural(name: str) -> list[tuple[int, str]]:
    """Sorting key by which ``part-9`` comes before ``part-10``."""
    words = filter(None, re.split(r"([0-9]+)", name))
    return [(int(word), "") if word.isdecimal() else (-1, word) for word in words]


def _within(where: Path, path: str) -> StoredFile:
    """A file of the directory; a link that leads out of it is refused."""
    folder = Path(os.path.realpath(where.parent))
    if where.is_symlink() and folder not in Path(os.path.realpath(where)).parents:
        place = printable(f"{where.name} in {os.path.basename(path) or path}")
        raise refused(place, "it is a link to another folder; name that folder instead")
    return StoredFile.at(where)


def _shard(name: str) -> tuple[str, int | None, int | None]:
    """Name, running number and total of a shard, where it has them."""
    stem = Path(name).stem
    match = _SPARK.match(stem) or _NUMBER.match(stem)
    if match is None:
        return stem, None, None
    words, number, total = match.groups()
    return words or "array", int(number), int(total) if total else None


def _check_complete(title: str, names: list[str]) -> None:
    """The files of one array must have one name and all numbers between the first and the last."""
    if len(names) == 1:
        return
    shards = [_shard(name) for name in names]
    stems = sorted({stem for stem, _, _ in shards})
    numbers = {number for _, number, _ in shards if number is not None}
    if stems[0].lower().endswith(_SERIES):
        seem = f"its files look like epochs of one training ({printable(names[0])}, ...), not like shards"
        raise refused(title, f"{seem}; name one")
    if len(stems) > 1 or any(number is None for _, number, _ in shards):
        raise refused(title, f"it lies in files of different names {stems[:4]}; name one, or a pattern")
    top = min(max(numbers), min(numbers) + MAX_ENTRIES)
    missing = sorted(set(range(min(numbers), top)) - numbers)[:3]
    totals = {total for _, _, total in shards if total} or {len(names)}
    if missing or len(numbers) != len(names) or totals != {len(names)}:
        fact = f"the numbers of its {len(names)} shards say that some are missing: {missing or totals}"
        raise refused(title, f"{fact}; put them there, or name the files with a pattern")


def _join(title: str, named: list[tuple[str, ArraySource]]) -> ArraySource:
    """One array of all shards."""
    _check_complete(title, [name for name, _ in named])
    parts = [part for _, part in named]
    closed = [part for part in parts if isinstance(part, RefusedSource)]
    if closed or len(parts) == 1:
        return [*closed, *parts][0]
    if not all(part.shape for part in parts):
        return RefusedSource(name=title, reason="it has no rows to join over the shards")
    return joined(f"{title} ({counted(len(parts), 'file')})", tuple(parts))
