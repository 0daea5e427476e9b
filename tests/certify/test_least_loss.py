"""Claims ``least_loss`` and ``well_classified``: true ones are proved by both arithmetics, forged ones never."""

import copy
import json
from fractions import Fraction

import numpy as np
import pytest

from sphereufm import UFMProblem, global_minimum, prove_landscape, solve, verify_landscape
from sphereufm.certify import ExactInstance, prove_point
from sphereufm.certify.checker import check_bytes
from sphereufm.certify.json_format import certificate_to_json
from sphereufm.problem.theory.known_points import turned_sample_point
from sphereufm.problem.theory.theorems import collapsed_point

SMOOTHED = {"name": "label-smoothing", "smoothing": "0.1"}
SQUARED = {"name": "squared-error", "target": "3/2"}


def check(document, backend="flint"):
    return check_bytes(json.dumps(document).encode(), backend)


def document_of(problem, X):
    return json.loads(certificate_to_json(prove_point(ExactInstance.from_problem(problem), X)))


def least(loss, sizes=(2, 1, 1), tau=3, seed=0):
    problem = UFMProblem(class_sizes=sizes, dim=5, tau=tau, loss=loss)
    return problem, solve(problem, rng=seed).X


@pytest.mark.parametrize("loss", [SMOOTHED, SQUARED], ids=["smoothing", "squared"])
def test_a_point_where_every_loss_is_least_is_proved_global(loss):
    problem, X = least(loss)
    document = document_of(problem, X)
    assert [claim["type"] for claim in document["claims"]] == ["least_loss"]
    for backend in ("flint", "integers"):
        result = check(document, backend)
        assert (result.status, result.row) == ("PROVED", "global minimiser")
    # the exact point is near: so is its cost to the floor
    columns = np.array(
        [[Fraction(*_parts(x)) for x in column] for column in document["point"]["columns"]], float
    ).T
    assert problem.at(columns / np.linalg.norm(columns, axis=0)).excess < 1e-25


def _parts(text):
    mantissa, _, power = text.partition("@")
    power = int(power or 0)
    return int(mantissa) * 2 ** max(power, 0), 2 ** max(-power, 0)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("instance", "tau"), "31/10"),
        (("instance", "loss", "smoothing"), "11/100"),
        (("instance", "loss", "smoothing"), "0"),
        (("instance", "loss", "smoothing"), "1"),
        (("instance", "loss"), "cross-entropy"),
        (("instance", "class_sizes"), [1, 2, 1]),
        (("claims", 0, "radius"), "1@-300"),
        (("point", "columns", 0, 0), "1@-2"),
        (("point", "columns", 4, 0), "1@-2"),
    ],
)
def test_one_changed_field_proves_nothing(place, value):
    document = copy.deepcopy(document_of(*least(SMOOTHED)))
    *above, last = place
    part = document
    for key in above:
        part = part[key]
    part[last] = value
    assert check(document).status != "PROVED"


def test_the_family_of_the_landscape_is_proved_with_a_gap_of_zero():
    problem = UFMProblem(class_sizes=(1, 1, 1), dim=4, tau=3, loss=SMOOTHED)
    report = prove_landscape(verify_landscape(problem, starts=10))
    lowest = report.critical[0]
    assert (lowest.name, lowest.status.name, lowest.sentence) == (
        "least-loss-6",
        "PROVED",
        "global minimiser",
    )
    assert lowest.cost == pytest.approx(global_minimum(problem), rel=1e-12)


def test_theorem_f_is_a_claim_about_a_point():
    problem = UFMProblem(class_sizes=(2, 1, 1, 1), dim=3, tau=2)
    document = document_of(problem, solve(problem, rng=0).X)
    assert check(document).row == "global minimiser"
    only = {**document, "claims": [c for c in document["claims"] if c["type"] in ("critical", "index")]}
    assert check(only).row == "local minimiser"
    only["claims"] = [c for c in document["claims"] if c["type"] != "global_minimum"]
    for backend in ("flint", "integers"):
        assert check(only, backend).row == "global minimiser"
    wide = copy.deepcopy(only)
    wide["claims"][-1]["radius"] = "1"
    assert check(wide).status == "UNDECIDED"


def test_a_point_that_misclassifies_is_not_well_classified():
    problem = UFMProblem(class_sizes=(1, 1, 1, 1), dim=3, tau="3.75", weights=(500, 500, 500, 500))
    good = document_of(problem, collapsed_point(problem))
    claim = next(c for c in good["claims"] if c["type"] == "well_classified")
    bad = document_of(problem, turned_sample_point(problem, 0))
    bad["claims"] = [claim]
    assert check(bad).claims[0].status == "UNDECIDED"
    good["claims"], good["instance"]["dim"] = [claim], 4
    assert check(good).claims[0].status == "UNDECIDED"
    good["instance"]["tau"] = "1"
    good["instance"]["dim"] = 3
    assert check(good).claims[0].status == "PROVED"
    # at this temperature a sample may be classified badly, and the sentence does not say otherwise
    bad["instance"]["tau"] = "1"
    (claim,) = check(bad).claims
    assert claim.status == "PROVED"
    assert "all samples of tau above (K - 2) / 2" in claim.text
    assert "of this grouping, in the span of" in claim.text


