"""Arrays that belong to a certificate: ``.npy`` files named by SHA-256, read in blocks and hashed on the way.

Nothing is unpickled, and what was hashed is what was used.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from sphereufm.certify.checker.face import regular_file
from sphereufm.certify.checker.kernel import CheckError
from sphereufm.certify.checker.reading import refuse_if

# classes and dimensions: a block of rows and a matrix of classes stay below some gigabytes, whatever a header says
LARGEST_SIDE = 1 << 14
_LARGEST_HEADER = 4096
_HEADER = re.compile(
    r"\{ *'descr': *'(?P<dtype>[<>][fiu][248]|[|][iu]1)', *'fortran_order': *(?P<fortran>True|False), *"
    r"'shape': *\((?P<shape>(?:[0-9]{1,15}, *)*(?:[0-9]{1,15})?)\) *,? *\} *\n?"
)


@dataclass(eq=False)
class HashedRows:
    """A ``.npy`` file whose rows are hashed while they are read.

    ``digest``: SHA-256, once all rows have been read.  Raises CheckError if the file is missing, no such array, or
    shorter or longer than its header says.
    """

    folder: Path
    key: str  #: what the array is, for messages
    name: str  #: plain name of a file in the folder
    expected: str | None  #: SHA-256 of the whole file; None accepts any, for the one who writes a certificate
    digest: str = field(default="", init=False)

    def __post_init__(self) -> None:
        name = self.name if isinstance(self.name, str) else ""
        plain = name.isprintable() and len(name) < 256 and Path(name).name == name
        refuse_if(
            not name or not plain or name.startswith("."),
            f"{self.key}: file={str(self.name)[:80]!r} must be the plain name of a file beside the certificate",
        )
        with regular_file(self.folder / self.name, f"{self.name} ") as file:
            self.shape, self.dtype = _npy_header(file, self.key)
            self._start = file.tell()
            size = os.fstat(file.fileno()).st_size - self._start
        lies = size != math.prod(self.shape) * self.dtype.itemsize
        refuse_if(
            lies, f"{self.name} has {size} bytes of data, but its header says {self.shape} of {self.dtype}"
        )

    def whole(self) -> NDArray[Any]:
        """All rows; floats as float64."""
        return np.concatenate([part for _, part in self.blocks(1 << 20)])

    def blocks(self, size: int) -> Iterator[tuple[int, NDArray[Any]]]:
        """Rows in blocks with the number of the first; at the end the hash is compared."""
        with regular_file(self.folder / self.name, f"{self.name} ") as file:
            head = file.read(self._start)
            digest = hashlib.sha256(head)
            # the rows are read by the header that is hashed, though the file may have been exchanged
            known = _npy_header(io.BytesIO(head), self.key) == (self.shape, self.dtype)
            refuse_if(not known, f"{self.name} was changed while it was read")
            for first in range(0, self.shape[0], size):
                shape = (min(size, self.shape[0] - first), *self.shape[1:])
                raw = file.read(math.prod(shape) * self.dtype.itemsize)
                digest.update(raw)
                block = np.frombuffer(raw, dtype=self.dtype)
                refuse_if(block.size != math.prod(shape), f"{self.name} is shorter than its header says")
                if self.dtype.kind == "f":
                    block = block.astype(np.float64)
                    refuse_if(not np.isfinite(block).all(), f"{self.name} holds NaN or infinite entries")
                yield first, block.reshape(shape)
            refuse_if(file.read(1), f"{self.name} is longer than its header says")
        self.digest = digest.hexdigest()
        refuse_if(self.expected not in (None, self.digest), f"{self.name} differs from its SHA-256")


def _npy_header(file: BinaryIO, key: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of a ``.npy`` file in C order; a header is matched, never evaluated."""
    digits = {b"\x93NUMPY\x01\x00": 2, b"\x93NUMPY\x02\x00": 4}.get(file.read(8), 0)
    refuse_if(not digits, f"{key} is no .npy file of version 1 or 2")
    size = int.from_bytes(file.read(digits), "little")
    text = file.read(min(size, _LARGEST_HEADER)).decode("latin-1")
    match = _HEADER.fullmatch(text) if len(text) == size else None
    if match is None:
        raise CheckError(
            f"{key}: no plain .npy header of float16, float32 or float64 (labels: of integers) is there"
        )
    shape = tuple(int(n) for n in re.findall("[0-9]+", match["shape"]))
    rows = match["fortran"] == "False" or len(shape) < 2
    refuse_if(not rows, f"{key} must be in C order; numpy.ascontiguousarray makes it so")
    refuse_if(len(shape) == 2 and shape[1] > LARGEST_SIDE, f"{key} has more than {LARGEST_SIDE} columns")
    return shape, np.dtype(match["dtype"])
