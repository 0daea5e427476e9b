"""Collapse metrics against plain formulas, 50-digit arithmetic, and cases where a number does not exist."""

import math

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls

from sphereufm.errors import InvalidInputError
from sphereufm.features import collapse_metrics, feature_set_from_arrays
from sphereufm.features.metrics import frames
from sphereufm.features.metrics.one_vs_rest import _bounds, one_vs_rest
from sphereufm.features.metrics.statistics import CHUNK_ROWS
from sphereufm.features.metrics.streaming import Streaming
from sphereufm.placement import position

mpmath = pytest.importorskip("mpmath")


def simplex(classes, dim):
    frame = np.eye(classes) - 1.0 / classes
    basis = np.linalg.svd(frame)[0][:, : classes - 1]
    rows = basis / np.linalg.norm(basis, axis=1, keepdims=True)
    return np.pad(rows, ((0, 0), (0, dim - classes + 1)))


def sample(seed, classes=5, dim=12, samples=173, noise=0.3, offset=0.0):
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.arange(classes), rng.integers(0, classes, samples - classes)])
    H = rng.standard_normal((classes, dim))[y] + noise * rng.standard_normal((samples, dim)) + offset
    return H, y, rng.standard_normal((classes, dim)), rng.standard_normal(classes)


def plain(H, y, W, b):
    """Every measure by its formula, with d x d matrices."""
    K, N = int(y.max()) + 1, len(y)
    M = np.array([H[y == k].mean(axis=0) for k in range(K)])
    n = np.bincount(y)
    R = H - M[y]
    within = R.T @ R / N
    A = M - H.mean(axis=0)
    between, weighted = A.T @ A / K, (A.T * n) @ A / N
    C = M - M.mean(axis=0)
    v = np.array([np.square(R[y == k]).sum() / n[k] for k in range(K)])
    pairs = [(k, j) for k in range(K) for j in range(k)]
    choice = (H @ W.T + b).argmax(axis=1)
    nearest = np.square(H[:, None] - M).sum(axis=2).argmin(axis=1)

    def etf_error(product):
        return np.linalg.norm(product / np.linalg.norm(product) - (np.eye(K) - 1 / K) / math.sqrt(K - 1))

    return {
        "nc1": np.trace(within @ scipy.linalg.pinv(between)) / K,
        "nc1_class_mean_centred": np.trace(within @ scipy.linalg.pinv(C.T @ C / K)) / K,
        "nc1_trace_ratio": np.trace(within) / np.trace(between),
        "cdnv": np.mean([(v[k] + v[j]) / 2 / np.square(M[k] - M[j]).sum() for k, j in pairs]),
        "vci": 1
        - np.trace(scipy.linalg.pinv(weighted + within) @ weighted) / np.linalg.matrix_rank(weighted),
        "nc2": etf_error(W @ W.T),
        "nc2_means": etf_error(A @ A.T),
        "nc2_means_class_centred": etf_error(C @ C.T),
        "nc3": etf_error(W @ M.T),
        "nc3_centred": etf_error(W @ A.T),
        "nc3_difference": np.linalg.norm(W / np.linalg.norm(W) - A / np.linalg.norm(A)),
        "nc4": np.mean(choice == nearest),
        "nc4_labels": np.mean(nearest == y),
        "classifier_accuracy": np.mean(choice == y),
    }


def measured(H, y, W=None, b=None, **options):
    found = collapse_metrics(feature_set_from_arrays(H, y, W, b), **options)
    return {"nc1": found.nc1, "nc2": found.nc2, "nc3": found.nc3, "nc4": found.nc4, **found.variants}


@pytest.mark.parametrize("seed", range(4))
def test_measures_are_their_formulas(seed):
    case = sample(seed)
    found, wanted = measured(*case), plain(*case)
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, rel=1e-9, abs=1e-12), name


@pytest.mark.parametrize(("classes", "dim"), [(8, 3), (2, 5), (6, 5)])
def test_other_shapes_too(classes, dim):
    case = sample(7, classes=classes, dim=dim, noise=0.05)
    found, wanted = measured(*case), plain(*case)
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, rel=1e-8, abs=1e-12), name


def test_without_the_covariance_only_vci_is_missing():
    case = sample(1)
    whole, part = measured(*case), measured(*case, covariance=False)
    assert part.pop("vci") is part.pop("effective_rank_within") is None
    assert {name: whole[name] for name in part} == pytest.approx(part, rel=1e-12)


