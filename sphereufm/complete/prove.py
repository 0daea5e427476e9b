"""Prove that a list of critical points is complete: search, write a certificate, have it checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sphereufm.certify.certificate import ProofStatus
from sphereufm.certify.complete.arithmetic import point
from sphereufm.certify.complete.check import (
    MOST_CLASSES,
    CompleteCheckError,
    CompleteResult,
    check_complete_bytes,
)
from sphereufm.certify.complete.planar import Planar
from sphereufm.certify.complete.programs import ProgramEquations, charts
from sphereufm.certify.complete.reading import Instance, read_instance, read_program
from sphereufm.certify.instances import ExactInstance, ExpressionInstance
from sphereufm.complete.branch_and_prune import Search, branch_and_prune
from sphereufm.complete.certificate import charts_certificate, planar_certificate, two_class_certificate
from sphereufm.complete.circles import circle_orders, closed_neighbourhood, planar_point
from sphereufm.complete.two_classes import two_class_points
from sphereufm.complete.zeros import Zeros
from sphereufm.errors import check_integer
from sphereufm.geometry.spheres import Array
from sphereufm.geometry.symmetry.alignment import align
from sphereufm.notebook import counted
from sphereufm.problem import capabilities
from sphereufm.problem.interface import SphereProblem
from sphereufm.progress import Progress, silent

# unknowns that the format can hold
_MOST_UNKNOWNS = 16
_MOST_CHARTS = 5000
_SAME_POINT = 1e-7
# arc of the classifiers down to which is searched where no lemma reaches
_NEIGHBOURHOOD = 1 / 64


@dataclass(frozen=True, kw_only=True, eq=False)
class CompleteList:
    """What is known about completeness.

    Attributes
    ----------
    status : ProofStatus
        PROVED where the independent checker accepted the certificate, else UNDECIDED.
    statement : str
        What is proved, or why nothing is.
    points : tuple of ndarray, shape (2, K + N) or (d, M)
        One point for each critical orbit outside of the collapsed family, or of an own cost; all of them where PROVED.
    copies : tuple of int
        Orbits of O(d) alone in each orbit, in the order of rising cost; empty without a certificate.
    costs : tuple of float
        Costs in nats in the same order.
    region : str or None
        Where critical points may still be: where the search was stopped, or next to the collapsed family.
    boxes : int
        Boxes that were looked at.
    collapsed_are_saddles : bool
        Whether every critical point outside of the list is proved to be a strict saddle.
    certificate : bytes or None
        The file that the checker accepted, of format ``sphereufm-complete/1``; of what lies outside of the region
        where that is proved.
    """

    status: ProofStatus
    statement: str
    points: tuple[Array, ...] = ()
    copies: tuple[int, ...] = ()
    costs: tuple[float, ...] = ()
    region: str | None = None
    boxes: int = 0
    collapsed_are_saddles: bool = False
    certificate: bytes | None = None

    def __repr__(self) -> str:
        orbits = counted(len(self.points), "critical orbit")
        return f"<CompleteList {self.status.name}: {orbits}, {counted(self.boxes, 'box', 'boxes')}>"


def prove_complete(
    problem: SphereProblem | ExpressionInstance,
    *,
    most_boxes: int = 2_000_000,
    progress: Progress | None = None,
) -> CompleteList:
    """Prove that a list of critical points is complete, on a small instance.

    Two classes need no search: every critical point is given in closed form.  Three classes of one sample each are
    searched in the plane, which holds all critical points in every dimension; other instances in ``R^2``.  A cost given
    as an expression is searched in charts, up to some five unknowns, if its critical points are isolated.

    Parameters
    ----------
    problem : SphereProblem or ExpressionInstance
        A :class:`~sphereufm.problem.ufm.UFMProblem` with the cross-entropy loss, or a cost of
        :mod:`sphereufm.certify.expressions`.
    most_boxes : int
        Work after which the search is stopped.
    progress : callable, optional
        ``progress(stage, boxes done, boxes known of, detail)``.

    Returns
    -------
    CompleteList
        Failure is a result: UNDECIDED, with the region where the search was stopped.

    Raises
    ------
    InvalidInputError
        If ``most_boxes`` is below one.

    Examples
    --------
    >>> from sphereufm.problem.ufm import UFMProblem
    >>> found = prove_complete(UFMProblem(class_sizes=(1, 1), dim=3, tau=1))
    >>> found.status.name, len(found.points)
    ('PROVED', 3)
    """
    check_integer("most_boxes", most_boxes, 1)
    advance = progress or silent
    try:
        return _proved(problem, most_boxes, advance)
    except CompleteCheckError as error:
        # what the format cannot hold, such as numbers of more digits than it has
        return _undecided(f"the instance has no certificate of a complete list: {error}")


def _proved(problem: SphereProblem | ExpressionInstance, most_boxes: int, advance: Progress) -> CompleteList:
    """Choose the method."""
    if isinstance(problem, ExpressionInstance):
        return search_charts(problem, most_boxes=most_boxes, progress=advance)
    instance = capabilities.exact_instance(problem)
    if isinstance(instance, ExpressionInstance):
        return search_charts(instance, most_boxes=most_boxes, progress=advance)
    plain = isinstance(instance, ExactInstance) and instance.loss == "cross-entropy"
    if not isinstance(instance, ExactInstance) or not plain or instance.rates or instance.bias:
        return _undecided(
            "complete lists are for cross-entropy without a bias, of one tau, and for expressions"
        )
    if instance.classes == 2 and instance.dim >= 2:
        return _checked(two_class_certificate(instance), two_class_points(instance), 0, advance)
    reason = _out_of_reach(instance)
    if reason:
        return _undecided(reason)
    return search_plane(problem, most_boxes=most_boxes, progress=advance)


def _out_of_reach(instance: ExactInstance) -> str:
    """Why the search in the plane would not prove completeness, or nothing."""
    labels = sorted(instance.label(i) for i in range(instance.samples))
    if not 2 <= instance.classes <= MOST_CLASSES or instance.dim < 2:
        return f"certificates of complete lists need K between 2 and {MOST_CLASSES}, and d >= 2"
    if instance.dim > 2 and not (instance.classes == 3 and labels == [0, 1, 2]):
        return (
            f"class sizes and d = {instance.dim}: critical points may leave the plane; complete lists reach K = 2, "
            "K = 3 with one sample a class, and d = 2"
        )
    unknowns = instance.classes - 1 + instance.samples
    if unknowns > _MOST_UNKNOWNS:
        return f"the search has {unknowns} unknown angles, but at most {_MOST_UNKNOWNS} are possible"
    return ""


def search_plane(
    problem: SphereProblem, *, most_boxes: int = 2_000_000, progress: Progress | None = None
) -> CompleteList:
    """Search every order of the classes on the circle; like :func:`prove_complete`, but never by the closed form."""
    advance = progress or silent
    instance = capabilities.exact_instance(problem)
    p = read_instance(instance.to_json())
    settled = closed_neighbourhood(p)
    closed = settled or _NEIGHBOURHOOD
    orders = circle_orders(p)
    searches: list[tuple[Sequence[int], Search]] = []
    boxes = 0
    for number, order in enumerate(orders):
        equations = Planar(p, order, closed)
        stage = f"complete list, order {number + 1} of {len(orders)}"

        def count(done: int, left: int, stage: str = stage, before: int = boxes) -> None:
            advance(stage, before + done, before + done + left)

        search = branch_and_prune(
            equations, Zeros(equations), most_boxes=max(most_boxes - boxes, 1), progress=count
        )
        boxes += search.boxes
        searches.append((order, search))
        if len(search.low):
            points = [x for _, x in _orbits(problem, p, searches)]
            return CompleteList(
                status=ProofStatus.UNDECIDED,
                statement=f"the search for a complete list was stopped after {boxes} boxes",
                points=tuple(points),
                region=_region(order, search),
                boxes=boxes,
            )
    orbits = _orbits(problem, p, searches)
    certificate = planar_certificate(
        instance, closed, not settled, searches, [members for members, _ in orbits]
    )
    return _checked(certificate, [x for _, x in orbits], boxes, advance)


def search_charts(
    instance: ExpressionInstance, *, most_boxes: int = 2_000_000, progress: Progress | None = None
) -> CompleteList:
    """Search every chart for critical points of an own cost; like :func:`prove_complete`."""
    advance = progress or silent
    if instance.dim < 2 or (instance.dim > 2 and instance.is_orthogonally_invariant):
        return _undecided(
            "a cost of inner products alone has no isolated critical points in d >= 3, and d = 1 has no tangents"
        )
    unknowns = (instance.dim - 1) * instance.columns
    count = (2 * instance.dim) ** instance.columns if instance.dim > 2 else 1
    if instance.dim == 2 and instance.is_orthogonally_invariant and instance.columns == 1:
        return _undecided("a cost of one column's length is constant: there is nothing to search")
    if unknowns > _MOST_UNKNOWNS or count > _MOST_CHARTS:
        return _undecided(f"{unknowns} unknowns in {count} charts are more than can be searched")
    p = read_program(instance.to_json())
    faces = charts(p)
    searches, boxes = [], 0
    points: list[tuple[list[tuple[int, int]], Array]] = []
    for number, face in enumerate(faces):
        equations = ProgramEquations(p, face)
        advance("complete list", number, len(faces))
        search = branch_and_prune(equations, Zeros(equations), most_boxes=max(most_boxes - boxes, 1))
        boxes += search.boxes
        searches.append(search)
        for z, x in enumerate(search.zeros.points):
            _gather(points, equations, (number, z), x)
        if len(search.low):
            return CompleteList(
                status=ProofStatus.UNDECIDED,
                statement=f"the search for a complete list was stopped after {boxes} boxes",
                points=tuple(X for _, X in points),
                region=f"{counted(len(search.low), 'box is', 'boxes are')} left in chart {number + 1} of {len(faces)}, "
                f"between {_numbers(search.low.min(0))} and {_numbers(search.high.max(0))}",
                boxes=boxes,
            )
    certificate = charts_certificate(instance, searches, [members for members, _ in points])
    return _checked(certificate, [X for _, X in points], boxes, advance)


def _gather(
    points: list[tuple[list[tuple[int, int]], Array]],
    equations: ProgramEquations,
    member: tuple[int, int],
    x: Array,
) -> None:
    """Enter a zero with the point that it is, in the plane up to a reflection where rotations are free."""
    X = equations.point(point(x[None])).m[0].T
    X = X / np.linalg.norm(X, axis=0)
    mirrored = X * [[1.0], [-1.0]] if equations.pinned else X
    for members, Y in points:
        if min(np.abs(X - Y).max(), np.abs(mirrored - Y).max()) < _SAME_POINT:
            members.append(member)
            return
    points.append(([member], X))


def _numbers(values: Array) -> str:
    """A few numbers in words."""
    return "(" + ", ".join(f"{v:.3g}" for v in values) + ")"


def _orbits(
    problem: SphereProblem, p: Instance, searches: Sequence[tuple[Sequence[int], Search]]
) -> list[tuple[list[tuple[int, int]], Array]]:
    """Zeros gathered into critical orbits, each with one of its points."""
    plane = capabilities.in_span(problem, 2)
    orbits: list[tuple[list[tuple[int, int]], Array, float]] = []
    for s, (order, search) in enumerate(searches):
        for z, x in enumerate(search.zeros.points):
            found = planar_point(p, order, x)
            cost = float(plane.at(found).cost)
            for members, first, known in orbits:
                close = abs(cost - known) <= 1e-9 * (1 + abs(cost))
                if close and align(found, first, plane.symmetry, tolerance=_SAME_POINT) is not None:
                    members.append((s, z))
                    break
            else:
                orbits.append(([(s, z)], found, cost))
    orbits.sort(key=lambda orbit: orbit[2])
    return [(members, found) for members, found, _ in orbits]


def _region(order: Sequence[int], search: Search) -> str:
    """Where boxes were left, in words."""
    gaps = len(order) - 1
    low, high = search.low.min(0)[:gaps], search.high.max(0)[:gaps]
    sides = ", ".join(
        f"from w_{a + 1} to w_{b + 1} [{max(l, 0):.3g}, {h:.3g}]"
        for a, b, l, h in zip(order, order[1:], low, high, strict=False)
    )
    return f"{counted(len(search.low), 'box is', 'boxes are')} left, with angles {sides} radians"


def _checked(certificate: bytes, points: Sequence[Array], boxes: int, advance: Progress) -> CompleteList:
    """What the independent checker says of a certificate."""
    advance("check the complete list", 0, 1)
    result: CompleteResult = check_complete_bytes(certificate)
    advance("check the complete list", 1, 1)
    accepted = result.status == "PROVED" and len(result.orbits) == len(points)
    near = f"classifiers that are not all equal, but fit into an arc of {result.outside:.6g} radians"
    return CompleteList(
        status=ProofStatus.PROVED if accepted and not result.outside else ProofStatus.UNDECIDED,
        statement=("PROVED outside of the region: " if result.outside else "") + result.text,
        points=tuple(points),
        copies=tuple(orbit.copies for orbit in result.orbits),
        costs=tuple(orbit.cost for orbit in result.orbits),
        region=near if result.outside else None,
        boxes=boxes,
        collapsed_are_saddles=accepted and result.saddles,
        certificate=certificate if accepted else None,
    )


def _undecided(reason: str) -> CompleteList:
    """Nothing is proved."""
    return CompleteList(status=ProofStatus.UNDECIDED, statement=reason)
