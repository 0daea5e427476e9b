"""Gaps at large points: never below the true gap, tight at collapse, and hard to fool."""

import json
from fractions import Fraction
from pathlib import Path

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sphereufm.certify.checker import CheckError
from sphereufm.certify.large_gap.bounds import Errors, Sums, unit_rows
from sphereufm.certify.large_gap.check import _Case, check_large_gap, prove_large_gap
from sphereufm.certify.large_gap.rows import HashedRows
from sphereufm.problem.theory.gap import optimality_gap
from sphereufm.problem.theory.theorems import collapsed_point, global_minimum
from sphereufm.problem.ufm import UFMProblem
from sphereufm.solvers import solve


def save(folder, X, problem, weights=None):
    """Write the arrays of a point as frameworks do; return the names."""
    K = problem.classes
    arrays = {"classifier": X[:, :K].T, "features": X[:, K:].T, "labels": problem.labels, "weights": weights}
    names = {}
    for key, array in arrays.items():
        if array is not None:
            np.save(folder / f"{key}.npy", np.ascontiguousarray(array))
            names[key] = f"{key}.npy"
    return names


def prove(folder, X, problem, weights=None, **options):
    path = folder / "gap.json"
    return prove_large_gap(path, tau=problem.exact_tau, **save(folder, X, problem, weights), **options)


# --- the bound


@pytest.mark.parametrize(
    ("K", "d", "n", "tau"), [(3, 3, 4, "1/10"), (4, 5, 2, 1), (10, 12, 7, 5), (5, 4, 3, 20)]
)
def test_tight_at_collapse(tmp_path, K, d, n, tau):
    problem = UFMProblem(class_sizes=(n,) * K, dim=d, tau=tau)
    proved = prove(tmp_path, collapsed_point(problem), problem)
    assert proved.status == "PROVED"
    # relative to sum |G|, which is 2 tau times the probability of all wrong classes
    scale = 2.0 * problem.tau * (1.0 - np.exp(-global_minimum(problem)))
    assert 0.0 < proved.bound < 1e-10 * scale
    assert check_large_gap(tmp_path / "gap.json").bound == proved.bound


@given(
    sizes=st.lists(st.integers(0, 3), min_size=2, max_size=4).filter(lambda s: sum(s) > 0),
    d=st.integers(1, 4),
    tau=st.sampled_from(["1/1000", "1/2", "3", "20", "140"]),
    seed=st.integers(0, 10**6),
)
def test_never_below_what_a_solver_gains(tmp_path_factory, sizes, d, tau, seed):
    problem = UFMProblem(class_sizes=sizes, dim=d, tau=tau)
    X = problem.spheres.random_point(seed)
    bound = prove(tmp_path_factory.mktemp("gap"), X, problem).bound
    lower = min(solve(problem, rng=s).cost for s in range(3)) if d > 1 else np.inf
    assert bound >= float(problem.cost(X)) - lower - 1e-12


@pytest.mark.parametrize("distance", [1e-5, 1e-3, 1e-1])
def test_as_good_as_the_numerical_bound_near_a_minimum(tmp_path, distance):
    problem = UFMProblem(class_sizes=(9, 4, 2), dim=4, tau=3)
    minimiser = solve(problem, rng=0)
    X = minimiser.X + distance * np.random.default_rng(0).standard_normal(problem.shape)
    X /= np.linalg.norm(X, axis=0)
    bound = prove(tmp_path, X, problem, refinements=12).bound
    assert float(problem.cost(X)) - minimiser.cost <= bound < 1.1 * optimality_gap(problem, X).value
    assert check_large_gap(tmp_path / "gap.json").bound == bound
    assert prove(tmp_path, X, problem, refinements=0).bound > bound


def test_multipliers_are_not_trusted(tmp_path):
    problem = UFMProblem(class_sizes=(3, 2, 2), dim=3, tau=3)
    bound = prove(tmp_path, problem.spheres.random_point(1), problem).bound
    np.save(tmp_path / "bad.npy", np.random.default_rng(0).standard_normal((3, 2)))
    names = {key: f"{key}.npy" for key in ("classifier", "features", "labels")}
    case = _Case(
        tau=Fraction(3),
        rows={k: HashedRows(tmp_path, k, n, None) for k, n in {**names, "dual": "bad.npy"}.items()},
    )
    assert bound <= case.bound()[0] < np.inf


