"""What commands print: results to standard output, progress and remarks to standard error.

``--quiet`` and ``--verbose`` belong to every command; here they are added, and here they are obeyed.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

__all__ = [
    "Progress",
    "Status",
    "detail",
    "is_quiet",
    "remark",
    "say",
    "say_json",
    "say_written",
    "with_verbosity",
]

_KEY = "sphereufm.verbosity"
# a pipe or a file has no width of its own: a table gets all it needs
_PIPE_WIDTH = 140
# seconds between two lines of progress where there is no terminal to draw a bar on
_LINE_SECONDS = 1.0


def with_verbosity(command: click.Command) -> click.Command:
    """Add ``--quiet`` and ``--verbose`` to a command, which need not know of them."""
    for name, text in (
        ("quiet", "Print nothing but errors (and, with --json, the JSON)."),
        ("verbose", "Say on standard error what is done, also where it is no terminal."),
    ):
        option = click.Option(
            [f"-{name[0]}", f"--{name}"], is_flag=True, expose_value=False, callback=_remember, help=text
        )
        command.params.append(option)
    return command


def _remember(context: click.Context, option: click.Parameter, given: bool) -> None:
    """Keep what was asked for beside the context."""
    if not given:
        return
    if context.meta.get(_KEY, option.name) != option.name:
        raise click.UsageError("--quiet and --verbose contradict each other; give one of them", context)
    context.meta[_KEY] = option.name


def _verbosity() -> str | None:
    """``"quiet"``, ``"verbose"`` or None; None outside of a command."""
    context = click.get_current_context(silent=True)
    level: str | None = None if context is None else context.meta.get(_KEY)
    return level


def is_quiet() -> bool:
    """Whether nothing but errors is wanted."""
    return _verbosity() == "quiet"


def say(*results: object) -> None:
    """Print texts, and tables of rich, to standard output; nothing with ``--quiet``."""
    if is_quiet():
        return
    for result in results:
        if isinstance(result, str):
            click.echo(result)
        else:
            from rich.console import Console

            Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH).print(result)


def say_json(data: Any) -> None:
    """Print one JSON object to standard output: somebody asked for it, so with ``--quiet`` too."""
    click.echo(json.dumps(data, allow_nan=False))


def say_written(folder: Path | None, names: tuple[str, ...]) -> None:
    """Name the files that were written, if any."""
    if folder is not None:
        say(f"Written: {', '.join(str(folder / name) for name in names)}")


def remark(text: str) -> None:
    """Print a line to standard error; nothing with ``--quiet``."""
    if not is_quiet():
        click.echo(text, err=True)


def detail(text: str) -> None:
    """Print a line to standard error with ``--verbose``."""
    if _verbosity() == "verbose":
        click.echo(text, err=True)


class Progress:
    """Bars on standard error, one a stage, gone at the end; with ``--verbose`` lines where it is no terminal.

    Used as a context manager and called as ``progress(stage, done, total)``.
    """

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        console = Console(stderr=True)
        self._live = console.is_terminal and not is_quiet()
        self._bar = Progress(
            TextColumn("{task.description:>10}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[news]}"),
            console=console,
            transient=True,
            disable=not self._live,
        )
        self._tasks: dict[str, Any] = {}
        self._news = ""
        self._last: Mapping[str, Any] = {"stage": None, "at": 0.0}

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show that so much of a stage is done."""
        if not self._live:
            self._line(stage, done, total)
            return
        if stage not in self._tasks:
            self._tasks[stage] = self._bar.add_task(stage, total=total, news="")
        self._bar.update(self._tasks[stage], completed=done, total=total, news=self._news)

    def news(self, entries: int, unseen: float | None) -> None:
        """Show from the next call on how many classes were found, and a bound on the share of searches unseen."""
        self._news = f"{entries} classes" + ("" if unseen is None else f", unseen mass below {unseen:.0%}")

    def _line(self, stage: str, done: int, total: int) -> None:
        """Say where a stage is: at its first and last call, and once a second in between."""
        now = time.monotonic()
        if stage != self._last["stage"] or done >= total or now - self._last["at"] >= _LINE_SECONDS:
            self._last = {"stage": stage, "at": now}
            detail(f"{stage}: {done} of {total}" + (f"; {self._news}" if self._news else ""))


class Status:
    """One line on standard error that changes, where it is a terminal; with ``--verbose`` lines elsewhere.

    Used as a context manager and called with each new text.
    """

    def __init__(self, text: str) -> None:
        from rich.console import Console

        console = Console(stderr=True)
        live = console.is_terminal and not is_quiet()
        self._status = console.status(text) if live else None

    def __enter__(self) -> Status:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def __call__(self, text: str) -> None:
        """Show where things are."""
        if self._status is not None:
            self._status.update(text)
        else:
            detail(text)
