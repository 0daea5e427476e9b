"""What one truncated CG leaves for a decreasing sequence of trust-region radii.

The path of truncated CG does not depend on the radius, and its iterates only grow: so the step for a smaller radius is
where the path first crosses it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array
from sphereufm.solvers.batch import take

LEVELS = 8
SHRINK = 0.25


@dataclass(slots=True, eq=False)
class StepPath:
    """Steps of one truncated CG for a decreasing sequence of radii."""

    steps: list[Array | None]  #: shape ``(B, d, M)``: step for each level; made when first needed
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
            steps=[None] * LEVELS,
            radii=np.zeros(shape),
            squares=np.zeros(shape),
            decrease=np.zeros(shape),
            crossed=np.zeros(shape, dtype=bool),
            level=np.full(X.shape[0], LEVELS, dtype=np.intp),
        )

    def take(self, rows: NDArray[np.bool_]) -> StepPath:
        """The same for some items."""
        return replace(take(self, rows), steps=[None if s is None else s[rows] for s in self.steps])

    def put(self, rows: NDArray[np.intp], other: StepPath) -> None:
        """Take over some items from ``other``, which holds only those."""
        for k, new in enumerate(other.steps):
            if new is not None:
                self._step_array(k, self.level.size, new)[rows] = new
        for name in ("radii", "squares", "decrease", "crossed", "level"):
            getattr(self, name)[rows] = getattr(other, name)

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
        if not leaving.any():
            return
        (s, p), (ss, sp, pp), (model, slope, curvature) = vectors, norms, models
        for k in np.flatnonzero(leaving.any(axis=0)).tolist():
            here = leaving[:, k]
            room = np.maximum(self.radii[:, k] ** 2 - ss, 0.0)
            # positive root of pp t^2 + 2 sp t = room, in the form that does not cancel
            t = room / np.where(here, sp + np.sqrt(sp * sp + pp * room), 1.0)
            self._step_array(k, here.size, s)[here] = (s + t[:, None, None] * p)[here]
            self.squares[here, k] = self.radii[here, k] ** 2
            self.decrease[here, k] = -(model + t * slope + 0.5 * t * t * curvature)[here]
            self.crossed[:, k] |= here

    def close(self, s: Array, ss: Array, model: Array) -> None:
        """The last iterate is the step for every radius that was not crossed."""
        for k in range(LEVELS):
            rest = ~self.crossed[:, k]
            if rest.any():
                self._step_array(k, rest.size, s)[rest] = s[rest]
                self.squares[rest, k] = ss[rest]
                self.decrease[rest, k] = -model[rest]

    def current(self) -> tuple[Array, Array, NDArray[np.bool_]]:
        """Step in use, its predicted decrease, and whether it ends on the boundary."""
        rows = np.arange(self.level.size)
        levels = np.unique(self.level)
        if levels.size == 1:
            first = self.steps[int(levels[0])]
            assert first is not None
            U = first
        else:
            U = np.empty_like(next(s for s in self.steps if s is not None))
            for k in levels.tolist():
                here = self.level == k
                kept = self.steps[k]
                assert kept is not None
                U[here] = kept[here]
        return U, self.decrease[rows, self.level], self.crossed[rows, self.level]

    def length(self) -> Array:
        """Length of the step in use."""
        return np.sqrt(self.squares[np.arange(self.level.size), self.level])

    def radius(self) -> Array:
        """Radius of the level in use (of the last one where none is)."""
        return self.radii[np.arange(self.level.size), np.minimum(self.level, LEVELS - 1)]

    def skip_to_shorter(self, length: Array) -> None:
        """Go to the first level whose radius is below ``length``."""
        self.level = (self.radii >= 0.999 * length[:, None]).sum(axis=1)

    def _step_array(self, k: int, size: int, like: Array) -> Array:
        """The array of a level, made when first needed."""
        array = self.steps[k]
        if array is None:
            array = self.steps[k] = np.zeros((size, *like.shape[1:]))
        return array
