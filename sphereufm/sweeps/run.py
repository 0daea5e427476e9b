"""Run a sweep: every cell that is not stored yet, in any order, on processes or on a Dask cluster."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sphereufm.errors import SphereUFMError, check_integer, keep_checked
from sphereufm.files import make_folder, write_json
from sphereufm.landscape.proofs import prove_landscape
from sphereufm.landscape.search.effort import Effort
from sphereufm.landscape.verify import verify_landscape
from sphereufm.parallel import Workers
from sphereufm.problem.losses.registry import find_loss
from sphereufm.problem.ufm import UFMProblem
from sphereufm.progress import Progress, silent
from sphereufm.sweeps.grid import Cell, SweepGrid, check_search, distinct_cells
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

    def __post_init__(self) -> None:
        check_search(self)
        keep_checked(self, seed=check_integer("seed", self.seed, 0))
        if self.loss is not None:
            find_loss(self.loss)

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
    folder: Path

    def file(self, status: str, **more: Any) -> dict[str, Any]:
        """The data of the cell's file."""
        settings = self.settings
        search = {"effort": settings.effort, "starts": settings.starts}
        head = {
            "format": "sphereufm-cell/1",
            "cell": asdict(self.cell),
            "seed": self.cell.seed(settings.seed),
        }
        return {**head, **search, "status": status, **more}


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
    other settings; UnreadableFileError if a file of it is damaged.
    """
    settings, folder = settings or SweepSettings(), SweepFolder(out)
    grids = [grid] if isinstance(grid, SweepGrid) else grid
    wanted = {cell: settings.of(block) for cell, block in distinct_cells(grids)}
    with folder.locked():
        searches = {cell: {"effort": own.effort, "starts": own.starts} for cell, own in wanted.items()}
        folder.agree(asdict(settings), searches)
        tasks = [
            _Task(cell=cell, settings=own, folder=folder.cells)
            for cell, own in wanted.items()
            if not folder.place(cell).exists()
        ]
        try:
            with Workers(workers, scheduler) as busy:
                for done, (task, data, error) in enumerate(busy.completed(verify_cell, tasks), 1):
                    found = task.file("failed", reason=error or "unknown") if data is None else data
                    write_json(folder.place(task.cell), found)
                    progress("cells", done, len(tasks))
        finally:
            index = folder.write_index()
    return index


def verify_cell(task: _Task) -> dict[str, Any]:
    """Verify one cell; the data of its file."""
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
            effort=Effort.named(settings.effort),
            starts=settings.starts,
            rng=cell.seed(settings.seed),
        )
        if settings.proofs and report.complete:
            place = task.folder / cell.name
            make_folder(place)
            report = prove_landscape(report, place)
    except SphereUFMError as error:
        return task.file("failed", reason=str(error))
    if not report.complete:
        raise KeyboardInterrupt
    landscape = report.to_json()
    rows = landscape["critical"]
    # the best known point that is neither global nor a strict saddle; spurious ones first
    bad = [(row["status"], row["kind"]) for row in rows if row["kind"] in _COUNTEREXAMPLES]
    ranked = sorted(bad, key=lambda row: (_STATUSES.index(row[0]), _COUNTEREXAMPLES.index(row[1])))
    status, kind = ranked[0] if ranked else (None, None)
    return task.file(
        "done",
        seconds=time.perf_counter() - begun,
        verdict=landscape["verdict"],
        basis=landscape["basis"],
        kinds=dict(sorted(Counter(row["kind"] for row in rows).items())),
        proved=sum(row["status"] == "PROVED" for row in rows),
        least_cost=min(row["cost"] for row in rows),
        counterexample_status=status,
        counterexample_kind=kind,
        landscape=landscape,
    )
