"""Theorems S, E, C and F: hypotheses, and their statements at critical points that a search meets."""

from collections import Counter

import numpy as np
import pytest
from critical_points import local_minimum
from hypothesis import given, settings
from hypothesis import strategies as st

from sphereufm import UFMProblem, global_minimum, solve, verify_landscape
from sphereufm.landscape.search.squared_gradient import find_critical_points
from sphereufm.problem.theory.gap import optimality_gap
from sphereufm.problem.theory.known_points import turned_sample_point
from sphereufm.problem.theory.negative_curvature import descent_direction, edge_direction, turning_direction
from sphereufm.problem.theory.theorems import benign_theorem, theorem_c, theorem_e, theorem_f, theorem_s

SMOOTHED = {"name": "label-smoothing", "smoothing": "0.1"}


def instance(rng, K, dim, tau, loss, bias=False):
    """Random class sizes, some empty, and weights."""
    sizes = rng.integers(int(bias), 3, K)
    sizes[rng.integers(K)] += 1
    weights = rng.uniform(0.05, 1.0, sizes.sum()).tolist()
    return UFMProblem(class_sizes=sizes.tolist(), dim=dim, tau=tau, weights=weights, loss=loss, bias=bias)


def offsets(rng, K):
    return {
        "name": "cross-entropy",
        "margin": float(rng.normal()),
        "offsets": rng.normal(size=(K, K)).tolist(),
    }


def covered_by_s(rng):
    K = int(rng.integers(2, 5))
    bias = bool(rng.random() < 0.3)
    return instance(rng, K, max(K, 3), rng.uniform(0.1, 8.0, K).tolist(), offsets(rng, K), bias)


def covered_by_e(rng):
    K = int(rng.integers(4, 6))
    tau = (K - 2) / 2 if rng.random() < 0.5 else rng.uniform(0.05, (K - 2) / 2, K).tolist()
    return instance(rng, K, K - 1, tau, offsets(rng, K) if rng.random() < 0.5 else "cross-entropy")


def covered_by_c(rng):
    K = int(rng.integers(2, 5))
    name = str(rng.choice(["label-smoothing", "logistic", "squared-error"]))
    if name == "label-smoothing":
        # up to three classes it does not matter that derivatives vanish
        return instance(rng, K, max(K, 3), rng.uniform(0.1, 8.0 if K < 4 else 1.4), SMOOTHED)
    return instance(rng, K, K + 1, rng.uniform(0.1, 0.95 if name == "squared-error" else 6.0), name)


COVERED = {"S": covered_by_s, "E": covered_by_e, "C": covered_by_c}


def every_point_is_global_or_falls(name, rng, instances):
    """Search each instance; return how many points ended where."""
    ends = Counter()
    for _ in range(instances):
        problem = COVERED[name](rng)
        assert benign_theorem(problem).name == name
        search = find_critical_points(problem, problem.spheres.random_point(rng, (8,)), tolerance=1e-11)
        lowest = solve(problem, rng=int(rng.integers(1000)))
        for X in [*search.X[search.converged], *([lowest.X] if lowest.converged else [])]:
            found = descent_direction(problem, X)
            ends["global" if found is None else found.case] += 1
            if found is None:  # the gap's own allowance for rounding is a part of the gradient's scale
                assert optimality_gap(problem, X).value < 1e-8 * (1.0 + float(problem.cost(X)))
    return ends


@pytest.mark.parametrize("name", COVERED)
def test_every_critical_point_met_is_global_or_has_an_explicit_descent(name):
    ends = every_point_is_global_or_falls(name, np.random.default_rng(7), 20)
    assert ends["global"] >= 5
    assert ends["B"] >= 60


@pytest.mark.slow
@pytest.mark.parametrize("name", COVERED)
def test_no_exception_among_thousands(name):
    ends = every_point_is_global_or_falls(name, np.random.default_rng(8), 400)
    assert sum(ends.values()) > 2000


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_at_the_edge_a_feature_that_is_pushed_away_turns(seed):
    """The step of Theorem E's proof: W is arbitrary, one feature is critical with beta > 0."""
    rng = np.random.default_rng(seed)
    K = int(rng.integers(4, 7))
    tau = float(rng.uniform(0.1, (K - 2) / 2))
    problem = UFMProblem(class_sizes=[1] + [0] * (K - 1), dim=K - 1, tau=tau)
    X = problem.spheres.random_point(rng)
    for _ in range(3000):
        pull = X[:, :K] @ problem.at(X).G[:, 0]
        X[:, K] = pull / np.linalg.norm(pull)
    point = problem.at(X)
    assert point.beta[0] > 0.0
    found = edge_direction(problem.at(X))
    mean = -point.beta[0] * (K - 2) + problem.tau * float(point.beta[0]) * 2.0
    assert found.curvature <= mean / (K - 2) + 1e-9
    assert np.abs(found.U[:, :K]).max() == 0.0


