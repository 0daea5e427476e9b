"""Exit codes, each through the command line, and what an interrupted run leaves."""

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from running import FAST, run, start

from sphereufm.cli import main
from sphereufm.cli.feature_results import Run
from sphereufm.progress import Bar

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and pipes of POSIX")
LONG = ["--classes", "4", "--per-class", "3", "--dim", "5", "--tau", "3"]
SMALL_EDGE = ["--classes", "4", "--per-class", "1", "--dim", "3", "--tau", "1.1"]
PLANE = ["verify", "--classes", "3", "--per-class", "1", "--dim", "2", "--starts", "20", "--no-proofs"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["verify", *FAST, "--starts", "5", "--no-proofs"], 0),
        ([*PLANE, "--tau", "12"], 1),
        ([*PLANE, "--tau", "0"], 2),
        (["verify", *SMALL_EDGE, "--starts", "4", "--no-proofs"], 3),
        (["verify", *SMALL_EDGE, "--dim", "1", "--complete"], 0),
        (["solve", *LONG, "--tolerance", "1e-300"], 3),
        (["features", "tests/data/missing.npz"], 2),
        (["check", "tests/data/certificates/sharpness-weighted.json"], 0),
        (["doctor"], 0),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else str(value),
)
def test_the_code_says_how_it_ended(words, code):
    with start(*words, stdout=subprocess.DEVNULL) as process:
        _, err = process.communicate(timeout=120)
    assert process.returncode == code, err


def test_a_refuted_certificate_is_code_one_and_an_unreadable_one_wins(capsys, tmp_path):
    source = "tests/data/certificates/sharpness-weighted.json"
    data = json.loads(Path(source).read_text(encoding="utf-8"))
    for claim in data["claims"]:
        if claim["type"] == "index":
            claim["index"] += 1
    (tmp_path / "false.json").write_text(json.dumps(data))
    shutil.copy(source, tmp_path / "true.json")
    code, out, _ = run(capsys, "check", str(tmp_path))
    assert code == 1, out
    (tmp_path / "cut.json").write_text(json.dumps(data)[:900])
    assert run(capsys, "check", str(tmp_path))[0] == 2


