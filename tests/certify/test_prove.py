"""What the provers claim is true on instances whose answer is known, and what is false they do not claim."""

import math
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from sphereufm import UFMProblem
from sphereufm.certify import (
    CollapsedClaim,
    CriticalClaim,
    ExactInstance,
    GlobalMinimumClaim,
    IndexClaim,
    RankOneClaim,
    SpuriousClaim,
    StrictSaddleClaim,
    prove_benign,
    prove_gap,
    prove_point,
    read_certificate,
)
from sphereufm.certify.checker.place import Place
from sphereufm.certify.prove.candidate import as_candidate
from sphereufm.landscape.points import embed
from sphereufm.landscape.search.squared_gradient import find_critical_points
from sphereufm.problem.theory.theorems import collapsed_point, global_minimum
from sphereufm.spectra.spectrum import hessian_spectrum

ROOT = Path(__file__).resolve().parents[2]


def instance_of(problem):
    return ExactInstance.from_problem(problem)


def critical_points(problem, starts, seed=0):
    """Converged critical points of a problem in its own dimension."""
    X = np.array([problem.spheres.random_point(np.random.default_rng([seed, i])) for i in range(starts)])
    search = find_critical_points(problem, X, tolerance=1e-12, max_iterations=500)
    return search.X[search.converged]


@pytest.mark.parametrize(
    ("K", "d", "n", "tau"),
    [(2, 2, 1, "1"), (3, 2, 2, "1/3"), (3, 4, 1, "20"), (3, 3, 1, "8000"), (5, 4, 2, "3")],
)
def test_neural_collapse_is_a_global_minimiser(K, d, n, tau):
    problem = UFMProblem(class_sizes=(n,) * K, dim=d, tau=tau)
    certificate = prove_point(instance_of(problem), collapsed_point(problem))
    assert certificate.reason == ""
    assert certificate.find(IndexClaim).index == 0
    assert certificate.find(GlobalMinimumClaim) is not None
    assert certificate.cost == pytest.approx(global_minimum(problem), rel=1e-12)


@pytest.mark.parametrize(
    "problem",
    [
        UFMProblem(class_sizes=(2, 1, 1), dim=3, tau="5/2"),
        UFMProblem(class_sizes=(2, 2), dim=3, tau=1, weights=["1", "2", "1/3", "1"]),
        UFMProblem(class_sizes=(1, 0, 2), dim=2, tau=4),
    ],
    ids=["unbalanced", "weights", "empty-class"],
)
def test_index_is_that_of_the_float_spectrum(problem):
    seen = set()
    for X in critical_points(problem, 24):
        certificate = prove_point(instance_of(problem), X)
        claim, rank = certificate.find(IndexClaim), certificate.point and certificate.point.rank
        if claim is None or certificate.find(CollapsedClaim) is not None:
            continue
        spectrum = hessian_spectrum(problem, X, rank)
        assert (claim.index, spectrum.nullity) == (spectrum.morse_index, 0)
        seen.add(claim.index)
    assert len(seen) >= 3


def test_curvature_is_above_the_least_eigenvalue():
    problem = UFMProblem(class_sizes=(2, 1, 1), dim=4, tau=2)
    saddles = 0
    for X in critical_points(problem, 24):
        certificate = prove_point(instance_of(problem), X)
        claim = certificate.find(StrictSaddleClaim)
        if claim is None:
            continue
        saddles += 1
        least = hessian_spectrum(problem, X, certificate.point.rank).min_eigenvalue
        assert least <= claim.curvature * (1 - Fraction(1, 10**6)) or least == pytest.approx(
            float(claim.curvature), rel=1e-3
        )
        assert claim.curvature < 0
    assert saddles >= 5


def test_critical_point_lies_within_the_radius():
    problem = UFMProblem(class_sizes=(2, 1, 1), dim=3, tau=2)
    for X in critical_points(problem, 8):
        certificate = prove_point(instance_of(problem), X)
        claim = certificate.find(CriticalClaim)
        if claim is None:
            continue
        moved = prove_point(
            instance_of(problem), X + 1e-7 * np.random.default_rng(1).standard_normal(X.shape)
        )
        assert certificate.cost == pytest.approx(moved.cost, rel=1e-9)
        assert 0 < claim.radius <= claim.unique_radius
        assert claim.radius < 1e-12


