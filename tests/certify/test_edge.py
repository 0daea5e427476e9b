"""The shipped certificates at the edge d = K - 1, and the branch of the study that made them."""

import json
import sys
from fractions import Fraction

import numpy as np
import pytest
from checker_cases import DATA

from sphereufm import hessian_spectrum
from sphereufm.certify.checker import check_file

ROOT = DATA.parents[2]
STUDY = ROOT / "benchmarks" / "studies"


@pytest.fixture
def turned(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(STUDY), *sys.path])
    import turned

    return turned


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("edge-K3", "spurious local minimiser"),
        ("edge-K4", "spurious local minimiser"),
        ("edge-K4-below", "strict saddle"),
        ("edge-K5", "spurious local minimiser"),
        ("edge-K6", "spurious local minimiser"),
    ],
)
def test_shipped_edges_are_accepted(name, row):
    result = check_file(DATA / f"{name}.json")
    assert (result.status, result.row) == ("PROVED", row)


def test_the_table_agrees_with_the_certificates():
    table = json.loads((STUDY / "phase_diagram" / "edge.json").read_text(encoding="utf-8"))["edges"]
    for K in (3, 4, 5, 6):
        instance = json.loads((DATA / f"edge-K{K}.json").read_text(encoding="utf-8"))["instance"]
        (row,) = [r for r in table if r["classes"] == K and Fraction(r["tau"]) == Fraction(instance["tau"])]
        assert instance["class_sizes"] == [row["proved"]] * K
        assert row["proved"] == min(r["proved"] for r in table if r["classes"] == K)
        assert row["edge"] < row["proved"] < row["edge"] + 1


def test_the_branch_loses_its_minimiser_where_an_eigenvalue_vanishes(turned):
    end = turned.end_of_branch(3, 2.4)
    assert end.per_class == pytest.approx(15.7942, abs=1e-3)
    least = []
    for n in (15, 16):
        problem, X = turned.merged_problem(3, 2.4, 1 / n), turned.branch_point(3, 2.4, n)
        assert np.abs(problem.gradient(X)).max() < 1e-12
        least.append(hessian_spectrum(problem, X, 2).min_eigenvalue)
    assert least[0] < 0 < least[1]
