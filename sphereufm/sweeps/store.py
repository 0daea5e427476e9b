"""The folder of a sweep: one file a cell, written aside and renamed; an index rebuilt from them; one writer.

``sweep.json`` holds what all cells share; ``cells/NAME.json`` one cell, format ``sphereufm-cell/1``;
``cells/NAME/certificates`` its certificates; ``index.json`` a line for each cell. A kill at any moment loses
the cells under way and no other.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sphereufm.errors import OutputError, UnreadableFileError
from sphereufm.files import json_data, write_json
from sphereufm.sweeps.grid import Cell


class SweepFolder:
    """Reads and writes the files of one sweep; ``path`` is made where it does not exist."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.cells = self.path / "cells"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one sweep; the system lets go of it when the process ends, however it ends.

        Raises OutputError if the folder cannot be written, or another sweep holds it.
        """
        import fcntl

        try:
            self.cells.mkdir(parents=True, exist_ok=True)
            handle = (self.path / "sweep.lock").open("w")
        except OSError as error:
            raise OutputError(f"--out={self.path} cannot be written: {error.strerror}") from error
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise OutputError(f"--out={self.path} is in use by another sweep; wait for it") from error
            yield

    def agree(self, settings: Mapping[str, Any], wanted: Mapping[Cell, Mapping[str, Any]]) -> None:
        """Record what all cells share; refuse other settings, and another search of a stored cell, by OutputError."""
        place = self.path / "sweep.json"
        shared = json_data(settings)
        if not place.exists():
            write_json(place, {"format": "sphereufm-sweep/1", **shared})
        there = self.read(place)
        if differ := sorted(k for k, v in shared.items() if there.get(k) != v):
            raise OutputError(
                f"--out={self.path} holds a sweep with other {', '.join(differ)}; use another folder"
            )
        for cell in (cell for cell in wanted if self.place(cell).exists()):
            there = self.read(self.place(cell))
            if differ := [f"{k}={there[k]}" for k, v in wanted[cell].items() if there.get(k, v) != v]:
                raise OutputError(
                    f"--out={self.path} holds {cell.name} with {', '.join(differ)}, but the grid says otherwise; "
                    "use another folder, or delete the cell's file"
                )

    def place(self, cell: Cell) -> Path:
        """File of one cell."""
        return self.cells / f"{cell.name}.json"

    def write_index(self) -> list[dict[str, Any]]:
        """Rebuild ``index.json`` from the cells' files, and return its lines."""
        lines = []
        for place in sorted(self.cells.glob("*.json")):
            line = self.read(place)
            line.pop("landscape", None)  # at once: all of them would fill the memory
            lines.append(line)
        write_json(self.path / "index.json", {"format": "sphereufm-sweep-index/1", "cells": lines})
        return lines

    @staticmethod
    def read(place: Path) -> dict[str, Any]:
        """One JSON file of a sweep; raises UnreadableFileError if it is none."""
        try:
            data = json.loads(place.read_text(encoding="utf-8"))
            if not str(data["format"]).startswith("sphereufm-"):
                raise ValueError(f"format={data['format']!r}")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UnreadableFileError(
                f"{place} is no file of a sweep ({type(error).__name__}: {error}); delete it, and run the sweep again"
            ) from error
        return dict(data)
