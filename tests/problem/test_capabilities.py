"""A problem offers a capability by having its method, and the matching feature lights up; without it, it is dark."""

import ast
import re
from pathlib import Path
from types import SimpleNamespace

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
from sphereufm.landscape.report.summary import summarise
from sphereufm.landscape.search.effort import SearchSettings
from sphereufm.landscape.search.stratum import Batch, Stratum, merges_samples, search_batch
from sphereufm.plots.configurations import configurations_figure
from sphereufm.problem import capabilities
from sphereufm.solvers import Settings
from sphereufm.spectra.matrix import hessian_matrix
from sphereufm.spectra.spectrum import normal_hessian

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
        self.products = 0

    cost = property(lambda self: self._inner.cost)
    gradient = property(lambda self: self._inner.gradient)
    gradient_scale = property(lambda self: self._inner.gradient_scale)

    def hessian_product(self, U):
        self.products += 1
        return self._inner.hessian_product(U)


def delegating(base, inner, methods):
    """A kind of object with some methods of what it stands for."""
    own = {name: (lambda self, *a, name=name: getattr(getattr(self, inner), name)(*a)) for name in methods}
    return type("Toy", (base,), own)


def knowing_points(inner, *methods):
    """The bare cost, whose points have some methods of those that they stand for."""
    kind, toy = delegating(BarePoint, "_inner", methods), knowing(inner)
    toy.points = points = []
    type(toy).at = lambda self, X: points.append(kind(self.inner.at(X))) or points[-1]
    return toy


def products(toy):
    return sum(point.products for point in toy.points)


def knowing(inner, *methods):
    """The bare cost with some methods of the problem that it stands for; still bare in other dimensions."""
    kind = delegating(Bare, "inner", methods)
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


def test_a_method_that_has_no_answer_is_as_none_at_all():
    names = (
        "constructed_starts",
        "fixed_point_spaces",
        "share_of_distinct_samples",
        "cost_unit",
        "known_minimum",
    )
    mute = type("Mute", (Bare,), dict.fromkeys(names, lambda self, *_: None))(SMALL)
    for name in names:
        question = getattr(capabilities, name)
        assert question(mute) == question(Bare(SMALL)), name


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
    """A saddle, which a search for minimisers alone does not meet."""
    X = np.zeros(SMALL.spheres.shape)
    X[0] = [1, -1, 1, 1, -1, 1]
    toy = knowing(SMALL)
    assert {e.kind.name for e in verify_landscape(toy, effort="minimisers", starts=1).critical} == {
        "LOCAL_MINIMUM"
    }
    type(toy).constructed_starts = lambda self: [X]
    found = verify_landscape(toy, effort="minimisers", starts=1).critical
    assert "STRICT_SADDLE" in {entry.kind.name for entry in found}


def test_families_are_merged_into_one_row():
    named = landscape(SMALL, "family_name", "pulls_are_rounding")
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
    report = prove_landscape(landscape(SMALL, "exact_instance", "family_name", "pulls_are_rounding"))
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
        return sum(len(one.get_paths()) for axes in figure.axes for one in axes.collections)

    assert lines("column_labels") > lines() > 0


def test_a_described_problem_is_named_in_its_file():
    report = landscape(SMALL, "title", "cost_unit", "to_json", starts=2)
    assert report.to_json()["problem"]["class_sizes"] == [2, 2]
    summary = summarise(report)
    assert summary.title == SMALL.title()
    assert summary.cost_heading == "cost (nats)"
    assert summarise(landscape(SMALL, starts=2)).cost_heading == "cost"


def test_known_directions_lead_away_from_a_saddle():
    X = np.zeros(SMALL.spheres.shape)
    X[0] = [1, 1, 1, -1, 1, -1]
    plain, toy = knowing_points(SMALL), knowing_points(SMALL)
    toy.descent_direction = SMALL.descent_direction
    for problem in (plain, toy):
        assert solve(problem, X).cost == pytest.approx(SMALL.known_minimum(), rel=1e-9)
    assert products(toy) < products(plain)


