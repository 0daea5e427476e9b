"""What a file may claim before anything of that size is allocated or read.

The rule behind the numbers: memory and time follow the bytes that really lie on the disk, never a number
written in a header.  A compressed array may stream out at most ``STREAM_EXPANSION`` times its stored size
and may be read whole at ``WHOLE_EXPANSION`` times, unless it is small (``FREE_BYTES``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TypeVar

from sphereufm.errors import UnreadableFileError

Text = TypeVar("Text", str, bytes)

FREE_BYTES = 64 * 2**20
"""Arrays up to 64 MiB may be compressed as hard as they like: sorted labels shrink a thousandfold."""

STREAM_EXPANSION = 200
"""Deflate reaches 1032 on constant bytes; real features, even mostly zero ones, stay far below 200."""

WHOLE_EXPANSION = 8
"""Limit for arrays that are held in memory."""

MAX_ENTRIES = 100_000
"""Entries of an archive, keys of a file, files of a directory."""

MOST_TEXTS, MAX_TEXT = 10_000, 256
NOT_LABELS = f"it holds more than {MOST_TEXTS} different texts, or longer ones than labels"
"""Texts that are read are labels: of few kinds, and short."""

MAX_AXES = 32
"""Axes of an array; numpy itself stops at 64."""


def check_expansion(name: str, delivered: int, stored: int, limit: int = STREAM_EXPANSION) -> None:
    """Refuse an array of ``delivered`` bytes that is larger than ``FREE_BYTES`` and ``limit`` times its stored ones."""
    if delivered > FREE_BYTES and delivered > limit * stored:
        raise UnreadableFileError(
            f"{name} claims {delivered} bytes from {stored} stored ones, above the limit of {limit} times; "
            "save it uncompressed if it is genuine"
        )


def few_texts(parts: Iterable[Iterable[Text]]) -> tuple[Text, ...] | None:
    """The different texts of a column, sorted; None where they are too many, or too long, for labels."""
    found: set[Text] = set()
    for part in parts:
        found.update(part)
        if len(found) > MOST_TEXTS or any(len(text) > MAX_TEXT for text in found):
            return None
    return tuple(sorted(found))


def printable(text: str, limit: int = 120) -> str:
    r"""Return ``text`` fit for a message: control characters escaped, and not longer than ``limit``.

    Names in a file are the file's to choose; raw, they could move a terminal's cursor or fill the screen.
    """
    short = text if len(text) <= limit else text[: limit - 3] + "..."
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in short)


def check_shape(name: str, shape: Sequence[object]) -> tuple[int, ...]:
    """Return ``shape`` as a tuple of ints."""
    if len(shape) > MAX_AXES:
        raise UnreadableFileError(f"{name} has {len(shape)} axes; at most {MAX_AXES} are read")
    lengths = [s for s in shape if isinstance(s, int) and not isinstance(s, bool) and 0 <= s < 2**62]
    if len(lengths) != len(shape) or math.prod(lengths) >= 2**62:
        raise UnreadableFileError(f"{name} has an impossible shape; the file is damaged or hostile")
    return tuple(lengths)