@pytest.mark.parametrize("tau", [1, 20, 50])
@pytest.mark.parametrize("seed", range(4))
def test_random_points_are_not_critical(tau, seed):
    problem = UFMProblem(class_sizes=(1, 1, 1), dim=3, tau=tau)
    certificate = prove_point(instance_of(problem), problem.spheres.random_point(seed))
    kinds = {type(claim) for claim in certificate.claims}
    assert not kinds & {
        CriticalClaim,
        RankOneClaim,
        IndexClaim,
        GlobalMinimumClaim,
        CollapsedClaim,
        SpuriousClaim,
    }


@pytest.mark.parametrize("tau", [20, 50])
def test_tiny_gradients_are_not_taken_for_zero(tau):
    # at low temperature one turned sample leaves a gradient of 1e-10 or less next to the others
    problem = UFMProblem(class_sizes=(1, 1, 1), dim=3, tau=tau)
    X = collapsed_point(problem)
    angle = 0.01
    turn = np.eye(3)
    turn[:2, :2] = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    X[:, -1] = turn @ X[:, -1]
    assert np.abs(problem.gradient(X)).max() < 1e-8
    certificate = prove_point(instance_of(problem), X)
    assert certificate.find(CriticalClaim) is None
    assert certificate.find(GlobalMinimumClaim) is None


def test_every_sign_pattern_is_critical():
    instance = ExactInstance(classes=2, dim=3, class_sizes=(2, 1), tau=Fraction(3, 2))
    problem = UFMProblem(class_sizes=(2, 1), dim=3, tau="3/2")
    for bits in range(16):
        signs = np.array([[1.0, *(1 - 2.0 * (bits >> i & 1) for i in range(4))]])
        certificate = prove_point(instance, signs)
        assert certificate.find(RankOneClaim) is not None
        index = certificate.find(IndexClaim)
        spectrum = hessian_spectrum(problem, embed(signs, 3), 1)
        if spectrum.nullity:
            assert index is None
        else:
            assert index.index == spectrum.morse_index


def test_collapsed_member_is_near_and_exact():
    instance = ExactInstance(classes=3, dim=4, class_sizes=(2, 2, 2), tau=Fraction(1))
    angles = [0.3, -0.7, 1.1, 0.2, -0.4, 0.9]
    X = np.zeros((4, 9))
    X[0, :3] = 1
    for k in range(3):
        # both samples of a class: opposite beyond the classifier's direction, so that each class sums to zero
        X[:3, 3 + 2 * k] = [math.cos(1), math.sin(1) * math.cos(angles[k]), math.sin(1) * math.sin(angles[k])]
        X[:3, 4 + 2 * k] = [math.cos(1), -X[1, 3 + 2 * k], -X[2, 3 + 2 * k]]
    certificate = prove_point(instance, X)
    claim = certificate.find(CollapsedClaim)
    assert claim is not None
    assert claim.radius < 1e-12
    assert certificate.cost == pytest.approx(math.log(3), rel=2e-13)


def test_collapsed_classifiers_with_other_features_are_no_members():
    instance = ExactInstance(classes=3, dim=4, class_sizes=(1, 1, 1), tau=Fraction(1))
    X = np.zeros((4, 6))
    X[0, :3] = 1
    X[1, 3], X[2, 4], X[3, 5] = 1, 1, 1
    assert prove_point(instance, X).find(CollapsedClaim) is None


def test_members_whose_features_are_orthogonal_to_the_classifier():
    for K in (3, 4):
        instance = ExactInstance(classes=K, dim=K + 1, class_sizes=(1,) * K, tau=Fraction(1))
        X = np.zeros((2, 2 * K))
        X[0, :K] = X[1, K:] = 1
        claim = prove_point(instance, X).find(CollapsedClaim)
        assert claim is not None
        assert claim.radius < 1e-9


