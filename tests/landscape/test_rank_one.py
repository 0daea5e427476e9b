"""Sign patterns modulo symmetry: counted, listed, and against brute force."""

import itertools
from math import comb

import numpy as np
import pytest

from sphereufm import verify_landscape
from sphereufm.certify.expressions import thomson
from sphereufm.geometry.symmetry.finite import FiniteGroup, weight_automorphisms
from sphereufm.geometry.symmetry.groups import ColumnPermutations
from sphereufm.landscape.starts.sign_patterns import count_sign_images, count_sign_patterns, sign_patterns
from sphereufm.problem.interface import relative_gradient_norm
from sphereufm.problem.ufm import UFMProblem


def canonical(signs, permutations):
    """Plus counts of each cell, blocks of a kind sorted, the smaller of both signs."""
    keys = []
    for sign in (1, -1):
        blocks = zip(permutations.kinds, permutations.blocks, strict=True)
        key = sorted(
            (repr(kind), tuple(sum(sign * signs[j] > 0 for j in cell) for cell in b)) for kind, b in blocks
        )
        keys.append(tuple(key))
    return min(keys)


GROUPS = [
    ColumnPermutations.trivial(5),
    ColumnPermutations.all_columns(6),
    UFMProblem(class_sizes=(2, 2), dim=3, tau=1).symmetry.permutations,
    UFMProblem(class_sizes=(2, 1, 0), dim=3, tau=1).symmetry.permutations,
    UFMProblem(class_sizes=(1, 1, 1, 1), dim=3, tau=1).symmetry.permutations,
    UFMProblem(class_sizes=(2, 2), dim=3, tau=1, weights=[1, 2, 2, 1]).symmetry.permutations,
    ColumnPermutations((((0, 1),), ((2, 3),), ((4,),)), ("pair", "pair", "one")),
    ColumnPermutations((((0, 1),), ((2, 3),), ((4, 5),)), ("pair", "pair", "pair")),
]


@pytest.mark.parametrize("permutations", GROUPS)
def test_count_and_list_agree_with_brute_force(permutations):
    every = itertools.product((1.0, -1.0), repeat=permutations.columns)
    classes = {canonical(signs, permutations) for signs in every}
    listed = sign_patterns(permutations, 10_000)
    assert count_sign_patterns(permutations) == len(classes) == len(listed)
    assert {canonical(signs, permutations) for signs in listed} == classes


def test_large_groups_are_counted_exactly_and_listed_in_part():
    permutations = UFMProblem(class_sizes=(114,) * 4, dim=3, tau=1).symmetry.permutations
    # 230 types of class, multisets of four, and those that a common sign leaves alone: pairs of opposite types
    assert count_sign_patterns(permutations) == (comb(233, 4) + comb(116, 2)) // 2
    listed = sign_patterns(permutations, 20, 0)
    assert listed.shape == (20, 460)
    assert len({canonical(signs, permutations) for signs in listed}) == 20
    np.testing.assert_array_equal(listed, sign_patterns(permutations, 20, 0))


def test_every_pattern_is_critical():
    problem = UFMProblem(class_sizes=(2, 1), dim=3, tau=3)
    for signs in sign_patterns(problem.symmetry.permutations, 1000):
        X = np.zeros(problem.shape)
        X[0] = signs
        assert float(relative_gradient_norm(problem.at(X))) <= 2e-13


@pytest.mark.parametrize("seed", range(4))
def test_listed_permutations_are_divided_out(seed):
    A = np.random.default_rng(seed).integers(0, 2, (6, 6))
    finite = FiniteGroup.generated(weight_automorphisms(A + A.T), dim=2, columns=6)
    every = np.array(list(itertools.product((1, -1), repeat=6)))
    images = np.concatenate([every[:, finite.permutations], -every[:, finite.permutations]], axis=1)
    assert count_sign_images(finite) == len({min(map(tuple, own)) for own in images})


def test_patterns_without_a_value_are_no_critical_points():
    """Two charges lie at opposite poles; of four on a line some coincide."""
    assert verify_landscape(thomson(4), effort="quick", starts=8).rank_one is None
    two = verify_landscape(thomson(2), effort="quick", starts=8).rank_one
    assert (two.orbits, two.listed) == (1, 1)
