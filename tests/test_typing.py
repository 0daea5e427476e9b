"""A user's script that is typed passes `mypy --strict`, and one that is wrong does not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = """
from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sphereufm import (
    CriticalFamily,
    CriticalPoint,
    LandscapeReport,
    SolverResult,
    UFMProblem,
    collapse_metrics,
    embed,
    from_pymanopt,
    global_minimum,
    hessian_spectrum,
    load_features,
    load_report,
    optimality_gap,
    position,
    prove_landscape,
    solve,
    trace_branches,
    verify_landscape,
)
from sphereufm.certify import Certificate, ExactInstance, prove_point


def lowest(report: LandscapeReport) -> NDArray[np.float64]:
    points = [entry for entry in report.critical if isinstance(entry, CriticalPoint)]
    return embed(min(points, key=lambda point: point.cost).X, 4)


def main() -> None:
    problem = UFMProblem(class_sizes=(1, 1, 1), dim=4, tau="1/3")
    report: LandscapeReport = prove_landscape(verify_landscape(problem, effort="quick", rng=0))
    report.save("landscape.json")
    again = load_report("landscape.json")
    X = lowest(again)
    families: list[CriticalFamily] = [e for e in again.critical if isinstance(e, CriticalFamily)]
    index: int = hessian_spectrum(problem, X).morse_index
    least: float | None = hessian_spectrum(problem, X).min_eigenvalue
    result: SolverResult = solve(problem, X, solver="lbfgs")
    gap: float = optimality_gap(problem, result.X).value
    minimum: float | None = global_minimum(problem)
    certificate: Certificate = prove_point(ExactInstance.from_problem(problem), X)
    folds = [event.tau for event in trace_branches(problem, 1.0, 2.0).events if event.kind == "fold"]
    saved = load_features("features.npz", classifier="head.npy")
    nc1: float | None = collapse_metrics(saved).nc1
    cost: float | None = position(saved, tau=5).cost
    print(len(families), index, least, gap, minimum, certificate.claims, sum(folds), nc1, cost)
    print(report.verdict.name, result.stop_reason.converged, problem.gradient(X) + X)


main()
"""


@pytest.fixture(scope="module")
def type_check(tmp_path_factory):
    """Check a script's types, outside of the repository, without this project's settings: exit code and messages."""
    folder = tmp_path_factory.mktemp("user")

    def check(text):
        # mypy knows a file again by its size and the second of its change
        script = folder / f"script_{sum(1 for _ in folder.glob('*.py'))}.py"
        script.write_text(text, encoding="utf-8")
        # an installed package is followed silently; here it is found as source
        words = [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--follow-imports=silent",
            "--config-file",
            "",
            script.name,
        ]
        environment = os.environ | {"MYPYPATH": str(ROOT)}
        done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    return check


def test_a_typed_script_passes_the_strict_check(type_check):
    code, messages = type_check(SCRIPT)
    assert code == 0, messages


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("nc1: float | None", "nc1: str"),
        ("rng=0", "rng='zero'"),
        ("index: int", "index: str"),
        ("dim=4", "dimension=4"),
    ],
)
def test_a_mistake_is_found(type_check, right, wrong):
    assert right in SCRIPT
    code, messages = type_check(SCRIPT.replace(right, wrong))
    assert code == 1, messages
