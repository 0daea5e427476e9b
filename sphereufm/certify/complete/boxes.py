"""Boxes: narrowed, proved to hold one zero, and gone through as a tree.

In a box with centre c, ``F(x)`` lies in ``F(c) + J (x - c)`` with J the derivative over the box.  A row that stays
away from zero leaves no zero in the box; a row with ``0`` outside of ``J_ij`` bounds ``x_j``.  The same holds for the
rows of ``Y F`` with Y near the inverse of the square part of J, its last rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from sphereufm.certify.checker.kernel import Undecided, require
from sphereufm.certify.checker.reading import refuse_if
from sphereufm.certify.complete.arithmetic import (
    FINE,
    GROW,
    LEAST,
    Array,
    Balls,
    Mask,
    between,
    joined,
    outward,
    point,
)
from sphereufm.certify.complete.reading import Tree

# a tree's codes: a leaf without a zero, a leaf inside a zero's box, and from here on a cut (16 passes + axis)
DEAD, UNIQUE, CUT = 0, 1, 128
# passes over a leaf before it is given up
PATIENCE = 6
# boxes in one batch
BATCH = 2048
# a box is not narrowed to a point, in whose units derivatives mean nothing
NARROWEST = 1e-7
# |I - Y J| below this leaves at most one zero
REGULAR = 0.9


class Equations(Protocol):
    """As many equations as unknowns, in a whole box; further ones may come before them."""

    variables: int
    low: Array
    high: Array
    periodic: Mask
    # a side counts in these units where the search chooses which one to cut
    unit: Array

    @property
    def names(self) -> tuple[str, ...]:
        """The unknowns in words."""

    def trim(self, low: Array, high: Array) -> tuple[Mask, Array, Array]:
        """Which boxes need no proof, by the domain or a lemma alone; and what is left of the others."""

    def evaluate(self, x: Balls, derivative: bool = True) -> tuple[Balls, Balls]:
        """Values, shape ``(boxes, rows)``, and their derivative over boxes if it is asked for."""


class Pass(NamedTuple):
    """What one pass found out about each box.

    ``dead``: no zero; ``low, high``: where its zeros lie; ``regular``: at most one zero; ``sway``: how much each
    unknown moves the equations, relative to the others.
    """

    dead: Mask
    low: Array
    high: Array
    regular: Mask
    sway: Array


def contract(equations: Equations, low: Array, high: Array) -> Pass:
    """Make one pass over boxes, shape ``(boxes, variables)``."""
    n, box = equations.variables, between(low, high)
    F, J = equations.evaluate(box)
    at_centre = equations.evaluate(point(box.m), False)[0]
    # where a cost is not defined on all of a box nothing is known of it
    known = np.isfinite(F.m + F.r + at_centre.m + at_centre.r).all(1) & np.isfinite(J.m + J.r).all((1, 2))
    for part in (F, J, at_centre):
        part.m[~known], part.r[~known] = 0, 1
    reach = box.r
    square = J[:, -n:]
    Y, sound = near_inverse(square.m, reach)
    YJ, YF = point(Y) @ square, (point(Y) @ at_centre[:, -n:, None])[:, :, 0]
    empty, below, above = linear_bounds(joined(1, at_centre, YF), joined(1, J, YJ), reach)
    off = (np.abs(YJ.m - np.eye(n)) + YJ.r) @ reach[:, :, None]
    size = (np.abs(J.m) + J.r) * reach[:, None, :]
    least = NARROWEST * (equations.high - equations.low)
    dead = (np.abs(F.m) > outward(F.r, F.m)).any(1) | empty | (below > above + 2 * least).any(1)
    return Pass(
        dead=dead,
        low=np.maximum(box.m + below - least, low),
        high=np.minimum(box.m + above + least, high),
        regular=known & sound & (off[:, :, 0] < REGULAR * reach).all(1),
        sway=(size / np.maximum(size.sum(2, keepdims=True), 1e-290)).sum(1),
    )


def deviation(Y: Array, J: Balls) -> Array:
    """Bounds on the entries of ``|I - Y J|``."""
    off = point(Y) @ J - np.eye(J.m.shape[-1])
    return np.asarray(np.abs(off.m) + off.r)


def near_inverse(A: Array, r: Array) -> tuple[Array, Mask]:
    """Near inverses of square matrices whose columns count in units of r, zero where there is none that is sound."""
    scale = 1 / np.maximum((np.abs(A) * r[:, None, :]).max(2), 1e-290)
    scaled = A * scale[:, :, None] * r[:, None, :]
    sound = np.abs(np.linalg.det(scaled)) > 1e-12
    Y = np.zeros_like(scaled)
    Y[sound] = np.linalg.inv(scaled[sound])
    return r[:, :, None] * Y * scale[:, None, :], sound


def linear_bounds(value: Balls, J: Balls, reach: Array) -> tuple[Mask, Array, Array]:
    """Boxes without a zero, and bounds on ``x - c`` in the others, from rows ``value + J (x - c) = 0``."""
    n = reach.shape[1] + 2
    sizes = (np.abs(J.m) + J.r) * reach[:, None, :]
    total = sizes.sum(2) * (1 + n * FINE) + value.r * GROW + LEAST
    dead: Mask = (np.abs(value.m) > total * GROW).any(1)
    # |x_j - c_j| is bounded where 0 is outside of J_ij: (-value +- rest of the others) / J_ij
    slack = n * FINE * (total + np.abs(value.m))
    rest = (total + slack)[:, :, None] - sizes
    sign, size = np.sign(J.m), np.abs(J.m)
    least, most = size * (1 - FINE) - J.r * GROW, size * (1 + FINE) + J.r * GROW
    usable = least > 1e-200
    middle = -value.m[:, :, None] * sign
    bottom, top = (middle - rest, middle + rest)
    with np.errstate(all="ignore"):
        bottom = np.where(bottom > 0, bottom / most * (1 - 4 * FINE), bottom / least * (1 + 4 * FINE))
        top = np.where(top > 0, top / least * (1 + 4 * FINE), top / most * (1 - 4 * FINE))
    return (
        dead,
        np.maximum(np.where(usable, bottom, -np.inf).max(1), -reach),
        np.minimum(np.where(usable, top, np.inf).min(1), reach),
    )


@dataclass(frozen=True, kw_only=True)
class Zero:
    """A proved zero: a ball around each unknown, of radius ``reach``, and the cube in which it is the only one."""

    point: Array
    radius: float
    reach: float

    @property
    def box(self) -> Balls:
        """Balls that hold the zero, shape ``(1, variables)``."""
        return Balls(self.point[None], np.full((1, len(self.point)), self.reach))


def prove_zero(equations: Equations, centre: Array, radius: float) -> Zero:
    """Krawczyk's test on a cube (docs/proofs.md, Lemma 4)."""
    refuse_if(not np.abs(centre).max() < 1e6, "a zero lies outside of the box")
    require(0 < radius < 1, "the radius of a zero must lie between 0 and 1")
    n, x = equations.variables, centre[None]
    J = equations.evaluate(Balls(x, np.full_like(x, radius)))[1][:, -n:]
    F = equations.evaluate(point(x), False)[0][:, -n:]
    Y, _ = near_inverse(J.m, np.ones_like(x))
    q = float(deviation(Y, J).sum(2).max()) * (1 + n * FINE)
    move = point(Y) @ F[:, :, None]
    step = float((np.abs(move.m) + move.r).max()) * GROW
    require(q < 1, f"the zero near {centre.tolist()} is not proved to be the only one within {radius}")
    reach = step / (1 - q) * (1 + 2.0**-40) + LEAST
    require(reach < radius and 1 - q > 2.0**-8, f"no zero is proved near {centre.tolist()}")
    return Zero(point=centre, radius=radius, reach=reach)


