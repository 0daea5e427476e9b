"""The searches, each in all of its charts: of the plane, of an own cost, and of four charges on a sphere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from sphereufm.certify.certificate import ProofStatus
from sphereufm.certify.complete.arithmetic import point
from sphereufm.certify.complete.boxes import Equations
from sphereufm.certify.complete.coulomb import Coulomb, is_coulomb
from sphereufm.certify.complete.planar import Planar
from sphereufm.certify.complete.programs import ProgramEquations, charts
from sphereufm.certify.complete.reading import Program, read_instance, read_program
from sphereufm.certify.instances import ExpressionInstance
from sphereufm.complete.branch_and_prune import Search, branch_and_prune
from sphereufm.complete.certificate import planar_certificate, program_certificate
from sphereufm.complete.circles import circle_orders, closed_neighbourhood, planar_point
from sphereufm.complete.outcome import MOST_UNKNOWNS, BoxesLeft, CompleteList, checked, undecided
from sphereufm.complete.zeros import Zeros
from sphereufm.geometry.spheres import Array
from sphereufm.geometry.symmetry.alignment import align
from sphereufm.geometry.symmetry.groups import SymmetryGroup
from sphereufm.problem import capabilities
from sphereufm.problem.interface import SphereProblem
from sphereufm.progress import Progress

_MOST_CHARTS = 5000
_SAME_POINT = 1e-7
# arc of the classifiers down to which is searched where no lemma reaches
_NEIGHBOURHOOD = 1 / 64

# numbers of search and zero of each orbit, and one of its points
Orbits: TypeAlias = list[tuple[list[tuple[int, int]], Array]]


def search_plane(problem: SphereProblem, most_boxes: int, advance: Progress) -> CompleteList:
    """Search every order of the classes on the circle."""
    instance, plane = capabilities.exact_instance(problem), capabilities.in_span(problem, 2)
    p = read_instance(instance.to_json())
    settled = closed_neighbourhood(p)
    closed = settled or _NEIGHBOURHOOD
    orders = circle_orders(p)
    searches = _searched([Planar(p, order, closed) for order in orders], most_boxes, advance)

    def cost(X: Array) -> float:
        return float(plane.at(X).cost)

    def known(X: Array, points: list[Array]) -> int | None:
        near = (k for k, Y in enumerate(points) if abs(cost(X) - cost(Y)) <= 1e-9 * (1 + abs(cost(X))))
        return next((k for k in near if align(X, points[k], plane.symmetry, tolerance=_SAME_POINT)), None)

    orbits = _gathered(searches, lambda e, x: planar_point(p, e.order, x), known)
    orbits.sort(key=lambda orbit: cost(orbit[1]))
    listed = list(zip(orders, searches, strict=False))
    certificate = planar_certificate(instance, closed, not settled, listed, [m for m, _ in orbits])
    return _outcome(searches, len(orders), orbits, certificate, advance)


def search_own_cost(instance: ExpressionInstance, most_boxes: int, advance: Progress) -> CompleteList:
    """Search every chart for critical points of an own cost."""
    p = read_program(instance.to_json())
    four_charges = is_coulomb(p)
    reason = "" if four_charges else _out_of_reach(p)
    if reason:
        return undecided(reason)
    every: list[Any] = [Coulomb()] if four_charges else [ProgramEquations(p, face) for face in charts(p)]
    searches = _searched(every, most_boxes, advance)

    def known(X: Array, points: list[Array]) -> int | None:
        if not points:
            return None
        near = [np.abs(np.array(points) - turned).max((1, 2)) for turned in _turned(X, every[0])]
        k = int(np.min(near, 0).argmin())
        return k if min(off[k] for off in near) < _SAME_POINT else None

    orbits = _gathered(searches, _unit_columns, known)
    certificate = program_certificate(instance, four_charges, searches, [members for members, _ in orbits])
    found = _outcome(searches, len(every), orbits, certificate, advance)
    return replace(found, symmetry=SymmetryGroup.full(p.columns)) if four_charges else found


def _out_of_reach(p: Program) -> str:
    """Why an own cost cannot be searched, or nothing."""
    if p.dim > 2 and p.invariant:
        return "a cost of inner products alone has no isolated critical points in d >= 3; four charges are an exception"
    unknowns, count = (p.dim - 1) * p.columns, (2 * p.dim) ** p.columns if p.dim > 2 else 1
    if p.dim == 2 and p.invariant and p.columns == 1:
        return "a cost of one column's length is constant: there is nothing to search"
    if unknowns > MOST_UNKNOWNS or count > _MOST_CHARTS:
        return f"{unknowns} unknowns in {count} charts are more than can be searched"
    return ""


def _searched(every: Sequence[Equations], most_boxes: int, advance: Progress) -> list[Search]:
    """Searches one by one, up to the first that is stopped."""
    searches: list[Search] = []
    boxes = 0
    for number, equations in enumerate(every):
        stage = f"complete list, {number + 1} of {len(every)}"

        def count(done: int, left: int, stage: str = stage, before: int = boxes) -> None:
            advance(stage, before + done, before + done + left)

        searches.append(branch_and_prune(equations, Zeros(equations), max(most_boxes - boxes, 1), count))
        boxes += searches[-1].boxes
        if len(searches[-1].low):
            break
    return searches


def _gathered(
    searches: Sequence[Search],
    place: Callable[[Any, Array], Array],
    known: Callable[[Array, list[Array]], int | None],
) -> Orbits:
    """Zeros gathered into orbits; ``known`` says which of some points a new one is."""
    orbits: Orbits = []
    for s, search in enumerate(searches):
        for z, x in enumerate(search.zeros.points):
            X = place(search.zeros.equations, x)
            k = known(X, [Y for _, Y in orbits])
            if k is None:
                orbits.append(([], X))
            orbits[-1 if k is None else k][0].append((s, z))
    return orbits


def _unit_columns(equations: ProgramEquations | Coulomb, x: Array) -> Array:
    """The point that a zero is."""
    if isinstance(equations, Coulomb):
        return equations.place(x)
    X = equations.point(point(x[None])).m[0].T
    return X / np.linalg.norm(X, axis=0)


def _turned(X: Array, equations: ProgramEquations | Coulomb) -> list[Array]:
    """A point and those that count as the same: mirror images where rotations of the plane are free."""
    if isinstance(equations, Coulomb):
        moves = [X[:, [0, 1, 2, 3]], X[:, [0, 1, 3, 2]]]
        return [Y * [[1.0], [sign], [1.0]] for Y in moves for sign in (1, -1)]
    return [X, X * [[1.0], [-1.0]]] if equations.pinned else [X]


def _outcome(
    searches: Sequence[Search], count: int, orbits: Orbits, certificate: bytes, advance: Progress
) -> CompleteList:
    """What the checker says; or where the last search was stopped."""
    points, boxes, last = [X for _, X in orbits], sum(search.boxes for search in searches), searches[-1]
    if not len(last.low):
        return checked(certificate, points, boxes, advance)
    left = BoxesLeft(names=last.zeros.equations.names, low=last.low, high=last.high)
    return CompleteList(
        status=ProofStatus.UNDECIDED,
        statement=f"the search for a complete list was stopped after {boxes} boxes",
        points=tuple(points),
        region=f"chart {len(searches)} of {count}: {left}",
        left=left,
        boxes=boxes,
    )
