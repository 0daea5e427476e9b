"""Costs convex in the Gram matrix: what the rules see is so, and the multiplier bound holds at random and is tight."""

from dataclasses import replace
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest

from sphereufm import optimality_gap, prove_landscape, solve, verify_landscape
from sphereufm.certify import GapClaim, prove_gap
from sphereufm.certify.checker import check_bytes
from sphereufm.certify.checker.programs import is_convex_in_gram
from sphereufm.certify.expressions import Cost, exp, fourth_powers, log, max_cut, sqrt, thomson
from sphereufm.certify.json_format import certificate_to_json
from sphereufm.errors import InvalidInputError
from sphereufm.problem import capabilities
from sphereufm.problem.expressions.expression_problem import ExpressionProblem

COST = Cost(dim=4, columns=4)
A, B, D = COST.gram(0, 1), COST.gram(2, 3), COST.gram(1, 3)

CONVEX = {
    "affine": 3 * A - B / 2,
    "exp": sum(exp(2 * COST.gram(i, j)) for i, j in combinations(range(4), 2)),
    "log-sum-exp": log(exp(A) + exp(2 * B) + 3) - D,
    "contrastive": sum(log(exp(COST.gram(i, j)) + exp(-A)) - COST.gram(i, j) for i, j in ((0, 2), (1, 3))),
    "product": exp(A) * exp(B),
    "squares": (A - B) ** 2 + exp(D) ** 3,
    "charges": 1 / sqrt(2 - 2 * A) + 2 / sqrt(3 - B),
    "minus-root": -sqrt(2 + A) - log(3 - B),
    "riesz": (1 / sqrt(2 - 2 * A)) ** 3 * (1 / sqrt(3 - B)),
}
OTHERS = {
    "cube": A**3,
    "product": A * B,
    "minus-exp": -exp(A),
    "log-affine": log(2 + A),
    "root": sqrt(2 + A),
    "quotient": 1 / (2 + A * A),
    "entry": COST.x(0, 0) * 2,
    "difference": exp(A) - exp(B),
    "inverse-exp": 1 / exp(exp(A)),
}


@pytest.mark.parametrize("name", CONVEX)
@pytest.mark.parametrize("seed", range(3))
def test_what_is_seen_as_convex_is_bounded(name, seed):
    problem = ExpressionProblem(instance=COST.instance(CONVEX[name]))
    X = problem.spheres.random_point(seed, (40,))
    gap = capabilities.optimality_gap(problem, X[0])
    assert float(problem.at(X[0]).cost) - gap.value <= float(problem.at(X).cost.min()) + 1e-12
    lowest = solve(problem, rng=seed)
    assert float(problem.at(X[0]).cost) - gap.value <= lowest.cost + 1e-9
    # in four dimensions these relaxations are tight: the gap at the minimum says so
    assert capabilities.optimality_gap(problem, lowest.X).value < 1e-4


@pytest.mark.parametrize("name", CONVEX)
def test_convexity_along_segments_of_gram_matrices(name):
    instance = COST.instance(CONVEX[name])
    problem = ExpressionProblem(instance=instance)
    rng = np.random.default_rng(0)
    for _ in range(20):
        X, Y = problem.spheres.random_point(rng, (2,))
        middle = np.linalg.cholesky(0.5 * (X.T @ X + Y.T @ Y) + 1e-13 * np.eye(4)).T
        ends = problem.at(np.stack([X, Y])).cost.mean()
        assert float(problem.at(middle / np.linalg.norm(middle, axis=0)).cost) <= ends + 1e-9


@pytest.mark.parametrize("name", CONVEX)
@pytest.mark.parametrize("backend", ["flint", "integers"])
def test_gaps_in_balls_hold_and_are_those_of_floats(name, backend):
    """The proved gap is at most what equal shifts give, and no point lies lower than it allows."""
    instance = COST.instance(CONVEX[name])
    problem = ExpressionProblem(instance=instance)
    X = problem.spheres.random_point(5, (30,))
    certificate = prove_gap(instance, X[0])
    assert check_bytes(certificate_to_json(certificate).encode(), backend).row == "optimality gap"
    gap = float(certificate.find(GapClaim).gap)
    assert gap <= 1.01 * capabilities.optimality_gap(problem, X[0]).value
    least = min(float(problem.at(X).cost.min()), solve(problem, rng=0).cost)
    assert float(problem.at(X[0]).cost) - gap <= least + 1e-9
    lower = replace(certificate, claims=(replace(certificate.claims[0], gap=Fraction(gap) / 2),))
    assert check_bytes(certificate_to_json(lower).encode(), backend).status == "UNDECIDED"


@pytest.mark.parametrize("name", OTHERS)
def test_nothing_is_claimed_of_others(name):
    instance = COST.instance(OTHERS[name])
    assert not is_convex_in_gram(instance.program)
    with pytest.raises(InvalidInputError, match="no bound is known"):
        optimality_gap(instance, np.eye(4))
    assert prove_gap(instance, np.eye(4)).reason == "the cost is not known to be convex in the Gram matrix"
    assert capabilities.optimality_gap(ExpressionProblem(instance=instance), np.eye(4)) is None


def test_ready_made_costs():
    assert is_convex_in_gram(thomson(4).program)
    assert is_convex_in_gram(max_cut([[0, 1], [1, 0]], dim=2).program)
    assert not is_convex_in_gram(fourth_powers(3).program)


def test_rows_of_a_landscape_have_gaps():
    """The pentagon's cut: zero at the relaxation's value 5 cos(4 pi / 5), above it elsewhere at least the distance."""
    C = np.roll(np.eye(5, dtype=int), 1, axis=0)
    report = verify_landscape(max_cut((C + C.T).tolist(), dim=3), effort="quick", starts=48)
    least = 5.0 * np.cos(0.8 * np.pi)
    for entry in report.critical:
        assert entry.optimality_gap >= entry.cost - least - 1e-9
    assert report.critical[0].optimality_gap < 1e-9
    proved = prove_landscape(report)
    assert (proved.critical[0].kind.name, proved.critical[0].status.name) == ("GLOBAL_MINIMUM", "PROVED")
    assert all(entry.kind.name != "GLOBAL_MINIMUM" for entry in proved.critical[1:])
