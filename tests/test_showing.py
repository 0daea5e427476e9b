"""Objects print in one readable line, and pickle; a notebook's table of a solver's result."""

import ast
import pickle
import sys
import types
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pymanopt
import pytest

from sphereufm import (
    UFMProblem,
    align,
    check_gradient,
    collapse_metrics,
    from_pymanopt,
    hessian_extreme,
    hessian_spectrum,
    optimality_gap,
    position,
    prove_landscape,
    solve,
    theorem_s,
    trace_branches,
    verify_landscape,
)
from sphereufm.certify import ExactInstance, prove_point
from sphereufm.certify.checker import check_bytes
from sphereufm.certify.json_format import certificate_to_json
from sphereufm.comparison import Rules, compare_solvers
from sphereufm.comparison.suites import SMALL
from sphereufm.features import feature_set_from_arrays
from sphereufm.landscape.points import CriticalFamily

ROWS = np.array([[1.0, 0.1], [1.0, -0.1], [-1.0, 0.0], [-1.0, 0.0]])


@pytest.fixture(scope="module")
def things():
    problem = UFMProblem(class_sizes=(1, 1), dim=3, tau=1)
    report = prove_landscape(verify_landscape(problem, starts=5, rng=0))
    minimum = report.critical[0]
    family = next(entry for entry in report.critical if isinstance(entry, CriticalFamily))
    certificate = prove_point(ExactInstance.from_problem(problem), minimum.X)
    features = feature_set_from_arrays(ROWS, labels=[0, 0, 1, 1], classifier=ROWS[1:3])
    X = problem.spheres.random_point(0)
    result = solve(problem, rng=0, solver="trust-region", record=True)
    branches = trace_branches(UFMProblem(class_sizes=(1, 1), dim=2, tau=1), 0.9, 1, effort="quick")
    return {
        "UFMProblem": problem,
        "ProductOfSpheres": problem.spheres,
        "LandscapeReport": report,
        "CriticalPoint": minimum,
        "CriticalFamily": family,
        "HessianSpectrum": hessian_spectrum(problem, X),
        "HessianExtreme": hessian_extreme(problem, X, 1),
        "SolverResult": result,
        "History": result.history,
        "Certificate": certificate,
        "CheckResult": check_bytes(certificate_to_json(certificate).encode()),
        "FeatureSet": features,
        "CollapseMetrics": collapse_metrics(features),
        "LandscapePosition": position(features, 1),
        "BranchReport": branches,
        "Branch": branches.branches[0],
        "Comparison": compare_solvers(SMALL[:1], ["lbfgs", "newton"], rules=Rules(starts=1, repeats=1)),
        "DerivativeCheck": check_gradient(problem),
        "OptimalityGap": optimality_gap(problem, X),
        "TheoremCheck": theorem_s(problem),
        "Alignment": align(X, X, problem.symmetry),
        "UFMEvaluation": problem.at(X),
        "MultiplierMatrix": problem.at(X).multiplier_matrix,
    }


NAMED = {
    "LandscapeReport": "BENIGN (theorem): 4 critical orbits",
    "CriticalPoint": "GLOBAL_MINIMUM (PROVED): cost 0.126928, rank 1, Morse index 0",
    "CriticalFamily": "'collapsed-classifiers' STRICT_SADDLE (PROVED)",
    "HessianSpectrum": "Morse index 2, nullity 0, least eigenvalue -0.58",
    "SolverResult": "of trust-region: cost 0.126928, ",
    "Certificate": "not checked here, that claims ",
    "CheckResult": "status='PROVED'",
    "FeatureSet": "4 samples in R^2, 2 classes, classifier",
    "CollapseMetrics": "of 4 samples: nc1 0, nc2 ",
    "BranchReport": "tau 0.9 .. 1",
    "Comparison": "of lbfgs, newton: 2 measurements",
    "DerivativeCheck": "passed: order 2.00, expected 2",
    "MultiplierMatrix": "(4, 4)",
    "UFMEvaluation": "at (3, 4) of UFMProblem(",
}


def test_every_type_prints_in_one_line_with_its_name(things):
    for name, thing in things.items():
        text = repr(thing)
        assert type(thing).__name__ == name
        assert name in text
        assert "\n" not in text
        assert len(text) < 800
        assert " object at 0x" not in text


