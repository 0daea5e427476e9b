"""Held-out features by the class means of the training, and unknown data, against plain formulas."""

import json

import numpy as np
import pytest
import scipy.linalg
from scipy.special import logsumexp

from sphereufm.cli import feature_results, main
from sphereufm.errors import InvalidInputError
from sphereufm.features import collapse_metrics, feature_set_from_arrays
from sphereufm.features.metrics.outliers import auroc, false_positive_rate, make_detector

mpmath = pytest.importorskip("mpmath")


def network(seed=0, samples=80, classes=4, dim=8, noise=0.6):
    rng = np.random.default_rng(7)
    M, W, b = (
        rng.standard_normal((classes, dim)),
        rng.standard_normal((classes, dim)),
        rng.standard_normal(classes),
    )
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.arange(classes), rng.integers(0, classes, samples - classes)])
    return M[y] + noise * rng.standard_normal((samples, dim)), y, W + M, b


def plain(train, test):
    """By the formulas, with d x d matrices."""
    (H, y, W, b), (T, z, _, _) = train, test
    K = int(y.max()) + 1
    M = np.array([H[y == k].mean(axis=0) for k in range(K)])
    A, R = M - H.mean(axis=0), T - M[z]
    between = A.T @ A / K
    nearest = np.square(T[:, None] - M).sum(axis=2).argmin(axis=1)
    choice = (T @ W.T + b).argmax(axis=1)
    frame = (np.eye(K) - 1 / K) / np.sqrt(K - 1)
    P = scipy.linalg.pinv(between)
    return {
        "nc1": np.trace(R.T @ R / len(T) @ P) / K,
        "nc2_means": np.linalg.norm(A @ A.T / np.linalg.norm(A @ A.T) - frame),
        "nc3": np.linalg.norm(W @ M.T / np.linalg.norm(W @ M.T) - frame),
        "nc4": np.mean(nearest == choice),
        "ncc_mismatch": np.mean(nearest != choice),
        "nc4_labels": np.mean(nearest == z),
        "classifier_accuracy": np.mean(choice == z),
        "first class": np.trace(R[z == 0].T @ R[z == 0] / (z == 0).sum() @ P) / K,
    }


@pytest.mark.parametrize("seed", range(3))
def test_held_out_features_are_measured_by_the_training_means(seed):
    train, test = network(0), network(seed + 1, samples=50)
    data, known = feature_set_from_arrays(*test), feature_set_from_arrays(*train)
    found = collapse_metrics(data, one_vs_rest=False, train=known)
    values = {
        "nc1": found.nc1,
        "nc3": found.nc3,
        "nc4": found.nc4,
        "first class": found.class_nc1[0],
    } | found.variants
    for name, value in plain(train, test).items():
        assert values[name] == pytest.approx(value, rel=1e-10), name
    assert sum(found.class_counts) == 50
    assert "training" in found.conventions["nc1"]


def test_the_training_held_out_of_itself_is_itself():
    data = feature_set_from_arrays(*network())
    whole, held = (
        collapse_metrics(data, one_vs_rest=False),
        collapse_metrics(data, one_vs_rest=False, train=data),
    )
    assert held.nc1 == pytest.approx(whole.nc1, rel=1e-12)
    for name, value in whole.variants.items():
        assert held.variants[name] == (value and pytest.approx(value, rel=1e-9)), name


@pytest.mark.parametrize("seed", range(3))
def test_the_training_lends_its_classifier(seed):
    """A held-out file without a classifier is measured with that of the training, in Python as on the command line."""
    train, (H, y, _, _) = network(0), network(seed + 1, samples=50)
    known = feature_set_from_arrays(*train)
    lent = collapse_metrics(feature_set_from_arrays(H, y), one_vs_rest=False, train=known)
    own = collapse_metrics(feature_set_from_arrays(H, y, *train[2:]), one_vs_rest=False, train=known)
    assert (lent.nc2, lent.nc3, lent.nc4) == (own.nc2, own.nc3, own.nc4)
    assert None not in (lent.nc3, lent.nc4)


def test_held_out_nc1_agrees_with_fifty_digits_where_it_is_small():
    rng = np.random.default_rng(0)
    y, z = np.repeat(np.arange(3), 5), np.repeat(np.arange(3), 4)
    M = 300 + 1e-2 * rng.standard_normal((3, 4))
    H, T = M[y] + 1e-6 * rng.standard_normal((15, 4)), M[z] + 1e-6 * rng.standard_normal((12, 4))
    with mpmath.workdps(50):
        X, Z = mpmath.matrix(H.tolist()), mpmath.matrix(T.tolist())
        means = mpmath.matrix(
            [[sum(X[i, j] for i in range(15) if y[i] == k) / 5 for j in range(4)] for k in range(3)]
        )
        A = mpmath.matrix(
            [[means[k, j] - sum(X[i, j] for i in range(15)) / 15 for j in range(4)] for k in range(3)]
        )
        B, C = A[:2, :], mpmath.matrix([[1, 0], [0, 1], [-1, -1]])  # A = C B, balanced
        back = (B.T * (B * B.T) ** -1) * ((C.T * C) ** -1 * C.T)
        R = mpmath.matrix([[Z[i, j] - means[int(z[i]), j] for j in range(4)] for i in range(12)]) * back
        wanted = float(sum(R[i, k] ** 2 for i in range(12) for k in range(3)) / 12)
    found = collapse_metrics(
        feature_set_from_arrays(T, z), one_vs_rest=False, train=feature_set_from_arrays(H, y)
    )
    assert found.nc1 == pytest.approx(wanted, rel=1e-10)


