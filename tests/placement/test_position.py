"""The position of features on the landscape: against the problem itself, closed forms, and random competitors."""

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize, minimize_scalar

from sphereufm import UFMProblem, collapsed_point, load_features, position, simplex_etf, solve
from sphereufm.errors import InvalidInputError
from sphereufm.features import feature_set_from_arrays
from sphereufm.placement import sphere
from sphereufm.placement.bias import Logits, best_bias
from sphereufm.placement.ordinary import BalancedNorms
from sphereufm.problem.theory.theorems import global_minimum, nonnegative_minimum
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
def test_streamed_position_agrees_with_the_one_in_memory(monkeypatch, classes, dim, unbalanced):
    H, y, W = network(1, classes=classes, dim=dim)
    if unbalanced:
        H, y = H[3:], y[3:]
    data = feature_set_from_arrays(H, y, W)
    whole = position(data, 3, curvature=False)
    monkeypatch.setattr(sphere, "IN_MEMORY", 0)
    streamed = position(data, 3)
    for name in ("cost", "gradient_norm", "relative_gradient_norm", "collapsed_distance"):
        expected = getattr(whole, name)
        assert (expected is None) == (name == "collapsed_distance" and dim < classes - 1)
        assert getattr(streamed, name) == (expected and pytest.approx(expected, rel=1e-10)), name
    # one pass may give a weaker bound, never one that the other shows to be false
    assert streamed.optimality_gap >= whole.optimality_gap * (1 - 1e-9) - 2e-13
    assert streamed.optimality_gap <= streamed.cost


def test_streamed_bound_is_tight_at_a_minimiser_without_closed_form(monkeypatch):
    # unbalanced: no closed form, so the multiplier bound must close the gap itself
    y = np.repeat([0, 1, 2], [5, 3, 2])
    problem = UFMProblem(labels=y, dim=4, tau=2)
    X = solve(problem, settings=Settings(tolerance=1e-11)).X
    monkeypatch.setattr(sphere, "IN_MEMORY", 0)
    found = position(feature_set_from_arrays(X[:, 3:].T, y, X[:, :3].T), 2)
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
    assert place.nonnegative_gap == pytest.approx(0.0, abs=2e-13)
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
    place = position(data, "fit", curvature=False)
    best = minimize_scalar(
        lambda t: cross_entropy(t * W @ H.T, y), bounds=(1e-3, 100), method="bounded", options={"xatol": 1e-9}
    )
    assert place.tau == pytest.approx(best.x, rel=1e-5)
    assert place.tau == pytest.approx(tau, rel=0.2)
    assert place.tau_source == "fitted"
    assert position(data, curvature=False).tau == place.tau


def test_tau_is_not_invented_where_every_sample_is_right():
    data = load_features(DATA / "digits_normalised.npz")
    place = position(data, "fit")
    assert place.cost is None
    assert place.tau_source == "unbounded"
    assert "unbounded" in place.reason
    # what does not depend on tau is reported all the same
    known = position(data, 5, curvature=False).collapsed_distance
    assert place.collapsed_distance == pytest.approx(known, rel=1e-10)
    Z = data.features.read() @ data.classifier.T
    own = Z[np.arange(len(Z)), data.labels].copy()
    Z[np.arange(len(Z)), data.labels] = -np.inf
    assert place.least_margin == pytest.approx((own - Z.max(axis=1)).min(), rel=1e-5)
    assert place.least_margin < place.largest_margin == 10 / 9
    assert position(data, 500, curvature=False).cost < position(data, 50, curvature=False).cost


def test_a_classifier_worse_than_chance_has_its_least_cost_at_tau_zero():
    H, y, W = network(0)
    place = position(feature_set_from_arrays(H, y, -W), "fit")
    assert (place.cost, place.tau_source) == (None, None)
    assert "no better than chance" in place.reason
    assert place.least_margin < 0


@pytest.mark.parametrize("tau", [0, -1, "nonsense", float("nan"), [5.0, 6.0], [5.0] * 4])
def test_bad_tau_is_refused_on_every_path(tau):
    H, y, W = network(0)
    for factor in (1.0, 2.0):
        with pytest.raises(InvalidInputError, match="tau"):
            position(feature_set_from_arrays(factor * H, y, W), tau)


