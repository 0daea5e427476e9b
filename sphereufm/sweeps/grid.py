"""Grids of problems: how they are written, and the cells they consist of.

A list of whole numbers is written ``3,4,5`` or ``2..8``; a bound of a dimension may depend on the number of
classes, ``2..K+1``. Temperatures are ``1,2,5`` or ``first:last:log:count`` (or ``lin``); those of a range are
rounded to six digits, so that each is a short decimal, taken exactly.

A file holds one grid, or several as ``[[block]]`` tables: each a grid of its own, with its own effort and number of
starts where it says so. A cell of several blocks belongs to the first of them.
"""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from sphereufm.errors import (
    InvalidInputError,
    UnreadableFileError,
    check_integer,
    check_positive,
    keep_checked,
)
from sphereufm.landscape.search.effort import Effort
from sphereufm.problem.arguments import exact_temperature

_BOUND = re.compile(r"(?P<K>K)?(?P<offset>[+-]?[0-9]{1,9})?")
# as it stands in names of files
_TAU = re.compile(r"[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?|[0-9]+/[0-9]+")
# beyond this no sweep ends
_MOST_CELLS = 1_000_000
_KEYS = {"classes", "per_class", "dim", "tau"}
_CHOICES = {"effort", "starts"}


@dataclass(frozen=True, kw_only=True, order=True)
class Cell:
    """One problem of a grid: ``classes`` of ``per_class`` samples in ``R^dim`` at the exact decimal ``tau``."""

    classes: int
    per_class: int
    dim: int
    tau: str

    @property
    def name(self) -> str:
        """Name of the cell's file, without its ending."""
        return f"K{self.classes}-n{self.per_class}-d{self.dim}-tau{self.tau.replace('/', 'over')}"

    def seed(self, base: int) -> int:
        """Seed that depends on the cell and the sweep's seed only, never on the order of execution."""
        return int.from_bytes(hashlib.sha256(f"{base}/{self.name}".encode()).digest()[:4], "big")


@dataclass(frozen=True, kw_only=True)
class SweepGrid:
    """A product of lists, as words (see the module); numbers and lists of them become words.

    ``effort``: the name of an ``Effort``; None leaves it to the sweep.  ``starts``: exactly so many starts in each
    stratum; None leaves it to the sweep, or to the effort given here.
    """

    classes: str
    per_class: str
    dim: str
    tau: str
    effort: str | None = None
    starts: int | None = None

    def __post_init__(self) -> None:
        keep_checked(self, **{key: _word(getattr(self, key)) for key in sorted(_KEYS)})
        check_search(self)

    def cells(self) -> Iterator[Cell]:
        """All cells, in a fixed order.

        Raises InvalidInputError if a list cannot be read, or a number is out of range.
        """
        taus = _temperatures(self.tau)
        for K, n in product(_numbers("classes", self.classes, 2), _numbers("per_class", self.per_class, 1)):
            for dim, tau in product(_numbers("dim", self.dim, 1, K), taus):
                yield Cell(classes=K, per_class=n, dim=dim, tau=tau)


def check_search(record: Any) -> None:
    """Check the ``effort`` and ``starts`` of a record, where it has them; an effort is kept as it is stored."""
    if record.effort is not None:
        keep_checked(record, effort=Effort.named(record.effort).name.lower())
    if record.starts is not None:
        keep_checked(record, starts=check_integer("starts", record.starts, 1))


def distinct_cells(grids: Iterable[SweepGrid]) -> Iterator[tuple[Cell, SweepGrid]]:
    """Yield every cell of some grids once, however its temperature is written, with the first grid that holds it."""
    first: dict[tuple[int, int, int, Fraction], tuple[Cell, SweepGrid]] = {}
    for grid in grids:
        for cell in grid.cells():
            place = cell.classes, cell.per_class, cell.dim, Fraction(cell.tau)
            first.setdefault(place, (cell, grid))
            if len(first) > _MOST_CELLS:
                raise InvalidInputError(f"the grid has more than {_MOST_CELLS} cells; sweep a part of it")
    yield from first.values()


def read_grid(path: str | os.PathLike[str]) -> tuple[SweepGrid, ...]:
    """Read the grid of a TOML file, or its blocks.

    Each has the keys ``classes``, ``per_class``, ``dim``, ``tau``, and perhaps ``effort`` and ``starts``.

    Raises UnreadableFileError if the file is missing or no TOML; InvalidInputError if a key is missing or
    unknown, or a choice not allowed.
    """
    try:
        data = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnreadableFileError(f"{path} cannot be read as a grid: {error}") from error
    blocks = data["block"] if data.keys() == {"block"} else [data]
    if not isinstance(blocks, list) or not blocks or not all(isinstance(table, dict) for table in blocks):
        raise InvalidInputError(f"{path} has block={blocks!r}, but [[block]] tables are needed")
    for table in blocks:
        if table.keys() - _CHOICES != _KEYS:
            raise InvalidInputError(
                f"{path} has the keys {sorted(table)}, but {sorted(_KEYS)} are needed, and {sorted(_CHOICES)} allowed"
            )
    return tuple(SweepGrid(**table) for table in blocks)


def _word(value: Any) -> str:
    """A list or number as it is written on the command line."""
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _numbers(name: str, text: str, least: int, classes: int | None = None) -> list[int]:
    """Whole numbers of a list or range."""
    found: list[int] = []
    for part in text.split(","):
        low, dots, high = part.strip().partition("..")
        first = _bound(name, low, classes)
        last = _bound(name, high, classes) if dots else first
        if last < first:
            raise InvalidInputError(
                f"{name}={text!r} has a range that is empty; write the smaller bound first"
            )
        if last - first > _MOST_CELLS:
            raise InvalidInputError(f"{name}={text!r} has more than {_MOST_CELLS} numbers")
        found += range(check_integer(name, first, least), last + 1)
    return sorted(set(found))


def _bound(name: str, text: str, classes: int | None) -> int:
    """One number, or ``K``, ``K+1``, ``K-1`` where the number of classes is known."""
    match = _BOUND.fullmatch(text.strip())
    if not text.strip() or match is None or (match["K"] and classes is None):
        raise InvalidInputError(f"{name} has {text!r}, but 3,4,5 or 2..8 is needed (dimensions: also 2..K+1)")
    return (classes or 0) * bool(match["K"]) + int(match["offset"] or 0)


def _temperatures(text: str) -> list[str]:
    """Temperatures as decimals, each value once."""
    words = _spaced(text) if ":" in text else [word.strip() for word in text.split(",")]
    found: dict[Fraction, str] = {}
    for word in words:
        if not _TAU.fullmatch(word):
            raise InvalidInputError(f"tau has {word!r}, but positive numbers such as 0.1 or 1/3 are needed")
        found.setdefault(exact_temperature(word), word)
    return list(found.values())


def _spaced(text: str) -> list[str]:
    """Temperatures of a range, six digits each."""
    try:
        first, last, scale, count = text.split(":")
        spaced: Any = {"log": np.geomspace, "lin": np.linspace}[scale]
        ends, number = (float(first), float(last)), int(count)
    except (KeyError, ValueError):
        raise InvalidInputError(f"tau={text!r} must be t1,t2,... or first:last:log|lin:count") from None
    for name, end in zip(("first", "last"), ends, strict=True):
        check_positive(f"tau={text!r}: {name}", end)
    if not 1 <= number <= _MOST_CELLS:
        raise InvalidInputError(f"tau={text!r} has {number} values; 1 to {_MOST_CELLS} are allowed")
    return [f"{value:.6g}" for value in spaced(*ends, number)]
