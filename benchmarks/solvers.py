"""Solvers against their peers: same starts, same stop, calls counted, one BLAS thread.

    python benchmarks/solvers.py --suite standard --solvers barzilai-borwein,lbfgs --peers pymanopt-tr,scipy-lbfgsb

Each run ends when the columnwise relative gradient norm, measured anew outside the solver, meets the tolerance; a
run that ends otherwise is a failure and is charged the time limit.  Results are JSON, with machine, versions and seeds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
import warnings
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from solvers_peers import PEERS, Gauge, Stopped, available_peers
from suites import SUITES
from threadpoolctl import threadpool_limits

from sphereufm.geometry.spheres import Array
from sphereufm.problem.interface import SphereProblem, relative_gradient_norm
from sphereufm.solvers import SOLVERS, Settings, solve

# what a solver's own test may miss by: it sees the same number up to rounding
_SLACK = 1.0 + 1e-6
_SHORT_RUN = 1.0


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One solver on one instance from one start; ``seconds`` is the least of the repeats."""

    instance: str
    seed: int
    solver: str
    reached: bool
    seconds: float
    relative_gradient_norm: float
    cost_value: float
    cost: int
    gradient: int
    hessian: int
    note: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """One start of one instance, and the seconds that it may take."""

    instance: str
    problem: SphereProblem
    seed: int
    limit: float
    tolerance: float

    @property
    def start(self) -> Array:
        """The start that every solver gets."""
        return self.problem.spheres.random_point(self.seed)


def run_ours(task: Task, name: str) -> Measurement:
    """Run one of our solvers, and measure its answer anew."""
    problem, start, limit = task.problem, task.start, task.limit
    begun = time.perf_counter()
    result = solve(
        problem, start, solver=name, settings=Settings(tolerance=task.tolerance, max_seconds=limit)
    )
    seconds = time.perf_counter() - begun
    point = problem.at(result.X)
    norm = float(relative_gradient_norm(point))
    return Measurement(
        instance=task.instance,
        seed=task.seed,
        solver=name,
        reached=norm <= task.tolerance * _SLACK,
        seconds=seconds,
        relative_gradient_norm=norm,
        cost_value=float(point.cost),
        note=result.stop_reason.name,
        **asdict(result.calls),
    )


def run_peer(task: Task, name: str) -> Measurement:
    """Run a peer under the gauge."""
    problem, start, limit = task.problem, task.start, task.limit
    gauge = Gauge(problem, task.tolerance, limit)
    note = "returned"
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            PEERS[name](problem, start, gauge)
    except Stopped:
        note = "reached" if gauge.best <= task.tolerance else "time limit"
    except Exception as error:  # a peer's crash is a failure of that peer, and is shown as one
        note = f"{type(error).__name__}: {error}"[:200]
    seconds = gauge.seconds()
    return Measurement(
        instance=task.instance,
        seed=task.seed,
        solver=name,
        reached=gauge.best <= task.tolerance,
        seconds=seconds,
        relative_gradient_norm=gauge.best,
        cost_value=float("nan") if gauge.X is None else float(problem.at(gauge.X).cost),
        cost=gauge.cost,
        gradient=gauge.gradient,
        hessian=gauge.hessian,
        note=note,
    )


def measure(task: Task, name: str, repeats: int) -> Measurement:
    """Least time of a few repeats; long runs and failures are not repeated."""
    run = run_ours if name in SOLVERS else run_peer
    best = run(task, name)
    for _ in range(repeats - 1):
        if not best.reached or best.seconds > _SHORT_RUN:
            break
        again = run(task, name)
        best = again if again.seconds < best.seconds else best
    return best


def charged(m: Measurement, limit: float) -> float:
    """Seconds that count: the limit for a failure."""
    return m.seconds if m.reached else limit


