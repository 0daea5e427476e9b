"""Pickles of untrusted files: Python's own interpreter, in which no name is looked up and nothing is made or called.

A name becomes a :class:`Global` mark if the caller knows it, and an inert :class:`Foreign` one if not; ``REDUCE`` hands
a known mark and its arguments to the caller's :meth:`Unpickler.call`; whatever else makes or changes objects leaves a
foreign mark.  Operations that saved tensors do not need are not in the table.  Each operation costs, containers more,
so that memory and time are bounded by the length of the pickle, whatever it says.

A value may be shared many times (a pickle of 125 bytes can describe 2^60 nested pairs), so a traversal must count.

References
----------
``pickle`` in the standard library (the operations); ``torch._weights_only_unpickler``.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar

from sphereufm.errors import UnreadableFileError

MAX_PICKLE = 2**24
"""Bytes of a pickle; a state dict of ten thousand tensors has about two million."""

_MAX_NAME = 256
_MAX_KEY = 8
_BUDGET, _CONTAINER = 2_000_000, 4
# codes of operations, those that make containers and marks apart
_CONTAINERS = b"(])}\x85\x86\x87tc\x93R\x81\x92oi\x8f\x91Q"
_NEEDED = _CONTAINERS + b"\x80\x95NJKMG\x88\x89\x8aTUX\x8c\x8dBC\x8e\x96aesu\x90qrhj\x94b012."
_FAILURES = (IndexError, TypeError, ValueError, AttributeError, OverflowError, EOFError, struct.error)


@dataclass(frozen=True, kw_only=True, slots=True)
class Global:
    """A name that the file mentions and the caller knows; a mark, never the object itself."""

    module: str
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Foreign:
    """Something that is no tensor, number, text or plain container: a mark with the name of its class.

    Whatever is put into it is dropped, and what is made of it is foreign too.
    """

    module: str
    name: str

    def _drop(self, *_: Any) -> None:
        """Take nothing."""

    append = extend = add = __setitem__ = _drop


class OddKey:
    """Stands for a key that is neither a text nor a small integer; equal to nothing but itself.

    Tuples can take 2^60 steps to hash, and integers from 2^61 on can all have one hash: they are never compared.
    """

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


class Mapping(dict[Any, Any]):
    """Stands for dictionaries of every kind; keys that might not hash at once are replaced by stand-ins."""

    __slots__ = ()

    def __setitem__(self, key: Any, value: Any) -> None:
        if not (isinstance(key, str) or (isinstance(key, int) and abs(key) < 2**61 - 1)):
            parts = key if isinstance(key, tuple) else (key,)
            key = OddKey(
                repr(key) if len(parts) <= _MAX_KEY and all(map(_is_short, parts)) else f"key {len(self)}"
            )
        super().__setitem__(key, value)


_OfPython: Any = (
    pickle._Unpickler
)  # in Python, where an operation can be replaced; its methods are not in the types


class Unpickler(_OfPython):  # type: ignore[misc]
    """Reads the pickles of one file; ``known`` are the names that :meth:`call` gives a meaning."""

    known: ClassVar[frozenset[tuple[str, str]]] = frozenset()

    def __init__(self, stream: BinaryIO, name: str) -> None:
        super().__init__(stream, encoding="utf-8")
        self.name = name
        self.budget = _BUDGET

    def call(self, function: Global, arguments: tuple[Any, ...]) -> Any:
        """Return the value of a call."""
        raise NotImplementedError

    def load(self) -> Any:
        """The value of the next pickle."""
        try:
            return super().load()
        except KeyError as error:  # of the table of operations
            raise self.refused(
                f"uses operation {error.args[0]:#04x}, which saved tensors do not need"
            ) from error
        except (*_FAILURES, pickle.UnpicklingError) as error:
            raise UnreadableFileError(f"{self.name} holds a damaged pickle; save it again") from error

    def refused(self, fact: str) -> UnreadableFileError:
        """Name the file and what its pickle does."""
        return UnreadableFileError(f"{self.name} is refused: its pickle {fact}; save plain tensors")

    def find_class(self, module: str, name: str) -> Any:
        """The mark of a name; nothing is imported."""
        kind: type[Global] | type[Foreign] = Global if (module, name) in self.known else Foreign
        return kind(module=module[:_MAX_NAME], name=name[:_MAX_NAME])

    def load_reduce(self) -> None:
        """Hand a known mark and its arguments to the caller; what is called on something foreign is foreign."""
        arguments, function = self.stack.pop(), self.stack.pop()
        if not isinstance(function, Foreign):
            if not (isinstance(function, Global) and isinstance(arguments, tuple)):
                raise self.refused("calls something that is no name")
            function = self.call(function, arguments)
        self.append(function)

    def _instantiate(self, kind: Any, _arguments: Any) -> None:
        """Make an instance: a mark, whatever the class."""
        if not isinstance(kind, (Global, Foreign)):
            raise self.refused("makes an instance of what is no class")
        self.append(Foreign(module=kind.module, name=kind.name))

    def load_newobj(self) -> None:
        """The same, with the arguments in a tuple."""
        self._instantiate(self.stack.pop(-2), self.stack.pop())

    def load_newobj_ex(self) -> None:
        """The same, with named arguments."""
        self.stack.pop()
        self.load_newobj()

    def load_build(self) -> None:
        """Drop the state of something foreign, and the version numbers that a state dict carries."""
        self.stack.pop()
        if not isinstance(self.stack[-1], (Foreign, Mapping)):
            raise self.refused("sets the state of an object")

    def load_empty_dictionary(self) -> None:
        """Push a dictionary."""
        self.append(Mapping())

    def load_empty_set(self) -> None:
        """Push a mark in the place of a set, since nothing of the file is ever hashed."""
        self.append(Foreign(module="builtins", name="set"))

    def load_frozenset(self) -> None:
        """The same in the place of the values since the last mark."""
        self.pop_mark()
        self.load_empty_set()

    # bytes, without making room for as many as are claimed
    load_bytearray8 = _OfPython.load_binbytes8

    # the table of the standard library names functions, not methods
    dispatch: ClassVar[dict[int, Callable[[Unpickler], None]]] = {}


def _paid(name: str, price: int) -> Callable[[Unpickler], None]:
    """An operation that costs."""

    def act(machine: Unpickler) -> None:
        machine.budget -= price
        if machine.budget < 0:
            raise machine.refused("describes too many values")
        getattr(machine, name)()

    return act


Unpickler.dispatch.update(
    {
        code: _paid(_OfPython.dispatch[code].__name__, _CONTAINER if code in _CONTAINERS else 1)
        for code in _NEEDED
    }
)


def _is_short(part: Any) -> bool:
    """Whether a part of a key is shown in a few letters."""
    return (
        part is None or isinstance(part, (int, float)) or (isinstance(part, str) and len(part) <= _MAX_NAME)
    )