def test_training_features_must_fit():
    H, y, W, b = network()
    data = feature_set_from_arrays(H, y, W, b)
    with pytest.raises(InvalidInputError, match="of the same layer with --train"):
        collapse_metrics(data, one_vs_rest=False, train=feature_set_from_arrays(H[:, :5], y))
    with pytest.raises(InvalidInputError, match="class 3 has no sample"):
        collapse_metrics(data, one_vs_rest=False, train=feature_set_from_arrays(H[y < 3], y[y < 3]))


def exact_scores(train, X):
    """NECO, energy and ViM by their papers' formulas."""
    H, y, W, b = train
    d, K = H.shape[1], int(y.max()) + 1
    m = H.mean(axis=0)
    P = np.linalg.eigh(np.cov(H.T, bias=True))[1][:, ::-1][:, : K - 1]
    c = -np.linalg.pinv(W) @ b
    R = np.linalg.eigh((H - c).T @ (H - c) / len(H))[1][:, : d - d // 2]
    alpha = (H @ W.T + b).max(axis=1).mean() / np.linalg.norm((H - c) @ R, axis=1).mean()
    energy = logsumexp(X @ W.T + b, axis=1)
    return {
        "neco": np.linalg.norm((X - m) @ P, axis=1) / np.linalg.norm(X - m, axis=1),
        "energy": energy,
        "vim": energy - alpha * np.linalg.norm((X - c) @ R, axis=1),
    }


def test_scores_are_those_of_the_papers():
    train, test = network(), network(3)
    detector = make_detector(feature_set_from_arrays(*train))
    found, wanted = detector.scores(feature_set_from_arrays(*test).features), exact_scores(train, test[0])
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, rel=1e-9), name
    rng = np.random.default_rng(5)
    O = rng.standard_normal((40, 8))
    outcome = detector.detect("other", found, feature_set_from_arrays(O, np.arange(40) % 2).features)
    M = np.array([train[0][train[1] == k].mean(axis=0) for k in range(4)])
    o = O.mean(axis=0)
    nc5 = np.mean(np.abs(M @ o) / np.linalg.norm(M, axis=1) / np.linalg.norm(o))
    assert outcome.nc5 == pytest.approx(nc5, rel=1e-12)
    unknown = exact_scores(train, O)
    for name in wanted:
        pairs = wanted[name][:, None] - unknown[name]
        assert outcome.scores[name]["auroc"] == pytest.approx(
            np.mean((pairs > 0) + 0.5 * (pairs == 0)), rel=1e-9
        )


@pytest.mark.parametrize("seed", range(8))
def test_directions_that_leave_nothing_out_rank_nothing(seed):
    """NECO where the span of the means is all of the space, ViM where the features have no residual."""
    rng = np.random.default_rng(seed)
    dim = int(rng.integers(2, 4))
    H, y, W, b = network(seed, classes=dim + 2, dim=dim)
    O = rng.standard_normal((30, dim))
    detector = make_detector(feature_set_from_arrays(H + 100, y, W, b))
    scores = detector.scores(feature_set_from_arrays(H + 100, y).features)
    found = detector.detect("o", scores, feature_set_from_arrays(O, np.arange(30) % 2).features)
    assert found.scores["neco"] == {"auroc": 0.5, "fpr95": 1.0}
    Q = np.linalg.qr(rng.standard_normal((4 * dim, dim)))[0].T  # half of the directions hold all features
    flat = make_detector(feature_set_from_arrays(H @ Q, y, W @ Q))
    scores = flat.scores(feature_set_from_arrays(O @ Q, np.arange(30) % 2).features)
    assert scores["vim"] == pytest.approx(logsumexp(O @ W.T, axis=1), rel=1e-9)
    away = rng.standard_normal((30, 4 * dim))  # in directions that no known sample has
    found = flat.detect("away", scores, feature_set_from_arrays(away, np.arange(30) % 2).features)
    assert found.scores["vim"] == {"auroc": 1.0, "fpr95": 0.0}


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_unknown_data_of_any_length_are_quiet(scale):
    train = network()
    detector = make_detector(feature_set_from_arrays(*train))
    known = detector.scores(feature_set_from_arrays(*train).features)
    O = np.random.default_rng(1).standard_normal((20, 8))
    unknown = feature_set_from_arrays(scale * O, np.arange(20) % 2).features
    if scale > 1:
        with pytest.raises(InvalidInputError, match="rescale"):
            detector.detect("o", known, unknown)
    else:
        turned = feature_set_from_arrays(np.vstack([O, -O[::-1]]), np.arange(40) % 2).features
        assert detector.detect("o", known, turned).nc5 is None  # a mean of zero, but for rounding
        same = detector.detect("o", known, feature_set_from_arrays(O, np.arange(20) % 2).features)
        assert detector.detect("o", known, unknown).nc5 == pytest.approx(same.nc5, rel=1e-12)


