"""The command line: parsing, exit codes, printing; no mathematics.

Exit codes: 0 the claim holds, 1 it does not, 2 bad input, 3 undecided or not converged, 70 an internal error,
130 interrupted, 141 the output's reader is gone.

In: words and files.  Out: text, files, an exit code.
Calls every room; nothing calls it.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
import traceback
from typing import NoReturn

import click
from click.exceptions import Exit
from click.shell_completion import shell_complete

from sphereufm.cli.branches import branches
from sphereufm.cli.check import check
from sphereufm.cli.compare import compare
from sphereufm.cli.doctor import doctor
from sphereufm.cli.features import features
from sphereufm.cli.printing import with_verbosity
from sphereufm.cli.solve import solve
from sphereufm.cli.sweep import sweep
from sphereufm.cli.verify import verify
from sphereufm.errors import SphereUFMError
from sphereufm.version import __version__

__all__ = ["cli", "main"]

_NAME, _COMPLETION = "sphereufm", "_SPHEREUFM_COMPLETE"
_BAD_INPUT = 2
_INTERNAL = 70
_INTERRUPTED = 130
# what a shell reports of a program that the signal SIGPIPE ended
_CLOSED_PIPE = 141
_DEVICE_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _has_reader(descriptor: int) -> bool:
    """Whether the other end of a pipe is open; True for everything that is no pipe."""
    if not hasattr(select, "poll"):
        return False  # such systems do not tell
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return not any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
    epilog="\b\nExample: sphereufm verify --classes 3 --per-class 1 --dim 4 --tau 1 --out landscape",
)
@click.version_option(__version__, prog_name=_NAME)
@click.option("--debug", is_flag=True, help="Show the traceback of an internal error.")
def cli(debug: bool) -> None:
    """Landscapes of optimisation problems on products of spheres: find, classify, prove."""


for command in (verify, solve, compare, features, branches, check, sweep, doctor):
    command.epilog = f"\b\n{command.epilog}"  # one line, however long: it is there to be copied
    cli.add_command(with_verbosity(command))


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line, by default with the arguments of the process, and exit with its code."""
    argv = sys.argv[1:] if arguments is None else arguments
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # a file's name may be of another encoding
    try:
        code = _run(argv)
        if sys.stdout is not None:
            sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:  # the last line of defence: one sentence, not a traceback
        try:
            code = _failed(error, "--debug" in argv)
        except OSError as unheard:  # standard error cannot be written either
            _give_up(2)
            code = _CLOSED_PIPE if isinstance(unheard, BrokenPipeError) else _BAD_INPUT
    sys.exit(code)


def _run(argv: list[str]) -> int:
    """Exit code of a command, or of the shell's question how a word may end.

    Not by ``cli.main``: click takes every broken pipe, of whatever process, for that of standard output.
    """
    if asked := os.environ.get(_COMPLETION):
        return shell_complete(cli, {}, _NAME, _COMPLETION, asked)
    try:
        with cli.make_context(_NAME, list(argv)) as context:
            code = cli.invoke(context)
            return code if isinstance(code, int) else 0
    except Exit as end:
        return end.exit_code


def _failed(error: BaseException, debug: bool) -> int:
    """Say what went wrong, and return the exit code for it."""
    if isinstance(error, click.ClickException | SphereUFMError):
        shown = error if isinstance(error, click.ClickException) else click.ClickException(str(error))
        shown.show()
        return _BAD_INPUT
    if isinstance(error, click.Abort | KeyboardInterrupt):
        click.echo("\nInterrupted.", err=True)
        return _INTERRUPTED
    if isinstance(error, BrokenPipeError) and not (_has_reader(1) and _has_reader(2)):
        _give_up(1)
        _give_up(2)
        return _CLOSED_PIPE
    if isinstance(error, OSError) and error.errno in _DEVICE_FULL:
        _give_up(1)
        place = "the output" if error.filename is None else str(error.filename)
        text = f"{place} cannot be written: {os.strerror(error.errno)}; free some space or write elsewhere"
        click.ClickException(text).show()
        return _BAD_INPUT
    if isinstance(error, MemoryError) and not debug:
        click.ClickException("this takes more memory than there is; give a smaller problem").show()
        return _BAD_INPUT
    if debug:
        traceback.print_exception(error)
    else:
        name = type(error).__name__
        click.echo(f"Internal error ({name}: {error}); run again with: sphereufm --debug ...", err=True)
    return _INTERNAL


def _give_up(descriptor: int) -> None:
    """Send what is still buffered nowhere: writing it again at exit would fail, and change the exit code."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
