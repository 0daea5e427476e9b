"""Our solvers, and the peers of ``benchmarks/peers.py`` whose packages are installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from benchopt import BaseSolver
from threadpoolctl import threadpool_limits

from sphereufm.comparison import load_peers
from sphereufm.comparison.measure import Task, measure
from sphereufm.solvers import SOLVERS

PEERS = load_peers(Path(__file__).parents[2] / "peers.py")


class Solver(BaseSolver):
    """One solver under the gauge."""

    name = "gauge"
    parameters: ClassVar[dict[str, Any]] = {"solver": [*SOLVERS, *PEERS]}

    def set_objective(self, task: Task) -> None:
        """Keep the task."""
        self.task = task

    def run(self, _: Any) -> None:
        """Measure, with one BLAS thread."""
        with threadpool_limits(limits=1):
            self.measurement = measure(self.task, self.solver, PEERS)

    def get_result(self) -> dict[str, Any]:
        """The measurement."""
        return {"measurement": self.measurement}
