"""The position of features on the landscape: against the problem itself, closed forms, and random competitors."""

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from sphereufm import UFMProblem, collapsed_point, load_features, position, simplex_etf, solve
from sphereufm.errors import InvalidInputError
from sphereufm.features import feature_set_from_arrays
from sphereufm.landscape.position.layer import Layer
from sphereufm.landscape.position.ordinary import ordinary_position
from sphereufm.landscape.position.sphere import sphere_position
from sphereufm.problem.theory import global_minimum
from sphereufm.solvers import Settings

DATA = Path(__file__).resolve().parents[1] / "data"


def unit(A):
    return A / np.linalg.norm(A, axis=1, keepdims=True)


def network(seed, classes=4, dim=6, per_class=7, noise=0.4):
    """Unit features near their classifiers, in rows."""
    rng = np.random.default_rng(seed)
    W = unit(rng.standard_normal((classes, dim)))
    y = np.repeat(np.arange(classes), per_class)
    return unit(W[y] + noise * rng.standard_normal((y.size, dim))), y, W


def layer_of(H, y, W, b=None, on_sphere=True):
    data = feature_set_from_arrays(H, y, W, b)
    return Layer(features=data, W=np.ascontiguousarray(np.asarray(W).T), bias=b, unit=on_sphere)


def cross_entropy(Z, y):
    top = Z.max(axis=0)
    return float(np.mean(np.log(np.exp(Z - top).sum(axis=0)) + top - Z[y, np.arange(y.size)]))


@pytest.mark.parametrize("seed", range(3))
def test_cost_and_gradient_are_those_of_the_problem(seed):
    H, y, W = network(seed)
    place = position(feature_set_from_arrays(H, y, W), "5/2")
    problem = UFMProblem(labels=y, dim=6, tau=2.5)
    X = np.concatenate([W, H]).T
    assert place.cost == pytest.approx(float(problem.cost(X)), rel=1e-12)
    assert place.gradient_norm == pytest.approx(np.linalg.norm(problem.gradient(X)), rel=1e-10)
    assert place.cost - global_minimum(problem) <= place.optimality_gap + 1e-12
    assert (place.tau, place.tau_source) == (2.5, "given")


@pytest.mark.parametrize(("classes", "dim"), [(4, 6), (6, 3), (3, 2)])
@pytest.mark.parametrize("unbalanced", [False, True])
def test_streamed_position_agrees_with_the_one_in_memory(classes, dim, unbalanced):
    H, y, W = network(1, classes=classes, dim=dim)
    if unbalanced:
        H, y = H[3:], y[3:]
    layer = layer_of(H, y, W)
    whole, streamed = sphere_position(layer, 3, False), sphere_position(layer, 3, False, in_memory=0)
    for name in ("cost", "gradient_norm", "relative_gradient_norm", "collapsed_distance"):
        expected = getattr(whole, name)
        assert (expected is None) == (name == "collapsed_distance" and dim < classes - 1)
        assert getattr(streamed, name) == (expected and pytest.approx(expected, rel=1e-10)), name
    # one pass may give a weaker bound, never one that the other shows to be false
    assert streamed.optimality_gap >= whole.optimality_gap * (1 - 1e-9) - 1e-13
    assert streamed.optimality_gap <= streamed.cost


def test_streamed_bound_is_tight_at_a_minimiser_without_closed_form():
    # unbalanced: no closed form, so the multiplier bound must close the gap itself
    y = np.repeat([0, 1, 2], [5, 3, 2])
    problem = UFMProblem(labels=y, dim=4, tau=2)
    X = solve(problem, settings=Settings(tolerance=1e-11)).X
    found = sphere_position(layer_of(X[:, 3:].T, y, X[:, :3].T), 2, False, in_memory=0)
    assert found.gap_method == "multiplier-bound"
    assert found.optimality_gap < 1e-9


