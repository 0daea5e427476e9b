"""A free bias against the cost of features, classifiers and bias together, differentiated by autograd."""

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from scipy.special import expit, softmax
from test_every_loss import Auto, definition

from sphereufm import UFMProblem, global_minimum, solve
from sphereufm.errors import InvalidInputError
from sphereufm.problem import free_bias, kernels
from sphereufm.problem.free_bias import FreeBias
from sphereufm.problem.theory.theorems import collapsed_point

LOSSES = (
    "cross-entropy",
    {"name": "cross-entropy", "margin": "0.3", "offsets": [0, 1, "1/2"]},
    "label-smoothing",
    "squared-error",
    "logistic",
)

MARGIN = {"name": "cross-entropy", "margin": 0.25, "offsets": [0, 50, -50]}


def problem_of(loss, tau=2, **changes):
    return UFMProblem(
        **{"class_sizes": (3, 1, 2), "dim": 4, "tau": tau, "loss": loss, "bias": True, **changes}
    )


def together(problem):
    """The cost of ``X`` and ``b`` in one vector."""
    taus = problem.tau * np.array([float(r) for r in problem.exact_rates or [1] * problem.samples])
    K = problem.classes

    def cost(v):
        X, b = anp.reshape(v[:-K], problem.shape), v[-K:]
        Z = anp.dot(X[:, :K].T, X[:, K:]) * taus + b[:, None]
        return sum(
            w * definition(problem.loss, [Z[k, i] for k in range(K)], int(y), taus[i], Auto)
            for i, (w, y) in enumerate(zip(problem.weights, problem.labels, strict=True))
        )

    return cost


@pytest.mark.parametrize("tau", [2, [3, 1, "0.5"]])
@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_derivatives_are_those_of_all_unknowns_with_the_bias_eliminated(loss, tau):
    problem = problem_of(loss, tau)
    X = problem.spheres.random_point(0, (2,))
    point, U = problem.at(X), problem.spheres.random_tangent(1, X)
    f, n = together(problem), X[0].size
    for i in range(2):
        v = np.concatenate([X[i].ravel(), point.bias[i]])
        gradient, H = autograd.grad(f)(v), autograd.hessian(f)(v)
        assert point.cost[i] == pytest.approx(f(v), rel=1e-13)
        np.testing.assert_allclose(gradient[n:], 0.0, atol=1e-14)
        np.testing.assert_allclose(point.euclidean_gradient[i].ravel(), gradient[:n], atol=1e-14)
        reduced = H[:n, :n] - H[:n, n:] @ np.linalg.pinv(H[n:, n:], rcond=1e-10) @ H[n:, :n]
        product = point.euclidean_hessian_product(U)[i].ravel()
        np.testing.assert_allclose(product, reduced @ U[i].ravel(), atol=1e-12)


@pytest.mark.parametrize("tau", [30, 300])
@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_the_bias_is_found_where_probabilities_underflow(loss, tau):
    problem = problem_of(loss, tau)
    right = collapsed_point(problem)
    for X in (right, problem.spheres.random_point(3), right[:, [1, 0, 2, *range(3, 9)]]):
        point = problem.at(X)
        off = np.abs(point.G.sum(axis=1)).max()
        assert off <= 1e-12 * np.abs(point.G).sum()
        assert np.isfinite(point.hessian_product(problem.spheres.random_tangent(0, X))).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("diagonal", [0.0, -1e-17])
def test_curvature_that_is_rounding_moves_nothing_and_says_nothing(diagonal):
    found = FreeBias(np.zeros(3), np.diag([diagonal, 2.0, 4.0]), blind=False)
    np.testing.assert_allclose(found.solve(np.array([1.0, 2.0, 2.0])), [0.0, 1.0, 0.5], rtol=1e-9)


def test_blocks_and_memory_change_nothing(monkeypatch):
    one = problem_of("cross-entropy")
    X = one.spheres.random_point(0)
    U = one.spheres.random_tangent(1, X)
    monkeypatch.setattr("sphereufm.problem.kernels._SMALLEST_BLOCK", 2)
    monkeypatch.setattr("sphereufm.problem.kernels._BLOCK_LOGITS", 2)
    for budget in (0, 1 << 20):
        cut = problem_of("cross-entropy", memory_budget=budget)
        assert len(cut.blocks) == 3
        np.testing.assert_allclose(cut.hessian_product(X, U), one.hessian_product(X, U), atol=1e-15)