@pytest.mark.parametrize("loss", ["logistic", SMOOTHED, "cross-entropy"])
def test_a_sample_that_is_not_pushed_turns_where_logits_do_not_see_it(loss):
    problem = UFMProblem(class_sizes=(1, 2), dim=3, tau=1, loss=loss)
    X = np.zeros((3, 5))
    X[0, :2], X[1, 2:] = 1.0, 1.0
    assert np.abs(problem.at(X).beta).max() < 1e-15
    assert turning_direction(problem.at(X)).curvature < -0.05


@pytest.mark.parametrize(
    ("check", "given_", "wording"),
    [
        (theorem_s, {"loss": "focal"}, "focal is no softmax"),
        (theorem_e, {"dim": 3, "tau": "1.01"}, "tau=1.01 is above (K - 2) / 2 = 1"),
        (theorem_e, {"dim": 3, "tau": [1, 1, 1, "1.5"]}, "tau=1.5 is above"),
        (theorem_e, {"dim": 4}, "d=4 is not K - 1=3"),
        (theorem_e, {"class_sizes": (1, 1, 1), "dim": 2}, "d=K - 1=2 is below 3"),
        (theorem_c, {"loss": "squared-error", "tau": "0.9"}, "d=4 is below K + 1=5"),
        (theorem_c, {"loss": "squared-error", "dim": 5}, "can vanish from tau = 1 on"),
        (
            theorem_c,
            {"loss": SMOOTHED, "tau": "1.9"},
            "can vanish from tau = 1.80546 on, for K=4, and tau=1.9",
        ),
        (theorem_c, {"loss": "arcface", "dim": 5}, "arcface is not known to be convex"),
        (
            theorem_c,
            {"class_sizes": (1, 1, 1), "dim": 3, "tau": [1, 1, 9], "loss": SMOOTHED},
            "the derivative of label-smoothing can vanish",
        ),
        (
            theorem_c,
            {"loss": SMOOTHED, "bias": True},
            "with a free bias the derivative of label-smoothing may vanish",
        ),
    ],
)
def test_reasons_say_what_fails(check, given_, wording):
    problem = UFMProblem(**{"class_sizes": (1, 1, 1, 1), "dim": 4, "tau": 1, **given_})
    found = check(problem)
    assert not found.applies
    assert not found.hypotheses
    assert any(wording in reason for reason in found.reasons), found.reasons


def test_a_theorem_that_applies_says_by_what():
    found = benign_theorem(UFMProblem(class_sizes=(1,) * 10, dim=10, tau=2, loss=SMOOTHED))
    assert (found.name, found.applies, found.reasons) == ("C", True, ())
    assert found.hypotheses == (
        "label-smoothing is convex, with a derivative that cannot vanish, tau < 2.25543",
        "d >= max(K, 3)",
    )


def test_the_landscape_at_the_edge_is_benign_up_to_its_threshold():
    def verdict(tau):
        report = verify_landscape(UFMProblem(class_sizes=(1, 1, 1, 1), dim=3, tau=tau), starts=2)
        return report.verdict.name, report.to_json()["theorem"]

    benign, undecided = verdict(1), verdict("1.1")
    assert (benign[0], benign[1]["name"], benign[1]["applies"]) == ("BENIGN", "E", True)
    assert (undecided[0], undecided[1]["applies"]) == ("UNDECIDED", False)
    assert "E: tau=1.1 is above (K - 2) / 2 = 1" in undecided[1]["reasons"]


def test_where_no_theorem_decides_the_list_says_which_points_one_does():
    def notes(**changes):
        problem = UFMProblem(**{"class_sizes": (1, 1, 1, 1), "dim": 3, "tau": "1.1", **changes})
        return [n for n in verify_landscape(problem, starts=8).notes if "Theorem F" in n]

    assert "classify every sample well" in notes()[0]
    assert not notes(tau=1)
    assert not notes(loss="logistic")


