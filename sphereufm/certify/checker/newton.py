"""A bias to begin with: Newton's method at the middle of a box.  Nothing here is believed (see ``losses``)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from sphereufm.certify.checker.kernel import Undecided, dot, require

MOST_STEPS = 80


def minimiser(B: Any, at: Callable[[list[Any]], Any], n: int) -> tuple[list[Any], list[list[Any]]]:
    """An exact b near the minimiser of a convex function, and nearly the inverse of its curvature there.

    ``at(b)``: value, slopes and curvatures.
    """
    b = [B.number(0)] * n
    for _ in range(MOST_STEPS):
        _, slopes, bends = at(b)
        Y = inverted(B, bends)
        step = [B.middle(dot(row, slopes)) for row in Y]
        size = max(abs(B.real(x)) for x in step)
        # steps s -> log(1 + s) go down wherever third derivatives are bounded by second ones
        shrink = B.number(math.log1p(size) / size) if size > 0.1 else B.number(1)
        b = [B.middle(x - shrink * t) for x, t in zip(b, step, strict=True)]
        if size < 2.0 ** -(B.bits // 2):
            return b, Y
    raise Undecided("the best bias is not found")


def inverted(B: Any, A: list[list[Any]]) -> list[list[Any]]:
    """About the inverse of a positive definite matrix, by elimination."""
    n = len(A)
    B.charge(4 * n**3)
    rows = [[B.middle(x) for x in row] + [B.number(int(k == l)) for l in range(n)] for k, row in enumerate(A)]
    for k in range(n):
        require(B.less(0, rows[k][k]), "the curvature by the bias is not proved positive")
        rows[k] = [B.middle(x / rows[k][k]) for x in rows[k]]
        for l in range(n):
            if l != k:
                t = rows[l][k]
                rows[l] = [B.middle(x - t * y) for x, y in zip(rows[l], rows[k], strict=True)]
    return [row[n:] for row in rows]
