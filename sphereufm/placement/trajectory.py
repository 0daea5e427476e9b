"""Trainings, epoch by epoch: what was measured of each file, and which epoch its name says it is."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

from sphereufm.features.metrics.outliers import Detection
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

# words for an epoch, the surest first: "epoch=4-step=100-val_loss=0.32"
_WORDS = (
    r"(?:epochs?|(?<![a-z0-9])ep?(?!\d+[a-z]))[-_. =]*",  # not ``e2e``
    r"(?:steps?|iter(?:ation)?s?)[-_. =]*",
    r"(?:checkpoint|ckpt)[-_. =]*",
    "",
)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What is known of one file."""

    path: str
    metrics: CollapseMetrics | None = None
    place: LandscapePosition | None = None
    read: tuple[str, ...] = ()  #: which arrays were read for which role
    outliers: tuple[Detection, ...] = ()
    error: str | None = None  #: why the file could not be measured

    @property
    def number(self) -> int | None:
        """The epoch that the file's name says."""
        return epoch_number(self.path)

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
    epochs: tuple[Measured, ...]

    @property
    def places(self) -> list[int]:
        """Where each epoch stands on an axis: at its number, or behind the one before where its name has none."""
        places: list[int] = []
        for epoch in self.epochs:
            behind = places[-1] + 1 if places else 1
            places.append(behind if epoch.number is None else epoch.number)
        return places


def epoch_number(path: str) -> int | None:
    """The epoch in the name of a file: the last number behind a word for it, else the last one; None without any."""
    stem = os.path.splitext(os.path.basename(path))[0]
    for word in _WORDS:
        if found := re.findall(word + r"(\d+)", stem, re.IGNORECASE):
            return int(found[-1])
    return None


def in_order(paths: Iterable[str]) -> list[str]:
    """Files by their epochs, as far as their names tell, and then as they were."""
    return sorted(paths, key=lambda path: math.inf if (number := epoch_number(path)) is None else number)
