"""Arrays that are read in row blocks: the interface, and the sources that need no file.

Statistics see saved features only through :class:`ArraySource`, so that a file of any size costs one block
of memory.  Rows come first, as frameworks save them: ``(N, d)`` features, ``(N,)`` labels, ``(K, d)``
classifiers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sphereufm.errors import InvalidInputError, check_integer
from sphereufm.features.readers.limits import NOT_LABELS, few_texts, refused, text_places

AnyArray: TypeAlias = NDArray[Any]

_ROWS = 2**14


class ArraySource(Protocol):
    """One array in a file, in several shards or in memory, never wholly loaded unless asked.

    Some have more: ``stored``, the type on the disk; ``columns``, names of the columns of a table; ``categories``, the
    texts that the numbers stand for.
    """

    @property
    def name(self) -> str:
        """What was chosen, for people: ``"file.npz:feats"``."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows first."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the blocks, in native byte order; bfloat16 and float8 arrive as float32."""

    def blocks(self, rows: int) -> Iterator[AnyArray]:
        """Consecutive contiguous blocks of at most ``rows`` rows; one block may reuse the memory of the last."""

    def read(self) -> AnyArray:
        """Return the whole array (labels, classifiers)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class MemorySource:
    """An array that is in memory already."""

    name: str
    array: AnyArray
    categories: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape, rows first."""
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the entries."""
        return self.array.dtype

    def blocks(self, rows: int) -> Iterator[AnyArray]:
        """Row blocks; views where the array is contiguous."""
        step = check_integer("rows", rows, 1)
        for start in range(0, self.array.shape[0], step):
            yield np.ascontiguousarray(self.array[start : start + step])

    def read(self) -> AnyArray:
        """Return the array itself."""
        return self.array


@dataclass(frozen=True, kw_only=True, eq=False)
class RefusedSource:
    """An entry of a file that is listed, to be named in messages, but not read: using it raises the reason."""

    name: str
    reason: str
    shape: tuple[int, ...] = ()
    dtype: np.dtype[Any] = np.dtype(object)  # noqa: RUF009  (nothing that can be computed with)

    def refuse(self, *_: object) -> NoReturn:
        """Raise UnreadableFileError with the reason."""
        raise refused(self.name, self.reason, "name another array, or save this one as plain numbers")

    blocks = read = refuse


def usable(source: ArraySource) -> ArraySource:
    """The source itself, unless it is refused."""
    if isinstance(source, RefusedSource):
        source.refuse()
    return source


