"""What the provers make, the independent checker accepts; what they do not claim, no file proves."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from sphereufm import UFMProblem, simplex_etf
from sphereufm.certify import (
    ExactInstance,
    IndexClaim,
    StrictSaddleClaim,
    prove_gap,
    prove_point,
)
from sphereufm.certify.checker import check_bytes, check_file
from sphereufm.certify.expressions import fourth_powers, max_cut, thomson
from sphereufm.certify.json_format import certificate_to_json
from sphereufm.landscape.points import CriticalPointKind, LandscapeVerdict, Status
from sphereufm.landscape.proofs import prove_landscape
from sphereufm.landscape.search.squared_gradient import find_critical_points
from sphereufm.landscape.verify import verify_landscape
from sphereufm.spectra.spectrum import hessian_spectrum

CERTIFICATES = Path(__file__).resolve().parents[1] / "data" / "certificates"


def check(certificate):
    return check_bytes(certificate_to_json(certificate).encode())


@pytest.mark.parametrize("name", ["balanced", "weighted"])
def test_shipped_counterexamples_are_accepted(name):
    result = check_file(CERTIFICATES / f"sharpness-{name}.json")
    assert (result.status, result.row) == ("PROVED", "spurious local minimiser")


TETRAHEDRON = np.array([[1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]]) / np.sqrt(3)
SQUARE = np.array([[1.0, 0, -1, 0], [0, 1, 0, -1], [0, 0, 0, 0]])
TRIANGLE = [[0, 1, 1], [0, 0, 1], [0, 0, 0]]
CYCLE = [[-1 if abs(i - j) in (1, 7) else 0 for j in range(8)] for i in range(8)]


def winding(k):
    angles = 2 * np.pi * k * np.arange(8) / 8
    return np.array([np.cos(angles), np.sin(angles)])


@pytest.mark.parametrize(
    ("instance", "X", "lower", "row"),
    [
        (thomson(4), TETRAHEDRON, None, "global minimiser"),
        (thomson(4), SQUARE, None, "strict saddle"),
        (fourth_powers(3), [[1], [0], [0]], None, "local minimiser"),
        (fourth_powers(3), [[1], [1], [0]], None, "strict saddle"),
        (max_cut(TRIANGLE, 2), [[1, 1, -1], [0, 0, 0]], None, "strict saddle"),
        (max_cut(CYCLE, 2), winding(1), winding(0), "spurious local minimiser"),
        (max_cut(CYCLE, 2), winding(0), winding(1), "global minimiser"),
    ],
    ids=["tetrahedron", "square", "axis", "diagonal", "cut", "twisted", "synchronised"],
)
def test_expressions_are_accepted(instance, X, lower, row):
    result = check(prove_point(instance, X, lower=lower))
    assert (result.status, result.row) == ("PROVED", row)


def test_false_claims_are_not_accepted():
    problem = UFMProblem(class_sizes=(1, 1, 1), dim=3, tau=1)
    instance = ExactInstance.from_problem(problem)
    saddle = prove_point(instance, np.array([[1.0, 1, -1, 1, 1, 1]]))
    assert check(saddle).status == "PROVED"
    for change in (1, -1):
        claims = tuple(
            replace(c, index=c.index + change) if isinstance(c, IndexClaim) else c for c in saddle.claims
        )
        assert check(replace(saddle, claims=claims)).status != "PROVED"
    steeper = tuple(
        replace(c, curvature=2 * c.curvature) if isinstance(c, StrictSaddleClaim) else c
        for c in saddle.claims
    )
    assert check(replace(saddle, claims=steeper)).status != "PROVED"
    gap = prove_gap(instance, problem.spheres.random_point(0))
    assert check(gap).claims[0].status == "PROVED"
    tighter = replace(gap, claims=(replace(gap.claims[0], gap=gap.claims[0].gap * Fraction(1, 2)),))
    assert check(tighter).claims[0].status != "PROVED"


@pytest.mark.parametrize("relative", ["1e-6", "1e-9", "1e-12"])
def test_small_eigenvalues_are_accepted(relative):
    weights = ["1", "1", str(Fraction(relative))]
    problem = UFMProblem(labels=[0, 1, 1], dim=2, tau=1, weights=weights)
    certificate = prove_point(ExactInstance.from_problem(problem), np.array([[1.0, -1.0, 1.0, -1.0, -1.0]]))
    assert certificate.find(IndexClaim).index == 0
    assert check(certificate).status == "PROVED"


def test_every_row_of_three_classes_is_proved():
    report = prove_landscape(verify_landscape(UFMProblem(class_sizes=(1, 1, 1), dim=4, tau=1), starts=60))
    assert {entry.status for entry in report.critical} == {Status.PROVED}
    assert (report.verdict, report.proofs.basis_status) == (LandscapeVerdict.BENIGN, "BY_THEOREM")


def test_counterexample_in_the_plane_is_proved():
    report = prove_landscape(verify_landscape(UFMProblem(class_sizes=(1, 1, 1), dim=2, tau=12), starts=150))
    (row,) = [e for e in report.critical if e.kind is CriticalPointKind.SPURIOUS_LOCAL_MINIMUM]
    assert (row.status, round(row.cost, 6)) == (Status.PROVED, 0.456902)
    assert (report.verdict, report.proofs.basis_status) == (LandscapeVerdict.NOT_BENIGN, "PROVED")


def near_bifurcation(excess):
    """The sample turned around at K = 3, d = 2: its eigenvalue vanishes at tau = 2.0212576 and grows with tau."""
    tau = Fraction(555599071235, 274877906944) + excess
    problem = UFMProblem(labels=(0, 1, 2, 2), classes=3, dim=2, tau=tau, weights=["1", "1", "1", "1/100"])
    W = simplex_etf(3, 2)
    X = np.concatenate([W, W[:, (0, 1, 2, 2)]], axis=1)
    X[:, -1] *= -1
    X = find_critical_points(problem, X[None], tolerance=1e-13, max_iterations=300).X[0]
    eigenvalues = hessian_spectrum(problem, X, 2).eigenvalues
    return ExactInstance.from_problem(problem), X, np.abs(eigenvalues).min() / np.abs(eigenvalues).max()


@pytest.mark.parametrize(("exponent", "bits"), [(24, 128), (30, 128), (44, 256)])
def test_small_eigenvalues_next_to_a_bifurcation_are_proved(exponent, bits):
    # relative eigenvalues of 9e-10, 1e-11 and 2e-15, where the precision has to rise; floats resolve the first alone
    instance, X, relative = near_bifurcation(Fraction(1, 2**exponent))
    assert relative < max(0.03 * 2.0**-exponent, 1e-11)
    certificate = prove_point(instance, X)
    assert certificate.find(IndexClaim).index == 0
    assert certificate.precision == bits
    assert prove_point(instance, X, max_precision=bits // 2).find(IndexClaim) is None
    # the checker rises by itself as well: the hint may be missing
    assert check(replace(certificate, precision=None)).status == "PROVED"


def test_both_sides_of_the_bifurcation_differ():
    instance, X, _ = near_bifurcation(-Fraction(1, 2**24))
    certificate = prove_point(instance, X)
    assert certificate.find(IndexClaim).index == 1
    assert check(certificate).status == "PROVED"
