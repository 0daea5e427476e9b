"""Networks that were trained with other losses, on their own landscapes."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from sphereufm import UFMProblem, optimality_gap
from sphereufm.errors import InvalidInputError
from sphereufm.features import feature_set_from_arrays
from sphereufm.placement import position
from sphereufm.problem.interface import relative_gradient_norm
from sphereufm.problem.theory.theorems import simplex_etf

LOSSES = [
    {"name": "cross-entropy", "margin": "0.2"},
    {"name": "cross-entropy", "offsets": [0, 1, -1]},
    {"name": "label-smoothing", "smoothing": "0.1"},
    "focal",
    "squared-error",
    "logistic",
]
RNG = np.random.default_rng(4)
LABELS = np.array([0] * 12 + [1] * 9 + [2] * 14)
W = RNG.standard_normal((3, 5))
W /= np.linalg.norm(W, axis=1, keepdims=True)
H = W[LABELS] + 0.5 * RNG.standard_normal((35, 5))
H /= np.linalg.norm(H, axis=1, keepdims=True)


def network():
    return feature_set_from_arrays(H, LABELS, W)


def problem_of(loss, tau):
    problem = UFMProblem(labels=LABELS, classes=3, dim=5, tau=tau, loss=loss)
    return problem, np.concatenate([W, H]).T


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_position_is_that_of_the_problem_with_the_loss(loss):
    problem, X = problem_of(loss, 2.0)
    where = position(network(), 2.0, loss=loss)
    assert where.cost == pytest.approx(float(problem.cost(X)), rel=2e-13)
    relative = float(relative_gradient_norm(problem.at(X)))
    assert where.relative_gradient_norm == pytest.approx(relative, rel=1e-9)
    assert where.optimality_gap == pytest.approx(optimality_gap(problem, X).value, rel=1e-9)
    assert any("the loss is" in note for note in where.notes)


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_what_does_not_fit_the_memory_is_streamed_to_the_same_numbers(loss, monkeypatch):
    inside = position(network(), 2.0, loss=loss)
    monkeypatch.setattr("sphereufm.placement.sphere.IN_MEMORY", 0)
    outside = position(network(), 2.0, loss=loss)
    assert outside.cost == pytest.approx(inside.cost, rel=1e-12)
    assert outside.gradient_norm == pytest.approx(inside.gradient_norm, rel=1e-9)
    assert outside.collapsed_distance == pytest.approx(inside.collapsed_distance, rel=1e-9)
    # bounds of the first multipliers: never below the best that is known, here that of the whole point
    assert outside.optimality_gap >= inside.optimality_gap * (1 - 1e-9)


def test_temperature_is_fitted_with_the_margin():
    found = position(network(), "fit", loss={"name": "cross-entropy", "margin": "0.3"})

    def cost(log_tau):
        problem, X = problem_of({"name": "cross-entropy", "margin": "0.3"}, float(np.exp(log_tau)))
        return float(problem.cost(X))

    best = minimize_scalar(cost, bounds=(-5.0, 5.0), method="bounded", options={"xatol": 1e-9})
    assert np.log(found.tau) == pytest.approx(best.x, abs=1e-4)
    assert found.largest_margin == pytest.approx(1.5 - 0.3)


def test_other_losses_are_not_fitted_and_ordinary_networks_have_cross_entropy():
    assert "give --tau" in position(network(), "fit", loss="logistic").reason
    ordinary = feature_set_from_arrays(2.0 * H + 0.1, LABELS, W)
    assert "normalises nothing" in position(ordinary, loss="focal").reason
    with pytest.raises(InvalidInputError, match="must be one of"):
        position(network(), 2.0, loss="hinge")


def test_theorem_f_speaks_of_a_network_that_classifies_well_at_the_edge():
    E = simplex_etf(4, 3).T
    labels = np.repeat(np.arange(4), 3)
    right = feature_set_from_arrays(E[labels], labels, E)
    wrong = feature_set_from_arrays(E[labels] * np.where(np.arange(12) == 0, -1.0, 1.0)[:, None], labels, E)
    said = [any("Theorem F" in note for note in position(data, 3.0).notes) for data in (right, wrong)]
    assert said == [True, False]