def test_local_minimum_in_the_plane_is_spurious():
    problem = UFMProblem(class_sizes=(1, 1, 1), dim=2, tau=12)
    lower = collapsed_point(problem)
    costs = []
    for X in critical_points(problem, 60):
        certificate = prove_point(instance_of(problem), X, lower=lower)
        claim = certificate.find(SpuriousClaim)
        if claim is None:
            continue
        assert certificate.find(IndexClaim).index == 0
        costs.append(certificate.cost)
        assert 0 < claim.margin < certificate.cost - global_minimum(problem)
    assert costs == pytest.approx([0.456902] * len(costs), abs=1e-6)
    assert costs


def test_spurious_needs_a_lower_point():
    problem = UFMProblem(class_sizes=(1, 1, 1), dim=3, tau=1)
    minimum = collapsed_point(problem)
    higher = problem.spheres.random_point(0)
    assert prove_point(instance_of(problem), minimum, lower=higher).find(SpuriousClaim) is None
    assert prove_point(instance_of(problem), minimum, lower=minimum).find(SpuriousClaim) is None


@pytest.mark.parametrize("dim", [2, 3, 6])
def test_gap_is_an_upper_bound(dim):
    problem = UFMProblem(class_sizes=(2, 2, 2), dim=dim, tau="3/2")
    least = global_minimum(problem)
    for seed in range(3):
        X = problem.spheres.random_point(seed)
        claim = prove_gap(instance_of(problem), X).claims[0]
        assert claim.gap >= problem.cost(X) - least
        assert len(claim.shifts) == 9
    assert prove_gap(instance_of(problem), collapsed_point(problem)).claims[0].gap < 1e-12


@pytest.mark.parametrize(
    ("classes", "dim", "applies"),
    [(2, 2, False), (2, 3, True), (3, 2, False), (3, 3, True), (4, 3, True), (5, 3, False), (4, 4, True)],
)
def test_theorem_needs_its_hypotheses(classes, dim, applies):
    instance = ExactInstance(classes=classes, dim=dim, class_sizes=(1,) * classes, tau=Fraction(1))
    certificate = prove_benign(instance)
    assert bool(certificate.claims) is applies
    assert bool(certificate.reason) is not applies


def nearly_flat(relative):
    """K = 2, d = 1 + 1: a point whose Hessian has an eigenvalue of about ``relative`` times the largest."""
    weights = ["1", "1", str(Fraction(relative))]
    return UFMProblem(labels=[0, 1, 1], dim=2, tau=1, weights=weights)


@pytest.mark.parametrize("relative", ["1e-6", "1e-9", "1e-12"])
def test_small_eigenvalues_are_proved(relative):
    problem = nearly_flat(relative)
    signs = np.array([[1.0, -1.0, 1.0, -1.0, -1.0]])
    spectrum = hessian_spectrum(problem, embed(signs, 2), 1)
    assert 0 < spectrum.min_eigenvalue < 2 * float(relative)
    certificate = prove_point(instance_of(problem), signs)
    assert certificate.find(IndexClaim).index == 0


def test_degenerate_points_get_no_index():
    # K = 2 = d with every feature orthogonal to the classifiers: positive semidefinite, with a kernel beyond the orbit
    instance = ExactInstance(classes=2, dim=2, class_sizes=(2, 2), tau=Fraction(5))
    X = np.array([[1.0, 1, 0, 0, 0, 0], [0, 0, 1, -1, 1, -1]])
    certificate = prove_point(instance, X)
    assert certificate.find(IndexClaim) is None
    assert certificate.find(StrictSaddleClaim) is None
    assert certificate.reason


