"""Continuation in tau: known folds, closed forms along branches, rank bifurcations, limits."""

import json
import math

import numpy as np
import pytest

from sphereufm import UFMProblem, collapsed_point, global_minimum, trace_branches
from sphereufm.branches.bifurcation import same_orbit
from sphereufm.branches.continuation import advance, along, at_tau, frame_at, start_state
from sphereufm.errors import InvalidInputError
from sphereufm.landscape.search.effort import Effort
from sphereufm.plots import branch_figure, save_figure
from sphereufm.problem.interface import relative_gradient_norm


@pytest.fixture(scope="module")
def plane():
    return trace_branches(UFMProblem(class_sizes=(1, 1, 1), dim=2, tau=1.0), 1.0, 12.0, effort="quick")


def test_every_point_is_critical(plane):
    for branch in plane.branches:
        for point in branch.points[:: max(1, len(branch.points) // 5)]:
            inner = plane.problem.in_dimension(branch.rank).with_tau(point.tau)
            assert relative_gradient_norm(inner.at(point.X)) < 1e-10
            assert point.cost == pytest.approx(float(inner.cost(point.X)), rel=1e-12)


def test_the_lowest_branch_is_the_closed_form_minimum(plane):
    branch = min(plane.branches, key=lambda b: b.points[-1].cost)
    assert [branch.points[0].tau, branch.points[-1].tau] == pytest.approx([1.0, 12.0])
    for point in branch.points:
        assert point.cost == pytest.approx(global_minimum(plane.problem.with_tau(point.tau)), rel=1e-12)


def test_the_spurious_minimum_in_the_plane_is_born_at_a_fold(plane):
    # K = 3, d = 2, tau = 12: 0.456902 is a local minimum above the global one
    spurious = [b for b in plane.branches if abs(b.points[-1].cost - 0.456902) < 1e-6]
    assert len(spurious) == 1
    assert spurious[0].points[-1].spectrum.morse_index == 0
    folds = [e for e in plane.events if e.kind == "fold" and e.branch == spurious[0].number]
    assert len(folds) == 1
    # at a fold the branch itself is tangent to the kernel: no point of it lies at a smaller tau
    assert folds[0].tau <= min(p.tau for p in spurious[0].points)
    assert folds[0].tau == pytest.approx(9.0724, abs=1e-3)


def test_below_the_fold_there_is_no_such_minimum(plane):
    branch = next(b for b in plane.branches if abs(b.points[-1].cost - 0.456902) < 1e-6)
    fold = next(e for e in plane.events if e.branch == branch.number)
    last = min(branch.points, key=lambda p: p.tau)
    X = at_tau(plane.problem, last.X, math.log(fold.tau - 0.2))
    # Newton's method may go elsewhere, but not to a point close by
    assert X is None or np.abs(X.T @ X - last.X.T @ last.X).max() > 0.05


def test_indices_change_at_events_only(plane):
    places = [(e.branch, e.tau) for e in plane.events] + [(m, e.tau) for e in plane.events for m in e.meets]
    for branch in plane.branches:
        for first, second in zip(branch.points, branch.points[1:], strict=False):
            if first.index_in_span != second.index_in_span:
                low, high = sorted((first.tau, second.tau))
                near = [t for n, t in places if n == branch.number and low * 0.95 < t < high * 1.05]
                assert near, (branch.number, first.tau)


def test_a_crossing_branch_is_met_from_both_sides(plane):
    bifurcations = [e for e in plane.events if e.kind == "bifurcation"]
    assert bifurcations
    for event in bifurcations:
        assert event.meets, event
        for number in event.meets:
            costs = [
                p.cost for p in plane.branches[number].points if abs(p.tau - event.tau) < 0.1 * event.tau
            ]
            assert min(abs(c - event.cost) for c in costs) < 0.1 * event.cost


def test_branches_of_one_rank_more_are_found():
    problem = UFMProblem(class_sizes=(1, 1, 1, 1), dim=2, tau=1.0)
    report = trace_branches(problem, 0.97, 1.03, effort=Effort.QUICK)
    rank = [e for e in report.events if e.kind == "rank"]
    for event in rank:
        assert report.branches[event.branch].rank == 1
        assert all(report.branches[m].rank == 2 for m in event.meets)
    assert any(e.meets for e in rank)


@pytest.mark.parametrize("signs", [(1, -1, 1, -1), (1, -1, -1, 1), (1, -1, 1, 1)])
def test_points_of_rank_one_are_followed_to_where_floats_cannot_correct_them(signs):
    X, problem = np.array([signs], float), UFMProblem(class_sizes=(1, 1), dim=2, tau=1.0)
    state = start_state(problem, X, math.log(995.0), forwards=True)
    np.testing.assert_array_equal(along(problem, state, math.log(1000.0)), X)


def test_two_runs_agree():
    problem = UFMProblem(class_sizes=(2, 1), dim=3, tau=1.0)
    reports = [trace_branches(problem, 0.5, 3.0, effort=Effort.QUICK, rng=4) for _ in range(2)]
    assert reports[0].to_json() == reports[1].to_json()


def test_no_branch_is_listed_twice(plane):
    for i, first in enumerate(plane.branches):
        for second in plane.branches[i + 1 :]:
            a, b = first.points[-1], second.points[-1]
            if abs(a.log_tau - b.log_tau) < 1e-9:
                assert not same_orbit(plane.problem, a.X, b.X, a.log_tau)


def test_steps_are_reversible():
    problem = UFMProblem(class_sizes=(2, 1, 1), dim=3, tau=1.0)
    report = trace_branches(problem, 1.0, 1.3, effort=Effort.QUICK, most_branches=4)
    state = next(b.points[0] for b in report.branches if b.rank == 2)
    ahead = advance(problem, state, 0.05)
    X = at_tau(problem, ahead.X, state.log_tau)
    assert same_orbit(problem, X, state.X, state.log_tau)


def test_the_derivative_by_tau_is_that_of_the_minimum():
    problem = UFMProblem(class_sizes=(1, 1, 1), dim=3, tau=1.0)
    frame = frame_at(problem.in_dimension(2), collapsed_point(problem)[:2], 0.0)
    # the simplex frame is critical at every temperature: the gradient does not change
    assert np.abs(frame.b).max() < 1e-9
    state = start_state(problem, collapsed_point(problem)[:2], 0.0, forwards=False)
    assert state.tangent[1] == pytest.approx(-1.0)


def test_a_limit_is_said():
    report = trace_branches(
        UFMProblem(class_sizes=(1, 1, 1), dim=3, tau=1.0), 1.0, 1.1, effort=Effort.QUICK, most_branches=3
    )
    assert len(report.branches) == 3
    assert not report.complete


def test_an_interruption_keeps_what_was_found(tmp_path):
    def stop(stage, done, known):
        if done == 2:
            raise KeyboardInterrupt

    problem = UFMProblem(class_sizes=(1, 1, 1), dim=3, tau=1.0)
    report = trace_branches(problem, 1.0, 1.1, effort=Effort.QUICK, progress=stop)
    assert (len(report.branches), report.interrupted, report.complete) == (2, True, False)
    report.save(tmp_path / "branches.json")
    data = json.loads((tmp_path / "branches.json").read_text())
    assert data["format"] == "sphereufm-branches/1"
    assert len(data["branches"]) == 2


def test_an_interruption_of_the_search_for_starts_ends_the_run(monkeypatch, tmp_path):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("sphereufm.landscape.explore.Exploration.search", stop)
    report = trace_branches(UFMProblem(class_sizes=(1, 1), dim=2, tau=1.0), 0.5, 1.0, effort=Effort.QUICK)
    assert (report.branches, report.interrupted, report.complete) == ((), True, False)
    save_figure(branch_figure(report), tmp_path / "branches.png")


@pytest.mark.parametrize(("a", "b"), [(1.0, 1.0), (0.0, 1.0), (1.0, float("nan")), (-1.0, 2.0)])
def test_bad_ranges_are_refused(a, b):
    with pytest.raises(InvalidInputError, match="tau_"):
        trace_branches(UFMProblem(class_sizes=(1, 1), dim=2, tau=1.0), a, b)


def test_a_branch_is_born_on_the_collapsed_family_at_one_half():
    report = trace_branches(UFMProblem(class_sizes=(2, 2, 2), dim=2, tau=1.0), 0.51, 0.495, effort="quick")
    births = [event for event in report.events if event.kind == "family"]
    assert [event.tau for event in births] == pytest.approx([0.5], abs=1e-6)
    assert births[0].cost == pytest.approx(math.log(3), abs=1e-9)
    branch = report.branches[births[0].branch]
    # the diameter of W grows as the square root of the distance in tau

    def diameter(tau):
        X = at_tau(report.problem, branch.points[-1].X, math.log(tau))
        return np.linalg.norm(X[:, [0, 0, 1]] - X[:, [1, 2, 2]], axis=0).max()

    assert diameter(0.502) / diameter(0.508) == pytest.approx(0.5, abs=0.01)
