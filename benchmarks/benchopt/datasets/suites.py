"""Every instance of the suites, with its first starts."""

from __future__ import annotations

from typing import Any, ClassVar

from benchopt import BaseDataset

from sphereufm.comparison.measure import Rules, Task
from sphereufm.comparison.suites import SUITES

INSTANCES = {
    instance.name: instance for suite in ("standard", "others", "large") for instance in SUITES[suite]
}


class Dataset(BaseDataset):
    """One instance and one start."""

    name = "suites"
    parameters: ClassVar[dict[str, Any]] = {"instance": list(INSTANCES), "start": [0], "limit": [60.0]}

    def get_data(self) -> dict[str, Any]:
        """The task of a measurement."""
        rules = Rules(limit=self.limit, repeats=1)
        return {"task": Task(instance=INSTANCES[self.instance], seed=self.start, rules=rules)}
