"""Boxes: narrowed, proved to hold one zero, and gone through as a tree."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

from flint import arb, arb_mat

from sphereufm.certify.complete.arithmetic import Row, around, down, hull, near_inverse, up
from sphereufm.certify.complete.reading import CompleteCheckError, NotProvedError, refuse_if

# a tree's codes: a leaf without a zero, a leaf inside a zero's box, and from here on a cut (16 passes + axis)
DEAD, UNIQUE, CUT = 0, 1, 128
# passes over a leaf before it is given up
PATIENCE = 6

Box = tuple[list[float], list[float]]


class Equations(Protocol):
    """As many equations as unknowns, in a whole box; further ones may come before them."""

    variables: int
    low: list[float]
    high: list[float]
    periodic: list[bool]

    def outside(self, low: list[float], high: list[float]) -> bool:
        """Whether a box needs no proof: outside of the domain, or settled by a lemma."""

    def evaluate(self, x: list[Any], derivative: bool = True) -> tuple[list[Any], list[Row]] | None:
        """Values, and rows of the derivative if it is asked for; None where it is and signs exclude a zero."""


def balls_of(low: list[float], high: list[float]) -> tuple[list[float], list[float], list[Any]]:
    """Centres, radii that reach both ends, and balls."""
    centre = [a + (b - a) / 2 for a, b in zip(low, high, strict=True)]
    radius = [up(max(b - c, c - a)) for a, b, c in zip(low, high, centre, strict=True)]
    return centre, radius, [arb(c, r) for c, r in zip(centre, radius, strict=True)]


def contract(equations: Equations, low: list[float], high: list[float]) -> Box | None:
    """Where zeros of a box lie, by one pass; None where there are none."""
    centre, radius, x = balls_of(low, high)
    try:
        found = equations.evaluate(x)
    except NotProvedError:
        # not defined on all of the box: nothing is known of it
        return low, high
    if found is None:
        return None
    F, J = found
    if any(value > 0 or value < 0 for value in F):
        return None
    at_centre = values(equations, centre)
    reach = [arb(r) for r in radius]
    bounds = [[-r for r in reach], reach[:]]
    if not narrow(bounds, at_centre, J, reach):
        return None
    n = equations.variables
    Y = near_inverse(J[-n:])
    if Y is not None:
        YJ = (Y * arb_mat(J[-n:])).tolist()
        YF = [row[0] for row in (Y * arb_mat([[f] for f in at_centre[-n:]])).tolist()]
        if not narrow(bounds, YF, YJ, reach):
            return None
    new_low = [
        max(a, down(c + down(float(b.lower())))) for a, b, c in zip(low, bounds[0], centre, strict=True)
    ]
    new_high = [min(a, up(c + up(float(b.upper())))) for a, b, c in zip(high, bounds[1], centre, strict=True)]
    if any(a > b for a, b in zip(new_low, new_high, strict=True)):
        return None
    return new_low, new_high


def values(equations: Equations, point: list[float]) -> list[Any]:
    """Values at a point; signs are not asked for there."""
    found = equations.evaluate([arb(c) for c in point], False)
    return found[0] if found else []


def narrow(bounds: list[list[Any]], value: list[Any], J: list[Row], reach: list[Any]) -> bool:
    """Narrow bounds on ``x - c`` by rows ``value + J (x - c) = 0``; False where some row has no zero."""
    for f, row in zip(value, J, strict=True):
        sizes = [abs(entry).upper() * r for entry, r in zip(row, reach, strict=True)]
        total = sum(sizes, arb(0))
        if abs(f) > total:
            return False
        for j, entry in enumerate(row):
            if entry > 0 or entry < 0:
                rest = (total - sizes[j]).upper()
                slope = abs(entry)
                middle = -f if entry > 0 else f
                bottom, top = (middle - rest).lower(), (middle + rest).upper()
                bottom = bottom / (slope.upper() if bottom > 0 else slope.lower())
                top = top / (slope.lower() if top > 0 else slope.upper())
                if bottom > bounds[0][j]:
                    bounds[0][j] = bottom
                if top < bounds[1][j]:
                    bounds[1][j] = top
    return True


@dataclass(frozen=True, kw_only=True)
class Zero:
    """A proved zero: balls around it, and the cube in which it is the only one."""

    point: list[float]
    radius: float
    balls: list[Any]


def prove_zero(equations: Equations, point: list[float], radius: float) -> Zero:
    """Krawczyk's test on a cube (docs/proofs.md, Lemma 4)."""
    if not 0 < radius < 1:
        raise NotProvedError("the radius of a zero must lie between 0 and 1")
    m = equations.variables
    over = equations.evaluate([arb(c, up(radius)) for c in point])
    if over is None:
        raise NotProvedError(f"no zero lies near {point}")
    J, F, Y = over[1][-m:], values(equations, point)[-m:], near_inverse(over[1][-m:])
    if Y is None:
        raise NotProvedError("the derivative at a zero is singular")
    YJ = (Y * arb_mat(J)).tolist()
    q = arb(0)
    for i, row in enumerate(YJ):
        size = sum((abs(entry - (i == j)) for j, entry in enumerate(row)), arb(0))
        q = hull(q, size) if not size < q else q
    q = q.upper()
    move = (Y * arb_mat([[f] for f in F])).tolist()
    step = max((float(abs(row[0]).upper()) for row in move), default=0.0)
    if not q < 1:
        raise NotProvedError(f"the zero near {point} is not proved to be the only one within {radius}")
    reach = (arb(up(step)) / (1 - q)).upper()
    if not reach < arb(radius):
        raise NotProvedError(f"no zero is proved near {point}")
    return Zero(point=point, radius=radius, balls=[around(arb(c), reach) for c in point])


