"""An independent checker of certificates ``sphereufm-complete/1``: "these are all critical points".

This folder needs NumPy and python-flint, reads with the readers of the checker of points, and takes nothing from the
search, which borrows its equations: every box is narrowed and settled again, as docs/complete.md has it.  A certificate
only says where boxes are cut, and where zeros lie.  Tests are written positively: what balls cannot decide is not
proved.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from flint import ctx

from sphereufm.certify.checker.kernel import Undecided, require
from sphereufm.certify.checker.reading import refuse_if
from sphereufm.certify.checker.words import printed
from sphereufm.certify.complete.arithmetic import joined
from sphereufm.certify.complete.boxes import CUT, Zero, prove_tree, prove_zero
from sphereufm.certify.complete.coulomb import Coulomb, is_coulomb
from sphereufm.certify.complete.lemmas import collapsed_are_saddles, lemma_closed
from sphereufm.certify.complete.planar import Planar
from sphereufm.certify.complete.programs import MOST_UNKNOWNS, ProgramEquations, charts
from sphereufm.certify.complete.reading import (
    OWN_COST,
    PLANE,
    Instance,
    Program,
    read_certificate,
    read_instance,
    read_program,
)
from sphereufm.certify.complete.symmetry import circle_orders, different, same
from sphereufm.certify.complete.two_classes import Orbit, two_class_orbits

BITS = 64
PROVED, UNDECIDED = "PROVED", "UNDECIDED"
MOST_CLASSES = 7
# a few minutes; what a zero and a pair of zeros take in the same units
MOST_WORK, A_ZERO, A_PAIR = 1e9, 4000, 80
# how well costs are known that a statement lists: by the seventh digit, and the sixth decimal, that it prints
COST_ROOM = 1e-6

# a proved zero, and the chart that it lies in
Member = tuple[Any, Zero]


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
    closed, searches = data["closed"], data["searches"]
    check_reach(p)
    # their orders on the circle are gone through one by one
    refuse_if(len(searches) > 120, "there are more than 120 searches")
    orders = [search["order"] for search in searches]
    every_class = all(sorted(order) == list(range(p.classes)) for order in orders)
    refuse_if(not every_class, "order must hold every class once")
    outside = closed if data["method"] == PLANE[1] else 0.0
    refuse_if(not 0 <= outside < 1.57, "the neighbourhood must lie between 0 and pi/2")
    left = f"the neighbourhood {closed:g} of the collapsed family is not closed by a lemma"
    require(outside or lemma_closed(p, closed), left)
    for order in circle_orders(p, orders):
        raise Undecided(f"the order {order} of the classes on the circle was not searched")
    every = [Planar(p, order, closed) for order in orders]
    groups = proved_groups(every, data, 3 * p.classes * len(p.labels))
    # whether a symmetry moves something depends on classes and samples, not on the sign of the plane
    moves = np.hstack(every[0].group[:2])
    orbits = []
    for number, (chart, first) in enumerate(groups):
        later = (chart.images(other, zero.box) for other, zero in groups[number + 1 :])
        apart = all(different(images, first).all() for images in later)
        require(apart, f"orbit {number + 1} is not proved to differ from a later one")
        own = chart.images(chart, first.box)
        fixed = same(own, first, chart.periodic)
        require((fixed | different(own, first)).all(), "a symmetry of a zero is not decided")
        copies = len(moves) // 2 // len(np.unique(moves[fixed], axis=0))
        orbits.append(Orbit(cost=cost_at(chart, first), copies=copies))
    return of_classes(p, orbits, outside)


def check_reach(p: Instance) -> None:
    """Refuse what cannot be searched, and what a search in the plane would not settle."""
    K, unknowns = p.classes, p.classes - 1 + len(p.labels)
    known = 2 <= K <= MOST_CLASSES and p.dim >= 2
    refuse_if(not known, f"certificates of complete lists need K between 2 and {MOST_CLASSES}, and d >= 2")
    require(
        p.dim == 2 or sorted(p.labels) == [0, 1, 2],
        f"class sizes and d = {p.dim}: critical points may leave the plane; complete lists reach K = 2, K = 3 with one "
        "sample a class, and d = 2",
    )
    far = f"the search has {unknowns} unknown angles, but at most {MOST_UNKNOWNS} are possible"
    refuse_if(unknowns > MOST_UNKNOWNS, far)


def own_cost(p: Program, data: dict[str, Any]) -> CompleteResult:
    """All critical points of a program, in charts (docs/complete.md, section 4)."""
    every = own_charts(p)
    method = OWN_COST[isinstance(every[0], Coulomb)]
    require(data["method"] == method, f"this cost is searched by the method {method}")
    firsts = proved_groups(every, data, len(p.program))
    at = joined(0, *(chart.signature(zero.box) for chart, zero in firsts))
    for a in range(1, len(firsts)):
        off = at[a:] - at[a - 1]
        require((np.abs(off.m) > off.r).any(1).all(), "two orbits are not proved to differ")
    orbits = [Orbit(cost=cost_at(*first), copies=1) for first in firsts]
    return proved(f"is{every[0].up_to} exactly one of these {{}} points", orbits, saddles=True)


def own_charts(p: Program) -> Sequence[ProgramEquations | Coulomb]:
    """What is to be searched for the critical points of a program."""
    return [Coulomb()] if is_coulomb(p) else charts(p)


def proved_groups(every: Sequence[Any], data: dict[str, Any], steps: int) -> list[Member]:
    """The first zero of each group, once the trees of all charts and all groups are proved."""
    searches, groups = data["searches"], data["orbits"]
    check_sizes(every, searches, groups, steps)
    zeros = []
    for equations, search in zip(every, searches, strict=True):
        zeros.append([prove_zero(equations, np.array(z["point"]), z["radius"]) for z in search["zeros"]])
        prove_tree(equations, zeros[-1], search["tree"])
    members = [[(every[s], zeros[s][z]) for s, z in group] for group in groups]
    for (chart, first), *others in members:
        one = all(same(chart.images(c, zero.box), first, chart.periodic).any() for c, zero in others)
        require(one, "two zeros of one orbit are not proved to be one")
    return [first for first, *_ in members]


def check_sizes(every: Sequence[Any], searches: list[Any], groups: list[Any], steps: int) -> None:
    """Every chart has its search, every zero its group; and boxes, with their passes, and zeros stay in a budget."""
    refuse_if(len(searches) != len(every), f"searches must have {len(every)} entries")
    sizes = [len(search["zeros"]) for search in searches]
    named = [tuple(pair) for group in groups for pair in group]
    known = all(s < len(sizes) and z < sizes[s] for s, z in named)
    refuse_if(not known, "an orbit names a zero that is not listed")
    refuse_if(len({*named}) < len(named), "a zero is in two orbits")
    refuse_if(not groups or not all(groups), "an orbit is empty, or there is none")
    work = A_ZERO * sum(sizes) + A_PAIR * sum(sizes) ** 2
    for equations, search in zip(every, searches, strict=True):
        n, codes = equations.variables, search["tree"].nodes
        fits = 1 <= n <= MOST_UNKNOWNS and all(len(zero["point"]) == n for zero in search["zeros"])
        refuse_if(
            not fits, f"zeros must have 1 to {MOST_UNKNOWNS} coordinates, as many as there are unknowns"
        )
        passes = codes.size + int((codes[codes >= CUT] - CUT).sum(dtype="i8")) // 16
        work += passes * (n * (n + steps) + 20)
    require(work <= MOST_WORK, f"trees of {sum(sizes):,} zeros are too large for this checker")
    require(len(named) == sum(sizes), "a zero is in no orbit")


def cost_at(equations: Any, zero: Zero) -> float:
    """The cost at a zero, if the place of the zero is known well enough for the digits that are printed."""
    cost = equations.cost(zero.box)
    known = cost.r[0] <= COST_ROOM * max(1.0, abs(cost.m[0]) / 10)
    require(known, f"the cost near {zero.point.tolist()} is not known to six digits")
    return float(cost.m[0])


def of_classes(p: Instance, orbits: Iterable[Orbit], outside: float = 0.0) -> CompleteResult:
    """What is proved of cross-entropy."""
    saddles = not outside and collapsed_are_saddles(p)
    where = "has all classifiers equal" + " and is a strict saddle," * saddles + " or"
    if outside:
        # rounded up: less than was searched must not be said to be known
        where = f"whose classifiers fit into no arc of {printed(Fraction(outside), up=True)} radians"
    counted = (
        f"{where} is, up to O({p.dim}) and permutations of equal samples and classes, in exactly one of these"
    )
    return proved(f"{counted} {{}} critical orbits", orbits, saddles=saddles, outside=outside)


def proved(sentence: str, orbits: Iterable[Orbit], **more: Any) -> CompleteResult:
    """What is proved, with the costs in words."""
    by_cost = tuple(sorted(orbits, key=lambda orbit: orbit.cost))
    costs = ", ".join(digits(orbit.cost) for orbit in by_cost[:40]) + ", ..." * (len(by_cost) > 40)
    text = f"every critical point {sentence.format(len(by_cost))}, and all of them exist; costs: {costs}"
    return CompleteResult(status=PROVED, text=text, orbits=by_cost, **more)


def digits(cost: float) -> str:
    """A cost to as many digits as are known."""
    return f"{cost:z.6f}" if abs(cost) < 10 else f"{cost:.7g}"


# of balls that overflow nothing follows
@np.errstate(over="ignore", invalid="ignore")
def check_complete_bytes(data: bytes) -> CompleteResult:
    """Check a certificate.

    ``data``: the file's content.  Result: with status ``"PROVED"`` or ``"UNDECIDED"``.  Raises
    CheckError if the bytes are no certificate of this format.
    """
    certificate = read_certificate(data)
    method, instance = certificate["method"], certificate["instance"]
    p: Any = (read_program if method in OWN_COST else read_instance)(instance)
    try:
        with ctx.workprec(BITS):
            if method in OWN_COST:
                return own_cost(p, certificate)
            if method in PLANE:
                return planar(p, certificate)
            return of_classes(p, [orbit for orbit, *_ in two_class_orbits(p)])
    except Undecided as error:
        return CompleteResult(status=UNDECIDED, text=str(error))