@pytest.mark.parametrize(
    "loss", [SMOOTHED, {"name": "squared-error", "target": "2/3"}], ids=["smoothing", "squared"]
)
def test_classes_that_share_a_classifier_are_exchangeable_and_critical(loss):
    problem = UFMProblem(class_sizes=(1, 1, 1), dim=4, tau=3, loss=loss)
    # the two classes as one, whose loss is the least of both
    W = np.array([[1.0, 1.0, -0.6], [0.0, 0.0, 0.8], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    H = _least_features(problem, W)
    X = np.hstack([W, H])
    assert np.abs(problem.gradient(X)).max() < 1e-12 < float(problem.at(X).excess)
    document = document_of(problem, X)
    assert [claim["type"] for claim in document["claims"]] == ["shared_loss", "strict_saddle"]
    for backend in ("flint", "integers"):
        assert check(document, backend).row == "strict saddle"
    for changed in ({"weights": ["1", "2", "1"]}, {"tau": ["3", "31/10", "3"]}, {"bias": True}):
        assert check({**document, "instance": document["instance"] | changed}).status == "UNDECIDED"
    only = {**document, "claims": document["claims"][:1]}
    assert check(only).row == "the claims make no sentence about an existing point"
    renamed = {**document, "claims": [{**document["claims"][0], "type": "least_loss"}]}
    assert check(renamed).status == "UNDECIDED"


def _least_features(problem, W):
    """Unit features that meet the conditions of a class pair (0, 1) and of class 2, by least squares."""
    eps, K = Fraction(1, 10), 3
    columns = []
    for y in range(3):
        s = 2 if y < 2 else 1
        if problem.loss.name == "squared-error":
            A, goal = W[:, [0, 2]], np.array([y < 2, y == 2]) * float(problem.loss.target) / (3.0 * s)
        else:
            A = (W[:, [0]] - W[:, [2]]) * (1 if y < 2 else -1)
            goal = np.array([np.log(float(1 + K * (1 - eps) / (s * eps))) / 3.0])
        h = A @ np.linalg.solve(A.T @ A, goal)
        h[2] = np.sqrt(1.0 - h @ h)
        columns.append(h)
    return np.array(columns).T


def tight_frame(angle):
    """Four unit vectors of the plane in two orthogonal pairs, at any angle of one to the other."""
    t = np.array([0.0, np.pi / 2, angle, angle + np.pi / 2])
    return np.vstack([np.cos(t), np.sin(t)])


@pytest.mark.parametrize("sides", [(1, 1, 1, 1), (1, -1, 1, 1)])
@pytest.mark.parametrize("angle", [0.3, 0.0])
def test_frames_are_critical_for_squared_error(angle, sides):
    problem = UFMProblem(class_sizes=(1,) * 4, dim=5, tau="2/5", loss="squared-error")
    W = np.vstack([tight_frame(angle), np.zeros((3, 4))])
    X = np.hstack([W, W * sides])
    assert np.abs(problem.gradient(X)).max() < 1e-15
    document = document_of(problem, X)
    assert [claim["type"] for claim in document["claims"]] == ["frame", "strict_saddle"]
    for backend in ("flint", "integers"):
        assert check(document, backend).row == "strict saddle"
    forged = [
        {"instance": document["instance"] | {"weights": ["1", "2", "1", "1"]}},
        {"instance": document["instance"] | {"tau": ["2/5", "1/2", "2/5", "2/5"]}},
        {
            "instance": document["instance"]
            | {"loss": {"name": "squared-error", "own_weight": "2", "target": "1"}}
        },
        {"claims": [{**document["claims"][0], "sides": ["-1"] * 4}, document["claims"][1]]},
        {"claims": [{**document["claims"][0], "mirror": ["1", "-1"]}, document["claims"][1]]},
    ]
    for changed in forged:
        assert check(document | changed).status == "UNDECIDED"
    # no frame: one vector is turned, and its feature with it
    turned = copy.deepcopy(document)
    turned["point"]["columns"][0] = turned["point"]["columns"][4] = ["1@-1", "3@-2"]
    assert check(turned).status == "UNDECIDED"


def test_a_mirrored_frame_of_the_plane_is_critical_for_squared_error():
    """``H = diag(1, -1) W`` and ``W W^T = diag(47, 7) / 18`` at tau = 9/10: a continuum."""
    problem = UFMProblem(class_sizes=(1, 1, 1), dim=4, tau="9/10", loss="squared-error")
    first = 0.1
    # the doubled angles of three unit vectors add up to 20/9 along the first axis
    rest = np.array([20 / 9 - np.cos(2 * first), -np.sin(2 * first)])
    middle, half = np.arctan2(rest[1], rest[0]), np.arccos(np.linalg.norm(rest) / 2)
    t = np.array([2 * first, middle + half, middle - half]) / 2
    W = np.vstack([np.cos(t), np.sin(t), np.zeros((2, 3))])
    X = np.hstack([W, W * np.array([[1.0], [-1.0], [1.0], [1.0]])])
    assert np.abs(problem.gradient(X)).max() < 1e-15
    document = document_of(problem, X)
    assert [claim["type"] for claim in document["claims"]] == ["frame", "strict_saddle"]
    assert check(document).row == "strict saddle"
    document["instance"]["tau"] = "89/100"
    assert check(document).status == "UNDECIDED"