def test_an_internal_error_has_no_traceback_and_code_seventy(capsys, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("on purpose")

    monkeypatch.setattr("sphereufm.solvers.solve", broken)
    code, _, err = run(capsys, "solve", *FAST)
    assert code == 70
    assert "on purpose" in err
    assert "Traceback" not in err
    code, _, err = run(capsys, "--debug", "solve", *FAST)
    assert code == 70
    assert "Traceback" in err


def test_too_little_memory_is_bad_input(capsys, monkeypatch):
    def greedy(*_, **__):
        raise MemoryError("Unable to allocate 74.5 GiB")

    monkeypatch.setattr("sphereufm.solvers.solve", greedy)
    code, _, err = run(capsys, "solve", *FAST)
    assert code == 2
    assert "more memory than there is; give a smaller problem" in err


def test_without_standard_output_the_code_is_the_answer(monkeypatch):
    monkeypatch.setattr("sys.stdout", None)
    with pytest.raises(SystemExit) as stop:
        main(["verify", *FAST, "--starts", "1", "--no-proofs"])
    assert stop.value.code == 0


def test_other_errors_of_the_system_are_internal(capsys, monkeypatch):
    def broken(*_, **__):
        raise OSError(errno.ENOTTY, "no typewriter")

    monkeypatch.setattr("sphereufm.cli.cli.invoke", broken)
    code, _, err = run(capsys, "doctor")
    assert code == 70
    assert "no typewriter" in err


@posix
def test_a_pipe_that_is_not_ours_is_an_internal_error(monkeypatch, capfd):
    def broken(*_, **__):
        raise BrokenPipeError(errno.EPIPE, "the worker is gone")

    monkeypatch.setattr("sphereufm.solvers.solve", broken)
    code, _, err = run(capfd, "solve", *FAST)
    assert code == 70
    assert "the worker is gone" in err


@posix
@pytest.mark.parametrize(
    "words", [["verify", *FAST, "--starts", "5", "--no-proofs", "--json"], ["verify", "--help"], ["doctor"]]
)
def test_a_closed_pipe_ends_quietly_with_the_usual_status(words):
    with start(*words, stdout=subprocess.PIPE) as process:
        process.stdout.close()
        err = process.stderr.read()
        assert process.wait(timeout=60) == 128 + signal.SIGPIPE
    assert err == ""


@posix
def test_an_error_that_nobody_reads_ends_with_the_usual_status():
    with start("nope") as process:
        process.stderr.close()
        assert process.wait(timeout=60) == 128 + signal.SIGPIPE


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no full device")
def test_bad_input_has_its_code_though_the_message_has_no_room():
    with open("/dev/full", "w") as full:
        words = [sys.executable, "-m", "sphereufm", "nope"]
        assert subprocess.run(words, stderr=full, timeout=60, check=False).returncode == 2


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no full device")
@pytest.mark.parametrize("words", [["doctor"], ["solve", *FAST, "--json"], ["--help"]], ids=lambda w: w[0])
def test_a_full_device_is_no_internal_error(words):
    with open("/dev/full", "w") as full:
        process = start(*words, stdout=full)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert (
        err
        == "Error: the output cannot be written: No space left on device; free some space or write elsewhere\n"
    )


class StopAt:
    """Stands in for a function, and interrupts at its n-th call."""

    def __init__(self, n):
        self.left = n

    def __call__(self, *_):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def test_an_interrupted_solve_answers_for_its_last_iterate(capsys, monkeypatch, tmp_path):
    stop = StopAt(4)
    monkeypatch.setattr("sphereufm.cli.printing.detail", lambda *_: stop())
    code, out, err = run(capsys, "solve", *FAST, "--out", str(tmp_path))
    data = json.loads((tmp_path / "solution.json").read_text())
    assert (code, data["stop_reason"], data["converged"]) == (130, "INTERRUPTED", False)
    assert f"{data['cost']:.12g} nats" in out
    assert "Interrupted." in err
    assert data["cost"] <= data["optimality_gap"] + 0.126928011043


def test_interrupted_branches_are_those_followed(capsys, monkeypatch, tmp_path):
    progress, stop = Bar.__call__, StopAt(4)
    monkeypatch.setattr(
        Bar, "__call__", lambda *words: stop() if words[1] == "branches" else progress(*words)
    )
    words = ["branches", *FAST[:6], "--tau-from", "0.9", "--tau-to", "1", "--effort", "quick"]
    code, _, err = run(capsys, *words, "--out", str(tmp_path))
    assert (code, "Interrupted." in err) == (130, True)
    data = json.loads((tmp_path / "branches.json").read_text())
    assert data["complete"] is False
    assert data["branches"]


def test_interrupted_epochs_are_those_measured(capsys, monkeypatch, tmp_path):
    measure, stop = Run.measure, StopAt(3)
    monkeypatch.setattr(Run, "measure", lambda self, path: stop() or measure(self, path))
    for epoch in (1, 2, 10):
        shutil.copy("tests/data/digits_normalised.npz", tmp_path / f"epoch_{epoch}.npz")
    out = tmp_path / "out"
    words = ["features", str(tmp_path), "--epochs", "--tau", "5", "--out", str(out)]
    code, shown, _ = run(capsys, *words)
    data = json.loads((out / "features.json").read_text())
    assert (code, data["complete"], len(data["epochs"])) == (130, False, 2)
    assert len(shown.splitlines()) == 3
    assert (out / "trajectory.png").exists()


def test_features_interrupted_before_their_end_say_how_to_resume(capsys, monkeypatch):
    monkeypatch.setattr(Run, "measure", StopAt(1))
    code, out, err = run(capsys, "features", "tests/data/digits_normalised.npz")
    assert (code, out) == (130, "")
    assert "--checkpoint" in err


def test_an_interrupted_sweep_draws_its_cells_and_is_resumed(capsys, monkeypatch, tmp_path):
    words = ["sweep", "--classes", "2", "--per-class", "1", "--dim", "2,3", "--tau", "1,2", "--starts", "3"]
    words += ["--no-proofs", "--workers", "1", "--out", str(tmp_path)]
    with monkeypatch.context() as patched:
        stop = StopAt(2)
        patched.setattr(Bar, "__call__", lambda *_: stop())
        code, out, _ = run(capsys, *words)
    assert (code, len(list((tmp_path / "cells").glob("*.json")))) == (130, 2)
    assert "Written" in out
    assert (tmp_path / "phase-diagram.svg").exists()
    assert run(capsys, *words)[0] == 0
    assert len(json.loads((tmp_path / "index.json").read_text())["cells"]) == 4


def interrupted(words, mark):
    """Send the signal of Ctrl-C at the first line that fits the mark (a fast run leaves lines out); code and errors."""
    with start(*words, "--verbose", stdout=subprocess.DEVNULL) as process:
        begun = next(line for line in process.stderr if re.search(mark, line))
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)
    return process.returncode, begun + err


def ctrl_c_keeps(words, mark, place):
    """What the file holds after an interruption at the mark."""
    code, err = interrupted([*words, "--out", str(place.parent)], mark)
    assert code == 130, err
    assert "Interrupted." in err
    assert "Traceback" not in err
    return json.loads(place.read_text())


@posix
def test_ctrl_c_keeps_what_verify_found(tmp_path):
    words = ["verify", *LONG, "--effort", "thorough", "--no-proofs"]
    assert ctrl_c_keeps(words, "rank 2: ", tmp_path / "landscape.json")["finished"] is False


@posix
def test_ctrl_c_keeps_where_solve_was(tmp_path):
    words = ["solve", *LONG[:4], "--dim", "3", "--tau", "40", "--solver", "steepest-descent"]
    data = ctrl_c_keeps(words, r"iteration [1-9]", tmp_path / "solution.json")
    assert data["stop_reason"] == "INTERRUPTED"


@posix
@pytest.mark.slow
def test_ctrl_c_keeps_the_branches_that_were_followed(tmp_path):
    words = ["branches", *LONG[:2], "--per-class", "1", "--dim", "3", "--tau-from", "1", "--tau-to", "9"]
    data = ctrl_c_keeps([*words, "--effort", "quick"], r"branches: [1-9]", tmp_path / "branches.json")
    assert data["complete"] is False
    assert data["branches"]


@posix
@pytest.mark.slow
def test_ctrl_c_keeps_what_compare_measured(tmp_path):
    words = ["compare", "--suite", "small", "--starts", "9"]
    data = ctrl_c_keeps(words, "instance 1 of", tmp_path / "comparison.json")
    assert data["complete"] is False
    assert data["measurements"]


@posix
@pytest.mark.slow
def test_ctrl_c_keeps_the_cells_of_a_sweep(tmp_path):
    words = ["sweep", "--classes", "3..5", "--per-class", "1", "--dim", "2..K", "--tau", "1,2"]
    data = ctrl_c_keeps([*words, "--workers", "1"], "1 of", tmp_path / "index.json")
    assert 1 <= len(data["cells"]) < 18
