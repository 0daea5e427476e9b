"""Critical points with prescribed symmetry, found inside fixed-point spaces of permutation groups.

The groups are products of symmetric groups: classes of one kind (equal multisets of weights) are split into
blocks, all classes of a block may be permuted, and all samples of a class are equal.  Each space is a small
product of spheres whatever the number of classes and samples, so instances far too large for sampling are reached.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array
from sphereufm.geometry.symmetry.fixed_spaces import FixedPointSpace, block_partitions
from sphereufm.problem.restriction.block_problem import BlockProblem

if TYPE_CHECKING:
    from sphereufm.problem.ufm import UFMProblem


@dataclass(frozen=True, kw_only=True, eq=False)
class SymmetricSpace:
    """The problem on one fixed-point space.

    Column ``j`` of the large point is ``maps[j] @ y`` with ``y`` the column ``column_of[j]`` of the small one.  These
    are isometries: great circles go to great circles, gradients and Hessians pull back without further terms.
    """

    blocks: tuple[tuple[int, ...], ...]  #: classes of each block
    problem: BlockProblem  #: the cost on the space, to search
    #: Shape ``(K + s, d, d')``; ``column_of``, shape ``(K + s,)``: of the classifiers and of one sample in
    #: each class that has samples.
    maps: Array
    column_of: NDArray[np.intp]
    copies: NDArray[np.intp]  #: shape ``(K + N,)``: which of these each column of the original problem equals

    @property
    def name(self) -> str:
        """Group in words, for example ``S_3 x S_2``."""
        return " x ".join(f"S_{len(block)}" for block in self.blocks)

    def expand(self, Y: Array) -> Array:
        """Return the point of the original problem, shape ``(..., dim, K + N)``, for a small point."""
        return np.einsum("jde,...ej->...dj", self.maps, Y[..., self.column_of], optimize=True)[
            ..., self.copies
        ]


def fixed_point_spaces(problem: UFMProblem, most_blocks: int = 3) -> Iterator[SymmetricSpace]:
    """Yield the fixed-point spaces of all block partitions of the classes.

    ``problem``: cross-entropy without offsets; samples of one class must have equal weights (else nothing is
    yielded).  ``most_blocks``: largest number of blocks for each kind of class.
    """
    permutations = problem.symmetry.permutations
    if not problem.is_plain or any(len(cells) > 2 for cells in permutations.blocks):
        return
    kinds: dict[object, list[int]] = {}
    for k, kind in enumerate(permutations.kinds):
        kinds.setdefault(kind, []).append(k)
    choices = [block_partitions(tuple(members), most_blocks) for members in kinds.values()]
    for parts in product(*choices):
        yield _space(problem, tuple(block for part in parts for block in part))


def _space(problem: UFMProblem, blocks: tuple[tuple[int, ...], ...]) -> SymmetricSpace:
    """Blocks with a sample have a feature column, of their classes' whole weight."""
    space = FixedPointSpace(blocks)
    totals = np.bincount(problem.labels, weights=problem.weights, minlength=problem.classes)
    sampled = np.flatnonzero(totals > 0.0)
    members = [b for b, block in enumerate(blocks) if block[0] in sampled]
    block_of = np.array(space.block_of)
    return SymmetricSpace(
        blocks=blocks,
        problem=BlockProblem(
            space=space,
            sampled=tuple(members),
            weights=tuple(float(totals[list(blocks[b])].sum()) for b in members),
            tau=problem.tau,
        ),
        maps=np.concatenate([space.maps, space.maps[sampled]]),
        column_of=np.concatenate([block_of, len(blocks) + np.searchsorted(members, block_of[sampled])]),
        copies=np.concatenate(
            [np.arange(problem.classes), problem.classes + np.searchsorted(sampled, problem.labels)]
        ),
    )