def test_samples_are_merged_in_the_search():
    problem = UFMProblem(class_sizes=(12, 12), dim=2, tau=1.0)
    toy = knowing(problem, "merged_at_random", "share_of_distinct_samples")
    W = simplex_etf(2, 2)
    collapsed = np.concatenate([W, W[:, problem.labels]], axis=1)
    assert merges_samples(toy, [collapsed])
    assert not merges_samples(knowing(problem), [collapsed])
    batch = Batch(
        stratum=Stratum(name="merged", problem=toy, merged=True),
        settings=SearchSettings(),
        seed=1,
        first=0,
        count=4,
    )
    assert all(problem.share_of_distinct_samples(X) < 1.0 for X in search_batch(batch))


def test_a_well_scaled_cost_needs_no_newton_step_for_its_distance():
    plain, toy = knowing_points(SMALL), knowing_points(SMALL)
    type(toy).is_well_scaled = lambda self: True
    for problem in (plain, toy):
        assert solve(problem).cost == pytest.approx(SMALL.known_minimum())
    assert products(toy) < products(plain)


def test_differences_for_hessians_are_named_in_the_notes():
    toy = knowing(SMALL)
    assert not any("differences" in note for note in verify_landscape(toy, starts=2).notes)
    toy.hessian_error = 1e-7
    assert any("differences" in note for note in verify_landscape(toy, starts=2).notes)


def test_a_theorem_of_single_points_is_noted_where_none_speaks_of_all():
    toy = knowing(TRAP, "benign_theorem")
    assert not any("Theorem F" in note for note in verify_landscape(toy, starts=2).notes)
    type(toy).point_theorem = lambda self, X: SimpleNamespace(applies=True)
    assert any("Theorem F" in note for note in verify_landscape(toy, starts=2).notes)


@pytest.mark.parametrize("method", ["shifted_hessian", "tangent_hessian"])
def test_a_point_that_has_its_hessian_is_asked_for_no_products(method):
    X = SMALL.spheres.random_point(0)
    problem = SMALL
    if method == "tangent_hessian":
        space = next(iter(UFMProblem(class_sizes=(1,) * 4, dim=4, tau=1.0).fixed_point_spaces()))
        problem, X = space.problem, space.problem.spheres.random_point(0)
    plain, toy = knowing_points(problem), knowing_points(problem, method)
    np.testing.assert_allclose(hessian_matrix(toy, X), hessian_matrix(plain, X), atol=1e-12)
    assert products(toy) == 0 < products(plain)


def test_a_normal_hessian_gives_the_curvature_out_of_the_span():
    X = np.array([[1.0, -1.0, 1.0, 1.0, -1.0, -1.0]])
    line = SMALL.in_dimension(1)
    toy = knowing_points(line, "normal_hessian")
    np.testing.assert_array_equal(normal_hessian(toy, X), line.at(X).normal_hessian())
    assert products(toy) == 0


def test_a_shown_minimiser_is_not_searched_for_a_way_down():
    W = simplex_etf(2, 3)
    X = np.concatenate([W, W[:, SMALL.labels]], axis=1)
    plain, toy = knowing_points(SMALL), knowing_points(SMALL, "global_minima")
    for problem in (plain, toy):
        assert solve(problem, X).converged
    assert products(toy) < products(plain)


def test_an_approximate_inverse_speeds_up_extreme_eigenvalues():
    problem = UFMProblem(class_sizes=(30, 200), dim=8, tau=8.0)
    X = problem.spheres.random_point(3)
    plain, quick = (knowing_points(problem, *methods) for methods in ((), ("approximate_inverse",)))
    limited = hessian_extreme(plain, X, 2, max_iterations=40)
    assert hessian_extreme(quick, X, 2, max_iterations=40).converged
    assert not limited.converged


def test_every_capability_has_a_toy():
    source = Path(__file__).read_text()
    asked = r"(?:ask\((?:problem|point), |_asking\()\"(\w+)\""
    offered = set(re.findall(asked, Path(capabilities.__file__).read_text()))
    assert len(offered) > 20
    assert [name for name in offered if not re.search(rf"[\".]{name}\b", source)] == []
