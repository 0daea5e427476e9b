"""Run a sweep: every cell that is not stored yet, in any order, on processes or on a Dask cluster."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from sphereufm.errors import SphereUFMError
from sphereufm.parallel import Workers
from sphereufm.progress import Progress, silent
from sphereufm.sweeps.grid import Cell, SweepGrid, distinct_cells
from sphereufm.sweeps.store import SweepFolder

_STATUSES = ("PROVED", "NUMERICAL", "UNDECIDED")
_COUNTEREXAMPLES = ("SPURIOUS_LOCAL_MINIMUM", "DEGENERATE")


@dataclass(frozen=True, kw_only=True)
class SweepSettings:
    """What the cells of a sweep share: effort, exact starts or None, seed, whether rows are proved, the loss.

    Effort and starts are those of the cells whose grid chooses neither; without a loss it is cross-entropy.
    """

    effort: str = "quick"
    starts: int | None = None
    seed: int = 0
    proofs: bool = True
    loss: dict[str, Any] | None = None

    def of(self, grid: SweepGrid) -> SweepSettings:
        """Settings of one grid's cells: a number of starts that was meant for another effort is dropped."""
        if grid.effort is None:
            return self if grid.starts is None else replace(self, starts=grid.starts)
        return replace(self, effort=grid.effort, starts=grid.starts)


@dataclass(frozen=True, kw_only=True)
class _Task:
    """One cell on its way to a worker."""

    cell: Cell
    settings: SweepSettings
    folder: str


def run_sweep(
    grid: SweepGrid | Iterable[SweepGrid],
    out: str | os.PathLike[str],
    settings: SweepSettings | None = None,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    progress: Progress = silent,
) -> list[dict[str, Any]]:
    """Verify every cell of a grid, or several, that the folder does not hold yet, and return the index.

    A cell that fails is stored with its reason, and the sweep goes on.  ``workers``: processes of this machine;
    ``scheduler``: address of a Dask scheduler whose workers see the same files; ``progress``: over the cells that
    this run computes.

    Returns a line for each stored cell: the cell, its status (``"done"`` or ``"failed"``), verdict, basis,
    counts.  Raises OutputError if the folder cannot be written, is in use, or holds a sweep or a cell with
    other settings.
    """
    settings = settings or SweepSettings()
    folder = SweepFolder(out)
    grids = [grid] if isinstance(grid, SweepGrid) else list(grid)
    wanted = {cell: settings.of(block) for cell, block in distinct_cells(grids)}
    with folder.locked():
        folder.agree(asdict(settings))
        folder.agree_on_cells({cell: _search_of(own) for cell, own in wanted.items()})
        tasks = [
            _Task(cell=cell, settings=own, folder=str(folder.cells))
            for cell, own in wanted.items()
            if not folder.has(cell)
        ]
        try:
            with Workers(workers, scheduler) as busy:
                for done, (task, data, error) in enumerate(busy.completed(verify_cell, tasks), 1):
                    folder.store(task.cell, data if data is not None else _failed(task, error or "unknown"))
                    progress("cells", done, len(tasks))
        finally:
            index = folder.write_index()
    return index


def verify_cell(task: _Task) -> dict[str, Any]:
    """Verify one cell; the data of its file."""
    from pathlib import Path

    from sphereufm.landscape.proofs import prove_landscape
    from sphereufm.landscape.search.effort import Effort
    from sphereufm.landscape.verify import verify_landscape
    from sphereufm.problem.ufm import UFMProblem

    cell, settings = task.cell, task.settings
    begun = time.perf_counter()
    try:
        problem = UFMProblem(
            class_sizes=[cell.per_class] * cell.classes,
            dim=cell.dim,
            tau=cell.tau,
            loss=settings.loss or "cross-entropy",
        )
        report = verify_landscape(
            problem,
            effort=Effort[settings.effort.upper()],
            starts=settings.starts,
            rng=cell.seed(settings.seed),
        )
        if settings.proofs and report.complete:
            place = Path(task.folder) / cell.name
            place.mkdir(parents=True, exist_ok=True)
            report = prove_landscape(report, place)
    except SphereUFMError as error:
        return _failed(task, str(error))
    if not report.complete:
        raise KeyboardInterrupt
    landscape = report.to_json()
    kinds = Counter(entry["kind"] for entry in landscape["critical"])
    return {
        **_heading(task, "done"),
        "seconds": time.perf_counter() - begun,
        "verdict": landscape["verdict"],
        "basis": landscape["basis"],
        "kinds": dict(sorted(kinds.items())),
        "proved": sum(entry["status"] == "PROVED" for entry in landscape["critical"]),
        "least_cost": min(entry["cost"] for entry in landscape["critical"]),
        **_counterexample(landscape),
        "landscape": landscape,
    }


def _counterexample(landscape: dict[str, Any]) -> dict[str, str | None]:
    """Status and kind of the best known point that is neither global nor a strict saddle; spurious ones first."""
    bad = [(e["status"], e["kind"]) for e in landscape["critical"] if e["kind"] in _COUNTEREXAMPLES]
    status, kind = min(
        bad, key=lambda row: (_STATUSES.index(row[0]), _COUNTEREXAMPLES.index(row[1])), default=(None, None)
    )
    return {"counterexample_status": status, "counterexample_kind": kind}


def _search_of(settings: SweepSettings) -> dict[str, Any]:
    """How a cell is searched."""
    return {"effort": settings.effort, "starts": settings.starts}


def _heading(task: _Task, status: str) -> dict[str, Any]:
    """What every cell's file begins with."""
    return {
        "format": "sphereufm-cell/1",
        "cell": asdict(task.cell),
        "seed": task.cell.seed(task.settings.seed),
        **_search_of(task.settings),
        "status": status,
    }


def _failed(task: _Task, reason: str) -> dict[str, Any]:
    """The file of a cell that failed."""
    return {**_heading(task, "failed"), "reason": reason}
