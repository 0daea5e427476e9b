"""The main job: find, merge and classify the critical points of a problem, and say what follows.

problem -> search stratum by stratum -> merge modulo symmetry -> spectra and kinds -> verdict
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TypeAlias

import numpy as np

from sphereufm.complete.prove import prove_complete
from sphereufm.errors import InvalidInputError, check_integer
from sphereufm.geometry.spheres import Array, as_generator
from sphereufm.landscape.complete_list import completeness_of
from sphereufm.landscape.orbits.collection import Collection
from sphereufm.landscape.report.landscape_report import LandscapeReport, RankOneCount
from sphereufm.landscape.report.verdict import judge
from sphereufm.landscape.search.coverage import Coverage
from sphereufm.landscape.search.squared_gradient import find_critical_points
from sphereufm.landscape.search.stratum import (
    Effort,
    SearchSettings,
    default_starts,
    find_in_pieces,
    search_stratum,
)
from sphereufm.landscape.starts.cyclic import symmetric_starts
from sphereufm.landscape.starts.neighbours import neighbouring_starts
from sphereufm.landscape.starts.sign_patterns import count_sign_patterns, sign_patterns
from sphereufm.problem import capabilities
from sphereufm.problem.interface import SphereProblem

__all__ = ["News", "Progress", "verify_landscape"]

Progress: TypeAlias = Callable[[str, int, int], None]
News: TypeAlias = Callable[[int, float | None], None]

# A stratum: its name, the problem to search, and what turns a point of it into one of the whole problem.
_Stratum: TypeAlias = tuple[str, SphereProblem, Callable[[Array], Array]]

# Largest number of unknowns for which Hessians are taken apart completely.
_LARGEST = 4000
# Classes whose neighbourhoods are searched in one batch.
_TOGETHER = 32


def verify_landscape(
    problem: SphereProblem,
    *,
    effort: Effort | str = Effort.STANDARD,
    starts: int | None = None,
    rng: int | np.random.Generator = 0,
    initial_points: Iterable[Array] = (),
    complete: bool = False,
    progress: Progress | None = None,
    news: News | None = None,
) -> LandscapeReport:
    """Find the critical points of a problem modulo its symmetry, classify them, and draw a verdict.

    Every rank ``r = 2 .. min(d, K + 1)`` is searched in ``R^r``, and from four classes on the fixed-point spaces
    of groups that permute classes; points of rank one are counted exactly.  With ``Effort.MINIMISERS`` nothing but
    descents in ``R^d`` is made, and no point of rank one listed.  The verdict never rests on the search:
    BENIGN needs a theorem, NOT_BENIGN an exhibited point, all else is UNDECIDED.

    Parameters
    ----------
    problem : SphereProblem
        For example a :class:`~sphereufm.problem.ufm.UFMProblem`, or what ``from_pymanopt`` returns.
    effort : Effort or str
        When to stop adding starts to a stratum: ``"quick"``, ``"standard"`` or ``"thorough"``.
    starts : int, optional
        Exactly so many random starts in each stratum, whatever the effort.
    rng : int or Generator
        Seed; the same seed gives the same report on the same machine.
    initial_points : iterable of ndarray, shape (r, M), r <= d
        Further starts, for example points of a saved report.
    complete : bool
        Prove that the list is complete, on a small instance: see :func:`~sphereufm.complete.prove.prove_complete`.
    progress : callable, optional
        ``progress(stage, done, total)``.
    news : callable, optional
        ``news(entries, unseen_bound)`` after each batch of starts: classes and families found so far, and the bound
        on the unseen mass of the stratum that is searched (None where there is none yet).

    Returns
    -------
    LandscapeReport
        An interruption (KeyboardInterrupt) ends the search early and is noted in the report.

    Raises
    ------
    InvalidInputError
        If ``starts`` is below one, there is no such ``effort``, or the problem has more than 4000 unknowns in one rank.

    Examples
    --------
    >>> from sphereufm.problem.ufm import UFMProblem
    >>> report = verify_landscape(UFMProblem(class_sizes=(2, 2), dim=3, tau=1.0), starts=40)
    >>> report.verdict.name, report.basis
    ('BENIGN', 'theorem')
    >>> [round(entry.cost, 6) for entry in report.critical][:3]
    [0.126928, 0.562335, 0.626928]
    """
    if starts is not None:
        check_integer("starts", starts, 1)
    effort = Effort.named(effort)
    settings = SearchSettings(effort=effort, starts=starts)
    _check_size(problem)
    told: Progress = progress or (lambda stage, done, total: None)
    collection = Collection(problem)
    coverage: dict[str, Coverage] = {}
    notes: list[str] = []
    finished = True
    generator = as_generator(rng)
    proved = None

    def judged(found: Coverage) -> None:
        if news is not None:
            news(collection.entries, found.unseen_bound)

    rank_one = _enter_rank_one(collection, generator, 0 if effort is Effort.MINIMISERS else None)
    try:
        _enter_given(collection, [*capabilities.constructed_starts(problem), *initial_points], settings)
        if complete:
            proved = prove_complete(problem, progress=told)
            _enter_given(collection, proved.points, settings)
        for name, stratum, whole in _strata(problem, effort):
            entering = partial(_enter, collection, whole)
            coverage[name] = search_stratum(
                stratum, generator, settings, entering, partial(told, name), judged
            )
        _search_symmetric_starts(collection, settings, generator, told)
        _explore_neighbours(collection, settings, sum(c.starts for c in coverage.values()), told)
    except KeyboardInterrupt:
        finished = False
        notes.append(
            "interrupted: strata that are not listed under coverage were not searched, or not to the end"
        )
    if collection.undecided:
        notes.append(
            f"{collection.undecided} alignments were stopped by their work limit; some classes may appear twice"
        )
    if collection.unsettled:
        notes.append(
            f"{collection.unsettled} searches ended where the gradient is small but Newton's method leads far away: no "
            "critical point is claimed there (UNDECIDED)"
        )
    if not problem.spheres.dimension:
        notes.append("d = 1: the points are finitely many, every one is a local minimiser, vacuously")
    entries = collection.classified(partial(told, "classify"))
    theorem = capabilities.benign_theorem(problem)
    judgement = judge(entries, theorem)
    completeness, more = (None, []) if proved is None else completeness_of(problem, entries, proved)
    return LandscapeReport(
        problem=problem,
        critical=tuple(entries),
        verdict=judgement.verdict,
        basis=judgement.basis,
        theorem=theorem,
        coverage=coverage,
        rank_one=rank_one,
        notes=(*notes, *more, *([judgement.note] if judgement.note else [])),
        seed=rng if isinstance(rng, int) else None,
        complete=finished,
        completeness=completeness,
    )


def _strata(problem: SphereProblem, effort: Effort) -> Iterator[_Stratum]:
    """Everything that is searched: each rank in its own dimension, then the fixed-point spaces; or descents alone."""
    if effort is Effort.MINIMISERS:
        yield "descents", problem, lambda X: X
        return
    for r in _ranks(problem):
        inner = capabilities.in_span(problem, r)
        yield f"rank {r}", inner, lambda X: X
    if effort is Effort.QUICK:
        return
    for space in capabilities.fixed_point_spaces(problem):
        yield space.name, space.problem, space.expand


def _search_symmetric_starts(
    collection: Collection, settings: SearchSettings, rng: np.random.Generator, told: Progress
) -> None:
    """One batch of starts with a cyclic symmetry in each rank."""
    if settings.starts is not None or settings.effort in (Effort.MINIMISERS, Effort.QUICK):
        return
    problem = collection.problem
    ranks = _ranks(problem)
    for number, r in enumerate(ranks):
        told("symmetric starts", number, len(ranks))
        inner = capabilities.in_span(problem, r)
        starts = symmetric_starts(inner, rng, default_starts(inner.spheres.dimension))
        collection.enter(find_in_pieces(inner, starts, settings), searched=False)
    told("symmetric starts", len(ranks), len(ranks))


def _explore_neighbours(
    collection: Collection, settings: SearchSettings, budget: int, told: Progress
) -> None:
    """Search from starts next to every class, and next to those that this finds, within a number of starts."""
    if settings.starts is not None or settings.effort in (Effort.MINIMISERS, Effort.QUICK):
        return
    problem = collection.problem
    highest = max(_ranks(problem), default=1)
    explored = used = 0
    while explored < len(collection.representatives) and used < budget:
        told("neighbours", explored, len(collection.representatives))
        starts: dict[int, list[Array]] = {}
        for X in collection.representatives[explored : explored + _TOGETHER]:
            for start in neighbouring_starts(problem, X, highest):
                starts.setdefault(start.shape[0], []).append(start)
        explored += _TOGETHER
        for r, group in starts.items():
            used += len(group)
            inner = capabilities.in_span(problem, r)
            collection.enter(find_in_pieces(inner, np.array(group), settings), searched=False)


def _enter(collection: Collection, whole: Callable[[Array], Array], X: Array) -> list[str | None]:
    """Enter points of a stratum."""
    return collection.enter(whole(X))


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
    return list(range(2, min(d, capabilities.highest_rank(problem)) + 1))


def _enter_rank_one(
    collection: Collection, rng: np.random.Generator, limit: int | None = None
) -> RankOneCount | None:
    """Enter all points of rank one, or as many as can be listed; at most ``limit``."""
    problem = collection.problem
    if not problem.symmetry.orthogonal:
        return None
    permutations = problem.symmetry.permutations
    classes = count_sign_patterns(permutations)
    if limit is None:
        limit = int(np.clip(2_000_000 // permutations.columns**2, 50, 1000))
    line = capabilities.in_span(problem, 1)
    if limit:
        points = sign_patterns(permutations, limit, rng)[:, None, :]
        finite = [capabilities.is_finite(line, X) for X in points]
        collection.enter(points[finite], searched=False)
    return RankOneCount(classes=classes, listed=min(classes, limit))


def _enter_given(collection: Collection, points: Iterable[Array], settings: SearchSettings) -> None:
    """Polish constructed and given starts, and enter what they lead to."""
    problem = collection.problem
    for X in points:
        inner = capabilities.in_span(problem, X.shape[0])
        if X.shape[0] > 1:
            search = find_critical_points(
                inner, X[None], tolerance=settings.tolerance, max_iterations=settings.max_iterations
            )
            if not search.converged[0]:
                continue
            X = search.X[0]
        collection.enter(X[None], searched=False)
