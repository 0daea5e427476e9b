r"""Descend in small steps, batched: an approximation of a gradient flow.

Each column's gradient is divided by its own scale ``s_j`` (see
:func:`~sphereufm.problem.interface.relative_gradient_norm`), which is the gradient in the metric
``sum_j s_j |u_j|^2``: its flow has the same critical points with the same indices as that of the Frobenius metric, and
is far less stiff at large ``tau``.  A step moves no column by more than 0.05 radians and is accepted only
where it lowers the cost by 0.6 of what the gradient promises.
"""

from __future__ import annotations

import numpy as np

from sphereufm.geometry.spheres import Array, column_norms, retract
from sphereufm.problem.interface import SphereProblem

_LONGEST_MOVE = 0.05
# more than half of the promised decrease: then a step does not shoot over the bottom of a parabola
_DECREASE = 0.6
_GROWTH = 2.0
_HALVINGS = 40
_LEAST_SCALE = 1e-300


def fall(problem: SphereProblem, starts: Array, *, tolerance: float = 1e-5, iterations: int = 1500) -> Array:
    """Follow the cost down from each start, ``(B, d, M)``, in at most so many steps.

    A descent ends where the relative gradient norm is at most ``tolerance`` or not finite, or where no step lowers the
    cost.
    """
    X = starts.copy()
    active, step = np.arange(len(X)), np.ones(len(X))
    for _ in range(iterations):
        point = problem.at(X[active])
        scale = np.maximum(point.gradient_scale, _LEAST_SCALE)
        V = -point.gradient / scale[..., None, :]
        # where the gradient is not finite no way down can be told
        V[~np.isfinite(V).all(axis=(-1, -2))] = 0.0
        lengths = column_norms(V)
        longest = lengths.max(axis=-1)
        slope = (scale * np.square(lengths)).sum(axis=-1)
        first = np.minimum(_GROWTH * step[active], _LONGEST_MOVE / np.maximum(longest, tolerance))
        moved, taken = _lowered(problem, X[active], V, (np.asarray(point.cost), slope, first))
        going = (longest > tolerance) & (taken > 0.0)
        active = active[going]
        if not active.size:
            break
        X[active], step[active] = moved[going], taken[going]
    return X


def _lowered(
    problem: SphereProblem, X: Array, V: Array, ray: tuple[Array, Array, Array]
) -> tuple[Array, Array]:
    """Points along ``V`` with sufficient decrease, and the steps to them; zero where there is none."""
    cost, slope, step = ray
    best, taken, todo = X.copy(), np.zeros(len(X)), np.arange(len(X))
    for _ in range(_HALVINGS):
        t = step[todo]
        trial = retract(X[todo], t[:, None, None] * V[todo])
        lower = problem.at(trial).cost <= cost[todo] - _DECREASE * t * slope[todo]
        best[todo[lower]], taken[todo[lower]] = trial[lower], t[lower]
        todo = todo[~lower]
        if not todo.size:
            break
        step[todo] *= 0.5
    return best, taken
