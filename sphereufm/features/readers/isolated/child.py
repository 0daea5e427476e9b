"""The child process of :mod:`sphereufm.features.readers.isolated.parent`: limits itself, reads, sends."""

from __future__ import annotations

import json
import math
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from sphereufm.errors import SphereUFMError
from sphereufm.features.readers.isolated.parent import READY, IsolatedArray
from sphereufm.features.readers.stored import StoredFile, words_of

_ROOM = 2**29
"""Bytes that a library may use beyond four times the file and what it needs to start."""


def main() -> None:
    """Take an order from standard input, answer on standard output, and leave.

    Standard output is kept for the answer; whatever a library prints goes nowhere.  Standard error was the parent's to
    learn why the process cannot start, and that is over.
    """
    order = json.loads(sys.stdin.buffer.read())
    with os.fdopen(os.dup(1), "wb") as answer, open(os.devnull, "wb") as nowhere:
        answer.write(READY)
        answer.flush()
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
        file = StoredFile(path=Path(order["path"]), size=order["size"], stamp=tuple(order["stamp"]))
        try:
            _work(order, file, answer)
        except Exception as error:
            # The last stop before the process ends: the parent must learn of it, or it would blame the file.
            _send(answer, {"error": reason(file, error)})
    os._exit(0)  # without the libraries' own ends, which may crash on what they have read


def reason(file: StoredFile, error: Exception) -> str:
    """What went wrong, in one sentence; whatever a library raises is the fault of a damaged file."""
    if isinstance(error, SphereUFMError):
        return str(error)
    if isinstance(error, MemoryError):
        return f"{file.name} claims more memory than it should need"
    return f"{file.name} is damaged ({words_of(error)}); save it again"


def reader_of(file: StoredFile, form: str) -> Any:
    """The reader of a format, with its library loaded."""
    from sphereufm.features.readers.isolated.arrow import TableReader
    from sphereufm.features.readers.isolated.hdf5 import HDF5Reader

    return HDF5Reader(file) if form == "hdf5" else TableReader(file, form)


def _work(order: dict[str, Any], file: StoredFile, answer: BinaryIO) -> None:
    """List the arrays, or send the blocks of one."""
    reader, rows = reader_of(file, order["format"]), order.get("rows")
    if rows is None:
        _limit(file.size)
        _send(answer, {"arrays": reader.describe()})
        return
    array = IsolatedArray.of(file, order["format"], order["key"], order["array"])
    height = min(rows, array.shape[0]) if array.shape else 1
    _limit(file.size, 2 * height * math.prod(array.shape[1:]) * array.dtype.itemsize)
    for block in reader.blocks(array, rows):
        _send(answer, {"rows": len(block) if block.ndim else 1})
        answer.write(np.ascontiguousarray(block).reshape(-1).view(np.uint8).data)
        answer.flush()
    _send(answer, {"end": True})


def _send(answer: BinaryIO, message: dict[str, Any]) -> None:
    """One line of JSON."""
    answer.write(json.dumps(message).encode() + b"\n")
    answer.flush()


def _limit(size: int, blocks: int = 0) -> None:
    """Forbid writing files, and bound memory, where the system can."""
    try:
        import resource
    except ImportError:
        return
    used = 0
    with suppress(OSError, StopIteration), open("/proc/self/status") as status:
        used = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmData"))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    if used:
        room, allowed = used + _ROOM + 4 * size + blocks, resource.getrlimit(resource.RLIMIT_DATA)[1]
        room = room if allowed == resource.RLIM_INFINITY else min(room, allowed)
        resource.setrlimit(resource.RLIMIT_DATA, (room, room))
