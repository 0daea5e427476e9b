r"""Follow the cost down from every saddle of a report, and see where it leads.

From a saddle small steps are made along the eigenvectors of its negative Hessian eigenvalues, both ways, and along
random vectors of the space that they span.  From there a descent (:mod:`~sphereufm.descents.gradient_flow`) goes
down, each
point lower than the last; a Newton search then finds the critical point, which must lie within 0.1 radians of
the descent's end.  A descent follows a gradient flow to the accuracy of its steps and does not prove where the
flow leads: connections are numerical.  Descents along eigenvectors keep the symmetries of their saddle, and
may therefore end in another saddle.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from sphereufm.descents.gradient_flow import fall
from sphereufm.geometry.spheres import Array, as_generator, column_angles, column_norms, retract
from sphereufm.geometry.tangent_spaces import from_coordinates
from sphereufm.landscape.orbits.collection import Collection
from sphereufm.landscape.orbits.lower import cost_noise
from sphereufm.landscape.points import CriticalFamily, CriticalPoint, embed
from sphereufm.landscape.report.connections import Connection, Connections
from sphereufm.landscape.report.landscape_report import LandscapeReport
from sphereufm.landscape.search.squared_gradient import find_critical_points
from sphereufm.parallel import Workers
from sphereufm.problem import capabilities
from sphereufm.problem.interface import SphereProblem
from sphereufm.progress import STOPS, Progress, reason_of, until
from sphereufm.spectra.matrix import eigenpairs, hessian_matrix, idle_coordinates
from sphereufm.spectra.spectrum import normal_hessian
from sphereufm.tolerances import ROUNDINGS, ZERO_TOLERANCE

# Descents at most, for small problems; entries of a point times descents, for large ones.
_MOST_DESCENTS = 256
_MOST_ENTRIES = 120_000
# Eigenvectors of a kind along which descents begin, random directions beside them, members of a family.
_EIGENVECTORS = 3
_SAMPLES = 6
_MEMBERS = 5
# Entries of a point beyond which its Hessian is not taken apart here.
_LARGEST = 1500
# Radians of the first step, tried in turn until one leads down.
_FIRST_STEPS = (0.05, 0.01, 0.002)
# Largest angle of a column between the end of a descent and the critical point that it is taken for.
_NEAR = 0.1

_Start = tuple[int, Array, Array]


def connect_landscape(
    report: LandscapeReport,
    *,
    rng: int | np.random.Generator = 0,
    progress: Progress | None = None,
    time_limit: float | None = None,
    workers: Workers | int = 1,
) -> LandscapeReport:
    """Return the report with its ``connections``: where descents from its saddles end.

    Parameters
    ----------
    report : LandscapeReport
    rng : int or Generator
        For the random directions.
    progress : Progress, optional
        ``progress("descents", done, total, detail)``.
    time_limit : float, optional
        Seconds after which no further descents are begun.
    workers : Workers or int
        Processes that descents are made in.

    Returns
    -------
    LandscapeReport
        The lowest rows come first where the budget (256 descents, fewer for large problems) does not reach all;
        points of more than 1500 entries are left out.
        An interruption (KeyboardInterrupt) ends the descents early and is noted.

    Examples
    --------
    >>> from sphereufm.landscape.verify import verify_landscape
    >>> from sphereufm.problem.ufm import UFMProblem
    >>> report = verify_landscape(UFMProblem(class_sizes=(1, 1), dim=3, tau=1.0), starts=10)
    >>> connected = connect_landscape(report)
    >>> {edge.target for edge in connected.connections.edges if edge.source == 1}
    {0}
    """
    watched = until(progress, time_limit)
    starts, sources, skipped = _starts(report, as_generator(rng))
    rows = _Rows(report)
    count = Counter[str]()
    edges = Counter[tuple[int, int]]()
    notes, complete = report.notes, report.complete
    done = 0
    try:
        groups = list(_groups(starts))
        watched("descents", done, len(starts))
        with Workers.of(workers) as busy:
            for group, (ended, X) in zip(groups, busy.map(_descend, groups, report.problem), strict=True):
                targets = rows.find(X)
                count["unfinished"] += len(group) - len(ended)
                count["unlisted"] += targets.count(None)
                for k, target in zip(ended, targets, strict=True):
                    if target is not None:
                        edges[group[k][0], target] += 1
                done += len(group)
                watched("descents", done, len(starts))
    except STOPS as stop:
        complete = False
        notes = (*notes, f"{reason_of(stop)}: the descents did not begin at every saddle")
    connections = Connections(
        edges=tuple(Connection(source=s, target=t, descents=n) for (s, t), n in sorted(edges.items())),
        sources=sources,
        skipped=skipped,
        descents=done,
        unfinished=count["unfinished"],
        unlisted=count["unlisted"],
    )
    return replace(report, connections=connections, notes=notes, complete=complete)


def _starts(report: LandscapeReport, rng: np.random.Generator) -> tuple[list[_Start], int, int]:
    """Row, point and first direction of every descent; rows used; rows left out for want of budget."""
    size = report.problem.spheres.shape[1] * min(report.problem.spheres.shape[0], 8)
    budget = max(8, min(_MOST_DESCENTS, _MOST_ENTRIES // size))
    starts: list[_Start] = []
    sources = skipped = 0
    for row, entry in enumerate(report.critical):
        unstable = [point for point in entry.members if point.morse_index > 0]
        if not unstable:
            continue
        if len(starts) >= budget or unstable[0].X.size > _LARGEST:
            skipped += 1
            continue
        sources += 1
        for point in unstable[:: -(-len(unstable) // _MEMBERS)]:
            starts += [(row, X, U) for X, U in _ways_down(report.problem, point, rng)]
    return starts, sources, skipped


def _ways_down(
    problem: SphereProblem, point: CriticalPoint, rng: np.random.Generator
) -> Iterator[tuple[Array, Array]]:
    """The point, with a normal direction more where there is one, and unit tangents of negative curvature."""
    X, d = point.X, problem.spheres.shape[0]
    r = len(X)
    inner = capabilities.in_span(problem, r)
    lifted = embed(X, r + 1) if problem.symmetry.orthogonal and r < d else X
    inside = outside = np.empty((0, *lifted.shape))
    if r > 1:
        unstable = _negative(hessian_matrix(inner, X), idle_coordinates(inner, X))
        inside = embed(from_coordinates(X, unstable), len(lifted))
    if len(lifted) > r:
        normal = _negative(normal_hessian(inner, X), X.T)
        outside = np.zeros((len(normal), *lifted.shape))
        outside[:, r] = normal
    # reflection in the span exchanges the two ways along a normal vector
    for U in (*inside[:_EIGENVECTORS], *-inside[:_EIGENVECTORS], *outside[:_EIGENVECTORS]):
        yield lifted, U
    basis = np.concatenate([inside, outside])
    for _ in range(_SAMPLES if len(basis) > 1 else 0):
        yield lifted, np.tensordot(rng.standard_normal(len(basis)), basis, axes=1)


def _negative(matrix: Array, kernel: Array) -> Array:
    """Eigenvectors of the negative eigenvalues off a kernel, as rows, lowest first."""
    values, vectors = eigenpairs(matrix, kernel)
    return vectors[values < -ZERO_TOLERANCE * np.abs(values).max(initial=0.0)]


def _groups(starts: Sequence[_Start]) -> Iterator[list[_Start]]:
    """Starts of one dimension at a time."""
    for r in sorted({X.shape[0] for _, X, _ in starts}):
        yield [start for start in starts if start[1].shape[0] == r]


def _descend(group: Sequence[_Start], problem: SphereProblem) -> tuple[list[int], Array]:
    """Which descents of one dimension came near a critical point, and these points, shape ``(b, r, M)``."""
    X, U = np.array([X for _, X, _ in group]), np.array([U for *_, U in group])
    inner = capabilities.in_span(problem, X.shape[1])
    first, lower = _first_steps(inner, X, U / column_norms(U).max(axis=-1)[:, None, None])
    chosen = np.flatnonzero(lower)
    if not chosen.size:
        return [], X[:0]
    last = fall(inner, first[chosen])
    search = find_critical_points(inner, last, tolerance=1e-11)
    near = column_angles(search.X, last).max(axis=-1) <= _NEAR
    begun = inner.at(X[chosen])
    falls = inner.at(search.X).cost < begun.cost - cost_noise(begun)
    ended = search.converged & near & falls
    return chosen[ended].tolist(), search.X[ended]


def _first_steps(problem: SphereProblem, X: Array, U: Array) -> tuple[Array, Array]:
    """Points next to ``X`` that lie lower, and for which starts there is one."""
    cost = problem.at(X).cost
    points, lower = X.copy(), np.zeros(len(X), dtype=bool)
    for step in _FIRST_STEPS:
        trial = retract(X, step * U)
        better = ~lower & (problem.at(trial).cost < cost)
        points[better] = trial[better]
        lower |= better
    return points, lower


class _Rows:
    """The rows of a report, looked up by point as a search merges them."""

    def __init__(self, report: LandscapeReport) -> None:
        self.problem, self.collection = report.problem, Collection(report.problem)
        self.rows: dict[str, int] = {}
        self.families = [(i, e) for i, e in enumerate(report.critical) if isinstance(e, CriticalFamily)]
        listed = [(row, point.X) for row, entry in enumerate(report.critical) for point in entry.members]
        for r in sorted({len(X) for _, X in listed}):
            rows, points = zip(*((row, X) for row, X in listed if len(X) == r), strict=True)
            for label, row in zip(self.collection.enter(np.array(points)), rows, strict=True):
                if label is not None:
                    self.rows.setdefault(label, row)

    def find(self, X: Array) -> list[int | None]:
        """Rows of critical points, shape ``(b, r, M)``: of their orbits or families, else of a family of their cost."""
        labels = self.collection.enter(X)
        return [
            self._by_cost(x) if label is None or label not in self.rows else self.rows[label]
            for label, x in zip(labels, X, strict=True)
        ]

    def _by_cost(self, X: Array) -> int | None:
        """Row of a family of the point's cost."""
        point = capabilities.in_span(self.problem, len(X)).at(X)
        noise = cost_noise(point) + ROUNDINGS * abs(float(point.cost))
        near = (row for row, family in self.families if abs(family.cost - float(point.cost)) <= noise)
        return next(near, None)
