"""What commands print: results to standard output, progress and remarks to standard error.

``--quiet`` and ``--verbose`` belong to every command; here they are added, and here they are obeyed.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sphereufm.progress import Bar, is_watched

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_KEY = "sphereufm.verbosity"
# a pipe or a file has no width of its own: a table gets all it needs, or what COLUMNS says
_PIPE_WIDTH = 140
_UNBOUNDED = 10_000


def with_verbosity(command: click.Command) -> click.Command:
    """Add ``--quiet`` and ``--verbose`` to a command, which need not know of them."""
    for name, text in (
        ("quiet", "Print nothing but errors (and, with --json, the JSON)."),
        ("verbose", "Say on standard error what is done, also where it is no terminal."),
    ):
        flags = [f"-{name[0]}", f"--{name}"]
        option = click.Option(flags, is_flag=True, expose_value=False, callback=_remember, help=text)
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
    return None if context is None else context.meta.get(_KEY)


def is_quiet() -> bool:
    """Whether nothing but errors is wanted."""
    return _verbosity() == "quiet"


def say(*results: str | Table) -> None:
    """Print texts, and tables of rich, to standard output; nothing with ``--quiet``."""
    if is_quiet() or sys.stdout is None:
        return
    for result in results:
        if isinstance(result, str):
            click.echo(result)
            continue
        piped = not sys.stdout.isatty() and not os.environ.get("COLUMNS", "").isdigit()
        console = _console(width=_PIPE_WIDTH if piped else None)
        wide = console.options.update(width=_UNBOUNDED)
        if console.measure(result, options=wide).minimum > console.width:
            _narrow(result)
            # what does not fit now is left to the terminal to wrap
            console.width = max(console.width, console.measure(result, options=wide).minimum)
        console.print(result)


def table(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]], left: Sequence[str]) -> Table:
    """A table of texts; the columns ``left`` begin at the left, numbers end at the right."""
    from rich.table import Table

    drawn, lines = Table(title=title), [*rows]
    for heading, *texts in zip(headings, *lines, strict=True):
        # no terminal is so narrow that a number or a word is broken
        longest = max(len(word) for text in (heading, *texts) for word in text.split() or [""])
        drawn.add_column(heading, justify="left" if heading in left else "right", min_width=longest)
    for row in lines:
        drawn.add_row(*row)
    return drawn


def _narrow(drawn: Table) -> None:
    """Leave out all lines of a table but the one below the headings, and what room numbers do not need."""
    from rich.box import SIMPLE_HEAD

    drawn.box, drawn.show_edge, drawn.padding = SIMPLE_HEAD, False, (0,)
    for column in drawn.columns:
        if column.justify == "right":
            column.width = column.min_width


def _console(**words: Any) -> Console:
    """Where tables are drawn: texts are a user's, so brackets and colons in them mean nothing."""
    from rich.console import Console

    return Console(markup=False, emoji=False, **words)


def give(
    as_json: bool,
    data: Any,
    results: Iterable[str | Table],
    folder: Path | None = None,
    names: Sequence[str] = (),
) -> None:
    """Print JSON data where a command was asked for them, else its results and the files that it wrote."""
    if as_json:
        # it was asked for, so with --quiet too
        click.echo(json.dumps(data, allow_nan=False))
    else:
        written = [] if folder is None else [f"Written: {', '.join(str(folder / name) for name in names)}"]
        say(*results, *written)


def remark(text: str) -> None:
    """Print a line to standard error; nothing with ``--quiet``."""
    if not is_quiet():
        click.echo(text, err=True)


def detail(text: str) -> None:
    """Print a line to standard error with ``--verbose``."""
    if _verbosity() == "verbose":
        click.echo(text, err=True)


def bar() -> Bar:
    """One bar over the whole; lines where standard error is no terminal, with ``--verbose`` only."""
    return Bar(live=not is_quiet(), line=detail)


@contextmanager
def live() -> Iterator[Callable[..., None]]:
    """Something on standard error that changes, where it is a terminal; with ``--verbose`` lines elsewhere.

    Called with each new line, and what a terminal shows in its place.
    """
    if is_quiet() or not is_watched():
        yield lambda line, drawn=None: detail(line)
        return
    from rich.live import Live

    with Live(console=_console(stderr=True), transient=True) as shown:
        yield lambda line, drawn=None: shown.update(drawn or line)
