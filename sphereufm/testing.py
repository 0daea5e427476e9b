r"""Hypothesis strategies and oracles for tests of costs on products of spheres.

The strategies draw problems, points, tangents and group elements, structured ones among them: low rank,
coinciding columns, columns along axes.  The oracles are slow and simple, and share no code with what they
check: they enumerate a permutation group.  (Derivatives are compared with differences along geodesics by
:func:`~sphereufm.problem.derivative_checks.check_hessian`.)

    from hypothesis import given
    from sphereufm.testing import group_elements, points, ufm_problems
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, product
from itertools import permutations as orderings

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from sphereufm.errors import InvalidInputError
from sphereufm.geometry.spheres import Array
from sphereufm.geometry.symmetry.alignment import Alignment
from sphereufm.geometry.symmetry.groups import ColumnPermutations, SymmetryGroup
from sphereufm.problem.interface import SphereProblem
from sphereufm.problem.ufm import UFMProblem

_LARGEST_GROUP = 50_000

_seeds = st.integers(0, 2**32 - 1)


def taus(least: float = 1e-3, most: float = 50.0) -> st.SearchStrategy[float]:
    """Inverse temperatures, evenly on a logarithmic scale; one first, where it is allowed.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(taus(), lambda tau: True)
    1.0
    """
    spread = st.floats(np.log(least), np.log(most)).map(lambda t: float(np.clip(np.exp(t), least, most)))
    return st.one_of(st.just(1.0), spread) if least <= 1.0 <= most else spread


@st.composite
def ufm_problems(
    draw: st.DrawFn,
    max_classes: int = 4,
    max_per_class: int = 3,
    max_dim: int = 5,
    *,
    balanced: bool | None = None,
    weighted: bool | None = None,
) -> UFMProblem:
    """Cross-entropy problems, also with empty classes; of two classes and one dimension at least.

    ``balanced``: True for class sizes that are equal, False for such that are not, None for either.  ``weighted``: True
    for sample weights (small integers, so that some agree), False for none, None for either.
    """
    K = draw(st.integers(2, max_classes))
    if balanced is None:
        balanced = draw(st.booleans())
    if balanced:
        sizes = [draw(st.integers(1, max_per_class))] * K
    else:
        each = st.lists(st.integers(0, max_per_class), min_size=K, max_size=K)
        sizes = draw(each.filter(lambda drawn: len(set(drawn)) > 1))
    weights = None
    if draw(st.booleans()) if weighted is None else weighted:
        weights = draw(st.lists(st.integers(1, 3), min_size=sum(sizes), max_size=sum(sizes)))
    return UFMProblem(class_sizes=sizes, dim=draw(st.integers(1, max_dim)), tau=draw(taus()), weights=weights)


@st.composite
def points(draw: st.DrawFn, problem: SphereProblem) -> Array:
    """Points of a problem's product of spheres, shape ``(d, M)``: generic, or with some structure.

    The structures are a low rank, coinciding columns, and columns along axes; they combine.
    """
    spheres = problem.spheres
    rng = np.random.default_rng(draw(_seeds))
    X = spheres.random_point(rng)
    d, M = spheres.shape
    rank = draw(st.integers(1, d))
    X[draw(st.sampled_from([d, rank])) :] = 0.0
    if draw(st.booleans()):
        # the largest entry alone: a column along an axis, of either sign
        top = np.abs(X).argmax(axis=0)
        axes = np.zeros_like(X)
        axes[top, np.arange(M)] = np.sign(X[top, np.arange(M)])
        along = rng.random(M) < 0.5
        X[:, along] = axes[:, along]
    if spheres.is_oblique:
        if draw(st.booleans()):
            X = X[:, rng.integers(M, size=M)]
        X = draw(st.sampled_from([np.eye(d), _haar(rng, d)])) @ X
    return X / np.sqrt((X * X).sum(axis=0))


@st.composite
def tangents(draw: st.DrawFn, problem: SphereProblem, X: Array) -> Array:
    """Tangent vectors of unit Frobenius norm at ``X`` (zero where there is none), same shape as ``X``."""
    return problem.spheres.random_tangent(draw(_seeds), X)


@st.composite
def orthogonal_matrices(draw: st.DrawFn, d: int) -> Array:
    """Matrices of O(d), of both signs: the identity, signed permutations, and uniform ones."""
    rng = np.random.default_rng(draw(_seeds))
    shape = draw(st.sampled_from(["identity", "signed permutation", "uniform"]))
    if shape == "identity":
        return np.eye(d)
    if shape == "signed permutation":
        return np.eye(d)[rng.permutation(d)] * rng.choice([-1.0, 1.0], size=d)
    return _haar(rng, d)


@st.composite
def group_elements(draw: st.DrawFn, symmetry: SymmetryGroup, d: int) -> tuple[Array, NDArray[np.intp]]:
    """Elements ``(Q, s)`` of a symmetry group, which act by ``X -> Q X[..., s]``."""
    Q = draw(orthogonal_matrices(d)) if symmetry.has_rotations else np.eye(d)
    if symmetry.is_proper and np.linalg.det(Q) < 0.0:
        Q = Q * np.where(np.arange(d) == 0, -1.0, 1.0)
    return Q, symmetry.permutations.random(np.random.default_rng(draw(_seeds)))


def group_permutations(permutations: ColumnPermutations) -> Iterator[NDArray[np.intp]]:
    """Generate all permutations of a group, one by one.

    Raises InvalidInputError if there are more than 50,000.

    Examples
    --------
    >>> [s.tolist() for s in group_permutations(ColumnPermutations((((0,), (1, 2)),), ("a",)))]
    [[0, 1, 2], [0, 2, 1]]
    """
    if permutations.order > _LARGEST_GROUP:
        raise InvalidInputError(
            f"order={permutations.order} must be at most {_LARGEST_GROUP} to be enumerated"
        )
    blocks, kinds = permutations.blocks, permutations.kinds
    members = [[b for b, other in enumerate(kinds) if other == kind] for kind in dict.fromkeys(kinds)]
    for images in product(*map(orderings, members)):
        pairs = zip(chain(*members), chain(*images), strict=True)
        cells = [pair for b, image in pairs for pair in zip(blocks[b], blocks[image], strict=True)]
        for targets in product(*(orderings(target) for _, target in cells)):
            s = np.empty(permutations.columns, dtype=np.intp)
            for (cell, _), target in zip(cells, targets, strict=True):
                s[list(cell)] = target
            yield s


def brute_force_align(X: Array, Y: Array, symmetry: SymmetryGroup) -> Alignment:
    """Try every permutation of a small group, each with its best rotation in the sense of least squares.

    Examples
    --------
    >>> X = np.array([[1.0, 0.0, 0.6], [0.0, 1.0, 0.8]])
    >>> brute_force_align(X, X[::-1, [2, 0, 1]], SymmetryGroup.full(3)).permutation
    array([2, 0, 1])
    """
    tried = (_best_rotation(X, Y, s, symmetry) for s in group_permutations(symmetry.permutations))
    return min(tried, key=lambda found: found.distance)


def brute_force_isotropy_order(X: Array, symmetry: SymmetryGroup, tolerance: float = 1e-6) -> int:
    """Count the permutations of a small group that act on ``X`` as a rotation does, one by one.

    Examples
    --------
    >>> brute_force_isotropy_order(np.array([[1.0, 0, -1, 0], [0, 1, 0, -1]]), SymmetryGroup.full(4))
    8
    """
    tried = (_best_rotation(X, X, s, symmetry) for s in group_permutations(symmetry.permutations))
    return sum(found.distance <= tolerance for found in tried)


def _best_rotation(X: Array, Y: Array, s: NDArray[np.intp], symmetry: SymmetryGroup) -> Alignment:
    """Procrustes rotation of ``X[:, s]`` to ``Y``, or the identity."""
    Q = np.eye(len(X))
    if symmetry.has_rotations:
        left, _, right = np.linalg.svd(Y @ X[:, s].T)
        mirrored = symmetry.is_proper and np.linalg.det(left @ right) < 0.0
        Q = left @ np.diag(np.where((np.arange(len(X)) == len(X) - 1) & mirrored, -1.0, 1.0)) @ right
    chords = np.linalg.norm(Q @ X[:, s] - Y, axis=0)
    angle = 2.0 * np.arcsin(np.minimum(chords.max() / 2.0, 1.0))
    return Alignment(Q=Q, permutation=s, distance=float(angle))


def _haar(rng: np.random.Generator, d: int) -> Array:
    """Draw uniformly from O(d): QR with the signs of the triangle's diagonal taken out (Mezzadri 2007)."""
    Q, R = np.linalg.qr(rng.standard_normal((d, d)))
    return Q * np.where(np.diag(R) < 0.0, -1.0, 1.0)
