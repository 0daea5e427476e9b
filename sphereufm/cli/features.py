"""``sphereufm features``: how collapsed saved features are, and where they stand on the landscape."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from sphereufm.cli.options import json_option, output_options, prepare_output
from sphereufm.cli.printing import Progress, remark, say, say_json, say_written
from sphereufm.errors import InvalidInputError
from sphereufm.files import write_text

if TYPE_CHECKING:
    from sphereufm.features import CollapseMetrics
    from sphereufm.placement import LandscapePosition

__all__ = ["features"]

_FORMAT = "sphereufm-features/1"


def _reading_options(command: Any) -> Any:
    """Options that say how arrays of unusual shape, and unusual labels, are to be taken."""
    choices = (
        click.option("--classes", type=int, metavar="K", help="Number of classes, where labels do not tell."),
        click.option(
            "--pool", type=click.Choice(["mean"]), help="Average features (N, C, H, W) over places."
        ),
        click.option(
            "--transpose",
            type=click.Choice(["features", "classifier"]),
            multiple=True,
            help="These lie in columns: (d, N) or (d, K).",
        ),
        click.option(
            "--ignore-label",
            multiple=True,
            metavar="LABEL",
            help="Leave out samples of this label (repeatable).",
        ),
        click.option("--remap-labels", is_flag=True, help="Number the labels that occur from 0."),
    )
    for choice in reversed(choices):
        command = choice(command)
    return command


@click.command(
    short_help="Measure neural collapse in saved features.",
    epilog="Example: sphereufm features features.npz --tau 5",
)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path())
@click.option(
    "--labels",
    metavar="FILE|KEY|none",
    help="Labels: another file (CSV too), a key in PATH, or none: the classifier's choices.",
)
@click.option(
    "--classifier",
    metavar="FILE|KEY|none",
    help="Last layer's weights: another file, a key in PATH, or none.",
)
@click.option("--bias", metavar="FILE|KEY", help="Last layer's bias: another file, or a key in PATH.")
@_reading_options
@click.option(
    "--tau", metavar="t|fit", help="Inverse temperature that multiplied the logits in training, or `fit`."
)
@click.option(
    "--weight-decay",
    type=float,
    nargs=2,
    metavar="MU_W MU_H",
    help="Of an ordinary network: bound the objective with MU_W |W|^2 / 2 + MU_H |H|^2 / 2 added, too.",
)
@click.option(
    "--normalize/--raw",
    default=False,
    help="Divide features and classifier rows by their lengths, leave out the bias; or measure as saved (default).",
)
@click.option(
    "--epochs",
    is_flag=True,
    help="PATH is a folder with one file an epoch (or the files): measure the trajectory.",
)
@click.option("--workers", type=int, default=1, show_default=True, help="Processes that share the file.")
@click.option("--scheduler", metavar="ADDRESS", help="Dask scheduler whose workers share the file.")
@click.option(
    "--checkpoint", metavar="FILE", help="Keep what was done in FILE; an interrupted run resumes from it."
)
@output_options
@json_option
def features(
    paths: tuple[str, ...],
    labels: str | None,
    classifier: str | None,
    bias: str | None,
    classes: int | None,
    pool: Literal["mean"] | None,
    transpose: tuple[Literal["features", "classifier"], ...],
    ignore_label: tuple[str, ...],
    remap_labels: bool,
    tau: str | None,
    weight_decay: tuple[float, float] | None,
    normalize: bool,
    epochs: bool,
    workers: int,
    scheduler: str | None,
    checkpoint: str | None,
    out: Path | None,
    force: bool,
    as_json: bool,
) -> int:
    """Measure neural collapse in saved features, and place them on the landscape.

    PATH is a file of NumPy, torch, safetensors, HDF5, Parquet or Feather (rows are samples), or a folder of shards.
    """
    files = _epoch_files(paths) if epochs else list(paths)
    if checkpoint is not None and len(files) > 1:
        raise InvalidInputError(f"--checkpoint={checkpoint!r} is for one PATH, but {len(files)} are measured")
    figure = "trajectory.png" if epochs else "features.png"
    if out is not None and not epochs and len(files) > 1:
        raise InvalidInputError(f"--out={out} is for one PATH or --epochs, but {len(files)} were given")
    written = ("features.json", figure, "report.html")
    prepare_output(out, written, force)
    run = _Run(
        given=(labels, classifier, bias),
        classes=classes,
        reading={"pool": pool, "transpose": transpose, "ignore": ignore_label, "remap": remap_labels},
        tau=tau,
        weight_decay=weight_decay,
        normalize=normalize,
        quick=epochs,
        streaming={"workers": workers, "scheduler": scheduler, "checkpoint": checkpoint},
    )
    found = _measured_files(run, files)
    alone = len(files) == 1 and not epochs
    data = found[0].to_json() if alone else _many(found, epochs, complete=len(found) == len(files))
    if out is not None:
        _write(out, data, figure, found)
    if as_json:
        say_json(data)
    else:
        say(*(m.line() if epochs else m.text(titled=len(files) > 1) for m in found))
        say_written(out, written)
    if len(found) < len(files):
        raise KeyboardInterrupt
    return 0


def _measured_files(run: _Run, files: list[str]) -> list[_Measured]:
    """All files, or those that an interrupted run got through; at least one."""
    found: list[_Measured] = []
    try:
        for path in files:
            found.append(run.measure(path))
    except KeyboardInterrupt:
        if not found:
            remark("Nothing was measured to its end; with --checkpoint FILE the next run resumes this one.")
            raise
    return found


@dataclass(frozen=True, kw_only=True)
class _Measured:
    """One file's results."""

    path: str
    chosen: tuple[str, ...]
    metrics: CollapseMetrics
    place: LandscapePosition

    def to_json(self) -> dict[str, Any]:
        """All numbers in one object."""
        return {
            "format": _FORMAT,
            **self.metrics.to_json(),
            **self.place.to_json(),
            "read": list(self.chosen),
        }

    def text(self, titled: bool) -> str:
        """What was read, the measures, the position."""
        head = [f"{self.path}:"] if titled else []
        return "\n".join([*head, *self.chosen, str(self.metrics), str(self.place)])

    def line(self) -> str:
        """The main numbers in one line."""
        values = {name: getattr(self.metrics, name) for name in ("nc1", "nc2", "nc3", "nc4")}
        values |= {"cost": self.place.cost, "gap": self.place.optimality_gap}
        shown = (f"{name} {'-' if value is None else format(value, '.4g')}" for name, value in values.items())
        return f"{os.path.basename(self.path)}  {'  '.join(shown)}"


