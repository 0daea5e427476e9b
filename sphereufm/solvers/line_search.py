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

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array
from sphereufm.solvers.oracle import Oracle, Points, Ray

__all__ = ["Searched", "armijo_search", "wolfe_search"]

# delta of Hager and Zhang; sufficient decrease as usual for quasi-Newton methods
_APPROXIMATE = 0.1
_DECREASE = 1e-4
_GROWTH = 2.5
_MOST_TRIALS = 40


@dataclass(slots=True, eq=False)
class Searched:
    """Outcome of a line search.

    Attributes
    ----------
    points : Points
        New points; the old ones where the search failed.
    t : ndarray, shape (B,)
        Step lengths, zero where it failed.
    non_finite : ndarray of bool, shape (B,)
        Whether the last trial had no finite cost.
    """

    points: Points
    t: Array
    non_finite: NDArray[np.bool_]

    @property
    def failed(self) -> NDArray[np.bool_]:
        """Where no acceptable step was found."""
        return self.t == 0.0


def wolfe_search(oracle: Oracle, points: Points, ray: Ray, first: Array, sigma: float = 0.9) -> Searched:
    """Find a step with the (approximate) weak Wolfe conditions by bracketing.

    Parameters
    ----------
    first : ndarray, shape (B,)
        First trial steps.
    sigma : float
        Curvature condition; smaller is more exact.

    Notes
    -----
    When calls or time run out, or the bracket shrinks to nothing, the best step with sufficient decrease is
    returned, if there is one.
    """
    size = first.size
    t, low, high = first.copy(), np.zeros(size), np.full(size, np.inf)
    low_slope, high_slope = ray.slope.copy(), np.full(size, np.nan)
    best, best_t, non_finite = points, np.zeros(size), np.zeros(size, dtype=bool)
    todo = np.arange(size)
    for trials in range(_MOST_TRIALS):
        todo = todo[oracle.affordable(2)[todo]]
        if not todo.size or (trials and oracle.expired()):
            break
        everyone = todo.size == size
        here = ray if everyone else ray.take(todo)
        step = t if everyone else t[todo]
        trial = oracle.at(here.at(step), None if everyone else todo)
        finite = trial.finite
        slope = here.slope_at(step, trial)
        gain, noise = points.cost[todo] - trial.cost, points.noise[todo]
        decrease = _lower(trial, gain, -step * here.slope, noise, _DECREASE)
        decrease |= _lower_by_slope(here, trial, gain, noise, slope)
        done = decrease & (slope >= sigma * here.slope)
        if everyone and done.all():
            return Searched(trial, step, ~finite)
        non_finite[todo] = ~finite
        useful = np.flatnonzero(decrease)
        if useful.size:
            best = best.replace(todo[useful], trial.take(useful))
            best_t[todo[useful]] = step[useful]
        low[todo] = np.where(decrease, step, low[todo])
        low_slope[todo] = np.where(decrease, slope, low_slope[todo])
        high[todo] = np.where(decrease, high[todo], step)
        high_slope[todo] = np.where(decrease, high_slope[todo], np.where(finite, slope, np.nan))
        todo = todo[~done]
        t[todo] = _next_trial(low[todo], high[todo], low_slope[todo], high_slope[todo])
    return Searched(best, best_t, non_finite)


def armijo_search(
    oracle: Oracle, points: Points, ray: Ray, first: Array, reference: Array, delta: float
) -> Searched:
    """Halve the step until ``phi(t) <= reference + delta t phi'(0)`` (or the approximate Wolfe condition holds).

    Parameters
    ----------
    first : ndarray, shape (B,)
        First trial steps.
    reference : ndarray, shape (B,)
        The current cost, or a larger recent one for a non-monotone search.
    delta : float
        Share of the decrease to first order that is asked for.
    """
    size = first.size
    t = first.copy()
    best, best_t, non_finite = points, np.zeros(size), np.zeros(size, dtype=bool)
    todo = np.arange(size)
    for trials in range(_MOST_TRIALS):
        todo = todo[oracle.affordable(2)[todo]]
        if not todo.size or (trials and oracle.expired()):
            break
        everyone = todo.size == size
        here = ray if everyone else ray.take(todo)
        step = t if everyone else t[todo]
        trial = oracle.at(here.at(step), None if everyone else todo)
        expected = -step * here.slope
        gain = (reference if everyone else reference[todo]) - trial.cost
        noise = points.noise if everyone else points.noise[todo]
        done = _lower(trial, gain, expected, noise, delta)
        if not done.all():
            done |= _lower_by_slope(here, trial, gain, noise, here.slope_at(step, trial))
        if everyone and done.all():
            return Searched(trial, step, ~trial.finite)
        non_finite[todo] = ~trial.finite
        accepted = np.flatnonzero(done)
        if accepted.size:
            best = best.replace(todo[accepted], trial.take(accepted))
            best_t[todo[accepted]] = step[accepted]
        todo = todo[~done]
        t[todo] *= 0.5
    return Searched(best, best_t, non_finite)


def _lower(trial: Points, gain: Array, expected: Array, noise: Array, delta: float) -> NDArray[np.bool_]:
    """Sufficient decrease in cost; a decrease below rounding proves nothing."""
    told = np.maximum(expected, gain) > noise
    return trial.finite & told & (gain >= delta * expected)


def _lower_by_slope(ray: Ray, trial: Points, gain: Array, noise: Array, slope: Array) -> NDArray[np.bool_]:
    """Sufficient decrease in slope, where costs cannot tell."""
    return trial.finite & (np.abs(gain) <= noise) & (slope <= (2.0 * _APPROXIMATE - 1.0) * ray.slope)


def _next_trial(low: Array, high: Array, low_slope: Array, high_slope: Array) -> Array:
    """Expand while nothing bounds the step, else the safeguarded secant step of the slopes."""
    width = np.where(np.isfinite(high), high - low, 0.0)
    usable = high_slope > 0.0
    share = np.divide(low_slope, low_slope - high_slope, out=np.full_like(low, 0.5), where=usable)
    inside = low + np.clip(share, 0.1, 0.9) * width
    return np.where(np.isfinite(high), inside, _GROWTH * np.maximum(low, 1e-300))
