"""The main job: find, merge and classify the critical points of a problem, and say what follows.

problem -> search rank by rank -> merge modulo symmetry -> spectra and kinds -> verdict
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np

from sphereufm.errors import InvalidInputError, check_integer
from sphereufm.geometry.spheres import Array, as_generator
from sphereufm.landscape.classify import classify, name_spurious
from sphereufm.landscape.constructed import constructed_starts
from sphereufm.landscape.coverage import Coverage, coverage_of
from sphereufm.landscape.families import family_name
from sphereufm.landscape.merge import ClassRegister
from sphereufm.landscape.newton import find_critical_points
from sphereufm.landscape.points import (
    CriticalFamily,
    CriticalPoint,
    CriticalPointKind,
    LandscapeVerdict,
    embed,
)
from sphereufm.landscape.rank_one import count_sign_patterns, sign_patterns
from sphereufm.landscape.result import LandscapeReport, RankOneCount
from sphereufm.landscape.search import Found, SearchSettings, default_starts, reduced, search_rank
from sphereufm.problem.descent import descent_direction
from sphereufm.problem.interface import SphereProblem
from sphereufm.problem.theory import TheoremCheck, global_minimum, theorem_s
from sphereufm.problem.ufm import UFMProblem

__all__ = ["Progress", "verify_landscape"]

Progress: TypeAlias = Callable[[str, int, int], None]

# Members of a family that are classified for each rank, beyond which more add nothing to the ranges.
_MEMBERS_A_RANK = 64
# Largest number of unknowns for which Hessians are taken apart completely.
_LARGEST = 4000


@dataclass(eq=False)
class _Collection:
    """Classes and family members while they are gathered."""

    problem: SphereProblem
    register: ClassRegister
    members: dict[str, dict[int, list[Found]]] = field(default_factory=dict)
    family_hits: dict[str, int] = field(default_factory=dict)
    listed: set[int] = field(default_factory=set)

    def add(self, found: Found, *, searched: bool = True) -> str:
        """Sort one critical point in; return the label of its class or family."""
        name = family_name(self.problem, found.X, found.cost)
        if name is not None:
            known = self.members.setdefault(name, {}).setdefault(found.rank, [])
            if len(known) < _MEMBERS_A_RANK:
                known.append(found)
            self.family_hits[name] = self.family_hits.get(name, 0) + int(searched)
            return name
        number = self.register.add(found.X, found.cost)
        if not searched:
            self.listed.add(number)
            self.register.hits[number] -= 1
        return str(number)


def verify_landscape(
    problem: SphereProblem,
    *,
    starts: int | None = None,
    rng: int | np.random.Generator = 0,
    initial_points: Iterable[Array] = (),
    progress: Progress | None = None,
) -> LandscapeReport:
    """Find the critical points of a problem modulo its symmetry, classify them, and draw a verdict.

    Every rank ``r = 2 .. min(d, K + 1)`` is searched in ``R^r``; points of rank one are counted exactly.  The
    verdict never rests on the search: BENIGN needs Theorem S, NOT_BENIGN an exhibited point, all else is
    UNDECIDED.

    Parameters
    ----------
    problem : SphereProblem
        For example a :class:`~sphereufm.problem.ufm.UFMProblem`, or what ``from_pymanopt`` returns.
    starts : int, optional
        Random starts in each rank; by default 12 to 256 by size.
    rng : int or Generator
        Seed; the same seed gives the same report on the same machine.
    initial_points : iterable of ndarray, shape (r, M), r <= d
        Further starts, for example points of a saved report.
    progress : callable, optional
        ``progress(stage, done, total)``.

    Returns
    -------
    LandscapeReport
        An interruption (KeyboardInterrupt) ends the search early and is noted in the report.

    Raises
    ------
    InvalidInputError
        If ``starts`` is below one, or the problem has more than 4000 unknowns in one rank.

    Examples
    --------
    >>> from sphereufm.problem.ufm import UFMProblem
    >>> report = verify_landscape(UFMProblem(class_sizes=(2, 2), dim=3, tau=1.0), starts=40)
    >>> report.verdict.name, report.basis
    ('BENIGN', 'theorem')
    >>> [round(entry.cost, 6) for entry in report.critical][:3]
    [0.126928, 0.562335, 0.626928]
    """
    settings = SearchSettings(starts=None if starts is None else check_integer("starts", starts, 1))
    _check_size(problem)
    generator = as_generator(rng)
    collection = _Collection(problem, ClassRegister(problem.symmetry))
    coverage: list[Coverage] = []
    notes: list[str] = []
    rank_one = None
    complete = True
    try:
        rank_one = _list_rank_one(collection, generator, notes)
        _follow_given(collection, [*constructed_starts(problem), *initial_points], settings)
        for r in _ranks(problem):
            coverage.append(_search_one_rank(collection, r, generator, settings, progress))
    except KeyboardInterrupt:
        complete = False
        notes.append("interrupted: the ranks after the last one listed under coverage were not searched")
    entries = _classified(collection, progress)
    theorem = theorem_s(problem) if isinstance(problem, UFMProblem) else None
    verdict, basis = _verdict(entries, theorem, notes)
    return LandscapeReport(
        problem=problem,
        critical=tuple(entries),
        verdict=verdict,
        basis=basis,
        theorem=theorem,
        coverage=tuple(coverage),
        rank_one=rank_one,
        notes=tuple(notes),
        seed=rng if isinstance(rng, int) else None,
        complete=complete,
    )


def _check_size(problem: SphereProblem) -> None:
    """Refuse problems whose Hessians cannot be taken apart."""
    M = problem.spheres.shape[1]
    highest = max(_ranks(problem), default=1)
    unknowns = (highest - 1) * M
    if max(unknowns, M) > _LARGEST:
        raise InvalidInputError(
            f"the problem has {max(unknowns, M)} unknowns in rank {highest}, but at most {_LARGEST} are enumerated; "
            "use `solve`, or fewer samples with weights (equal samples of one class count as one)"
        )


def _ranks(problem: SphereProblem) -> list[int]:
    """Ranks to search: beyond the collapsed classifiers no critical point has rank above K."""
    d = problem.spheres.shape[0]
    if not problem.symmetry.orthogonal:
        return [d] if problem.spheres.dimension else []
    columns = problem.classes + 1 if isinstance(problem, UFMProblem) else problem.spheres.shape[1]
    return list(range(2, min(d, columns) + 1))


def _list_rank_one(
    collection: _Collection, rng: np.random.Generator, notes: list[str]
) -> RankOneCount | None:
    """Enter all points of rank one, or as many as can be listed."""
    problem = collection.problem
    if not problem.symmetry.orthogonal:
        return None
    permutations = problem.symmetry.permutations
    classes = count_sign_patterns(permutations)
    limit = int(np.clip(2_000_000 // permutations.columns**2, 50, 1000))
    line = problem.in_dimension(1)
    for signs in sign_patterns(permutations, limit, rng):
        X = signs[None, :]
        collection.add(Found(X=X, rank=1, cost=float(line.at(X).cost)), searched=False)
    if classes > limit:
        notes.append(f"of {classes} classes of rank one, a random choice of {limit} is listed")
    return RankOneCount(classes=classes, listed=min(classes, limit))


def _follow_given(collection: _Collection, points: Sequence[Array], settings: SearchSettings) -> None:
    """Polish constructed and given starts, and enter what they lead to."""
    problem = collection.problem
    for X in points:
        inner = problem.in_dimension(X.shape[0]) if X.shape[0] != problem.spheres.shape[0] else problem
        if X.shape[0] > 1:
            search = find_critical_points(
                inner, X[None], tolerance=settings.tolerance, max_iterations=settings.max_iterations
            )
            if not search.converged[0]:
                continue
            X = search.X[0]
        collection.add(reduced(inner, X), searched=False)


def _search_one_rank(
    collection: _Collection,
    r: int,
    rng: np.random.Generator,
    settings: SearchSettings,
    progress: Progress | None,
) -> Coverage:
    """Search one stratum and enter what was found."""
    problem = collection.problem
    inner = problem.in_dimension(r) if problem.symmetry.orthogonal else problem
    total = settings.starts or default_starts(inner.spheres.dimension)

    def told(done: int) -> None:
        if progress is not None:
            progress(f"rank {r}", done, total)

    found, begun = search_rank(inner, rng, settings, told)
    return coverage_of(r, begun, [collection.add(f) for f in found])


def _classified(collection: _Collection, progress: Progress | None) -> list[CriticalPoint | CriticalFamily]:
    """Classify every class and family, and sort by cost."""
    register, problem = collection.register, collection.problem
    points = []
    for number, (X, cost, hits) in enumerate(
        zip(register.representatives, register.costs, register.hits, strict=True)
    ):
        rank = X.shape[0] if problem.symmetry.orthogonal else int(np.linalg.matrix_rank(X))
        points.append(_second_look(problem, classify(problem, Found(X=X, rank=rank, cost=cost), hits)))
        if progress is not None:
            progress("classify", number + 1, len(register.hits))
    known = global_minimum(problem) if isinstance(problem, UFMProblem) else None
    entries: list[CriticalPoint | CriticalFamily] = [*name_spurious(points, known)]
    for name, strata in collection.members.items():
        members = [classify(problem, f) for found in strata.values() for f in found]
        entries.append(_family(name, members, collection.family_hits[name]))
    return sorted(entries, key=lambda entry: entry.cost)


def _second_look(problem: SphereProblem, point: CriticalPoint) -> CriticalPoint:
    """Where the spectrum shows no clear negative eigenvalue, try the explicit directions of Theorem S."""
    doubtful = point.kind in (CriticalPointKind.DEGENERATE, CriticalPointKind.LOCAL_MINIMUM)
    if not doubtful or not isinstance(problem, UFMProblem) or not theorem_s(problem).applies:
        return point
    direction = descent_direction(problem, embed(point.X, problem.dim))
    if direction is None or not direction.curvature < 0.0:
        return point
    return replace(point, kind=CriticalPointKind.STRICT_SADDLE)


def _family(name: str, members: list[CriticalPoint], hits: int) -> CriticalFamily:
    """One entry for a family: degenerate if an exhibited member is."""
    kinds = {m.kind for m in members}
    order = (
        CriticalPointKind.DEGENERATE,
        CriticalPointKind.LOCAL_MINIMUM,
        CriticalPointKind.STRICT_SADDLE,
        CriticalPointKind.GLOBAL_MINIMUM,
    )
    best = min(members, key=lambda m: m.optimality_gap if m.optimality_gap is not None else np.inf)
    return CriticalFamily(
        name=name,
        cost=members[0].cost,
        members=tuple(members),
        kind=next(kind for kind in order if kind in kinds),
        hits=hits,
        optimality_gap=best.optimality_gap,
        gap_method=best.gap_method,
    )


def _verdict(
    entries: Sequence[CriticalPoint | CriticalFamily], theorem: TheoremCheck | None, notes: list[str]
) -> tuple[LandscapeVerdict, str | None]:
    """Verdict and its basis; a numerical contradiction of the theorem is said, not hidden."""
    bad = {CriticalPointKind.SPURIOUS_LOCAL_MINIMUM, CriticalPointKind.DEGENERATE}
    found_bad = [entry for entry in entries if entry.kind in bad]
    if theorem is not None and theorem.applies:
        if not found_bad:
            return LandscapeVerdict.BENIGN, "theorem"
        notes.append(
            f"{len(found_bad)} points look degenerate or spurious in floating point although Theorem S excludes them; "
            "their eigenvalues are too small for float thresholds"
        )
        return LandscapeVerdict.UNDECIDED, None
    if found_bad:
        return LandscapeVerdict.NOT_BENIGN, "counterexample"
    notes.append("Theorem S does not apply, and a search that found no counterexample proves nothing")
    return LandscapeVerdict.UNDECIDED, None
