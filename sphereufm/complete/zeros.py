"""Zeros that the search meets, each with a box in which it is the only one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sphereufm.certify.complete.arithmetic import Balls, Mask, point
from sphereufm.certify.complete.boxes import REGULAR, Equations, deviation, near_inverse, within
from sphereufm.geometry.spheres import Array

_RADII = 0.5 * 0.75 ** np.arange(70)
# Newton steps end above and below this
_CONVERGED = 1e-11
_SAME = 1e-8


class Zeros:
    """A growing list of zeros ``points`` with radii ``radii`` in the maximum norm; angles count modulo ``2 pi``."""

    def __init__(self, equations: Equations) -> None:
        self.equations = equations
        self.points = np.zeros((0, equations.variables))
        self.radii = np.zeros(0)

    def covering(self, low: Array, high: Array) -> NDArray[np.int64]:
        """Return for each box the number of a zero whose box holds it, or -1."""
        if not len(self.radii):
            return np.full(len(low), -1, dtype=np.int64)
        inside = within(self.points, self.radii, self.equations.periodic, low[:, None], high[:, None])
        return np.where(np.any(inside, axis=1), inside.argmax(1), -1)

    def enter_near(self, low: Array, high: Array) -> None:
        """Look for a zero from the centre of a box that holds at most one; enter it if it is new and near."""
        start = 0.5 * (low + high)
        x = self._newton(start)
        if x is None or (np.abs(x - start) > 4 * (high - low)).any():
            return
        if (apart(self.points, x, self.equations.periodic) < _SAME).any():
            return
        radius = self._radius(x)
        if radius is not None:
            self.points = np.vstack([self.points, x])
            self.radii = np.append(self.radii, radius)

    def _newton(self, start: Array) -> Array | None:
        """Where Newton steps lead."""
        n, x = self.equations.variables, start[None]
        for _ in range(30):
            F, J = self.equations.evaluate(point(x))
            Y, sound = near_inverse(J.m[:, -n:], np.ones_like(x))
            move = Y[0] @ F.m[0, -n:]
            if not sound[0] or not np.abs(move).max() < 10:
                return None
            x = x - move
            if np.abs(move).max() < _CONVERGED:
                return x[0]
        return None

    def _radius(self, x: Array) -> float | None:
        """Largest of some radii for which ``|I - Y J|`` stays below one in the cube."""
        n, centre = self.equations.variables, x[None]
        Y, _ = near_inverse(self.equations.evaluate(point(centre))[1].m[:, -n:], np.ones_like(centre))
        cubes = Balls(np.repeat(centre, len(_RADII), 0), np.repeat(_RADII[:, None], n, 1))
        fits = deviation(Y, self.equations.evaluate(cubes)[1][:, -n:]).sum(2).max(1) < REGULAR
        return float(_RADII[fits].max()) if fits.any() else None


def apart(points: Array, x: Array, periodic: Mask) -> Array:
    """Return the distances of points from x in the maximum norm, of angles modulo ``2 pi``."""
    off = points - x
    off -= np.where(periodic, 2 * np.pi * np.round(off / (2 * np.pi)), 0.0)
    return np.asarray(np.abs(off).max(1))
