"""Arrays that belong to a certificate: ``.npy`` files named by SHA-256, read in blocks and hashed on the way.

Standard library and numpy only; nothing is unpickled, and what was hashed is what was used.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

__all__ = ["ArrayFileError", "HashedRows"]


class ArrayFileError(ValueError):
    """An array cannot be read as its certificate says."""


@dataclass(eq=False)
class HashedRows:
    """A ``.npy`` file whose rows are hashed while they are read.

    Parameters
    ----------
    folder : Path
    key : str
        What the array is, for messages.
    name : str
        Plain name of a file in the folder.
    expected : str or None
        SHA-256 of the whole file; None accepts any, for the one who writes a certificate.

    Attributes
    ----------
    shape, dtype, ndim
    digest : str
        SHA-256, once all rows have been read.

    Raises
    ------
    ArrayFileError
        If the file is missing, no such array, or shorter or longer than its header says.
    """

    folder: Path
    key: str
    name: str
    expected: str | None
    digest: str = field(default="", init=False)

    def __post_init__(self) -> None:
        if not self.name or Path(self.name).name != self.name or self.name.startswith("."):
            raise ArrayFileError(
                f"{self.key}: file={self.name!r} must be the plain name of a file beside the certificate"
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
            digest.update(file.read(self._start))
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
        """Open the file."""
        try:
            return (self.folder / self.name).open("rb")
        except OSError as error:
            raise ArrayFileError(f"{self.name} cannot be read: {error.strerror}") from None


def _npy_header(file: BinaryIO, key: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of a ``.npy`` file in C order; no pickles."""
    try:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[
            version
        ]
        shape, fortran, dtype = read(file)
    except (ValueError, KeyError, EOFError):
        raise ArrayFileError(f"{key} is no .npy file of version 1 or 2") from None
    if any(n < 0 for n in shape):
        raise ArrayFileError(f"{key} has a negative dimension")
    if dtype.kind not in "fiu" or dtype.itemsize > 8 or (fortran and len(shape) > 1):
        raise ArrayFileError(f"{key} must be float16, float32, float64 or integers in C order")
    return tuple(shape), dtype