def test_theorem_f_needs_every_sample_well_classified():
    problem = UFMProblem(class_sizes=(114,) * 4, dim=3, tau="3.6")
    X = turned_sample_point(problem)
    assert theorem_f(problem, X).reasons == ("1 sample is misclassified, with 2 tau above K - 2 = 2",)
    assert theorem_f(problem.with_tau(1), X).applies


def test_a_spurious_minimiser_at_the_edge_misclassifies():
    """K = 4, d = 3, class sizes (47, 47, 47, 1) at tau 2.9, as one sample a class with weights."""
    problem = UFMProblem(class_sizes=(1, 1, 1, 1), dim=3, tau="2.9", weights=(47, 47, 47, 1))
    X = local_minimum(problem, turned_sample_point(problem, 3))
    assert float(problem.cost(X)) == pytest.approx(0.0840567350, abs=1e-9)
    assert not theorem_f(problem, X).applies
    least = np.log(2.0) * problem.weights.min()
    assert float(problem.cost(X)) > least


@pytest.mark.parametrize(
    ("loss", "tau", "K", "dim", "value"),
    [
        ("squared-error", "0.9", 3, 3, 0.005),
        ({"name": "squared-error", "own_weight": 2, "target": 3}, 2, 3, 3, 1.0),
        ("squared-error", 2, 3, 4, 0.0),
        ("logistic", 1, 3, 2, None),
        ("logistic", 3, 4, 4, None),
        (SMOOTHED, 1, 3, 2, None),
        (SMOOTHED, 3, 3, 4, None),
        ({"name": "cross-entropy", "margin": "0.3"}, 4, 3, 2, None),
    ],
)
def test_closed_form_minima_are_reached_and_never_undercut(loss, tau, K, dim, value):
    problem = UFMProblem(class_sizes=(2,) * K, dim=dim, tau=tau, loss=loss)
    least = global_minimum(problem)
    if value is not None:
        assert least == pytest.approx(value, abs=1e-15)
    costs = []
    for seed in range(12):
        X = local_minimum(problem, problem.spheres.random_point(seed), steps=400)
        if X is not None:
            costs.append(float(problem.cost(X)))
    assert min(costs) == pytest.approx(least, rel=1e-9, abs=1e-12)
    assert min(costs) >= least - 1e-12


@pytest.mark.parametrize(
    ("loss", "dim", "changes"),
    [
        ("focal", 5, {}),
        ("arcface", 5, {}),
        ("squared-error", 3, {}),
        ("logistic", 2, {"tau": 3}),
        (SMOOTHED, 3, {"tau": 3}),
        ("cross-entropy", 4, {"tau": [1, 2, 1, 1]}),
        ("logistic", 5, {"class_sizes": (2, 1, 1, 1)}),
        ({"name": "cross-entropy", "offsets": [0, 0, 0, 1]}, 4, {}),
    ],
)
def test_no_minimum_is_claimed_without_a_proof(loss, dim, changes):
    assert (
        global_minimum(UFMProblem(**{"class_sizes": (1,) * 4, "dim": dim, "tau": 1, "loss": loss, **changes}))
        is None
    )


def test_samples_that_reach_their_least_loss_form_a_family_with_its_dimension():
    """Label smoothing 0.1 at K = 3, n = 1, d = 4, tau = 3: 2 tau > delta = 3.33, so minimisers are not isolated."""
    problem = UFMProblem(class_sizes=(1, 1, 1), dim=4, tau=3, loss=SMOOTHED)
    report = verify_landscape(problem, starts=15)
    lowest = report.critical[0]
    assert (lowest.name, lowest.kind.name) == ("least-loss-6", "GLOBAL_MINIMUM")
    assert lowest.cost == pytest.approx(global_minimum(problem), rel=1e-12)
    assert lowest.optimality_gap < 1e-16
    # a regular member is Morse-Bott: its nullity is the family's dimension
    assert 6 in {member.nullity for member in lowest.members}
    assert (report.verdict.name, report.theorem.name) == ("BENIGN", "C")
    assert all(entry.kind.name == "STRICT_SADDLE" for entry in report.critical[1:])
