"""Degenerate points in the plane: no strict saddle, no global minimiser, and proved to be neither."""

import json
from fractions import Fraction

import numpy as np
import pytest
from checker_cases import as_json, instance_of

from sphereufm import UFMProblem, collapsed_point, hessian_matrix
from sphereufm.certify import DegenerateClaim, ExactInstance, prove_point
from sphereufm.certify.checker import check_bytes
from sphereufm.problem.theory.known_points import orthogonal_collapsed_point


def check(data, backend="flint"):
    return check_bytes(json.dumps(data).encode(), backend)


def certificate_of(problem, X=None, lower=None):
    X = orthogonal_collapsed_point(problem) if X is None else X
    return prove_point(instance_of(problem), X, lower=collapsed_point(problem) if lower is None else lower)


@pytest.mark.parametrize(("sizes", "tau"), [((1, 1), 1), ((2, 2), 5), ((1, 1, 1), "1/2"), ((2, 2, 2), 12)])
@pytest.mark.parametrize("backend", ["flint", "integers"])
def test_degenerate_points_of_the_plane_are_proved(sizes, tau, backend):
    problem = UFMProblem(class_sizes=sizes, dim=2, tau=tau)
    certificate = certificate_of(problem)
    assert certificate.find(DegenerateClaim).margin > 0
    result = check(as_json(certificate), backend)
    assert result.status == "PROVED"
    assert "neither a strict saddle nor a global minimiser" in result.row
    # the oracle: the Hessian has no negative eigenvalue there
    values = np.linalg.eigvalsh(hessian_matrix(problem, orthogonal_collapsed_point(problem)))
    assert values.min() > -1e-12
    assert problem.cost(collapsed_point(problem)) < np.log(problem.classes) - 1e-3


def test_it_is_found_near_by_and_rotated():
    problem = UFMProblem(class_sizes=(2, 2), dim=2, tau=5)
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    near = turn @ orthogonal_collapsed_point(problem) + 1e-9
    assert certificate_of(problem, near / np.linalg.norm(near, axis=0)).find(DegenerateClaim) is not None


def test_signs_may_differ_as_long_as_class_sums_agree():
    problem = UFMProblem(class_sizes=(2, 2), dim=2, tau=5)
    X = orthogonal_collapsed_point(problem)
    X[1, [3, 5]] = -1.0
    assert check(as_json(certificate_of(problem, X))).status == "PROVED"
    X[1, 5] = 1.0
    assert certificate_of(problem, X).find(DegenerateClaim) is None


def test_unequal_class_sums_are_refuted():
    data = as_json(certificate_of(UFMProblem(class_sizes=(2, 2), dim=2, tau=5)))
    data["instance"]["weights"] = ["1", "1", "1", "2"]
    data["point"]["groups"] = None
    data["point"]["columns"] = [["1", "0"]] * 2 + [["0", "1"]] * 4
    data["point"]["scales"] = data["claims"][0]["lower_point"]["scales"] = [0] * 6
    data["claims"][0]["lower_point"]["groups"] = None
    lower = data["claims"][0]["lower_point"]["columns"]
    data["claims"][0]["lower_point"]["columns"] = [*lower[:2], lower[2], lower[2], lower[3], lower[3]]
    result = check(data)
    assert (result.status, result.claims[0].status) == ("REFUTED", "REFUTED")
    for smoothing, status in (("9/10", "REFUTED"), ("1", "UNDECIDED"), ("2", "REFUTED")):
        # one leaves no slopes, so that the point is critical whatever the sums
        data["instance"]["loss"] = {"name": "label-smoothing", "smoothing": smoothing}
        assert check(data).claims[0].status == status


@pytest.mark.parametrize("change", ["dimension", "entry", "margin", "classifier"])
def test_what_does_not_fit_the_lemma_is_not_proved(change):
    data = as_json(certificate_of(UFMProblem(class_sizes=(1, 1), dim=2, tau=1)))
    if change == "dimension":
        data["instance"]["dim"] = 3
    elif change == "entry":
        data["point"]["columns"][2] = ["1@-60", "1"]
    elif change == "margin":
        data["claims"][0]["margin"] = "16"
    else:
        data["point"]["columns"][1] = ["-1", "0"]
    assert check(data).status == "UNDECIDED"


def test_a_higher_point_refutes():
    problem = UFMProblem(class_sizes=(1, 1), dim=2, tau=1)
    data = as_json(certificate_of(problem))
    high = [["1", "0"], ["-1", "0"], ["-1", "0"], ["1", "0"]]
    data["claims"][0]["lower_point"] = {"rank": 2, "columns": high, "groups": None, "scales": [0] * 4}
    assert check(data).status == "REFUTED"


def test_the_prover_needs_equal_sums_of_weights():
    instance = ExactInstance(
        classes=2, dim=2, class_sizes=(1, 1), tau=Fraction(1), weights=(Fraction(1, 3), Fraction(2, 3))
    )
    X = np.array([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]])
    lower = np.array([[1.0, -1.0, 1.0, -1.0], [0.0, 0.0, 0.0, 0.0]])
    assert prove_point(instance, X, lower=lower).find(DegenerateClaim) is None
