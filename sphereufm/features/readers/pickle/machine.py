"""What an interpretation of a pickle consists of: marks for names, the caller's part, stack and memo.

Containers are counted and the length of names is limited: memory is bounded by the length of the pickle, whatever it
says.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sphereufm.errors import UnreadableFileError

MAX_NAME = 256
"""Bytes of a name that a pickle mentions."""

_MAX_CONTAINERS = 400_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Global:
    """A name that the file mentions and the caller allows; a mark, never the object itself."""

    module: str
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Foreign:
    """Something of the file that is no tensor, number, text or plain container: a mark with the name of its class.

    Nothing is looked up, made or called for it.  Whatever is done to it (calls, state, items) leaves it as it is, and
    what is made of it is foreign too.
    """

    module: str
    name: str


class OddKey:
    """Stands for a dictionary key that is neither a text nor a small integer; equal to nothing but itself.

    Tuples can take 2^60 steps to hash, and integers from 2^61 on can all have one hash: they are never compared.
    """

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


class OrderedMapping(dict[Any, Any]):
    """Stands for an OrderedDict, the one dictionary that may carry extra state."""


class Builder(Protocol):
    """What the caller supplies: the allowed names, and the meaning of calls and persistent ids."""

    allowed: Mapping[tuple[str, str], Global]

    def reduce(self, function: Global, arguments: tuple[Any, ...]) -> Any:
        """Return the value of a call."""
        ...

    def persistent(self, identity: Any) -> Any:
        """Return the value of a persistent id."""
        ...


class Machine:
    """Stack, memo and position of one interpretation."""

    def __init__(self, data: bytes, start: int, builder: Builder, name: str) -> None:
        self.data, self.at, self.builder, self.name = data, start, builder, name
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.containers = 0

    def refuse(self, fact: str) -> UnreadableFileError:
        """Name the file and what its pickle does."""
        return UnreadableFileError(f"{self.name} is refused: its pickle {fact}; save plain tensors")

    def take(self, count: int) -> bytes:
        """The next bytes, all of them or an error."""
        stop = self.at + count
        if count < 0 or stop > len(self.data):
            raise self.refuse("is cut short, or claims more bytes than it has")
        piece = self.data[self.at : stop]
        self.at = stop
        return piece

    def number(self, form: str) -> Any:
        """The next number of a struct format."""
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def hold(self, value: Any) -> None:
        """Push a container, counting."""
        self._count()
        self.stack.append(value)

    def mark(self) -> None:
        """Begin a group of values; it counts as a container."""
        self._count()
        self.marks.append(self.stack)
        self.stack = []

    def _count(self) -> None:
        """Count a container."""
        self.containers += 1
        if self.containers > _MAX_CONTAINERS:
            raise self.refuse(f"has more than {_MAX_CONTAINERS} containers")

    def since_mark(self) -> list[Any]:
        """What was pushed since the last MARK; the stack is as it was before."""
        items, self.stack = self.stack, self.marks.pop()
        return items
