"""What ``sphereufm features`` measures of each file, and how it is shown."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sphereufm.cli.printing import bar, remark
from sphereufm.errors import InvalidInputError, SphereUFMError
from sphereufm.features import CollapseMetrics, FeatureSet, LabelRules, Reading, load_features, open_array
from sphereufm.features.feature_set import LAST_LAYER
from sphereufm.features.metrics import Streaming
from sphereufm.features.metrics.collapse import Measuring, begin
from sphereufm.features.metrics.outliers import Detection, check_unknown, make_detector
from sphereufm.features.metrics.result import read
from sphereufm.features.readers.shards import is_data_name, natural
from sphereufm.placement import LandscapePosition
from sphereufm.placement.layer import Placing
from sphereufm.placement.measurement import measure
from sphereufm.placement.trajectory import Measured, Training, epoch_number, in_order
from sphereufm.problem.losses.registry import find_loss

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FORMAT = "sphereufm-features/1"
_HELD_OUT = (
    "these features are held out, and the landscape is that of the training; measure the training file alone"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """What a command has to show."""

    data: dict[str, Any]
    lines: list[str]
    draw: Callable[[], tuple[str, Figure]]  #: makes page and picture
    files: Sequence[Measured]
    complete: bool  #: false if an interruption ended it early


@dataclass(frozen=True, kw_only=True)
class Run:
    """How every file is measured: the options of the command, and whether the quick measures alone are wanted."""

    options: Mapping[str, Any]
    loss: Mapping[str, Any]
    quick: bool

    def measure(self, path: str) -> Measured:
        """Read, measure and place one file; held-out features have no position: the landscape is the training's."""
        given = self.options
        rules = LabelRules(ignore=given["ignore_label"], remap=given["remap_labels"])
        reading = Reading(pool=given["pool"], transpose=given["transpose"], labels=rules)
        rest = (given["classifier"], given["bias"], given["classes"], reading)
        data, train = load_features(path, given["labels"], *rest), None
        if given["train"] is not None:
            train = load_features(given["train"], given["train_labels"], *rest)
            data = data.with_last_layer_of(train)
        unknown = [(name, reading.shaped(open_array(name))) for name in given["ood"]]
        if unknown:
            check_unknown(data.features.shape[1], [source for _, source in unknown])
        metrics, place = self._measured(path, data, train)
        said = [*data.chosen, *data.notes]
        if train is not None:
            said += [f"training {line}" for line in train.chosen if not line.startswith(LAST_LAYER)]
        if data.unused:
            said.append(f"not used: {', '.join(data.unused)}")
        outliers: tuple[Detection, ...] = ()
        if unknown:
            detector = make_detector((train or data).with_last_layer_of(data), given["normalize"])
            scores = detector.scores(data.features)
            outliers = tuple(detector.detect(name, scores, source) for name, source in unknown)
        return Measured(path=path, read=tuple(said), metrics=metrics, place=place, outliers=outliers)

    def _measured(
        self, path: str, data: FeatureSet, train: FeatureSet | None
    ) -> tuple[CollapseMetrics, LandscapePosition]:
        """Metrics and position, with a bar of the passes."""
        given, optional = self.options, False if self.quick else None
        what = Measuring(normalize=given["normalize"], covariance=optional, one_vs_rest=optional)
        with bar() as progress:

            def advance(stage: str, done: int, total: int, detail: str = "") -> None:
                progress(f"{os.path.basename(path)}, {stage}", done, total)

            how = {name: given[name] for name in ("workers", "scheduler", "checkpoint")}
            streaming = Streaming(progress=advance, **how)
            if train is not None:
                return begin(data, what, streaming, train).measure()[0], LandscapePosition(reason=_HELD_OUT)
            place = Placing(
                tau=given["tau"],
                weight_decay=given["weight_decay"],
                curvature=not self.quick,
                loss=find_loss(self.loss),
            )
            return measure(data, what, place, streaming)

    def measure_all(self, paths: Sequence[str]) -> tuple[list[Measured], bool]:
        """What is known of each file, those marked that cannot be measured; and whether no interruption ended it."""
        found: list[Measured] = []
        with suppress(KeyboardInterrupt):
            for path in paths:
                try:
                    found.append(self.measure(path))
                except SphereUFMError as error:
                    found.append(Measured(path=path, error=str(error)))
        return found, len(found) == len(paths)


