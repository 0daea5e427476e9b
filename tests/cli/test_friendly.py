"""What people rely on: quiet and verbose, completion, colours, examples in the help, suggestions."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from running import FAST, run, start

from sphereufm.cli import cli
from sphereufm.cli.printing import say, table

COMMANDS = sorted(cli.commands)
QUICK = {
    "branches": [
        *["branches", "--classes", "2", "--per-class", "1", "--dim", "2"],
        *["--tau-from", "0.9", "--tau-to", "1", "--effort", "quick"],
    ],
    "check": ["check", "tests/data/certificates/sharpness-weighted.json"],
    "compare": ["compare", *FAST, "--solvers", "lbfgs", "--starts", "1", "--repeats", "1"],
    "doctor": ["doctor"],
    "features": ["features", "FOLDER/small.npz", "--tau", "5"],
    "solve": ["solve", *FAST],
    "sweep": ["sweep", *FAST, "--starts", "3", "--no-proofs", "--workers", "1"],
    "verify": ["verify", *FAST, "--starts", "5", "--no-proofs"],
}


def words_of(command, folder):
    if command == "features":
        rng = np.random.default_rng(0)
        H, W = rng.standard_normal((12, 4)), rng.standard_normal((3, 4))
        np.savez(folder / "small.npz", features=H, labels=np.arange(12) % 3, classifier=W)
    words = [word.replace("FOLDER", str(folder)) for word in QUICK[command]]
    return [*words, *(["--out", str(folder)] if command == "sweep" else [])]


def test_every_command_is_tried():
    assert sorted(QUICK) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_quiet_prints_nothing(capsys, tmp_path, command):
    code, out, err = run(capsys, *words_of(command, tmp_path), "--quiet")
    assert (code, out, err) == (0, "", "")


@pytest.mark.parametrize("command", sorted({*COMMANDS} - {"sweep"}))
def test_quiet_leaves_the_json_that_was_asked_for(capsys, tmp_path, command):
    code, out, err = run(capsys, *words_of(command, tmp_path), "-q", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)


@pytest.mark.parametrize("command", sorted({*COMMANDS} - {"doctor"}))
def test_verbose_says_on_standard_error_what_is_done(capsys, tmp_path, command):
    code, out, err = run(capsys, *words_of(command, tmp_path), "--verbose")
    assert code == 0
    assert out
    assert re.search(r"\d|checking", err)


def test_the_list_of_commands_is_not_cut_short(capsys):
    code, out, _ = run(capsys, "--help")
    assert code == 0
    assert "..." not in out.partition("Commands:")[2]
    assert all(cli.commands[command].short_help in out for command in COMMANDS)


def test_quiet_and_verbose_contradict_each_other(capsys):
    code, out, err = run(capsys, "doctor", "-q", "-v")
    assert (code, out) == (2, "")
    assert "contradict" in err


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example_and_the_options_of_all(capsys, command):
    code, out, _ = run(capsys, command, "--help")
    assert code == 0
    (example,) = [line for line in out.splitlines() if line.startswith("  Example: ")]
    assert example.startswith(f"  Example: sphereufm {command}")
    assert example.removeprefix("  ") in cli.commands[command].epilog
    assert "--quiet" in out
    assert "--verbose" in out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_stands_in_the_synopsis(command):
    page = Path("docs/command-line.md").read_text(encoding="utf-8")
    block = page.partition("```text\n")[2].partition("```")[0]
    lines = re.search(rf"^sphereufm {command} .*?(?=^sphereufm|\Z)", block, re.MULTILINE | re.DOTALL)[0]
    if "same problem options" in lines or "problem options without" in lines:
        lines += block.partition("\nsphereufm solve")[0]
    options = [name for p in cli.commands[command].params for name in p.opts if name.startswith("--")]
    missing = {name for name in options if not re.search(rf"{name}\b", lines)} - {"--quiet", "--verbose"}
    assert missing == set()


@pytest.mark.parametrize("command", COMMANDS)
def test_the_example_of_the_help_is_understood(command):
    words = cli.commands[command].epilog.partition("Example: sphereufm ")[2].split()
    with cli.make_context("sphereufm", words, resilient_parsing=True) as context:
        name, found, rest = cli.resolve_command(context, words)
        assert name == command
        with found.make_context(name, rest, parent=context) as inner:
            assert inner.params


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["verfy"], "verify"),
        (["branch"], "branches"),
        (["verify", "--clases", "3"], "--classes"),
        (["sweep", "--shceduler", "x"], "--scheduler"),
        (["solve", *FAST, "--solver", "lbgfs"], "did you mean lbfgs?"),
        (["solve", *FAST, "--loss", "crossentropy"], "did you mean cross-entropy?"),
        (["compare", *FAST, "--solvers", "lbgfs"], "did you mean lbfgs?"),
    ],
)
def test_a_mistyped_word_is_answered_with_the_nearest(capsys, words, hint):
    code, out, err = run(capsys, *words)
    assert (code, out) == (2, "")
    assert hint in err


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("sphereufm ver", "verify"),
        ("sphereufm verify --eff", "--effort"),
        ("sphereufm verify --effort th", "thorough"),
        ("sphereufm solve --solver lb", "lbfgs"),
        ("sphereufm compare --suite sm", "small"),
    ],
)
def test_the_shell_completes(typed, offered):
    words = typed.split()
    environment = {
        "_SPHEREUFM_COMPLETE": "bash_complete",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(words) - 1),
    }
    with start(env=environment, stdout=subprocess.PIPE) as process:
        out, err = process.communicate(timeout=60)
    # the module's name is that of the program only through the installed script
    assert offered in [line.partition(",")[2] for line in out.splitlines()], err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_gets_its_script(shell):
    with start(env={"_SPHEREUFM_COMPLETE": f"{shell}_source"}, stdout=subprocess.PIPE) as process:
        out, err = process.communicate(timeout=60)
    if "Bash version" not in err:  # an old or missing bash says so, and that is all it can do
        assert "_SPHEREUFM_COMPLETE" in out


@pytest.mark.parametrize("environment", [{}, {"NO_COLOR": "1"}], ids=str)
def test_no_escapes_in_a_pipe(environment):
    with start(*QUICK["verify"], env=environment, stdout=subprocess.PIPE) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "\x1b" not in out + err


def on_a_terminal(words, environment):
    """What a terminal would get, standard error included."""
    pty = pytest.importorskip("pty")
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "sphereufm", *words],
        stdout=follower,
        stderr=follower,
        env={key: value for key, value in os.environ.items() if key != "NO_COLOR"} | environment,
    )
    os.close(follower)
    shown = b""
    try:
        while part := os.read(leader, 65536):
            shown += part
    except OSError:  # so Linux says that the other side is closed
        pass
    os.close(leader)
    assert process.wait(timeout=60) == 0
    return shown.decode()


COLOUR = re.compile(r"\x1b\[(?:3[0-7]|9[0-7]|38;)[0-9;]*m")


def test_a_terminal_gets_colours_unless_they_are_not_wanted():
    terminal = {"TERM": "xterm-256color"}
    assert COLOUR.search(on_a_terminal(QUICK["verify"], terminal))
    assert not COLOUR.search(on_a_terminal(QUICK["verify"], terminal | {"NO_COLOR": "1"}))


def test_a_terminal_gets_no_bars_with_quiet():
    assert on_a_terminal([*QUICK["verify"], "--quiet"], {"TERM": "xterm-256color"}) == ""


def test_verify_says_how_many_orbits_and_how_much_is_unseen(capsys):
    coverage = re.compile(r"\d+ found, unseen mass below \d+%")
    _, _, err = run(capsys, *QUICK["verify"], "--verbose")
    assert coverage.search(err)
    assert err.startswith("Plan: rank 2")
    seen = on_a_terminal(QUICK["verify"], {"TERM": "xterm", "NO_COLOR": "1", "COLUMNS": "160"})
    assert seen.startswith("Plan: rank 2")
    assert re.search(r"\d+ found", seen)


@pytest.mark.parametrize("columns", [20, 50, 80, 120, 400])
def test_no_width_of_a_terminal_breaks_a_word_or_drops_a_number(capsys, monkeypatch, columns):
    """Brackets and colons are a user's own, too: names of costs and of other people's solvers."""
    monkeypatch.setenv("COLUMNS", str(columns))
    rows = [["1", "-0.582516 .. -0.333333", "a [/b] point, :warning: degenerate"], ["20", "3.046e-08", "x"]]
    say(table("[red]t[/x]", ("row", "least eigenvalue", "kind [b]"), rows, ("kind [b]",)))
    shown = Counter(re.findall(r"[^\s│┃]+", capsys.readouterr().out))
    words = Counter(" ".join([*chain(*rows), "[red]t[/x] row least eigenvalue kind [b]"]).split())
    assert shown & words == words