def test_ordinary_bound_is_tight_at_a_simplex_frame():
    W = simplex_etf(5, 6).T
    y = np.repeat(np.arange(5), 4)
    found = position(feature_set_from_arrays(2 * W[y], y, W), 1.5)
    assert found.cost == pytest.approx(0.0899055862, abs=1e-9)
    assert found.optimality_gap == pytest.approx(0.0, abs=1e-12)
    assert found.least_cost_range == pytest.approx((found.cost, found.cost), rel=1e-12)


def ordinary_network(seed, sizes, dim=5):
    """Features near their classifiers, a bias, labels of given class sizes."""
    rng = np.random.default_rng(seed)
    y, W = np.repeat(np.arange(len(sizes)), sizes), rng.standard_normal((len(sizes), dim))
    H = W[y] + 0.5 * rng.standard_normal((y.size, dim))
    return H, y, W, 0.3 * rng.standard_normal(len(sizes))


def least_of_these_norms(H, y, W, b, free, nonnegative=False):
    """The lowest cost that a descent over W, H with these norms finds, from this network; b may be free."""
    sizes = [np.linalg.norm(W), np.linalg.norm(H)]

    def parts(x):
        A = [x[: W.size].reshape(W.shape), x[W.size : W.size + H.size].reshape(H.shape)]
        if nonnegative:
            A[1] = np.square(A[1])
        scaled = [size * part / np.linalg.norm(part) for size, part in zip(sizes, A, strict=True)]
        return *scaled, x[W.size + H.size :] if free else b

    def cost(x):
        W2, H2, b2 = parts(x)
        return cross_entropy(W2 @ H2.T + b2[:, None], y)

    start = np.concatenate([W.ravel(), (np.sqrt(np.abs(H)) if nonnegative else H).ravel(), b if free else []])
    return minimize(cost, start, method="L-BFGS-B", options={"maxiter": 300, "maxfun": 10**6}).fun


@pytest.mark.parametrize("sizes", [(3, 3, 3), (5, 3, 1)])
@pytest.mark.parametrize("free", [False, True])
def test_nobody_of_the_same_norms_is_below_the_ordinary_bounds(sizes, free):
    H, y, W, b = ordinary_network(len(set(sizes)), sizes, dim=3)
    H *= 0.5
    found = position(feature_set_from_arrays(H, y, W, b))
    assert found.cost == pytest.approx(cross_entropy(W @ H.T + b[:, None], y), rel=1e-12)
    gap = found.free_bias_gap if free else found.optimality_gap
    best = least_of_these_norms(H, y, W, b, free)
    assert 0.0 <= found.cost - gap <= best + 1e-9
    if not free:
        low, high = found.least_cost_range
        assert low == pytest.approx(found.cost - found.optimality_gap, rel=1e-12)
        assert best <= high + 1e-6
    elif len(set(sizes)) == 1:
        # balanced: the bound is the minimum itself
        assert best == pytest.approx(found.cost - gap, rel=1e-4)


def test_nonnegative_features_of_the_same_norms_are_not_below_their_bound_and_reach_it():
    H, y, W, b = ordinary_network(3, (2, 2, 2), dim=4)
    H = np.abs(H) * 0.5
    found = position(feature_set_from_arrays(H, y, W, b))
    best = least_of_these_norms(H, y, W, b, free=True, nonnegative=True)
    assert found.cost - found.nonnegative_gap <= best + 1e-9
    assert best == pytest.approx(found.cost - found.nonnegative_gap, rel=1e-3)
    assert found.nonnegative_gap < found.free_bias_gap


