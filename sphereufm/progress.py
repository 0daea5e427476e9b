"""How long work says how far it is: one protocol for searches, proofs, sweeps, features and branches.

``progress(stage, done, total, detail)``.  A caller that knows the shares of several stages joins them with
:class:`Parts`: a total that never grows.  :func:`until` ends work at its next report when its time is over.
:class:`Bar` draws what it hears.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from sphereufm.errors import check_positive
from sphereufm.notebook import NotebookBar, notebook_bar

# so fine is the scale of a whole that consists of parts
_WHOLE = 1000
# seconds between two lines where there is no bar
_LINE_SECONDS = 1.0


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
    """Report nothing."""


def until(progress: Progress | None, seconds: float | None) -> Progress:
    """Report as before, and raise :class:`TimeLimitReached` from the first report after so many seconds but the last.

    Raises InvalidInputError if that is no finite positive number.
    """
    report = progress or notebook_bar() or silent
    if seconds is None:
        return report
    end = time.monotonic() + check_positive("time_limit", seconds)

    def watched(stage: str, done: int, total: int, detail: str = "") -> None:
        report(stage, done, total, detail)
        if done < total and time.monotonic() >= end:
            raise TimeLimitReached

    return watched


@dataclass(frozen=True)
class Parts:
    """One whole of several parts that follow each other.

    ``progress``: called with the whole, in thousandths.  ``shares``: share of each part, in the order in which
    they follow; they need not add up to one.
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


class Bar:
    """One bar with the time that is left: on a terminal's standard error, gone at the end, or in a notebook.

    Used as a context manager and called as a :class:`Progress`.

    ``live``: false draws nothing, wherever it is; ``line``: takes a line of text where there is no bar: at
    a new detail, at the end of a stage, and once a second in between.
    """

    def __init__(self, *, live: bool = True, line: Callable[[str], object] | None = None) -> None:
        self._draw = _bar() if live else None
        self._line = line
        self._said: tuple[str, str] | None = None
        self._at = 0.0

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if isinstance(self._draw, _TerminalBar):
            self._draw.stop()

    def __call__(self, stage: str, done: int, total: int, detail: str = "") -> None:
        """Show that so much is done."""
        if self._draw is not None:
            self._draw(stage, done, total, detail)
        elif self._line is not None:
            now = time.monotonic()
            if (stage, detail) != self._said or done >= total or now - self._at >= _LINE_SECONDS:
                self._said, self._at = (stage, detail), now
                self._line(f"{stage}: {done} of {total}" + (f"; {detail}" if detail else ""))


def drawn(progress: Progress | bool | None) -> AbstractContextManager[Progress]:
    """A bar for True, what was given, or else a notebook's bar in a notebook and nothing elsewhere."""
    if progress is True:
        return Bar()
    return nullcontext(progress or notebook_bar() or silent)


def _bar() -> NotebookBar | _TerminalBar | None:
    """A bar for where we are; None where nobody watches."""
    return notebook_bar() or (_TerminalBar() if is_watched() else None)


def is_watched() -> bool:
    """Whether standard error is a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()


class _TerminalBar:
    """A bar of rich."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("{task.description:>16}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=True),
            TextColumn("{task.fields[detail]}", markup=False),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("", detail="")
        self._stage = ""
        self.stop = self._bar.stop
        self._bar.start()

    def __call__(self, stage: str, done: int, total: int, detail: str = "") -> None:
        # rich draws ten times a second; each stage is drawn once at least, however short it was
        begun, self._stage = stage != self._stage, stage
        self._bar.update(
            self._task, description=stage, completed=done, total=total, detail=detail, refresh=begun
        )