def measure_files(run: Run, paths: Sequence[str], everything: bool) -> Outcome:
    """Measure one file, or several, each for itself."""
    several = len(paths) > 1
    try:
        found, complete = run.measure_all(paths) if several else ([run.measure(paths[0])], True)
    except KeyboardInterrupt:
        found, complete = [], False
    if not found:
        kept = run.options["checkpoint"] is not None
        how = "the same command resumes it" if kept else "with --checkpoint FILE a run can be resumed"
        remark(f"Nothing was measured to its end; {how}.")
        raise KeyboardInterrupt
    files = [{"path": m.path, **_to_json(m)} for m in found]
    data = {"format": _FORMAT, "complete": complete, "files": files} if several else _to_json(found[0])

    def draw() -> tuple[str, Figure]:
        from sphereufm.plots.features import features_figure
        from sphereufm.report.features import features_html

        (one,) = found
        assert one.metrics is not None
        assert one.place is not None
        return features_html(one.path, one.metrics, one.place, data), features_figure(one.metrics)

    lines = [line for m in found for line in ([f"{m.path}:"] if several else []) + _text(m, everything)]
    return Outcome(data=data, lines=lines, draw=draw, files=found, complete=complete)


def measure_trainings(run: Run, paths: Sequence[str]) -> Outcome:
    """Measure one training or several, epoch by epoch; a file that cannot be measured is one marked row."""
    folders = [os.path.isdir(path) for path in paths]
    if any(folders) and not all(folders):
        raise InvalidInputError(
            "--epochs takes the files of one training, or folders, one a training, but not both"
        )
    given = [(p, _epoch_files(p)) for p in paths] if all(folders) else [(os.path.dirname(paths[0]), paths)]
    trainings, complete = [], True
    for name, files in given:
        if complete:
            found, complete = run.measure_all(in_order(files))
            trainings.append(Training(name=name, epochs=tuple(found)))
    runs = [
        {"path": t.name, "epochs": [{"path": e.path, "epoch": e.number, **_to_json(e)} for e in t.epochs]}
        for t in trainings
    ]
    held = {"epochs": runs[0]["epochs"]} if len(runs) == 1 else {"runs": runs}
    data, lines = {"format": _FORMAT, "complete": complete, **held}, []
    for training in trainings:
        lines += [f"{training.name}:"] if len(trainings) > 1 else []
        lines += map(_line, training.epochs)

    def draw() -> tuple[str, Figure]:
        from sphereufm.plots.features import trajectory_figure
        from sphereufm.report.features import trajectory_html

        return trajectory_html(trainings, data), trajectory_figure(trainings)

    epochs = [epoch for training in trainings for epoch in training.epochs]
    return Outcome(data=data, lines=lines, draw=draw, files=epochs, complete=complete)


def _to_json(found: Measured) -> dict[str, Any]:
    """All numbers of a file in one object, or the reason why there are none."""
    if found.metrics is None or found.place is None:
        return {"format": _FORMAT, "error": found.error}
    outliers = {"outliers": [each.to_json() for each in found.outliers]} if found.outliers else {}
    numbers = {**found.metrics.to_json(), **found.place.to_json()}
    return {"format": _FORMAT, **numbers, "read": list(found.read), **outliers}


def _text(found: Measured, everything: bool) -> list[str]:
    """What was read, a reading of the main numbers, and the position; or all that is known."""
    if found.metrics is None:
        return [f"not measured: {found.error}"]
    metrics = [str(found.metrics)] if everything else [*read(found.metrics), *found.metrics.notes]
    return [*found.read, *metrics, str(found.place), *map(str, found.outliers)]


def _epoch_files(path: str) -> list[str]:
    """The files of a folder that may be epochs, in the order of the numbers in their names; at least one."""
    held = [p for p in Path(path).iterdir() if p.is_file() and not p.name.startswith(".")]
    files = [p for p in held if is_data_name(p.name) or (not p.suffix and epoch_number(p.name) is not None)]
    strays = [p.name for p in held if p not in files]
    if strays and files:
        remark(f"Not read, since they are no data files by their names: {', '.join(sorted(strays)[:8])}.")
    if not files:
        raise InvalidInputError(f"PATH={path!r} holds no data file; --epochs needs one file an epoch")
    return [str(p) for p in sorted(files, key=lambda p: natural(p.name))]


def _line(epoch: Measured) -> str:
    """The main numbers of an epoch in one line, or why there are none."""
    name = os.path.basename(epoch.path)
    if epoch.error is not None:
        return f"{name}  not measured: {epoch.error}"
    shown = (f"{key} {'-' if value is None else format(value, '.4g')}" for key, value in epoch.values.items())
    return f"{name}  {'  '.join(shown)}"
