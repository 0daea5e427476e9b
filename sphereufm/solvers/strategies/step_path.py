"""What one truncated CG leaves for a decreasing sequence of trust-region radii.

The path of truncated CG does not depend on the radius, and its iterates only grow: so the step for a smaller radius is
where the path first crosses it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array

LEVELS = 8
SHRINK = 0.25


@dataclass(slots=True, eq=False)
class StepPath:
    """Steps of one truncated CG for a decreasing sequence of radii."""

    steps: Array  #: shape ``(B, L + 1, d, M)``: step for each level that was crossed, then the last iterate
    #: ``radii``, ``squares`` and ``decrease``, shape ``(B, L)``: radius, squared length of the step, and
    #: predicted decrease of each level.
    radii: Array
    squares: Array
    decrease: Array
    crossed: NDArray[np.bool_]  #: shape ``(B, L)``: whether the step ends on the level's boundary
    level: NDArray[np.intp]  #: shape ``(B,)``: which level is in use; ``L`` if none is

    @classmethod
    def empty(cls, X: Array) -> StepPath:
        """No steps yet."""
        shape = (X.shape[0], LEVELS)
        return cls(
            # pages that no level writes to are never touched
            steps=np.zeros((X.shape[0], LEVELS + 1, *X.shape[1:])),
            radii=np.zeros(shape),
            squares=np.zeros(shape),
            decrease=np.zeros(shape),
            crossed=np.zeros(shape, dtype=bool),
            level=np.full(X.shape[0], LEVELS, dtype=np.intp),
        )

    def start(self, radius: Array) -> None:
        """Set the levels' radii."""
        self.radii = radius[:, None] * SHRINK ** np.arange(LEVELS)
        self.level = np.zeros(radius.size, dtype=np.intp)

    def cross(
        self,
        working: NDArray[np.bool_],
        ahead: Array,
        vectors: tuple[Array, Array],
        norms: tuple[Array, Array, Array],
        models: tuple[Array, Array, Array],
    ) -> None:
        """Keep ``s + t p`` on the boundary of every level that the next iterate would leave."""
        leaving = working[:, None] & ~self.crossed & (ahead[:, None] >= self.radii**2)
        items, levels = np.nonzero(leaving)
        if not items.size:
            return
        s, p = vectors
        ss, sp, pp, model, slope, curvature = (each[items] for each in (*norms, *models))
        radii = self.radii[items, levels] ** 2
        room = np.maximum(radii - ss, 0.0)
        # positive root of pp t^2 + 2 sp t = room, in the form that does not cancel
        t = room / (sp + np.sqrt(sp * sp + pp * room))
        for k in np.unique(levels):
            here = items[levels == k]
            self.steps[here, k] = s[here] + t[levels == k, None, None] * p[here]
        self.squares[items, levels] = radii
        self.decrease[items, levels] = -(model + t * slope + 0.5 * t * t * curvature)
        self.crossed |= leaving

    def close(self, s: Array, ss: Array, model: Array) -> None:
        """The last iterate is the step for every radius that was not crossed."""
        self.steps[:, LEVELS] = s
        self.squares = np.where(self.crossed, self.squares, ss[:, None])
        self.decrease = np.where(self.crossed, self.decrease, -model[:, None])

    def current(self) -> tuple[Array, Array, NDArray[np.bool_]]:
        """Step in use, its predicted decrease, and whether it ends on the boundary."""
        items = np.arange(self.level.size)
        bounded = self.crossed[items, self.level]
        steps = self.steps[items, np.where(bounded, self.level, LEVELS)]
        return steps, self.decrease[items, self.level], bounded

    def length(self) -> Array:
        """Length of the step in use."""
        return np.sqrt(self.squares[np.arange(self.level.size), self.level])

    def radius(self) -> Array:
        """Radius of the level in use (of the last one where none is)."""
        return self.radii[np.arange(self.level.size), np.minimum(self.level, LEVELS - 1)]

    def skip_to_shorter(self, length: Array) -> None:
        """Go to the first level whose radius is below ``length``."""
        self.level = (self.radii >= 0.999 * length[:, None]).sum(axis=1)