@pytest.mark.parametrize("name", NAMED)
def test_the_line_says_what_matters(things, name):
    assert NAMED[name] in repr(things[name])


def test_every_type_pickles(things):
    for name, thing in things.items():
        again = pickle.loads(pickle.dumps(thing))
        assert type(again) is type(thing)
        assert repr(again) == repr(thing), name


def test_a_pickled_problem_and_report_work_on(things):
    problem, report = pickle.loads(pickle.dumps((things["UFMProblem"], things["LandscapeReport"])))
    X = problem.spheres.random_point(0)
    np.testing.assert_array_equal(problem.gradient(X), things["UFMProblem"].gradient(X))
    np.testing.assert_array_equal(report.critical[0].X, things["LandscapeReport"].critical[0].X)


def test_a_notebook_shows_a_result_as_a_table(things):
    table = ElementTree.fromstring(things["SolverResult"]._repr_html_())
    cells = [[cell.text or "" for cell in row] for row in table.iter("tr")][1:]
    assert cells[0] == ["cost", "0.126928011043 nats"]
    assert ["saddles left", str(things["SolverResult"].escaped_saddles)] in cells


def test_a_problem_of_pymanopt_travels_by_cloudpickle():
    cloudpickle = pytest.importorskip("cloudpickle")
    space = pymanopt.manifolds.Oblique(3, 2)

    @pymanopt.function.autograd(space)
    def cost(X):
        return (X[:, 0] * X[:, 1]).sum()

    problem = from_pymanopt(pymanopt.Problem(space, cost))
    again = pickle.loads(cloudpickle.dumps(problem))
    X = problem.spheres.random_point(0)
    np.testing.assert_array_equal(again.gradient(X), problem.gradient(X))


def test_large_problems_and_those_of_pymanopt_print_shortly():
    large = UFMProblem(class_sizes=(100,) * 1000, dim=64, tau=1)
    assert repr(large.spheres) == "ProductOfSpheres.oblique(64, 101000)"
    space = pymanopt.manifolds.Product([pymanopt.manifolds.Sphere(3), pymanopt.manifolds.Oblique(3, 2)])

    @pymanopt.function.autograd(space)
    def cost(x, Y):
        return (x @ Y).sum()

    own = from_pymanopt(pymanopt.Problem(space, cost))
    for thing in (large, large.symmetry, own, own.symmetry, own.at(own.spheres.random_point(0))):
        assert len(repr(thing)) < 300
        assert " object at 0x" not in repr(thing)
    assert "Sphere manifold" in repr(own)


def test_a_report_shows_itself(things):
    report = things["LandscapeReport"]
    lines = str(report).splitlines()
    assert lines[1].split()[:3] == ["row", "cost", "(nats)"]
    rows = lines[2 : 2 + len(report.critical)]
    assert [float(row.split()[1]) for row in rows] == pytest.approx(
        [e.cost for e in report.critical], rel=1e-5
    )
    assert report.verdict.name in lines[2 + len(report.critical)]
    assert report.plot().axes[0].get_xlabel() == "Morse index"
    assert report.to_html().startswith("<!DOCTYPE html>")


class Display:
    """What IPython.display gives, as far as a bar asks for it."""

    def __init__(self):
        self.shown, self.HTML = [], str

    def display(self, bar, display_id):
        self.shown.append(bar)
        return self

    def update(self, bar):
        self.shown.append(bar)


def test_a_notebook_gets_a_bar(monkeypatch):
    display = Display()
    kernel = types.SimpleNamespace(kernel=object())
    ipython = types.SimpleNamespace(display=display, get_ipython=lambda: kernel)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    verify_landscape(UFMProblem(class_sizes=(1, 1), dim=2, tau=1), starts=2)
    assert display.shown[0].startswith('<progress value="')
    assert all('max="1000"' in bar for bar in display.shown)
    # in a terminal's IPython there is none
    ipython.get_ipython = lambda: object()
    display.shown.clear()
    verify_landscape(UFMProblem(class_sizes=(1, 1), dim=2, tau=1), starts=2)
    assert display.shown == []


def test_no_message_has_literal_backticks():
    found = []
    for path in sorted(Path("sphereufm").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docs = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}
        texts = [n for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
        found += [(path.name, n.lineno) for n in texts if "`" in n.value and id(n) not in docs]
    assert found == []
