"""Trainings, epoch by epoch: what was measured of each file, and which epoch its name says it is."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from sphereufm.features.metrics.result import CollapseMetrics
from sphereufm.placement.landscape_position import LandscapePosition

SERIES = {
    "nc1": "NC1",
    "nc2": "NC2",
    "nc3": "NC3",
    "nc4": "NC4",
    "accuracy": "accuracy of the classifier",
    "cost": "cost",
    "gap": "optimality gap (numerical)",
}
"""The main numbers of an epoch, in words."""

_NAMED = re.compile(
    r"(?:epochs?|ep|steps?|iter|iteration|checkpoint|ckpt|e)[-_. =]*(\d+)(?!.*\d)", re.IGNORECASE
)
_LAST = re.compile(r"(\d+)(?!.*\d)")


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One file of a training."""

    path: str
    number: int | None  #: the epoch that the file's name says
    metrics: CollapseMetrics | None = None
    place: LandscapePosition | None = None
    error: str | None = None  #: why the file could not be measured

    @property
    def values(self) -> dict[str, float | None]:
        """The main numbers, None where they are not known."""
        if self.metrics is None or self.place is None:
            return dict.fromkeys(SERIES)
        accuracy = self.metrics.variants.get("classifier_accuracy")
        known = (*self.metrics.main.values(), accuracy, self.place.cost, self.place.optimality_gap)
        return dict(zip(SERIES, known, strict=True))


@dataclass(frozen=True, kw_only=True)
class Training:
    """Epochs in their order, with a name."""

    name: str
    epochs: tuple[Epoch, ...]

    def at(self, k: int) -> int:
        """Where the ``k``-th of the list stands on an axis: its own number, or its place where names have none."""
        number = self.epochs[k].number
        return k + 1 if number is None else number


def epoch_number(path: str) -> int | None:
    """The epoch in the name of a file: the number behind a word for it, else the last one; None without any."""
    stem = os.path.splitext(os.path.basename(path))[0]
    found = _NAMED.search(stem) or _LAST.search(stem)
    return int(found[1]) if found else None
