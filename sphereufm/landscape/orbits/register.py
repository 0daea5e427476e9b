"""Merge critical points that differ by an element of the symmetry group only.

Candidates are grouped by cost and by invariants of the group, to a tolerance; two of a group are one class
only when an explicit group element that maps one to the other has been found.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sphereufm.geometry.spheres import Array
from sphereufm.geometry.symmetry.alignment import AlignmentUndecidedError, align, invariants
from sphereufm.geometry.symmetry.groups import SymmetryGroup

__all__ = ["ClassRegister"]

_SAME_COST = 1e-7
# Costs below this differ by rounding only; the cost selects candidates, and alignment decides.
_NO_COST = 1e-12
_SAME_INVARIANTS = 1e-5
_SAME_POINT = 1e-5


@dataclass(eq=False)
class ClassRegister:
    """Distinct classes met so far, and how often each was met.

    Attributes
    ----------
    symmetry : SymmetryGroup
    representatives : list of ndarray, shape (r, M) each
        One point of each class, in its own span where O(d) is a symmetry.
    costs : list of float
    hits : list of int
    undecided : int
        Alignments that ran out of work: that many entries may be copies of others.

    Examples
    --------
    >>> register = ClassRegister(SymmetryGroup.full(2))
    >>> register.add(np.array([[1.0, -1.0]]), 0.5), register.add(np.array([[-1.0, 1.0]]), 0.5)
    (0, 0)
    """

    symmetry: SymmetryGroup
    representatives: list[Array] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)
    hits: list[int] = field(default_factory=list)
    undecided: int = 0
    _invariants: list[Array] = field(default_factory=list)

    def add(self, X: Array, cost: float) -> int:
        """Count a hit for the class of ``X``, shape ``(r, M)``; return the class number, a new one if need be."""
        vector = invariants(X, self.symmetry)
        for number in self._candidates(X, cost, vector):
            if self._aligned(X, number):
                self.hits[number] += 1
                return number
        self.representatives.append(X)
        self.costs.append(cost)
        self.hits.append(1)
        self._invariants.append(vector)
        return len(self.hits) - 1

    def _aligned(self, X: Array, number: int) -> bool:
        """Whether a group element maps ``X`` to the class's representative; an undecided search is no proof of it."""
        try:
            found = align(X, self.representatives[number], self.symmetry, tolerance=_SAME_POINT)
        except AlignmentUndecidedError:
            self.undecided += 1
            return False
        return found is not None

    def _candidates(self, X: Array, cost: float, vector: Array) -> list[int]:
        """Classes of the same rank whose cost and invariants agree with the given ones."""
        if not self.costs:
            return []
        known = np.array(self.costs)
        near = np.flatnonzero(np.abs(known - cost) <= _SAME_COST * (np.abs(known) + abs(cost)) + _NO_COST)
        return [
            int(i)
            for i in near
            if self.representatives[i].shape == X.shape
            and np.abs(self._invariants[i] - vector).max(initial=0.0) <= _SAME_INVARIANTS
        ]
