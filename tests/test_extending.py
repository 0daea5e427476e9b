"""The recipes of docs/contributing.md, followed: a loss and a solver, each one class."""

import json
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pytest

from sphereufm import (
    UFMProblem,
    check_gradient,
    check_hessian,
    global_minimum,
    optimality_gap,
    prove_landscape,
    register_loss,
    solve,
    theorem_s,
    verify_landscape,
)
from sphereufm.cli import main
from sphereufm.errors import InvalidInputError
from sphereufm.problem.losses import registry
from sphereufm.problem.losses.cross_entropy import PLAIN, CrossEntropy, softmax_curvature
from sphereufm.problem.losses.interface import LogitTerms, LossFacts
from sphereufm.solvers import solve_batch
from sphereufm.solvers.strategies import Step
from sphereufm.solvers.strategies.line_search import armijo_search


@dataclass(frozen=True, kw_only=True)
class Penalised:
    """Cross-entropy with a penalty on large logits: convex, but not blind to a common shift of them."""

    name: ClassVar[str] = "penalised"

    penalty: float = 0.05

    def facts(self, classes):
        return LossFacts(convex=True, floor=0.0)

    def forward(self, Z, block, out=None):
        cost, G, own, _ = PLAIN.forward(Z.copy(), block, out)
        G += self.penalty * block.scale * Z
        squares = 0.5 * self.penalty * (Z * Z).sum(axis=-2)
        return LogitTerms(cost + squares, G, np.concatenate([own[..., None, :], Z], axis=-2))

    def curvature(self, terms, D, block):
        own, Z = terms.state[..., 0, :], terms.state[..., 1:, :]
        straight = self.penalty * block.scale * D
        return straight + softmax_curvature(terms.G - self.penalty * block.scale * Z, own, D, block)

    def magnitude(self, terms, block):
        return np.abs(terms.G) + self.penalty * block.scale * np.abs(terms.state[..., 1:, :])


@dataclass(frozen=True, kw_only=True)
class PlainDescent:
    """Descent whose every line search starts at the same step."""

    name: str = field(default="plain-descent", init=False)

    def start(self, oracle, points):
        return PlainRun(oracle, oracle.problem)


@dataclass(eq=False)
class PlainRun:
    """Remembers nothing."""

    oracle: Any
    problem: Any  # frozen: not cut with the batch

    def step(self, points):
        ray = self.oracle.ray(points, -points.gradient)
        first = ray.bounded(np.zeros(points.cost.size), 1.0, 1.0)
        found = armijo_search(self.oracle, points, ray, first, points.cost, 0.2)
        return Step(found.points, found.failed, found.non_finite)


@pytest.fixture
def penalised(monkeypatch):
    monkeypatch.setattr(registry, "_KNOWN", dict(registry._KNOWN))
    monkeypatch.setattr(registry, "LOSSES", registry._KNOWN)
    register_loss(Penalised)
    return UFMProblem(class_sizes=(2, 1), dim=3, tau=1, loss={"name": "penalised", "penalty": 0.05})


def test_a_new_loss_has_the_right_value(penalised):
    X = penalised.spheres.random_point(0)
    Z = X[:, :2].T @ X[:, 2:]
    expected = np.log(np.exp(Z).sum(axis=0)) - Z[penalised.labels, range(3)] + 0.025 * (Z * Z).sum(axis=0)
    np.testing.assert_allclose(penalised.cost(X), expected.mean(), rtol=2e-13)


def test_a_name_is_taken_once():
    assert register_loss(CrossEntropy) is CrossEntropy
    with pytest.raises(InvalidInputError, match="taken"):
        register_loss(type("Other", (Penalised,), {"name": "cross-entropy"}))


@pytest.mark.parametrize(
    "kind", [int, "focal", type("Loose", (), {"name": "loose"}), dataclass(type("Bare", (), {}))]
)
def test_what_is_no_loss_is_refused(kind):
    with pytest.raises(InvalidInputError, match="must be a dataclass with a name and the methods facts"):
        register_loss(kind)


def test_a_new_loss_is_all_that_solvers_and_landscapes_need(penalised):
    assert check_gradient(penalised).passed
    assert check_hessian(penalised).passed
    best = solve(penalised, rng=0)
    gap = optimality_gap(penalised, best.X)
    assert (best.converged, gap.method, gap.value < 1e-10) == (True, "multiplier-bound", True)
    report = verify_landscape(penalised, starts=10, rng=0)
    assert report.critical[0].cost == pytest.approx(best.cost)
    assert (report.verdict.name, theorem_s(penalised).applies, global_minimum(penalised)) == (
        "UNDECIDED",
        False,
        None,
    )


def test_without_formulas_in_balls_its_rows_stay_numerical(penalised):
    report = prove_landscape(verify_landscape(penalised, starts=5, rng=0))
    assert {entry.status.name for entry in report.critical} == {"NUMERICAL"}
    assert any("ball formulas" in note for note in report.notes)


def test_the_command_line_knows_a_new_loss(penalised, capsys):
    with pytest.raises(SystemExit) as stop:
        main(
            [
                "solve",
                "--class-sizes",
                "2,1",
                "--dim",
                "3",
                "--tau",
                "1",
                "--loss",
                "penalised",
                "--json",
            ]
        )
    assert stop.value.code == 0
    assert json.loads(capsys.readouterr().out)["problem"]["loss"] == {"name": "penalised", "penalty": 0.05}


def test_a_new_solver_is_one_class():
    problem = UFMProblem(class_sizes=(2, 2), dim=3, tau=1)
    result = solve(problem, rng=0, solver=PlainDescent())
    assert (result.converged, result.solver) == (True, "plain-descent")
    assert result.cost == pytest.approx(global_minimum(problem))
    # items stop one by one, and some are moved from a saddle
    starts = np.stack([result.X, problem.spheres.random_point(1), np.eye(3)[:, [0] * 6]])
    for found in solve_batch(problem, starts, solver=PlainDescent()):
        assert found.cost == pytest.approx(global_minimum(problem))


def test_a_strategy_that_is_no_dataclass_is_refused_at_once():
    class Older:
        name = "older"

        def start(self, oracle, points):
            return self

    with pytest.raises(InvalidInputError, match="'older' starts a Older, which must be a dataclass"):
        solve(UFMProblem(class_sizes=(2, 2), dim=3, tau=1), solver=Older())
