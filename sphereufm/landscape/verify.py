"""The main job: find, merge and classify the critical points of a problem, and say what follows.

problem -> search stratum by stratum -> merge modulo symmetry -> spectra and kinds -> verdict -> proofs
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from sphereufm.complete.prove import prove_complete
from sphereufm.errors import InvalidInputError, check_array, check_integer, check_positive
from sphereufm.geometry.spheres import Array
from sphereufm.landscape.complete_list import completeness_of
from sphereufm.landscape.explore import Exploration, seed_of
from sphereufm.landscape.orbits.collection import Collection
from sphereufm.landscape.plan import check_size, plan_landscape, strata
from sphereufm.landscape.points import Entry
from sphereufm.landscape.proofs import prove_landscape
from sphereufm.landscape.report.landscape_report import LandscapeReport
from sphereufm.landscape.report.verdict import conclude
from sphereufm.landscape.search.effort import Effort, SearchSettings
from sphereufm.landscape.search.stratum import Stratum, most_starts
from sphereufm.notebook import counted
from sphereufm.parallel import Workers
from sphereufm.problem import capabilities
from sphereufm.problem.interface import SphereProblem
from sphereufm.problem.own_costs.as_problem import as_problem
from sphereufm.progress import STOPS, Parts, Progress, TimeLimitReached, drawn, reason_of

# Stages.
_SEARCH, _CLASSIFY, _LIST = "search", "classify", "complete list"
# Shares of search and proofs, by which a bar grows and a time limit is divided.
_SHARES = {"search": 0.5, "proofs": 0.5}
# Seconds that proofs have at least.
_MOMENT = 0.01
# Seconds of proofs of what was found that an interrupted search is followed by.
_LAST_PROOFS = 5.0


def verify_landscape(
    problem: SphereProblem,
    *,
    effort: Effort | str = Effort.STANDARD,
    starts: int | None = None,
    rng: int | np.random.Generator = 0,
    initial_points: Iterable[ArrayLike] = (),
    complete: bool = False,
    prove: bool | str | os.PathLike[str] = False,
    progress: Progress | bool | None = None,
    time_limit: float | None = None,
    workers: Workers | int = 1,
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
        Further starts, for example points of a saved report, columns of unit length.
    complete : bool
        Prove that the list is complete, on a small instance: see :func:`~sphereufm.complete.prove.prove_complete`.
    prove : bool or path
        Prove the rows too, as :func:`~sphereufm.landscape.proofs.prove_landscape` does: True checks certificates in
        memory, a folder keeps them.
    progress : Progress or bool, optional
        ``progress(stage, done, total, detail)`` over the whole, with what was found so far and the bound on the unseen
        mass.  True prints the plan and draws a bar, on a terminal's standard error or in a notebook.
    time_limit : float, optional
        Seconds after which it ends with everything that was found: half of them for the search, where rows are proved,
        and what remains for the proofs.
    workers : Workers or int
        Processes to use once the search has taken a moment; the report does not depend on their number.  A script
        that asks for more than one keeps its work under ``if __name__ == "__main__":``.

    Returns
    -------
    LandscapeReport
        An interruption (KeyboardInterrupt) or the time limit ends the search early; the report notes what was cut.
        What an interrupted search found is proved for five seconds, or until it is interrupted again.

    Raises
    ------
    InvalidInputError
        If ``starts`` is below one, there is no such ``effort``, ``prove`` is neither bool nor path, an initial point is
        none of the problem, or the problem has more than 4000 unknowns in one rank.

    Examples
    --------
    >>> from sphereufm.problem.ufm import UFMProblem
    >>> report = verify_landscape(UFMProblem(class_sizes=(2, 2), dim=3, tau=1.0), starts=40)
    >>> report.verdict.name, report.basis
    ('BENIGN', 'theorem')
    >>> [round(entry.cost, 6) for entry in report.critical][:3]
    [0.126928, 0.562335, 0.626928]
    """
    time_limit = None if time_limit is None else check_positive("time_limit", time_limit)
    if starts is not None:
        starts = check_integer("starts", starts, 1)
    if not isinstance(prove, bool | str | os.PathLike) or prove == "":
        raise InvalidInputError(f"prove={prove!r} must be True, False or the path of a folder")
    problem, settings = as_problem(problem), SearchSettings(effort=Effort.named(effort), starts=starts)
    check_size(problem)
    begun = time.monotonic()
    if progress is True:
        print(plan_landscape(problem, effort=effort, starts=starts), file=sys.stderr)
    points = [*capabilities.constructed_starts(problem), *_checked(problem, initial_points)]
    seed = seed_of(rng)
    with drawn(progress) as watched, Workers.of(workers) as busy:
        exploration = Exploration(
            problem=problem,
            settings=settings,
            seed=seed,
            workers=busy,
            collection=Collection(problem),
        )
        parts = Parts(watched, _SHARES)
        share, searching = (1.0, watched) if prove is False else (_SHARES["search"], parts.of("search"))
        # a single point is counted
        complete = complete and problem.spheres.dimension > 0
        report = _searched(exploration, points, complete, searching, time_limit and share * time_limit)
        report = replace(report, seed=None if isinstance(rng, np.random.Generator) else seed)
        if prove is False:
            return report
        proofs = parts.of("proofs")
        return prove_landscape(
            report,
            None if prove is True else prove,
            progress=_briefly(proofs) if is_interrupted(report) else proofs,
            time_limit=time_limit and max(begun + time_limit - time.monotonic(), _MOMENT),
            workers=busy,
        )


