"""Zeros that the search meets, each with a box in which it is the only one."""

from __future__ import annotations

import numpy as np

from sphereufm.complete.balls import Index
from sphereufm.complete.contraction import REGULAR, Equations, preconditioner
from sphereufm.geometry.spheres import Array

# radii that are tried, from the largest down
_LARGEST, _SMALLEST, _STEP = 0.5, 2.0**-30, 0.75
# Newton steps end above and below this
_CONVERGED = 1e-11
_SAME = 1e-8


class Zeros:
    """A growing list of zeros ``points`` with radii ``radii`` in the maximum norm.

    Angles count modulo ``2 pi``.
    """

    def __init__(self, equations: Equations) -> None:
        self.equations = equations
        self.points = np.zeros((0, equations.variables))
        self.radii = np.zeros(0)

    def covering(self, low: Array, high: Array) -> Index:
        """Return for each box the number of a zero whose box holds it, or -1."""
        if not len(self.radii):
            return np.full(len(low), -1, dtype=np.int64)
        turn = self._turns(0.5 * (low + high))
        inside = (
            (low[:, None] >= self.points + turn - self.radii[:, None])
            & (high[:, None] <= self.points + turn + self.radii[:, None])
        ).all(2)
        return np.where(np.any(inside, axis=1), inside.argmax(1), -1)

    def enter_near(self, low: Array, high: Array) -> None:
        """Look for a zero from the centre of a box that holds at most one; enter it if it is new and near."""
        equations, start = self.equations, 0.5 * (low + high)
        x = self._newton(start)
        if x is None or (np.abs(x - start) > 4 * (high - low)).any():
            return
        if len(self.radii) and np.abs(self.points + self._turns(x[None])[0] - x).max(1).min() < _SAME:
            return
        radius = self._radius(x)
        if radius is not None:
            x = np.where(equations.periodic, np.mod(x, 2 * np.pi), x)
            self.points = np.vstack([self.points, x])
            self.radii = np.append(self.radii, radius)

    def _turns(self, x: Array) -> Array:
        """Multiples of ``2 pi`` that bring each zero nearest to each point, shape ``(boxes, zeros, variables)``."""
        turns = 2 * np.pi * np.round((x[:, None] - self.points) / (2 * np.pi))
        return np.where(self.equations.periodic, turns, 0.0)

    def _newton(self, start: Array) -> Array | None:
        """Steps with one matrix: in a box with at most one zero they lead there."""
        rows, x = self.equations.square, start[None]
        Y, sound = self._inverse(x)
        if not sound:
            return None
        for _ in range(60):
            move = Y @ self.equations.values(x)[0, rows]
            x = x - move
            if not np.abs(move).max() < 10:
                return None
            if np.abs(move).max() < 1e-15:
                break
        Y, sound = self._inverse(x)
        move = Y @ self.equations.values(x)[0, rows]
        return x[0] - move if sound and np.abs(move).max() < _CONVERGED else None

    def _inverse(self, x: Array) -> tuple[Array, bool]:
        """Near inverse of the square derivative at a point."""
        J = self.equations.derivative(x, np.zeros_like(x))[1].m[:, self.equations.square]
        Y, sound = preconditioner(J, np.ones_like(x))
        return Y[0], bool(sound[0])

    def _radius(self, x: Array) -> float | None:
        """Radius of a cube in which ``|I - Y J|`` stays below one, as large as some steps down find it."""
        rows, n = self.equations.square, self.equations.variables
        Y, _ = self._inverse(x[None])
        radius = _LARGEST
        while radius > _SMALLEST:
            J = self.equations.derivative(x[None], np.full((1, n), radius))[1]
            deviation = np.abs(Y @ J.m[0, rows] - np.eye(n)) + np.abs(Y) @ J.r[0, rows]
            if deviation.sum(1).max() < REGULAR:
                return float(radius)
            radius *= _STEP
        return None
