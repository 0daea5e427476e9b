"""Arrays that lie deflated in an archive, decompressed once per pass.

Rows that follow one another in the entry stream through a bounded decompressor; any other order of the numbers (columns
first, slices of a larger storage) needs the whole entry in memory, within the limits for that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from sphereufm.errors import UnreadableFileError, check_integer
from sphereufm.features.readers.limits import WHOLE_EXPANSION, check_expansion
from sphereufm.features.readers.plain.narrow import delivered_dtype
from sphereufm.features.readers.plain.zips import ZipEntry, inflate
from sphereufm.features.readers.source import AnyArray
from sphereufm.features.readers.stored import StoredFile, deliver, is_contiguous


@dataclass(frozen=True, kw_only=True, eq=False)
class DeflatedArray:
    """A compressed array of an archive."""

    name: str
    file: StoredFile
    entry: ZipEntry  #: holds the numbers, perhaps with a header before them and others behind
    offset: int  #: first byte of element ``(0, ..., 0)`` in the entry
    stored: np.dtype[Any]  #: type of the entry's numbers
    #: ``shape`` and ``strides``: lengths and steps in elements.  The caller has checked that all elements lie
    #: inside the entry.
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    #: ``negate`` and ``conjugate``: lazy sign and conjugation, as torch saves them.
    negate: bool = False
    conjugate: bool = False

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the blocks."""
        return delivered_dtype(self.stored)

    def blocks(self, rows: int) -> Iterator[AnyArray]:
        """Row blocks; an array that is not packed in rows has to be read whole first."""
        step = check_integer("rows", rows, 1)
        if not self.shape or not is_contiguous(self.shape, self.strides):
            whole = self.read()
            for start in range(0, self.shape[0] if self.shape else 1, step):
                yield np.ascontiguousarray(whole[start : start + step] if self.shape else whole)
            return
        count, row_shape = self.shape[0], self.shape[1:]
        block = np.empty((min(step, count), *row_shape), self.stored)
        feeder = _Feeder(self.name, inflate(self.file, self.entry))
        feeder.skip(self.offset)
        for start in range(0, count, step):
            part = block[: min(step, count - start)]
            feeder.fill(part.reshape(-1).view(np.uint8).data)
            yield deliver(part, self.negate, self.conjugate)
        feeder.finish()

    def read(self) -> AnyArray:
        """Return the whole array, if its entry is in proportion to its compressed size."""
        check_expansion(self.name, self.entry.size, self.entry.packed, WHOLE_EXPANSION)
        raw = np.frombuffer(b"".join(inflate(self.file, self.entry)), np.uint8)[self.offset :]
        itemsize = self.stored.itemsize
        values = raw[: len(raw) // itemsize * itemsize].view(self.stored)
        steps = tuple(s * itemsize for s in self.strides)
        view = (
            np.lib.stride_tricks.as_strided(values, self.shape, steps) if 0 not in self.shape else values[:0]
        )
        return deliver(np.array(view.reshape(self.shape)), self.negate, self.conjugate)


class _Feeder:
    """Hands out a stream of byte pieces in the lengths asked for."""

    def __init__(self, name: str, pieces: Iterator[bytes]) -> None:
        self.name = name
        self.pieces = pieces
        self.left = memoryview(b"")

    def fill(self, view: memoryview) -> None:
        """Fill ``view`` with the next bytes."""
        done = 0
        while done < len(view):
            piece = self._next(len(view) - done)
            view[done : done + len(piece)] = piece
            done += len(piece)

    def skip(self, count: int) -> None:
        """Drop the next bytes."""
        while count > 0:
            count -= len(self._next(count))

    def _next(self, most: int) -> memoryview:
        """Some of the next bytes."""
        if not len(self.left):
            self.left = memoryview(next(self.pieces, b""))
            if not len(self.left):
                raise UnreadableFileError(f"{self.name} is truncated; save it again")
        piece, self.left = self.left[:most], self.left[most:]
        return piece

    def finish(self) -> None:
        """Go through what follows, so that the stream checks its end."""
        for _ in self.pieces:
            pass
