"""Finite groups by generators: orders, images, automorphisms, and rows of landscapes merged by them."""

from fractions import Fraction
from itertools import permutations, product
from math import factorial

import numpy as np
import pytest

from sphereufm import load_report, verify_landscape
from sphereufm.certify.expressions import fourth_powers, max_cut
from sphereufm.errors import InvalidInputError
from sphereufm.geometry.symmetry.alignment import carriers
from sphereufm.geometry.symmetry.finite import automorphisms, weight_automorphisms
from sphereufm.geometry.symmetry.groups import SymmetryGroup
from sphereufm.problem.expressions.expression_problem import ExpressionProblem


def signed_permutations(d):
    sign = np.diag([-1.0] + [1.0] * (d - 1))
    return [sign, np.roll(np.eye(d), 1, axis=0), np.eye(d)[[1, 0, *range(2, d)]]]


def petersen():
    A = np.zeros((10, 10), dtype=int)
    for i in range(5):
        for a, b in ((i, (i + 1) % 5), (i, i + 5), (i + 5, (i + 2) % 5 + 5)):
            A[a, b] = A[b, a] = 1
    return A


@pytest.mark.parametrize("d", [2, 3, 4])
def test_signed_permutations_are_all_listed(d):
    group = SymmetryGroup.generated(signed_permutations(d), dim=d, columns=1)
    assert group.finite.order == 2**d * factorial(d)
    rng = np.random.default_rng(d)
    X = rng.standard_normal((d, 1))
    for signs, s in product(product([1.0, -1.0], repeat=d), permutations(range(d))):
        Y = np.array(signs)[:, None] * X[list(s)]
        assert carriers(group, X, Y, 1e-12).size == 1
    assert carriers(group, X, X + 1e-3, 1e-6).size == 0


@pytest.mark.parametrize("seed", range(5))
def test_automorphisms_are_those_of_brute_force(seed):
    A = np.random.default_rng(seed).integers(0, 2, (6, 6))
    A = np.triu(A, 1) + np.triu(A, 1).T
    brute = [list(s) for s in permutations(range(6)) if (A[np.ix_(s, s)] == A).all()]
    assert sorted(weight_automorphisms(A)) == brute
    assert len(weight_automorphisms(petersen())) == 120


@pytest.mark.parametrize(
    ("edges", "directed", "expected"),
    [
        ("ab bc", False, ["abc", "cba"]),
        ("ab ab bc", False, ["abc"]),
        ("aa ab bc", False, ["abc"]),
        ("ab bc ca", False, ["abc", "acb", "bac", "bca", "cab", "cba"]),
        ("ab bc ca", True, ["abc", "bca", "cab"]),
        ("ba bc", True, ["abc", "cba"]),
        ("ab bc", True, ["abc"]),
    ],
)
def test_graphs_are_taken_as_generators(edges, directed, expected):
    class Graph:
        nodes = "abc"

        def edges(self, data, default):
            return [(u, v, default) for u, v in edges.split()]

        def is_directed(self):
            return directed

    assert sorted("".join("abc"[i] for i in s) for s in automorphisms(Graph())) == expected
    assert SymmetryGroup.generated(Graph(), dim=2, columns=3).finite.order == len(expected)


@pytest.mark.parametrize("weight", [None, "heavy", np.nan, np.inf, 1j, 10**400, Fraction(-(10**400), 3)])
def test_weights_of_edges_are_finite_numbers(weight):
    class Graph:
        nodes = "ab"

        def edges(self, data, default):
            return [("a", "b", weight)]

        def is_directed(self):
            return False

    with pytest.raises(InvalidInputError, match=r"edge \('a', 'b'\) has weight"):
        automorphisms(Graph())


def test_what_generates_nothing_known_is_refused():
    swapped = ([1, 0, 2], np.eye(2))
    others = ([None, 0, 1], [[None, 0.0], [0.0, 1.0]], [["a", "b"], ["c", "d"]], [{}, 0, 1])
    for bad in ([0, 0, 1], [[1.0], [0.0, 1.0]], swapped, [[np.nan, 0.0], [0.0, 1.0]], "abc", None, *others):
        with pytest.raises(
            InvalidInputError, match="must be a permutation of 3 columns or an orthogonal matrix"
        ):
            SymmetryGroup.generated([bad], dim=2, columns=3)
    for dim in (0, "2"):
        with pytest.raises(InvalidInputError, match="dim="):
            SymmetryGroup.generated([], dim=dim, columns=3)
    with pytest.raises(InvalidInputError, match="must be a list of generators or a networkx graph"):
        SymmetryGroup.generated(5, dim=2, columns=3)
    with pytest.raises(InvalidInputError, match="more than 20000 elements"):
        SymmetryGroup.generated([[*range(1, 9), 0], [1, 0, *range(2, 9)]], dim=2, columns=9)
    with pytest.raises(InvalidInputError, match="declares every one already"):
        SymmetryGroup.generated([np.diag([1.0, -1.0])], dim=2, columns=3, orthogonal=True)


def test_rows_that_a_generator_relates_are_one(tmp_path):
    group = SymmetryGroup.generated(signed_permutations(3), dim=3, columns=1)
    report = verify_landscape(ExpressionProblem(instance=fourth_powers(3), symmetry=group))
    assert [entry.permutation_copies for entry in report.critical] == [6, 12, 8]
    assert [entry.morse_index for entry in report.critical] == [0, 1, 2]
    report.save(tmp_path / "landscape.json")
    again = load_report(tmp_path / "landscape.json").problem
    assert again.symmetry.finite.order == 48


def test_a_cut_of_a_symmetric_graph_is_one_row():
    A = petersen()
    group = SymmetryGroup.generated(weight_automorphisms(A), dim=2, columns=10, orthogonal=True)
    problem = ExpressionProblem(instance=max_cut(A.tolist(), dim=2), symmetry=group)
    report = verify_landscape(problem, effort="minimisers", starts=16)
    assert [(round(entry.cost, 6), entry.permutation_copies) for entry in report.critical[:1]] == [
        (-9.75, 10)
    ]


def test_a_generator_that_changes_the_cost_is_refused():
    with pytest.raises(InvalidInputError, match="under generator 1"):
        ExpressionProblem(
            instance=max_cut([[0, 1, 2], [1, 0, 2], [2, 2, 0]], dim=2),
            symmetry=SymmetryGroup.generated([[1, 0, 2], [0, 2, 1]], dim=2, columns=3, orthogonal=True),
        )
