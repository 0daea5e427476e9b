"""Solvers against their peers: the same starts, the same stop, calls counted, one BLAS thread."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sphereufm.comparison.measure import Measurement, Rules, Task, measure, not_tried
from sphereufm.comparison.peers import Peer
from sphereufm.comparison.profiles import geometric_mean_seconds, speed_ratios
from sphereufm.comparison.suites import Instance
from sphereufm.errors import InvalidInputError, one_of
from sphereufm.files import json_data, write_json
from sphereufm.notebook import counted, html_table
from sphereufm.parallel import Workers
from sphereufm.solvers import SOLVERS

FORMAT = "sphereufm-comparison/1"
_PACKAGES = ("sphereufm", "numpy", "scipy", "pymanopt", "autograd", "geoopt", "torch")


@dataclass(eq=False, kw_only=True)
class Comparison:
    """Measurements, and what they depend on."""

    solvers: tuple[str, ...]  #: the first is the yardstick of the ratios
    rules: Rules
    instances: tuple[str, ...]
    measurements: list[Measurement] = field(default_factory=list)
    complete: bool = False  #: false if the comparison was interrupted
    blas_threads: int | None = None  #: 1, or None where threadpoolctl is not installed and they are unknown

    def __repr__(self) -> str:
        partial = "" if self.complete else ", incomplete"
        return f"<Comparison of {', '.join(self.solvers)}: {counted(len(self.measurements), 'measurement')}{partial}>"

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values; numbers that are not finite become null."""
        ratios = speed_ratios(self.measurements, self.solvers[0])
        return {
            "format": FORMAT,
            "complete": self.complete,
            "instances": list(self.instances),
            "solvers": list(self.solvers),
            "rules": asdict(self.rules),
            "machine": {**_machine(), "blas_threads": self.blas_threads},
            "ratios": {"to": self.solvers[0], "of": {s: asdict(r) for s, r in ratios.items()}},
            "measurements": json_data([asdict(m) for m in self.measurements]),
        }

    @property
    def title(self) -> str:
        """What all solvers were held to, in one line."""
        return f"relative gradient norm {self.rules.tolerance:g}, failures charged the limit"

    @property
    def headings(self) -> tuple[str, ...]:
        """Headings of :meth:`rows`."""
        seconds = "seconds" if self.rules.clock == "wall" else "cpu seconds"
        return ("solver", "solved", seconds, "calls", f"/ {self.solvers[0]}", "least", "most", "where solved")

    def rows(self) -> Iterator[tuple[str | float | None, ...]]:
        """One row for each solver: geometric mean of the seconds, mean calls where solved, times over the first's."""
        ratios = speed_ratios(self.measurements, self.solvers[0])
        for solver in self.solvers:
            runs = [m for m in self.measurements if m.solver == solver]
            if runs:
                solved = [m.calls for m in runs if m.reached]
                calls = round(sum(solved) / len(solved)) if solved else None
                seconds, ratio = geometric_mean_seconds(runs, solver), ratios.get(solver)
                over = (
                    (None,) * 4
                    if ratio is None
                    else (ratio.geometric_mean, ratio.least, ratio.most, ratio.where_reached)
                )
                yield (solver, f"{len(solved)} of {len(runs)}", seconds, calls, *over)

    def texts(self) -> Iterator[tuple[str, ...]]:
        """The same to four digits, as texts; nothing where nothing is known."""
        for row in self.rows():
            yield tuple(f"{x:.4g}" if isinstance(x, float) else "" if x is None else str(x) for x in row)

    def _repr_html_(self) -> str:
        """Return the table that a notebook shows: one line for each solver."""
        return html_table(self.title, self.headings, self.texts())

    def save(self, path: Path) -> None:
        """Write the JSON to a temporary name beside ``path``, then rename it.

        Raises OutputError if the file cannot be written.
        """
        write_json(path, self.to_json(), indent=1)