@dataclass(frozen=True, kw_only=True)
class _Run:
    """How every file is measured; ``given`` are labels, classifier and bias."""

    given: tuple[str | None, str | None, str | None]
    classes: int | None
    reading: dict[str, Any]
    tau: str | None
    weight_decay: tuple[float, float] | None
    normalize: bool
    quick: bool
    streaming: dict[str, Any]

    def measure(self, path: str) -> _Measured:
        """Read, measure and place one file."""
        from sphereufm.features import LabelRules, Reading, load_features
        from sphereufm.features.metrics import Streaming
        from sphereufm.features.metrics.collapse import Measuring
        from sphereufm.placement.place import Placing, measure

        labels, classifier, bias = self.given
        how = Reading(
            pool=self.reading["pool"],
            transpose=self.reading["transpose"],
            labels=LabelRules(ignore=self.reading["ignore"], remap=self.reading["remap"]),
        )
        data = load_features(path, labels, classifier, bias, self.classes, how)
        optional = False if self.quick else None
        name = os.path.basename(path)

        with Progress() as progress:

            def told(done: int, rows: int, number: int) -> None:
                progress(f"{name}, pass {number} of 2", done, rows)

            metrics, place = measure(
                data,
                Measuring(normalize=self.normalize, covariance=optional, one_vs_rest=optional),
                Placing(tau=self.tau, weight_decay=self.weight_decay, curvature=not self.quick),
                Streaming(progress=told, **self.streaming),
            )
        said = [*data.chosen, *data.notes]
        if data.unused:
            said.append(f"not used: {', '.join(data.unused)}")
        return _Measured(path=path, chosen=tuple(said), metrics=metrics, place=place)


def _epoch_files(paths: tuple[str, ...]) -> list[str]:
    """The files of a folder, or those given, by the numbers in their names."""
    if len(paths) > 1 or not Path(paths[0]).is_dir():
        return list(paths)
    files = [str(p) for p in Path(paths[0]).iterdir() if p.is_file() and not p.name.startswith(".")]
    if not files:
        raise InvalidInputError(f"PATH={paths[0]!r} holds no file; --epochs needs one file an epoch")
    return sorted(files, key=_natural)


def _natural(path: str) -> list[tuple[int, str]]:
    """Sorting key by which epoch_9 comes before epoch_10."""
    words = re.split(r"(\d+)", os.path.basename(path))
    return [(int(word), "") if word.isdecimal() else (-1, word) for word in words]


def _many(found: list[_Measured], epochs: bool, complete: bool) -> dict[str, Any]:
    """Several files in one object."""
    return {
        "format": _FORMAT,
        "complete": complete,
        "epochs" if epochs else "files": [{"path": m.path, **m.to_json()} for m in found],
    }


def _write(out: Path, data: dict[str, Any], figure: str, found: list[_Measured]) -> None:
    """Write the JSON, the figure and the report, each to a temporary name first."""
    from sphereufm.plots.features import save_features, save_trajectory
    from sphereufm.report import features_html, trajectory_html

    write_text(out / "features.json", json.dumps(data, allow_nan=False, indent=1) + "\n")
    first = found[0]
    if figure == "features.png":
        save_features(first.metrics, out / figure)
        page = features_html(first.path, first.metrics, first.place, data)
    else:
        epochs = [(m.metrics, m.place) for m in found]
        save_trajectory(epochs, out / figure)
        names = [os.path.basename(m.path) for m in found]
        page = trajectory_html(os.path.dirname(first.path) or first.path, names, epochs, data)
    write_text(out / "report.html", page)