def within(points: Array, radii: Array, periodic: Mask, low: Array, high: Array) -> Mask:
    """Whether boxes lie in cubes around points, turned by multiples of ``2 pi``; the last axis is the unknowns'."""
    turns = np.where(periodic, np.rint((0.5 * (low + high) - points) / (2 * np.pi)), 0.0)
    middle = points + turns * (2 * np.pi)
    # 2 pi as a double, products and sums are right to 1e-13 for a few turns
    room = radii[..., None] - 1e-12
    inside: Mask = np.all((np.abs(turns) < 9) & (low > middle - room) & (high < middle + room), axis=-1)
    return inside


def prove_tree(equations: Equations, zeros: list[Zero], tree: Tree) -> None:
    """Prove, level by level, that a whole box holds no zeros but those of a list."""
    refuse_if((tree.inside >= len(zeros)).any(), "a tree names a zero that is not listed")
    cut_axes = tree.nodes[tree.nodes >= CUT] % 16
    refuse_if((cut_axes >= equations.variables).any(), "a tree cuts an axis that there is not")
    # at the end, for leaves without a zero, a cube that holds nothing
    points = np.array([*(zero.point for zero in zeros), np.zeros(equations.variables)])
    radii = np.array([*(zero.radius for zero in zeros), 0.0])
    low, high = equations.low[None], equations.high[None]
    for codes, cuts, inside in levels(tree):
        for few in batches(codes < CUT):
            prove_leaves(equations, low[few], high[few], points[inside[few]], radii[inside[few]])
        parts = [
            divided(equations, low[few], high[few], codes[few], cuts[few]) for few in batches(codes >= CUT)
        ]
        # both parts of a cut side by side, as the tree lists them
        low, high = (np.concatenate([low[:0], *(part[k] for part in parts)]) for k in (0, 1))