def compare_solvers(
    instances: Sequence[Instance],
    solvers: Sequence[str],
    *,
    peers: Mapping[str, Peer] = MappingProxyType({}),
    rules: Rules | None = None,
    curves: bool = False,
    callback: Callable[[Comparison], object] | None = None,
    workers: Workers | int = 1,
) -> Comparison:
    """Run every solver from every start of every instance.

    * ``solvers``: names of ``SOLVERS`` or ``peers``; the first is the yardstick.
    * ``peers``: solvers of others, ``run(problem, start, gauge)``.
    * ``curves``: whether to keep the way down from the first start of each instance.
    * ``callback``: called with the comparison so far after each measurement.
    * ``workers``: processes in which runs are measured; seconds by the wall suffer from one another.

    Times depend on the machine and on what else it does; nothing is claimed beyond this run.  An interrupt
    (``KeyboardInterrupt``) ends the comparison with ``complete=False`` and loses nothing.  Raises InvalidInputError if
    a solver's name is unknown, or none is given.

    Examples
    --------
    >>> from sphereufm.comparison.suites import SMALL
    >>> rules = Rules(starts=1, repeats=1)
    >>> comparison = compare_solvers(SMALL[:1], ["lbfgs", "trust-region"], rules=rules)
    >>> [m.reached for m in comparison.measurements]
    [True, True]
    """
    _check_names(solvers, peers)
    rules = Rules() if rules is None else rules
    comparison = Comparison(
        solvers=tuple(solvers), rules=rules, instances=tuple(instance.name for instance in instances)
    )
    with _one_thread() as comparison.blas_threads, Workers.of(workers) as busy:
        try:
            for measurement in _measurements(instances, solvers, (peers, rules, curves), busy):
                comparison.measurements.append(measurement)
                if callback is not None:
                    callback(comparison)
            comparison.complete = True
        except KeyboardInterrupt:
            pass
    return comparison


def _measurements(
    instances: Sequence[Instance],
    solvers: Sequence[str],
    shared: tuple[Mapping[str, Peer], Rules, bool],
    workers: Workers,
) -> Iterator[Measurement]:
    """First starts of all instances, then the others; the solvers take turns, so that a slow spell hits all of them.

    Who took the whole limit from the first start of an instance is not tried from the others.
    """
    rules, over = shared[1], set[tuple[str, str]]()
    firsts = [(instance, rules.seed, name, False) for instance in instances for name in solvers]
    for found in workers.map(_measured, firsts, *shared):
        if not found.reached and found.seconds >= rules.limit:
            over.add((found.instance, found.solver))
        yield found
    others = [
        (instance, rules.seed + number, name, (instance.name, name) in over)
        for instance in instances
        for number in range(1, rules.starts)
        for name in solvers
    ]
    yield from workers.map(_measured, others, *shared)


def _measured(
    run: tuple[Instance, int, str, bool], peers: Mapping[str, Peer], rules: Rules, curves: bool
) -> Measurement:
    """What one solver does from one start of an instance, unless it is over."""
    instance, seed, solver, is_over = run
    task = Task(instance=instance, seed=seed, rules=rules)
    if is_over:
        return not_tried(task, solver)
    with _one_thread():
        return measure(task, solver, peers, curve=curves and seed == rules.seed)


def _check_names(solvers: Sequence[str], peers: Mapping[str, Peer]) -> None:
    """Names are known, and each is given once."""
    known = [*SOLVERS, *peers]
    if not solvers:
        raise InvalidInputError(f"solvers={list(solvers)!r} is empty; give some of {', '.join(known)}")
    for name in solvers:
        if name not in known:
            raise InvalidInputError(
                f"solver {name!r} is unknown: give a file of peers that has it, or {one_of(name, known)}"
            )
    if len(set(solvers)) < len(solvers):
        raise InvalidInputError(f"solvers={','.join(solvers)} names one twice; give each once")
    if shadowed := sorted(set(SOLVERS) & set(peers)):
        raise InvalidInputError(f"peers {', '.join(shadowed)} have names of our solvers; rename them")


@contextmanager
def _one_thread() -> Iterator[int | None]:
    """Hold BLAS to one thread, where threadpoolctl is installed (extra ``bench``)."""
    if find_spec("threadpoolctl") is None:
        yield None
        return
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield 1


def _machine() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "packages": {name: _version(name) for name in _PACKAGES},
    }


def _version(name: str) -> str | None:
    """Installed version of a package."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    """Name of the processor where Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
