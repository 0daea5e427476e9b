"""Sort critical points of costs of unknown make: settled first, then known from copies and from families."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sphereufm.landscape.orbits.found import Found
from sphereufm.landscape.orbits.lower import cost_noise
from sphereufm.landscape.orbits.nonisolated import local_dimension
from sphereufm.landscape.orbits.register import Entry, OrbitRegister
from sphereufm.landscape.orbits.settle import settle
from sphereufm.problem import capabilities
from sphereufm.problem.interface import SphereProblem
from sphereufm.tolerances import ROUNDINGS


@dataclass(eq=False)
class OwnCosts:
    """Finds the orbit of each point.

    ``problem``: in ``R^d``; ``unsettled``: points with a small gradient whose Newton step is not: no critical
    point is claimed there.
    """

    problem: SphereProblem
    register: OrbitRegister
    unsettled: int = 0
    #: Directions of undecided curvature at orbits that lie on a family.
    _flat: dict[int, int] = field(default_factory=dict)

    def number(self, entry: Entry) -> int | None:
        """Number of the point's orbit or family, a new one if need be; None where no critical point is claimed."""
        found = entry.found
        inner, settled = capabilities.in_span(self.problem, found.rank), None
        if np.isfinite(found.cost):
            known = self.register.known(entry)
            if known is not None:
                return known
            settled = settle(inner, found.X)
        if settled is None:
            self.unsettled += 1
            return None
        point = inner.at(settled.X)
        better = Found(
            X=settled.X,
            rank=found.rank,
            cost=float(point.cost),
            radius=settled.uncertainty,
            cost_noise=float(cost_noise(point)),
        )
        return self._settled_number(better, settled.flat)

    def _settled_number(self, found: Found, flat: int) -> int:
        """Number of a settled point with so many directions of undecided curvature."""
        (entry,) = self.register.prepared([found])
        known = self.register.known(entry)
        if known is None and flat:
            known = self._on_family(found, flat)
        if known is not None:
            return known
        number = self.register.number(entry)
        if flat and local_dimension(self.problem, found.X) > 0:
            self._flat[number] = flat
        return number

    def _on_family(self, found: Found, flat: int) -> int | None:
        """Orbit of the same cost, rank and flatness, not isolated: the point is taken for one of its family.

        That the two are connected is not claimed, as for all families without a name.
        """
        points = self.register.representatives
        noise = found.cost_noise + ROUNDINGS * abs(found.cost)
        for number, directions in self._flat.items():
            same_kind = directions == flat and points[number].rank == found.rank
            if same_kind and abs(points[number].cost - found.cost) <= noise:
                return number
        return None
