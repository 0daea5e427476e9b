"""``sphereufm compare``: solvers against each other, and against those of a file of peers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import sphereufm.cli.options as options
from sphereufm.cli.printing import give, live, remark, table
from sphereufm.errors import InvalidInputError
from sphereufm.files import write_text

if TYPE_CHECKING:
    from rich.table import Table

    from sphereufm.comparison import Comparison, Instance

_DEFAULT = ("barzilai-borwein", "lbfgs", "trust-region")
_FILES = ("comparison.json", "convergence.png", "profiles.png", "report.html")


@click.command(
    short_help="Compare solvers from the same starts.",
    epilog="Example: sphereufm compare --suite small --solvers lbfgs,trust-region --out comparison",
)
@options.problem
@click.option(
    "--suite",
    type=click.Choice(["small", "standard", "large", "others"]),
    help="Fixed problems, instead of the options that describe one.",
)
@click.option(
    "--solvers",
    metavar="a,b,c",
    help=f"Which solvers; times are compared with the first.  [default: {','.join(_DEFAULT)}, and all peers]",
)
@click.option(
    "--peers",
    type=click.Path(path_type=Path),
    metavar="FILE.py",
    help="Python file with other people's solvers; it is run.",
)
@click.option("--starts", type=options.COUNT, default=3, metavar="B", help="Starts of each instance.")
@click.option(
    "--repeats", type=options.COUNT, default=3, metavar="r", help="Runs of which the quickest counts."
)
@click.option("--time-limit", "limit", default=60.0, metavar="s", help="Seconds for each run.")
@click.option(
    "--clock",
    type=click.Choice(["wall", "cpu"]),
    default="wall",
    help="Processor time (cpu) does not see other work on the machine.",
)
@click.option(
    "--workers",
    type=options.COUNT,
    metavar="P",
    help="Processes; by default one a processor with --clock cpu, else one.",
)
@options.tolerance
@options.seed
@options.output
@options.as_json
def compare(
    suite: str | None,
    solvers: str | None,
    peers: Path | None,
    workers: int | None,
    out: Path | None,
    force: bool,
    as_json: bool,
    **words: Any,
) -> int:
    """Compare solvers: the same starts, the same stop measured from outside, calls counted, failures shown.

    Exit code 0: the first solver reached the tolerance in every run, 3: it did not.
    """
    from sphereufm.comparison import Rules, compare_solvers, load_peers
    from sphereufm.parallel import processors

    rules = Rules(**{field.name: words.pop(field.name) for field in fields(Rules)})
    instances = _instances(suite, words)
    others = {} if peers is None else load_peers(peers)
    names = [*_DEFAULT, *others] if solvers is None else [word.strip() for word in solvers.split(",")]
    options.prepare_output(out, _FILES, force)
    with live() as show:
        comparison = compare_solvers(
            instances,
            names,
            peers=others,
            rules=rules,
            curves=out is not None,
            callback=lambda so_far: _show(show, so_far, len(instances)),
            workers=workers or (processors() if rules.clock == "cpu" else 1),
        )
    if not comparison.measurements:
        raise KeyboardInterrupt
    if out is not None:
        from sphereufm.plots.comparison import convergence_figure, profiles_figure
        from sphereufm.plots.saving import save_figure
        from sphereufm.report.comparison import comparison_html

        comparison.save(out / _FILES[0])
        for name, draw in (("convergence.png", convergence_figure), ("profiles.png", profiles_figure)):
            save_figure(draw(comparison), out / name, dpi=120)
        write_text(out / "report.html", comparison_html(comparison))
    give(as_json, comparison.to_json(), [_table(comparison)], out, _FILES)
    if comparison.blas_threads is None:
        remark("Note: threadpoolctl is not installed, so BLAS was not held to one thread.")
    if not comparison.complete:
        raise KeyboardInterrupt
    first = [m.reached for m in comparison.measurements if m.solver == names[0]]
    return 0 if all(first) else 3


def _instances(suite: str | None, words: dict[str, Any]) -> tuple[Instance, ...]:
    """The suite, or the one problem that the options describe."""
    from sphereufm.comparison import SUITES, Instance

    given = [name for name, value in words.items() if value is not None]
    if suite is not None:
        if given:
            raise InvalidInputError(
                f"--suite={suite} and {options.flag(given[0])} contradict each other; give one of them"
            )
        return SUITES[suite]
    suites = ", ".join(f"--suite {name}" for name in SUITES)
    make = partial(options.problem_from_options, **words, instead=f"choose one of {suites}")
    problem = make()
    name = f"K{problem.classes}-N{problem.samples}-d{problem.dim}-tau{problem.tau:g}"
    return (Instance(name=name, make=make),)


def _show(show: Callable[..., None], comparison: Comparison, instances: int) -> None:
    """Where the comparison is, with the table so far."""
    last = comparison.measurements[-1]
    place = comparison.instances.index(last.instance) + 1
    so_far = _table(comparison)
    so_far.caption = f"instance {place} of {instances}: {last.instance}, {last.solver}"
    show(so_far.caption, so_far)


def _table(comparison: Comparison) -> Table:
    """One row a solver."""
    return table(comparison.title, comparison.headings, comparison.texts(), comparison.headings[:1])
