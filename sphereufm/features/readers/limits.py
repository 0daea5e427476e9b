"""What a file may claim before anything of that size is allocated or read.

The rule behind the numbers: memory and time follow the bytes that really lie on the disk, never a number
written in a header.  A compressed array may stream out at most ``STREAM_EXPANSION`` times its stored size
and may be read whole at ``WHOLE_EXPANSION`` times, unless it is small (``FREE_BYTES``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from sphereufm.errors import UnreadableFileError

FREE_BYTES = 64 * 2**20  #: so much may be compressed as hard as it likes: sorted labels shrink a thousandfold
STREAM_EXPANSION = 200  #: deflate reaches 1032 on constant bytes; real features stay far below this
WHOLE_EXPANSION = 8  #: for arrays that are held in memory
MAX_ENTRIES = 100_000  #: entries of an archive, keys of a file, files of a directory
_MOST = 2**48  # so many of the longest texts have fewer bytes than numpy can count
MAX_AXES = 32  #: numpy itself stops at 64

MOST_TEXTS, MAX_TEXT = 10_000, 256
NOT_LABELS = f"it holds more than {MOST_TEXTS} different texts, or longer ones than labels"
"""Texts that are read are labels: of few kinds, and short."""


def refused(name: str, fact: str, repair: str = "save it again") -> UnreadableFileError:
    """The error for what is not read; a fact may bring a repair of its own, behind a semicolon."""
    return UnreadableFileError(f"{name} is refused: {fact}{'' if ';' in fact else '; ' + repair}")


def check_expansion(name: str, delivered: int, stored: int, limit: int = STREAM_EXPANSION) -> None:
    """Refuse an array of ``delivered`` bytes that is larger than ``FREE_BYTES`` and ``limit`` times its stored ones."""
    if delivered > FREE_BYTES and delivered > limit * stored:
        fact = f"it claims {delivered} bytes from {stored} stored ones, above the limit of {limit} times"
        raise refused(name, f"{fact}; save it uncompressed if it is genuine")


def check_shape(name: str, shape: Sequence[object]) -> tuple[int, ...]:
    """Return ``shape`` as a tuple of ints."""
    if len(shape) > MAX_AXES:
        raise refused(name, f"it has {len(shape)} axes, and at most {MAX_AXES} are read")
    lengths = check_counts(name, shape)
    # numpy counts the other axes of an empty array, too
    if math.prod(n or 1 for n in lengths) > _MOST:
        raise refused(name, "it has an impossible shape")
    return lengths


def check_counts(name: str, counts: Iterable[object]) -> tuple[int, ...]:
    """Return lengths, steps or places of bytes as a tuple of ints."""
    numbers = tuple(counts)
    if not all(isinstance(n, int) and not isinstance(n, bool) and 0 <= n <= _MOST for n in numbers):
        raise refused(name, "it has an impossible shape")
    return numbers  # type: ignore[return-value]


def why(error: UnreadableFileError) -> str:
    """What a refusal says, without the name before it."""
    return str(error).split(" is refused: ", 1)[-1]


def few_texts(parts: Iterable[Iterable[str]]) -> tuple[str, ...] | None:
    """The different texts of a column, sorted; None where they are too many, or too long, for labels."""
    found: set[str] = set()
    for part in parts:
        found.update(part)
        if len(found) > MOST_TEXTS or any(len(text) > MAX_TEXT for text in found):
            return None
    return tuple(sorted(found))


def text_places(texts: Iterable[str], kinds: Sequence[str]) -> NDArray[np.int32]:
    """The place of each text among the kinds."""
    places = {text: place for place, text in enumerate(kinds)}
    return np.array([places[text] for text in texts], dtype=np.int32)


def printable(text: str, limit: int = 120) -> str:
    r"""Return ``text`` fit for a message: control characters escaped, and not longer than ``limit``.

    Names in a file are the file's to choose; raw, they could move a terminal's cursor or fill the screen.
    """
    short = text if len(text) <= limit else text[: limit - 3] + "..."
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in short)
