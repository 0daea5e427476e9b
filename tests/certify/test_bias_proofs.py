"""Proofs with a free bias: the best bias is a node of the calculus, tested against minimising by floats."""

import json
from fractions import Fraction

import numpy as np
import pytest

from sphereufm import UFMProblem, solve
from sphereufm.certify import ExactInstance, prove_benign, prove_gap, prove_point
from sphereufm.certify.checker import check_bytes
from sphereufm.certify.checker.kernel import CheckError
from sphereufm.certify.json_format import certificate_from_json, certificate_to_json
from sphereufm.certify.prove.attempts import place, precision
from sphereufm.certify.prove.candidate import exact_columns
from sphereufm.errors import InvalidInputError

LOSSES = [
    "cross-entropy",
    {"name": "cross-entropy", "margin": "0.3", "offsets": ["0", "1/2", "-1"]},
    {"name": "label-smoothing", "smoothing": "0.1"},
    "logistic",
    "squared-error",
]


def instance_of(loss="cross-entropy", sizes=(1, 2, 1), dim=4, tau=1, **given):
    problem = UFMProblem(class_sizes=sizes, dim=dim, tau=tau, loss=loss, bias=True, **given)
    return problem, ExactInstance.from_problem(problem)


def checked(certificate, backend="flint", **changed):
    document = json.loads(certificate_to_json(certificate))
    document["instance"] |= changed
    if changed.get("bias") is None and "bias" in changed:
        del document["instance"]["bias"]
    return check_bytes(json.dumps(document).encode(), backend)


@pytest.mark.parametrize("loss", LOSSES, ids=["plain", "shifted", "smoothing", "logistic", "squared"])
@pytest.mark.parametrize("tau", [1, [1, 3, "1/2"]], ids=["one", "several"])
def test_cost_gradient_and_hessian_enclose_those_of_floats(loss, tau):
    problem, instance = instance_of(loss, tau=tau, weights=[1, 2, "1/3", 1])
    X, U = problem.spheres.random_point(1), np.random.default_rng(2).normal(size=problem.shape)
    U -= X * (X * U).sum(axis=0)
    at = problem.at(X)
    with precision(128) as B:
        e = place(B, instance, exact_columns(X), None).around(Fraction(0)).unit
        flat = [B.number(x) for x in U.T.ravel()]
        form = float(
            sum(
                a * sum(h * b for h, b in zip(row, flat, strict=True))
                for a, row in zip(flat, e.hessian, strict=True)
            )
        )
        tangential = np.array([[float(x) for x in column] for column in e.tangential]).T
    assert float(e.cost) == pytest.approx(float(at.cost), rel=1e-12)
    np.testing.assert_allclose(tangential, at.gradient, atol=1e-12)
    assert form == pytest.approx(float((U * at.hessian_product(U)).sum()), rel=1e-9)


@pytest.mark.parametrize("loss", [LOSSES[i] for i in (0, 2, 3)], ids=["plain", "smoothing", "logistic"])
def test_minimisers_are_proved_by_both_arithmetics(loss):
    problem, instance = instance_of(loss, dim=3, tau="2/3")
    X = solve(problem, rng=0).X
    certificate = prove_point(instance, X)
    for backend in ("flint", "integers"):
        result = checked(certificate, backend)
        assert (result.status, result.row) == ("PROVED", "global minimiser")
        assert "a free bias" in result.instance
    # another cost without it: the same claims are not accepted
    assert checked(certificate, bias=None).status != "PROVED"
    assert certificate_from_json(certificate_to_json(certificate)) == certificate
    gap = prove_gap(instance, problem.spheres.random_point(3))
    assert checked(gap).row == "optimality gap"
    assert gap.claims[0].gap >= float(problem.cost(problem.spheres.random_point(3)) - problem.cost(X)) - 1e-12


def test_equal_samples_are_split_with_the_bias_at_rest():
    problem, instance = instance_of(sizes=(3, 1, 1), dim=3)
    X = solve(problem, rng=0).X
    certificate = prove_point(instance, X)
    assert certificate.point.groups is not None
    apart = prove_point(instance, X, max_precision=128)
    assert checked(certificate).row == checked(apart).row == "global minimiser"


def test_only_the_theorem_with_a_bias_makes_such_an_instance_benign():
    for loss in ("cross-entropy", "logistic"):
        for dim in (3, 4):
            certificate = prove_benign(instance_of(loss, dim=dim)[1])
            assert [claim.formal for claim in certificate.claims] == (
                ["benign_bias"] if loss == "cross-entropy" else []
            )
    certificate = prove_benign(instance_of(dim=3)[1])
    assert checked(certificate).status == "PROVED"
    assert checked(certificate, bias=None).status == checked(certificate, dim=2).status == "UNDECIDED"