@pytest.mark.parametrize("tau", [0.3, 4.0])
def test_the_least_cost_of_norms_is_the_minimum_on_spheres(tau):
    norms = BalancedNorms(classes=4, samples=12, tau=tau)
    problem = UFMProblem(class_sizes=(3, 3, 3, 3), dim=6, tau=tau)
    assert norms.least_cost(math.sqrt(4 * 12)) == pytest.approx(global_minimum(problem), rel=1e-12)
    relu = BalancedNorms(classes=4, samples=12, tau=tau, nonnegative=True)
    assert relu.least_cost(math.sqrt(4 * 12)) == pytest.approx(nonnegative_minimum(problem), rel=1e-12)
    for decay in ((1e-3, 2e-3), (5e-2, 1e-2), (1.0, 1.0)):
        price = math.sqrt(decay[0] * decay[1])
        values = [norms.least_cost(s) + price * s for s in np.linspace(0.0, 200.0, 200001)]
        assert norms.least_regularised(math.sqrt(decay[0] * decay[1])) == pytest.approx(min(values), rel=1e-6)
        assert norms.least_regularised(math.sqrt(decay[0] * decay[1])) <= min(values) + 1e-12


def test_the_best_bias_is_that_of_a_descent_and_balances_the_softmax():
    H, y, W, b = ordinary_network(0, (9, 4, 2, 7))
    Z = 2.0 * W @ (0.3 * H).T
    found = best_bias(Logits(values=Z, labels=y, weights=np.ones(y.size)), b)[0]
    P = np.exp(Z + found[:, None])
    P /= P.sum(axis=0)
    assert P.sum(axis=1) == pytest.approx(np.bincount(y), rel=1e-10)
    assert found.sum() == pytest.approx(b.sum(), abs=1e-12)


def test_a_class_without_samples_may_have_any_bias():
    H, y, W, b = ordinary_network(1, (6, 0, 3))
    found = position(feature_set_from_arrays(H, y, W, b))
    assert 0.0 <= found.optimality_gap <= found.free_bias_gap <= found.cost


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("tau", [60, 5000])
def test_softmax_that_underflows_bounds_the_best_bias_without_a_warning(seed, tau):
    """Warnings are errors in the tests: classes that no sample chooses, and steps of Newton that overshoot."""
    H, y, W, b = ordinary_network(seed, (2, 9, 1, 4))
    found = position(feature_set_from_arrays(3.0 * H, y, W, b), tau)
    assert 0.0 <= found.optimality_gap <= found.free_bias_gap <= found.cost


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
        found = position(feature_set_from_arrays(H, y, W), weight_decay=mu)
        # never below the distance from the best that is known
        assert found.regularised_gap >= value - best.fun - 1e-9
        gaps.append(found.regularised_gap)
    assert gaps[0] < 1e-6
    assert min(gaps[1:]) > 1e-4


def test_an_ordinary_network_is_placed_by_its_own_norms():
    place = position(load_features(DATA / "digits_plain.npz"))
    assert (place.gap_method, place.tau, place.tau_source) == ("closed-form", 1.0, "one")
    assert 0 < place.optimality_gap <= place.cost
    low, high = place.least_cost_range
    assert 0 < low <= high < 1.1 * low
    assert place.nonnegative_gap <= place.free_bias_gap
    assert place.gradient_norm is None
    assert "fitted for unit features only" in position(load_features(DATA / "digits_plain.npz"), "fit").reason


def test_the_dual_bound_places_a_network_of_unbalanced_classes():
    H, y, W, b = ordinary_network(2, (8, 5, 3))
    place = position(feature_set_from_arrays(H, y, W, b))
    assert place.gap_method == "norm-bound"
    assert "over any bias too" in str(place)
    assert place.nonnegative_gap is None


def test_features_with_tau_folded_in_stand_on_the_sphere():
    H, y, W = network(3)
    folded = position(feature_set_from_arrays(2.5 * H, y, W))
    plain = position(feature_set_from_arrays(H, y, W), 2.5)
    assert (folded.tau_source, folded.tau) == ("feature-length", pytest.approx(2.5))
    assert folded.cost == pytest.approx(plain.cost, rel=1e-12)
    assert folded.optimality_gap == pytest.approx(plain.optimality_gap, rel=1e-9)
    # with a temperature of its own, other lengths or a bias it is an ordinary network
    H[0] *= 1.1
    for other in (
        position(feature_set_from_arrays(2.5 * H, y, W)),
        position(feature_set_from_arrays(H, y, W, np.ones(4))),
    ):
        assert other.tau_source == "one"


