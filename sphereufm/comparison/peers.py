"""What measures every run from outside: the gauge for other people's solvers, and how a file of them is loaded.

A peer gets a start and a :class:`Gauge`.  Whenever it evaluates a gradient, the gauge measures the columnwise
relative gradient norm of the point anew (that time is not charged) and ends the run when it meets the tolerance.  So
no peer pays for a stop test of its own that is stricter, and none profits from a laxer one.
"""

from __future__ import annotations

import runpy
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np

from sphereufm.errors import InvalidInputError, UnreadableFileError
from sphereufm.geometry.spheres import Array, column_lengths
from sphereufm.problem.interface import SphereProblem, relative_gradient_norm

# a curve keeps a point when the best norm so far has fallen by this factor
_NOTICEABLE = 0.9

# processor time does not see what else the machine does; it adds up threads, of which there should be one
CLOCKS: Mapping[str, Callable[[], float]] = MappingProxyType(
    {"wall": time.perf_counter, "cpu": time.process_time}
)


class Stopped(Exception):
    """The gauge ended the run."""


@dataclass(eq=False)
class Curve:
    """The best relative gradient norm so far, thinned: one entry for each fall by a tenth.

    ``points``: seconds, calls of all kinds, relative gradient norm.
    """

    points: list[tuple[float, int, float]] = field(default_factory=list)

    def add(self, seconds: float, calls: int, norm: float) -> None:
        """Keep the point if it is noticeably better than all before it."""
        if not self.points or norm <= _NOTICEABLE * self.points[-1][2]:
            self.points.append((seconds, calls, norm))


@dataclass(eq=False)
class Gauge:
    """Counts calls, measures points independently, and ends the run."""

    problem: SphereProblem
    tolerance: float  #: relative gradient norm to reach
    limit: float  #: seconds that are charged at most
    #: Calls of ``cost``, ``gradient`` and ``hessian`` so far.
    calls: dict[str, int] = field(default_factory=lambda: {"cost": 0, "gradient": 0, "hessian": 0})
    best: float = np.inf  #: least relative gradient norm that was seen, at the point ``X``
    X: Array | None = None
    curve: Curve = field(default_factory=Curve)
    clock: Callable[[], float] = time.perf_counter  #: one of ``CLOCKS``
    _free: float = 0.0
    _begun: float = 0.0
    _last: Array | None = None
    _elsewhere: float | None = None

    def __post_init__(self) -> None:
        self.begin()

    @property
    def reached(self) -> bool:
        """Whether the tolerance was met."""
        return self.best <= self.tolerance

    def begin(self) -> None:
        """Start the clock: what a peer does before it calls this is not charged."""
        self._begun, self._free = self.clock(), 0.0

    def seconds(self) -> float:
        """Seconds charged so far."""
        if self._elsewhere is not None:
            return self._elsewhere
        return self.clock() - self._begun - self._free

    def count(self, *kinds: str) -> None:
        """Count a call of each kind (``cost``, ``gradient``, ``hessian``), and end the run if its time is over.

        Raises Stopped when the limit has passed.
        """
        for kind in kinds:
            self.calls[kind] += 1
        if self.seconds() > self.limit:
            raise Stopped

    def take_over(self, X: Array, seconds: float, calls: Mapping[str, int]) -> None:
        """Take a run that was timed and counted in another process, and measure where it ended, shape (d, M).

        Raises Stopped when the tolerance is met, or the limit has passed.
        """
        self.calls.update(calls)
        self._elsewhere = seconds
        self.look(X)
        if seconds > self.limit:
            raise Stopped

    def look(self, X: Array) -> None:
        """Measure a point, shape (d, M), at which the peer evaluated a gradient; columns need not be of unit length.

        Raises Stopped when the tolerance is met.
        """
        entered, seconds = self.clock(), self.seconds()
        if self._last is None or not np.array_equal(X, self._last):
            self._last = np.array(X)
            unit = X / column_lengths(X)
            norm = float(relative_gradient_norm(self.problem.at(unit)))
            if norm < self.best:
                self.best, self.X = norm, unit
                self.curve.add(seconds, sum(self.calls.values()), norm)
        self._free += self.clock() - entered
        if self.reached:
            raise Stopped


#: May return why it ended.
Peer = Callable[[SphereProblem, Array, Gauge], str | None]


def load_peers(path: Path) -> Mapping[str, Peer]:
    """Run a Python file and return the solvers that it offers.

    ``path``: a file that defines ``PEERS``, a dict of names to functions ``run(problem, start, gauge)``.  If
    it also defines a function ``available_peers()``, only the names that this returns are used.  Raises
    UnreadableFileError if there is no such file; InvalidInputError if the file fails or offers no ``PEERS``.
    """
    if not path.is_file():
        raise UnreadableFileError(f"--peers={path}: there is no such file")
    try:
        names = runpy.run_path(str(path))
        available = names.get("available_peers")
        wanted = None if available is None else list(available())
    except (Exception, SystemExit) as error:  # whatever another's file raises
        raise InvalidInputError(f"--peers={path} cannot be run: {type(error).__name__}: {error}") from error
    peers = names.get("PEERS")
    if not isinstance(peers, dict) or not all(
        isinstance(name, str) and callable(peer) for name, peer in peers.items()
    ):
        raise InvalidInputError(
            f"--peers={path} must define PEERS, a dict of names to run(problem, start, gauge)"
        )
    wanted = list(peers) if wanted is None else wanted
    for name in wanted:
        if name not in list(peers):  # a list takes what cannot be hashed
            raise InvalidInputError(f"--peers={path}: available_peers() names {name!r}, which PEERS has not")
    return {name: peers[name] for name in wanted}