def test_normalised_measures_are_those_of_normalised_arrays():
    H, y, W, b = sample(2)

    def unit(A):
        return A / np.linalg.norm(A, axis=1, keepdims=True)

    found = measured(H, y, W, b, normalize=True)
    wanted = measured(unit(H), y, unit(W), None)
    assert found == pytest.approx(wanted, rel=1e-10)


def exact_measures(H, y):
    """NC1, trace ratio and CDNV in 50-digit arithmetic from the numbers as they were saved."""
    with mpmath.workdps(50):
        K, (N, d) = int(y.max()) + 1, H.shape
        rows = [[mpmath.mpf(float(x)) for x in row] for row in H]
        n = np.bincount(y).tolist()
        M = mpmath.matrix(K, d)
        for row, k in zip(rows, y.tolist(), strict=True):
            for j in range(d):
                M[k, j] += row[j] / n[k]
        R = mpmath.matrix(
            [[row[j] - M[k, j] for j in range(d)] for row, k in zip(rows, y.tolist(), strict=True)]
        )
        within = R.T * R / N
        # A = C B, with B the differences of means, of full row rank
        B = mpmath.matrix([[M[k, j] - M[0, j] for j in range(d)] for k in range(1, K)])
        C = mpmath.matrix(
            [[(1 if k == l else 0) - mpmath.mpf(n[l]) / N for l in range(1, K)] for k in range(K)]
        )
        A = C * B
        pinv = (B.T * (B * B.T) ** -1) * ((C.T * C) ** -1 * C.T)
        nc1 = sum((pinv.T * within * pinv)[k, k] for k in range(K))
        trace_b = sum(A[k, j] ** 2 for k in range(K) for j in range(d)) / K
        v = [sum(R[i, j] ** 2 for i in range(N) if y[i] == k for j in range(d)) / n[k] for k in range(K)]
        pairs = [(k, l) for k in range(K) for l in range(k)]
        cdnv = sum(
            (v[k] + v[l]) / 2 / sum((M[k, j] - M[l, j]) ** 2 for j in range(d)) for k, l in pairs
        ) / len(pairs)
        return {
            "nc1": float(nc1),
            "nc1_trace_ratio": float(sum(within[j, j] for j in range(d)) / trace_b),
            "cdnv": float(cdnv),
        }


HARD = [(300.0, 1e-2, 1e-2), (300.0, 1e-2, 1e-4), (10.0, 1e-2, 1e-6), (0.0, 1.0, 1e-6), (300.0, 1e-2, 1e-6)]


@pytest.mark.parametrize(("offset", "separation", "noise"), HARD)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_hard_cases_agree_with_fifty_digits(offset, separation, noise, dtype):
    rng = np.random.default_rng(5)
    y = np.array([0] * 9 + [1] * 14 + [2] * 7)
    H = offset + separation * rng.standard_normal((3, 6))[y] + noise * rng.standard_normal((30, 6))
    H = H.astype(dtype)
    wanted = exact_measures(H, y)
    found = measured(H, y)
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, rel=1e-10), name


def test_one_pass_moments_in_single_precision_are_off_by_orders_where_ours_are_right():
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(3), 40)
    H = (300.0 + 1e-2 * rng.standard_normal((3, 8))[y] + 1e-2 * rng.standard_normal((120, 8))).astype(
        np.float32
    )
    wanted = exact_measures(H, y)["nc1_trace_ratio"]
    squares = np.einsum("nd,nd->", H, H, dtype=np.float32)
    means = np.array([H[y == k].mean(axis=0) for k in range(3)])
    one_pass = float(squares - 40 * np.square(means).sum()) / 120
    between = float(np.square(means - means.mean(axis=0)).sum()) / 3
    assert abs(one_pass / between / wanted - 1) > 10
    assert measured(H, y)["nc1_trace_ratio"] == pytest.approx(wanted, rel=1e-10)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(1e-3, 1e3), st.floats(-10, 10))
def test_rotation_shift_and_scale_change_nothing(seed, scale, shift):
    H, y, _, _ = sample(seed, samples=60, dim=7)
    Q = np.linalg.qr(np.random.default_rng(seed).standard_normal((7, 7)))[0]
    first, second = measured(H, y), measured(scale * (H @ Q + shift), y)
    for name in ("nc1", "nc1_trace_ratio", "cdnv", "vci", "nc2", "nc4", "equinorm_means"):
        assert first[name] == pytest.approx(second[name], rel=1e-6, abs=1e-9), name


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_order_of_samples_changes_nothing(seed):
    H, y, W, b = sample(seed, samples=60)
    order = np.random.default_rng(seed).permutation(60)
    assert measured(H, y, W, b) == pytest.approx(measured(H[order], y[order], W, b), rel=1e-9, abs=1e-12)