@pytest.mark.parametrize("seed", range(40))
def test_networks_of_any_size_have_finite_numbers_in_their_order(seed):
    """Warnings are errors in the tests."""
    rng = np.random.default_rng(seed)
    K, d = int(rng.integers(2, 6)), int(rng.integers(1, 6))
    y = np.r_[np.arange(K), rng.integers(0, K, 2 * K)] if seed % 2 else np.tile(np.arange(K), 3)
    size, other, tau = (
        10.0 ** rng.integers(-90, 91, 2),
        10.0 ** rng.integers(-90, 91),
        10.0 ** rng.integers(-5, 6),
    )
    if rng.random() < 0.7:
        other = 1.0 / size[0]
    H, W = (
        size[0] * (rng.standard_normal((y.size, d)) + rng.standard_normal((K, d))[y]),
        other * rng.standard_normal((K, d)),
    )
    b = 10.0 ** rng.integers(-3, 4) * rng.standard_normal(K) if rng.random() < 0.6 else None
    data, normalize = feature_set_from_arrays(H, y, W, b), bool(rng.random() < 0.3)
    decay = None if normalize else (10.0 ** rng.integers(-300, 90), 1e-300)
    found = position(data, tau, normalize=normalize, weight_decay=decay)
    assert all(math.isfinite(v) for v in found.to_json().values() if isinstance(v, float))
    assert found.optimality_gap > 0.0 or found.cost == 0.0
    if not normalize:
        low, high = found.least_cost_range
        assert 0.0 <= low <= high <= found.cost
        assert b is None or found.free_bias_gap >= found.optimality_gap


def test_a_tau_that_overflows_the_logits_is_refused():
    H, y, W = network(0)
    with pytest.raises(InvalidInputError, match="smaller --tau"):
        position(feature_set_from_arrays(1e90 * H, y, W), 1e250)


@pytest.mark.parametrize("fits", [True, False])
@pytest.mark.parametrize("tau", [1e-300, 1e-99, 1e99])
@pytest.mark.parametrize(
    "loss", ["cross-entropy", "label-smoothing", "squared-error", "logistic", "focal", "arcface"]
)
def test_any_loss_has_finite_numbers_at_any_tau(loss, tau, fits, monkeypatch):
    """Warnings are errors in the tests."""
    monkeypatch.setattr(sphere, "IN_MEMORY", 1 << 25 if fits else 0)
    H, y, W = network(0, classes=3, dim=3, per_class=2, noise=2.0)
    found = position(feature_set_from_arrays(H, y, W), tau, loss=loss)
    assert all(math.isfinite(v) for v in found.to_json().values() if isinstance(v, float))
    assert 0.0 <= found.optimality_gap <= found.cost * (1 + 1e-12) + 1e-300


@pytest.mark.parametrize(
    "decay", [1.0, (1.0,), (1.0, 2.0, 3.0), ("a", 1.0), (0.0, 1.0), (math.inf, 1.0), (1e300, 1e300)]
)
def test_weight_decay_is_two_positive_numbers(decay):
    H, y, W = network(0)
    with pytest.raises(InvalidInputError, match="weight_decay"):
        position(feature_set_from_arrays(1e10 * H, y, W), weight_decay=decay)


@pytest.mark.parametrize("kind", [list, np.array, np.float32])
def test_weight_decay_of_any_type_is_in_double_precision(kind):
    H, y, W = network(0)
    data, decay = feature_set_from_arrays(H, y, 3 * W), (0.25, 0.125)
    found = position(data, weight_decay=kind(decay)).regularised_gap
    assert (found, type(found)) == (position(data, weight_decay=decay).regularised_gap, float)


def test_weight_decay_has_no_meaning_on_spheres():
    H, y, W = network(0)
    with pytest.raises(InvalidInputError, match="leave it out"):
        position(feature_set_from_arrays(H, y, W), 1, weight_decay=(1.0, 1.0))


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
    place = position(load_features(DATA / "digits_normalised.npz"), 5, curvature=False)
    assert place.gap_method == "closed-form"
    assert place.cost - place.optimality_gap == pytest.approx(math.log1p(9 * math.exp(-50 / 9)), rel=1e-9)
    assert 0.0 < place.optimality_gap < 0.02
