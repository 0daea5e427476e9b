"""An independent checker of certificates ``sphereufm-complete/1``: "these are all critical points".

This folder needs NumPy and python-flint, reads with the readers of the checker of points, and takes nothing from the
search, which borrows its equations: every box is narrowed and settled again, as docs/complete.md has it.  A certificate
only says where boxes are cut, and where zeros lie.  Tests are written positively: what balls cannot decide is not
proved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Context
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from flint import ctx

from sphereufm.certify.complete.arithmetic import Balls, applied
from sphereufm.certify.complete.boxes import CUT, Walk, Zero, prove_zero
from sphereufm.certify.complete.coulomb import SYMMETRIES, Coulomb, is_coulomb
from sphereufm.certify.complete.lemmas import collapsed_are_saddles, lemma_closed
from sphereufm.certify.complete.planar import Planar
from sphereufm.certify.complete.programs import ProgramEquations, charts
from sphereufm.certify.complete.reading import (
    LARGEST_FILE,
    CompleteCheckError,
    Instance,
    NotProvedError,
    Program,
    Tree,
    read_certificate,
    read_instance,
    read_program,
    refuse_if,
)
from sphereufm.certify.complete.symmetry import (
    Orbit,
    check_orbits,
    check_orders,
    cost_at,
    different,
    read_groups,
    same,
)
from sphereufm.certify.complete.two_classes import two_class_orbits

__all__ = ["CompleteCheckError", "CompleteResult", "Orbit", "check_complete", "check_complete_bytes"]

BITS = 64
PROVED, UNDECIDED = "PROVED", "UNDECIDED"
MOST_CLASSES = 7
# a few minutes; what a zero and a pair of zeros take in the same units
MOST_WORK, A_ZERO, A_PAIR = 1e9, 4000, 80


@dataclass(frozen=True, kw_only=True)
class CompleteResult:
    """What was found out: a status, the statement in words, the orbits by cost, and whether all else are saddles.

    ``saddles``: whether every critical point that the orbits leave out, a collapsed one, is a strict saddle;
    ``outside``: the arc of classifiers up to which nothing is known, 0 where everything is.
    """

    status: str
    text: str
    orbits: tuple[Orbit, ...] = ()
    saddles: bool = False
    outside: float = 0.0


def planar(p: Instance, data: dict[str, Any]) -> CompleteResult:
    """All critical points with W in a plane, outside of the collapsed family, or of a neighbourhood of it."""
    K = p.classes
    one_each = sorted(p.labels) == list(range(K))
    closed, searches = data["closed"], data["searches"]
    # their orders on the circle are gone through one by one
    refuse_if(len(searches) > 120, "there are more than 120 searches")
    refuse_if(not 2 <= K <= MOST_CLASSES, f"the plane is searched for 2 to {MOST_CLASSES} classes")
    refuse_if(K - 1 + len(p.labels) > 16, "there are more than 16 unknowns")
    walks = affordable((read_search(p, value, closed) for value in searches), 3 * K * len(p.labels))
    if not (p.dim == 2 or (K == 3 and one_each and p.dim > 2)):
        raise NotProvedError("the plane is not known to hold all critical points of this instance")
    outside = closed if data["method"] == OUTSIDE else 0.0
    refuse_if(not 0 <= outside < 1.57, "the neighbourhood must lie between 0 and pi/2")
    if not outside and not lemma_closed(p, closed):
        raise NotProvedError(f"the neighbourhood {closed:g} of the collapsed family is not closed by a lemma")
    check_orders(p, [equations.order for equations, _, _ in walks])
    proved = [prove_tree(*walk) for walk in walks]
    orbits = check_orbits(p, proved, data["orbits"])
    return result_of(p, orbits, outside)


Search = tuple[Any, list[Any], Tree]


def affordable(searches: Iterable[Search], steps: int) -> list[Search]:
    """All searches, if their boxes, each with some passes, and zeros stay within one budget: before any is proved."""
    found, work, zeros = [], 0.0, 0
    for equations, points, tree in searches:
        n, codes = equations.variables, tree.codes
        passes = codes.size + int((codes[codes >= CUT] - CUT).sum(dtype="i8")) // 16
        work += passes * (n * (n + steps) + 20)
        zeros += len(points)
        if work + A_ZERO * zeros + A_PAIR * zeros**2 > MOST_WORK:
            raise NotProvedError(
                f"{passes:,} passes over boxes and {zeros:,} zeros are too large for this checker"
            )
        found.append((equations, points, tree))
    return found


def prove_tree(equations: Any, zeros: list[Any], tree: Tree) -> list[tuple[Any, Zero]]:
    """The zeros of one search, all of them proved, and that there are no others."""
    found = [prove_zero(equations, *zero) for zero in zeros]
    Walk(equations, found, tree).run()
    return [(equations, zero) for zero in found]


def read_search(p: Instance, data: dict[str, Any], closed: float) -> Search:
    """One order of the classes on the circle, with zeros and tree."""
    refuse_if(sorted(data["order"]) != list(range(p.classes)), "order must hold every class once")
    return read_chart(Planar(p, data["order"], closed), data)


def own_cost(p: Program, data: dict[str, Any]) -> CompleteResult:
    """All critical points of a program, in charts (docs/complete.md, section 4)."""
    if p.dim > 2 and p.invariant:
        raise NotProvedError("a cost of inner products alone has no isolated critical points in R^d, d >= 3")
    refuse_if(p.dim > 2 and (2 * p.dim) ** p.columns > 5000, "there are more than 5000 charts")
    every = [ProgramEquations(p, face) for face in charts(p)]
    groups = proved_orbits(p, data, every, one_point)
    firsts = [group[0] for group in groups]
    columns = [equations.point(zero.box) for equations, zero in firsts]
    at = Balls(*(np.concatenate([getattr(X, k) for X in columns] or [np.zeros(0)]) for k in "mr"))
    for a, first in enumerate(firsts):
        if p.dim == 2:
            apart = all(two_points(first, later) for later in firsts[a + 1 :])
        else:
            off = at[a + 1 :] - at[a : a + 1]
            apart = bool((np.abs(off.m) > off.r).any((1, 2)).all())
        if not apart:
            raise NotProvedError("two orbits are not proved to differ")
    costs = [cost_at(*first) for first in firsts]
    return exactly(costs, ", up to O(2)," if p.invariant else "")


def coulomb(p: Program, data: dict[str, Any]) -> CompleteResult:
    """All critical points of the energy of four charges (docs/complete.md, section 4)."""
    if not is_coulomb(p):
        raise NotProvedError("the cost is not recognised as the energy of four charges on a sphere")
    groups = proved_orbits(p, data, [Coulomb()], one_configuration)
    firsts = sorted((group[0] for group in groups), key=lambda first: cost_at(*first))
    costs = [equations.cost(zero.box) for equations, zero in firsts]
    if not all(a.high[0] < b.low[0] for a, b in pairwise(costs)):
        raise NotProvedError("two orbits are not proved to differ")
    return exactly([float(cost.m[0]) for cost in costs], ", up to O(3) and permutations,")


def proved_orbits(
    p: Program, data: dict[str, Any], every: list[Any], alike: Callable[[Any, Any], bool]
) -> list[list[Any]]:
    """Zeros of searches in some charts, gathered, those of one group proved to be alike."""
    searches = data["searches"]
    refuse_if(len(searches) != len(every), f"searches must have {len(every)} entries")
    read = (read_chart(equations, value) for value, equations in zip(searches, every, strict=True))
    proved = [prove_tree(*search) for search in affordable(read, len(p.program))]
    groups = read_groups(proved, data["orbits"])
    if not all(alike(member, group[0]) for group in groups for member in group[1:]):
        raise NotProvedError("two zeros of one orbit are not proved to be one point")
    return groups


def exactly(costs: list[float], turned: str) -> CompleteResult:
    """What is proved of an own cost."""
    orbits = tuple(Orbit(cost=cost, copies=1) for cost in sorted(costs))
    text = (
        f"every critical point is{turned} exactly one of these {len(costs)} points, and all of them exist; "
    )
    return CompleteResult(status=PROVED, text=text + listed(sorted(costs)), orbits=orbits, saddles=True)


def read_chart(equations: Any, data: dict[str, Any]) -> Search:
    """One chart, with zeros and tree."""
    n, zeros = equations.variables, [(np.array(zero["point"]), zero["radius"]) for zero in data["zeros"]]
    refuse_if(not 1 <= n <= 16, "there are no unknowns, or more than 16")
    refuse_if(any(len(x) != n for x, _ in zeros) or len(zeros) > 10_000, f"zeros must have {n} coordinates")
    return equations, zeros, data["tree"]


def one_configuration(member: tuple[Coulomb, Zero], first: tuple[Coulomb, Zero]) -> bool:
    """Whether an exchange or a reflection is proved to carry four charges into others."""
    moved = applied("gij,bj->gi", SYMMETRIES, member[1].box, 5)
    return bool(same(moved, first[1], first[0].periodic).any())


Member = tuple[ProgramEquations, Zero]


def images(member: Member, chart: ProgramEquations) -> list[Balls | None]:
    """Coordinates of a zero in another chart; in the plane, of both mirror images where a rotation is free."""
    equations, zero = member
    if chart.faces:
        return [chart.coordinates(equations.point(zero.box))]
    return [zero.box, -zero.box] if equations.pinned else [zero.box]


def one_point(member: Member, first: Member) -> bool:
    """Whether a zero is proved to be another one."""
    chart, zero = first
    return any(x is not None and same(x, zero, chart.periodic).all() for x in images(member, chart))


def two_points(a: Member, b: Member) -> bool:
    """Whether zeros are proved to be two points of the plane."""
    return all(x is not None and different(x, b[1]).all() for x in images(a, b[0]))


def two_classes(p: Instance, _: dict[str, Any]) -> CompleteResult:
    """Two classes, in closed form."""
    return result_of(p, two_class_orbits(p), 0.0)


def result_of(p: Instance, orbits: tuple[Orbit, ...], outside: float) -> CompleteResult:
    """What is proved of cross-entropy."""
    saddles = not outside and collapsed_are_saddles(p)
    collapsed = " has all classifiers equal" + " and is a strict saddle," * saddles + " or"
    where = f" whose classifiers fit into no arc of {arc(outside)} radians" if outside else collapsed
    text = (
        f"every critical point{where} is, up to O({p.dim}) and permutations of equal samples and classes, in "
        f"exactly one of these {len(orbits)} critical orbits, and all of them exist; "
        + listed([orbit.cost for orbit in orbits])
    )
    return CompleteResult(status=PROVED, text=text, orbits=orbits, saddles=saddles, outside=outside)


def arc(outside: float) -> str:
    """An arc in words, rounded up: less than was searched must not be said to be known."""
    return str(Context(prec=6, rounding=ROUND_CEILING).create_decimal_from_float(outside))


def listed(costs: list[float]) -> str:
    """Costs in words."""
    return "costs: " + ", ".join(f"{cost:.6f}" for cost in costs[:40]) + (", ..." if len(costs) > 40 else "")


OUTSIDE = "planar-outside"
METHODS: dict[str, Any] = {
    "planar": planar,
    OUTSIDE: planar,
    "two-classes": two_classes,
    "charts": own_cost,
    "coulomb": coulomb,
}


def check_complete_bytes(data: bytes) -> CompleteResult:
    """Check a certificate.

    ``data``: the file's content.  Result: with status ``"PROVED"`` or ``"UNDECIDED"``.  Raises
    CompleteCheckError if the bytes are no certificate of this format.
    """
    certificate = read_certificate(data)
    method = certificate["method"]
    p = (read_program if method in ("charts", "coulomb") else read_instance)(certificate["instance"])
    before = ctx.prec
    ctx.prec = BITS
    try:
        result: CompleteResult = METHODS[method](p, certificate)
    except NotProvedError as error:
        return CompleteResult(status=UNDECIDED, text=str(error))
    finally:
        ctx.prec = before
    return result


def check_complete(path: str | Path) -> CompleteResult:
    """Check a certificate in a file; see :func:`check_complete_bytes`.

    Raises CompleteCheckError if the file cannot be read, or is no certificate of this format.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise CompleteCheckError(f"cannot be read: {error.strerror}") from None
    return check_complete_bytes(data)
