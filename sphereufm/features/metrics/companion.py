"""What passes over a file gather, and what else is gathered while the metrics' second pass goes through the file.

Chunks of rows are gathered apart and absorbed in their order, by one thread or by several, so the bits are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Gathered:
    """What was gathered of a run of rows, by name."""

    added: dict[str, NDArray[Any]]  #: sums; they grow in place
    largest: dict[str, float] = field(default_factory=dict)  #: greatest values
    #: Arrays that lie side by side along their last axis.
    joined: dict[str, list[NDArray[Any]]] = field(default_factory=dict)

    def absorb(self, other: Gathered) -> None:
        """Gather what another has, of the rows that follow."""
        for name, value in other.added.items():
            self.added[name] += value
        for name, most in other.largest.items():
            self.raise_to(name, most)
        for name, parts in other.joined.items():
            self.joined[name] += parts

    def raise_to(self, name: str, value: float) -> None:
        """Take the greater of a value and what is there."""
        self.largest[name] = max(self.largest[name], float(value))

    def whole(self, name: str) -> NDArray[Any]:
        """One array of what was joined; the parts are not kept beside it."""
        self.joined[name] = [np.concatenate(self.joined[name], axis=-1)]
        return self.joined[name][0]

    def arrays(self) -> dict[str, Any]:
        """Everything as arrays, for a file."""
        return {**self.added, **self.largest, **{name: self.whole(name) for name in self.joined}}

    def restore(self, arrays: Mapping[str, Any]) -> None:
        """Take up what a file holds."""
        self.added.update({name: np.array(arrays[name]) for name in self.added})
        self.largest.update({name: float(arrays[name]) for name in self.largest})
        self.joined.update({name: [np.array(arrays[name])] for name in self.joined})


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """A block of samples, ``h_i = r_i + m_{y_i}``."""

    rows: slice  #: which samples these are
    residuals: Array  #: shape ``(n, d)``: ``r_i`` about the class means; not to be changed
    labels: NDArray[np.intp]  #: shape ``(n,)``
    products: Array  #: shape ``(n, K)``: ``<w_k, h_i>``, without bias
    lengths: Array | None  #: shape ``(n,)`` or None: ``|h_i|``; None where all are one


class Companion(Protocol):
    """Gathers more of each block; a plain value that pickles."""

    def begin(self, found: Gathered) -> None:
        """Put what is gathered of no rows beside what is there, under names of its own."""
        ...

    def add(self, found: Gathered, view: View) -> None:
        """Gather a block."""
        ...


def add_to_classes(sums: Array, rows: Array, labels: NDArray[np.intp]) -> None:
    """Add each row to that of its class: a matrix of sums does not fit the cache, one row of it does."""
    for label, row in zip(labels.tolist(), rows, strict=True):
        sums[label] += row
