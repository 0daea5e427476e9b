"""Critical points sorted apart from all others: what a worker makes of the ends of its searches.

Of many ends few are different, so that little is left to do where the work of all workers comes together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sphereufm.geometry.spheres import Array
from sphereufm.landscape.orbits.found import Found, reduced
from sphereufm.landscape.orbits.register import Entry, OrbitRegister
from sphereufm.landscape.orbits.true_rank import at_true_ranks
from sphereufm.problem import capabilities
from sphereufm.problem.interface import SphereProblem

# Members of a family that are kept for each rank; more take time, and add next to nothing to the ranges.
_MEMBERS_A_RANK = 4

# of each named family a few members of each rank
Members: TypeAlias = dict[str, dict[int, list[Found]]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Gathered:
    """Orbits and members of families among some points."""

    #: Of each point the number of its entry, or its family's name; None where its rank is above the dimension.
    labels: Sequence[int | str | None]
    #: One of each orbit; of costs that are settled first (:mod:`.settle`) one of each point.
    entries: Sequence[Entry]
    members: Members
    undecided: int  #: alignments that ran out of work


def gather(problem: SphereProblem, X: Array) -> Gathered:
    """Sort critical points of shape ``(b, r, M)``; of ``problem``, in ``R^d``."""
    points = reduced(problem, X)
    # among finitely many points there is no family
    named = problem.spheres.dimension > 0
    labels: list[int | str | None] = [None] * len(points)
    isolated, members = [], Members()
    for i, found in enumerate(points):
        name = capabilities.family_name(problem, found.X, found.cost) if named else None
        if found.rank > problem.spheres.shape[0]:
            continue
        if name is None:
            isolated.append(i)
        else:
            labels[i] = name
            join(members, name, found)
    settled = at_true_ranks(problem, [points[i] for i in isolated])
    register = OrbitRegister(problem.symmetry)
    if is_trusted(problem):
        numbers, entries = register.enter(settled), register.entries
    else:
        numbers, entries = list(range(len(settled))), register.prepared(settled)
    for i, number in zip(isolated, numbers, strict=True):
        labels[i] = number
    return Gathered(labels=labels, entries=entries, members=members, undecided=register.undecided)


def join(members: Members, name: str, found: Found) -> None:
    """Note a member of a family, where few of its rank are known."""
    known = members.setdefault(name, {}).setdefault(found.rank, [])
    if len(known) < _MEMBERS_A_RANK:
        known.append(found)


def is_trusted(problem: SphereProblem) -> bool:
    """Whether searches end well enough at critical points to tell orbits by them; else points are settled first."""
    return capabilities.is_well_scaled(problem) or not problem.spheres.dimension
