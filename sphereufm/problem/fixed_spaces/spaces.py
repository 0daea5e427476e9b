"""Critical points with prescribed symmetry, found inside fixed-point spaces of permutation groups.

The groups are products of symmetric groups: classes of one kind (equal multisets of weights) are split into
blocks, all classes of a block may be permuted, and all samples of a class are equal.  Each space is a small
product of spheres whatever the number of classes and samples, so instances far too large for sampling are reached.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array
from sphereufm.geometry.symmetry.fixed_spaces import FixedPointSpace, block_partitions
from sphereufm.problem.fixed_spaces.block_problem import BlockProblem
from sphereufm.problem.fixed_spaces.restricted import RestrictedProblem

if TYPE_CHECKING:
    from sphereufm.problem.ufm import UFMProblem


@dataclass(frozen=True, kw_only=True, eq=False)
class SymmetricSpace:
    """The problem on one fixed-point space.

    * ``blocks``: classes of each block.
    * ``problem``: the cost on the space, to search.
    * ``restricted``: the same cost as a restriction, which knows the points of the original problem.
    * ``labels``: labels of the original samples.
    """

    blocks: tuple[tuple[int, ...], ...]
    problem: BlockProblem
    restricted: RestrictedProblem
    labels: NDArray[np.intp]
    classes: int
    sampled: tuple[int, ...]

    @property
    def name(self) -> str:
        """Group in words, for example ``S_3 x S_2``."""
        return " x ".join(f"S_{len(block)}" for block in self.blocks)

    def expand(self, Y: Array) -> Array:
        """Return the point of the original problem, shape ``(..., dim, K + N)``, for a small point."""
        merged = self.restricted.lift(Y)
        place = {k: self.classes + i for i, k in enumerate(self.sampled)}
        columns = [*range(self.classes), *(place[int(y)] for y in self.labels)]
        return merged[..., columns]


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
    """Assemble the restricted problem: one merged sample of its class's whole weight for each class."""
    space = FixedPointSpace(blocks)
    totals = np.bincount(problem.labels, weights=problem.weights, minlength=problem.classes)
    sampled = tuple(int(k) for k in np.flatnonzero(totals > 0.0))
    first = np.array([np.flatnonzero(problem.labels == k)[0] for k in sampled])
    merged = problem.with_samples(first, totals[list(sampled)], space.dim)
    block_of = np.array(space.block_of)
    column_of = np.concatenate([block_of, len(blocks) + block_of[list(sampled)]])
    used, column_of = np.unique(column_of, return_inverse=True)
    spheres = replace(space.spheres, dims=tuple(space.spheres.dims[c] for c in used))
    restricted = RestrictedProblem(
        full=merged,
        maps=np.concatenate([space.maps, space.maps[list(sampled)]]),
        column_of=column_of,
        spheres=spheres,
    )
    members = [b for b, block in enumerate(blocks) if block[0] in sampled]
    small = BlockProblem(
        space=space,
        sampled=tuple(members),
        weights=tuple(float(totals[list(blocks[b])].sum()) for b in members),
        tau=problem.tau,
    )
    return SymmetricSpace(
        blocks=blocks,
        problem=small,
        restricted=restricted,
        labels=problem.labels,
        classes=problem.classes,
        sampled=sampled,
    )
