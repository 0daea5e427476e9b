"""Connections: descents go down, follow a gradient flow, and basins merge where paths below a cost join them."""

import dataclasses
import json
from pathlib import Path

import jsonschema
import numpy as np
import pymanopt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from own_problems import fourth_powers, numpy_problem
from scipy.integrate import solve_ivp

from sphereufm import UFMProblem, load_report, verify_landscape
from sphereufm.certify import expressions
from sphereufm.descents.connect import connect_landscape
from sphereufm.descents.gradient_flow import fall
from sphereufm.errors import UnreadableFileError
from sphereufm.geometry.symmetry.groups import SymmetryGroup
from sphereufm.landscape.proofs import prove_landscape
from sphereufm.landscape.report.connections import Connection, Connections, basin_merges
from sphereufm.problem.expressions.expression_problem import ExpressionProblem
from sphereufm.problem.interface import relative_gradient_norm

SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "schemas" / "landscape.schema.json"


@pytest.fixture(scope="module")
def spurious():
    """Two minimisers: the global one, and a spurious one at 0.456902."""
    report = verify_landscape(UFMProblem(class_sizes=(1, 1, 1), dim=2, tau=12), effort="quick")
    return connect_landscape(report)


@pytest.fixture(scope="module")
def benign():
    return connect_landscape(verify_landscape(UFMProblem(class_sizes=(2, 1), dim=3, tau=1), starts=20))


@pytest.fixture(scope="module")
def powers():
    """``sum x_i^4`` on the sphere: 8 minimisers of cost 1/3, 12 saddles of cost 1/2, 6 maxima of cost 1."""
    return connect_landscape(verify_landscape(fourth_powers(3), starts=400))


def test_each_saddle_of_the_fourth_powers_joins_the_two_minimisers_beside_it(powers):
    costs = np.round([entry.cost for entry in powers.critical], 9)
    assert [int((costs == cost).sum()) for cost in (0.333333333, 0.5, 1.0)] == [8, 12, 6]
    for row in np.flatnonzero(costs == 0.5):
        saddle = powers.critical[row].X[:, 0]
        beside = {
            k for k in powers.minimisers if np.isclose(saddle @ powers.critical[k].X[:, 0], np.sqrt(2 / 3))
        }
        reached = {edge.target for edge in powers.connections.edges if edge.source == row}
        assert len(beside) == 2
        assert reached == beside


def test_the_basins_of_the_fourth_powers_are_a_cube_that_closes_at_one_half(powers):
    assert len(powers.minimisers) == 8
    assert {round(merge.cost, 9) for merge in powers.merges} == {0.5}
    assert len(powers.merges) == 7
    assert powers.merges[-1].basins == powers.minimisers
    assert powers.connections.unfinished == powers.connections.unlisted == 0


def signed_fourth_powers():
    """``x^4 + y^4 + z^4`` modulo signed permutations: a vertex, an edge's and a face's middle of the cube."""
    generators = [np.diag([-1.0, 1.0, 1.0]), np.eye(3)[[1, 0, 2]], np.eye(3)[[1, 2, 0]]]
    group = SymmetryGroup.generated(generators, dim=3, columns=1)
    return ExpressionProblem(instance=expressions.fourth_powers(3), symmetry=group)


def degenerate_saddle():
    cost = expressions.Cost(dim=3, columns=1)
    return ExpressionProblem(instance=cost.instance(cost.x(0, 0) ** 4 - cost.x(1, 0) ** 4 + 5))


@pytest.mark.parametrize("make", [signed_fourth_powers, degenerate_saddle])
def test_descents_of_own_costs_end_in_their_rows(make):
    """Orbits of listed elements, and points known to no more than a radius, are found again."""
    connections = connect_landscape(verify_landscape(make(), effort="quick", starts=60)).connections
    assert connections.descents > 0
    assert (connections.unfinished, connections.unlisted) == (0, 0)
    assert all(edge.target < edge.source for edge in connections.edges)


def test_descents_go_down_and_are_all_accounted_for(spurious, benign):
    for report in (spurious, benign):
        found = report.connections
        assert found.edges
        for edge in found.edges:
            assert report.critical[edge.target].cost < report.critical[edge.source].cost
            assert report.critical[edge.source].kind.name != "GLOBAL_MINIMUM"
        assert sum(e.descents for e in found.edges) + found.unfinished + found.unlisted == found.descents
        assert found.skipped == 0


def test_a_benign_landscape_falls_to_its_minimum(benign):
    sources = {edge.source for edge in benign.connections.edges}
    assert sources == set(range(1, len(benign.critical)))
    assert benign.minimisers == (0,)
    assert benign.merges == ()
    below = {0}
    for row in sorted(sources):
        targets = {edge.target for edge in benign.connections.edges if edge.source == row}
        assert targets & below
        below.add(row)


def test_two_minimisers_meet_above_both(spurious):
    first, second = spurious.minimisers[:2]
    merge = spurious.merges[0]
    assert {first, second} <= set(merge.basins)
    assert merge.cost > spurious.critical[second].cost > spurious.critical[first].cost
    # log 3, the cost of collapsed classifiers, is a bound that descents find
    assert merge.cost <= np.log(3) * (1 + 1e-9)


