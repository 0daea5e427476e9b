"""Fixed-point spaces: their points are fixed up to O(d), all of them are reached, and maps are isometries."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sphereufm.geometry.symmetry.alignment import align
from sphereufm.geometry.symmetry.fixed_spaces import FixedPointSpace, block_partitions, simplex_vertices
from sphereufm.geometry.symmetry.groups import SymmetryGroup

BLOCKS = [((0, 1, 2),), ((0, 1), (2, 3)), ((0, 2, 4), (1,), (3, 5)), ((0,), (1,))]


def configuration(space, Y):
    """Classifiers and class features, shape ``(dim, 2 K)``."""
    K, m = space.classes, len(space.blocks)
    columns = [Y[:, space.block_of[k] + m * role] for role in range(2) for k in range(K)]
    return np.array([space.maps[j % K] @ y for j, y in enumerate(columns)]).T


@given(st.sampled_from(BLOCKS), st.integers(0, 2**32 - 1))
def test_points_are_fixed_up_to_a_rotation(blocks, seed):
    """Exchanging the classes of a block is undone by a rotation; an exchange across blocks is not."""
    space = FixedPointSpace(blocks)
    rng = np.random.default_rng(seed)
    X = configuration(space, space.spheres.random_point(rng))
    np.testing.assert_allclose(np.linalg.norm(X, axis=0), 1.0, rtol=0, atol=2e-13)
    K = space.classes
    rotations = SymmetryGroup.rotations(2 * K)
    s = np.arange(K)
    for block in blocks:
        s[list(block)] = rng.permutation(block)
    assert align(X, X[:, [*s, *(K + s)]], rotations) is not None
    if len(blocks) > 1:
        a, b = blocks[0][0], blocks[1][0]
        s[[a, b]] = s[[b, a]]
        assert align(X, X[:, [*s, *(K + s)]], rotations) is None


@pytest.mark.parametrize("blocks", BLOCKS)
def test_maps_are_isometries(blocks):
    space = FixedPointSpace(blocks)
    for k, L in enumerate(space.maps):
        used = space.spheres.dims[space.block_of[k]]
        np.testing.assert_allclose(L[:, :used].T @ L[:, :used], np.eye(used), rtol=0, atol=2e-13)
        assert not L[:, used:].any()


def test_every_symmetric_configuration_is_reached():
    """Three classes that all exchanges fix have a Gram matrix of few parameters; solve for a drawn one."""
    space = FixedPointSpace(((0, 1, 2),))
    rng = np.random.default_rng(0)
    for _ in range(20):
        # invariant Gram matrix of (W, H): each 3 x 3 block is p I + q 1 1^T
        A = rng.standard_normal((2, 2, 2))
        A = A @ A.transpose(0, 2, 1)
        mean, spread = np.ones((3, 3)) / 3, np.eye(3) - np.ones((3, 3)) / 3
        G = np.kron(A[0], mean) + np.kron(A[1], spread)
        scale = 1 / np.sqrt(np.diag(G))
        G = G * np.outer(scale, scale)
        # its common parts and spreads are factors of 2 x 2 matrices: a point of the reduced spheres
        D = np.diag(scale[[0, 3]])
        # eigenvalue on the mean gives common parts / 3, on the spread gives spreads |v|^2 = 3 / 2
        common = np.linalg.cholesky(D @ A[0] @ D / 3)
        spreads = np.linalg.cholesky(D @ A[1] @ D * 2 / 3)
        Y = np.vstack([common.T, spreads.T])
        np.testing.assert_allclose(np.linalg.norm(Y, axis=0), 1.0, rtol=0, atol=1e-12)
        X = configuration(space, Y)
        np.testing.assert_allclose(X.T @ X, G, rtol=0, atol=1e-12)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_simplex_vertices(count):
    V = simplex_vertices(count)
    assert V.shape == (count - 1, count)
    if count > 1:
        expected = (count * np.eye(count) - 1) / (count - 1)
        np.testing.assert_allclose(V.T @ V, expected, rtol=0, atol=2e-13)


@pytest.mark.parametrize(("total", "most", "expected"), [(4, 4, 5), (10, 3, 14), (10, 10, 42), (1, 3, 1)])
def test_block_partitions_are_the_integer_partitions(total, most, expected):
    """Numbers of partitions p(4), p(10), and of 10 into at most three parts (OEIS A000041, A001399)."""
    members = tuple(range(2, 2 + total))
    found = list(block_partitions(members, most))
    assert len(found) == len({tuple(len(b) for b in blocks) for blocks in found}) == expected
    for blocks in found:
        assert tuple(k for block in blocks for k in block) == members
        assert 1 <= len(blocks) <= most