def test_a_collapsed_network_has_zeros():
    W = simplex(6, 9)
    y = np.repeat(np.arange(6), 4)
    found = measured(3.0 * W[y], y, 2.0 * W)
    for name in ("nc1", "nc2", "nc3", "cdnv", "nc3_difference", "nc3_rotated", "equinorm_means", "nc2_means"):
        assert found[name] == pytest.approx(0.0, abs=1e-12), name
    assert found["nc4"] == 1.0
    assert found["one_vs_rest_classifier"] == pytest.approx(6 / 5, abs=1e-9)


def test_rotated_difference_sees_through_a_rotation():
    W = simplex(5, 8)
    Q = np.linalg.qr(np.random.default_rng(0).standard_normal((8, 8)))[0]
    y = np.repeat(np.arange(5), 3)
    found = measured(W[y] @ Q, y, W)
    assert found["nc3_rotated"] == pytest.approx(0.0, abs=1e-12)
    assert found["nc3_difference"] > 0.5


def test_coinciding_class_means_are_undefined_and_not_zero():
    H = np.array([[300.1, 0.3], [299.9, -0.3], [300.3, 0.7], [299.7, -0.7], [300.2, 0.1], [299.8, -0.1]])
    found = collapse_metrics(feature_set_from_arrays(H, [0, 0, 1, 1, 2, 2]))
    assert (found.nc1, found.nc2, found.nc3, found.nc4) == (None, None, None, None)
    assert found.undefined["nc1"] == "all class means coincide"
    assert "undefined" in str(found)
    assert found.to_json()["undefined"]["nc1"]


@pytest.mark.parametrize("seed", range(30))
def test_classes_of_the_same_samples_coincide_in_any_order(seed):
    """Also where the means are zero, but for the rounding of sums."""
    rng = np.random.default_rng(seed)
    X = 10.0 ** rng.integers(-3, 4) * rng.standard_normal(
        (int(rng.integers(2, 200)), int(rng.integers(1, 5)))
    )
    X = np.vstack([X, -X]) + (10.0 ** rng.integers(-12, 3) if seed % 2 else 0.0)
    y = rng.permutation(np.repeat(np.arange(3), len(X)))
    H = np.empty((y.size, X.shape[1]))
    for k in range(3):
        H[y == k] = rng.permutation(X)
    found = collapse_metrics(feature_set_from_arrays(H, y), one_vs_rest=False)
    assert found.undefined["nc1"] == "all class means coincide"


