"""One pass over boxes: linear bounds on where a zero can be, as they stand and after preconditioning.

In a box with centre c, ``F(x)`` lies in ``F(c) + J (x - c)`` with J over the box.  A row that stays away from zero
leaves no zero in the box; a row with ``0`` outside of ``J_ij`` bounds ``x_j``.  The same holds for the rows of ``Y F``
with Y near the inverse of the square part of J; where ``|I - Y J|`` maps the box well into itself there is at most one
zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sphereufm.complete.balls import Balls, Index, Mask
from sphereufm.geometry.spheres import Array

# |I - Y J| below this leaves the checker, which computes the same in balls, some room
REGULAR = 0.9
# for the same reason bounds must be met with this much to spare
_ROOM = 1.01
# a box is not narrowed to a point, in whose units derivatives mean nothing
_LEAST = 1e-7


class Equations(Protocol):
    """Equations ``F(x) = 0`` in a box, over batches of boxes; there may be more rows than unknowns."""

    variables: int
    low: Array
    high: Array
    periodic: Mask
    square: Index

    def outside(self, low: Array, high: Array) -> Mask:
        """Tell which boxes need no test: outside of the domain, or settled by a lemma."""

    def signs(self, m: Array, r: Array) -> Mask:
        """Tell which boxes hold no zero, by signs alone."""

    def values(self, x: Array) -> Array:
        """F at points."""

    def derivative(self, m: Array, r: Array) -> tuple[Balls, Balls]:
        """F and its derivative over boxes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Pass:
    """What one pass found out about each box.

    ``dead``: no zero; ``low, high``: where zeros of the box lie; ``regular``: at most one zero; ``sway``: how much
    each unknown moves the equations, relative to the others.
    """

    dead: Mask
    low: Array
    high: Array
    regular: Mask
    sway: Array


def contract(equations: Equations, low: Array, high: Array) -> Pass:
    """Make one pass over boxes, shape ``(boxes, variables)``."""
    m, r = 0.5 * (low + high), 0.5 * (high - low)
    F, J = equations.derivative(m, r)
    at_centre = equations.values(m)
    # where a cost is not defined on all of a box nothing is known of it
    blind = ~(np.isfinite(F.m) & np.isfinite(at_centre)).all(1) | ~np.isfinite(J.m + J.r).all((1, 2))
    F.m[blind], F.r[blind], J.m[blind], J.r[blind], at_centre[blind] = 0, 1, 0, 1, 0
    dead = (np.abs(F.m) > _ROOM * F.r).any(1)
    empty, below, above = _linear_bounds(at_centre, J, r)
    Y, sound = preconditioner(J.m[:, equations.square], r)
    YJ = Balls(Y @ J.m[:, equations.square], np.abs(Y) @ J.r[:, equations.square])
    YF = (Y @ at_centre[:, equations.square, None])[:, :, 0]
    empty_too, below_too, above_too = _linear_bounds(YF, YJ, r)
    deviation = np.abs(YJ.m - np.eye(equations.variables)) + YJ.r
    regular = sound & ((deviation @ r[:, :, None])[:, :, 0] < REGULAR * r).all(1)
    below = np.maximum(below, np.where(sound[:, None], below_too, -r))
    above = np.minimum(above, np.where(sound[:, None], above_too, r))
    dead |= empty | (empty_too & sound) | (below > above).any(1)
    size = (np.abs(J.m) + J.r) * r[:, None, :]
    sway = (size / np.maximum(size.sum(2, keepdims=True), 1e-290)).sum(1)
    least = _LEAST * (equations.high - equations.low)
    return Pass(
        dead=dead,
        low=np.maximum(m + below - least, low),
        high=np.minimum(m + above + least, high),
        regular=regular,
        sway=sway,
    )


def preconditioner(A: Array, r: Array) -> tuple[Array, Mask]:
    """Return near inverses of square matrices whose columns count in units of r, and which of them are sound."""
    scale = 1 / np.maximum((np.abs(A) * r[:, None, :]).max(2), 1e-290)
    scaled = A * scale[:, :, None] * r[:, None, :]
    sound = np.abs(np.linalg.det(scaled)) > 1e-12
    Y = np.zeros_like(scaled)
    Y[sound] = np.linalg.inv(scaled[sound])
    return r[:, :, None] * Y * scale[:, None, :], sound


def _linear_bounds(value: Array, J: Balls, r: Array) -> tuple[Mask, Array, Array]:
    """Boxes without a zero, and bounds on ``x - c`` in the others, from ``value + J (x - c)``."""
    reach = (np.abs(J.m) + J.r) * r[:, None, :]
    total = _ROOM * reach.sum(2)
    dead = (np.abs(value) > total).any(1)
    # |x_j - c_j| is bounded where 0 is outside of J_ij: (-value +- rest of the others) / J_ij
    rest = total[:, :, None] - reach
    sign, size = np.sign(J.m), np.abs(J.m)
    usable = size > J.r * (1 + 1e-9)
    least, most = np.where(usable, size - J.r, 1.0), np.where(usable, size + J.r, 1.0)
    bottom, top = -value[:, :, None] * sign - rest, -value[:, :, None] * sign + rest
    bottom = np.where(bottom > 0, bottom / most, bottom / least)
    top = np.where(top > 0, top / least, top / most)
    return (
        dead,
        np.maximum(np.where(usable, bottom, -np.inf).max(1), -r),
        np.minimum(np.where(usable, top, np.inf).min(1), r),
    )
