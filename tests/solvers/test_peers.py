"""The file of peers: who is there, and Manopt under Octave where both are installed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sphereufm.comparison import Instance, Rules, compare_solvers, load_peers
from sphereufm.comparison.problems import Thomson, rayleigh, rudy_toroidal
from sphereufm.problem.ufm import UFMProblem

FILE = Path(__file__).parents[2] / "benchmarks" / "peers.py"

PROBLEMS = {
    "balanced": lambda: UFMProblem(class_sizes=(2, 2, 2), dim=4, tau=5.0),
    "unbalanced": lambda: UFMProblem(class_sizes=(3, 1, 2), dim=4, tau=1.0, weights=(1, 2, 3, 1, 2, 3)),
    "maxcut": lambda: rudy_toroidal(4, 5),
    "rayleigh": lambda: rayleigh(20),
    "thomson": lambda: Thomson(6),
}


def test_peers_without_their_packages_are_left_out(monkeypatch, tmp_path):
    monkeypatch.delenv("MANOPT_PATH", raising=False)
    found = set(load_peers(FILE))
    assert {"pymanopt-tr", "pymanopt-tr-autograd", "scipy-lbfgsb", "scipy-trust-ncg"} <= found
    assert not any(name.startswith("manopt") for name in found)
    monkeypatch.setenv("MANOPT_PATH", str(tmp_path))
    assert set(load_peers(FILE)) == found


@pytest.mark.slow
def test_the_suites_run_under_benchopt(tmp_path):
    pytest.importorskip("benchopt")
    pandas = pytest.importorskip("pandas")
    folder = shutil.copytree(FILE.parent / "benchopt", tmp_path / "benchmarks" / "benchopt")
    shutil.copy(FILE, tmp_path / "benchmarks")
    words = ["-d", "suites[instance=K4-N4-d5-tau1]", "-s", "gauge[solver=[lbfgs,scipy-lbfgsb]]", "-n", "1"]
    command = [sys.executable, "-m", "benchopt", "run", str(folder), *words, "--no-plot", "--no-html"]
    subprocess.run(command, check=True, cwd=tmp_path, capture_output=True)
    (written,) = (folder / "outputs").glob("*.parquet")
    rows = pandas.read_parquet(written).set_index("p_solver_solver")
    assert set(rows.index) == {"lbfgs", "scipy-lbfgsb"}
    ours = rows.loc["lbfgs"]
    assert ours.objective_reached
    assert ours.objective_value <= 1e-9
    assert 0 < ours.objective_seconds < ours.time
    assert ours.objective_gradient_calls > 0


@pytest.mark.slow
@pytest.mark.skipif(
    not (os.environ.get("MANOPT_PATH") and shutil.which("octave-cli")),
    reason="needs GNU Octave and the folder of Manopt in MANOPT_PATH",
)
@pytest.mark.parametrize("name", PROBLEMS)
def test_manopt_has_our_closed_forms(name):
    instance = Instance(name=name, make=PROBLEMS[name])
    solvers = ["manopt-tr", "pymanopt-tr"]
    rules = Rules(starts=1, repeats=1, limit=20.0)
    theirs, python = compare_solvers([instance], solvers, peers=load_peers(FILE), rules=rules).measurements
    assert theirs.reached, theirs.note
    assert theirs.seconds > 0.0
    assert theirs.cost_value == pytest.approx(python.cost_value, rel=1e-9)
    # a wrong Hessian would cost the second order; Pymanopt repeats gradients, so its costs are the measure
    assert abs(theirs.cost - python.cost) <= 3
    assert 0 < theirs.gradient <= theirs.cost
    assert theirs.hessian > theirs.gradient // 2
