"""Critical points while they are gathered: merged into orbits and families, and classified at the end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from sphereufm.geometry.spheres import Array
from sphereufm.geometry.symmetry.alignment import carriers
from sphereufm.geometry.symmetry.isotropy import isotropy_order
from sphereufm.geometry.symmetry.placements import AlignmentUndecidedError
from sphereufm.landscape.orbits.classify import classify, name_spurious
from sphereufm.landscape.orbits.found import Found
from sphereufm.landscape.orbits.gathered import Gathered, Members, gather, is_trusted, join
from sphereufm.landscape.orbits.nonisolated import family_of, gather_families
from sphereufm.landscape.orbits.register import SAME_POINT, OrbitRegister
from sphereufm.landscape.orbits.settled_points import OwnCosts
from sphereufm.landscape.points import CriticalPoint
from sphereufm.landscape.points import Entry as Row
from sphereufm.parallel import Workers
from sphereufm.problem import capabilities
from sphereufm.problem.interface import SphereProblem
from sphereufm.progress import Progress, silent

# Orbits that a worker classifies at a time: each takes a few milliseconds.
_TOGETHER = 8
# Steps that one search for a symmetry of a point may take.
_ISOTROPY_WORK = 5000


@dataclass(eq=False)
class Collection:
    """Orbits and families of one problem, as they are met.

    ``problem``: in ``R^d``.
    """

    problem: SphereProblem
    register: OrbitRegister = field(init=False)
    own: OwnCosts = field(init=False)
    _hits: Counter[str] = field(default_factory=Counter)
    _members: Members = field(default_factory=dict)
    _timed: tuple[int, float] = (0, 0.0)

    def __post_init__(self) -> None:
        self.register = OrbitRegister(self.problem.symmetry)
        self.own = OwnCosts(self.problem, self.register)

    def enter(self, X: Array, *, searched: bool = True) -> list[str | None]:
        """Sort critical points in, shape ``(b, r, M)``: :func:`gather` and :meth:`merge`."""
        return self.merge(gather(self.problem, X), searched=searched)

    def merge(self, gathered: Gathered, *, searched: bool = True) -> list[str | None]:
        """Sort gathered points in; return the label of each one's orbit or family, None of those that are left out.

        Points that were listed or constructed (``searched`` false) do not count as hits.
        """
        for name, ranks in gathered.members.items():
            for found in (found for known in ranks.values() for found in known):
                join(self._members, name, found)
        self.register.undecided += gathered.undecided
        # own costs are settled first, others known well enough to trust them
        sorting = self.register if is_trusted(self.problem) else self.own
        numbers = map(sorting.number, gathered.entries)
        names = [None if number is None else str(number) for number in numbers]
        labels = [names[label] if isinstance(label, int) else label for label in gathered.labels]
        if searched:
            self._hits.update(label for label in labels if label is not None)
        return labels

    @property
    def entries(self) -> int:
        """Orbits and named families so far."""
        return len(self.register.representatives) + len(self._members)

    @property
    def labels(self) -> set[str]:
        """Labels of the orbits and named families so far, as :meth:`enter` gives them."""
        return {*map(str, range(len(self.register.representatives))), *self._members}

    def seconds_to_classify(self) -> float:
        """What :meth:`classified` will take in this process: by the time of one orbit, taken again as they double."""
        known = self.register.representatives
        if known and len(known) >= 2 * self._timed[0]:
            begun = time.perf_counter()
            _classified((known[-1], 0, True), self.problem)
            self._timed = (len(known), time.perf_counter() - begun)
        return self._timed[1] * (len(known) + len(list(self._listed_members())))

    def _listed_members(self) -> Iterator[tuple[str, Found]]:
        """Members with the names of their families."""
        for name, ranks in self._members.items():
            for members in ranks.values():
                yield from ((name, found) for found in members)

    def classified(self, progress: Progress = silent, workers: Workers | int = 1) -> list[Row]:
        """Classify every orbit and family; sorted by cost."""
        members = list(self._listed_members())
        tasks = [(found, self._hits[str(i)], True) for i, found in enumerate(self.register.representatives)]
        tasks += [(found, 0, False) for _, found in members]
        points: list[CriticalPoint] = []
        with Workers.of(workers) as busy:
            for point in busy.map(_classified, tasks, self.problem, together=_TOGETHER):
                points.append(point)
                progress("classify", len(points), len(tasks))
        isolated = points[: len(tasks) - len(members)]
        families: dict[str, list[CriticalPoint]] = {}
        for (name, _), point in zip(members, points[len(isolated) :], strict=True):
            families.setdefault(name, []).append(point)
        # on finitely many points every one is a local minimiser, vacuously: none is spurious
        if self.problem.spheres.dimension:
            isolated = name_spurious(self.problem, isolated, capabilities.known_minimum(self.problem))
        named = [family_of(name, own, self._hits[name]) for name, own in families.items()]
        return sorted([*gather_families(self.problem, isolated), *named], key=lambda entry: entry.cost)


def _classified(task: tuple[Found, int, bool], problem: SphereProblem) -> CriticalPoint:
    """Spectrum, kind and gap of one point, its hits, and its isotropy if it is an orbit of its own."""
    found, hits, is_isolated = task
    point = classify(problem, found, hits)
    return _with_isotropy(problem, point) if is_isolated else point


def _with_isotropy(problem: SphereProblem, point: CriticalPoint) -> CriticalPoint:
    """Count the permutations that act on the point as rotations, unless that takes too long."""
    finite = problem.symmetry.finite
    if finite is not None:
        order = carriers(problem.symmetry, point.X, point.X, SAME_POINT).size
        return replace(point, isotropy_order=order, permutation_copies=finite.order // order)
    try:
        order = isotropy_order(point.X, problem.symmetry, work=_ISOTROPY_WORK)
    except AlignmentUndecidedError:
        return point
    copies = problem.symmetry.permutations.order // order
    return replace(point, isotropy_order=order, permutation_copies=copies)