def test_weights_count(tmp_path):
    weights = np.array([1.0, 2.0, 5.0, 0.5])
    problem = UFMProblem(class_sizes=(2, 2), dim=3, tau=2, weights=weights.tolist())
    X = solve(problem, rng=0).X
    assert prove(tmp_path, X, problem, weights).bound < 1e-6
    assert prove(tmp_path, X, problem).bound >= 0.0


def test_derivative_is_right_to_the_stated_error():
    # the matrix that stands for G, entry by entry, against 60 digits
    rng = np.random.default_rng(5)
    K, d, n, tau = 4, 6, 5, 30.0
    W, H = rng.standard_normal((K, d)), rng.standard_normal((n, d))
    y, omega = rng.integers(0, K, n), np.full(n, 1.0 / n)
    sums = Sums(K)
    sums.add(unit_rows(W), unit_rows(W), unit_rows(H), y, omega, tau)
    with mpmath.workdps(60):
        exact = mpmath.mpf(0)
        for i in range(n):
            a = [
                mpmath.fdot(W[k], H[i]) / mpmath.sqrt(mpmath.fdot(W[k], W[k]) * mpmath.fdot(H[i], H[i]))
                for k in range(K)
            ]
            E = [mpmath.exp(tau * (a[k] - a[y[i]])) for k in range(K)]
            exact += 2 * tau / mpmath.mpf(n) * (mpmath.fsum(E) - 1) / mpmath.fsum(E)
    error = abs(sum(sums.absolute) / float(exact) - 1.0)
    assert error <= Errors(K=K, d=d, tau=tau, e_omega=0.0).e_G


def test_a_float32_point_is_the_point_that_is_stored(tmp_path):
    problem = UFMProblem(class_sizes=(3, 3, 3), dim=4, tau=5)
    X = collapsed_point(problem).astype(np.float32)
    bound = prove(tmp_path, X, problem).bound
    exact = X / np.linalg.norm(X.astype(np.float64), axis=0)
    assert 0.0 < optimality_gap(problem, exact).value <= bound < 1e-9


# --- hard to fool


@pytest.fixture
def certificate(tmp_path):
    problem = UFMProblem(class_sizes=(2, 2, 2), dim=3, tau=3)
    X = problem.spheres.random_point(1)
    assert prove(tmp_path, X, problem).status == "PROVED"
    return tmp_path / "gap.json"


def rewrite(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_smaller_claim_is_not_proved(certificate):
    bound = check_large_gap(certificate).bound
    rewrite(certificate, gap=np.nextafter(bound, 0.0).hex())
    assert check_large_gap(certificate).status == "UNDECIDED"


def test_another_temperature_is_not_proved(certificate):
    rewrite(certificate, tau="10")
    assert check_large_gap(certificate).status == "UNDECIDED"


@pytest.mark.parametrize("key", ["classifier", "features", "labels"])
def test_changed_arrays_are_refused(certificate, key):
    path = certificate.parent / f"{key}.npy"
    data = bytearray(path.read_bytes())
    data[-2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(ValueError, match=r"SHA-256|labels must lie"):
        check_large_gap(certificate)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tau": 3}, "tau must be text"),
        ({"tau": "0"}, "between"),
        ({"tau": "1/0"}, "tau must be text"),
        ({"tau": "151"}, "between"),
        ({"gap": "nan"}, "gap must be"),
        ({"gap": 1}, "gap must be"),
        ({"gap": "0x1.0p+9999"}, "no finite"),
        ({"format": "other"}, "format must be sphereufm-large-gap/1"),
        ({"extra": 1}, "unknown key 'extra'"),
        ({"classifier": None}, "classifier must be an object"),
        ({"classifier": "w.npy"}, "must be an object"),
        ({"features": {"file": "../features.npy", "sha256": "0" * 64}}, "plain name"),
        ({"features": {"file": "features.npy", "sha256": None}}, "64 hexadecimal"),
        ({"labels": {"file": "missing.npy", "sha256": "0" * 64}}, "cannot be read"),
    ],
)
def test_malformed_certificates_are_refused(certificate, changes, message):
    rewrite(certificate, **changes)
    with pytest.raises(ValueError, match=message):
        check_large_gap(certificate)


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 10**5, '{"format": 1, "format": 1}', "\xff" * 70000])
def test_what_is_no_certificate_is_refused(tmp_path, text):
    path = tmp_path / "gap.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CheckError):
        check_large_gap(path)


