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

# sizes of the cells of a block, and blocks of that kind
_Kind: TypeAlias = tuple[tuple[int, ...], int]
# plus signs in each cell of each block of each kind, blocks of a kind sorted
_Counts: TypeAlias = tuple[tuple[tuple[int, ...], ...], ...]


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
    kinds = _kinds(permutations)
    if count_sign_patterns(permutations) <= limit:
        chosen = [c for c in _all_counts(kinds) if c <= _flipped(c, kinds)]
    else:
        generator, seen = as_generator(rng), set[_Counts]()
        while len(seen) < limit:
            counts = _random_counts(kinds, generator)
            seen.add(min(counts, _flipped(counts, kinds)))
        chosen = sorted(seen)
    return np.array([_signs(c, permutations) for c in chosen])


def _kinds(permutations: ColumnPermutations) -> list[_Kind]:
    """Cell sizes and number of blocks of each kind, in order of first appearance."""
    shapes = dict(zip(permutations.kinds, permutations.blocks, strict=True))
    return [
        (tuple(map(len, shapes[kind])), permutations.kinds.count(kind))
        for kind in dict.fromkeys(permutations.kinds)
    ]


def _multisets(types: int, size: int) -> int:
    """Number of multisets."""
    return comb(types + size - 1, size) if types else int(size == 0)


def _all_counts(kinds: list[_Kind]) -> Iterator[_Counts]:
    """Every orbit before the common sign is divided out."""
    return product(
        *(
            combinations_with_replacement(product(*(range(n + 1) for n in shape)), blocks)
            for shape, blocks in kinds
        )
    )


def _random_counts(kinds: list[_Kind], rng: np.random.Generator) -> _Counts:
    """Counts drawn uniformly for each cell, canonically ordered."""
    return tuple(
        tuple(sorted(tuple(int(rng.integers(n + 1)) for n in shape) for _ in range(blocks)))
        for shape, blocks in kinds
    )


def _flipped(counts: _Counts, kinds: list[_Kind]) -> _Counts:
    """Counts of the pattern with every sign changed."""
    return tuple(
        tuple(sorted(tuple(n - c for n, c in zip(shape, block, strict=True)) for block in group))
        for group, (shape, _) in zip(counts, kinds, strict=True)
    )


def _signs(counts: _Counts, permutations: ColumnPermutations) -> Array:
    """Sign vector with the first columns of each cell positive."""
    signs = -np.ones(permutations.columns)
    for group, cells in zip(counts, permutations.kind_cells, strict=True):
        for b, block in enumerate(group):
            for cell, plus in zip(cells, block, strict=True):
                signs[cell[b, :plus]] = 1.0
    return signs
