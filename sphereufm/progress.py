"""How long work says how far it is: one protocol for searches, proofs, sweeps, features and branches.

``progress(stage, done, total, detail)``.  Whoever knows the shares of several stages makes one whole of them with
:class:`Parts`: a total that never grows.  :func:`until` ends work at its next report when its time is over.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

# so fine is the scale of a whole that consists of parts
_WHOLE = 1000


class Progress(Protocol):
    """Takes reports of progress."""

    def __call__(self, stage: str, done: int, total: int, detail: str = "") -> object:
        """So much of ``total`` is done; ``stage`` and ``detail`` are texts for a reader."""


class TimeLimitReached(Exception):
    """The time that was given is over; what was found is kept."""


# what ends a search early, with all that it found
STOPS = (KeyboardInterrupt, TimeLimitReached)


def reason_of(stop: BaseException) -> str:
    """Why work ended early, in words."""
    return "the time limit was reached" if isinstance(stop, TimeLimitReached) else "interrupted"


def silent(stage: str, done: int, total: int, detail: str = "") -> None:
    """Report to nobody."""


def until(progress: Progress | None, seconds: float | None) -> Progress:
    """Report as before, and raise :class:`TimeLimitReached` from the first report after so many seconds."""
    report = progress or silent
    if seconds is None:
        return report
    end = time.monotonic() + seconds

    def watched(stage: str, done: int, total: int, detail: str = "") -> None:
        report(stage, done, total, detail)
        if time.monotonic() >= end:
            raise TimeLimitReached

    return watched


@dataclass(frozen=True)
class Parts:
    """One whole of several parts that follow each other.

    ``progress``: hears of the whole, in thousandths.  ``shares``: share of each part, in the order in which
    they follow; they need not add up to one.

    Examples
    --------
    >>> heard = []
    >>> parts = Parts(lambda *report: heard.append(report), {"search": 3.0, "proofs": 1.0})
    >>> parts.of("search")("rank 2", 5, 10)
    >>> parts.of("proofs")("prove", 1, 1)
    >>> heard
    [('rank 2', 375, 1000, ''), ('prove', 1000, 1000, '')]
    """

    progress: Progress
    shares: Mapping[str, float]

    def of(self, name: str) -> Progress:
        """Progress of one part."""
        names = list(self.shares)
        whole = sum(self.shares.values()) or 1.0
        before = sum(self.shares[other] for other in names[: names.index(name)])

        def report(stage: str, done: int, total: int, detail: str = "") -> None:
            share = self.shares[name] * min(done, total) / max(total, 1)
            self.progress(stage, round(_WHOLE * (before + share) / whole), _WHOLE, detail)

        return report
