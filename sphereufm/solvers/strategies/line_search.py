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

from collections.abc import Callable
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array
from sphereufm.solvers.oracle import Oracle, Points, Ray, Rows

# longest move of a column in the first step, and in any first trial, before retraction
FIRST_MOVE = 0.3
LONGEST_MOVE = 1.5
# delta of Hager and Zhang; sufficient decrease as usual for quasi-Newton methods
_APPROXIMATE = 0.1
_DECREASE = 1e-4
_GROWTH = 2.5
_MOST_TRIALS = 40
_T = TypeVar("_T", bound=np.generic)
_Mask: TypeAlias = NDArray[np.bool_]


class Search:
    """Looks along curves, item by item, until a step is accepted, or trials, calls or time run out.

    ``points``: new points, the old ones where nothing was found; ``t``, shape ``(B,)``: step lengths, zero where the
    search ``failed``; ``non_finite``, shape ``(B,)``: whether the last trial had no finite cost.  ``ray`` and ``ahead``
    are the curves and the next steps of the items that still search.
    """

    def __init__(self, oracle: Oracle, points: Points, ray: Ray, first: Array) -> None:
        self.points, self.t = points, np.zeros(first.size)
        self.non_finite = np.zeros(first.size, dtype=bool)
        self.ray, self.ahead = ray, first
        self._oracle = oracle
        # none: everyone
        self._rows: Rows | None = None

    @property
    def failed(self) -> _Mask:
        """Where no acceptable step was found."""
        return self.t == 0.0

    @property
    def items(self) -> Rows:
        """Which items of the batch still search."""
        return np.arange(self.t.size) if self._rows is None else self._rows

    def of(self, values: NDArray[_T]) -> NDArray[_T]:
        """The values of the items that still search."""
        return values if self._rows is None else values[self._rows]

    def backtrack(self, accepted: Callable[[Points], _Mask], trials: int = _MOST_TRIALS) -> Search:
        """Halve the steps until they are accepted."""

        def judge(trial: Points) -> tuple[_Mask, _Mask]:
            good = accepted(trial)
            return good, good

        return self.run(judge, lambda: 0.5 * self.ahead, trials)

    def run(
        self,
        judge: Callable[[Points], tuple[_Mask, _Mask]],
        following: Callable[[], Array],
        trials: int = _MOST_TRIALS,
    ) -> Search:
        """Try steps.  ``judge`` says which are worth keeping and which will do, ``following`` what to try next."""
        for _ in range(trials):
            trial = self._oracle.at(self.ray.at(self.ahead), self._rows)
            better, done = judge(trial)
            self._keep(trial, better)
            if np.count_nonzero(done) == done.size:
                break
            rest = ~done
            if self._oracle.limited:
                rest &= self.of(self._oracle.affordable(2))
            if not rest.all():
                rows = np.flatnonzero(rest)
                self._rows, self.ray, self.ahead = self.items[rows], self.ray.take(rows), self.ahead[rows]
            if not self.ahead.size or self._oracle.expired():
                break
            self.ahead = following()
        return self

    def _keep(self, trial: Points, better: _Mask) -> None:
        """Make the trial the best one where it is better."""
        if self._rows is None:
            self.non_finite = ~trial.finite
            if np.count_nonzero(better) == better.size:
                self.points, self.t = trial, self.ahead
                return
        else:
            self.non_finite[self._rows] = ~trial.finite
        rows = np.flatnonzero(better)
        if rows.size:
            items, t = self.items[rows], self.t.copy()
            t[items] = self.ahead[rows]
            self.points, self.t = self.points.replace(items, trial.take(rows)), t


def wolfe_search(oracle: Oracle, points: Points, ray: Ray, first: Array, sigma: float = 0.9) -> Search:
    """Find a step with the (approximate) weak Wolfe conditions by bracketing; else the best with sufficient decrease.

    ``first``, shape ``(B,)``: first trial steps.  ``sigma``: curvature condition; smaller is more exact.
    """
    search, bracket = Search(oracle, points, ray, first), _Bracket(ray.slope)

    def judge(trial: Points) -> tuple[_Mask, _Mask]:
        t, here, noise = search.ahead, search.ray, search.of(points.noise)
        slope, gain = here.slope_at(t, trial), search.of(points.cost) - trial.cost
        decrease = _lower(trial, gain, t * here.slope, noise, _DECREASE)
        decrease |= _lower_by_slope(here, trial, gain, noise, slope)
        done = decrease & (slope >= sigma * here.slope)
        if np.count_nonzero(done) < done.size:
            bracket.narrow(search.items, t, np.where(trial.finite, slope, np.nan), decrease)
        return decrease, done

    return search.run(judge, lambda: bracket.inside(search.items))


def armijo_search(
    oracle: Oracle, points: Points, ray: Ray, first: Array, reference: Array, delta: float
) -> Search:
    """Halve the step until ``phi(t) <= reference + delta t phi'(0)`` (or the approximate Wolfe condition holds).

    ``first``, shape ``(B,)``: first trial steps.  ``reference``, shape ``(B,)``: the current cost, or a larger recent
    one for a non-monotone search.  ``delta``: share of the decrease to first order that is asked for.
    """
    search = Search(oracle, points, ray, first)

    def accepted(trial: Points) -> _Mask:
        t, here, noise = search.ahead, search.ray, search.of(points.noise)
        gain = search.of(reference) - trial.cost
        good = _lower(trial, gain, t * here.slope, noise, delta)
        if np.count_nonzero(good) < good.size:
            good |= _lower_by_slope(here, trial, gain, noise, here.slope_at(t, trial))
        return good

    return search.backtrack(accepted)


class _Bracket:
    """Interval of each item that holds an acceptable step, and the slopes at its ends, shape (2, B)."""

    def __init__(self, slope: Array) -> None:
        self.ends = np.stack([np.zeros(slope.size), np.full(slope.size, np.inf)])
        self.slopes = np.stack([slope, np.full(slope.size, np.nan)])

    def narrow(self, rows: Rows, t: Array, slope: Array, decrease: _Mask) -> None:
        """Put ``t`` at the lower end where the cost decreased enough, else at the upper one."""
        end = np.where(decrease, 0, 1)
        self.ends[end, rows], self.slopes[end, rows] = t, slope

    def inside(self, rows: Rows) -> Array:
        """Expand while nothing bounds the step, else the safeguarded secant step of the slopes."""
        (low, high), (falls, rises) = self.ends[:, rows], self.slopes[:, rows]
        width = np.where(np.isfinite(high), high - low, 0.0)
        usable = (falls < 0.0) & (rises > 0.0)
        share = np.divide(falls, falls - rises, out=np.full_like(low, 0.5), where=usable)
        inside = low + np.clip(share, 0.1, 0.9) * width
        return np.where(np.isfinite(high), inside, _GROWTH * np.maximum(low, 1e-300))


def _lower(trial: Points, gain: Array, rise: Array, noise: Array, delta: float) -> _Mask:
    """Sufficient decrease in cost, ``rise`` to first order; a decrease below rounding proves nothing."""
    significant = np.maximum(gain, -rise) > noise
    significant &= gain >= -delta * rise
    significant &= trial.finite
    return significant


def _lower_by_slope(ray: Ray, trial: Points, gain: Array, noise: Array, slope: Array) -> _Mask:
    """Sufficient decrease in slope, where costs cannot tell."""
    return trial.finite & (np.abs(gain) <= noise) & (slope <= (2.0 * _APPROXIMATE - 1.0) * ray.slope)
