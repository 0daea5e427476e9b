r"""Critical points of rank one, exactly and by counting.

If O(d) is a symmetry, ``X = a s^T`` with signs ``s`` is critical for *every* ``s``: the gradient is fixed by
all maps that fix ``a``, so each of its columns is a multiple of ``a``, which is normal to the sphere.  (So it is under
SO(d), for ``d >= 3``.)  Modulo rotations and permutations of columns a sign pattern is given by the number of plus
signs in each cell; blocks of one kind form a multiset; and ``s`` and ``-s`` are one orbit.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations_with_replacement, product
from math import comb, prod
from typing import TypeAlias

import numpy as np

from sphereufm.errors import InvalidInputError
from sphereufm.geometry.spheres import Array, as_generator
from sphereufm.geometry.symmetry.finite import FiniteGroup
from sphereufm.geometry.symmetry.groups import ColumnPermutations
from sphereufm.landscape.starts.cyclic import permutation_cycles

# plus signs in each cell of each block, blocks of a kind sorted
_Counts: TypeAlias = tuple[tuple[int, ...], ...]


def count_sign_patterns(permutations: ColumnPermutations) -> int:
    """Number of orbits of sign patterns, by Burnside's lemma for the common sign.

    Examples
    --------
    >>> count_sign_patterns(ColumnPermutations.trivial(3))
    4
    >>> count_sign_patterns(ColumnPermutations.all_columns(3))
    2
    """
    everything, symmetric = 1, 1
    for shape, blocks in _kinds(permutations):
        types = prod(n + 1 for n in shape)
        own = int(all(n % 2 == 0 for n in shape))
        pairs = (types - own) // 2
        everything *= _multisets(types, blocks)
        symmetric *= sum(
            _multisets(pairs, j) * _multisets(own, blocks - 2 * j) for j in range(blocks // 2 + 1)
        )
    return (everything + symmetric) // 2


def count_sign_images(finite: FiniteGroup) -> int:
    """Number of orbits of sign patterns under listed permutations and the common sign, by Burnside's lemma."""
    fixed = 0
    for s in finite.permutations:
        found = permutation_cycles(s)
        # a change of every sign is undone along cycles of even length
        fixed += 2 ** len(found) * (1 + all(len(cycle) % 2 == 0 for cycle in found))
    return fixed // (2 * finite.order)


def sign_patterns(permutations: ColumnPermutations, limit: int, rng: int | np.random.Generator = 0) -> Array:
    """One sign vector of each orbit, shape ``(orbits, M)``; a random choice of ``limit`` where there are more.

    ``limit``: largest number of orbits to list; ``rng``: used only where the list would exceed ``limit``.
    Raises InvalidInputError if ``limit`` is below one.
    """
    if limit < 1:
        raise InvalidInputError(f"limit={limit} must be at least 1")
    if count_sign_patterns(permutations) <= limit:
        chosen: Iterator[_Counts] = (c for c in _all_counts(permutations) if c <= _flipped(c, permutations))
        return np.array([_signs(c, permutations) for c in chosen])
    generator = as_generator(rng)
    seen: dict[_Counts, None] = {}
    while len(seen) < limit:
        counts = _random_counts(permutations, generator)
        seen.setdefault(min(counts, _flipped(counts, permutations)))
    return np.array([_signs(c, permutations) for c in sorted(seen)])


def _kinds(permutations: ColumnPermutations) -> list[tuple[tuple[int, ...], int]]:
    """Cell sizes and number of blocks of each kind, in order of first appearance."""
    order = dict.fromkeys(permutations.kinds)
    shapes = {
        k: tuple(len(c) for c in b) for k, b in zip(permutations.kinds, permutations.blocks, strict=True)
    }
    return [(shapes[kind], permutations.kinds.count(kind)) for kind in order]


def _multisets(types: int, size: int) -> int:
    """Number of multisets."""
    return comb(types + size - 1, size) if types else int(size == 0)


def _all_counts(permutations: ColumnPermutations) -> Iterator[_Counts]:
    """Every orbit before the common sign is divided out."""
    choices = []
    for shape, blocks in _kinds(permutations):
        types = list(product(*(range(n + 1) for n in shape)))
        choices.append(combinations_with_replacement(types, blocks))
    for pick in product(*choices):
        yield tuple(counts for group in pick for counts in group)


def _random_counts(permutations: ColumnPermutations, rng: np.random.Generator) -> _Counts:
    """Counts drawn uniformly for each cell, canonically ordered."""
    groups: list[tuple[int, ...]] = []
    for shape, blocks in _kinds(permutations):
        drawn = sorted(tuple(int(rng.integers(n + 1)) for n in shape) for _ in range(blocks))
        groups.extend(drawn)
    return tuple(groups)


def _flipped(counts: _Counts, permutations: ColumnPermutations) -> _Counts:
    """Counts of the pattern with every sign changed."""
    groups: list[tuple[int, ...]] = []
    start = 0
    for shape, blocks in _kinds(permutations):
        part = counts[start : start + blocks]
        groups.extend(sorted(tuple(n - c for n, c in zip(shape, block, strict=True)) for block in part))
        start += blocks
    return tuple(groups)


def _signs(counts: _Counts, permutations: ColumnPermutations) -> Array:
    """Sign vector with the first columns of each cell positive."""
    order = dict.fromkeys(permutations.kinds)
    ordered = [b for kind in order for b, k in enumerate(permutations.kinds) if k == kind]
    signs = -np.ones(permutations.columns)
    for b, block_counts in zip(ordered, counts, strict=True):
        for cell, plus in zip(permutations.blocks[b], block_counts, strict=True):
            signs[list(cell[:plus])] = 1.0
    return signs
