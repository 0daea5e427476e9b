"""The main job: find, merge and classify the critical points of a problem, and say what follows.

problem -> search stratum by stratum -> merge modulo symmetry -> spectra and kinds -> verdict
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np

from sphereufm.complete.prove import prove_complete
from sphereufm.errors import InvalidInputError, check_integer, check_positive
from sphereufm.geometry.spheres import Array, as_generator
from sphereufm.landscape.complete_list import completeness_of
from sphereufm.landscape.orbits.collection import Collection
from sphereufm.landscape.plan import Stratum, ranks, strata
from sphereufm.landscape.report.landscape_report import LandscapeReport, RankOneCount
from sphereufm.landscape.report.verdict import judge
from sphereufm.landscape.search.coverage import Coverage
from sphereufm.landscape.search.squared_gradient import find_critical_points
from sphereufm.landscape.search.stratum import (
    Effort,
    SearchSettings,
    default_starts,
    find_in_pieces,
    most_starts,
    search_stratum,
)
from sphereufm.landscape.starts.cyclic import symmetric_starts
from sphereufm.landscape.starts.neighbours import neighbouring_starts
from sphereufm.landscape.starts.sign_patterns import count_sign_patterns, sign_patterns
from sphereufm.problem import capabilities
from sphereufm.problem.interface import SphereProblem
from sphereufm.problem.own_costs.as_problem import as_problem
from sphereufm.progress import STOPS, Parts, Progress, reason_of, silent, until

__all__ = ["verify_landscape"]

# Largest number of unknowns for which Hessians are taken apart completely.
_LARGEST = 4000
# Stages beside the strata.
_SYMMETRIC, _NEIGHBOURS, _CLASSIFY, _LIST = "symmetric starts", "neighbours", "classify", "complete list"
# Orbits whose neighbourhoods are searched in one batch.
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
    time_limit: float | None = None,
) -> LandscapeReport:
    """Find the critical points of a problem modulo its symmetry, classify them, and draw a verdict.

    Every rank ``r = 2 .. min(d, K + 1)`` is searched in ``R^r``, and from four classes on the fixed-point spaces
    of groups that permute classes; points of rank one are counted exactly.  With ``Effort.MINIMISERS`` nothing but
    descents in ``R^d`` is made, and no point of rank one listed.  The verdict never rests on the search:
    BENIGN needs a theorem, NOT_BENIGN an exhibited point, all else is UNDECIDED.

    Parameters
    ----------
    problem : SphereProblem, ExpressionInstance or pymanopt.Problem
        For example a :class:`~sphereufm.problem.ufm.UFMProblem`, what ``from_pymanopt`` returns, or the instance of a
        cost expression.
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
    progress : Progress, optional
        ``progress(stage, done, total, detail)`` over the whole search, with what was found so far and the bound on the
        unseen mass.
    time_limit : float, optional
        Seconds after which the search ends at its next report of progress, with everything that was found.

    Returns
    -------
    LandscapeReport
        An interruption (KeyboardInterrupt) or the time limit ends the search early; the report notes what was cut.

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
    problem = as_problem(problem)
    if starts is not None:
        check_integer("starts", starts, 1)
    effort = Effort.named(effort)
    settings = SearchSettings(effort=effort, starts=starts)
    _check_size(problem)
    if time_limit is not None:
        check_positive("time_limit", time_limit)
    collection = Collection(problem)
    coverage: dict[str, Coverage] = {}
    notes: list[str] = []
    finished = True
    generator = as_generator(rng)
    wanted = list(strata(problem, effort))
    proved = None
    parts = Parts(_counting(until(progress, time_limit), collection), _shares(wanted, settings, complete))
    rank_one = _enter_rank_one(collection, generator, 0 if effort is Effort.MINIMISERS else None)
    try:
        _enter_given(collection, [*capabilities.constructed_starts(problem), *initial_points], settings)
        if complete:
            proved = prove_complete(problem, progress=parts.of(_LIST))
            _enter_given(collection, proved.points, settings)
        for stratum in wanted:
            entering = partial(_enter, collection, stratum.whole)
            coverage[stratum.name] = search_stratum(
                stratum.problem, generator, settings, entering, parts.of(stratum.name), stratum.name
            )
        _search_symmetric_starts(collection, settings, generator, parts.of(_SYMMETRIC))
        used = sum(c.starts for c in coverage.values())
        _explore_neighbours(collection, settings, used, parts.of(_NEIGHBOURS))
    except STOPS as stop:
        finished = False
        notes.append(_cut(stop, [stratum.name for stratum in wanted if stratum.name not in coverage]))
    if (error := capabilities.hessian_error(problem)) > 0.0:
        notes.append(
            "the problem has gradients only: Hessian products are differences of them, "
            f"to about {error:.0e} of their scale"
        )
    least = capabilities.known_minimum(problem)
    if least is not None and 0.0 <= least < np.finfo(np.float64).tiny:
        notes.append(
            "the global minimum is below 2.2e-308: floats cannot resolve costs, gradients and curvatures near it; its "
            "point is constructed, by theory"
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
    classifying = Parts(progress or silent, parts.shares).of(_CLASSIFY)
    entries = collection.classified(classifying)
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


def _counting(progress: Progress, collection: Collection) -> Progress:
    """Reports with the number of orbits and families found so far."""

    def report(stage: str, done: int, total: int, detail: str = "") -> None:
        found = f"{collection.entries} found"
        progress(stage, done, total, f"{found}, {detail}" if detail else found)

    return report


def _shares(wanted: Sequence[Stratum], settings: SearchSettings, complete: bool) -> dict[str, float]:
    """Shares of the whole: of a stratum by its starts and unknowns, of the rest by experience."""
    work = {
        s.name: float(most_starts(s.problem, settings) * (1 + s.problem.spheres.dimension)) for s in wanted
    }
    whole = sum(work.values()) or 1.0
    proof = {_LIST: 0.5 * whole} if complete else {}
    return {**proof, **work, _SYMMETRIC: 0.05 * whole, _NEIGHBOURS: 0.3 * whole, _CLASSIFY: 0.1 * whole}


def _cut(stop: BaseException, left: Sequence[str]) -> str:
    """What an early end left out."""
    why = reason_of(stop)
    if not left:
        return f"{why}: every stratum was searched, but starts beside what was found were left out"
    some = ", ".join(left[:5]) + (f" and {len(left) - 5} more" if left[5:] else "")
    return f"{why}: not searched, or not to the end: {some}"


def _search_symmetric_starts(
    collection: Collection, settings: SearchSettings, rng: np.random.Generator, progress: Progress
) -> None:
    """One batch of starts with a cyclic symmetry in each rank."""
    if settings.starts is not None or settings.effort in (Effort.MINIMISERS, Effort.QUICK):
        return
    problem = collection.problem
    found = ranks(problem)
    for number, r in enumerate(found):
        progress("symmetric starts", number, len(found))
        inner = capabilities.in_span(problem, r)
        starts = symmetric_starts(inner, rng, default_starts(inner.spheres.dimension))
        collection.enter(find_in_pieces(inner, starts, settings), searched=False)
    progress("symmetric starts", len(found), len(found))


def _explore_neighbours(
    collection: Collection, settings: SearchSettings, budget: int, progress: Progress
) -> None:
    """Search from starts next to every class, and next to those that this finds, within a number of starts."""
    if settings.starts is not None or settings.effort in (Effort.MINIMISERS, Effort.QUICK):
        return
    problem = collection.problem
    highest = max(ranks(problem), default=1)
    explored = used = 0
    while explored < len(collection.representatives) and used < budget:
        progress("neighbours", used, budget)
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
    highest = max(ranks(problem), default=1)
    unknowns = (highest - 1) * M
    if max(unknowns, M) > _LARGEST:
        raise InvalidInputError(
            f"the problem has {max(unknowns, M)} unknowns in rank {highest}, but at most {_LARGEST} are enumerated; "
            "use `solve`, or fewer samples with weights (equal samples of one class count as one)"
        )


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
            if search.converged[0]:
                X = search.X[0]
            elif not _is_least_float(problem, inner, X):
                continue
        collection.enter(X[None], searched=False)


def _is_least_float(problem: SphereProblem, inner: SphereProblem, X: Array) -> bool:
    """Whether a point's cost is the known minimum, as far as floats go, where gradients have underflown."""
    least = capabilities.known_minimum(problem)
    return least is not None and float(inner.at(X).cost) <= max(least, np.finfo(np.float64).tiny)