def covers(zero: Zero, low: list[float], high: list[float], periodic: list[bool]) -> bool:
    """Whether a box lies in the cube of a zero, turned by multiples of ``2 pi``."""
    two_pi = 2 * arb.pi()
    for x, a, b, turns in zip(zero.point, low, high, periodic, strict=True):
        shift = round(((a + b) / 2 - x) / math.tau) if turns else 0
        middle = arb(x) + shift * two_pi
        if not (arb(a) > middle - zero.radius and arb(b) < middle + zero.radius):
            return False
    return True


class Walk:
    """A tree of boxes, read and proved node by node."""

    def __init__(self, equations: Equations, zeros: list[Zero], tree: bytes) -> None:
        self.equations, self.zeros, self.tree, self.at = equations, zeros, tree, 0
        self.periodic = equations.periodic

    def run(self) -> int:
        """Prove the tree; return the number of its nodes."""
        waiting: list[Box | None] = [(self.equations.low, self.equations.high)]
        nodes = 0
        while waiting:
            box = waiting.pop()
            nodes += 1
            code = self.take(1)
            if code >= CUT:
                waiting += reversed(self.cut(box, (code - CUT) // 16, code % 16))
            elif code == UNIQUE:
                self.unique(box, self.take(2))
            elif code == DEAD:
                self.dead(box)
            else:
                raise CompleteCheckError("a tree has an unknown code")
        refuse_if(self.at != len(self.tree), "a tree goes on after its end")
        return nodes

    def take(self, size: int) -> int:
        """The next bytes as a number."""
        part = self.tree[self.at : self.at + size]
        refuse_if(len(part) < size, "a tree ends too early")
        self.at += size
        return int.from_bytes(part, "little")

    def cut(self, box: Box | None, passes: int, axis: int) -> list[Box | None]:
        """Both parts of a box, after some passes over it."""
        refuse_if(axis >= self.equations.variables, "a tree cuts an axis that there is not")
        step = self.take(4)
        for _ in range(passes):
            box = None if box is None else contract(self.equations, *box)
        if box is None:
            return [None, None]
        low, high = box
        # exact: the sides of the whole box are short dyadic numbers
        cut = self.equations.low[axis] + step / 2**32 * (self.equations.high[axis] - self.equations.low[axis])
        below, above = high[:], low[:]
        below[axis], above[axis] = min(cut, high[axis]), max(cut, low[axis])
        return [
            (low, below) if cut >= low[axis] else None,
            (above, high) if cut <= high[axis] else None,
        ]

    def dead(self, box: Box | None) -> None:
        """Prove that a box holds no zero."""
        for _ in range(PATIENCE):
            if box is None or self.equations.outside(*box):
                return
            box = contract(self.equations, *box)
        if box is not None and not self.equations.outside(*box):
            raise NotProvedError(f"a box is not proved free of zeros: {shown(box)}")

    def unique(self, box: Box | None, index: int) -> None:
        """Prove that all zeros of a box are one of the list."""
        refuse_if(index >= len(self.zeros), "a tree names a zero that is not listed")
        for _ in range(PATIENCE):
            if box is None or self.equations.outside(*box) or covers(self.zeros[index], *box, self.periodic):
                return
            box = contract(self.equations, *box)
        raise NotProvedError(f"a box is not proved to lie near its zero: {shown(box)}")


def shown(box: Box | None) -> str:
    """A box in words."""
    return ", ".join(f"[{a:.6g}, {b:.6g}]" for a, b in zip(*box, strict=True)) if box else "empty"
