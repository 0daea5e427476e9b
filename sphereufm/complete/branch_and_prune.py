"""Branch and prune: a tree of boxes, each leaf without a zero or inside the box of one known zero."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from sphereufm.certify.complete.boxes import BATCH, CUT, UNIQUE, Equations, Pass, contract, trimmed
from sphereufm.certify.complete.reading import Tree
from sphereufm.complete.zeros import Zeros
from sphereufm.geometry.spheres import Array

# passes over a box before it is cut; a pass must take this share off some side to be kept
_PASSES, _WORTH = 4, 0.1
# a side so many times as long as the one that would be cut holds several branches, and is halved first
_LONG = 8
# cuts lie on a grid of 2^-32 of the whole box
GRID = 2.0**32

Index: TypeAlias = NDArray[np.int64]
# numbers of nodes, and their boxes
_Batch: TypeAlias = tuple[Index, Array, Array]


@dataclass(frozen=True, kw_only=True, eq=False)
class Search:
    """Outcome of one search: the tree as the checker reads it, or where it was stopped.

    ``low, high`` bound the boxes that were left, shape ``(left, variables)``; none are left where the tree is whole.
    """

    tree: Tree
    zeros: Zeros
    boxes: int
    low: Array
    high: Array


def branch_and_prune(equations: Equations, most_boxes: int, progress: Callable[[int, int], None]) -> Search:
    """Search a whole box for zeros until none can have been missed, or the work is used up.

    ``progress``: ``progress(boxes done, boxes waiting)``.
    """
    zeros, nodes = Zeros(equations), _Nodes(equations)
    waiting: list[_Batch] = [(np.zeros(1, dtype=np.int64), equations.low[None], equations.high[None])]
    boxes = 0
    while waiting and boxes < most_boxes:
        number, low, high = _take(waiting)
        boxes += len(number)
        number, low, high, sway = _prune(equations, zeros, nodes, number, low, high)
        fine = ((high - low) < 64 / GRID * (equations.high - equations.low)).all(1)
        if fine.any():
            waiting.append((number, low, high))
            break
        if len(number):
            waiting.append(nodes.split(number, low, high, sway))
        progress(boxes, sum(len(batch[0]) for batch in waiting))
    none = np.zeros((0, equations.variables))
    rest = {"low": [none, *(batch[1] for batch in waiting)], "high": [none, *(batch[2] for batch in waiting)]}
    ends = {name: np.concatenate(parts) for name, parts in rest.items()}
    return Search(tree=nodes.levels(), zeros=zeros, boxes=boxes, **ends)


def _take(waiting: list[_Batch]) -> _Batch:
    """The next batch, depth first."""
    parts, size = [], 0
    while waiting and size < BATCH:
        parts.append(waiting.pop())
        size += len(parts[-1][0])
    number, low, high = (np.concatenate(part) for part in zip(*parts, strict=True))
    if size > BATCH:
        waiting.append((number[BATCH:], low[BATCH:], high[BATCH:]))
    return number[:BATCH], low[:BATCH], high[:BATCH]


def _prune(
    equations: Equations, zeros: Zeros, nodes: _Nodes, number: Index, low: Array, high: Array
) -> tuple[Index, Array, Array, Array]:
    """Boxes of a batch that must be cut, as small as the passes make them, with the sway of their sides."""
    done: list[tuple[Index, Array, Array, Array]] = []
    empty = number[:0], low[:0], high[:0], low[:0]
    for _ in range(_PASSES):
        dead, low, high = trimmed(equations, low, high)
        number, low, high = number[~dead], low[~dead], high[~dead]
        if not len(number):
            break
        found = contract(equations, low, high)
        covering = _settle(zeros, found)
        unique = ~found.dead & (covering >= 0)
        nodes.close(number[unique], covering[unique])
        open_ = ~(found.dead | unique)
        worth = ((found.high - found.low) < (1 - _WORTH) * (high - low)).any(1)
        cut = open_ & ~worth
        done.append((number[cut], low[cut], high[cut], found.sway[cut]))
        keep = open_ & worth
        nodes.of["passes"][number[keep]] += 1
        number, low, high, sway = number[keep], found.low[keep], found.high[keep], found.sway[keep]
        if not len(number):
            break
    else:
        done.append((number, low, high, sway))
    return tuple(np.concatenate(part) for part in zip(empty, *done, strict=True))  # type: ignore[return-value]


def _settle(zeros: Zeros, found: Pass) -> Index:
    """Numbers of zeros that cover boxes, after looking for new ones in boxes that hold at most one."""
    covering = zeros.covering(found.low, found.high)
    for k in np.flatnonzero(found.regular & ~found.dead & (covering < 0)):
        if zeros.covering(found.low[k : k + 1], found.high[k : k + 1])[0] < 0:
            zeros.enter_near(found.low[k], found.high[k])
    return zeros.covering(found.low, found.high)


class _Nodes:
    """A tree as it grows: codes (0: no zero here), passes, cuts, first children, and zeros that leaves lie near."""

    def __init__(self, equations: Equations) -> None:
        self.origin, self.span, self.unit = equations.low, equations.high - equations.low, equations.unit
        kinds = [("code", "u1"), ("passes", "u1"), ("cut", "<u4"), ("first", "i8"), ("zero", "<u2")]
        self.used, self.of = 1, np.zeros(1024, dtype=kinds)

    def close(self, number: Index, zero: Index) -> None:
        """Mark leaves as inside the boxes of zeros."""
        self.of["code"][number], self.of["zero"][number] = UNIQUE, zero

    def split(self, number: Index, low: Array, high: Array, sway: Array) -> _Batch:
        """Cut boxes near their middles; return the children."""
        width = high - low
        # sides that are at their finest already are not cut again
        sway = np.where(width > 64 / GRID * self.span, sway, -1.0)
        k, count = np.arange(len(number)), len(number)
        axis = (sway / self.unit).argmax(1)
        axis = np.where(width.max(1) > _LONG * width[k, axis], width.argmax(1), axis)
        middle = 0.5 * (low[k, axis] + high[k, axis])
        step = np.floor((middle - self.origin[axis]) / self.span[axis] * GRID)
        cut = self.origin[axis] + step / GRID * self.span[axis]
        if self.used + 2 * count > len(self.of):
            self.of = np.concatenate([self.of, np.zeros(len(self.of) + 2 * count, dtype=self.of.dtype)])
        first = self.used + 2 * k
        self.used += 2 * count
        self.of["code"][number] = CUT + 16 * self.of["passes"][number] + axis
        self.of["cut"][number], self.of["first"][number] = step, first
        below, above = high.copy(), low.copy()
        below[k, axis] = above[k, axis] = cut
        return np.append(first, first + 1), np.concatenate([low, above]), np.concatenate([below, high])

    def levels(self) -> Tree:
        """The tree so far, level by level."""
        level: Index = np.zeros(1, dtype=np.int64)
        parts = []
        while len(level):
            nodes = self.of[level]
            cut, inside = nodes[nodes["code"] >= CUT], nodes[nodes["code"] == UNIQUE]
            parts.append((nodes["code"], cut["cut"], inside["zero"]))
            level = np.ravel(cut["first"][:, None] + np.arange(2))
        return Tree(*map(np.concatenate, zip(*parts, strict=True)))
