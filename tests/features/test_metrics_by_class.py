"""Numbers by class, spectra and ranks, and the variability collapse index, against plain references in 50 digits."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sphereufm.features import collapse_metrics, feature_set_from_arrays

mpmath = pytest.importorskip("mpmath")


def sample(seed=0, classes=4, dim=5, samples=60, noise=0.4):
    rng = np.random.default_rng(seed)
    y = np.concatenate(
        [np.arange(classes), rng.choice(classes, samples - classes, p=[0.6, 0.2, 0.1, 0.1][:classes])]
    )
    H = rng.standard_normal((classes, dim))[y] + noise * rng.standard_normal((samples, dim)) * (
        1 + y[:, None]
    )
    return H, y, rng.standard_normal((classes, dim))


def measured(*arrays, **options):
    return collapse_metrics(feature_set_from_arrays(*arrays), one_vs_rest=False, **options)


def pinv(A):
    """Of a matrix of full row rank, in the working precision."""
    return A.T * (A * A.T) ** -1


def exact(H, y, W):
    """The definitions, from the numbers as they were saved."""
    with mpmath.workdps(50):
        K, (N, d) = int(y.max()) + 1, H.shape
        X = mpmath.matrix(H.tolist())
        n = np.bincount(y).tolist()
        M = mpmath.matrix(K, d)
        for i, k in enumerate(y.tolist()):
            for j in range(d):
                M[k, j] += X[i, j] / n[k]
        m = [sum(X[i, j] for i in range(N)) / N for j in range(d)]
        A = mpmath.matrix([[M[k, j] - m[j] for j in range(d)] for k in range(K)])
        # A = C B with C of full column rank and B of full row rank
        B = mpmath.matrix([[M[k, j] - M[0, j] for j in range(d)] for k in range(1, K)])
        C = mpmath.matrix(
            [[(1 if k == l else 0) - mpmath.mpf(n[l]) / N for l in range(1, K)] for k in range(K)]
        )
        back = pinv(B) * pinv(C.T).T  # pinv(A)
        nc1 = []
        for k in range(K):
            R = mpmath.matrix([[X[i, j] - M[k, j] for j in range(d)] for i in range(N) if y[i] == k])
            P = R * back
            nc1.append(sum(P[i, j] ** 2 for i in range(P.rows) for j in range(K)) / n[k])
        within = mpmath.matrix(d, d)
        weighted = mpmath.matrix(d, d)
        for i, k in enumerate(y.tolist()):
            r = mpmath.matrix([X[i, j] - M[k, j] for j in range(d)])
            within += r * r.T / N
            a = mpmath.matrix([A[k, j] for j in range(d)])
            weighted += a * a.T / N
        trace = sum(((within + weighted) ** -1 * weighted)[j, j] for j in range(d))
        cosines = []
        for k in range(K):
            w, a = [mpmath.mpf(x) for x in W[k]], [A[k, j] for j in range(d)]
            size = mpmath.sqrt(sum(x * x for x in w) * sum(x * x for x in a))
            cosines.append(sum(x * z for x, z in zip(w, a, strict=True)) / size)
        shares = [
            v / sum(mpmath.eigsy(A.T * A)[0]) for v in mpmath.eigsy(A.T * A)[0] if v > mpmath.mpf(10) ** -40
        ]
        return {
            "nc1": [float(v) for v in nc1],
            "cosines": [float(v) for v in cosines],
            "vci": float(1 - trace / (K - 1)),
            "rank": float(mpmath.exp(-sum(v * mpmath.log(v) for v in shares))),
        }


@pytest.mark.parametrize("seed", range(3))
def test_numbers_by_class_agree_with_fifty_digits(seed):
    H, y, W = sample(seed)
    found, wanted = measured(H, y, W), exact(H, y, W)
    assert found.class_nc1 == pytest.approx(wanted["nc1"], rel=1e-11)
    assert found.class_cosines == pytest.approx(wanted["cosines"], rel=1e-11)
    assert found.variants["vci"] == pytest.approx(wanted["vci"], rel=1e-10)
    assert found.variants["effective_rank_between"] == pytest.approx(wanted["rank"], rel=1e-11)
    counts = np.array(found.class_counts)
    assert found.nc1 == pytest.approx(float(counts @ found.class_nc1) / counts.sum(), rel=1e-12)
    assert found.variants["nc1_class_averaged"] == pytest.approx(found.class_nc1.mean(), rel=1e-12)


def test_the_whole_is_given_in_json():
    H, y, W = sample()
    y[y == 2] = 1
    data = json.loads(json.dumps(measured(H, y, np.delete(W, 2, axis=0) if False else W).to_json()))
    assert data["per_class"]["nc1"][2] is None
    assert data["per_class"]["classifier_cosine"][2] is None
    assert len(data["spectra"]["between"]) == 2
    assert data["spectra"]["within"] == sorted(data["spectra"]["within"], reverse=True)


def test_effective_ranks_of_a_frame_and_of_a_ball():
    K = 5
    frame = np.linalg.svd(np.eye(K) - 1 / K)[0][:, : K - 1]
    y = np.repeat(np.arange(K), 2000)
    H = 10 * frame[y] + np.random.default_rng(0).standard_normal((len(y), K - 1))
    found = measured(H, y).variants
    assert found["effective_rank_between"] == pytest.approx(K - 1, rel=1e-2)
    assert found["effective_rank_within"] == pytest.approx(K - 1, rel=1e-2)


def test_the_index_does_not_change_with_the_scales_of_axes():
    H, y, _ = sample(1)
    wanted = measured(H, y).variants["vci"]
    for scales in ([1, 1e5, 1, 1e-5, 1], [1e9, 1, 1e-9, 1, 1e4], [1, 1e12, 1, 1, 1e-6]):
        assert measured(H * np.array(scales), y).variants["vci"] == pytest.approx(wanted, rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 12))
def test_the_index_is_right_or_undefined_where_directions_differ_in_scale(seed, power):
    """Turned, so that no scaling of axes helps: what rounding hides is undefined."""
    rng = np.random.default_rng(seed)
    H, y, _ = sample(seed % 7)
    wanted = measured(H, y).variants["vci"]
    Q = np.linalg.qr(rng.standard_normal((5, 5)))[0]
    found = measured((H * np.array([10.0**power, 1, 1, 1, 1])) @ Q, y)
    value = found.variants["vci"]
    if value is None:
        assert power > 5
        assert "rounding" in found.undefined["vci"]
    else:
        assert value == pytest.approx(wanted, rel=0.02, abs=1e-6)


@pytest.mark.parametrize("noise", [0.0, 1e-12, 1e-9, 1e-6])
def test_the_index_stays_between_zero_and_one_at_full_collapse(noise):
    rng = np.random.default_rng(0)
    for dim in (3, 8, 40):
        y = np.repeat(np.arange(4), 6)
        H = rng.standard_normal((4, dim))[y] + noise * rng.standard_normal((24, dim))
        value = measured(H, y).variants["vci"]
        assert value is not None
        assert 0.0 <= value < 1e-8 + 4 * noise


def test_without_scatter_the_rank_within_classes_says_why_it_is_undefined():
    """Whether class means are exact or have a rounding."""
    for H in (np.eye(3, 4), *np.random.default_rng(0).standard_normal((10, 3, 4))):
        found = measured(np.vstack([H] * 7), np.tile(np.arange(3), 7))
        assert found.undefined["effective_rank_within"] == "no sample differs from its class mean"
        assert not found.within_spectrum.any()


@pytest.mark.parametrize(
    "W", [np.ones((3, 5)), np.vstack([np.ones(5)] * 2 + [np.arange(5.0)]), np.zeros((3, 5))]
)
def test_equal_classifier_rows_are_quiet(W):
    """Warnings are errors in the tests."""
    rng = np.random.default_rng(0)
    y = np.arange(30) % 3
    found = collapse_metrics(feature_set_from_arrays(rng.standard_normal((30, 5)) + np.eye(3, 5)[y], y, W))
    assert found.variants["one_vs_rest_classifier"] in (None, pytest.approx(0.0, abs=1e-12))


def test_a_nearly_singular_between_scatter_is_reported():
    y = np.repeat(np.arange(4), 10)
    rng = np.random.default_rng(0)
    means = np.array([[1.0, 0, 0, 0], [-1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 1e-6, 0]])
    H = means[y] + 1e-9 * rng.standard_normal((40, 4))
    (note,) = [n for n in measured(H, y).notes if n.startswith("Sigma_B")]
    assert "kept 3 of at most 3 directions" in note
    H = means[y] * np.array([1, 1, 0, 0])
    (note,) = [n for n in measured(H, y).notes if n.startswith("Sigma_B")]
    assert "kept 2 of at most 3" in note
    assert not [n for n in measured(*sample()[:2]).notes if n.startswith("Sigma_B")]
    assert math.isfinite(measured(H, y).nc1)