def test_lying_headers_are_refused_before_memory_is_taken(certificate):
    path = certificate.parent / "features.npy"
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f8", "fortran_order": False, "shape": (10**12, 3)}
        )
    with pytest.raises(ValueError, match="0 bytes of data"):
        check_large_gap(certificate)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
def test_rows_without_direction_are_refused(tmp_path, bad):
    problem = UFMProblem(class_sizes=(1, 1), dim=2, tau=1)
    X = problem.spheres.random_point(0)
    X[:, 0] = bad
    with pytest.raises(ValueError, match=r"NaN or infinite|no length"):
        prove(tmp_path, X, problem)


@pytest.mark.parametrize("weights", [[1.0, -1.0], [1.0, 0.0], [1.0, 1e-40]])
def test_weights_out_of_range_are_refused(tmp_path, weights):
    problem = UFMProblem(class_sizes=(1, 1), dim=2, tau=1)
    with pytest.raises(CheckError, match="weights must be"):
        prove(tmp_path, problem.spheres.random_point(0), problem, np.array(weights))


@pytest.mark.parametrize(
    ("key", "array", "said"),
    [
        ("classifier", np.eye(2, dtype=int), "classifier holds int64"),
        ("classifier", np.zeros((0, 2)), r"\(0, 2\)"),
        ("features", np.zeros((0, 2)), "not 0 of 2"),
        ("features", np.ones(2), r"\(2,\)"),
        ("features", np.ones((2, 2), complex), "features: no plain"),
        ("labels", np.zeros(2), "labels holds float64, but must be integers"),
        ("labels", np.array([False, True]), "labels: .*of integers"),
        ("labels", np.zeros(3, int), "labels must have one entry for each of the 2"),
        ("weights", np.ones((2, 1)), "weights must have one entry for each of the 2"),
    ],
)
def test_arrays_that_do_not_fit_are_named_with_what_they_are(tmp_path, key, array, said):
    problem = UFMProblem(class_sizes=(1, 1), dim=2, tau=1)
    names = save(tmp_path, problem.spheres.random_point(0), problem, np.ones(2))
    np.save(tmp_path / names[key], array)
    with pytest.raises(CheckError, match=said):
        prove_large_gap(tmp_path / "gap.json", tau=1, **names)


@pytest.mark.parametrize(
    ("path", "features"), [("features.npy", "features.npy"), ("gap.json", "gap.dual.npy")]
)
def test_a_certificate_is_not_written_over_its_arrays(tmp_path, path, features):
    problem = UFMProblem(class_sizes=(1, 1), dim=2, tau=1)
    names = save(tmp_path, problem.spheres.random_point(0), problem)
    (tmp_path / "features.npy").replace(tmp_path / features)
    before = (tmp_path / features).read_bytes()
    with pytest.raises(CheckError, match="write over"):
        prove_large_gap(tmp_path / path, tau=1, **{**names, "features": features})
    assert (tmp_path / features).read_bytes() == before


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"labels": Path("labels.npy")}, "plain name"),
        ({"labels": ["labels.npy"]}, "plain name"),
        ({"labels": None}, "plain name"),
        ({"path": ""}, "name of a file"),
        ({"refinements": True}, "integer"),
        ({"refinements": -1}, "integer"),
    ],
)
def test_arguments_that_are_none_are_refused_in_words(tmp_path, monkeypatch, wrong, said):
    problem = UFMProblem(class_sizes=(1, 1), dim=2, tau=1)
    names = save(tmp_path, problem.spheres.random_point(0), problem)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckError, match=said):
        prove_large_gap(**{"path": "gap.json", "tau": 1, **names, **wrong})
    assert prove_large_gap("gap.json", tau=1, **names, refinements=np.int64(1)).status == "PROVED"


def test_temperatures_are_exact(tmp_path):
    problem = UFMProblem(class_sizes=(1, 1), dim=2, tau=Fraction(1, 3))
    assert prove(tmp_path, problem.spheres.random_point(0), problem).status == "PROVED"
    assert json.loads((tmp_path / "gap.json").read_text())["tau"] == "1/3"
