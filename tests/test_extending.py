"""The recipes of docs/contributing.md, followed: a loss and a solver, each one class."""

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from sphereufm import (
    UFMProblem,
    check_gradient,
    check_hessian,
    global_minimum,
    optimality_gap,
    prove_landscape,
    solve,
    theorem_s,
    verify_landscape,
)
from sphereufm.cli import main
from sphereufm.problem.losses import LOSSES, CrossEntropy, LogitTerms
from sphereufm.solvers.strategies.line_search import armijo_search
from sphereufm.solvers.strategy import Step

SMOOTHING = 0.1


def smoothing_part(scale, flat, K):
    """What smoothing adds to G: the targets move from the own class to all."""
    part = np.repeat(-SMOOTHING * scale[None] / K, K, axis=0)
    part.reshape(-1)[flat] += SMOOTHING * scale
    return part


@dataclass(frozen=True)
class LabelSmoothing:
    """Cross-entropy against ``0.9 e_y + 0.1 / K``: convex, and blind to a common shift of the logits."""

    name: str = "label-smoothing"

    def forward(self, Z, flat, scale, out=None):
        terms = CrossEntropy().forward(Z, flat, scale, out)
        K = terms.E.shape[-2]
        G = terms.G
        G += smoothing_part(scale, flat, K)
        return LogitTerms(terms.cost - SMOOTHING * terms.E.sum(axis=-2) / K, G, terms.own, terms.E)

    def curvature(self, terms: Any, D, flat, scale):
        # the targets are constant: the derivative of G is that of cross-entropy
        plain = terms._replace(G=terms.G - smoothing_part(scale, flat, D.shape[-2]))
        return CrossEntropy().curvature(plain, D, flat, scale)

    def log_cost(self, Z, flat):
        return np.log(self.forward(Z, flat, np.ones(Z.shape[-1])).cost)


@dataclass(frozen=True, kw_only=True)
class PlainDescent:
    """Descent whose every line search starts at the same step."""

    name: str = field(default="plain-descent", init=False)

    def start(self, oracle, points):
        return PlainRun(oracle)


@dataclass(eq=False)
class PlainRun:
    """Remembers nothing, so there is nothing to keep or to forget."""

    oracle: Any

    def step(self, points):
        ray = self.oracle.ray(points, -points.gradient)
        found = armijo_search(
            self.oracle, points, ray, 1.0 / np.maximum(ray.longest, 1e-300), points.cost, 0.2
        )
        return Step(found.points, found.failed, found.non_finite)

    def keep(self, rows): ...

    def forget(self, rows): ...


@pytest.fixture
def smoothed(monkeypatch):
    monkeypatch.setitem(LOSSES, "label-smoothing", LabelSmoothing())
    return UFMProblem(class_sizes=(2, 1), dim=3, tau=1, loss="label-smoothing")


def test_a_new_loss_has_the_right_value(smoothed):
    X = smoothed.spheres.random_point(0)
    Z = X[:, :2].T @ X[:, 2:]
    logs = Z - np.log(np.exp(Z).sum(axis=0))
    targets = 0.9 * np.eye(2)[:, smoothed.labels] + 0.05
    np.testing.assert_allclose(smoothed.cost(X), -(targets * logs).sum(axis=0).mean(), rtol=2e-13)


def test_a_new_loss_is_all_that_solvers_and_landscapes_need(smoothed):
    assert check_gradient(smoothed).passed
    assert check_hessian(smoothed).passed
    best = solve(smoothed, rng=0)
    gap = optimality_gap(smoothed, best.X)
    assert (best.converged, gap.method, gap.value < 1e-10) == (True, "multiplier-bound", True)
    report = verify_landscape(smoothed, starts=10, rng=0)
    assert report.critical[0].cost == pytest.approx(best.cost)
    assert (report.verdict.name, theorem_s(smoothed).applies, global_minimum(smoothed)) == (
        "UNDECIDED",
        False,
        None,
    )


def test_without_formulas_in_balls_its_rows_stay_numerical(smoothed):
    report = prove_landscape(verify_landscape(smoothed, starts=5, rng=0))
    assert {entry.status.name for entry in report.critical} == {"NUMERICAL"}
    assert any("ball formulas" in note for note in report.notes)


def test_the_command_line_knows_a_new_loss(smoothed, capsys):
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
                "label-smoothing",
                "--json",
            ]
        )
    assert stop.value.code == 0
    assert json.loads(capsys.readouterr().out)["problem"]["loss"] == "label-smoothing"


def test_a_new_solver_is_one_class():
    problem = UFMProblem(class_sizes=(2, 2), dim=3, tau=1)
    result = solve(problem, rng=0, solver=PlainDescent())
    assert (result.converged, result.solver) == (True, "plain-descent")
    assert result.cost == pytest.approx(global_minimum(problem))
