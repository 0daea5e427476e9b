"""What scripts rely on: JSON, messages for bad input, output folders."""

import json
import subprocess
import sys

import numpy as np
import pytest
from running import FAST, run

from sphereufm import UFMProblem, prove_landscape, solve, verify_landscape
from sphereufm.cli import cli
from sphereufm.cli.options import problem_from_file
from sphereufm.landscape.search.effort import Effort
from sphereufm.solvers import DEFAULT_SOLVER


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


def test_commands_have_the_default_solver_of_the_package():
    (one,) = (p for p in cli.commands["solve"].params if p.name == "solver")
    (many,) = (p for p in cli.commands["compare"].params if p.name == "solvers")
    assert one.default == DEFAULT_SOLVER
    assert f"[default: {DEFAULT_SOLVER}," in many.help


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
        (["verify", "--class-sizes", f"2,1{4300 * chr(48)}", "--dim", "3", "--tau", "1"], "--class-sizes"),
        (["verify", *FAST, "--classes", "3", "--class-sizes", "1,1"], "contradict"),
        (["verify", *FAST, "--weights", "1"], "weights"),
        (["verify", *FAST, "--weights", "missing.npy"], "no such file"),
        (["verify", *FAST, "--loss", "none"], "none"),
        (["verify", *FAST, "--out", "/proc/none"], "cannot be written"),
        (["verify", *FAST, "--time-limit", "nan"], "--time-limit=nan"),
        (["verify", *FAST, "--starts", "1" + 23 * "0"], "--starts"),
        (["compare", *FAST, "--starts", "1" + 23 * "0"], "--starts"),
        (["compare", *FAST, "--repeats", "0"], "--repeats"),
        (["verify", *FAST[4:], "--classes", "1000000000", "--per-class", "2"], "samples; at most"),
        (["solve", *FAST, "--solver", "none"], "--solver"),
        (["solve", *FAST, "--tolerance", "0"], "--tolerance"),
        (["features", "missing.npz"], "missing.npz"),
    ],
)
def test_bad_input_is_named_and_ends_with_code_two(capsys, words, message):
    code, out, err = run(capsys, *words)
    assert code == 2
    assert message in err
    assert out == ""
    assert "Traceback" not in err


def test_a_solution_is_a_point_to_go_on_from(capsys, tmp_path):
    words = ["solve", *FAST, "--out", str(tmp_path)]
    assert run(capsys, *words)[0] == 0
    data = json.loads((tmp_path / "solution.json").read_text())
    problem = UFMProblem(class_sizes=data["problem"]["class_sizes"], dim=3, tau=data["problem"]["exact_tau"])
    again = solve(problem, data["X"])
    assert (again.iterations, again.cost) == (0, pytest.approx(data["cost"], rel=2e-13))
    assert run(capsys, *words)[0] == 2
    assert run(capsys, *words, "--force")[0] == 0


def test_weights_of_a_file_are_those_that_it_calls_so(capsys, tmp_path):
    labels, weights = np.array([0, 0, 1, 1]), np.array([1.0, 2.0, 3.0, 4.0])
    np.savez(tmp_path / "both.npz", labels=labels, weights=weights)
    np.savez(tmp_path / "one.npz", w=weights.astype(">f4"))
    (tmp_path / "mark.txt").write_bytes(b"\xef\xbb\xbf1\r\n2\r\n3\r\n4\r\n")
    np.savez(tmp_path / "many.npz", a=labels, b=weights)
    np.save(tmp_path / "number.npy", 3.0)
    solve = ["solve", "--classes", "2", "--per-class", "2", "--dim", "3", "--tau", "1", "--json", "--weights"]
    for name in ("both.npz", "one.npz", "mark.txt"):
        code, out, _ = run(capsys, *solve, str(tmp_path / name))
        assert (code, [float(w) for w in json.loads(out)["problem"]["weights"]]) == (0, weights.tolist())
    for name, message in (("many.npz", "holds a, b; save one array"), ("number.npy", "weights has length 1")):
        code, _, err = run(capsys, *solve, str(tmp_path / name))
        assert (code, message in err) == (2, True), err


def test_a_name_that_cannot_be_replaced_is_refused_before_any_work(capsys, tmp_path):
    """A file where a folder goes, or the reverse: the result of an hour would be lost."""
    (tmp_path / "landscape.json").mkdir()
    (tmp_path / "solution.json").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "certificates").touch()
    for command, folder in (("verify", tmp_path), ("solve", tmp_path), ("verify", tmp_path / "b")):
        code, _, err = run(capsys, command, *FAST, "--out", str(folder), "--force")
        assert (code, "choose another folder" in err, "Plan" in err) == (2, True, False)


