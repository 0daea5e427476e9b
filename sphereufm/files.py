"""Writing files without loss: to a temporary name beside the target, which is then renamed.

What was there before stays whole until the new file is; an error or an interruption leaves no half of a file.
"""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from sphereufm.errors import OutputError


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, where there is none; OutputError if it cannot be made."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"path={str(path)!r} cannot be made: {error.strerror}") from error


def write_aside(path: str | os.PathLike[str], write: Callable[[Path], object]) -> None:
    """Let ``write`` make a file under a temporary name, and rename it to ``path``.

    ``path``: replaced if it exists, behind a symbolic link too; pipes and devices are written to as they are.
    ``write``: takes the temporary path.  Raises OutputError if the file cannot be written.
    """
    target = Path(path)
    try:
        if target.exists() and not (target.is_file() or target.is_dir()):
            write(target)
            return
        whole = Path(os.path.realpath(target))
        if whole.is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        aside = whole.with_name(f".{whole.name}.{os.getpid()}.tmp")
        try:
            write(aside)
            os.replace(aside, whole)
        finally:
            with suppress(OSError):
                aside.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{target} cannot be written: {error.strerror or error}") from error


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text in UTF-8, as :func:`write_aside` does; what UTF-8 has not, as names of files, is escaped.

    Raises OutputError if the file cannot be written.
    """
    write_aside(path, lambda aside: aside.write_text(text, encoding="utf-8", errors="backslashreplace"))


def write_json(path: str | os.PathLike[str], data: Any, indent: int | None = None) -> None:
    """Write JSON data, finite or null, as :func:`write_aside` does."""
    write_text(path, json.dumps(data, allow_nan=False, indent=indent) + "\n")


def json_data(data: Any) -> Any:
    """The same with what JSON has: lists for tuples, null for numbers that are not finite."""
    if isinstance(data, Mapping):
        return {key: json_data(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [json_data(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data
