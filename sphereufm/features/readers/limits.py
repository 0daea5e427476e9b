"""What a file may claim before anything of that size is allocated or read.

The rule behind the numbers: memory and time follow the bytes that really lie on the disk, never a number
written in a header.  A compressed array may stream out at most ``STREAM_EXPANSION`` times its stored size
and may be read whole at ``WHOLE_EXPANSION`` times, unless it is small (``FREE_BYTES``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from sphereufm.errors import UnreadableFileError

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
    """Refuse an array that would grow out of proportion to its bytes on the disk.

    * ``name``: what is read, for the message.
    * ``delivered`` and ``stored``: bytes that come out, bytes on the disk.
    * ``limit``: largest allowed ratio above ``FREE_BYTES``.

    Raises UnreadableFileError if the array is larger than ``FREE_BYTES`` and than ``limit * stored``.

    Examples
    --------
    >>> check_expansion("labels", 10**6, 10**3)
    """
    if delivered > FREE_BYTES and delivered > limit * stored:
        raise UnreadableFileError(
            f"{name} claims {delivered} bytes from {stored} stored ones, above the limit of {limit} times; "
            "save it uncompressed if it is genuine"
        )


def printable(text: str, limit: int = 120) -> str:
    r"""Return ``text`` fit for a message: control characters escaped, and not longer than ``limit``.

    Names in a file are the file's to choose; raw, they could move a terminal's cursor or fill the screen.
    """
    short = text if len(text) <= limit else text[: limit - 3] + "..."
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in short)


def check_shape(name: str, shape: Sequence[object]) -> tuple[int, ...]:
    """Return ``shape`` as a tuple of ints, refusing anything but a few nonnegative integers.

    Raises UnreadableFileError if an axis is not a nonnegative integer, there are more than 32, or the size
    passes 2^62.

    Examples
    --------
    >>> check_shape("x", [3, 4])
    (3, 4)
    """
    if len(shape) > MAX_AXES:
        raise UnreadableFileError(f"{name} has {len(shape)} axes; at most {MAX_AXES} are read")
    lengths = [s for s in shape if isinstance(s, int) and not isinstance(s, bool) and 0 <= s < 2**62]
    if len(lengths) != len(shape) or math.prod(lengths) >= 2**62:
        raise UnreadableFileError(f"{name} has an impossible shape; the file is damaged or hostile")
    return tuple(lengths)
