"""Losses in the balls of both sides: values, slopes and curvatures agree, and points of each are proved."""

import json
from fractions import Fraction

import numpy as np
import pytest
from checker_cases import as_json, critical_points

from sphereufm import UFMProblem
from sphereufm.certify import ExactInstance, loss_balls, prove_benign, prove_gap, prove_point
from sphereufm.certify.checker import check_bytes, losses
from sphereufm.certify.checker.arithmetic import Arb
from sphereufm.certify.checker.integers import Integers
from sphereufm.certify.instances import LOSSES

CASES = {
    "cross-entropy": {},
    "cosine-margin": {"margin": Fraction(1, 5)},
    "label-smoothing": {"smoothing": Fraction(1, 10)},
    "focal": {"focusing": Fraction(2)},
    "squared-error": {"own_weight": Fraction(1), "target": Fraction(1)},
    "logistic": {},
}


def problem_of(name, **more):
    parameters = {key: str(value) for key, value in CASES[name].items()}
    loss = {"name": "cross-entropy" if name == "cosine-margin" else name, **parameters}
    return UFMProblem(**{"class_sizes": (2, 1, 1), "dim": 4, "tau": "1/2", "loss": loss, **more})


def check(certificate, backend="flint"):
    return check_bytes(json.dumps(as_json(certificate)).encode(), backend)


def test_all_sides_know_the_same_losses():
    known = {name: tuple(loss.parameters) for name, loss in losses.LOSSES.items()}
    assert known == LOSSES == {name: tuple(parameters) for name, parameters in CASES.items()}
    convex = {name: loss.convex for name, loss in losses.LOSSES.items()}
    assert convex == {name: loss.convex for name, loss in loss_balls.LOSSES.items()}


@pytest.mark.parametrize("backend", [Arb, Integers])
@pytest.mark.parametrize("name", CASES)
def test_a_node_has_the_slopes_and_curvatures_of_its_value(name, backend):
    rng, loss, B = np.random.default_rng(1), losses.LOSSES[name], backend(128)
    with B:
        for scale in (1.0, 8.0):
            z, tau = [B.number(float(x)) for x in scale * rng.standard_normal(4)], B.number(2)
            h = B.dyadic(1, -30)
            value, slopes, curvatures = loss.node(B, z, 2, tau, CASES[name])
            C = curvatures()
            for k in range(4):
                moved = [x + h if l == k else x for l, x in enumerate(z)]
                there, after, _ = loss.node(B, moved, 2, tau, CASES[name])
                # second-order remainders are far below 1e-6 here
                assert abs(B.real((there - value) / h) - B.real(slopes[k])) < 1e-6
                for l in range(4):
                    curvature = B.real(C[l, k]) if (l, k) in C else 0.0
                    assert abs(B.real((after[l] - slopes[l]) / h) - curvature) < 1e-6


@pytest.mark.parametrize("name", CASES)
def test_a_node_over_a_box_contains_its_points(name):
    rng, loss, B = np.random.default_rng(2), losses.LOSSES[name], Arb(128)
    with B:
        for tau in (1, 60):
            z = tau * rng.standard_normal(3)
            box = [B.around(B.number(float(x)), B.dyadic(1, -7)) for x in z]
            wide, slopes, curvatures = loss.node(B, box, 0, B.number(tau), CASES[name])
            C = curvatures()
            for _ in range(5):
                inside = [B.number(float(x)) for x in z + rng.uniform(-1, 1, 3) / 129]
                value, exact, bends = loss.node(B, inside, 0, B.number(tau), CASES[name])
                assert wide.overlaps(value)
                assert all(a.overlaps(b) for a, b in zip(slopes, exact, strict=True))
                assert all(C[pair].overlaps(x) for pair, x in bends().items())


@pytest.mark.parametrize("name", CASES)
def test_points_of_every_loss_are_proved_and_accepted(name):
    problem = problem_of(name)
    instance = ExactInstance.from_problem(problem)
    proved = 0
    for X in critical_points(problem, 3, 8):
        certificate = prove_point(instance, X)
        if certificate.claims and not certificate.reason:
            result = check(certificate)
            assert result.status == "PROVED", result
            assert name in result.instance
            proved += 1
            other = as_json(certificate)
            other["instance"]["loss"] = "logistic" if name != "logistic" else "cross-entropy"
            kinds = {claim["type"] for claim in other["claims"]}
            if "critical" in kinds:
                assert check_bytes(json.dumps(other).encode()).status != "PROVED"
    assert proved
    gap = prove_gap(instance, problem.spheres.random_point(3))
    assert bool(gap.claims) is losses.LOSSES[name].convex
    if gap.claims:
        assert check(gap).status == "PROVED"


def test_where_the_loss_is_not_convex_the_multiplier_matrix_says_nothing():
    convex = as_json(prove_gap(ExactInstance.from_problem(problem_of("cross-entropy")), np.eye(4, 7) + 0.1))
    convex["instance"]["loss"] = {"name": "focal", "focusing": "0"}
    assert check_bytes(json.dumps(convex).encode()).status == "UNDECIDED"


@pytest.mark.parametrize(
    ("name", "dim", "tau", "formal"),
    [
        ("cross-entropy", 3, "7", "benign_S"),
        ("cosine-margin", 3, "7", "benign_S"),
        ("label-smoothing", 3, "1", "benign_smoothed"),
        ("label-smoothing", 3, "2", None),
        ("logistic", 4, "7", "benign_one_against_all"),
        ("logistic", 3, "7", None),
        ("squared-error", 4, "9/10", "benign_squared"),
        ("squared-error", 4, "1", None),
        ("focal", 9, "1", None),
    ],
)
def test_every_theorem_is_stated_where_its_hypotheses_hold(name, dim, tau, formal):
    instance = ExactInstance.from_problem(problem_of(name, dim=dim, tau=tau))
    certificate = prove_benign(instance)
    assert bool(certificate.claims) is (formal is not None)
    if formal is not None:
        result = check(certificate)
        assert result.status == "PROVED"
        assert f"`{formal}`" in result.claims[0].text
    other = as_json(prove_benign(ExactInstance(classes=2, dim=3, class_sizes=(1, 1), tau=Fraction(1))))
    other["instance"] = as_json(certificate)["instance"]
    if formal != "benign_S":
        assert check_bytes(json.dumps(other).encode()).status == "UNDECIDED"


@pytest.mark.parametrize(("target", "stated"), [("2", True), ("3/2", False)])
def test_squared_error_is_benign_below_its_target(target, stated):
    loss = {"name": "squared-error", "own_weight": "5", "target": target}
    certificate = prove_benign(ExactInstance.from_problem(problem_of("squared-error", tau="3/2", loss=loss)))
    assert bool(certificate.claims) is stated
    content = as_json(certificate)
    content["claims"] = [{"type": "benign", "theorem": "C", "formal": "benign_squared"}]
    assert check_bytes(json.dumps(content).encode()).status == ("PROVED" if stated else "UNDECIDED")
