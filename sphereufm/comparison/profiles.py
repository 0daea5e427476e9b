r"""Summaries of many measurements: performance profiles, data profiles, geometric means of ratios.

With ``t_{p,s}`` the seconds of solver ``s`` on task ``p`` (an instance and a start; infinite for a failure),

.. math:: r_{p,s} = t_{p,s} / \min_{s'} t_{p,s'}, \qquad \rho_s(\theta) = |\{p : r_{p,s} \le \theta\}| / |P|

is the performance profile, and the share of tasks solved within a number of oracle calls the data profile (costs,
gradients and Hessian-vector products count one each).

References
----------
E. Dolan, J. Moré, *Benchmarking optimization software with performance profiles*, Math. Program. 2002.
J. Moré, S. Wild, *Benchmarking derivative-free optimization algorithms*, SIAM J. Optim. 2009 (there with function
values, in units of the dimension plus one; a gradient has no such unit).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sphereufm.comparison.measure import Measurement
from sphereufm.geometry.spheres import Array


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """Time of another solver over that of the first."""

    geometric_mean: float  #: over the instances, with failures charged the time limit
    #: ``least`` and ``most``: extreme instances.
    least: float
    most: float
    #: Geometric mean over the instances on which the other solver never failed; None if there is none.
    where_reached: float | None
    instances_reached: int
    instances: int


def performance_profile(measurements: Sequence[Measurement]) -> dict[str, Array]:
    """Sorted ratios ``r_{p,s}`` of each solver; failures are infinite.

    Result: ``rho_s(theta)`` is the share of entries that are at most ``theta``.  Tasks that no solver solved are
    infinite for all, shape ``(tasks,)``.
    """
    seconds = {s: _by_task(measurements, s, "seconds") for s in _solvers(measurements)}
    tasks = sorted({task for row in seconds.values() for task in row})
    best = {task: min(row.get(task, math.inf) for row in seconds.values()) for task in tasks}
    return {s: np.sort([_over(row.get(t, math.inf), best[t]) for t in tasks]) for s, row in seconds.items()}


def data_profile(measurements: Sequence[Measurement]) -> dict[str, Array]:
    """Sorted numbers of calls that each solver needed for the tasks; failures are infinite.

    Returns an array of shape ``(tasks,)``.
    """
    return {
        s: np.sort(list(_by_task(measurements, s, "calls").values())).astype(float)
        for s in _solvers(measurements)
    }


def geometric_mean_seconds(measurements: Sequence[Measurement], solver: str) -> float:
    """Geometric mean of the seconds charged to one solver."""
    return float(np.exp(np.mean([math.log(m.charged) for m in measurements if m.solver == solver])))


def speed_ratios(measurements: Sequence[Measurement], ours: str) -> dict[str, Ratio]:
    """Time of every other solver over that of ``ours``: geometric means over starts, then over instances."""
    logs: dict[tuple[str, str], list[float]] = {}
    for m in measurements:
        logs.setdefault((m.solver, m.instance), []).append(math.log(m.charged))
    failed = {(m.solver, m.instance) for m in measurements if not m.reached}
    means = {key: float(np.mean(values)) for key, values in logs.items()}
    others = [s for s in _solvers(measurements) if s != ours]
    return {s: ratio for s in others if (ratio := _ratio(means, failed, ours, s)) is not None}


def _ratio(
    means: Mapping[tuple[str, str], float], failed: set[tuple[str, str]], ours: str, other: str
) -> Ratio | None:
    """The two solvers on the instances that both were given; None if there are none."""
    shared = [i for s, i in means if s == other and (ours, i) in means]
    if not shared:
        return None
    gains = {i: means[other, i] - means[ours, i] for i in shared}
    fair = [gain for i, gain in gains.items() if (other, i) not in failed]
    return Ratio(
        geometric_mean=float(np.exp(np.mean(list(gains.values())))),
        least=float(np.exp(min(gains.values()))),
        most=float(np.exp(max(gains.values()))),
        where_reached=float(np.exp(np.mean(fair))) if fair else None,
        instances_reached=len(fair),
        instances=len(gains),
    )


def _solvers(measurements: Sequence[Measurement]) -> list[str]:
    """Names in the order in which they appear."""
    return list(dict.fromkeys(m.solver for m in measurements))


def _by_task(measurements: Sequence[Measurement], solver: str, what: str) -> dict[tuple[str, int], float]:
    """Seconds or calls of one solver by instance and seed; infinite for failures."""
    return {
        (m.instance, m.seed): float(getattr(m, what)) if m.reached else math.inf
        for m in measurements
        if m.solver == solver
    }


def _over(value: float, best: float) -> float:
    """Ratio, infinite for failures (also where none succeeded)."""
    return value / best if math.isfinite(value) else math.inf
