"""The solvers: what a step is.  The loop that they share is :mod:`sphereufm.solvers.loop`.

In: an oracle and a batch of points.  Out: the next points.
Calls ``solvers.oracle`` and ``geometry``; only ``solvers`` calls it.
"""

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
    """A solver at work on one batch: a dataclass that holds what is remembered of each item.

    Its arrays, and those of dataclasses in it that are not frozen, have one row an item.  The loop drops the rows of
    items that stop, and fills the rows of items that were moved, or whose units changed, with zeros: nothing is known
    of these.
    """

    def step(self, points: Points) -> Step:
        """Make one iteration with every item, each of which can pay for a cost and a gradient at least."""


class Solver(Protocol):
    """A configured solver; it can be used for any number of runs."""

    @property
    def name(self) -> str:
        """Name on the command line and in results."""

    def start(self, oracle: Oracle, points: Points) -> Strategy:
        """Begin a run at ``points``, of which nothing is known yet."""
