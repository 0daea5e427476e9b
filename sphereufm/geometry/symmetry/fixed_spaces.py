r"""Fixed-point spaces of permutation groups that act together with O(d).

Let the group ``Gamma = S_{a_1} x ... x S_{a_m}`` permute classes inside ``m`` blocks of sizes ``a_1 + ... +
a_m = K``.  A configuration of ``K`` classifiers (or of ``K`` features, one a class) is fixed *up to O(d)* when
every permutation of ``Gamma`` acts on it as some orthogonal map.  By Schur's lemma such configurations are,
after a rotation, exactly

    x_k = [ c_b ; 0 ; ... ; u_b (x) e_k ; ... ; 0 ],     k in block b,

with a *common part* ``c_b`` in ``R^p`` and a *spread* ``u_b`` in ``R^q`` times the vertex ``e_k`` of the
regular simplex of ``R^{a_b - 1}`` (``<e_k, e_l> = -1 / (a_b - 1)``).  Since ``|c_b|^2 + |u_b|^2 = 1``, the
space is again a product of spheres: one column ``(c_b, u_b)`` for each block and role.  By the principle of
symmetric criticality a critical point of a ``Gamma``-invariant cost *restricted* to it is a critical point of
the cost itself.

With ``p = 2 m`` and ``q = 2`` every pair (classifiers, features) that is fixed by ``Gamma`` up to O(d) has
such a form.

References
----------
R. S. Palais, *The principle of symmetric criticality*, Comm. Math. Phys. 1979.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sphereufm.geometry.spheres import Array, ProductOfSpheres


@dataclass(frozen=True)
class FixedPointSpace:
    """Configurations of classifiers and class features that ``S_{a_1} x ... x S_{a_m}`` fixes up to O(d).

    ``blocks``: the classes of each block.
    """

    blocks: tuple[tuple[int, ...], ...]

    @cached_property
    def classes(self) -> int:
        """Number of classes ``K``."""
        return sum(len(block) for block in self.blocks)

    @cached_property
    def common(self) -> int:
        """Dimension ``p = 2 m`` of the common parts."""
        return 2 * len(self.blocks)

    @cached_property
    def dim(self) -> int:
        """Dimension of the space in which the configurations live."""
        return self.common + sum(2 * (len(block) - 1) for block in self.blocks)

    @cached_property
    def spheres(self) -> ProductOfSpheres:
        """Reduced points: a column for the classifiers of each block, then one for the features of each block."""
        dims = tuple(self.common + (2 if len(block) > 1 else 0) for block in self.blocks)
        return ProductOfSpheres(dims + dims)

    @cached_property
    def maps(self) -> Array:
        """Linear isometries ``(K, dim, reduced d)``: class ``k``'s column is ``maps[k] @ y`` for its block's ``y``."""
        p = row = self.common
        maps = np.zeros((self.classes, self.dim, self.spheres.shape[0]))
        maps[:, :p, :p] = np.eye(p)
        for block in self.blocks:
            size = len(block) - 1
            for vertex, k in zip(simplex_vertices(len(block)).T, block, strict=True):
                for q in range(2 if size else 0):
                    maps[k, row + q * size : row + (q + 1) * size, p + q] = vertex
            row += 2 * size
        return maps

    @cached_property
    def block_of(self) -> tuple[int, ...]:
        """Block of each class."""
        place = {k: b for b, block in enumerate(self.blocks) for k in block}
        return tuple(place[k] for k in range(self.classes))


def simplex_vertices(count: int) -> Array:
    """Vertices of the regular simplex on the unit sphere, shape ``(count - 1, count)``."""
    # rows of the Helmert matrix: orthonormal and orthogonal to the ones
    i, j = np.arange(1, count)[:, None], np.arange(count)
    rows = np.where(j < i, 1.0, np.where(j == i, -i, 0.0)) / np.sqrt(i * (i + 1.0))
    return rows * np.sqrt(count / max(count - 1.0, 1.0))


def block_partitions(members: tuple[int, ...], most: int) -> Iterator[tuple[tuple[int, ...], ...]]:
    """Split interchangeable members into at most ``most`` blocks, one way for each choice of sizes."""
    for sizes in _integer_partitions(len(members), most, len(members)):
        ends = np.cumsum(sizes)
        yield tuple(members[end - size : end] for size, end in zip(sizes, ends, strict=True))


def _integer_partitions(total: int, most: int, largest: int) -> Iterator[tuple[int, ...]]:
    """Partitions of ``total`` into at most ``most`` parts, largest first."""
    if total == 0:
        yield ()
        return
    if most == 0:
        return
    for first in range(min(total, largest), 0, -1):
        for rest in _integer_partitions(total - first, most - 1, first):
            yield (first, *rest)
