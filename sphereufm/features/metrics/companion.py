"""What else is gathered while the metrics' second pass goes through the file, so that it is read once for all.

A companion sees each block as residuals about the class means, with the classifier's products; it adds up what it
wants.  Chunks are gathered apart and merged in their order, by one process or by several, so the bits are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """A block of samples, ``h_i = r_i + m_{y_i}``."""

    residuals: Array  #: shape ``(n, d)``: ``r_i``; not to be changed
    base: Array  #: shape ``(K, d)``: ``m_k``, class means or any other points
    labels: NDArray[np.intp]  #: shape ``(n,)``
    products: Array  #: shape ``(n, K)``: ``<w_k, h_i>``, without bias
    lengths: Array | None  #: shape ``(n,)``, or None: ``|h_i|``; None where all are one
    #: Whether the base are the class means, so that residuals of a class have sum zero over all blocks.
    centred: bool = True


class Companion(Protocol):
    """Sums that grow block by block; a plain value that pickles."""

    def maker(self) -> Callable[[], Companion]:
        """What makes an empty one of the same kind, for a run of rows; it is sent to workers, and should be small."""
        ...

    def add(self, view: View) -> None:
        """Gather a block."""
        ...

    def absorb(self, other: Any) -> None:
        """Gather what another of its kind has, of the rows that follow."""
        ...

    def arrays(self) -> Mapping[str, Any]:
        """What was gathered, as arrays for a checkpoint."""
        ...

    def restore(self, arrays: Mapping[str, Any]) -> None:
        """Take up what a checkpoint holds."""
        ...
