"""Every loss in certificates: points are proved, and theorems stated where their hypotheses hold."""

import json
from fractions import Fraction

import numpy as np
import pytest
from checker_cases import as_json, critical_points

from sphereufm import UFMProblem
from sphereufm.certify import ExactInstance, prove_benign, prove_gap, prove_point
from sphereufm.certify.checker import check_bytes
from sphereufm.certify.checker.losses import LOSSES

CASES = {
    "cross-entropy": {},
    "cosine-margin": {"margin": Fraction(1, 5)},
    "logit-offsets": {"margin": Fraction(1, 9), "offsets": [["1/2"], ["0"], ["-1/3"]]},
    "arcface": {"margin": Fraction(1, 4), "rounding": Fraction(1, 2)},
    "label-smoothing": {"smoothing": Fraction(1, 10)},
    "focal": {"focusing": Fraction(2)},
    "squared-error": {"own_weight": Fraction(1), "target": Fraction(1)},
    "logistic": {},
}


def problem_of(name, **more):
    parameters = {key: value if key == "offsets" else str(value) for key, value in CASES[name].items()}
    if name == "logit-offsets":
        parameters["offsets"] = [row[0] for row in parameters["offsets"]]
    loss = {"name": "cross-entropy" if name in ("cosine-margin", "logit-offsets") else name, **parameters}
    return UFMProblem(**{"class_sizes": (2, 1, 1), "dim": 4, "tau": "1/2", "loss": loss, **more})


def check(certificate, backend="flint"):
    return check_bytes(json.dumps(as_json(certificate)).encode(), backend)


def test_every_loss_has_a_case():
    assert {name: tuple(loss.parameters) for name, loss in LOSSES.items()} == {
        name: tuple(parameters) for name, parameters in CASES.items()
    }


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
    assert bool(gap.claims) is LOSSES[name].convex
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
        ("logit-offsets", 3, "7", "benign_S"),
        ("arcface", 4, "1", None),
        ("cross-entropy", 3, ["7", "1", "2", "3"], "benign_S"),
        ("squared-error", 4, ["1/2", "9/10", "1/3", "1"], None),
        ("label-smoothing", 3, "1", "benign_smoothed"),
        ("label-smoothing", 3, "200", "benign_smoothed_three"),
        ("label-smoothing", 3, ["1", "1", "5", "1"], None),
        ("label-smoothing", 2, "2", None),
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
        assert f"docs/formal, {formal})" in result.claims[0].text
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


WITNESS = [0, 1, [0], "AQ=="]
ONE_CLASS = [
    [{"type": "rank_one"}, {"type": "index", "index": 0, "witness": [WITNESS]}],
    [{"type": "strict_saddle", "radius": "0", "curvature": "-1", "direction": [["0", "1"]] * 2}],
    [{"type": "rank_one"}, {"type": "global_minimum", "witness": [WITNESS]}],
    [{"type": "gap", "gap": "100", "shifts": ["100", "100"], "witness": [WITNESS]}],
    [{"type": "collapsed", "radius": "1", "target": [], "witness": [None]}],
    [{"type": "least_loss", "radius": "1", "witness": [None]}],
    [{"type": "shared_loss", "radius": "1", "witness": [None]}],
    [{"type": "equal_features", "radius": "1"}],
    [{"type": "frame", "radius": "1", "mirror": ["1"], "sides": ["1"], "witness": [None]}],
]


@pytest.mark.parametrize("backend", ["flint", "integers"])
@pytest.mark.parametrize("name", CASES)
def test_of_one_class_every_claim_is_decided_or_says_what_it_needs(name, backend):
    words = {key: [["1"]] if key == "offsets" else str(value) for key, value in CASES[name].items()}
    instance = {"kind": "ufm", "classes": 1, "dim": 3, "class_sizes": [1], "tau": "1", "weights": None}
    point = {"rank": 1, "columns": [["1"], ["1"]], "groups": None, "scales": [0, 0]}
    file = {"format": "sphereufm-certificate/2", "producer": {"name": "", "version": ""}, "point": point}
    for claims in ONE_CLASS:
        for bias in [{}, {"bias": True}][: 1 + LOSSES[name].convex]:
            exact = instance | {"loss": {"name": name, **words} if words else name} | bias
            result = check_bytes(json.dumps(file | {"instance": exact, "claims": claims}).encode(), backend)
            assert "cannot be evaluated" not in result.claims[-1].text
            # the cost is constant, but for losses whose logits count one by one
            constant = name not in ("squared-error", "logistic") or bias
            assert not (constant and "saddle" in result.row)
