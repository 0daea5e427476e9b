"""Merge critical points that differ by an element of the symmetry group only.

Candidates are those of one rank whose cost and invariants agree, to a tolerance.  Two of them are one orbit only when
an explicit group element that maps one to the other has been found: nearly always both, each in its canonical order
(:mod:`~sphereufm.geometry.symmetry.invariants`), differ by a rotation; else an alignment is sought.  The tolerance is
1e-5 radians and what is not known of degenerate points.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from sphereufm.geometry.spheres import Array
from sphereufm.geometry.symmetry.alignment import align, carriers
from sphereufm.geometry.symmetry.groups import SymmetryGroup, is_rotation_of
from sphereufm.geometry.symmetry.invariants import canonical_orders, invariants
from sphereufm.geometry.symmetry.placements import AlignmentUndecidedError
from sphereufm.landscape.orbits.found import NO_COST, Found
from sphereufm.tolerances import CANDIDATE_COST

# Radians between images of one point; no invariant changes by more.
SAME_POINT = 1e-5
# Radians up to which alignment speaks.
_LARGEST_REACH = 0.2
# Entries of the Gram matrices that are made at once.
_PIECE = 1 << 21
# From so many columns on, invariants and orders take longer than a look at whether a rotation alone will do; so many
# points are prepared together then.
_MANY_COLUMNS, _FEW_POINTS = 100, 64


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Entry:
    """A point with what it is compared by: invariants ``(n,)`` and the columns in canonical order ``(r, M)``."""

    found: Found
    invariants: Array
    ordered: Array


@dataclass(eq=False)
class OrbitRegister:
    """Distinct orbits met so far.

    ``representatives``: one point of each, in its own span where O(d) is a symmetry, in the order in which they were
    met; ``entries``: the same, prepared; ``undecided``: alignments that ran out of work: that many entries may be
    copies of others.

    Examples
    --------
    >>> register = OrbitRegister(SymmetryGroup.full(2))
    >>> points = [Found(X=np.array([[1.0, -1.0]]) * sign, rank=1, cost=0.5) for sign in (1.0, -1.0)]
    >>> register.enter(points), len(register.representatives)
    ([0, 0], 1)
    """

    symmetry: SymmetryGroup
    representatives: list[Found] = field(default_factory=list)
    undecided: int = 0
    entries: list[Entry] = field(default_factory=list)
    _by_cost: list[tuple[float, int]] = field(default_factory=list)
    _cost_noise: float = NO_COST

    def enter(self, points: Sequence[Found]) -> list[int]:
        """Number of the orbit of each point, in their order; new ones where need be."""
        numbers: list[int] = []
        for begin in range(0, len(points), _FEW_POINTS):
            piece = points[begin : begin + _FEW_POINTS]
            turned = [self._turned(point) for point in piece]
            rest = iter(self.prepared([p for p, number in zip(piece, turned, strict=True) if number is None]))
            numbers += [self.number(next(rest)) if number is None else number for number in turned]
        return numbers

    def _turned(self, point: Found) -> int | None:
        """The orbit of a point of many columns that a rotation alone brings onto its representative."""
        if not self.symmetry.has_rotations or point.X.shape[1] < _MANY_COLUMNS:
            return None
        for number in self._near(point):
            other = self.representatives[number]
            if self._is_rotation(point.X, other.X, _reach(point, other)):
                return number
        return None

    def number(self, entry: Entry) -> int:
        """Number of the orbit of a prepared point, a new one where need be."""
        known = self.known(entry)
        if known is not None:
            return known
        number = len(self.entries)
        self.representatives.append(entry.found)
        self.entries.append(entry)
        insort(self._by_cost, (entry.found.cost, number))
        self._cost_noise = max(self._cost_noise, entry.found.cost_noise)
        return number

    def known(self, entry: Entry) -> int | None:
        """The orbit met earliest that the point, or an image of it under a listed element, belongs to."""
        near = self._near(entry.found)
        same = (number for number in near if self._is_same(entry, self.entries[number]))
        listed = near if self.symmetry.finite is not None else ()
        images = (number for number in listed if self._is_image(entry.found, self.representatives[number]))
        return next(chain(same, images), None)

    def _is_image(self, point: Found, other: Found) -> bool:
        """Whether a listed element maps one to the other."""
        same_shape = other.X.shape == point.X.shape
        return same_shape and carriers(self.symmetry, point.X, other.X, _reach(point, other)).size > 0

    def _is_same(self, entry: Entry, other: Entry) -> bool:
        """Whether a group element maps one to the other; an undecided search is no proof of it."""
        if other.ordered.shape != entry.ordered.shape:
            return False
        reach = _reach(entry.found, other.found)
        # a group element that brings the points within reach changes invariants by no more
        if np.abs(other.invariants - entry.invariants).max(initial=0.0) > reach:
            return False
        rotated = self.symmetry.has_rotations
        if rotated and self._is_rotation(entry.ordered, other.ordered, reach):
            return True
        try:
            return align(entry.found.X, other.found.X, self.symmetry, tolerance=reach) is not None
        except AlignmentUndecidedError:
            self.undecided += 1
            return False

    def _is_rotation(self, X: Array, Y: Array, reach: float) -> bool:
        return X.shape == Y.shape and is_rotation_of(X, Y, reach, proper=self.symmetry.is_proper)

    def _near(self, point: Found) -> list[int]:
        """Orbits of nearly the same cost, as they were met."""
        reach = 2.0 * CANDIDATE_COST * abs(point.cost) + max(self._cost_noise, point.cost_noise)
        begin = bisect_left(self._by_cost, (point.cost - reach, 0))
        end = bisect_right(self._by_cost, (point.cost + reach, len(self.entries)))
        return sorted(number for _, number in self._by_cost[begin:end])

    def prepared(self, points: Sequence[Found]) -> list[Entry]:
        """The points with what they are compared by, made for all points of one shape together."""
        entries: dict[int, Entry] = {}
        for shape in dict.fromkeys(point.X.shape for point in points):
            places = [i for i, point in enumerate(points) if point.X.shape == shape]
            step = max(1, _PIECE // shape[1] ** 2)
            for begin in range(0, len(places), step):
                piece = places[begin : begin + step]
                X = np.array([points[i].X for i in piece])
                orders = canonical_orders(X, self.symmetry)
                ordered = np.take_along_axis(X, orders[:, None, :], axis=-1)
                for i, vector, columns in zip(piece, invariants(X, self.symmetry), ordered, strict=True):
                    entries[i] = Entry(found=points[i], invariants=vector, ordered=columns)
        return [entries[i] for i in range(len(points))]


def _reach(point: Found, other: Found) -> float:
    """Radians within which two points are one."""
    return min(SAME_POINT + point.radius + other.radius, _LARGEST_REACH)