def test_a_sweep_does_not_take_the_folder_of_another_command(capsys, tmp_path):
    (tmp_path / "report.html").write_text("mine")
    words = ["--classes", "2", "--per-class", "1", "--dim", "3", "--tau", "1", "--out", str(tmp_path)]
    code, _, err = run(capsys, "sweep", *words)
    assert (code, "already holds report.html" in err) == (2, True)
    assert [place.name for place in tmp_path.iterdir()] == ["report.html"]


def test_an_option_that_another_word_makes_void_is_refused(capsys, tmp_path):
    """Whatever describes a problem beside a file of a cost, or beside a suite, the loss as much as a size."""
    cost = tmp_path / "cost.toml"
    cost.write_text('dim = 2\ncolumns = 2\ncost = "a * gram(0, 1)"\n[constants]\na = 1\n')
    one = [str(cost)]
    along = [*one, "--parameter", "a", "--tau-from", "1", "--tau-to", "2"]
    for words in (["--loss", "cross-entropy"], ["--margin", "1"], ["--dim", "3"], ["--bias"]):
        for command in (
            ["verify", *one],
            ["solve", *one],
            ["branches", *along],
            ["compare", "--suite", "small"],
        ):
            code, out, err = run(capsys, *command, *words)
            assert (code, out) == (2, ""), (command, words)
            assert "leave the options" in err or f"--suite=small and {words[0]}" in err


def test_results_are_replaced_only_by_force(capsys, tmp_path):
    words = ["verify", *FAST, "--starts", "5", "--no-proofs", "--out", str(tmp_path)]
    assert run(capsys, *words)[0] == 0
    before = (tmp_path / "landscape.json").read_bytes()
    code, _, err = run(capsys, *words)
    assert (code, "--force" in err) == (2, True)
    assert (tmp_path / "landscape.json").read_bytes() == before
    assert run(capsys, *words, "--force")[0] == 0


def test_no_certificate_of_an_earlier_run_lies_beside_a_report(capsys, tmp_path):
    """Neither where none were asked for, nor where the cost has no ball formulas; what else is there stays."""
    cost, old = tmp_path / "cost.toml", tmp_path / "certificates"
    cost.write_text(
        'dim = 2\ncolumns = 2\ncost = "x(0, 0) * x(1, 1) - x(1, 0) * x(0, 1)"\nsymmetry = "rotations"\n'
    )
    numerical = verify_landscape(problem_from_file(cost), starts=1)
    words = [
        "verify",
        *FAST,
        "--no-proofs",
        "--starts",
        "1",
        "--workers",
        "1",
        "--out",
        str(tmp_path),
        "--force",
    ]
    for again in (lambda: run(capsys, *words), lambda: prove_landscape(numerical, tmp_path)):
        (old / "005").mkdir(parents=True, exist_ok=True)
        for name in ("001.json", "005/001.json", "theorem.json", "complete.json", "mine.txt"):
            (old / name).touch()
        again()
        assert [path.name for path in old.iterdir()] == ["mine.txt"]


def test_a_folder_has_a_report_that_holds_the_landscape_with_its_descents(capsys, tmp_path):
    from sphereufm.report import read_data

    words = ["verify", *FAST, "--starts", "5", "--out", str(tmp_path), "--json"]
    code, out, _ = run(capsys, *words)
    data = json.loads(out)
    assert code == 0
    assert data["connections"]["edges"]
    assert data["connections"]["skipped"] == 0
    assert (
        read_data(tmp_path / "report.html") == data == json.loads((tmp_path / "landscape.json").read_text())
    )


def test_doctor_names_versions_and_missing_extras(capsys):
    code, out, _ = run(capsys, "doctor", "--json")
    data = json.loads(out)
    assert code == 0
    assert data["core"]["numpy"]
    assert {"features", "test"} <= data["extras"].keys()
    assert "numpy" in run(capsys, "doctor")[1]


@pytest.mark.parametrize("command", ["verify", "sweep"])
def test_every_effort_can_be_asked_for(command):
    (option,) = [p for p in cli.commands[command].params if p.name == "effort"]
    assert sorted(option.type.choices) == sorted(effort.name.lower() for effort in Effort)


def test_help_loads_no_numpy():
    """The help is to appear at once: heavy libraries are loaded by the commands that compute."""
    command = "import sys, sphereufm.cli; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", command], check=False).returncode == 0
