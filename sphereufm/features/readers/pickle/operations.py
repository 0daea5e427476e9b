"""The operations of a pickle that saved tensors and what people save beside them need, by their code.

Each takes the machine and changes its stack or memo; a code that is not in the table is refused.  Operations that make
or change objects of other classes (``NEWOBJ``, ``BUILD``, sets, ...) drop their values and leave an inert mark.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sphereufm.features.readers.pickle.machine import (
    MAX_NAME,
    Foreign,
    Global,
    Machine,
    OddKey,
    OrderedMapping,
)

STOP = ord(".")
_MAX_KEY = 8


def _protocol(m: Machine) -> None:
    """Check the number of the protocol."""
    if m.take(1)[0] > 5:
        raise m.refuse("has an unknown protocol")


def _frame(m: Machine) -> None:
    """Skip the length of a frame, which is only a hint for buffering."""
    m.take(8)


def _constant(value: Any) -> Callable[[Machine], None]:
    """Operation that pushes a constant."""

    def push(m: Machine) -> None:
        m.stack.append(value)

    return push


def _numeric(form: str) -> Callable[[Machine], None]:
    """Operation that pushes a number of a struct format."""

    def push(m: Machine) -> None:
        m.stack.append(m.number(form))

    return push


def _long(m: Machine) -> None:
    """Push an integer of up to 255 bytes."""
    m.stack.append(int.from_bytes(m.take(m.take(1)[0]), "little", signed=True))


def _text(form: str) -> Callable[[Machine], None]:
    """Operation that pushes a text; its length has the struct format."""

    def push(m: Machine) -> None:
        m.stack.append(m.take(m.number(form)).decode("utf-8"))

    return push


def _bytes(form: str) -> Callable[[Machine], None]:
    """Operation that pushes bytes; their length has the struct format."""

    def push(m: Machine) -> None:
        m.stack.append(m.take(m.number(form)))

    return push


def _tuple(count: int) -> Callable[[Machine], None]:
    """Operation that replaces the last values by a tuple of them."""

    def push(m: Machine) -> None:
        if len(m.stack) < count:
            raise m.refuse("takes more values than it pushed")
        items = tuple(m.stack[len(m.stack) - count :])
        del m.stack[len(m.stack) - count :]
        m.hold(items)

    return push


def _tuple_mark(m: Machine) -> None:
    """Push the values since the mark as a tuple."""
    m.hold(tuple(m.since_mark()))


def _append(m: Machine) -> None:
    """Append one value to the list below it."""
    value = m.stack.pop()
    _extend(m, [value])


def _appends(m: Machine) -> None:
    """Append the values since the mark to the list below them."""
    _extend(m, m.since_mark())


def _extend(m: Machine, items: list[Any]) -> None:
    """Put values into the list on top of the stack; something foreign takes none."""
    target = m.stack[-1]
    if isinstance(target, list):
        target.extend(items)
    elif not isinstance(target, Foreign):
        raise m.refuse("fills something that is no list or dictionary")


def _set_item(m: Machine) -> None:
    """Store one value under the key below it."""
    value, key = m.stack.pop(), m.stack.pop()
    _store(m, [key, value])


def _set_items(m: Machine) -> None:
    """Store keys and values since the mark."""
    _store(m, m.since_mark())


def _store(m: Machine, items: list[Any]) -> None:
    """Put keys and values in turn into the dictionary on top of the stack; something foreign takes none."""
    target = m.stack[-1]
    if len(items) % 2:
        raise m.refuse("has a key without a value")
    if isinstance(target, Foreign):
        return
    if not isinstance(target, dict):
        raise m.refuse("fills something that is no list or dictionary")
    for key, value in zip(items[::2], items[1::2], strict=True):
        target[_key(key, len(target))] = value


def _key(key: Any, number: int) -> Any:
    """A key that hashes at once: texts and integers below 2^61 - 1 as they are, a stand-in for anything else."""
    if isinstance(key, str) or (isinstance(key, int) and abs(key) < 2**61 - 1):
        return key
    parts = key if isinstance(key, tuple) else (key,)
    plain = len(parts) <= _MAX_KEY and all(
        part is None or isinstance(part, (int, float)) or (isinstance(part, str) and len(part) <= MAX_NAME)
        for part in parts
    )
    return OddKey(repr(key) if plain else f"key {number}")


def _put(form: str) -> Callable[[Machine], None]:
    """Operation that keeps the top value under a number."""

    def put(m: Machine) -> None:
        m.memo[m.number(form)] = m.stack[-1]

    return put


def _get(form: str) -> Callable[[Machine], None]:
    """Operation that pushes the value kept under a number."""

    def get(m: Machine) -> None:
        m.stack.append(m.memo[m.number(form)])

    return get


def _memoize(m: Machine) -> None:
    """Keep the top value under the next number."""
    m.memo[len(m.memo)] = m.stack[-1]


def _line(m: Machine) -> str:
    """Text up to a newline, of bounded length."""
    stop = m.data.find(b"\n", m.at, m.at + MAX_NAME)
    if stop < 0:
        raise m.refuse("has an endless name")
    line = m.data[m.at : stop].decode("utf-8")
    m.at = stop + 1
    return line


def _global(m: Machine) -> None:
    """Push the mark of a name given as two lines."""
    module = _line(m)
    _push_global(m, module, _line(m))


def _stack_global(m: Machine) -> None:
    """Push the mark of a name given by the two top values."""
    name, module = m.stack.pop(), m.stack.pop()
    if not (isinstance(name, str) and isinstance(module, str)):
        raise m.refuse("names something by what is no text")
    _push_global(m, module, name)


def _push_global(m: Machine, module: str, name: str) -> None:
    """Push the mark of a name, allowed or foreign."""
    mark = m.builder.allowed.get((module, name))
    if mark is not None:
        m.stack.append(mark)
    else:  # counted: each is an object of its own
        m.hold(Foreign(module=module[:MAX_NAME], name=name[:MAX_NAME]))


def _reduce(m: Machine) -> None:
    """Hand an allowed mark and its arguments to the builder; what is called on something foreign is foreign."""
    arguments, function = m.stack.pop(), m.stack.pop()
    if isinstance(function, Foreign):
        m.hold(function)
        return
    if not (isinstance(function, Global) and isinstance(arguments, tuple)):
        raise m.refuse("calls something that is no name")
    m.hold(m.builder.reduce(function, arguments))


def _new_object(count: int) -> Callable[[Machine], None]:
    """Operation that makes an instance of a class below ``count`` arguments: a mark, whatever the class."""

    def make(m: Machine) -> None:
        if len(m.stack) <= count:
            raise m.refuse("takes more values than it pushed")
        del m.stack[len(m.stack) - count :]
        m.hold(_instance(m, m.stack.pop()))

    return make


def _object(m: Machine) -> None:
    """Make an instance of the first value since the mark."""
    m.hold(_instance(m, m.since_mark()[0]))


def _named_object(m: Machine) -> None:
    """Make an instance of a class given as two lines."""
    module = _line(m)
    name = _line(m)
    m.since_mark()
    m.hold(Foreign(module=module, name=name))


def _instance(m: Machine, kind: Any) -> Foreign:
    """The mark of an instance; even a class on the list is not made this way."""
    if isinstance(kind, Global):
        return Foreign(module=kind.module, name=kind.name)
    if not isinstance(kind, Foreign):
        raise m.refuse("makes an instance of what is no class")
    return kind


def _build(m: Machine) -> None:
    """Accept, and ignore, the state of something foreign and the version numbers of a state dict."""
    state = m.stack.pop()
    target = m.stack[-1]
    # A state dict carries version numbers as an attribute; they are not needed.
    versions = isinstance(target, OrderedMapping) and isinstance(state, dict) and set(state) <= {"_metadata"}
    if not versions and not isinstance(target, Foreign):
        raise m.refuse("sets the state of an object")


def _set(m: Machine) -> None:
    """Push an empty set: a mark, since nothing of the file is ever hashed."""
    m.hold(Foreign(module="builtins", name="set"))


def _frozen_set(m: Machine) -> None:
    """Put a mark in the place of the values since the last MARK."""
    m.since_mark()
    _set(m)


def _pop_mark(m: Machine) -> None:
    """Drop the values since the last MARK."""
    m.since_mark()


def _duplicate(m: Machine) -> None:
    """Push the top value again."""
    m.stack.append(m.stack[-1])


def _pop(m: Machine) -> None:
    """Drop the top value, or a mark that has nothing above it."""
    if m.stack:
        m.stack.pop()
    else:
        m.since_mark()


def _persistent(m: Machine) -> None:
    """Hand a persistent id to the builder."""
    m.hold(m.builder.persistent(m.stack.pop()))


ACTIONS: dict[int, Callable[[Machine], None]] = {
    0x80: _protocol,
    0x95: _frame,
    ord("("): Machine.mark,
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
    0x81: _new_object(1),
    0x92: _new_object(2),
    ord("o"): _object,
    ord("i"): _named_object,
    0x8F: _set,
    0x90: _appends,
    0x91: _frozen_set,
    0x96: _bytes("<Q"),
    ord("0"): _pop,
    ord("1"): _pop_mark,
    ord("2"): _duplicate,
    ord("Q"): _persistent,
}
