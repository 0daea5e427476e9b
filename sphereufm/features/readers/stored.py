"""Bytes on the disk, and arrays in them, as they are or deflated in an archive: read by offset, shape and strides.

An element with index ``i`` lies at ``offset + itemsize * sum_a i_a * strides_a``.  Blocks are filled by ``readinto``,
not by mapping: mapped pages would count as resident memory, and a file that shrinks under a map kills the process.
Strided views (slices and transposes of a larger storage) are read in spans; one that holds much more than the wanted
elements is halved along its longest axis.  Deflated rows that follow one another stream through a bounded decompressor;
any other order needs the whole entry in memory, within the limits for that.

bfloat16 and the float8 family, which numpy lacks, are stored as they are (through ml_dtypes) and delivered as float32,
which holds each of them exactly.
"""

from __future__ import annotations

import io
import math
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from sphereufm.errors import MissingExtraError, SphereUFMError, UnreadableFileError, check_integer
from sphereufm.features.readers.limits import WHOLE_EXPANSION, check_expansion, printable, refused
from sphereufm.features.readers.source import AnyArray

_PIECE = 2**20
_FLOAT8 = ("e4m3fn", "e4m3fnuz", "e5m2", "e5m2fnuz", "e8m0fnu")
NARROW_FLOATS = {"bfloat16": 2, **{f"float8_{form}": 1 for form in _FLOAT8}}
"""Their bytes; the names are the same in torch and in ml_dtypes."""

_SPAN_BYTES = 2**16  # spans up to this size are read whole, whatever share of them is wanted


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """A regular file and what identified it when it was first opened, or a run of its bytes."""

    path: Path
    stamp: tuple[int, ...]  #: device, inode, time of change and size of the file
    size: int
    start: int = 0
    #: The member of an archive that is unpacked while it is read; it allows one byte more, to notice a longer stream.
    deflated: zipfile.ZipInfo | None = None

    @classmethod
    def at(cls, path: str | os.PathLike[str]) -> StoredFile:
        """Identify the file at ``path``."""
        where = Path(path)
        try:
            status = os.stat(where)
        except (OSError, ValueError) as error:
            raise not_opened(where, error) from error
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableFileError(f"path={str(where)!r} is not a regular file; give a saved file")
        used = getattr(status, "st_blocks", 0) * 512
        if used:
            check_expansion(f"{printable(where.name)} (a file with holes)", status.st_size, used)
        return cls(path=where, size=status.st_size, stamp=_stamp(status))

    @property
    def name(self) -> str:
        """The file's name, for messages."""
        return printable(self.path.name)

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open for reading from the first byte; whatever fails meanwhile is one error."""
        try:
            packed = self.deflated
            if packed:
                check_expansion(self.name, self.size, packed.compress_size)
            with open(self.path, "rb", buffering=0) as handle:
                if _stamp(os.fstat(handle.fileno())) != self.stamp:
                    raise refused(self.name, "it changed while it was read; read a finished file")
                handle.seek(self.start)
                yield zipfile.ZipExtFile(handle, "r", packed) if packed else handle  # type: ignore[misc]
        except SphereUFMError:
            raise
        except PermissionError as error:
            raise not_opened(self.path, error) from error
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
            raise refused(self.name, words_of(error)) from error

    def read_at(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes from ``offset``, fewer at the end."""
        content = bytearray(min(size, max(self.size - offset, 0)))
        with self.open() as handle:
            handle.seek(offset, os.SEEK_CUR)
            read_exactly(handle, memoryview(content), self.name)
            if offset + size >= self.size:
                self.check_end(handle)
        return bytes(content)

    def check_end(self, handle: BinaryIO) -> None:
        """Read a deflated member to its end, where its size and checksum must be those of the directory."""
        if self.deflated and handle.seek(0, os.SEEK_END) != self.size:
            raise zipfile.BadZipFile("an entry of the archive is longer than it claims")


def not_opened(path: str | Path, error: Exception) -> UnreadableFileError:
    """The error for a path that the system does not open."""
    return UnreadableFileError(f"path={str(path)!r} cannot be opened: {words_of(error)}; give a saved file")


def read_exactly(handle: Any, view: memoryview, name: str) -> None:
    """Fill ``view`` by the ``readinto`` of ``handle``."""
    done = 0
    while done < len(view):
        count = handle.readinto(view[done : done + _PIECE])
        if not count:
            raise refused(name, f"it is truncated, and ends {len(view) - done} bytes early")
        done += count


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    """What tells a file from another, and from itself before a change."""
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size


