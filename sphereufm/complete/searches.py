"""The searches, each in all of its charts: of the plane, of an own cost, and of four charges on a sphere."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from sphereufm.certify.complete.arithmetic import point
from sphereufm.certify.complete.boxes import Equations
from sphereufm.certify.complete.lemmas import lemma_closed
from sphereufm.certify.complete.planar import Planar
from sphereufm.certify.complete.reading import PLANE, Instance
from sphereufm.certify.complete.symmetry import circle_orders
from sphereufm.certify.instances import ExactInstance, ExpressionInstance
from sphereufm.complete.branch_and_prune import Search, branch_and_prune
from sphereufm.complete.outcome import BoxesLeft, CompleteList, checked, undecided
from sphereufm.complete.zeros import apart
from sphereufm.geometry.spheres import Array
from sphereufm.notebook import counted
from sphereufm.progress import Progress

_SAME_POINT = 1e-7
# arc of the classifiers down to which is searched where no lemma reaches
_NEIGHBOURHOOD = 1 / 64


def search_plane(instance: ExactInstance, p: Instance, most_boxes: int, advance: Progress) -> CompleteList:
    """Search every order of the classes on the circle."""
    settled = closed_neighbourhood(p)
    closed = settled or _NEIGHBOURHOOD
    every = [Planar(p, order, closed) for order in circle_orders(p)]
    head = {"method": PLANE[not settled], "closed": closed.hex()}
    return search_charts(instance, every, head, most_boxes, advance)


def closed_neighbourhood(p: Instance) -> float:
    """Return a delta with no critical point of the plane whose W has a diameter in ``(0, delta]``; 0 if unknown.

    The lemma holds below any delta at which it holds.
    """
    low, high = 0.0, 1.56
    for _ in range(30):
        delta = 0.5 * (low + high)
        low, high = (delta, high) if lemma_closed(p, delta) else (low, delta)
    return low


def search_charts(
    instance: ExactInstance | ExpressionInstance,
    every: Sequence[Equations],
    head: dict[str, Any],
    most_boxes: int,
    advance: Progress,
) -> CompleteList:
    """Search charts one by one, up to the first that is stopped; what the checker says, or where boxes were left."""
    searches: list[Search] = []
    boxes = 0
    for number, equations in enumerate(every):
        stage = f"complete list, {number + 1} of {len(every)}"

        def count(done: int, left: int, stage: str = stage, before: int = boxes) -> None:
            advance(stage, before + done, before + done + left)

        searches.append(branch_and_prune(equations, max(most_boxes - boxes, 1), count))
        boxes += searches[-1].boxes
        if len(searches[-1].low):
            break
    members, points = _gathered(searches)
    last = searches[-1]
    if not len(last.low):
        data = {**head, "searches": _lists(searches), "orbits": members}
        return checked(instance, data, points, boxes, advance)
    left = BoxesLeft(names=last.zeros.equations.names, low=last.low, high=last.high)
    region = f"chart {len(searches)} of {len(every)}: {left}"
    statement = f"the search for a complete list was stopped after {counted(boxes, 'box', 'boxes')}"
    return undecided(statement, points=tuple(points), region=region, left=left, boxes=boxes)


def _lists(searches: Sequence[Search]) -> list[dict[str, Any]]:
    """Zeros and tree of each search, docs/complete.md, section 5; in the plane also its order of the classes."""
    listed = []
    for search in searches:
        zeros = zip(search.zeros.points, search.zeros.radii, strict=True)
        tree = search.tree._asdict().items()
        entry = {
            "zeros": [{"point": [float(v).hex() for v in x], "radius": float(r).hex()} for x, r in zeros],
            "tree": {k: base64.b64encode(zlib.compress(v.tobytes(), 9)).decode() for k, v in tree},
        }
        equations = search.zeros.equations
        listed.append({"order": equations.order, **entry} if isinstance(equations, Planar) else entry)
    return listed


def _gathered(searches: Sequence[Search]) -> tuple[list[list[tuple[int, int]]], list[Array]]:
    """Numbers of search and zero of each orbit, and one of its points, by cost."""
    members: list[list[tuple[int, int]]] = []
    firsts: list[tuple[Any, Array]] = []
    signatures: list[Array] = []
    for s, search in enumerate(searches):
        equations: Any = search.zeros.equations
        for z, x in enumerate(search.zeros.points):
            here = equations.signature(point(x[None])).m[0]
            off = np.abs(np.reshape(signatures, (len(members), len(here))) - here).max(1, initial=0.0)
            for k in np.flatnonzero(off < _SAME_POINT * (1 + np.abs(here).max())):
                chart, first = firsts[k]
                images = chart.images(equations, point(x[None])).m
                if (apart(images, first, chart.periodic) < _SAME_POINT).any():
                    members[k].append((s, z))
                    break
            else:
                members.append([(s, z)])
                firsts.append((equations, x))
                signatures.append(here)
    order = np.argsort([chart.cost(point(x[None])).m[0] for chart, x in firsts], kind="stable")
    return [members[k] for k in order], [firsts[k][0].place(firsts[k][1]) for k in order]
