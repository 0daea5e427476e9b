"""The child process of :mod:`sphereufm.features.readers.isolated.parent`: limits itself, reads, sends."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from sphereufm.errors import SphereUFMError
from sphereufm.features.readers.isolated.parent import READY, Listed
from sphereufm.features.readers.stored import StoredFile

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
        except SphereUFMError as error:
            _send(answer, {"error": str(error)})
        except MemoryError:
            _send(answer, {"error": f"{file.name} claims more memory than it should need"})
        except Exception as error:
            # The last stop before the process ends: the parent must learn of it, or it would blame the file.
            fact = f"{type(error).__name__}: {error}"[:120]
            _send(answer, {"error": f"{file.name} cannot be read, its library failed with {fact}"})
    os._exit(0)  # without the libraries' own ends, which may crash on what they have read


def _work(order: dict[str, Any], file: StoredFile, answer: BinaryIO) -> None:
    """List the arrays, or send the blocks of one."""
    from sphereufm.features.readers.isolated import arrow, hdf5

    form, rows = order["format"], order.get("rows")
    module: Any = hdf5 if form == "hdf5" else arrow
    library = module.load()
    _limit(file.size, 0 if rows is None else 2 * _block_bytes(order["listed"], rows))
    if rows is None:
        _send(answer, {"arrays": [vars(item) for item in module.describe(library, file, form)]})
        return
    for block in module.blocks(library, file, form, Listed.of(order["listed"]), rows):
        _send(answer, {"rows": len(block) if block.ndim else 1})
        answer.write(np.ascontiguousarray(block).reshape(-1).view(np.uint8).data)
        answer.flush()
    _send(answer, {"end": True})


def _block_bytes(listed: dict[str, Any], rows: int) -> int:
    """Bytes of the largest block that was asked for."""
    shape = listed["shape"] or [1]
    return int(np.prod([min(rows, shape[0]), *shape[1:]], dtype=object)) * np.dtype(listed["dtype"]).itemsize


def _send(answer: BinaryIO, message: dict[str, Any]) -> None:
    """One line of JSON."""
    answer.write(json.dumps(message).encode() + b"\n")
    answer.flush()


def _limit(size: int, blocks: int) -> None:
    """Forbid writing files, and bound memory, where the system can."""
    try:
        import resource
    except ImportError:
        return
    used = 0
    try:
        with open("/proc/self/status") as status:
            used = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmData"))
    except (OSError, StopIteration):
        pass
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    if used:
        room, allowed = used + _ROOM + 4 * size + blocks, resource.getrlimit(resource.RLIMIT_DATA)[1]
        room = room if allowed == resource.RLIM_INFINITY else min(room, allowed)
        resource.setrlimit(resource.RLIMIT_DATA, (room, room))