@dataclass(frozen=True, kw_only=True, eq=False)
class SourceView:
    """Other sources one after the other, block by block: shards and batches, kept rows, means over further axes."""

    name: str
    parts: tuple[ArraySource, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    columns: tuple[str, ...] = ()
    keep: NDArray[np.bool_] | None = None  #: which of the parts' rows there are; None for all

    def blocks(self, rows: int) -> Iterator[AnyArray]:
        """Row blocks; small parts are gathered, so that blocks are full but for the last."""
        return full_blocks(self._pieces(rows), self, rows)

    def read(self) -> AnyArray:
        """Return all rows in one array; texts as such, since each part numbers its own."""
        pieces = [np.empty((0, *self.shape[1:]), self.dtype)]
        if self.keep is not None or any(len(part.shape) > len(self.shape) for part in self.parts):
            pieces += [block.copy() for block in self.blocks(_ROWS)]
        elif any(getattr(part, "categories", ()) for part in self.parts):
            # numbers in one part, names in another: texts in both
            texts = (np.array(getattr(part, "categories", ())) for part in self.parts)
            pieces = [
                names[part.read()] if names.size else part.read().astype(str)
                for names, part in zip(texts, self.parts, strict=True)
            ]
        else:
            pieces += [part.read() for part in self.parts]
        return np.concatenate(pieces)

    def _pieces(self, rows: int) -> Iterator[AnyArray]:
        """The blocks of the parts, up to the last row that is kept."""
        at, stop = 0, math.inf if self.keep is None else int(self.keep.nonzero()[0].max(initial=-1)) + 1
        for block in (block for part in self.parts if stop for block in part.blocks(rows)):
            piece = block if self.keep is None else block[self.keep[at : at + len(block)]]
            if piece.ndim > len(self.shape):
                piece = piece.reshape(len(piece), self.shape[1], -1)
                with np.errstate(invalid="ignore", over="ignore"):  # of entries that are not finite
                    piece = piece[:, :, 0] if piece.shape[2] == 1 else piece.mean(axis=2, dtype=np.float64)
            yield piece
            at += len(block)
            if at >= stop:
                return


def joined(name: str, parts: tuple[ArraySource, ...]) -> SourceView:
    """Arrays one after the other; raises UnreadableFileError if they differ in the shape of a row, or in columns."""
    tails = {part.shape[1:] for part in parts}
    columns = {getattr(part, "columns", ()) for part in parts}
    if len(tails) != 1 or len(columns) != 1 or not all(part.shape for part in parts):
        shapes = ", ".join(f"{part.name} {part.shape}" for part in parts[:4])
        raise refused(name, f"its parts differ in row shape or columns: {shapes}; name one file")
    shape = (sum(part.shape[0] for part in parts), *parts[0].shape[1:])
    dtype = np.result_type(*(part.dtype for part in parts))
    return SourceView(name=name, parts=parts, shape=shape, dtype=dtype, columns=columns.pop())


def text_source(name: str, texts: Sequence[str]) -> ArraySource:
    """Texts as their places in the alphabet; too long or too many different ones are no labels, and refused."""
    kinds = few_texts([texts])
    if kinds is None:
        return RefusedSource(name=name, reason=NOT_LABELS)
    return MemorySource(name=name, array=text_places(texts, kinds), categories=kinds)


def full_blocks(pieces: Iterable[AnyArray], like: ArraySource, rows: int) -> Iterator[AnyArray]:
    """Gather pieces of any height to the row blocks of a source, full but for the last, in the same memory."""
    step = check_integer("rows", rows, 1)
    buffer = np.empty((min(step, like.shape[0]), *like.shape[1:]), like.dtype)
    filled = 0
    for piece in pieces:
        left = piece
        while len(left):
            count = min(len(left), step - filled)
            buffer[filled : filled + count] = left[:count]
            filled, left = filled + count, left[count:]
            if filled == step:
                yield buffer
                filled = 0
    if filled:
        yield buffer[:filled]


def finite_blocks(source: ArraySource, rows: int, first_row: int = 0) -> Iterator[AnyArray]:
    """Yield the row blocks of ``source``, stopping at the first row that holds NaN or infinity.

    ``first_row``: number of the source's first row, where it is a run of rows of another.  Raises InvalidInputError if
    an entry is not finite; the message names the first such row, counted from 0.
    """
    start = first_row
    for block in source.blocks(rows):
        if block.dtype.char == "g":  # longer than what is computed with
            with np.errstate(over="ignore"):
                block = block.astype(np.float64)
        if not _all_finite(block):
            row = int(np.argmax(~np.isfinite(block).reshape(len(block), -1).all(axis=1)))
            entries = block[row].ravel()
            value = float(entries[~np.isfinite(entries)][0].real)
            place = f"{source.name} row {start + row}"
            raise InvalidInputError(
                f"{place} holds {value}; remove or replace NaN and infinite entries first"
            )
        yield block
        start += len(block)


def _all_finite(block: AnyArray) -> bool:
    """Whether every entry is finite; one pass without temporaries in the usual case."""
    if block.dtype.char in "fd":
        flat = block.reshape(-1)
        # A sum of squares is finite only if every entry is; overflow falls through to the exact test.
        with np.errstate(all="ignore"):
            if np.isfinite(np.dot(flat, flat)):
                return True
    return block.dtype.kind not in "fc" or bool(np.isfinite(block).all())