@pytest.mark.parametrize("loss", ["cross-entropy", "label-smoothing"])
def test_a_bias_does_not_lower_the_balanced_minimum(loss):
    problem = problem_of(loss, 1, class_sizes=(2, 2, 2))
    assert solve(problem, rng=0).cost == pytest.approx(global_minimum(problem), rel=1e-9)
    assert global_minimum(problem_of("logistic", 1, class_sizes=(2, 2, 2))) is None


def test_it_stands_in_files_and_in_the_title():
    problem = problem_of("logistic")
    again = UFMProblem.from_json(problem.to_json())
    assert again.bias
    assert problem.title().endswith("logistic, free bias")
    assert problem.exact_instance().bias
    assert not UFMProblem.from_json(problem_of("logistic", bias=False).to_json()).bias


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": "focal"}, "focal is not convex in the logits"),
        ({"loss": "arcface"}, "arcface is not convex"),
        ({"loss": "logistic", "class_sizes": (2, 0, 1)}, "class 1 has no sample"),
    ],
)
def test_what_has_no_unique_minimiser_is_refused(changes, message):
    with pytest.raises(InvalidInputError, match=message):
        problem_of(**changes)


@pytest.mark.parametrize("loss", ["cross-entropy", "label-smoothing", "squared-error", "logistic", MARGIN])
@pytest.mark.parametrize("tau", [1e-200, 1, 30, 300, 1e4, 1e7])
def test_the_bias_is_the_minimiser_at_every_temperature(loss, tau, monkeypatch):
    passes, forward = [], kernels.forward
    monkeypatch.setattr(kernels, "forward", lambda *a, **k: passes.append(1) or forward(*a, **k))
    problem = UFMProblem(class_sizes=(9, 5, 3), dim=3, tau=tau, loss=loss, bias=True)
    for X in problem.spheres.random_point(0, (4,)):
        b = problem.at(X).bias
        Z, Y = tau * X[:, :3].T @ X[:, 3:] + b[:, None], np.eye(3)[problem.labels].T
        if isinstance(loss, dict):
            Z = Z + np.array(loss["offsets"])[:, None] - tau * loss["margin"] * Y
        if loss == "logistic":
            slopes = expit(Z) - Y
        elif loss == "squared-error":
            slopes = Z - Y
        else:
            slopes = softmax(Z, axis=0) - (0.9 * Y + 0.1 / 3 if loss == "label-smoothing" else Y)
        size = np.abs(slopes).sum(axis=1) + (np.abs(Z).sum() if loss == "squared-error" else 0.1)
        assert (np.abs(slopes.sum(axis=1)) <= 1e-13 * (100 + tau) * size).all()
    assert len(passes) < 4 * 80 * max(1.0, np.log10(tau))


@pytest.mark.parametrize("loss", ["cross-entropy", "label-smoothing", "squared-error", "logistic", MARGIN])
@pytest.mark.parametrize("tau", [1000, 1e4])
def test_a_stack_has_the_biases_of_its_points(loss, tau):
    problem = UFMProblem(class_sizes=(2, 1, 3), dim=4, tau=tau, loss=loss, bias=True)
    X = problem.spheres.random_point(1, (60,))
    together = problem.cost(X)
    assert np.isfinite(together).all()
    np.testing.assert_allclose(together[:5], [problem.cost(x) for x in X[:5]], rtol=1e-9)


def test_a_singular_curvature_has_no_solution():
    B = np.array([[[1.0, -1.0 - 1e-14], [-1.0 - 1e-14, 1.0]], np.eye(2)])
    x = FreeBias(np.zeros((2, 2)), B, blind=False).solve(np.ones((2, 2)))
    assert np.isnan(x[0]).all()
    assert np.isfinite(x[1]).all()
    assert FreeBias(np.zeros(2), B[0], blind=False).solve(np.ones(2)).shape == (2,)


def test_a_bias_that_is_not_found_is_no_number(monkeypatch):
    problem = UFMProblem(class_sizes=(9, 5, 3), dim=3, tau=10, bias=True)
    X = problem.spheres.random_point(0, (2,))
    monkeypatch.setattr(free_bias, "_MOST_STEPS", 2)
    assert np.isnan(problem.at(X).cost).all()
