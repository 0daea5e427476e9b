"""What ``sphereufm features`` measures of each file, and how it is shown."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sphereufm.cli.printing import bar, remark
from sphereufm.errors import InvalidInputError, SphereUFMError

if TYPE_CHECKING:
    from sphereufm.features import CollapseMetrics, FeatureSet, Reading
    from sphereufm.features.metrics import Streaming
    from sphereufm.features.metrics.outliers import Detection
    from sphereufm.placement import LandscapePosition
    from sphereufm.placement.trajectory import Epoch, Training

FORMAT = "sphereufm-features/1"
_HELD_OUT = (
    "these features are held out, and the landscape is that of the training; measure the training file alone"
)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One file's results."""

    path: str
    chosen: tuple[str, ...]
    metrics: CollapseMetrics
    place: LandscapePosition
    outliers: tuple[Detection, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """All numbers in one object."""
        return {
            "format": FORMAT,
            **self.metrics.to_json(),
            **self.place.to_json(),
            "read": list(self.chosen),
            **({"outliers": [found.to_json() for found in self.outliers]} if self.outliers else {}),
        }

    def text(self, titled: bool, everything: bool) -> str:
        """What was read, a reading of the main numbers, and the position; or all that is known."""
        from sphereufm.features.metrics.result import read

        head = [*([f"{self.path}:"] if titled else []), *self.chosen]
        metrics = [str(self.metrics)] if everything else [*read(self.metrics), *self.metrics.notes]
        return "\n".join([*head, *metrics, str(self.place), *map(str, self.outliers)])


@dataclass(frozen=True, kw_only=True)
class Run:
    """How every file is measured: the options of the command, and whether the quick measures alone are wanted."""

    options: Mapping[str, Any]
    loss: Mapping[str, Any]
    quick: bool

    @property
    def reading(self) -> Reading:
        """How arrays are to be taken."""
        from sphereufm.features import LabelRules, Reading

        given = self.options
        rules = LabelRules(ignore=given["ignore_label"], remap=given["remap_labels"])
        return Reading(pool=given["pool"], transpose=given["transpose"], labels=rules)

    def measure(self, path: str) -> Measured:
        """Read, measure and place one file."""
        from sphereufm.features.metrics import Streaming

        data, train = self._read(path)
        with bar() as progress:

            def advance(stage: str, done: int, total: int, detail: str = "") -> None:
                progress(f"{os.path.basename(path)}, {stage}", done, total)

            how = {name: self.options[name] for name in ("workers", "scheduler", "checkpoint")}
            metrics, place = self._measured(data, train, Streaming(progress=advance, **how))
        said = [*data.chosen, *data.notes]
        if train is not None:
            said += [f"training {line}" for line in train.chosen if not line.startswith("classifier")]
        if data.unused:
            said.append(f"not used: {', '.join(data.unused)}")
        found = self._outliers(data, train or data)
        return Measured(path=path, chosen=tuple(said), metrics=metrics, place=place, outliers=found)

    def _read(self, path: str) -> tuple[FeatureSet, FeatureSet | None]:
        """The features, and the training's; a classifier is taken from either file."""
        from sphereufm.features import load_features

        given = self.options
        rest = (given["classifier"], given["bias"], given["classes"], self.reading)
        data = load_features(path, given["labels"], *rest)
        if given["train"] is None:
            return data, None
        train = load_features(given["train"], given["train_labels"], *rest)
        return data.with_last_layer_of(train), train

    def _measured(
        self, data: FeatureSet, train: FeatureSet | None, streaming: Streaming
    ) -> tuple[CollapseMetrics, LandscapePosition]:
        """Metrics and position; held-out features have no position, since the landscape is the training's."""
        from sphereufm.features.metrics.collapse import Measuring, measure_collapse
        from sphereufm.placement import LandscapePosition
        from sphereufm.placement.measurement import Placing, measure
        from sphereufm.problem.losses.registry import find_loss

        optional = False if self.quick else None
        what = Measuring(normalize=self.options["normalize"], covariance=optional, one_vs_rest=optional)
        if train is not None:
            return measure_collapse(data, what, streaming, train=train), LandscapePosition(reason=_HELD_OUT)
        loss, look = find_loss(self.loss), not self.quick
        tau, decay = self.options["tau"], self.options["weight_decay"]
        place = Placing(tau=tau, weight_decay=decay, curvature=look, loss=loss)
        return measure(data, what, place, streaming)

    def _outliers(self, known: FeatureSet, train: FeatureSet) -> tuple[Detection, ...]:
        """How well the files of unknown data are distinguished from the known one."""
        if not self.options["ood"]:
            return ()
        from sphereufm.features import open_array
        from sphereufm.features.metrics.outliers import make_detector

        detector = make_detector(train.with_last_layer_of(known), self.options["normalize"])
        scores, shaped = detector.scores(known.features), self.reading.shaped
        return tuple(detector.detect(path, scores, shaped(open_array(path))) for path in self.options["ood"])


def measure_training(run: Run, name: str, files: Sequence[str]) -> tuple[Training, bool]:
    """The measured training, and whether it got to the end; a file that cannot be measured is marked."""
    from sphereufm.placement.trajectory import Epoch, Training, epoch_number

    epochs: list[Epoch] = []
    complete = True
    try:
        for path in files:
            epoch = Epoch(path=path, number=epoch_number(path))
            try:
                found = run.measure(path)
                epochs.append(replace(epoch, metrics=found.metrics, place=found.place))
            except SphereUFMError as error:
                epochs.append(replace(epoch, error=str(error)))
    except KeyboardInterrupt:
        complete = False
    return Training(name=name, epochs=tuple(epochs)), complete


def trainings_json(trainings: Sequence[Training], complete: bool) -> dict[str, Any]:
    """One training, or several, in one object."""
    runs = [{"path": t.name, "epochs": [_epoch_json(epoch) for epoch in t.epochs]} for t in trainings]
    held = {"epochs": runs[0]["epochs"]} if len(runs) == 1 else {"runs": runs}
    return {"format": FORMAT, "complete": complete, **held}


def _epoch_json(epoch: Epoch) -> dict[str, Any]:
    """One epoch: all numbers, or the reason why there are none."""
    head = {"path": epoch.path, "epoch": epoch.number, "format": FORMAT}
    if epoch.metrics is None or epoch.place is None:
        return {**head, "error": epoch.error}
    return {**head, **epoch.metrics.to_json(), **epoch.place.to_json(), "read": []}


def epoch_files(path: str) -> list[str]:
    """The files of a folder that may be epochs, in the order of the numbers in their names; at least one."""
    from sphereufm.features.readers.shards import is_data_name, natural
    from sphereufm.placement.trajectory import epoch_number

    held = [p for p in Path(path).iterdir() if p.is_file() and not p.name.startswith(".")]
    files = [p for p in held if is_data_name(p.name) or (not p.suffix and epoch_number(p.name) is not None)]
    strays = [p.name for p in held if p not in files]
    if strays and files:
        remark(f"Not read, since they are no data files by their names: {', '.join(sorted(strays)[:8])}.")
    if not files:
        raise InvalidInputError(f"PATH={path!r} holds no data file; --epochs needs one file an epoch")
    return [str(p) for p in sorted(files, key=lambda p: natural(p.name))]