@pytest.mark.parametrize(
    ("changed", "message"), [({"loss": "focal"}, "convex"), ({"class_sizes": (2, 0, 1)}, "class")]
)
def test_a_bias_without_a_minimum_is_refused(changed, message):
    with pytest.raises(InvalidInputError, match=message):
        ExactInstance(
            **{"classes": 3, "dim": 3, "class_sizes": (1, 1, 1), "tau": Fraction(1), "bias": True, **changed}
            | ({"parameters": (("focusing", Fraction(2)),)} if changed.get("loss") else {})
        )


# --- families


def split_classifiers(sizes, dim=4, angle=0.7):
    """Equal features, classifiers on both sides of one normal vector."""
    sides = np.where(np.arange(len(sizes)) % 2, -1.0, 1.0)
    W = np.vstack([sides * np.cos(angle), np.full(len(sizes), np.sin(angle))])
    X = np.hstack([W, np.eye(2, 1) @ np.ones((1, sum(sizes)))])
    return np.linalg.qr(np.random.default_rng(0).normal(size=(dim, dim)))[0][:, :2] @ X


@pytest.mark.parametrize("loss", LOSSES[:1] + LOSSES[2:], ids=["plain", "smoothing", "logistic", "squared"])
@pytest.mark.parametrize("sizes", [(1, 1, 1), (3, 1, 1)], ids=["equal", "unequal"])
def test_equal_features_at_the_best_bias_are_critical(loss, sizes):
    problem, instance = instance_of(loss, sizes)
    X = split_classifiers(sizes)
    assert np.abs(problem.gradient(X)).max() < 1e-12
    certificate = prove_point(instance, X)
    result = checked(certificate)
    assert (result.row, certificate.claims[0].radius > 0) == ("strict saddle", True)
    assert checked(certificate, bias=None).status == "UNDECIDED"
    assert checked(certificate, tau=[*["1"] * (sum(sizes) - 1), "2"]).status == "UNDECIDED"


def test_collapsed_classifiers_see_offsets():
    problem = UFMProblem(
        class_sizes=(1, 1, 1), dim=4, tau=2, loss={"name": "cross-entropy", "offsets": ["0", "1", "1/2"]}
    )
    pi = np.exp([0.0, 1.0, 0.5])
    X = np.eye(4, 1) @ np.ones((1, 6))
    # sums of the classes that are their shares of a whole
    X[1, 3:] = 0.3 * pi / pi.max()
    X[0, 3:] = np.sqrt(1.0 - X[1, 3:] ** 2)
    assert np.abs(problem.gradient(X)).max() < 1e-12
    certificate = prove_point(ExactInstance.from_problem(problem), X)
    assert checked(certificate).row == "member of the collapsed family, a strict saddle"
    moved = json.loads(certificate_to_json(certificate))["instance"]["loss"]
    moved["offsets"][0] = ["1/10"]
    assert checked(certificate, loss=moved).status == "UNDECIDED"


@pytest.mark.parametrize("sizes", [(2, 2, 2), (3, 1, 2)])
def test_collapsed_classifiers_see_the_class_weights_through_the_bias(sizes):
    problem, instance = instance_of("cross-entropy", sizes)
    rng = np.random.default_rng(4)
    # every class has the same mean normal part
    H = np.zeros((4, sum(sizes)))
    H[1] = 0.3
    H[2, :2], H[0] = (0.2, -0.2), 0.0
    H[3] = 0.0
    H[0] = np.sqrt(1 - (H**2).sum(axis=0)) * rng.choice([-1.0, 1.0], sum(sizes))
    X = np.hstack([np.eye(4, 1) @ np.ones((1, 3)), H])
    assert np.abs(problem.gradient(X)).max() < 1e-12
    certificate = prove_point(instance, X)
    assert [claim["type"] for claim in json.loads(certificate_to_json(certificate))["claims"]] == [
        "collapsed"
    ]
    assert checked(certificate).status == "PROVED"
    if sizes[0] == 3:
        assert checked(certificate, bias=None).status == "UNDECIDED"
    # exactly as stored, in both arithmetics and without a witness
    document = json.loads(certificate_to_json(certificate))
    document["point"]["columns"] = [["1", "0"]] * (3 + len(document["point"]["columns"][3:]))
    document["point"]["rank"] = 2
    document["claims"] = [{"type": "collapsed", "radius": "1/8", "target": ["0"], "witness": [None] * 3}]
    for backend in ("flint", "integers"):
        assert check_bytes(json.dumps(document).encode(), backend).status == "PROVED"
    # a softmax that no bias reaches: the cost falls without bound
    with pytest.raises(CheckError, match="smoothing below one"):
        checked(certificate, loss={"name": "label-smoothing", "smoothing": "2"})
