"""Metrics and position from the same passes: the same numbers as apart, few passes, the same bits for all workers."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from sphereufm import simplex_etf
from sphereufm.features import collapse_metrics, feature_set_from_arrays
from sphereufm.features.metrics import Streaming
from sphereufm.features.metrics.collapse import Measuring
from sphereufm.features.metrics.companion import Gathered
from sphereufm.features.metrics.statistics import CHUNK_ROWS
from sphereufm.placement import bias, ordinary, sphere
from sphereufm.placement.layer import Placing
from sphereufm.placement.measurement import measure, position
from sphereufm.placement.temperature import fit_temperature

QUICK = Measuring(covariance=False, one_vs_rest=False)


def unit(A):
    return A / np.linalg.norm(A, axis=1, keepdims=True)


def network(samples=300, classes=4, dim=6, noise=0.4, seed=0, counts=None):
    rng = np.random.default_rng(seed)
    W = rng.standard_normal((classes, dim))
    shares = np.ones(classes) if counts is None else np.asarray(counts, float)
    y = np.concatenate([np.arange(classes), rng.choice(classes, samples - classes, p=shares / shares.sum())])
    return W[y] + noise * rng.standard_normal((samples, dim)), y, W, rng.standard_normal(classes)


class Counted:
    """A source that counts how often it is gone through."""

    def __init__(self, source):
        self.inner, self.gone = source, 0
        self.name, self.shape, self.dtype = source.name, source.shape, source.dtype

    def blocks(self, rows):
        for block in self.inner.blocks(rows):
            self.gone += len(block)
            yield block

    def rows_read(self):
        return self.gone / self.shape[0]


def counted(data):
    source = Counted(data.features)
    return replace(data, features=source), source


def close(found, wanted, rel=1e-9):
    for name, value in asdict(wanted).items():
        if isinstance(value, float):
            assert getattr(found, name) == pytest.approx(value, rel=rel, abs=1e-12), name
        else:
            assert (getattr(found, name) is None) == (value is None), name


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("offset", [0.0, 5.0])
def test_streamed_beside_the_metrics_as_in_memory(monkeypatch, normalize, offset):
    """Unit features that are unit as saved, or are made so on the way; far from the centre of their classes or not."""
    H, y, W, _ = network()
    H, W = (unit(H + offset), unit(W)) if not normalize else (H + offset, W)
    data = feature_set_from_arrays(H, y, W)
    what = replace(QUICK, normalize=normalize)
    metrics, whole = measure(data, what, Placing(tau=3, curvature=False))
    monkeypatch.setattr(sphere, "IN_MEMORY", 0)
    again, streamed = measure(data, what, Placing(tau=3, curvature=False))
    assert (
        again.to_json()
        == metrics.to_json()
        == collapse_metrics(data, normalize=normalize, covariance=False, one_vs_rest=False).to_json()
    )
    for name in ("cost", "gradient_norm", "relative_gradient_norm", "collapsed_distance"):
        assert getattr(streamed, name) == pytest.approx(getattr(whole, name), rel=1e-9), name
    assert streamed.optimality_gap >= whole.optimality_gap * (1 - 1e-9)


def test_a_small_gradient_is_not_lost_in_squares(monkeypatch):
    """At a minimiser nearly nothing remains of W g beside its part along h."""
    from sphereufm import UFMProblem, solve
    from sphereufm.solvers import Settings

    y = np.repeat([0, 1, 2], [5, 3, 2])
    problem = UFMProblem(labels=y, dim=4, tau=2)
    X = solve(problem, settings=Settings(tolerance=1e-11)).X
    data = feature_set_from_arrays(X[:, 3:].T, y, X[:, :3].T)
    monkeypatch.setattr(sphere, "IN_MEMORY", 0)
    found = position(data, 2)
    assert found.relative_gradient_norm < 1e-9
    assert found.optimality_gap < 1e-9


@pytest.mark.parametrize(("tau", "known"), [(300, True), (450, True), (2000, False)])
def test_what_underflows_has_no_relative_gradient_and_no_warning(tau, known):
    """Warnings are errors in the tests: pulls of 1e-200 have squares of zero, those of zero say nothing."""
    W, y = simplex_etf(3, 4).T, np.arange(30) % 3
    place = position(feature_set_from_arrays(W[y], y, W), tau)
    assert (place.relative_gradient_norm is not None) == known
    assert not known or place.relative_gradient_norm < 1e-12


@pytest.mark.parametrize("kind", ["sphere", "margins", "ordinary"])
def test_workers_and_interruptions_change_no_bit(monkeypatch, tmp_path, kind):
    monkeypatch.setattr("sphereufm.features.metrics.streaming._SECONDS_BETWEEN", 0.0)
    monkeypatch.setattr(sphere, "IN_MEMORY", 0)
    H, y, W, b = network(samples=2 * CHUNK_ROWS + 70, counts=[3, 1, 1, 1])
    if kind != "ordinary":
        H, W, b = unit(H), unit(W), None
    data = feature_set_from_arrays(H, y, W, b)
    how = Placing(tau=2 if kind == "sphere" else None, curvature=False)
    one = measure(data, QUICK, how)
    two = measure(data, QUICK, how, Streaming(workers=2))
    kept, seen = str(tmp_path / "state.npz"), []

    def stop(*at):
        seen.append(at)
        if len(seen) == 5:  # in the second pass
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(data, QUICK, how, Streaming(checkpoint=kept, progress=stop))
    three = measure(data, QUICK, how, Streaming(checkpoint=kept))
    for metrics, where in (two, three):
        assert metrics.to_json() == one[0].to_json()
        assert where == one[1]


def test_without_a_classifier_the_file_is_not_gone_through():
    H, y, *_ = network()
    data, source = counted(feature_set_from_arrays(H, y))
    before = source.gone
    assert "no classifier" in position(data).reason
    assert source.gone == before


@pytest.mark.parametrize("seed", range(8))
def test_a_fitted_tau_has_the_same_bits_however_its_margins_were_joined(seed):
    """A checkpoint joins what was gathered before it."""
    rng = np.random.default_rng(seed)
    kept = rng.normal(-0.5, 1.0, (4, 1500)).astype(np.float32)
    kept[rng.integers(0, 4, 1500), np.arange(1500)] = 0.0

    def fitted(parts):
        return fit_temperature(Gathered(added={}, largest={"minus_margin": 1.0}, joined={"kept": parts}))

    whole = fitted([kept])
    assert 0.0 < whole < np.inf
    assert fitted(np.array_split(kept, [512, 1024], axis=1)) == whole
    assert fitted(np.array_split(kept, [700], axis=1)) == whole


@pytest.mark.parametrize(
    ("kind", "passes"),
    [("ordinary", 2), ("balanced", 2), ("free bias", 2), ("free bias, large", 4), ("sphere", 2)],
)
def test_the_file_is_gone_through_seldom(monkeypatch, kind, passes):
    monkeypatch.setattr(sphere, "IN_MEMORY", 0)
    if kind == "free bias, large":
        monkeypatch.setattr(ordinary, "_MOST_LOGITS", 0)
    H, y, W, b = network(samples=3000, counts=[5, 3, 1, 1])
    if kind == "sphere":
        H, W = unit(H), unit(W)
    if kind == "balanced":
        y = np.arange(3000) % 4
    data, source = counted(feature_set_from_arrays(H, y, W, b if "bias" in kind else None))
    measure(data, QUICK, Placing(tau=2 if kind == "sphere" else None, curvature=False))
    assert source.rows_read() <= passes + 0.4  # the centre is the mean of the first block


@pytest.mark.parametrize("noise", [0.1, 0.5, 1.0])
def test_the_gap_over_all_biases_needs_no_logits_in_memory(monkeypatch, noise):
    """Two steps from the best bias of some samples give nearly the bound of the best of all, never a smaller gap."""
    H, y, W, b = network(samples=4000, noise=noise, counts=[5, 3, 1, 1])
    data = feature_set_from_arrays(H, y, W, b)
    best = position(data, weight_decay=(1e-3, 1e-3))
    monkeypatch.setattr(ordinary, "_MOST_LOGITS", 0)
    monkeypatch.setattr(bias, "_SAMPLE", 16 * 200)
    quick = position(data, weight_decay=(1e-3, 1e-3))
    assert quick.cost == best.cost
    for name in ("free_bias_gap", "regularised_gap"):
        assert getattr(best, name) <= getattr(quick, name) * (1 + 1e-9)
        assert getattr(quick, name) == pytest.approx(getattr(best, name), rel=0.02)


def test_a_bias_far_from_the_best_still_gives_a_valid_bound():
    """Mixed with a constant column the softmax of any bias bounds the cost of every network of these norms."""
    H, y, W, b = network(samples=200, noise=1.0, counts=[5, 3, 1, 1])
    logits = bias.Logits(values=W @ H.T, labels=y, weights=np.ones(200))
    norms = np.linalg.norm(W) * np.linalg.norm(H)
    costs = []
    rng = np.random.default_rng(1)
    for _ in range(50):  # other networks of the same norms, with any bias
        V, G = rng.standard_normal(W.shape), rng.standard_normal(H.shape)
        V, G = V * np.linalg.norm(W) / np.linalg.norm(V), G * np.linalg.norm(H) / np.linalg.norm(G)
        G = 0.5 * G + 0.5 * V[y] * np.linalg.norm(H) / np.linalg.norm(V[y])
        Z = G @ V.T + rng.standard_normal(4)
        costs.append(
            np.mean(np.log(np.exp(Z - Z.max(1, keepdims=True)).sum(1)) + Z.max(1) - Z[np.arange(200), y])
        )
    for scale in (0.0, 0.3, 3.0):
        other = b + scale * rng.standard_normal(4)
        found = ordinary.SoftmaxSums(tau=1.0, bias=other).gathered(logits)
        assert (
            0.0 <= ordinary.DualBound.over_biases(found, 1.0, np.bincount(y)).least_cost(norms) <= min(costs)
        )


@pytest.mark.parametrize(
    ("stored", "normal"), [("bfloat16", True), ("float8_e4m3fn", True), ("float16", True)]
)
def test_tolerances_follow_the_stored_type(tmp_path, stored, normal):
    """Unit features stored in a short format are unit features, and it is said that they were taken for such."""
    ml_dtypes = pytest.importorskip("ml_dtypes")
    H, y, W, _ = network(dim=40, noise=0.8)
    H, W = unit(H), unit(W)
    from sphereufm.features import load_features

    kind = np.dtype(stored) if stored == "float16" else np.dtype(getattr(ml_dtypes, stored))
    codes = {"bfloat16": "BF16", "float8_e4m3fn": "F8_E4M3", "float16": "F16"}
    raw = [A.astype(kind).tobytes() for A in (H, W)]
    header = (
        f'{{"features":{{"dtype":"{codes[stored]}","shape":{list(H.shape)},"data_offsets":[0,{len(raw[0])}]}},'
        f'"classifier":{{"dtype":"{codes[stored]}","shape":{list(W.shape)},'
        f'"data_offsets":[{len(raw[0])},{len(raw[0]) + len(raw[1])}]}}}}'
    ).encode()
    (tmp_path / "f").write_bytes(len(header).to_bytes(8, "little") + header + b"".join(raw))
    found = position(load_features(tmp_path / "f", labels=y), 3, curvature=False)
    wanted = position(feature_set_from_arrays(H, y, W), 3, curvature=False)
    assert found.tau_source == "given"
    assert found.collapsed_distance is not None
    assert found.cost == pytest.approx(wanted.cost, rel=0.05)
    assert bool(found.notes) == (stored != "float16")
    assert wanted.notes == ()