def test_a_collapsed_network_turned_anyhow_is_at_the_bottom():
    problem = UFMProblem(class_sizes=(3, 3, 3, 3), dim=6, tau=4)
    Q = np.linalg.qr(np.random.default_rng(0).standard_normal((6, 6)))[0]
    X = Q @ collapsed_point(problem)
    data = feature_set_from_arrays(X[:, 4:].T, problem.labels, X[:, :4].T)
    place = position(data, 4)
    assert place.optimality_gap < 1e-12
    assert place.collapsed_distance < 1e-7
    assert place.negative_curvature is None


def test_distance_from_collapse_is_the_best_over_rotations():
    H, y, W = network(4, classes=3, dim=2)
    place = position(feature_set_from_arrays(H, y, W), 1)
    E = simplex_etf(3, 2)
    target = np.concatenate([E, E[:, y]], axis=1)
    X = np.concatenate([W, H]).T

    def off(angle, flip):
        c, s = math.cos(angle), math.sin(angle)
        Q = np.array([[c, -s], [s, c]]) @ np.diag([1.0, flip])
        return math.sqrt(np.square(X - Q @ target).sum() / X.shape[1])

    best = min(off(a, flip) for a in np.linspace(0, 2 * math.pi, 20001) for flip in (1.0, -1.0))
    assert place.collapsed_distance == pytest.approx(best, rel=1e-6)
    assert place.collapsed_distance <= best + 1e-12


def test_no_collapsed_point_no_distance():
    H, y, W = network(0, classes=6, dim=3)
    assert position(feature_set_from_arrays(H, y, W), 1).collapsed_distance is None


def test_relu_features_get_both_gaps():
    K = 5
    H = np.repeat(np.eye(K), 3, axis=0)
    W = unit(np.eye(K) - 1 / K)
    place = position(feature_set_from_arrays(H, np.repeat(np.arange(K), 3), W), 3)
    assert place.nonnegative_gap == pytest.approx(0.0, abs=1e-14)
    assert place.cost == pytest.approx(0.1308202900, abs=1e-9)
    assert place.optimality_gap == pytest.approx(0.1308202900 - 0.0899055862, abs=1e-9)


def test_a_saddle_shows_its_negative_curvature():
    # classifiers collapsed on one direction: case A of the theorem
    W = np.zeros((3, 4))
    W[:, 0] = 1.0
    H = np.repeat(np.array([[1.0, 0.0, 0.0, 0.0]]), 6, axis=0)
    place = position(feature_set_from_arrays(H, [0, 0, 1, 1, 2, 2], W), 2)
    assert place.negative_curvature < -1e-3
    assert "negative curvature" in str(place)


@pytest.mark.parametrize("tau", [0.7, 3.0])
def test_tau_is_fitted_where_samples_are_wrong(tau):
    rng = np.random.default_rng(0)
    W, H = unit(rng.standard_normal((4, 5))), unit(rng.standard_normal((4000, 5)))
    P = np.exp(tau * H @ W.T)
    P /= P.sum(axis=1, keepdims=True)
    y = (P.cumsum(axis=1) < rng.random((4000, 1))).sum(axis=1)
    data = feature_set_from_arrays(H, y, W)
    place = position(data, "fit")
    best = minimize_scalar(
        lambda t: cross_entropy(t * W @ H.T, y), bounds=(1e-3, 100), method="bounded", options={"xatol": 1e-9}
    )
    assert place.tau == pytest.approx(best.x, rel=1e-5)
    assert place.tau == pytest.approx(tau, rel=0.2)
    assert place.tau_source == "fitted"
    assert position(data).tau == place.tau


def test_tau_is_not_invented_where_every_sample_is_right():
    place = position(load_features(DATA / "digits_normalised.npz"))
    assert place.cost is None
    assert "every sample is classified right" in place.reason


@pytest.mark.parametrize("tau", [0, -1, "nonsense", float("nan")])
def test_bad_tau_is_refused_on_every_path(tau):
    H, y, W = network(0)
    for factor in (1.0, 2.0):
        with pytest.raises(InvalidInputError, match="tau"):
            position(feature_set_from_arrays(factor * H, y, W), tau)


