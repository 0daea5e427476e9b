"""Critical points while they are gathered: merged into classes and families, and classified at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from sphereufm.geometry.spheres import Array
from sphereufm.geometry.symmetry.alignment import AlignmentUndecidedError
from sphereufm.geometry.symmetry.isotropy import isotropy_order
from sphereufm.landscape.orbits.classify import classify, name_spurious
from sphereufm.landscape.orbits.register import ClassRegister
from sphereufm.landscape.orbits.unnamed import gather_families
from sphereufm.landscape.points import CriticalFamily, CriticalPoint, CriticalPointKind, embed
from sphereufm.landscape.search.stratum import Found, reduced
from sphereufm.problem import capabilities
from sphereufm.problem.interface import SphereProblem

__all__ = ["Collection"]

# Members of a family that are classified for each rank; more take time, and add next to nothing to the ranges.
_MEMBERS_A_RANK = 8

# Steps that one search for a symmetry of a point may take.
_ISOTROPY_WORK = 5000

# A family is called the first of these that one of its exhibited members is.
_WORST_FIRST = (
    CriticalPointKind.DEGENERATE,
    CriticalPointKind.LOCAL_MINIMUM,
    CriticalPointKind.STRICT_SADDLE,
    CriticalPointKind.GLOBAL_MINIMUM,
)


@dataclass(eq=False)
class Collection:
    """Classes and families of one problem, as they are met.

    Attributes
    ----------
    problem : SphereProblem
        In ``R^d``.
    """

    problem: SphereProblem
    _register: ClassRegister = field(init=False)
    _members: dict[str, dict[int, list[Found]]] = field(default_factory=dict)
    _family_hits: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._register = ClassRegister(self.problem.symmetry)

    def enter(self, X: Array, *, searched: bool = True, most_rank: int | None = None) -> str | None:
        """Sort a critical point in, shape ``(r, M)``; return the label of its class or family.

        Points that were listed or constructed (``searched`` false) do not count as hits; a point of rank above
        ``most_rank`` is left out (None).
        """
        found = reduced(self.problem, X)
        if most_rank is not None and found.rank > most_rank:
            return None
        name = capabilities.family_name(self.problem, found.X, found.cost)
        if name is None:
            number = self._register.add(found.X, found.cost)
            self._register.hits[number] -= int(not searched)
            return str(number)
        known = self._members.setdefault(name, {}).setdefault(found.rank, [])
        if len(known) < _MEMBERS_A_RANK:
            known.append(found)
        self._family_hits[name] = self._family_hits.get(name, 0) + int(searched)
        return name

    @property
    def representatives(self) -> list[Array]:
        """One point of each class so far, families left out, in the order in which they were met."""
        return self._register.representatives

    @property
    def entries(self) -> int:
        """Classes and named families so far."""
        return len(self._register.hits) + len(self._members)

    @property
    def undecided(self) -> int:
        """Alignments that ran out of work; each may have made an entry that is a copy of another."""
        return self._register.undecided

    def classified(self, told: Callable[[int, int], None]) -> list[CriticalPoint | CriticalFamily]:
        """Classify every class and family; sorted by cost."""
        register = self._register
        points = []
        for number, (X, cost, hits) in enumerate(
            zip(register.representatives, register.costs, register.hits, strict=True)
        ):
            found = Found(X=X, rank=_rank(self.problem, X), cost=cost)
            points.append(
                _with_isotropy(self.problem, _second_look(self.problem, classify(self.problem, found, hits)))
            )
            told(number + 1, len(register.hits))
        known = capabilities.known_minimum(self.problem)
        families = [self._family(name) for name in self._members]
        lowest = min([p.cost for p in points] + [f.cost for f in families], default=np.inf)
        # on finitely many points every one is a local minimiser, vacuously: none is spurious
        if self.problem.spheres.dimension:
            points = name_spurious(points, known)
        entries = gather_families(self.problem, points, lowest)
        return sorted([*entries, *families], key=lambda entry: entry.cost)

    def _family(self, name: str) -> CriticalFamily:
        """One entry for a family: degenerate if an exhibited member is."""
        members = [classify(self.problem, f) for stratum in self._members[name].values() for f in stratum]
        kinds = {m.kind for m in members}
        best = min(members, key=lambda m: np.inf if m.optimality_gap is None else m.optimality_gap)
        return CriticalFamily(
            name=name,
            cost=members[0].cost,
            members=tuple(members),
            kind=next(kind for kind in _WORST_FIRST if kind in kinds),
            hits=self._family_hits[name],
            optimality_gap=best.optimality_gap,
            gap_method=best.gap_method,
        )


def _rank(problem: SphereProblem, X: Array) -> int:
    """Rank of a representative, which is its number of rows where O(d) is a symmetry."""
    return X.shape[0] if problem.symmetry.orthogonal else int(np.linalg.matrix_rank(X))


def _with_isotropy(problem: SphereProblem, point: CriticalPoint) -> CriticalPoint:
    """Count the permutations that act on the point as rotations, unless that takes too long."""
    try:
        order = isotropy_order(point.X, problem.symmetry, work=_ISOTROPY_WORK)
    except AlignmentUndecidedError:
        return point
    copies = problem.symmetry.permutations.order // order
    return replace(point, isotropy_order=order, permutation_copies=copies)


def _second_look(problem: SphereProblem, point: CriticalPoint) -> CriticalPoint:
    """Where the spectrum shows no clear negative eigenvalue, try the explicit directions of the theorem."""
    doubtful = point.kind in (CriticalPointKind.DEGENERATE, CriticalPointKind.LOCAL_MINIMUM)
    theorem = capabilities.benign_theorem(problem) if doubtful else None
    if theorem is None or not theorem.applies:
        return point
    direction = capabilities.descent_direction(problem, embed(point.X, problem.spheres.shape[0]))
    if direction is None or not direction.curvature < 0.0:
        return point
    return replace(point, kind=CriticalPointKind.STRICT_SADDLE)
