r"""Order of the group of permutations that act on a point as rotations do.

The isotropy group of the O(d)-orbit of ``X`` is ``{s : X[:, s] = Q X for some Q in O(d)}``.  It maps to the
rotations ``Q`` of the span of ``X`` that carry the columns to columns of the same cell kind and blocks to
blocks; the kernel are the permutations with ``X[:, s] = X``.

* The kernel is counted by factorials: coinciding columns of a cell, and blocks of one kind that coincide
  column by column.
* The rotations are counted by a chain of stabilisers: with a frame ``x_1, .., x_k`` of ``X``, their number is
  the product over ``i`` of the number of places that ``x_i`` can take while ``x_1, .., x_{i-1}`` stay.
  Every place is decided by an alignment with that much prescribed.  Places that rotations already found
  relate are asked for once only.

There are ``order / isotropy`` orbits of O(d) in the orbit of ``X`` under the permutations.

References
----------
C. C. Sims, *Computational methods in the study of permutation groups*, 1970 (stabiliser chains).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field
from math import factorial, prod

import numpy as np
from numpy.typing import NDArray

from sphereufm.errors import check_positive
from sphereufm.geometry.spheres import Array
from sphereufm.geometry.symmetry.alignment import SAME_PLACE, WORK, check_point, possible_preimages, search
from sphereufm.geometry.symmetry.groups import ColumnPermutations, SymmetryGroup
from sphereufm.geometry.symmetry.matching import position_labels
from sphereufm.geometry.symmetry.placements import Frame, Work, choose_frame


def isotropy_order(X: Array, symmetry: SymmetryGroup, tolerance: float = 1e-6, *, work: int = WORK) -> int:
    """Count the permutations ``s`` of the group with ``X[:, s] = Q X`` for some ``Q`` (the identity without rotations).

    ``tolerance``: largest allowed angle of an alignment, in radians; columns within a tenth of it count as equal, and
    for the configuration so seen the count is exact.  ``work``: steps that each single search may take.  Raises
    AlignmentUndecidedError if a search was stopped by its work limit.
    """
    permutations = symmetry.permutations
    X = check_point("X", X, symmetry)
    tolerance = check_positive("tolerance", tolerance)
    labels = position_labels(X, permutations, SAME_PLACE * tolerance)
    kernel = _kernel_order(labels, permutations)
    if not symmetry.has_rotations:
        return kernel
    possible, places = possible_preimages(X, X, symmetry, tolerance)
    frame = choose_frame(X, permutations, possible.sum(axis=1), (1.0 + SAME_PLACE) * tolerance)
    candidates = tuple(places[possible[f]] for f in frame.columns)
    chain = _Chain(X, symmetry, frame, candidates, labels, tolerance, work)
    return kernel * prod(chain.orbit_size(level) for level in reversed(range(len(frame.columns))))


@dataclass(frozen=True, eq=False)
class _Chain:
    """Stabilisers of the first columns of a frame, from the smallest up.

    ``rotations`` are maps of places (old place to new) that have been found so far.
    """

    X: Array
    symmetry: SymmetryGroup
    frame: Frame
    candidates: tuple[NDArray[np.intp], ...]
    labels: NDArray[np.intp]
    tolerance: float
    work: int
    rotations: list[NDArray[np.intp]] = field(default_factory=list)

    def orbit_size(self, level: int) -> int:
        """Number of places for frame column ``level`` while those before it stay."""
        start = int(self.labels[self.frame.columns[level]])
        orbit, refused = self._orbit(start), set[int]()
        for column in self.candidates[level].tolist():
            place = int(self.labels[column])
            if place in orbit or place in refused:
                continue
            if self._relates(level, column):
                orbit = self._orbit(start)
            else:
                refused |= self._orbit(place)
        return len(orbit)

    def _relates(self, level: int, column: int) -> bool:
        """Whether a rotation carries ``column`` to frame column ``level`` and keeps those before it."""
        kept = [np.array([f]) for f in self.frame.columns[:level]]
        choices = [*kept, np.array([column]), *self.candidates[level + 1 :]]
        found = search(self.X, self.X, self.symmetry, self.frame, choices, self.tolerance, Work(self.work))
        if found is None:
            return False
        image = np.arange(self.labels.max() + 1)
        image[self.labels[found.permutation]] = self.labels
        self.rotations.append(image)
        return True

    def _orbit(self, start: int) -> set[int]:
        """Places that the rotations found so far carry ``start`` to."""
        orbit, fresh = {start}, [start]
        while fresh:
            place = fresh.pop()
            images = {int(image[place]) for image in self.rotations} - orbit
            orbit |= images
            fresh.extend(images)
        return orbit


def _kernel_order(labels: NDArray[np.intp], permutations: ColumnPermutations) -> int:
    """Number of permutations of the group that move no column to another place."""
    order = 1
    kinds: Counter[Hashable] = Counter()
    for block, kind in zip(permutations.blocks, permutations.kinds, strict=True):
        cells = [Counter(labels[list(cell)].tolist()) for cell in block]
        order *= prod(factorial(count) for cell in cells for count in cell.values())
        kinds[kind, tuple(tuple(sorted(cell.items())) for cell in cells)] += 1
    return order * prod(factorial(count) for count in kinds.values())
