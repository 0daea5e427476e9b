"""The operations of a pickle that saved tensors need, by their code.

Each takes the machine and changes its stack or memo; a code that is not in the table is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sphereufm.features.readers.pickle.machine import MAX_NAME, Global, Machine, OrderedMapping

__all__ = ["ACTIONS", "STOP"]

STOP = ord(".")


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
    """Push an integer of up to 16 bytes."""
    count = m.take(1)[0]
    if count > 16:
        raise m.refuse("has an integer of more than 16 bytes")
    m.stack.append(int.from_bytes(m.take(count), "little", signed=True))


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
    _target(m, list).append(value)


def _appends(m: Machine) -> None:
    """Append the values since the mark to the list below them."""
    items = m.since_mark()
    _target(m, list).extend(items)


def _set_item(m: Machine) -> None:
    """Store one value under the key below it."""
    value, key = m.stack.pop(), m.stack.pop()
    _store(m, [key, value])


def _set_items(m: Machine) -> None:
    """Store keys and values since the mark."""
    _store(m, m.since_mark())


def _store(m: Machine, items: list[Any]) -> None:
    """Put keys and values in turn into the dictionary on top of the stack."""
    target = _target(m, dict)
    if len(items) % 2:
        raise m.refuse("has a key without a value")
    for key, value in zip(items[::2], items[1::2], strict=True):
        # Tuples can take 2^60 steps to hash; integers hash modulo 2^61 - 1, and larger ones can all be equal.
        if not (isinstance(key, str) or (isinstance(key, int) and abs(key) < 2**61 - 1)):
            raise m.refuse("has a dictionary key that is neither a text nor an integer below 2^61")
        target[key] = value


def _target(m: Machine, kind: type) -> Any:
    """The container on top of the stack, which must be a plain one."""
    if not isinstance(m.stack[-1], kind):
        raise m.refuse("fills something that is no list or dictionary")
    return m.stack[-1]


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
    """Push the mark of an allowed name."""
    mark = m.builder.allowed.get((module, name))
    if mark is None:
        raise m.builder.refuse_global(module[:MAX_NAME], name[:MAX_NAME])
    m.stack.append(mark)


def _reduce(m: Machine) -> None:
    """Hand an allowed mark and its arguments to the builder."""
    arguments, function = m.stack.pop(), m.stack.pop()
    if not (isinstance(function, Global) and isinstance(arguments, tuple)):
        raise m.refuse("calls something that is no allowed name")
    m.hold(m.builder.reduce(function, arguments))


def _build(m: Machine) -> None:
    """Accept, and ignore, the version numbers of a state dict."""
    state = m.stack.pop()
    # A state dict carries version numbers as an attribute; they are not needed.
    if not (
        isinstance(m.stack[-1], OrderedMapping) and isinstance(state, dict) and set(state) <= {"_metadata"}
    ):
        raise m.refuse("sets the state of an object")


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
    ord("Q"): _persistent,
}
