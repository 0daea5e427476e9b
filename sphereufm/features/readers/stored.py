"""A file that was identified when it was first opened, and exact reading from it."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from sphereufm.errors import UnreadableFileError
from sphereufm.features.readers.limits import check_expansion, printable


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """A regular file, and what identified it when it was first opened."""

    path: Path
    size: int
    stamp: tuple[int, int, int]

    @classmethod
    def at(cls, path: str | os.PathLike[str]) -> StoredFile:
        """Identify the file at ``path``."""
        where = Path(path)
        try:
            status = os.stat(where)
        except (OSError, ValueError) as error:
            raise UnreadableFileError(
                f"path={str(where)!r} cannot be opened: {_reason(error)}; give a saved file"
            ) from error
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableFileError(f"path={str(where)!r} is not a regular file; give a saved file")
        used = getattr(status, "st_blocks", 0) * 512
        if used:
            check_expansion(f"{printable(where.name)} (a file with holes)", status.st_size, used)
        stamp = (status.st_dev, status.st_ino, status.st_mtime_ns)
        return cls(path=where, size=status.st_size, stamp=stamp)

    @property
    def name(self) -> str:
        """The file's name, for messages."""
        return printable(self.path.name)

    def open(self) -> BinaryIO:
        """Open the file for reading."""
        try:
            handle = open(self.path, "rb", buffering=0)  # noqa: SIM115  (the caller closes it)
        except OSError as error:
            raise UnreadableFileError(
                f"path={str(self.path)!r} cannot be opened: {_reason(error)}"
            ) from error
        status = os.fstat(handle.fileno())
        if (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size) != (*self.stamp, self.size):
            handle.close()
            raise UnreadableFileError(f"{self.name} changed while it was read; read a finished file")
        return handle

    def read_at(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes from ``offset``, fewer at the end of the file."""
        with self.open() as handle:
            handle.seek(offset)
            content = bytearray(min(size, max(self.size - offset, 0)))
            read_exactly(handle, memoryview(content), self.name)
        return bytes(content)


def read_exactly(handle: Any, view: memoryview, name: str) -> None:
    """Fill ``view`` by the ``readinto`` of ``handle``."""
    done = 0
    while done < len(view):
        try:
            count = handle.readinto(view[done:])
        except OSError as error:
            raise UnreadableFileError(f"{name} cannot be read: {_reason(error)}") from error
        if not count:
            raise UnreadableFileError(f"{name} ends {len(view) - done} bytes early; the file is truncated")
        done += count


def _reason(error: Exception) -> str:
    """The system's words for an error, without the path again."""
    return getattr(error, "strerror", None) or str(error)
