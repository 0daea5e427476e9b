r"""Line searches along ``t -> f(R(X, t U))``, in lock step over a batch.

With ``phi(t)`` the cost along the curve, a step is accepted if it satisfies the weak Wolfe conditions

    phi(t) <= phi(0) + delta t phi'(0)   and   phi'(t) >= sigma phi'(0),

or, where costs differ by rounding only, the approximate ones, which use slopes alone:

    (2 delta - 1) phi'(0) >= phi'(t) >= sigma phi'(0)   and   |phi(t) - phi(0)| <= noise.

References
----------
W. Hager, H. Zhang, *A new conjugate gradient method with guaranteed descent and an efficient line search*,
SIAM J. Optim. 2005.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array
from sphereufm.solvers.oracle import Oracle, Points, Ray, Rows

# delta of Hager and Zhang; sufficient decrease as usual for quasi-Newton methods
_APPROXIMATE = 0.1
_DECREASE = 1e-4
_GROWTH = 2.5
_MOST_TRIALS = 40
_T = TypeVar("_T", bound=np.generic)


@dataclass(slots=True, eq=False)
class Searched:
    """Outcome of a line search."""

    points: Points  #: new points; the old ones where the search failed
    t: Array  #: shape ``(B,)``: step lengths, zero where it failed
    non_finite: NDArray[np.bool_]  #: shape ``(B,)``: whether the last trial had no finite cost

    @property
    def failed(self) -> NDArray[np.bool_]:
        """Where no acceptable step was found."""
        return self.t == 0.0


def wolfe_search(oracle: Oracle, points: Points, ray: Ray, first: Array, sigma: float = 0.9) -> Searched:
    """Find a step with the (approximate) weak Wolfe conditions by bracketing.

    ``first``, shape ``(B,)``: first trial steps.  ``sigma``: curvature condition; smaller is more exact.

    Notes
    -----
    When calls or time run out, or the bracket shrinks to nothing, the best step with sufficient decrease is
    returned, if there is one.
    """
    search, bracket = _Search(oracle, points, ray, first), _Bracket(ray.slope)
    while search.active:
        trial = search.trial()
        t, here, noise = search.t, search.ray, search.of(points.noise)
        slope, gain = here.slope_at(t, trial), search.of(points.cost) - trial.cost
        decrease = _lower(trial, gain, t * here.slope, noise, _DECREASE)
        decrease |= _lower_by_slope(here, trial, gain, noise, slope)
        done = decrease & (slope >= sigma * here.slope)
        search.keep(trial, decrease)
        if np.count_nonzero(done) == done.size:
            break
        bracket.narrow(search.items, t, np.where(trial.finite, slope, np.nan), decrease)
        search.go_on(~done)
        search.t = bracket.inside(search.items)
    return Searched(search.best, search.best_t, search.non_finite)


def armijo_search(
    oracle: Oracle, points: Points, ray: Ray, first: Array, reference: Array, delta: float
) -> Searched:
    """Halve the step until ``phi(t) <= reference + delta t phi'(0)`` (or the approximate Wolfe condition holds).

    * ``first``, shape ``(B,)``: first trial steps.
    * ``reference``, shape ``(B,)``: the current cost, or a larger recent one for a non-monotone search.
    * ``delta``: share of the decrease to first order that is asked for.
    """
    search = _Search(oracle, points, ray, first)
    while search.active:
        trial = search.trial()
        t, here, noise = search.t, search.ray, search.of(points.noise)
        gain = search.of(reference) - trial.cost
        done = _lower(trial, gain, t * here.slope, noise, delta)
        if np.count_nonzero(done) < done.size:
            done |= _lower_by_slope(here, trial, gain, noise, here.slope_at(t, trial))
        search.keep(trial, done)
        if np.count_nonzero(done) == done.size:
            break
        search.go_on(~done)
        search.t = 0.5 * search.t
    return Searched(search.best, search.best_t, search.non_finite)


class _Search:
    """Items that still search, their curves ``ray`` and next steps ``t``, and the best that every item has met."""

    def __init__(self, oracle: Oracle, points: Points, ray: Ray, first: Array) -> None:
        self.oracle, self.ray, self.t = oracle, ray, first
        self.best, self.best_t = points, np.zeros(first.size)
        self.non_finite = np.zeros(first.size, dtype=bool)
        self.trials = 0
        self.active = True
        # none: everyone
        self._rows: Rows | None = None
        if oracle.limited:
            self._drop_unaffordable()

    @property
    def items(self) -> Rows:
        """Which items of the batch still search."""
        return np.arange(self.best_t.size) if self._rows is None else self._rows

    def of(self, values: NDArray[_T]) -> NDArray[_T]:
        """The values of the items that still search."""
        return values if self._rows is None else values[self._rows]

    def trial(self) -> Points:
        """First-order information at the next steps."""
        self.trials += 1
        return self.oracle.at(self.ray.at(self.t), self._rows)

    def keep(self, trial: Points, better: NDArray[np.bool_]) -> None:
        """Make the trial the best one where it is better."""
        if self._rows is None:
            self.non_finite = ~trial.finite
            if np.count_nonzero(better) == better.size:
                self.best, self.best_t = trial, self.t
                return
        else:
            self.non_finite[self._rows] = ~trial.finite
        rows = np.flatnonzero(better)
        if rows.size:
            items, best_t = self.items[rows], self.best_t.copy()
            best_t[items] = self.t[rows]
            self.best, self.best_t = self.best.replace(items, trial.take(rows)), best_t

    def go_on(self, rest: NDArray[np.bool_]) -> None:
        """Search on with some items, if there are any, and trials and time are left."""
        if not rest.all():
            rows = np.flatnonzero(rest)
            self._rows, self.ray, self.t = self.items[rows], self.ray.take(rows), self.t[rows]
        if self.oracle.limited:
            self._drop_unaffordable()
        self.active = self.t.size > 0 and self.trials < _MOST_TRIALS and not self.oracle.expired()

    def _drop_unaffordable(self) -> None:
        """Let go of items whose budget does not allow another trial."""
        rows = np.flatnonzero(self.of(self.oracle.affordable(2)))
        self._rows, self.ray, self.t = self.items[rows], self.ray.take(rows), self.t[rows]
        self.active = rows.size > 0


class _Bracket:
    """Interval of each item that holds an acceptable step, and the slopes at its ends."""

    def __init__(self, slope: Array) -> None:
        self.low, self.high = np.zeros(slope.size), np.full(slope.size, np.inf)
        self.low_slope, self.high_slope = slope.copy(), np.full(slope.size, np.nan)

    def narrow(self, rows: Rows, t: Array, slope: Array, decrease: NDArray[np.bool_]) -> None:
        """Put ``t`` at the lower end where the cost decreased enough, else at the upper one."""
        below, above = rows[decrease], rows[~decrease]
        self.low[below], self.low_slope[below] = t[decrease], slope[decrease]
        self.high[above], self.high_slope[above] = t[~decrease], slope[~decrease]

    def inside(self, rows: Rows) -> Array:
        """Expand while nothing bounds the step, else the safeguarded secant step of the slopes."""
        low, high = self.low[rows], self.high[rows]
        low_slope, high_slope = self.low_slope[rows], self.high_slope[rows]
        width = np.where(np.isfinite(high), high - low, 0.0)
        usable = (low_slope < 0.0) & (high_slope > 0.0)
        share = np.divide(low_slope, low_slope - high_slope, out=np.full_like(low, 0.5), where=usable)
        inside = low + np.clip(share, 0.1, 0.9) * width
        return np.where(np.isfinite(high), inside, _GROWTH * np.maximum(low, 1e-300))


def _lower(trial: Points, gain: Array, rise: Array, noise: Array, delta: float) -> NDArray[np.bool_]:
    """Sufficient decrease in cost, ``rise`` to first order; a decrease below rounding proves nothing."""
    significant = np.maximum(gain, -rise) > noise
    significant &= gain >= -delta * rise
    significant &= trial.finite
    return significant


def _lower_by_slope(ray: Ray, trial: Points, gain: Array, noise: Array, slope: Array) -> NDArray[np.bool_]:
    """Sufficient decrease in slope, where costs cannot tell."""
    return trial.finite & (np.abs(gain) <= noise) & (slope <= (2.0 * _APPROXIMATE - 1.0) * ray.slope)