def test_notes_of_held_out_features_speak_of_the_training():
    H, y, _, _ = network(classes=3)
    few = np.flatnonzero((y != 2) | (np.cumsum(y == 2) == 1))
    found = collapse_metrics(
        feature_set_from_arrays(np.abs(H), y),
        train=feature_set_from_arrays(np.abs(H[few]), y[few], classes=3),
        one_vs_rest=False,
    )
    assert found.notes
    assert all(note.startswith("training: ") for note in found.notes)
    assert not any("variance zero" in note for note in found.notes)


def test_auroc_and_fpr95_by_hand():
    rng = np.random.default_rng(0)
    for _ in range(20):
        known, unknown = rng.integers(0, 30, 57).astype(float), rng.integers(0, 25, 33).astype(float)
        pairs = known[:, None] - unknown
        assert auroc(known, unknown) == pytest.approx(np.mean((pairs > 0) + 0.5 * (pairs == 0)), rel=1e-12)
        kept = [t for t in np.unique(known) if np.mean(known >= t) >= 0.95]
        assert false_positive_rate(known, unknown) == np.mean(unknown >= max(kept))
    assert auroc(np.ones(3), np.zeros(4)) == 1.0
    assert false_positive_rate(np.ones(3), np.zeros(4)) == 0.0


def test_a_collapsed_network_has_orthogonal_unknown_data():
    """Features of a simplex frame in four dimensions, other data in the rest."""
    y = np.repeat(np.arange(4), 20)
    frame = np.pad(np.linalg.svd(np.eye(4) - 0.25)[0][:, :3], ((0, 0), (0, 5)))
    H = frame[y] + 1e-3 * np.random.default_rng(0).standard_normal((80, 8))
    O = np.pad(np.random.default_rng(1).random((30, 4)), ((0, 0), (4, 0)))
    detector = make_detector(feature_set_from_arrays(H, y))
    found = detector.detect(
        "o",
        detector.scores(feature_set_from_arrays(H, y).features),
        feature_set_from_arrays(O, np.arange(30) % 2).features,
    )
    assert found.nc5 < 0.01
    assert found.scores["neco"]["auroc"] > 0.999
    assert set(found.scores) == {"neco"}


def run(capsys, *words):
    with pytest.raises(SystemExit) as stop:
        main(["features", *map(str, words)])
    out, err = capsys.readouterr()
    return stop.value.code, out, err


def test_the_command_takes_training_and_unknown_files(capsys, tmp_path, monkeypatch):
    (H, y, W, b), (T, z, _, _) = network(), network(2, samples=50)
    arrays = {"train_features": H, "train_labels": y, "test_features": T, "test_labels": z}
    np.savez(tmp_path / "s.npz", **arrays, **{"fc.weight": W, "fc.bias": b})
    np.save(tmp_path / "o.npy", np.random.default_rng(1).standard_normal((30, 8)))
    path = tmp_path / "s.npz"
    words = (
        f"{path}:test_features",
        "--train",
        f"{path}:train_features",
        *(("--ood", tmp_path / "o.npy") * 2),
    )
    code, out, _ = run(capsys, *words, "--json")
    data = json.loads(out)
    assert code == 0
    wanted = plain((H, y, W, b), (T, z, W, b))
    assert data["nc1"] == pytest.approx(wanted["nc1"], rel=1e-10)
    assert data["variants"]["ncc_mismatch"] == pytest.approx(wanted["ncc_mismatch"])
    assert len(data["outliers"]) == 2
    assert data["outliers"][0]["scores"]["vim"].keys() == {"auroc", "fpr95"}
    assert "held out" in data["position_reason"]
    assert any("training features: s.npz:train_features" in line for line in data["read"])
    assert sum(line.startswith("bias: ") for line in data["read"]) == 1
    assert not any("training bias" in line for line in data["read"])
    code, out, _ = run(capsys, *words, "--out", tmp_path / "out")
    assert code == 0
    assert "NC5" in out
    assert "NECO AUROC" in out
    assert run(capsys, path, "--epochs", "--train", path)[0] == 2
    assert run(capsys, f"{path}:test_features", "--train-labels", "train_labels")[0] == 2
    np.save(tmp_path / "narrow.npy", np.ones((5, 3)))
    monkeypatch.setattr(feature_results, "measure", None)  # it is refused before any pass
    code, _, err = run(capsys, f"{path}:test_features", "--ood", tmp_path / "narrow.npy")
    assert code == 2
    assert "of the same layer" in err
