"""The suites of ``sphereufm compare`` as a benchopt benchmark: ``benchopt run benchmarks/benchopt``.

One run of a solver is one measurement by the gauge (see ``sphereufm.comparison``): the tolerance is 1e-9, tested
outside the solver, and that time is not charged.  So ``seconds`` here is the gauge's, not benchopt's time of the run.
"""

from __future__ import annotations

from typing import Any

from benchopt import BaseObjective

from sphereufm.comparison import Measurement
from sphereufm.comparison.measure import Rules, Task, not_tried
from sphereufm.comparison.suites import SMALL


class Objective(BaseObjective):
    """What a measurement says."""

    name = "Descent on products of spheres"
    min_benchopt_version = "1.6"
    sampling_strategy = "run_once"

    def set_data(self, task: Task) -> None:
        """Keep the task."""
        self.task = task

    def get_objective(self) -> dict[str, Any]:
        """What solvers are given."""
        return {"task": self.task}

    def evaluate_result(self, measurement: Measurement) -> dict[str, Any]:
        """Figures of one run; the value is the relative gradient norm that was reached."""
        m = measurement
        figures = {"reached": m.reached, "seconds": m.seconds, "charged": m.charged, "cost": m.cost_value}
        calls = {"cost_calls": m.cost, "gradient_calls": m.gradient, "hessian_calls": m.hessian}
        return {"value": m.relative_gradient_norm, **figures, **calls}

    def get_one_result(self) -> dict[str, Any]:
        """A result of the right form, for benchopt's own tests."""
        task = Task(instance=SMALL[0], seed=0, rules=Rules(limit=1.0))
        return {"measurement": not_tried(task, "none")}
