"""Spherical codes of known angles as limits of softmax codes: log sum exp(tau <x_i, x_j>) as tau grows."""

from itertools import combinations

import numpy as np
import pytest

from sphereufm import SymmetryGroup
from sphereufm.certify.expressions import Cost, exp, log
from sphereufm.problem.expressions.expression_problem import ExpressionProblem
from sphereufm.solvers import solve_batch

# largest cosine of the best N points of R^d (Rankin; Schuette and van der Waerden; the 24-cell; Schlaefli's 27 lines)
CODES = {
    (5, 3): 0.0,
    (6, 3): 0.0,
    (8, 3): (2.0 * np.sqrt(2.0) - 1.0) / 7.0,
    (12, 3): 1.0 / np.sqrt(5.0),
    (24, 4): 0.5,
    (27, 6): 0.25,
}


def softmax_code(points, dim, tau):
    """The cost over its pairs; with the largest cosine c it lies between tau c and tau c + log(pairs)."""
    cost = Cost(dim=dim, columns=points)
    terms = [exp(tau * cost.gram(i, j)) for i, j in combinations(range(points), 2)]
    return ExpressionProblem(
        instance=cost.instance(log(cost.record("add", *[term.number for term in terms]))),
        symmetry=SymmetryGroup.full(points),
    )


def beside_the_24_cell():
    """The roots of D4, moved."""
    roots = [
        [s if k == i else t if k == j else 0.0 for k in range(4)]
        for i, j in combinations(range(4), 2)
        for s in (1.0, -1.0)
        for t in (1.0, -1.0)
    ]
    X = np.array(roots).T + 0.05 * np.random.default_rng(0).standard_normal((4, 24))
    return (X / np.linalg.norm(X, axis=0))[None]


@pytest.mark.parametrize(
    ("points", "dim"),
    [pytest.param(*size, marks=pytest.mark.slow if size[0] == 27 else ()) for size in CODES],
)
def test_softmax_codes_tend_to_the_best_codes(points, dim):
    best, pairs = CODES[points, dim], points * (points - 1) / 2
    # small tau prefers other configurations to the 24-cell (Cohn, Conway, Elkies, Kumar 2007): there a start beside it
    X, taus, distance = (
        (8, (6, 60, 600), np.inf) if points != 24 else (beside_the_24_cell(), (60, 600), np.inf)
    )
    for tau in taus:
        ends = solve_batch(softmax_code(points, dim, tau), X, solver="lbfgs")
        lowest = min(ends, key=lambda end: end.cost)
        G = lowest.X.T @ lowest.X
        largest = G[np.triu_indices(points, 1)].max()
        # no code is better, and the softmax code is as good as its cost says
        assert best - 1e-9 <= largest <= lowest.cost / tau
        assert tau * best <= lowest.cost <= tau * best + np.log(pairs) + 1e-6
        assert lowest.cost / tau - best < 0.2 * distance
        distance = lowest.cost / tau - best
        X = np.stack([end.X for end in ends])
    assert largest - best < np.log(pairs) / 600