def test_descents_end_where_the_gradient_flow_ends():
    problem = UFMProblem(class_sizes=(1, 1, 1), dim=2, tau=12)
    starts = problem.spheres.random_point(3, (20,))

    def flow(_, x):
        X = x.reshape(2, 6)
        X = X / np.linalg.norm(X, axis=0)
        point = problem.at(X)
        return -(point.gradient / point.gradient_scale).ravel()

    ends = [
        solve_ivp(flow, (0, 400), X.ravel(), method="LSODA", rtol=1e-8, atol=1e-10).y[:, -1].reshape(2, 6)
        for X in starts
    ]
    ends = np.array([X / np.linalg.norm(X, axis=0) for X in ends])
    fallen = fall(problem, starts)
    settled = relative_gradient_norm(problem.at(ends)) < 1e-4
    assert settled.sum() >= 18
    assert np.allclose(problem.cost(fallen)[settled], problem.cost(ends)[settled], rtol=1e-3)
    # both minimisers are among the ends
    assert np.ptp(problem.cost(ends)[settled]) > 0.4


def test_a_descent_falls_at_every_step():
    problem = UFMProblem(class_sizes=(3, 1, 2), dim=3, tau=5)
    X = problem.spheres.random_point(0, (3,))
    costs = [problem.cost(fall(problem, X, iterations=steps)) for steps in range(1, 12)]
    assert (np.diff(costs, axis=0) < 0).all()
    one = fall(problem, X, iterations=1)
    assert np.arccos((one * X).sum(axis=1)).max() <= 0.05


def barriers(edges, costs, minimisers):
    """For each pair of minimisers the least cost below which they lie in one component: brute force."""
    found = {}
    for ceiling in sorted(costs):
        component = {row: row for row in range(len(costs)) if costs[row] <= ceiling}
        for _ in costs:
            for edge in edges:
                if edge.source in component and edge.target in component:
                    low = min(component[edge.source], component[edge.target])
                    component[edge.source] = component[edge.target] = low
        for a in minimisers:
            for b in minimisers:
                if a < b and component.get(a, -1) == component.get(b, -2):
                    found.setdefault((a, b), ceiling)
    return found


@given(st.data())
def test_basins_merge_at_the_least_cost_below_which_paths_join_them(data):
    rows = data.draw(st.integers(2, 8))
    minima = data.draw(st.integers(1, rows))
    pairs = [(s, t) for s in range(minima, rows) for t in range(s)]
    chosen = data.draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    edges = [Connection(source=s, target=t, descents=1) for s, t in chosen]
    costs = [float(k) for k in range(rows)]
    expected = barriers(edges, costs, range(minima))
    found = {}
    for merge in basin_merges(edges, costs, set(range(minima))):
        for a in merge.basins:
            for b in merge.basins:
                if a < b:
                    found.setdefault((a, b), merge.cost)
    # a saddle without a way down joins nothing, and a component needs a minimiser to matter
    assert found == expected


def test_connections_are_saved_and_read_back(spurious, tmp_path):
    spurious.save(tmp_path / "landscape.json")
    data = json.loads((tmp_path / "landscape.json").read_text())
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).validate(data)
    again = load_report(tmp_path / "landscape.json")
    assert again.connections == spurious.connections
    assert again.merges == spurious.merges
    assert again.coverage == spurious.coverage
    data["connections"]["edges"][0]["target"] = len(data["critical"])
    (tmp_path / "landscape.json").write_text(json.dumps(data))
    with pytest.raises(UnreadableFileError, match="damaged"):
        load_report(tmp_path / "landscape.json")


def test_proofs_keep_the_rows_that_connections_name(benign):
    proved = prove_landscape(benign)
    assert proved.connections == benign.connections
    assert [e.cost for e in proved.critical] == [e.cost for e in benign.critical]


def test_an_interruption_is_noted(benign):
    def stop(stage, done, total):
        if done > 0:
            raise KeyboardInterrupt

    stopped = connect_landscape(dataclasses.replace(benign, connections=None), progress=stop)
    assert not stopped.complete
    assert "interrupted" in stopped.notes[-1]
    assert 0 < stopped.connections.descents < benign.connections.descents


def test_coverage_rises_to_the_orbits_met(benign):
    for coverage in benign.coverage.values():
        assert len(coverage.discoveries) == coverage.orbits
        assert list(coverage.discoveries) == sorted(set(coverage.discoveries))
        assert coverage.discoveries[0] == 1
        assert coverage.discoveries[-1] <= coverage.converged
    assert isinstance(benign.connections, Connections)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_descent_ends_where_the_gradient_is_not_finite(bad):
    weights = np.array([1.0, 2.0, 3.0])
    problem = numpy_problem(
        pymanopt.manifolds.Sphere(3),
        lambda x: weights @ x**2,
        lambda x: 2.0 * weights * x if x[0] > -0.5 else np.full(3, bad),
        lambda x, u: 2.0 * weights * u,
    )
    starts = problem.spheres.random_point(0, (20,))
    ends = fall(problem, starts)
    left = starts[:, 0, 0] <= -0.5
    assert left.any()
    np.testing.assert_array_equal(ends[left], starts[left])
    assert (problem.at(ends[~left]).cost < problem.at(starts[~left]).cost).all()
    connections = connect_landscape(verify_landscape(problem, effort="quick", workers=1)).connections
    assert 0 < connections.unfinished < connections.descents