def test_ordinary_bound_is_tight_at_a_simplex_frame():
    W = simplex_etf(5, 6).T
    y = np.repeat(np.arange(5), 4)
    found = ordinary_position(layer_of(W[y], y, W, on_sphere=False), 3.0, float(y.size))
    assert found.cost == pytest.approx(0.0899055862, abs=1e-9)
    assert found.gap == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_nobody_of_the_same_norms_is_below_the_ordinary_bound(seed):
    rng = np.random.default_rng(seed)
    K, d, n = 4, 5, 6
    y, b = np.repeat(np.arange(K), n), 0.3 * rng.standard_normal(K)
    W = rng.standard_normal((K, d))
    H = W[y] + 0.5 * rng.standard_normal((K * n, d))
    layer = layer_of(H, y, W, b, on_sphere=False)
    found = ordinary_position(layer, 1.0, float(np.square(H).sum()))
    assert found.cost == pytest.approx(cross_entropy(W @ H.T + b[:, None], y), rel=1e-12)
    assert found.lower_bound >= 0.0
    E = simplex_etf(K, d).T
    for mix in np.linspace(0, 1, 11):
        W2 = (1 - mix) * W + mix * E
        H2 = (1 - mix) * H + mix * E[y]
        W2 *= np.linalg.norm(W) / np.linalg.norm(W2)
        H2 *= np.linalg.norm(H) / np.linalg.norm(H2)
        assert cross_entropy(W2 @ H2.T + b[:, None], y) >= found.lower_bound - 1e-12


def test_regularised_bound_holds_along_the_collapsed_family_and_closes_at_its_best():
    K, d, n, mu = 4, 5, 3, (2e-2, 5e-3)
    y, E = np.repeat(np.arange(K), n), simplex_etf(K, d).T

    def objective(scale):
        # the best split of a product of norms between both sides
        w, h = (math.sqrt(scale) * (mu[i] / mu[1 - i]) ** -0.25 for i in (0, 1))
        W, H = w * E * (n**0.25), h * E[y] / (n**0.25)
        value = cross_entropy(W @ H.T, y) + 0.5 * (mu[0] * np.square(W).sum() + mu[1] * np.square(H).sum())
        return value, H, W

    best = minimize_scalar(
        lambda s: objective(s)[0], bounds=(1e-3, 100), method="bounded", options={"xatol": 1e-10}
    )
    gaps = []
    for scale in (best.x, 0.5 * best.x, 2 * best.x):
        value, H, W = objective(scale)
        found = ordinary_position(layer_of(H, y, W, on_sphere=False), 1.0, float(np.square(H).sum()), mu)
        # never below the distance from the best that is known
        assert found.regularised_gap >= value - best.fun - 1e-9
        gaps.append(found.regularised_gap)
    assert gaps[0] < 1e-6
    assert min(gaps[1:]) > 1e-4


def test_an_ordinary_network_is_placed_by_its_own_norms():
    place = position(load_features(DATA / "digits_plain.npz"))
    assert (place.gap_method, place.tau, place.tau_source) == ("norm-bound", 1.0, "one")
    assert 0 < place.optimality_gap <= place.cost
    assert place.gradient_norm is None
    assert "fitted for unit features only" in position(load_features(DATA / "digits_plain.npz"), "fit").reason


def test_normalising_places_any_network_on_spheres():
    H, y, W = network(2)
    scaled = feature_set_from_arrays(3 * H, y, 2 * W, np.ones(4))
    place, plain = position(scaled, 2, normalize=True), position(feature_set_from_arrays(H, y, W), 2)
    assert place.normalized
    assert place.cost == pytest.approx(plain.cost, rel=1e-12)
    H[2] = 0.0
    assert "zero" in position(feature_set_from_arrays(H, y, W), 2, normalize=True).reason


def test_without_a_classifier_there_is_no_position():
    H, y, _ = network(0)
    place = position(feature_set_from_arrays(H, y), 1)
    assert place.cost is None
    assert "no classifier" in place.reason


def test_digits_stand_close_above_the_minimum():
    place = position(load_features(DATA / "digits_normalised.npz"), 5)
    assert place.gap_method == "closed-form"
    assert place.cost - place.optimality_gap == pytest.approx(math.log1p(9 * math.exp(-50 / 9)), rel=1e-9)
    assert 0.0 < place.optimality_gap < 0.02
