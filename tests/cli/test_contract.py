"""What scripts rely on: exit codes, JSON, streams, output folders."""

import errno
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from sphereufm.cli import main

FAST = ["--classes", "2", "--per-class", "1", "--dim", "3", "--tau", "1"]
LONG = ["--classes", "4", "--per-class", "3", "--dim", "5", "--tau", "3", "--effort", "thorough"]


def run(capsys, *words):
    with pytest.raises(SystemExit) as stop:
        main(list(words))
    shown = capsys.readouterr()
    return stop.value.code, shown.out, shown.err


def start(*words, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "sphereufm", *words], stderr=subprocess.PIPE, text=True, **options
    )


def test_json_is_one_object_and_nothing_else(capsys):
    code, out, _ = run(capsys, "verify", *FAST, "--starts", "10", "--json")
    data = json.loads(out)
    assert code == 0
    assert data["verdict"] == "BENIGN"
    assert data["basis"] == "theorem"
    assert [entry["cost"] for entry in data["critical"]] == sorted(e["cost"] for e in data["critical"])


def test_solve_has_the_promised_keys(capsys):
    code, out, _ = run(capsys, "solve", *FAST, "--json")
    promised = {"cost", "gradient_norm", "relative_gradient_norm", "optimality_gap", "gap_method"}
    assert code == 0
    assert promised | {"stop_reason", "seconds", "calls"} <= json.loads(out).keys()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["verify", *FAST[:4], "--dim", "0", "--tau", "1"], "dim=0"),
        (["verify", *FAST[:4], "--dim", "3", "--tau", "-1"], "tau="),
        (["verify", *FAST[:4], "--dim", "3", "--tau", "nan"], "tau="),
        (["verify", "--classes", "1", "--per-class", "2", "--dim", "3", "--tau", "1"], "classes=1"),
        (["verify", "--classes", "2", "--dim", "3", "--tau", "1"], "--per-class"),
        (["verify", "--class-sizes", "2,-1", "--dim", "3", "--tau", "1"], "class_sizes"),
        (["verify", "--class-sizes", "0,0", "--dim", "3", "--tau", "1"], "sample"),
        (["verify", "--class-sizes", "2,x", "--dim", "3", "--tau", "1"], "--class-sizes"),
        (["verify", *FAST, "--classes", "3", "--class-sizes", "1,1"], "contradict"),
        (["verify", *FAST, "--weights", "1"], "weights"),
        (["verify", *FAST, "--weights", "missing.npy"], "no such file"),
        (["verify", *FAST, "--loss", "none"], "none"),
        (["verify", *FAST, "--out", "/proc/none"], "cannot be written"),
        (["solve", *FAST, "--solver", "none"], "--solver"),
        (["solve", *FAST, "--tolerance", "0"], "--tolerance"),
        (["features", "missing.npz"], "missing.npz"),
        (["verfy"], "Did you mean 'verify'?"),
        (["verify", "--clases", "3"], "--classes"),
    ],
)
def test_bad_input_is_named_and_ends_with_code_two(capsys, words, message):
    code, out, err = run(capsys, *words)
    assert code == 2
    assert message in err
    assert out == ""
    assert "Traceback" not in err


def test_results_are_replaced_only_by_force(capsys, tmp_path):
    words = ["verify", *FAST, "--starts", "5", "--no-proofs", "--out", str(tmp_path)]
    assert run(capsys, *words)[0] == 0
    before = (tmp_path / "landscape.json").read_bytes()
    code, _, err = run(capsys, *words)
    assert (code, "--force" in err) == (2, True)
    assert (tmp_path / "landscape.json").read_bytes() == before
    assert run(capsys, *words, "--force")[0] == 0


def test_an_internal_error_has_no_traceback_and_code_seventy(capsys, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("on purpose")

    monkeypatch.setattr("sphereufm.solvers.solve", broken)
    code, _, err = run(capsys, "solve", *FAST)
    assert code == 70
    assert "on purpose" in err
    assert "Traceback" not in err


def test_interrupt_keeps_a_partial_result(tmp_path):
    if sys.platform == "win32":
        pytest.skip("signals of POSIX")
    words = ["verify", *LONG, "--no-proofs", "--out", str(tmp_path)]
    with start(*words, stdout=subprocess.DEVNULL) as process:
        time.sleep(4.0)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Interrupted" in err
    assert json.loads((tmp_path / "landscape.json").read_text())["complete"] is False


def test_a_closed_pipe_is_no_internal_error():
    words = ["verify", *FAST, "--starts", "5", "--no-proofs", "--json"]
    with start(*words, stdout=subprocess.PIPE) as process:
        process.stdout.close()
        err = process.stderr.read()
        assert process.wait(timeout=60) != 70
    assert "Traceback" not in err
    assert "Internal" not in err


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


def test_other_errors_of_the_system_are_internal(capsys, monkeypatch):
    def broken(*_, **__):
        raise OSError(errno.ENOTTY, "no typewriter")

    monkeypatch.setattr("sphereufm.cli.cli.main", broken)
    code, _, err = run(capsys, "doctor")
    assert code == 70
    assert "no typewriter" in err


def test_no_colours_in_a_pipe():
    done = subprocess.run(
        [sys.executable, "-m", "sphereufm", "verify", *FAST, "--starts", "5", "--no-proofs"],
        env=os.environ | {"NO_COLOR": "1"},
        capture_output=True,
        check=True,
    )
    assert b"\x1b" not in done.stdout


def test_doctor_names_versions_and_missing_extras(capsys):
    code, out, _ = run(capsys, "doctor", "--json")
    data = json.loads(out)
    assert code == 0
    assert data["core"]["numpy"]
    assert {"features", "test"} <= data["extras"].keys()
    assert "numpy" in run(capsys, "doctor")[1]


@pytest.mark.parametrize("command", ["verify", "solve", "features", "doctor"])
def test_help_shows_an_example(capsys, command):
    code, out, _ = run(capsys, command, "--help")
    assert code == 0
    assert f"Example: sphereufm {command}" in out
