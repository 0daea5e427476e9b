"""What commands print: results to standard output, progress and remarks to standard error.

``--quiet`` and ``--verbose`` belong to every command; here they are added, and here they are obeyed.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

_KEY = "sphereufm.verbosity"
# a pipe or a file has no width of its own: a table gets all it needs, or what COLUMNS says
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

            piped = not sys.stdout.isatty() and not os.environ.get("COLUMNS", "").isdigit()
            Console(width=_PIPE_WIDTH if piped else None).print(result)


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


def is_watched() -> bool:
    """Whether somebody reads standard error: a terminal, or ``--verbose``."""
    return _verbosity() == "verbose" or (sys.stderr.isatty() and not is_quiet())


class Progress:
    """One bar on standard error, gone at the end; lines where it is no terminal, with ``--verbose`` only.

    Used as a context manager and called as a :class:`sphereufm.progress.Progress`.
    """

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        self._live = console.is_terminal and not is_quiet()
        self._bar = Progress(
            TextColumn("{task.description:>16}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=True),
            TextColumn("{task.fields[detail]}"),
            console=console,
            transient=True,
            disable=not self._live,
        )
        self._task: Any = None
        self._last: Mapping[str, Any] = {"said": None, "at": 0.0}

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, stage: str, done: int, total: int, detail: str = "") -> None:
        """Show that so much is done."""
        if not self._live:
            self._line(stage, done, total, detail)
            return
        if self._task is None:
            self._task = self._bar.add_task(stage, total=total, detail=detail)
        self._bar.update(self._task, description=stage, completed=done, total=total, detail=detail)

    def _line(self, stage: str, done: int, total: int, more: str) -> None:
        """Say where a stage is: where it has news, at its last call, and once a second in between."""
        now = time.monotonic()
        if (stage, more) != self._last["said"] or done >= total or now - self._last["at"] >= _LINE_SECONDS:
            self._last = {"said": (stage, more), "at": now}
            detail(f"{stage}: {done} of {total}" + (f"; {more}" if more else ""))


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
