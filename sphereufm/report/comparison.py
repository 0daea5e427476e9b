"""The report of a comparison of solvers: who reached the tolerance, in how many seconds and calls."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from sphereufm.comparison import Comparison
from sphereufm.notebook import counted
from sphereufm.plots.comparison import convergence_figure, profiles_figure
from sphereufm.report.page import Cell, figure_html, page_html, section_html, table_html

_PROFILES = (
    "Left: share of tasks solved within a multiple of the quickest solver's time. Right: share solved within a number "
    "of calls of cost, gradient and Hessian. A curve that ends below one failed on the rest."
)
_WAY_DOWN = (
    "Best relative gradient norm so far against seconds, from the first start of each instance; "
    "the line is the tolerance."
)
_FILTERS = ("instance", "solver", "reached")
_RUNS = {
    "instance": "instance",
    "seed": "start",
    "solver": "solver",
    "reached": "reached",
    "seconds": "seconds",
    "relative_gradient_norm": "relative gradient norm",
    "cost_value": "cost",
    "calls": "calls",
    "note": "how it ended",
}


def comparison_html(comparison: Comparison) -> str:
    """Return the comparison, with at least one measurement, as an HTML page."""
    figures = figure_html(partial(profiles_figure, comparison), "profiles", _PROFILES)
    if any(m.curve for m in comparison.measurements):
        figures += figure_html(partial(convergence_figure, comparison), "descent", _WAY_DOWN)
    truth: dict[Cell, str] = {True: "yes", False: "no"}
    runs: list[list[Cell]] = [
        [truth[value] if isinstance(value := getattr(m, key), bool) else value for key in _RUNS]
        for m in comparison.measurements
    ]
    solvers = table_html("solvers", comparison.headings, comparison.rows(), marks="solvers-")
    instances = counted(len(comparison.instances), "instance")
    return page_html(
        title=f"Comparison of {counted(len(comparison.solvers), 'solver')} on {instances}",
        verdict=_verdict(comparison),
        facts=list(_facts(comparison)),
        body=figures
        + section_html("Solvers", solvers)
        + section_html("Runs", table_html("runs", list(_RUNS.values()), runs, _FILTERS, marks="")),
        data=comparison.to_json(),
        scripts=("table.js", "filters.js", "marks.js"),
    )


def _verdict(comparison: Comparison) -> str:
    """Who reached the tolerance how often: one sentence."""
    counts = []
    what = f"a relative gradient norm of {comparison.rules.tolerance:g}"
    for solver in comparison.solvers:
        reached = [m.reached for m in comparison.measurements if m.solver == solver]
        counts.append(f"{solver} reached {what} in {sum(reached)} of {counted(len(reached), 'run')}")
        what = "it"
    return "; ".join(counts) + "."


def _facts(comparison: Comparison) -> Iterator[str]:
    """How it was measured."""
    rules = comparison.rules
    yield (
        f"starts of each instance: {rules.starts}, seed {rules.seed}; the quickest of {rules.repeats} counts; "
        f"a failure is charged the limit, {rules.limit:g} s"
    )
    yield "gradient norms were measured outside the solvers; a norm of a gradient does not prove a minimum"
    yield "seconds depend on the machine and on what else ran on it; calls do not"
    if comparison.blas_threads is None:
        yield "BLAS was not held to one thread: threadpoolctl is not installed"
    if not comparison.complete:
        yield "interrupted: runs that are not listed were not made"