def words_of(error: Exception) -> str:
    """The words of the system or of a library for an error, without the path again."""
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).splitlines()[0][:200]


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class StoredArray:
    """An array inside a file or a member of an archive.

    ``shape`` and ``strides`` are lengths and steps in elements; steps are nonnegative.  The caller has checked that all
    elements lie inside the file.
    """

    name: str  #: for messages: ``"file.npz:feats"``
    file: StoredFile  #: where it lies
    offset: int = 0  #: first byte of element ``(0, ..., 0)``
    stored: np.dtype[Any]  #: type on the disk, any byte order, or one of ml_dtypes
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    negate: bool = False  #: lazy sign and conjugation, as torch saves them
    conjugate: bool = False

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the blocks."""
        return delivered_dtype(self.stored)

    def blocks(self, rows: int) -> Iterator[AnyArray]:
        """Row blocks, read one at a time."""
        step = check_integer("rows", rows, 1)
        if not self.shape:
            yield self.read()
            return
        buffer = np.empty((min(step, self.shape[0]), *self.shape[1:]), self.stored)
        with self._opened() as handle:
            first, pace = handle.tell() + self.offset, self.strides[0] * self.stored.itemsize
            for start in range(0, self.shape[0], step):
                part = buffer[: self.shape[0] - start]
                self._fill(handle, first + start * pace, part)
                yield self._delivered(part)

    def read(self) -> AnyArray:
        """Return the whole array; a deflated one if its entry is in proportion to its compressed size."""
        with self._opened(whole=True) as handle:
            part = np.empty(self.shape, self.stored)
            self._fill(handle, handle.tell() + self.offset, part)
        return self._delivered(part)

    @contextmanager
    def _opened(self, whole: bool = False) -> Iterator[BinaryIO]:
        """The file at its first byte; a deflated entry in memory where it cannot be read from front to back."""
        packed = self.file.deflated
        in_turn = packed is None or _is_contiguous(self.shape, self.strides)
        if packed is not None and (whole or not in_turn):
            check_expansion(self.name, self.file.size, packed.compress_size, WHOLE_EXPANSION)
        if not in_turn:
            yield io.BytesIO(self.file.read_at(0, self.file.size))
            return
        with self.file.open() as handle:
            yield handle
            self.file.check_end(handle)

    def _delivered(self, part: AnyArray) -> AnyArray:
        """Native numbers with their lazy signs."""
        native = np.conjugate(deliver(part)) if self.conjugate else deliver(part)
        return np.negative(native) if self.negate else native

    def _fill(self, handle: BinaryIO, offset: int, part: AnyArray) -> None:
        """Read the elements of ``part`` from a first byte and the strides."""
        itemsize = self.stored.itemsize
        span = 1 + sum((n - 1) * s for n, s in zip(part.shape, self.strides, strict=True))
        if part.size == 0:
            return
        if not part.flags.c_contiguous:
            own = np.empty(part.shape, part.dtype)
            self._fill(handle, offset, own)
            part[...] = own
        elif _is_contiguous(part.shape, self.strides):
            handle.seek(offset)
            read_exactly(handle, part.reshape(-1).view(np.uint8).data, self.name)
        elif span <= 2 * part.size or span * itemsize <= _SPAN_BYTES:
            raw = np.empty(span, self.stored)
            handle.seek(offset)
            read_exactly(handle, raw.view(np.uint8).data, self.name)
            steps = tuple(s * itemsize for s in self.strides)
            part[...] = np.lib.stride_tricks.as_strided(raw, part.shape, steps)
        else:
            axis = max(range(part.ndim), key=lambda a: (part.shape[a] - 1) * self.strides[a])
            half = part.shape[axis] // 2
            first, second = np.split(part, [half], axis=axis)
            self._fill(handle, offset, first)
            self._fill(handle, offset + half * self.strides[axis] * itemsize, second)


def contiguous_strides(shape: tuple[int, ...], fortran: bool = False) -> tuple[int, ...]:
    """Steps in elements of a packed array, last axis fastest (first axis for ``fortran``)."""
    return tuple(math.prod(shape[:a] if fortran else shape[a + 1 :]) for a in range(len(shape)))


def stored_dtype(name: str) -> np.dtype[Any]:
    """The type of a name that numpy, torch or ml_dtypes gives, in little-endian order."""
    if name not in NARROW_FLOATS:
        return np.dtype(name).newbyteorder("<")
    try:
        import ml_dtypes
    except ImportError as error:
        install = 'install it with pip install "sphereufm[features]"'
        raise MissingExtraError(f"{name} numbers need ml_dtypes; {install}") from error
    return np.dtype(getattr(ml_dtypes, name))


def delivered_dtype(stored: np.dtype[Any]) -> np.dtype[Any]:
    """The type in which stored numbers arrive: native byte order, narrow floats as float32."""
    return np.dtype(np.float32) if stored.name in NARROW_FLOATS else stored.newbyteorder("=")


def deliver(part: AnyArray) -> AnyArray:
    """Native numbers from stored ones; booleans become 0 or 1."""
    if part.dtype.kind == "b":
        return part.view(np.uint8) != 0
    return part.astype(delivered_dtype(part.dtype), copy=False)


def unit_roundoff(stored: np.dtype[Any]) -> float:
    """Half the distance from one to the next number of a type: what rounding changes a number by, relatively."""
    if stored.name in NARROW_FLOATS:
        import ml_dtypes

        return float(ml_dtypes.finfo(stored).eps) / 2.0  # type: ignore[no-untyped-call]
    return float(np.finfo(stored).eps) / 2.0 if stored.kind == "f" else 0.0


def _is_contiguous(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    """Whether the elements are packed in C order; axes of length 1 do not matter."""
    packed = contiguous_strides(shape)
    return all(n == 1 or s == p for n, s, p in zip(shape, strides, packed, strict=True))