def levels(tree: Tree) -> Iterator[tuple[NDArray[np.uint8], Array, NDArray[np.int64]]]:
    """Codes of each level, and for every node its cut's place in the whole box and its zero, -1 if it has none."""
    codes, places, zeros = tree.nodes, tree.cuts, tree.inside
    count = 1
    while count:
        level, codes = codes[:count], codes[count:]
        split, unique = level >= CUT, level == UNIQUE
        refuse_if(not (split | unique | (level == DEAD)).all(), "a tree has an unknown code")
        cuts, inside = np.zeros(len(level)), np.full(len(level), -1)
        n, z = int(split.sum()), int(unique.sum())
        refuse_if(len(level) < count or len(places) < n or len(zeros) < z, "a tree ends too early")
        cuts[split], places = places[:n] / 2.0**32, places[n:]
        inside[unique], zeros = zeros[:z], zeros[z:]
        yield level, cuts, inside
        count = 2 * n
    refuse_if(len(codes), "a tree goes on after its end")


def batches(chosen: Mask) -> list[NDArray[np.int64]]:
    """The numbers of what is chosen, batch by batch."""
    numbers = np.flatnonzero(chosen)
    return [numbers[k : k + BATCH] for k in range(0, len(numbers), BATCH)]


def divided(
    equations: Equations, low: Array, high: Array, codes: NDArray[np.uint8], cuts: Array
) -> tuple[Array, Array]:
    """Both parts of boxes, after some passes over them; boxes without a zero become empty."""
    passes, axis = (codes - CUT) // 16, codes % 16
    left = np.arange(len(low))
    for done in range(int(passes.max()) + 1):
        dead, low[left], high[left] = trimmed(equations, low[left], high[left])
        high[left[dead]] = -np.inf
        left = left[~dead & (passes[left] > done)]
        if len(left):
            found = contract(equations, low[left], high[left])
            low[left], high[left] = found.low, found.high
            high[left[found.dead]] = -np.inf
            left = left[~found.dead]
    # exact: the sides of the whole box are short dyadic numbers
    cut = equations.low[axis] + cuts * (equations.high[axis] - equations.low[axis])
    k = np.arange(len(low))
    low, high = np.repeat(low, 2, axis=0), np.repeat(high, 2, axis=0)
    high[2 * k, axis] = np.minimum(high[2 * k, axis], cut)
    low[2 * k + 1, axis] = np.maximum(low[2 * k + 1, axis], cut)
    return low, high


def prove_leaves(equations: Equations, low: Array, high: Array, points: Array, radii: Array) -> None:
    """Prove that boxes hold no zero, but for those in the cubes around their points."""
    for _ in range(PATIENCE):
        dead, low, high = trimmed(equations, low, high)
        low, high, points, radii = (part[~dead] for part in (low, high, points, radii))
        left = ~within(points, radii, equations.periodic, low, high)
        if not left.any():
            return
        found = contract(equations, low[left], high[left])
        low, high, points, radii = (
            part[~found.dead] for part in (found.low, found.high, points[left], radii[left])
        )
    if len(low):
        sides = ", ".join(f"[{a:.6g}, {b:.6g}]" for a, b in zip(low[0], high[0], strict=True))
        raise Undecided(f"a box is not proved free of zeros outside of the list: {sides}")


def trimmed(equations: Equations, low: Array, high: Array) -> tuple[Mask, Array, Array]:
    """Boxes that are empty or need no proof, and what is left of the others."""
    dead: Mask = np.any(low > high, axis=1)
    out, less, more = equations.trim(low[~dead], high[~dead])
    low, high = low.copy(), high.copy()
    low[~dead], high[~dead] = less, more
    dead[~dead] = out
    return dead, low, high
