"""What a run has done so far, kept in one file, so that it can be killed at any moment.

The file is an uncompressed ``.npz`` of plain numbers, written to a temporary name and renamed.  It holds the
SHA-256 of everything the result depends on: shape, type and place of the features, labels, classifier, options.  A
checkpoint of something else is refused, not overwritten.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sphereufm.errors import InvalidInputError, OutputError, UnreadableFileError
from sphereufm.features.metrics.companion import Gathered
from sphereufm.features.readers import open_arrays

_SECONDS_BETWEEN = 5.0


class Checkpoint:
    """A file with the merged statistics of the chunks done, or nothing where no file is wanted.

    ``identity``: what the result depends on.
    """

    def __init__(self, path: str | None, identity: list[bytes]) -> None:
        self._path = None if path is None else Path(path)
        sha = hashlib.sha256()
        for part in identity:
            sha.update(len(part).to_bytes(8, "little") + part)
        self._identity = sha.digest()
        self._arrays: dict[str, Any] = {}
        self._written = time.monotonic()
        if self._path is not None and self._path.exists():
            self._arrays = _read(self._path)
            if self._arrays.pop("identity").tobytes() != self._identity:
                raise InvalidInputError(
                    f"checkpoint={str(self._path)!r} belongs to other features, labels, classifier or options; "
                    "remove it, or choose another --checkpoint"
                )

    def restore(self, stage: str, totals: Sequence[Gathered]) -> int:
        """Take up the sums of a stage; returns the number of chunks done, 0 where it was not begun."""
        if f"{stage}/done" not in self._arrays:
            return 0
        for number, total in enumerate(totals):
            head = f"{stage}/{number}."
            total.restore({name[len(head) :]: a for name, a in self._arrays.items() if name.startswith(head)})
        return int(self._arrays[f"{stage}/done"])

    def save(self, stage: str, done: int, totals: Sequence[Gathered], at_once: bool = False) -> None:
        """Remember a stage, at most every five seconds unless ``at_once``."""
        if self._path is None or not (at_once or time.monotonic() - self._written >= _SECONDS_BETWEEN):
            return
        for number, total in enumerate(totals):
            self._arrays |= {f"{stage}/{number}.{name}": np.asarray(a) for name, a in total.arrays().items()}
        self._arrays[f"{stage}/done"] = np.asarray(done)
        self._write(self._path)
        self._written = time.monotonic()

    def remove(self) -> None:
        """Remove the file: the run is complete."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _write(self, path: Path) -> None:
        """Write all stages to a temporary name, then rename."""
        aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        identity = np.frombuffer(self._identity, dtype=np.uint8)
        try:
            with open(aside, "wb") as handle:
                np.savez(handle, allow_pickle=False, identity=identity, **self._arrays)
            os.replace(aside, path)
        except OSError as error:
            aside.unlink(missing_ok=True)
            raise OutputError(f"checkpoint={str(path)!r} cannot be written: {error.strerror}") from error


def _read(path: Path) -> dict[str, Any]:
    """All arrays of a checkpoint."""
    arrays = {name: source.read() for name, source in open_arrays(path).items()}
    if "identity" not in arrays or not all(
        name == "identity" or name.startswith(("moments/", "scatter/")) for name in arrays
    ):
        raise UnreadableFileError(
            f"checkpoint={str(path)!r} is not a checkpoint; choose another --checkpoint"
        )
    return arrays
