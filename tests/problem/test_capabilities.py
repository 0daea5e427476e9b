"""A problem offers a capability by having its method, and the matching feature lights up; without it, it is dark."""

import ast
from pathlib import Path

import numpy as np
import pytest

from sphereufm import (
    CriticalPointKind,
    UFMProblem,
    hessian_extreme,
    prove_landscape,
    simplex_etf,
    solve,
    verify_landscape,
)
from sphereufm.errors import InvalidInputError
from sphereufm.plots.configurations import configurations_figure
from sphereufm.problem import capabilities
from sphereufm.solvers import Settings

PACKAGE = Path(capabilities.__file__).parents[1]
# Three classes below d = K, with a spurious minimiser and a known minimum.
TRAP = UFMProblem(class_sizes=(1, 1, 1), dim=2, tau=12.0)
SMALL = UFMProblem(class_sizes=(2, 2), dim=3, tau=1.0)


class Bare:
    """The cost of another problem and nothing of what it knows; at a point its derivatives only."""

    def __init__(self, inner):
        self.inner, self.spheres, self.symmetry = inner, inner.spheres, inner.symmetry

    def at(self, X):
        return BarePoint(self.inner.at(X))


class BarePoint:
    def __init__(self, inner):
        self.X, self._inner = inner.X, inner

    cost = property(lambda self: self._inner.cost)
    gradient = property(lambda self: self._inner.gradient)
    gradient_scale = property(lambda self: self._inner.gradient_scale)

    def hessian_product(self, U):
        return self._inner.hessian_product(U)


def knowing(inner, *methods):
    """The bare cost with some methods of the problem that it stands for; still bare in other dimensions."""
    own = {name: (lambda self, *a, name=name: getattr(self.inner, name)(*a)) for name in methods}
    kind = type("Toy", (Bare,), own)
    kind.in_dimension = lambda self, r: kind(inner.in_dimension(r))
    return kind(inner)


def landscape(inner, *methods, starts=20):
    return verify_landscape(knowing(inner, *methods), starts=starts)


def test_no_module_asks_for_the_type_of_a_problem():
    asked = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if "problem" not in path.relative_to(PACKAGE).parts[:1]
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") == "isinstance"
        and any(
            name in ast.unparse(node.args[1]) for name in ("UFMProblem", "BlockProblem", "PymanoptProblem")
        )
    ]
    assert asked == []


def test_a_bare_cost_has_its_critical_points_and_nothing_else():
    report = landscape(SMALL)
    assert report.theorem is None
    assert report.verdict.name == "UNDECIDED"
    assert {entry.optimality_gap for entry in report.critical} == {None}
    assert prove_landscape(report).proofs is None
    assert report.to_json()["problem"] == {"name": "Toy", "dims": [3] * 6}
    assert min(entry.cost for entry in report.critical) == pytest.approx(SMALL.known_minimum(), rel=1e-9)


def test_a_cost_of_inner_products_needs_a_way_to_its_span():
    with pytest.raises(InvalidInputError, match="in_dimension"):
        verify_landscape(Bare(SMALL), starts=2)


def test_a_known_theorem_gives_the_verdict():
    assert landscape(SMALL, "benign_theorem").verdict.name == "BENIGN"


def test_a_known_minimum_names_spurious_minimisers():
    """Without any search of the minimiser itself: one start from the spurious one."""

    def kinds(*methods):
        toy = knowing(TRAP, *methods)
        spurious = next(
            e.X
            for e in verify_landscape(TRAP, effort="quick").critical
            if e.kind is CriticalPointKind.SPURIOUS_LOCAL_MINIMUM
        )
        report = verify_landscape(toy, effort="minimisers", starts=1, rng=3, initial_points=[spurious])
        lowest = TRAP.known_minimum()
        return {e.kind.name for e in report.critical if e.cost > 1.01 * lowest and e.morse_index == 0}

    assert kinds("known_minimum") == {"SPURIOUS_LOCAL_MINIMUM"}


def test_a_gap_is_in_the_rows_and_stops_a_solver():
    report = landscape(SMALL, "optimality_gap")
    assert all(entry.gap_method for entry in report.critical)
    limits = Settings(gap_tolerance=1e-3)
    assert solve(knowing(SMALL, "optimality_gap"), settings=limits).stop_reason.name == "GAP_TOLERANCE"
    with pytest.raises(InvalidInputError, match="gap"):
        solve(knowing(SMALL), settings=limits)


def test_constructed_starts_are_searched():
    """A configuration that no random start is led to: with one start the minimiser is found from the simplex."""
    problem = UFMProblem(class_sizes=(1,) * 6, dim=5, tau=1.0)
    W = simplex_etf(6, 5)
    toy = knowing(problem)
    type(toy).constructed_starts = lambda self: [np.concatenate([W, W], axis=1)]
    found = verify_landscape(toy, effort="minimisers", starts=1)
    unhit = [e for e in found.critical if e.hits == 0 and e.cost == pytest.approx(problem.known_minimum())]
    assert unhit or min(e.cost for e in found.critical) == pytest.approx(problem.known_minimum())
    assert len(capabilities.constructed_starts(toy)) == 1


def test_families_are_merged_into_one_row():
    named = landscape(SMALL, "family_name")
    assert "collapsed-classifiers" in [getattr(entry, "name", None) for entry in named.critical]
    assert "collapsed-classifiers" not in [
        getattr(entry, "name", None) for entry in landscape(SMALL).critical
    ]


def test_fixed_point_spaces_are_searched():
    problem = UFMProblem(class_sizes=(1,) * 4, dim=2, tau=1.0)
    strata = {"rank 2", "S_4", "S_3 x S_1", "S_2 x S_2", "S_2 x S_1 x S_1"}
    assert set(landscape(problem, "fixed_point_spaces", starts=2).coverage) == strata
    assert set(landscape(problem, starts=2).coverage) == {"rank 2"}


def test_no_rank_is_searched_above_the_highest():
    assert set(landscape(SMALL, "highest_rank", starts=2).coverage) == {"rank 2", "rank 3"}
    toy = knowing(SMALL)
    type(toy).highest_rank = lambda self: 2
    assert set(verify_landscape(toy, starts=2).coverage) == {"rank 2"}


def test_an_exact_instance_is_proved():
    report = prove_landscape(landscape(SMALL, "exact_instance", "family_name"))
    assert report.proofs is not None
    assert report.proofs.proved > 0


def test_equal_samples_shorten_the_search_for_extreme_eigenvalues():
    problem = UFMProblem(class_sizes=(300, 300), dim=4, tau=1.0)
    W = simplex_etf(2, 4)
    X = np.concatenate([W, W[:, problem.labels]], axis=1)
    plain = hessian_extreme(knowing(problem), X, 2)
    quick = hessian_extreme(knowing(problem, "equal_samples"), X, 2)
    np.testing.assert_allclose(quick.eigenvalues, plain.eigenvalues, rtol=1e-6)
    assert quick.products < plain.products


def test_column_factors_are_the_metric_of_the_solvers():
    seen = []
    toy = knowing(SMALL)
    type(toy).column_factors = lambda self: seen.append(1) or SMALL.column_factors()
    assert solve(toy).converged
    assert seen


def test_labels_colour_the_columns():
    def lines(*methods):
        figure = configurations_figure(landscape(TRAP, *methods, starts=4))
        return sum(len(axes.lines) for axes in figure.axes)

    assert lines("column_labels") > lines() > 0


def test_a_described_problem_is_named_in_its_file():
    report = landscape(SMALL, "title", "cost_unit", "to_json", starts=2)
    assert report.to_json()["problem"]["class_sizes"] == [2, 2]
