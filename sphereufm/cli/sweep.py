"""``sphereufm sweep``: the landscapes of a grid of problems."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import sphereufm.cli.options as options
from sphereufm.cli.printing import bar, give
from sphereufm.errors import InvalidInputError
from sphereufm.files import write_text

if TYPE_CHECKING:
    from sphereufm.sweeps.grid import SweepGrid

_FILES = ("index.json", "phase-diagram.svg", "report.html")


@click.command(
    short_help="Verify a grid of problems; resumable.",
    epilog="Example: sphereufm sweep --classes 3,4 --per-class 1 --dim 2..K+1 --tau 0.1:50:log:20 --out phases",
)
@click.argument("grid_file", required=False, metavar="[GRID.toml]")
@click.option("--classes", metavar="LIST", help="3,4,5 or 3..5")
@click.option("--per-class", metavar="LIST", help="1,2 or 1..3")
@click.option("--dim", metavar="LIST", help="2..8, also relative to the classes: 2..K+1")
@click.option("--tau", metavar="LIST", help="1,2,5 or first:last:log:count")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Resumed if it exists."
)
@options.loss
@options.effort("quick")
@options.starts
@options.seed
@options.no_proofs
@options.workers
@click.option("--scheduler", metavar="ADDRESS", help="Dask scheduler, for example tcp://10.0.0.1:8786.")
def sweep(
    grid_file: str | None,
    out: Path,
    effort: str,
    starts: int | None,
    seed: int,
    no_proofs: bool,
    workers: int | None,
    scheduler: str | None,
    loss: str | None,
    **lists: str | None,
) -> int:
    """Verify every cell of a grid, and draw the phase diagram. Run again to resume.

    Exit code 0: every cell was computed, 3: some failed.
    """
    from sphereufm.parallel import processors
    from sphereufm.sweeps import SweepFolder, run_sweep
    from sphereufm.sweeps.run import SweepSettings

    chosen = options.loss_from_options(loss, {key: lists.pop(key) for key in options.LOSS_PARAMETERS})
    grid = _grid(grid_file, lists)
    if not (out / "sweep.json").exists():
        options.prepare_output(out, _FILES, None)
    settings = SweepSettings(
        effort=effort,
        starts=starts,
        seed=seed,
        proofs=not no_proofs,
        loss=None if chosen == {"name": "cross-entropy"} else chosen,
    )
    try:
        with bar() as progress:
            index = run_sweep(
                grid, out, settings, workers=workers or processors(), scheduler=scheduler, progress=progress
            )
    except KeyboardInterrupt:
        if (out / _FILES[0]).exists():
            _show(SweepFolder.read(out / _FILES[0])["cells"], out)
        raise
    _show(index, out)
    return 3 if any(line["status"] != "done" for line in index) else 0


def _show(index: list[dict[str, Any]], out: Path) -> None:
    """Draw and count the cells that are stored."""
    from sphereufm.plots.saving import save_figure
    from sphereufm.plots.sweeps import phase_diagram_figure
    from sphereufm.report.sweep import save_cell_pages, sweep_html

    save_figure(phase_diagram_figure(index), out / _FILES[1])
    save_cell_pages(index, out)
    write_text(out / _FILES[2], sweep_html(index))
    counts = Counter(line["verdict"] if line["status"] == "done" else "failed" for line in index)
    text = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    give(False, None, [text], out, (*_FILES, "cells"))


def _grid(grid_file: str | None, lists: dict[str, str | None]) -> tuple[SweepGrid, ...]:
    """The grids of a file, or that of the options."""
    from sphereufm.sweeps.grid import SweepGrid, read_grid

    given: dict[str, Any] = {name: text for name, text in lists.items() if text is not None}
    if grid_file is not None and given:
        raise InvalidInputError(
            f"GRID.toml and --{', --'.join(given)} contradict each other; give one of them"
        )
    if grid_file is not None:
        return read_grid(grid_file)
    missing = [options.flag(name) for name in lists if name not in given]
    if missing:
        raise InvalidInputError(f"{', '.join(missing)} must be given, or a file GRID.toml")
    return (SweepGrid(**given),)