@pytest.mark.parametrize("seed", range(10))
def test_what_is_zero_but_for_rounding_has_no_direction(seed):
    """A class whose mean is that of all samples, and equal rows of a classifier."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((40, 3))
    X = np.vstack([X, -X])
    H = np.vstack([X + 1.0, rng.permutation(X), X - 1.0]) + (seed % 3) * rng.standard_normal(3)
    W = np.tile(rng.standard_normal(3), (3, 1))
    found = collapse_metrics(feature_set_from_arrays(H, np.repeat(np.arange(3), 80), W), one_vs_rest=False)
    assert np.isnan(found.class_cosines).tolist() == [False, True, False]
    assert found.variants["equiangularity_means"] is None
    assert found.variants["nc2_classifier_centred"] is None
    assert (found.variants["uncentred_cosine_mean"] is None) == (seed % 3 == 0)


def test_empty_classes_and_single_samples_are_named_and_left_out():
    H, y, W, _ = sample(3, classes=4)
    one = np.flatnonzero(y == 3)
    keep = np.setdiff1d(np.arange(len(y)), one[1:])
    labels = np.where(y[keep] == 3, 4, y[keep])
    W6 = np.vstack([W, np.ones((2, 12))])[[0, 1, 2, 4, 3, 5]]
    found = collapse_metrics(feature_set_from_arrays(H[keep], labels, W6, np.zeros(6)))
    assert found.class_counts[3] == found.class_counts[5] == 0
    assert found.class_counts[4] == 1
    assert any("without samples" in note and "3, 5" in note for note in found.notes)
    assert any("one sample" in note and "4" in note for note in found.notes)
    dense = measured(H[keep], y[keep], W)
    assert found.nc1 == pytest.approx(dense["nc1"], rel=1e-12)
    assert found.nc3 == pytest.approx(dense["nc3"], rel=1e-12)


def test_more_classes_than_a_simplex_frame_allows_are_named():
    found = collapse_metrics(feature_set_from_arrays(*sample(0, classes=7, dim=3)[:2]))
    assert any("no simplex frame" in note for note in found.notes)
    assert found.nc2 > 0.1


def test_zero_features_are_named():
    H, y, _, _ = sample(0)
    H[3] = 0.0
    for normalize in (False, True):
        found = collapse_metrics(feature_set_from_arrays(H, y), normalize=normalize)
        assert any(note.startswith("zero features: 1") for note in found.notes)


def test_a_zero_classifier_row_has_no_direction():
    H, y, W, _ = sample(0)
    W[2] = 0.0
    found = collapse_metrics(feature_set_from_arrays(H, y, W))
    assert found.variants["uniformity_log_classifier"] is None
    assert "uniformity_log_classifier" in found.undefined
    with pytest.raises(InvalidInputError, match="classifier row 2 is zero"):
        collapse_metrics(feature_set_from_arrays(H, y, W), normalize=True)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_bad_entries_are_found_while_streaming(value):
    H, y, _, _ = sample(0)
    H[5, 2] = value
    with pytest.raises(InvalidInputError, match="row 5 holds"):
        collapse_metrics(feature_set_from_arrays(H, y))


def test_a_bare_array_is_no_feature_set():
    H, y, _, _ = sample(0)
    for wrong in (
        lambda: collapse_metrics(H),
        lambda: collapse_metrics(feature_set_from_arrays(H, y), train=H),
        lambda: position(H),
    ):
        with pytest.raises(InvalidInputError, match="feature_set_from_arrays"):
            wrong()


@pytest.mark.parametrize("power", [-200, -99, 99, 200, 290])
@pytest.mark.parametrize("what", ["features", "classifier", "bias", "held out"])
def test_lengths_out_of_range_are_refused_and_others_are_quiet(what, power):
    """Warnings are errors in the tests."""
    H, y, W, b = sample(0)
    scale, train = 10.0**power, None
    if what == "held out":
        train = feature_set_from_arrays(H, y)
        H, y = np.array([scale * H[0], *H[1:]]), y
    factors = {name: scale if name == what else 1.0 for name in ("features", "classifier", "bias")}
    data = feature_set_from_arrays(H * factors["features"], y, W * factors["classifier"], b * factors["bias"])
    if abs(power) == 99 or (power < 0 and what in ("bias", "held out")):
        collapse_metrics(data, one_vs_rest=False, train=train)
    else:
        with pytest.raises(InvalidInputError, match="rescale"):
            collapse_metrics(data, one_vs_rest=False, train=train)


@pytest.mark.parametrize("count", [3, 5, 8])
def test_one_vs_rest_of_a_polygon(count):
    angles = 2 * np.pi * np.arange(count) / count
    found = one_vs_rest(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    assert found.distance == pytest.approx(1 - math.cos(2 * math.pi / count), abs=1e-9)
    assert 0 <= found.gap < 1e-9


def test_one_vs_rest_of_a_cross_polytope_and_of_a_point_inside():
    cross = np.vstack([np.eye(4), -np.eye(4)])
    assert one_vs_rest(cross).distance == pytest.approx(1.0, abs=1e-9)
    doubled = np.vstack([cross, cross[:1]])
    found = one_vs_rest(doubled)
    assert found.distance == pytest.approx(0.0, abs=1e-9)


def slowest_one_vs_rest(A):
    """Every program solved, one after the other."""
    U = A / np.linalg.norm(A, axis=1, keepdims=True)
    distances = []
    for k in range(len(U)):
        P = np.delete(U, k, axis=0) - U[k]
        weights = nnls(np.vstack([P.T, np.ones(len(P))]), np.append(np.zeros(P.shape[1]), 1.0), maxiter=9999)[
            0
        ]
        distances.append(np.linalg.norm(weights @ P) / weights.sum())
    return min(distances)


@pytest.mark.parametrize(
    ("count", "dim", "noise"),
    [(3, 2, 1.0), (60, 5, 1.0), (90, 40, 1.0), (60, 150, 1.0), (70, 69, 1e-3), (70, 100, 0.3)],
)
def test_one_vs_rest_is_the_least_of_all_programs(count, dim, noise):
    frame = np.eye(count, dim) - (np.arange(dim) < count) / count
    A = (noise < 1.0) * frame + noise * np.random.default_rng(count).standard_normal((count, dim)) / dim**0.5
    found = one_vs_rest(A)
    assert found.distance == pytest.approx(slowest_one_vs_rest(A), rel=1e-9)
    assert 0.0 <= found.gap <= 1e-9 * found.distance


def test_one_vs_rest_solves_few_of_a_thousand_programs(monkeypatch):
    solved = []
    monkeypatch.setattr(
        "sphereufm.features.metrics.one_vs_rest._bounds", lambda P: solved.append(1) or _bounds(P)
    )
    found = one_vs_rest(np.random.default_rng(0).standard_normal((1000, 64)))
    assert 0.0 <= found.gap <= 1e-9 * found.distance
    assert 0 < len(solved) < 40


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(4, 12), st.integers(2, 5))
def test_one_vs_rest_brackets_what_random_mixtures_reach(seed, count, dim):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((count, dim))
    found = one_vs_rest(A)
    U = A / np.linalg.norm(A, axis=1, keepdims=True)
    for k in range(count):
        mixtures = rng.dirichlet(np.full(count - 1, 0.3), 200) @ np.delete(U, k, axis=0)
        assert np.linalg.norm(mixtures - U[k], axis=1).min() >= found.distance - found.gap - 1e-12
    assert found.gap < 1e-7


def test_uniformity_is_least_for_the_simplex():
    W = simplex(4, 3)
    rng = np.random.default_rng(0)
    least, other = frames.vector_measures(W), frames.vector_measures(rng.standard_normal((4, 3)))
    side = math.sqrt(2 + 2 / 3)
    assert least["uniformity_log"] == pytest.approx(-math.log(side))
    assert least["uniformity_inverse"] == pytest.approx(1 / side)
    for name in ("uniformity_log", "uniformity_inverse"):
        assert other[name] > least[name]
        assert not math.isfinite(frames.vector_measures(np.ones((3, 2)))[name])


def many(seed=0, rows=2 * CHUNK_ROWS + 77):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, rows)
    H = rng.standard_normal((3, 4))[y] + 0.1 * rng.standard_normal((rows, 4))
    return feature_set_from_arrays(H.astype(np.float32), y, rng.standard_normal((3, 4)))


def test_two_processes_give_the_same_bits_as_one():
    data = many()
    one = collapse_metrics(data)
    assert one.to_json() == collapse_metrics(data, streaming=Streaming(workers=2)).to_json()


@pytest.mark.parametrize("calls", [1, 2, 4, 5])
def test_an_interrupted_run_resumes_to_the_same_bits(tmp_path, monkeypatch, calls):
    monkeypatch.setattr("sphereufm.features.metrics.streaming._SECONDS_BETWEEN", 0.0)
    data, place = many(), tmp_path / "state.npz"
    seen = []

    def stop(stage, done, total):
        seen.append((stage, done))
        if len(seen) == calls:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collapse_metrics(data, streaming=Streaming(checkpoint=str(place), progress=stop))
    assert place.exists()
    rest = []
    resumed = collapse_metrics(
        data, streaming=Streaming(checkpoint=str(place), progress=lambda *at: rest.append(at))
    )
    assert len(rest) == 6 - calls
    assert resumed.to_json() == collapse_metrics(data).to_json()
    assert not place.exists()


def test_a_checkpoint_of_other_labels_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("sphereufm.features.metrics.streaming._SECONDS_BETWEEN", 0.0)
    place = tmp_path / "state.npz"

    def stop(stage, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collapse_metrics(many(), streaming=Streaming(checkpoint=str(place), progress=stop))
    before = place.read_bytes()
    with pytest.raises(InvalidInputError, match="other features"):
        collapse_metrics(many(1), streaming=Streaming(checkpoint=str(place)))
    assert place.read_bytes() == before


def test_a_dask_cluster_gives_the_same_bits():
    distributed = pytest.importorskip("distributed")
    data = many()
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        found = collapse_metrics(data, streaming=Streaming(scheduler=cluster.scheduler_address))
    assert found.to_json() == collapse_metrics(data).to_json()


def test_a_scheduler_that_is_not_there_is_named():
    pytest.importorskip("distributed")
    with pytest.raises(InvalidInputError, match="cannot be reached"):
        collapse_metrics(many(rows=50), streaming=Streaming(scheduler="tcp://127.0.0.1:9"))
