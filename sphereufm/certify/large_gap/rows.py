"""Arrays that belong to a certificate: ``.npy`` files named by SHA-256, read in blocks and hashed on the way.

Standard library and numpy only; nothing is unpickled, and what was hashed is what was used.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

# classes and dimensions: a block of rows and a matrix of classes stay below some gigabytes, whatever a header says
LARGEST_SIDE = 1 << 14
_LARGEST_HEADER = 4096
# a pipe to which nobody writes must not keep us waiting
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_HEADER = re.compile(
    r"\{ *'descr': *'(?P<dtype>[<>][fiu][248]|[|][iu]1)', *'fortran_order': *(?P<fortran>True|False), *"
    r"'shape': *\((?P<shape>(?:[0-9]{1,15}, *)*(?:[0-9]{1,15})?)\) *,? *\} *\n?"
)


class ArrayFileError(ValueError):
    """An array cannot be read as its certificate says."""


@dataclass(eq=False)
class HashedRows:
    """A ``.npy`` file whose rows are hashed while they are read.

    ``digest``: SHA-256, once all rows have been read.  Raises ArrayFileError if the file is missing, no such
    array, or shorter or longer than its header says.
    """

    folder: Path
    key: str  #: what the array is, for messages
    name: str  #: plain name of a file in the folder
    expected: str | None  #: SHA-256 of the whole file; None accepts any, for the one who writes a certificate
    digest: str = field(default="", init=False)

    def __post_init__(self) -> None:
        plain = self.name.isprintable() and len(self.name) < 256 and Path(self.name).name == self.name
        if not self.name or not plain or self.name.startswith("."):
            raise ArrayFileError(
                f"{self.key}: file={self.name[:80]!r} must be the plain name of a file beside the certificate"
            )
        with self._open() as file:
            self.shape, self.dtype = _npy_header(file, self.key)
            self._start = file.tell()
            size = os.fstat(file.fileno()).st_size - self._start
        self.ndim = len(self.shape)
        if size != math.prod(self.shape) * self.dtype.itemsize:
            raise ArrayFileError(
                f"{self.name} has {size} bytes of data, but its header says {self.shape} of {self.dtype}"
            )

    def whole(self) -> NDArray[Any]:
        """All rows; floats as float64."""
        parts = [part for _, part in self.blocks(1 << 20)]
        return np.concatenate(parts)

    def blocks(self, size: int) -> Iterator[tuple[int, NDArray[Any]]]:
        """Rows in blocks with the number of the first; at the end the hash is compared."""
        width = math.prod(self.shape[1:])
        digest = hashlib.sha256()
        with self._open() as file:
            head = file.read(self._start)
            digest.update(head)
            # the rows are read by the header that is hashed, though the file may have been exchanged
            if _npy_header(io.BytesIO(head), self.key) != (self.shape, self.dtype):
                raise ArrayFileError(f"{self.name} was changed while it was read")
            for first in range(0, self.shape[0], size):
                count = min(size, self.shape[0] - first)
                raw = file.read(count * width * self.dtype.itemsize)
                digest.update(raw)
                block = np.frombuffer(raw, dtype=self.dtype)
                if block.size != count * width:
                    raise ArrayFileError(f"{self.name} is shorter than its header says")
                if self.dtype.kind == "f":
                    block = block.astype(np.float64)
                    if not np.isfinite(block).all():
                        raise ArrayFileError(f"{self.name} holds NaN or infinite entries")
                yield first, block.reshape(count, *self.shape[1:])
            if file.read(1):
                raise ArrayFileError(f"{self.name} is longer than its header says")
        self.digest = digest.hexdigest()
        if self.expected is not None and self.expected != self.digest:
            raise ArrayFileError(f"{self.name} differs from its SHA-256")

    def _open(self) -> BinaryIO:
        """Open the file, which must be a regular one."""
        try:
            file = os.fdopen(os.open(self.folder / self.name, _FLAGS), "rb")
        except OSError as error:
            raise ArrayFileError(f"{self.name} cannot be read: {error.strerror}") from None
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            file.close()
            raise ArrayFileError(f"{self.name} cannot be read: not a regular file")
        return file


def _npy_header(file: BinaryIO, key: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of a ``.npy`` file in C order; a header is matched, never evaluated."""
    start = file.read(8)
    digits = {b"\x93NUMPY\x01\x00": 2, b"\x93NUMPY\x02\x00": 4}.get(start)
    if digits is None:
        raise ArrayFileError(f"{key} is no .npy file of version 1 or 2")
    size = int.from_bytes(file.read(digits), "little")
    text = file.read(min(size, _LARGEST_HEADER)).decode("latin-1")
    match = _HEADER.fullmatch(text) if len(text) == size else None
    if match is None:
        raise ArrayFileError(f"{key} must be float16, float32, float64 or integers, with a plain .npy header")
    shape = tuple(int(n) for n in re.findall("[0-9]+", match["shape"]))
    dtype = np.dtype(match["dtype"])
    if match["fortran"] == "True" and len(shape) > 1:
        raise ArrayFileError(f"{key} must be in C order; numpy.ascontiguousarray makes it so")
    if len(shape) == 2 and shape[1] > LARGEST_SIDE:
        raise ArrayFileError(f"{key} has {shape[1]} columns, but at most {LARGEST_SIDE} are read")
    return shape, dtype
