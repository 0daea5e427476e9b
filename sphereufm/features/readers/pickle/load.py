"""An interpreter for the pickle operations that saved tensors need.

Python's own unpickler calls what a file names; filtering names is not enough (``BUILD`` can change a class
that a filter let through).  Here nothing is called: each operation below pushes plain values, a name becomes
a :class:`Global` mark if it is on the caller's list, and ``REDUCE`` hands mark and arguments to the caller's
function.  Any other name, and all that is made of it, is an inert :class:`Foreign` mark.  Every other operation is
refused, and so is anything beyond the limits on operations, containers and bytes: memory is bounded by the length of
the pickle, whatever it says.

Values are None, bool, int, float, str, bytes, list, tuple, dict, marks and what the caller makes.  A value may be
shared many times (a pickle of 125 bytes can describe 2^60 nested pairs), so a traversal must count.

References
----------
``pickletools`` in the standard library (the operations); ``torch._weights_only_unpickler``.
"""

from __future__ import annotations

import struct
from typing import Any

from sphereufm.errors import UnreadableFileError
from sphereufm.features.readers.pickle.machine import (
    Builder,
    Foreign,
    Global,
    Machine,
    OddKey,
    OrderedMapping,
)
from sphereufm.features.readers.pickle.operations import ACTIONS, STOP

__all__ = ["MAX_PICKLE", "Builder", "Foreign", "Global", "OddKey", "OrderedMapping", "interpret"]

MAX_PICKLE = 2**24
"""Bytes of a pickle; a state dict of ten thousand tensors has about two million."""

_MAX_OPERATIONS = 2_000_000


def interpret(data: bytes, start: int, builder: Builder, name: str) -> tuple[Any, int]:
    """Interpret one pickle.

    * ``data``: holds the pickle, and perhaps more behind it.
    * ``start``: where it begins.
    * ``builder``: allowed names and their meaning.
    * ``name``: the file, for messages.

    Returns the pickled value and the position behind it, stop.  Raises UnreadableFileError if the pickle is
    damaged, too large, or does anything that is not on the lists.
    """
    machine = Machine(data, start, builder, name)
    try:
        return _run(machine), machine.at
    except (IndexError, KeyError, struct.error, UnicodeDecodeError) as error:
        raise UnreadableFileError(f"{name} holds a damaged pickle; save it again") from error


def _run(machine: Machine) -> Any:
    """Follow the operations up to STOP."""
    for _ in range(_MAX_OPERATIONS):
        code = machine.data[machine.at]
        machine.at += 1
        if code == STOP:
            if len(machine.stack) != 1 or machine.marks:
                raise machine.refuse("stops with an unfinished value")
            return machine.stack[0]
        action = ACTIONS.get(code)
        if action is None:
            raise machine.refuse(f"uses operation {code:#04x}, which saved tensors do not need")
        action(machine)
    raise machine.refuse(f"has more than {_MAX_OPERATIONS} operations")
