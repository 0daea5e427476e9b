"""What the loop asks of a solver: one step at a time, for a batch whose items leave as they finish."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sphereufm.solvers.oracle import Oracle, Points


@dataclass(slots=True, eq=False)
class Step:
    """Outcome of one iteration."""

    points: Points  #: where each item is now; unchanged where a step was rejected
    stalled: NDArray[np.bool_]  #: shape ``(B,)``: whether an item cannot move any more
    #: Shape ``(B,)``: whether a cost or gradient that is not finite was met in this iteration.
    non_finite: NDArray[np.bool_]


class Strategy(Protocol):
    """A solver at work on one batch; it owns whatever it remembers."""

    def step(self, points: Points) -> Step:
        """Make one iteration with every item."""

    def keep(self, rows: NDArray[np.bool_]) -> None:
        """Go on with some of the items."""

    def forget(self, rows: NDArray[np.bool_]) -> None:
        """Drop what was learned about some items: they were moved, or their units changed."""


class Solver(Protocol):
    """A configured solver; it can be used for any number of runs."""

    @property
    def name(self) -> str:
        """Name on the command line and in results."""

    def start(self, oracle: Oracle, points: Points) -> Strategy:
        """Begin a run at ``points``."""
