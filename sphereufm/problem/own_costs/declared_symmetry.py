"""Does a declared group leave a cost unchanged?  Every generator is tried, of every component, at random points."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray

from sphereufm.errors import InvalidInputError
from sphereufm.geometry.spheres import Array, ProductOfSpheres
from sphereufm.geometry.symmetry.groups import ColumnPermutations, SymmetryGroup

_POINTS = 2
# where so many are finite; a logarithm may be defined on half of the spheres
_TRIED = 8
_SEED = 0
# of the spread of the cost over the points and their images, and of its rounding
_TOLERANCE = 1e-8
_ROUNDINGS = 64.0 * float(np.finfo(np.float64).eps)
# reflections are tried after rotations: a cost that changes under them alone has SO(d)
_REFLECTION = "a reflection"
_REMEDIES = {
    _REFLECTION: "rotations leave it unchanged: declare SO(d), by SymmetryGroup.rotations(columns, reflections=False)"
}


def check_symmetry(
    cost: Callable[[Array], Array], spheres: ProductOfSpheres, symmetry: SymmetryGroup
) -> None:
    """Refuse a group that does not fit the manifold, or an element of which changes the cost at a random point.

    ``cost``: at points of shape ``(B, d, M)``.
    """
    d, M = spheres.shape
    if not isinstance(symmetry, SymmetryGroup):
        raise InvalidInputError(
            f"symmetry={symmetry!r} must be a SymmetryGroup, such as SymmetryGroup.full({M})"
        )
    if symmetry.permutations.columns != M:
        raise InvalidInputError(
            f"symmetry permutes {symmetry.permutations.columns} columns, but points have {M}"
        )
    if symmetry.has_rotations and not spheres.is_oblique:
        raise InvalidInputError(f"dims={spheres.dims} must be equal where rotations are declared a symmetry")
    if not (symmetry.has_rotations or symmetry.finite or symmetry.permutations.order > 1):
        return
    rng = np.random.default_rng(_SEED)
    X = spheres.random_point(rng, (_TRIED,))
    with np.errstate(all="ignore"):
        before = cost(X)
        # where the cost is no number, an image says nothing
        chosen = np.flatnonzero(np.isfinite(before))[:_POINTS]
        X, before = X[chosen], before[chosen]
        if not chosen.size:
            return
        for name, Q, s in _elements(symmetry, rng, d):
            after = cost(Q @ X[..., s])
            spread = float(np.ptp([before, after])) + 1e-300
            allowed = _TOLERANCE * spread + _ROUNDINGS * float(np.abs([before, after]).max())
            change = np.abs(before - after)
            if not change.max() <= allowed:
                i = int(change.argmax())
                raise InvalidInputError(
                    f"the declared symmetry changes the cost from {before[i]:.6g} to {after[i]:.6g} under {name}; "
                    f"{_REMEDIES.get(name, 'declare only what leaves it unchanged')}"
                )


def _elements(
    symmetry: SymmetryGroup, rng: np.random.Generator, d: int
) -> Iterator[tuple[str, Array, NDArray[np.intp]]]:
    """Elements whose powers and products come close to every element of the group."""
    columns = np.arange(symmetry.permutations.columns)
    turns = []
    for _ in range(2 * symmetry.has_rotations):
        Q = np.linalg.qr(rng.standard_normal((d, d)))[0]
        turns.append(Q * np.where(np.arange(d) == 0, np.sign(np.linalg.det(Q)), 1.0))
        yield "a rotation", turns[-1], columns
    # O(d) has two components: a cost can be blind to rotations and see mirror images
    for Q in turns if symmetry.orthogonal else ():
        yield _REFLECTION, Q * np.where(np.arange(d) == 0, -1.0, 1.0), columns
    for s in _swaps(symmetry.permutations):
        yield f"the permutation of columns {np.flatnonzero(s != columns).tolist()}", np.eye(d), s
    for number, (Q, s) in enumerate(symmetry.finite.generators if symmetry.finite else ()):
        # where O(d) is a symmetry the matrices are the identity, and the dimension may be another one
        yield f"generator {number}", np.eye(d) if symmetry.orthogonal else Q, s
    yield "a random element", *symmetry.random_element(rng, d)


def _swaps(permutations: ColumnPermutations) -> Iterator[NDArray[np.intp]]:
    """Swaps of neighbouring columns of a cell, and of neighbouring blocks of a kind: they generate the group."""
    pairs = [([i], [j]) for block in permutations.blocks for cell in block for i, j in pairwise(cell)]
    last: dict[object, list[int]] = {}
    for block, kind in zip(permutations.blocks, permutations.kinds, strict=True):
        here = list(chain.from_iterable(block))
        if kind in last:
            pairs.append((last[kind], here))
        last[kind] = here
    for a, b in pairs:
        s = np.arange(permutations.columns)
        s[a], s[b] = b, a
        yield s
