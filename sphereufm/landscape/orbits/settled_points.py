"""Sort critical points of costs of unknown make: settled first, then known from copies and from families."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from sphereufm.landscape.orbits.found import Found
from sphereufm.landscape.orbits.lower import cost_noise
from sphereufm.landscape.orbits.nonisolated import local_dimension
from sphereufm.landscape.orbits.register import Entry, OrbitRegister
from sphereufm.landscape.orbits.settle import settle
from sphereufm.problem import capabilities
from sphereufm.problem.interface import SphereProblem


@dataclass(frozen=True, eq=False, slots=True)
class _Flat:
    """An orbit with directions of undecided curvature, which may lie on a family."""

    number: int
    found: Found
    directions: int
    nonisolated: bool


@dataclass(eq=False)
class OwnCosts:
    """Finds the orbit of each point.

    ``problem``: in ``R^d``; ``unsettled``: points with a small gradient whose Newton step is not: no critical
    point is claimed there.
    """

    problem: SphereProblem
    register: OrbitRegister
    unsettled: int = 0
    _flat: list[_Flat] = field(default_factory=list)

    def numbers(self, points: Sequence[Found]) -> list[int | None]:
        """Numbers of the points' orbits or families, new ones if need be; None where no critical point is claimed."""
        return [self._number(entry) for entry in self.register.prepared(points)]

    def _number(self, entry: Entry) -> int | None:
        found = entry.found
        if np.isfinite(found.cost):
            known = self.register.known(entry)
            if known is not None:
                return known
            inner = capabilities.in_span(self.problem, found.rank)
            settled = settle(inner, found.X)
            if settled is not None:
                point = inner.at(settled.X)
                better = Found(
                    X=settled.X,
                    rank=found.rank,
                    cost=float(point.cost),
                    radius=settled.uncertainty,
                    cost_noise=float(cost_noise(point)),
                )
                return self._settled_number(better, settled.flat)
        self.unsettled += 1
        return None

    def _settled_number(self, found: Found, flat: int) -> int:
        """Number of a settled point with so many directions of undecided curvature."""
        (entry,) = self.register.prepared([found])
        number = self.register.known(entry)
        if number is None and flat:
            number = self._on_family(found, flat)
        if number is not None:
            return number
        number = self.register.number(entry)
        if flat:
            nonisolated = local_dimension(self.problem, found.X) > 0
            self._flat.append(_Flat(number, found, flat, nonisolated))
        return number

    def _on_family(self, found: Found, directions: int) -> int | None:
        """Orbit of the same cost, rank and flatness, not isolated: the point is taken for one of its family.

        That the two are connected is not claimed, as for all families without a name.
        """
        for known in self._flat:
            same_kind = (
                known.nonisolated and known.directions == directions and known.found.rank == found.rank
            )
            noise = found.cost_noise + 1e3 * np.finfo(np.float64).eps * abs(found.cost)
            if same_kind and abs(known.found.cost - found.cost) <= noise:
                return known.number
        return None