@pytest.mark.parametrize("name", ["balanced", "weighted"])
def test_shipped_counterexamples_are_what_the_script_makes(name, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks" / "studies"), *sys.path])
    import turned

    made = (
        turned.certificate(4, 114, Fraction(18, 5))
        if name == "balanced"
        else turned.weighted_certificate(4, Fraction(15, 4), Fraction(1, 500))
    )
    shipped = read_certificate(ROOT / "tests" / "data" / "certificates" / f"sharpness-{name}.json")
    assert shipped.instance == made.instance
    assert [type(claim) for claim in shipped.claims] == [CriticalClaim, IndexClaim, SpuriousClaim]
    assert shipped.find(IndexClaim).index == 0
    assert shipped.instance.dim == shipped.instance.classes - 1
    assert shipped.cost == pytest.approx(made.cost, rel=1e-12)


def test_shipped_counterexamples_are_minimisers_of_all_samples():
    shipped = read_certificate(ROOT / "tests" / "data" / "certificates" / "sharpness-balanced.json")
    problem = UFMProblem(class_sizes=(114,) * 4, dim=3, tau="18/5")
    X = shipped.point.array
    columns = np.column_stack(
        [X[:, :4], *[np.tile(X[:, 4 + g : 5 + g], b - a) for g, ((a, b),) in enumerate(shipped.point.groups)]]
    )
    columns /= np.linalg.norm(columns, axis=0)
    assert problem.cost(columns) == pytest.approx(0.0371212, abs=1e-7)
    assert problem.cost(columns) > global_minimum(problem) + 0.01
    rng = np.random.default_rng(0)
    for _ in range(20):
        U = rng.standard_normal(columns.shape)
        U -= columns * (columns * U).sum(axis=0)
        assert (U * problem.hessian_product(columns, U)).sum() > 0


@pytest.mark.parametrize("tolerance", [1e-6, 0.0, -1.0])
def test_merged_samples_share_label_weight_and_feature(tolerance):
    rng = np.random.default_rng(0)
    for _ in range(10):
        sizes = tuple(int(n) for n in rng.integers(1, 9, 3))
        N = sum(sizes)
        weights = tuple(Fraction(int(w)) for w in rng.integers(1, 3, N))
        instance = ExactInstance(classes=3, dim=3, class_sizes=sizes, tau=Fraction(1), weights=weights)
        places = rng.standard_normal((3, 3))
        X = np.hstack([rng.standard_normal((3, 3)), places[:, rng.integers(3, size=N)]])
        X[:, 3:] += 1e-9 * rng.random((3, N)) * (rng.random(N) < 0.3)
        alike = [
            [
                instance.label(i) == instance.label(j)
                and weights[i] == weights[j]
                and (i == j or np.abs(X[:, 3 + i] - X[:, 3 + j]).max() <= tolerance)
                for j in range(N)
            ]
            for i in range(N)
        ]
        groups = as_candidate(instance, X, tolerance).groups or tuple(((i, i + 1),) for i in range(N))
        members = [[i for a, b in ranges for i in range(a, b)] for ranges in groups]
        assert members == sorted(members)
        assert sorted(i for group in members for i in group) == list(range(N))
        for group in members:
            assert group == np.flatnonzero(alike[group[0]]).tolist()


@pytest.mark.parametrize(("samples", "found"), [(460, 1), (1100, 0)])
def test_no_dense_matrix_is_made_of_what_a_checker_would_not_take(monkeypatch, samples, found):
    monkeypatch.setattr(Place, "jacobian", None)
    problem = UFMProblem(class_sizes=(samples // 2,) * 2, dim=2, tau=1)
    certificate = prove_point(instance_of(problem), problem.spheres.random_point(0))
    assert "entries are more than the 900" in certificate.reason
    assert len(certificate.claims) == found


def test_lengths_of_columns_do_not_matter():
    problem = UFMProblem(class_sizes=(2, 3), dim=3, tau=2)
    X, rng = problem.spheres.random_point(0), np.random.default_rng(0)
    plain = prove_gap(instance_of(problem), X).claims[0].gap
    for _ in range(5):
        scales = np.ldexp(1.0, rng.integers(-1000, 1000, X.shape[1]))
        assert prove_gap(instance_of(problem), X * scales).claims[0].gap == plain
        assert (
            prove_point(instance_of(problem), X * scales).claims
            == prove_point(instance_of(problem), X).claims
        )
