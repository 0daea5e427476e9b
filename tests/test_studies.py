"""Studies in ``benchmarks/studies``: the branch of spurious minimisers at ``d = K - 1``, its edge, its certificates."""

import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from sphereufm.certify import IndexClaim, SpuriousClaim, StrictSaddleClaim, read_certificate
from sphereufm.certify.checker import check_bytes, check_file
from sphereufm.certify.json_format import certificate_to_json
from sphereufm.geometry.spheres import project

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ROOT / "tests" / "data" / "certificates"
MORE = SHIPPED.with_name("counterexamples")
TABLES = ROOT / "benchmarks" / "studies" / "phase_diagram"


@pytest.fixture
def turned(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks" / "studies"))
    import turned

    return turned


@pytest.fixture
def edge(turned):
    import edge

    return edge


@pytest.mark.parametrize(("K", "tau", "n"), [(3, 2.5, 20.5), (4, 3.6, 114), (5, 6.0, 50)])
def test_points_of_the_branch_are_critical(turned, K, tau, n):
    problem, X = turned.merged_problem(K, tau, 1 / n), turned.branch_point(K, tau, n)
    assert np.abs(problem.gradient(X)).max() < 1e-12
    assert problem.weights[-1] * K * n == pytest.approx(1.0)
    # not the simplex frame that it starts from
    assert X[:, 0] @ X[:, 1] != pytest.approx(-1 / (K - 1), abs=1e-4)


def test_the_edge_separates_minimisers_from_saddles(turned):
    end = turned.end_of_branch(4, 3.6)
    assert (end.kind, end.kernel) == ("symmetry", 2)
    assert end.per_class == pytest.approx(98.813, abs=1e-3)
    for n, negative in ((end.per_class * 1.001, False), (end.per_class * 0.999, True)):
        problem, X = turned.merged_problem(4, 3.6, 1 / n), turned.branch_point(4, 3.6, n)
        assert bool(least_curvature(problem, X) < 0) is negative


def least_curvature(problem, X):
    """Least eigenvalue on the horizontal space, from Hessian-vector products alone: all but the three of the orbit."""
    identity = np.eye(X.size).reshape(-1, *X.shape)
    tangent = np.linalg.svd(project(X, identity).reshape(len(identity), -1))[2][: X.size - X.shape[1]]
    hessian = np.array([problem.hessian_product(X, v.reshape(X.shape)).ravel() for v in tangent]) @ tangent.T
    values = np.linalg.eigvalsh(0.5 * (hessian + hessian.T))
    return values[0] if values[0] < -1e-9 else values[3]


def test_no_branch_of_minimisers_begins_at_or_below_its_threshold(turned):
    assert turned.end_of_branch(4, 2.9) is None


def test_both_sides_of_the_edge_are_proved(turned):
    tau = Fraction(503, 200)
    above, below = turned.certificate(3, 16, tau), turned.certificate(3, 15, tau)
    assert above.find(IndexClaim).index == 0
    assert above.find(SpuriousClaim) is not None
    assert below.find(StrictSaddleClaim) is not None
    for made in (above, below):
        assert check_bytes(certificate_to_json(made).encode()).status == "PROVED"


def test_the_general_continuation_ends_at_the_same_place(edge):
    window = edge.window(3, 16, Fraction(5, 2))
    assert window.kinds == ("bifurcation", "bifurcation")
    assert window.tau_from == pytest.approx(2.36664, abs=1e-4)
    assert window.tau_to == pytest.approx(2.70491, abs=1e-4)
    assert window.largest_deviation < 1e-6


@pytest.mark.parametrize("K", [3, 4, 5, 6])
def test_shipped_edges_are_accepted_and_are_those_of_the_table(K):
    place = SHIPPED / f"edge-K{K}.json"
    assert check_file(place).row == "spurious local minimiser"
    shipped = read_certificate(place)
    rows = [row for row in json.loads((TABLES / "edge.json").read_text())["edges"] if row["classes"] == K]
    least = min(rows, key=lambda row: row["edge"])
    assert shipped.instance.class_sizes == (least["proved"],) * K
    assert shipped.instance.tau == Fraction(least["tau"])
    assert shipped.instance.dim == K - 1
    assert least["proved"] == math.ceil(least["edge"])
    assert shipped.cost == pytest.approx(least["cost"], rel=1e-9)


def test_one_sample_fewer_is_a_proved_saddle():
    shipped = read_certificate(SHIPPED / "edge-K4-below.json")
    assert shipped.instance.class_sizes == (98,) * 4
    assert check_file(SHIPPED / "edge-K4-below.json").row == "strict saddle"


def test_few_samples_are_counted_exactly(turned):
    import few_samples

    row = few_samples.search(4, 1, "3", 24)
    assert (row.descents, row.converged, row.above, row.minimisers) == (24, 24, 0, 0)


def test_ends_above_the_minimum_are_named(turned):
    import few_samples

    row = few_samples.search(3, 1, "14", 40)  # in the plane there are spurious minimisers
    assert row.above == row.minimisers == row.proved > 0


@pytest.fixture
def minority(turned):
    import minority

    return minority


@pytest.fixture
def simplex_products(turned):
    import simplex_products

    return simplex_products


def test_one_sample_of_a_light_class_is_trapped_from_its_threshold_on(minority):
    assert minority.threshold(4) == pytest.approx(2.226, abs=1e-4)
    assert minority.smallest(4, Fraction(29, 10)) == 47
    problem, X = minority.trapped_point(4, Fraction(29, 10), 47)
    assert float(problem.cost(X)) == pytest.approx(0.0840567350, abs=1e-9)
    assert np.abs(problem.gradient(X)).max() < 1e-11


def test_both_sides_of_the_smallest_class_size_are_proved(minority):
    above, below = (minority.certificate(4, Fraction(29, 10), n) for n in (47, 46))
    assert above.find(SpuriousClaim) is not None
    assert below.find(SpuriousClaim) is None
    for made in (above, below):
        assert check_bytes(certificate_to_json(made).encode()).status == "PROVED"


def test_the_table_of_light_classes_is_proved_on_both_sides(minority):
    table = json.loads((TABLES / "minority.json").read_text(encoding="utf-8"))
    assert len(table) == len(minority.CLASSES) * len(minority.RATIOS)
    for line in table:
        assert (line["proved"], line["below"]) == ("spurious minimiser", "strict saddle")
        assert line["cost"] > line["least"]
    first = table[0]
    assert minority.smallest(first["classes"], Fraction(first["tau"])) == first["smallest"]


def test_sums_of_simplices_are_critical_with_their_cost_in_closed_form(simplex_products):
    for split in ((2, 3), (3, 3), (2, 2, 3)):
        problem, X = simplex_products._problem(split, 2.5), simplex_products.point(split)
        assert np.abs(problem.gradient(X)).max() < 1e-14
        assert float(problem.cost(X)) == pytest.approx(simplex_products.cost(split, 2.5), rel=1e-12)
    assert simplex_products.crossing((2, 4), (3, 3)) == [pytest.approx(1.97006, abs=1e-5)]


def test_the_dearer_of_two_sums_is_a_proved_spurious_minimiser(simplex_products):
    assert simplex_products.cost((2, 4), 1.0) == pytest.approx(0.937284, abs=1e-6)
    assert simplex_products.proved((2, 4), Fraction(1)) == "spurious minimiser"
    assert simplex_products.proved((3, 3), Fraction(1)) == "local minimiser"


@pytest.mark.parametrize(
    ("name", "loss", "lower"),
    [
        ("squared-error-K3", "squared-error", 0.005),
        ("logistic-K4", "logistic", 0.80957),
        ("minority-K4", "cross-entropy", 0.0553814),
        ("threshold-K4", "cross-entropy", 0.12554),
        ("threshold-K6", "cross-entropy", 0.0286),
        ("threshold-K8", "cross-entropy", 0.005),
        ("found-focal-K3-d2", "focal", 0.0),
        ("found-label-smoothing-K4-d3", "label-smoothing", 0.0),
        ("found-arcface-K4-d4", "arcface", 0.0),
        ("found-margin-K3-d2", "cosine-margin", 0.0),
        ("sum-of-simplices-K6", "cross-entropy", 0.936054),
    ],
)
def test_counterexamples_just_outside_the_theorems_are_proved(name, loss, lower):
    folder = SHIPPED if (SHIPPED / f"{name}.json").exists() else MORE
    path = folder / f"{name}.json"
    certificate, result = read_certificate(path), check_file(path)
    assert (result.status, result.row) == ("PROVED", "spurious local minimiser")
    assert certificate.instance.loss == loss
    assert certificate.cost > lower


def test_the_five_light_samples_are_critical_where_the_sixth_class_can_rest():
    """Label smoothing above its threshold: near the exact point the least feature of class 6 is shorter than one."""
    certificate, result = (
        read_certificate(MORE / "smoothing-rest-K6.json"),
        check_file(MORE / "smoothing-rest-K6.json"),
    )
    assert (result.status, result.row) == ("PROVED", "strict saddle")
    assert certificate.claims[0].radius < Fraction(1, 10**12)
    W = certificate.point.array[:, :6]
    lead = np.log(1 + 6 * 0.99 / 0.01) / 6.8
    a = np.linalg.lstsq((W[:, [5]] - W[:, :5]).T, np.full(5, lead), rcond=None)[0]
    np.testing.assert_allclose((W[:, [5]] - W[:, :5]).T @ a, lead, rtol=1e-9)
    assert np.linalg.norm(a) < 0.99
