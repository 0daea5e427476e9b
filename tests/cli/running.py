"""Ways to run the command line: in this process, and in one of its own."""

import os
import signal
import subprocess
import sys
from functools import partial

import pytest

from sphereufm.cli import main

FAST = ["--classes", "2", "--per-class", "1", "--dim", "3", "--tau", "1"]


def run(capsys, *words):
    """Exit code, standard output, standard error."""
    with pytest.raises(SystemExit) as stop:
        main(list(words))
    shown = capsys.readouterr()
    return stop.value.code, shown.out, shown.err


def start(*words, **options):
    """A process of its own, its standard error a pipe."""
    environment = os.environ | options.pop("env", {})
    if (
        sys.platform != "win32"
    ):  # a shell lets its background jobs ignore Ctrl-C, and their children inherit that
        options["preexec_fn"] = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(
        [sys.executable, "-m", "sphereufm", *words],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        **options,
    )