def ratios(measurements: list[Measurement], ours: str, limit: float) -> dict[str, dict[str, float]]:
    """Time of each other solver over ours: per instance by the geometric mean over starts, then over instances.

    ``geometric_mean`` charges failures the limit; ``where_reached`` leaves instances with a failure out.
    """
    logs: dict[tuple[str, str], list[float]] = {}
    failed: set[tuple[str, str]] = set()
    for m in measurements:
        key = m.solver, m.instance
        logs.setdefault(key, []).append(float(np.log(charged(m, limit))))
        if not m.reached:
            failed.add(key)
    mean = {key: float(np.mean(values)) for key, values in logs.items()}
    out: dict[str, dict[str, float]] = {}
    for solver in {m.solver for m in measurements} - {ours}:
        shared = [i for s, i in mean if s == solver and (ours, i) in mean]
        gains = {i: mean[solver, i] - mean[ours, i] for i in shared}
        fair = [gain for i, gain in gains.items() if (solver, i) not in failed]
        out[solver] = {
            "geometric_mean": float(np.exp(np.mean(list(gains.values())))),
            "least": float(np.exp(min(gains.values()))),
            "most": float(np.exp(max(gains.values()))),
            "where_reached": float(np.exp(np.mean(fair))) if fair else float("nan"),
            "instances_reached": len(fair),
            "instances": len(gains),
        }
    return out


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    packages = {}
    for name in ("sphereufm", "numpy", "scipy", "pymanopt", "autograd", "geoopt", "torch"):
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = None
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "blas_threads": 1,
        "packages": packages,
    }


def _processor() -> str:
    """Name of the processor where Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")


def run_suite(names: list[str], options: argparse.Namespace) -> list[Measurement]:
    """Every solver from every start on every instance, printed as it goes."""
    measurements = []
    for instance in SUITES[options.suite]:
        problem = instance.make()
        for name in names:
            for seed in range(options.seeds):
                task = Task(
                    instance=instance.name,
                    problem=problem,
                    seed=seed,
                    limit=options.limit,
                    tolerance=options.tolerance,
                )
                m = measure(task, name, options.repeats)
                measurements.append(m)
                print(
                    f"{m.instance:28s} {m.solver:22s} {m.seed:2d} {1e3 * m.seconds:10.2f} ms  "
                    f"f {m.cost:6d} g {m.gradient:6d} H {m.hessian:6d}  {m.relative_gradient_norm:.1e}  {m.note}",
                    flush=True,
                )
                if not m.reached and m.seconds >= options.limit:
                    # a solver that takes the whole limit once is not tried from the other starts
                    break
    return measurements


def main() -> None:
    """Run the comparison that the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--suite", choices=SUITES, default="standard")
    parser.add_argument(
        "--solvers", default="barzilai-borwein,lbfgs,trust-region", help="ours; the first is the yardstick"
    )
    parser.add_argument("--peers", default="", help="comma-separated names, or 'all' that are installed")
    parser.add_argument("--tolerance", type=float, default=1e-9, help="relative gradient norm to reach")
    parser.add_argument("--seeds", type=int, default=3, help="starts 0 .. seeds - 1 of each instance")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds charged to a failure")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    solvers = [name for name in options.solvers.split(",") if name]
    peers = (
        available_peers() if options.peers == "all" else [name for name in options.peers.split(",") if name]
    )
    with threadpool_limits(limits=1):
        measurements = run_suite(solvers + peers, options)
    table = ratios(measurements, solvers[0], options.limit)
    for solver, row in sorted(table.items(), key=lambda item: item[1]["geometric_mean"]):
        spread = f"least {row['least']:.2f}, most {row['most']:.1f}"
        fair = f"{row['where_reached']:.2f} on the {row['instances_reached']:g} of {row['instances']:g} it solved"
        print(f"{solver:22s} / {solvers[0]}: {row['geometric_mean']:8.2f}  ({spread}; {fair})")
    if options.out is not None:
        data = {
            "format": "sphereufm-solver-benchmark/1",
            "suite": options.suite,
            "tolerance": options.tolerance,
            "limit": options.limit,
            "machine": machine(),
            "ratios": {"ours": solvers[0], "others": table},
            "measurements": [asdict(m) for m in measurements],
        }
        options.out.write_text(json.dumps(data, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
