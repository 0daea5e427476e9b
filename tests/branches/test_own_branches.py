"""Costs of one's own along a parameter: folds where the count of critical points changes, closed forms, files."""

import json
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pymanopt
import pytest

from sphereufm import trace_branches
from sphereufm.certify.expressions import Cost, exp
from sphereufm.cli import main
from sphereufm.errors import InvalidInputError


def quartic(t):
    cost = Cost(dim=2, columns=1)
    x, y = cost.x(0, 0), cost.x(1, 0)
    return cost.instance(x**4 + y**4 + Fraction(t) * x + Fraction(1, 10) * y)


def critical_angles(t):
    """How often the slope along the circle changes its sign."""
    a = np.linspace(0.0, 2.0 * np.pi, 20_001)
    slope = 4 * np.sin(a) * np.cos(a) * (np.sin(a) ** 2 - np.cos(a) ** 2) - t * np.sin(a) + np.cos(a) / 10
    return int((slope[:-1] * slope[1:] < 0.0).sum())


def way(branch, folds):
    """The parameter along a branch; where it turns, that of the fold, which lies between two points."""
    taus = [point.tau for point in branch.points]
    turns = [i for i in range(1, len(taus) - 1) if (taus[i] - taus[i - 1]) * (taus[i + 1] - taus[i]) < 0.0]
    for i in turns:
        taus[i] = min(folds, key=lambda fold: abs(fold - taus[i]))
    return taus


def test_folds_are_where_critical_points_vanish():
    report = trace_branches(quartic, 0.5, 3.0, effort="quick", parameter="tilt")
    folds = [event.tau for event in report.events]
    assert [event.kind for event in report.events] == ["fold", "fold"]
    ways = [way(branch, folds) for branch in report.branches]
    for t in (0.5, folds[0] - 1e-3, folds[0] + 1e-3, folds[1] - 1e-3, folds[1] + 1e-3, 3.0):
        through = sum((a - t) * (b - t) <= 0.0 for taus in ways for a, b in pairwise(taus))
        assert through == critical_angles(t)
    assert "<th>tilt</th>" in report._repr_html_()


def repelling(t):
    cost = Cost(dim=3, columns=3)
    return cost.instance(sum(exp(Fraction(t) * cost.gram(i, j)) for i, j in ((0, 1), (1, 2), (0, 2))))


def test_orbits_of_a_gram_cost_follow_their_closed_forms():
    report = trace_branches(repelling, 0.5, 2.0, effort="quick")
    forms = {  # all equal, one opposite, the triangle
        (1, 2): lambda t: 3 * np.exp(t),
        (1, 0): lambda t: np.exp(t) + 2 * np.exp(-t),
        (2, 0): lambda t: 3 * np.exp(-t / 2),
    }
    for form in forms.values():
        ends = [form(0.5), form(2.0)]
        assert any(
            [b.points[0].cost, b.points[-1].cost] == pytest.approx(ends, rel=1e-10) for b in report.branches
        )
    assert min(b.points[-1].cost for b in report.branches) == pytest.approx(3 * np.exp(-1.0), rel=1e-10)


def test_a_pymanopt_problem_is_followed():
    sphere = pymanopt.manifolds.Sphere(3)
    A, e = np.diag([0.0, 1.0, 3.0]), np.array([1.0, 0.0, 0.0])
    wrap = pymanopt.function.numpy(sphere)

    def quotient(t):
        # autograd would take most of the time
        return pymanopt.Problem(
            sphere,
            wrap(lambda x: t * x @ A @ x + x[0]),
            euclidean_gradient=wrap(lambda x: 2.0 * t * A @ x + e),
            euclidean_hessian=wrap(lambda x, u: 2.0 * t * A @ u),
        )

    report = trace_branches(quotient, 1.0, 2.0, effort="quick")
    # the poles are critical at every value
    ends = [(b.points[0].cost, b.points[-1].cost) for b in report.branches]
    for pole in (-1.0, 1.0):
        assert any(end == pytest.approx((pole, pole), abs=1e-9) for end in ends)


def code_of(words):
    with pytest.raises(SystemExit) as end:
        main(words)
    return end.value.code


def test_a_file_is_followed_along_a_constant(tmp_path, capsys):
    path = tmp_path / "tilt.toml"
    cost = "x(0,0)**4 + x(1,0)**4 + t * x(0,0) + 0.1 * x(1,0)"
    path.write_text(f'dim = 2\ncolumns = 1\ncost = "{cost}"\nunit = "J"\n[constants]\nt = 1\n')
    words = ["branches", str(path), "--tau-from", "1.5", "--tau-to", "1.8", "--effort", "quick"]
    assert code_of([*words, "--parameter", "t", "--json", "--out", str(tmp_path / "out")]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["parameter"], data["problem"]["dim"]) == ("t", 2)
    assert len(data["branches"]) == critical_angles(1.5)
    assert code_of([*words, "--parameter", "s"]) == 2
    assert code_of(words) == 2


@pytest.mark.parametrize("level", [0, 1, "1/1000000"])
def test_branches_on_which_the_cost_stays_zero_are_followed_once(level):
    def squares(t):
        cost = Cost(dim=2, columns=1)
        return cost.instance(Fraction(t) * cost.x(0, 0) ** 2 + level * cost.x(1, 0) ** 2)

    assert len(trace_branches(squares, 3.0, 4.0, effort="quick").branches) == 4


def test_a_file_is_defined_at_the_ends_of_its_range_and_need_not_be_beyond(tmp_path, capsys):
    (tmp_path / "log.toml").write_text(
        'dim = 2\ncolumns = 1\ncost = "log(t - 1) + t * x(0,0)"\n[constants]\nt = 2\n'
    )
    for begin, code in (("1.000001", 0), ("1", 2)):
        words = ["branches", str(tmp_path / "log.toml"), "--parameter", "t", "--tau-from", begin]
        assert code_of([*words, "--tau-to", "1.2", "--effort", "quick"]) == code
    assert "no finite number" in capsys.readouterr().err


def test_a_problem_without_a_parameter_is_refused():
    cost = Cost(dim=2, columns=2)
    for problem in (cost.instance(cost.gram(0, 1)), 3):
        with pytest.raises(InvalidInputError, match="has no parameter"):
            trace_branches(problem, 1.0, 2.0)


def test_columns_of_different_lengths_are_refused():
    manifold = pymanopt.manifolds.Product([pymanopt.manifolds.Sphere(2), pymanopt.manifolds.Sphere(3)])
    cost = pymanopt.function.autograd(manifold)(lambda x, y: x[0] * y[0])
    with pytest.raises(InvalidInputError, match="must be equal"):
        trace_branches(lambda t: pymanopt.Problem(manifold, cost), 1.0, 2.0)