def _checked(problem: SphereProblem, given: Iterable[ArrayLike]) -> Iterator[Array]:
    """Initial points, each of the problem in as many dimensions as it has rows."""
    d, M = problem.spheres.shape
    for number, X in enumerate(given):
        name = f"initial_points[{number}]"
        shape = check_array(name, X, (None, M)).shape
        rows = shape[0]
        if len(shape) > 2 or not 1 <= rows <= d:
            raise InvalidInputError(
                f"{name} has shape {shape}, but one point (r, {M}), 1 <= r <= {d}, is needed"
            )
        yield capabilities.in_span(problem, rows).spheres.check_points(X, name)


def _briefly(progress: Progress) -> Progress:
    """Reports that are interrupted, too, once an interrupted run has proved for a moment."""
    end = time.monotonic() + _LAST_PROOFS

    def report(stage: str, done: int, total: int, detail: str = "") -> None:
        progress(stage, done, total, "interrupted: a few seconds of proofs; Ctrl-C again ends them")
        if done < total and time.monotonic() >= end:
            raise KeyboardInterrupt

    return report


def is_interrupted(report: LandscapeReport) -> bool:
    """Whether the user asked for an end; reaching a time limit is none."""
    return any(note.startswith("interrupted") for note in report.notes)


def _searched(
    exploration: Exploration,
    points: Sequence[Array],
    complete: bool,
    progress: Progress,
    time_limit: float | None,
) -> LandscapeReport:
    """The report without proofs, and without a seed."""
    problem, settings, collection = exploration.problem, exploration.settings, exploration.collection
    wanted = list(strata(problem, settings.effort))
    parts = Parts(_counting(progress, collection, time_limit), _shares(wanted, settings, complete))
    notes: list[str] = []
    finished = True
    proved = None
    rank_one = exploration.rank_one()
    try:
        exploration.given(points)
        if complete:
            proved = prove_complete(problem, progress=parts.of(_LIST))
            exploration.given(proved.points)
        exploration.search(wanted, parts.of(_SEARCH))
    except STOPS as stop:
        finished = False
        left = [s.name for s in wanted if s.name not in exploration.finished]
        notes.append(_cut(stop, ["the complete list"] * (complete and proved is None) + left))
    notes += _limits_of(collection)
    hard = [name for name, found in exploration.coverage.items() if found.is_hardly_resolved]
    if hard:
        notes.append(f"fewer than half of the searches ended at a critical point in {', '.join(hard[:5])}")
    classifying = Parts(progress, parts.shares).of(_CLASSIFY)
    entries = collection.classified(classifying, exploration.workers)
    theorem = capabilities.benign_theorem(problem)
    conclusion = conclude(entries, theorem, finite=not problem.spheres.dimension)
    if theorem is not None and not theorem.applies:
        notes += _of_points(problem, entries)
    completeness, more = (None, []) if proved is None else completeness_of(problem, entries, proved)
    return LandscapeReport(
        problem=problem,
        critical=tuple(entries),
        verdict=conclusion.verdict,
        basis=conclusion.basis,
        theorem=theorem,
        coverage=exploration.coverage,
        rank_one=rank_one,
        notes=(*notes, *more, *([conclusion.note] if conclusion.note else [])),
        seed=None,
        complete=finished,
        completeness=completeness,
    )


