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
    """Sorted ratios ``r_{p,s}`` of each solver, shape ``(tasks,)``; failures are infinite.

    ``rho_s(theta)`` is the share of entries that are at most ``theta``.
    """
    seconds = _by_task(measurements, "seconds")
    tasks = {task for row in seconds.values() for task in row}
    best = {task: min(row.get(task, math.inf) for row in seconds.values()) for task in tasks}
    ratios = {s: [row[t] / best[t] for t in row if row[t] < math.inf] for s, row in seconds.items()}
    return {s: np.sort([*found, *[math.inf] * (len(tasks) - len(found))]) for s, found in ratios.items()}


def data_profile(measurements: Sequence[Measurement]) -> dict[str, Array]:
    """Sorted numbers of calls that each solver needed for the tasks, shape ``(tasks,)``; failures are infinite."""
    calls = _by_task(measurements, "calls")
    return {s: np.sort(list(row.values())).astype(float) for s, row in calls.items()}


def geometric_mean_seconds(measurements: Sequence[Measurement], solver: str) -> float:
    """Geometric mean of the seconds charged to one solver."""
    return float(np.exp(np.mean([math.log(m.charged) for m in measurements if m.solver == solver])))


def speed_ratios(measurements: Sequence[Measurement], ours: str) -> dict[str, Ratio]:
    """Time of every other solver over that of ``ours``: geometric means over starts, then over instances.

    Instances that only one of the two was given do not count.
    """
    logs: dict[str, dict[str, list[float]]] = {}
    for m in measurements:
        logs.setdefault(m.solver, {}).setdefault(m.instance, []).append(math.log(m.charged))
    failed = {(m.solver, m.instance) for m in measurements if not m.reached}
    means = {s: {i: float(np.mean(each)) for i, each in rows.items()} for s, rows in logs.items()}
    base = means.pop(ours, {})
    gains = {s: {i: mean - base[i] for i, mean in rows.items() if i in base} for s, rows in means.items()}
    return {
        s: _ratio(each, [g for i, g in each.items() if (s, i) not in failed])
        for s, each in gains.items()
        if each
    }


def _ratio(gains: Mapping[str, float], fair: Sequence[float]) -> Ratio:
    """Summary of logarithms over the instances, and over those on which the other solver never failed."""
    values = list(gains.values())
    return Ratio(
        geometric_mean=float(np.exp(np.mean(values))),
        least=float(np.exp(min(values))),
        most=float(np.exp(max(values))),
        where_reached=float(np.exp(np.mean(fair))) if fair else None,
        instances_reached=len(fair),
        instances=len(values),
    )


def _by_task(measurements: Sequence[Measurement], what: str) -> dict[str, dict[tuple[str, int], float]]:
    """Seconds or calls of each solver by instance and seed; infinite for failures."""
    rows: dict[str, dict[tuple[str, int], float]] = {}
    for m in measurements:
        value = float(getattr(m, what)) if m.reached else math.inf
        rows.setdefault(m.solver, {})[m.instance, m.seed] = value
    return rows
