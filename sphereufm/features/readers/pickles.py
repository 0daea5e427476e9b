"""An interpreter for the few pickle operations that saved tensors need.

Python's own unpickler calls what a file names; filtering names is not enough (``BUILD`` can change a class
that a filter let through).  Here nothing is called: each operation below pushes plain values, a name becomes
a :class:`Global` mark if it is on the caller's list, and ``REDUCE`` hands mark and arguments to the caller's
function.  Every other operation is refused, and so is anything beyond the limits on operations, containers
and bytes: memory is bounded by the length of the pickle, whatever it says.

Values are None, bool, int, float, str, bytes, list, tuple, dict and what the caller makes.  A value may be
shared many times (a pickle of 125 bytes can describe 2^60 nested pairs), so whoever walks it must count.

References
----------
``pickletools`` in the standard library (the operations); ``torch._weights_only_unpickler``.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sphereufm.errors import UnreadableFileError

__all__ = ["MAX_PICKLE", "Builder", "Global", "OrderedMapping", "interpret"]

MAX_PICKLE = 2**24
"""Bytes of a pickle; a state dict of ten thousand tensors has about two million."""

_MAX_OPERATIONS = 2_000_000
_MAX_CONTAINERS = 400_000
_MAX_NAME = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class Global:
    """A name that the file mentions and the caller allows; a mark, never the object itself."""

    module: str
    name: str


class OrderedMapping(dict[Any, Any]):
    """Stands for an OrderedDict, the one dictionary that may carry extra state."""


class Builder(Protocol):
    """What the caller supplies: the allowed names, and the meaning of calls and persistent ids."""

    allowed: Mapping[tuple[str, str], Global]

    def refuse_global(self, module: str, name: str) -> UnreadableFileError:
        """Explain why a name is not allowed."""
        ...

    def reduce(self, function: Global, arguments: tuple[Any, ...]) -> Any:
        """Return the value of a call."""
        ...

    def persistent(self, identity: Any) -> Any:
        """Return the value of a persistent id."""
        ...


def interpret(data: bytes, start: int, builder: Builder, name: str) -> tuple[Any, int]:
    """Interpret one pickle.

    Parameters
    ----------
    data : bytes
        Holds the pickle, and perhaps more behind it.
    start : int
        Where it begins.
    builder : Builder
        Allowed names and their meaning.
    name : str
        The file, for messages.

    Returns
    -------
    value, stop
        The pickled value and the position behind it.

    Raises
    ------
    UnreadableFileError
        If the pickle is damaged, too large, or does anything that is not on the lists.

    Examples
    --------
    >>> import pickle
    >>> from types import SimpleNamespace
    >>> interpret(pickle.dumps({"a": [1, 2.5]}, 2), 0, SimpleNamespace(allowed={}), "x")[0]
    {'a': [1, 2.5]}
    """
    machine = _Machine(data, start, builder, name)
    try:
        return machine.run(), machine.at
    except (IndexError, KeyError, struct.error, UnicodeDecodeError) as error:
        raise UnreadableFileError(f"{name} holds a damaged pickle; save it again") from error


class _Machine:
    """Stack, memo and position of one interpretation."""

    def __init__(self, data: bytes, start: int, builder: Builder, name: str) -> None:
        self.data, self.at, self.builder, self.name = data, start, builder, name
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.containers = 0

    def run(self) -> Any:
        """Follow the operations up to STOP."""
        data = self.data
        for _ in range(_MAX_OPERATIONS):
            code = data[self.at]
            self.at += 1
            if code == 0x2E:
                if len(self.stack) != 1 or self.marks:
                    raise self.refuse("stops with an unfinished value")
                return self.stack[0]
            action = _ACTIONS.get(code)
            if action is None:
                raise self.refuse(f"uses operation {code:#04x}, which saved tensors do not need")
            action(self)
        raise self.refuse(f"has more than {_MAX_OPERATIONS} operations")

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
        self.containers += 1
        if self.containers > _MAX_CONTAINERS:
            raise self.refuse(f"has more than {_MAX_CONTAINERS} containers")
        self.stack.append(value)

    def since_mark(self) -> list[Any]:
        """What was pushed since the last MARK; the stack is as it was before."""
        items, self.stack = self.stack, self.marks.pop()
        return items


def _protocol(m: _Machine) -> None:
    """Check the number of the protocol."""
    if m.take(1)[0] > 5:
        raise m.refuse("has an unknown protocol")


def _frame(m: _Machine) -> None:
    """Skip the length of a frame, which is only a hint for buffering."""
    m.take(8)


def _mark(m: _Machine) -> None:
    """Begin a group of values."""
    m.marks.append(m.stack)
    m.stack = []
    m.containers += 1
    if m.containers > _MAX_CONTAINERS:
        raise m.refuse(f"has more than {_MAX_CONTAINERS} containers")


def _constant(value: Any) -> Callable[[_Machine], None]:
    """Operation that pushes a constant."""

    def push(m: _Machine) -> None:
        m.stack.append(value)

    return push


def _numeric(form: str) -> Callable[[_Machine], None]:
    """Operation that pushes a number of a struct format."""

    def push(m: _Machine) -> None:
        m.stack.append(m.number(form))

    return push


def _long(m: _Machine) -> None:
    """Push an integer of up to 16 bytes."""
    count = m.take(1)[0]
    if count > 16:
        raise m.refuse("has an integer of more than 16 bytes")
    m.stack.append(int.from_bytes(m.take(count), "little", signed=True))


def _text(form: str) -> Callable[[_Machine], None]:
    """Operation that pushes a text; its length has the struct format."""

    def push(m: _Machine) -> None:
        m.stack.append(m.take(m.number(form)).decode("utf-8"))

    return push


def _bytes(form: str) -> Callable[[_Machine], None]:
    """Operation that pushes bytes; their length has the struct format."""

    def push(m: _Machine) -> None:
        m.stack.append(m.take(m.number(form)))

    return push


def _tuple(count: int) -> Callable[[_Machine], None]:
    """Operation that replaces the last values by a tuple of them."""

    def push(m: _Machine) -> None:
        if len(m.stack) < count:
            raise m.refuse("takes more values than it pushed")
        items = tuple(m.stack[len(m.stack) - count :])
        del m.stack[len(m.stack) - count :]
        m.hold(items)

    return push


def _tuple_mark(m: _Machine) -> None:
    """Push the values since the mark as a tuple."""
    m.hold(tuple(m.since_mark()))


def _append(m: _Machine) -> None:
    """Append one value to the list below it."""
    value = m.stack.pop()
    _target(m, list).append(value)


def _appends(m: _Machine) -> None:
    """Append the values since the mark to the list below them."""
    items = m.since_mark()
    _target(m, list).extend(items)


def _set_item(m: _Machine) -> None:
    """Store one value under the key below it."""
    value, key = m.stack.pop(), m.stack.pop()
    _store(m, [key, value])


def _set_items(m: _Machine) -> None:
    """Store keys and values since the mark."""
    _store(m, m.since_mark())


def _store(m: _Machine, items: list[Any]) -> None:
    """Put keys and values in turn into the dictionary on top of the stack."""
    target = _target(m, dict)
    if len(items) % 2:
        raise m.refuse("has a key without a value")
    for key, value in zip(items[::2], items[1::2], strict=True):
        # Tuples can take 2^60 steps to hash; integers hash modulo 2^61 - 1, and larger ones can all be equal.
        if not (isinstance(key, str) or (isinstance(key, int) and abs(key) < 2**61 - 1)):
            raise m.refuse("has a dictionary key that is neither a text nor an integer below 2^61")
        target[key] = value


def _target(m: _Machine, kind: type) -> Any:
    """The container on top of the stack, which must be a plain one."""
    if not isinstance(m.stack[-1], kind):
        raise m.refuse("fills something that is no list or dictionary")
    return m.stack[-1]


def _put(form: str) -> Callable[[_Machine], None]:
    """Operation that keeps the top value under a number."""

    def put(m: _Machine) -> None:
        m.memo[m.number(form)] = m.stack[-1]

    return put


def _get(form: str) -> Callable[[_Machine], None]:
    """Operation that pushes the value kept under a number."""

    def get(m: _Machine) -> None:
        m.stack.append(m.memo[m.number(form)])

    return get


def _memoize(m: _Machine) -> None:
    """Keep the top value under the next number."""
    m.memo[len(m.memo)] = m.stack[-1]


def _line(m: _Machine) -> str:
    """Text up to a newline, of bounded length."""
    stop = m.data.find(b"\n", m.at, m.at + _MAX_NAME)
    if stop < 0:
        raise m.refuse("has an endless name")
    line = m.data[m.at : stop].decode("utf-8")
    m.at = stop + 1
    return line


def _global(m: _Machine) -> None:
    """Push the mark of a name given as two lines."""
    module = _line(m)
    _push_global(m, module, _line(m))


def _stack_global(m: _Machine) -> None:
    """Push the mark of a name given by the two top values."""
    name, module = m.stack.pop(), m.stack.pop()
    if not (isinstance(name, str) and isinstance(module, str)):
        raise m.refuse("names something by what is no text")
    _push_global(m, module, name)


def _push_global(m: _Machine, module: str, name: str) -> None:
    """Push the mark of an allowed name."""
    mark = m.builder.allowed.get((module, name))
    if mark is None:
        raise m.builder.refuse_global(module[:_MAX_NAME], name[:_MAX_NAME])
    m.stack.append(mark)


def _reduce(m: _Machine) -> None:
    """Hand an allowed mark and its arguments to the builder."""
    arguments, function = m.stack.pop(), m.stack.pop()
    if not (isinstance(function, Global) and isinstance(arguments, tuple)):
        raise m.refuse("calls something that is no allowed name")
    m.hold(m.builder.reduce(function, arguments))


def _build(m: _Machine) -> None:
    """Accept, and ignore, the version numbers of a state dict."""
    state = m.stack.pop()
    # A state dict carries version numbers as an attribute; they are not needed.
    if not (
        isinstance(m.stack[-1], OrderedMapping) and isinstance(state, dict) and set(state) <= {"_metadata"}
    ):
        raise m.refuse("sets the state of an object")


def _persistent(m: _Machine) -> None:
    """Hand a persistent id to the builder."""
    m.hold(m.builder.persistent(m.stack.pop()))


_ACTIONS: dict[int, Callable[[_Machine], None]] = {
    0x80: _protocol,
    0x95: _frame,
    ord("("): _mark,
    ord("N"): _constant(None),
    0x88: _constant(True),
    0x89: _constant(False),
    ord("J"): _numeric("<i"),
    ord("K"): _numeric("<B"),
    ord("M"): _numeric("<H"),
    ord("G"): _numeric(">d"),
    0x8A: _long,
    ord("X"): _text("<L"),
    0x8C: _text("<B"),
    0x8D: _text("<Q"),
    ord("T"): _text("<l"),  # texts of Python 2
    ord("U"): _text("<B"),
    ord("B"): _bytes("<L"),
    ord("C"): _bytes("<B"),
    0x8E: _bytes("<Q"),
    ord("]"): lambda m: m.hold([]),
    ord("}"): lambda m: m.hold({}),
    ord(")"): _constant(()),
    0x85: _tuple(1),
    0x86: _tuple(2),
    0x87: _tuple(3),
    ord("t"): _tuple_mark,
    ord("a"): _append,
    ord("e"): _appends,
    ord("s"): _set_item,
    ord("u"): _set_items,
    ord("q"): _put("<B"),
    ord("r"): _put("<L"),
    ord("h"): _get("<B"),
    ord("j"): _get("<L"),
    0x94: _memoize,
    ord("c"): _global,
    0x93: _stack_global,
    ord("R"): _reduce,
    ord("b"): _build,
    ord("Q"): _persistent,
}