def _limits_of(collection: Collection) -> Iterator[str]:
    """What floating point could not resolve, and where nothing is claimed."""
    problem = collection.problem
    if (error := capabilities.hessian_error(problem)) > 0.0:
        yield (
            "the problem has gradients only: Hessian products are differences of them, "
            f"to about {error:.0e} of their scale"
        )
    least = capabilities.known_minimum(problem)
    if least is not None and 0.0 <= least < np.finfo(np.float64).tiny:
        yield (
            "the global minimum is below 2.2e-308: floats cannot resolve costs, gradients and curvatures near it; its "
            "point is constructed, by theory"
        )
    if collection.register.undecided:
        alignments = counted(collection.register.undecided, "alignment was", "alignments were")
        yield f"{alignments} stopped by the work limit; some orbits may appear twice"
    if collection.own.unsettled:
        yield (
            f"{counted(collection.own.unsettled, 'search', 'searches')} ended where the gradient is small but Newton's "
            "method leads far away: no critical point is claimed there (UNDECIDED)"
        )


def _of_points(problem: SphereProblem, entries: Sequence[Entry]) -> Iterator[str]:
    """What Theorem F says of single points, where no theorem speaks of all."""
    points = [p.X for e in entries for p in e.members]
    checks = [capabilities.point_theorem(problem, X) for X in points]
    count = sum(check is not None and check.applies for check in checks)
    if count:
        yield (
            f"Theorem F: {count} of {len(points)} listed points classify every sample well, so each of these is a "
            "global minimiser or a strict saddle; a spurious minimiser misclassifies a sample"
        )


def _counting(progress: Progress, collection: Collection, time_limit: float | None) -> Progress:
    """Reports with the number of orbits and families found so far, until no more time is left than these will take."""
    end = None if time_limit is None else time.monotonic() + time_limit

    def report(stage: str, done: int, total: int, detail: str = "") -> None:
        found = f"{collection.entries} found"
        progress(stage, done, total, f"{found}, {detail}" if detail else found)
        if end is not None and time.monotonic() + collection.seconds_to_classify() >= end:
            raise TimeLimitReached

    return report


def _shares(wanted: Sequence[Stratum], settings: SearchSettings, complete: bool) -> dict[str, float]:
    """Shares of the whole: of a stratum by its starts and unknowns, of the rest by experience."""
    work = sum(most_starts(s, settings) * (1 + s.problem.spheres.dimension) for s in wanted) or 1.0
    proof = {_LIST: 0.5 * work} if complete else {}
    return {**proof, _SEARCH: float(work), _CLASSIFY: 0.1 * work}


def _cut(stop: BaseException, left: Sequence[str]) -> str:
    """What an early end left out."""
    why = reason_of(stop)
    if not left:
        return f"{why}: every stratum was searched, but starts beside what was found were left out"
    some = ", ".join(left[:5]) + (f" and {len(left) - 5} more" if left[5:] else "")
    return f"{why}: not searched, or not to the end: {some}"
