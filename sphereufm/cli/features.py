"""``sphereufm features``: how collapsed saved features are, and where they stand on the landscape."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sphereufm.cli.feature_results import FORMAT, Measured, Run, epoch_files, measure_training, trainings_json
from sphereufm.cli.options import (
    LOSS_PARAMETERS,
    json_option,
    loss_from_options,
    loss_options,
    output_options,
    prepare_output,
)
from sphereufm.cli.printing import give, remark
from sphereufm.errors import InvalidInputError
from sphereufm.files import write_json, write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sphereufm.placement.trajectory import Epoch


# what --out holds
_FILE = ("features.json", "features.png", "report.html")
_TRAJECTORY = ("features.json", "trajectory.png", "report.html")


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
@click.option("--classes", type=int, metavar="K", help="Number of classes, where labels do not tell.")
@click.option("--pool", type=click.Choice(["mean"]), help="Average features (N, C, H, W) over places.")
@click.option(
    "--transpose",
    type=click.Choice(["features", "classifier"]),
    multiple=True,
    help="These lie in columns: (d, N) or (d, K).",
)
@click.option(
    "--ignore-label", multiple=True, metavar="LABEL", help="Leave out samples of this label (repeatable)."
)
@click.option("--remap-labels", is_flag=True, help="Number the labels that occur from 0.")
@click.option(
    "--tau", metavar="t|fit", help="Inverse temperature that multiplied the logits in training, or fit."
)
@loss_options
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
    show_default=False,
    help="Divide features and classifier rows by their lengths, leave out the bias; or measure as saved (default).",
)
@click.option(
    "--epochs",
    is_flag=True,
    help="PATH is a folder with one file an epoch (or the files; several folders are several trainings).",
)
@click.option(
    "--train",
    metavar="FILE",
    help="Training features: PATH is held out, and measured by the class means of FILE.",
)
@click.option(
    "--train-labels", metavar="FILE|KEY", help="Labels of the training features, where they do not tell."
)
@click.option(
    "--ood",
    metavar="FILE",
    multiple=True,
    help="Features of unknown data: how well they are distinguished from PATH (repeatable).",
)
@click.option("--all", "everything", is_flag=True, help="Print every number with its convention.")
@click.option("--workers", type=int, default=1, show_default=True, help="Threads that share the work.")
@click.option("--scheduler", metavar="ADDRESS", help="Dask scheduler whose workers share the file.")
@click.option(
    "--checkpoint", metavar="FILE", help="Keep what was done in FILE; an interrupted run resumes from it."
)
@output_options
@json_option
def features(
    paths: tuple[str, ...],
    epochs: bool,
    everything: bool,
    out: Path | None,
    force: bool,
    as_json: bool,
    **given: Any,
) -> int:
    """Measure neural collapse in saved features, and place them on the landscape.

    PATH is a file of NumPy, torch, safetensors, HDF5, Parquet, Feather, Arrow or CSV (rows are samples), or a folder of
    shards.
    """
    checkpoint = given["checkpoint"]
    if checkpoint is not None and (len(paths) > 1 or epochs):
        raise InvalidInputError(
            f"--checkpoint={checkpoint!r} is for one PATH; leave it out for several files"
        )
    if out is not None and not epochs and len(paths) > 1:
        raise InvalidInputError(f"--out={out} is for one PATH or --epochs, but {len(paths)} were given")
    if epochs and (given["train"] or given["ood"]):
        raise InvalidInputError(
            "--train and --ood are for one state of a network; leave them out with --epochs"
        )
    prepare_output(out, _TRAJECTORY if epochs else _FILE, force)
    loss = loss_from_options(given["loss"], {key: given[key] for key in LOSS_PARAMETERS})
    run = Run(options=given, loss=loss, quick=epochs)
    if epochs:
        return _trainings(run, paths, out, as_json)
    return _files(run, paths, out, as_json, everything)


def _files(run: Run, paths: tuple[str, ...], out: Path | None, as_json: bool, everything: bool) -> int:
    """Measure one file or several, each for itself; an interruption ends it early."""
    found: list[Measured] = []
    try:
        for path in paths:
            found.append(run.measure(path))
    except KeyboardInterrupt:
        if not found:
            remark("Nothing was measured to its end; with --checkpoint FILE the next run resumes this one.")
            raise
    complete = len(found) == len(paths)
    data = found[0].to_json()
    if len(paths) > 1:
        files = [{"path": m.path, **m.to_json()} for m in found]
        data = {"format": FORMAT, "complete": complete, "files": files}
    if out is not None:
        from sphereufm.plots.features import features_figure
        from sphereufm.report import features_html

        page = features_html(found[0].path, found[0].metrics, found[0].place, data)
        _write(out, _FILE, data, page, features_figure(found[0].metrics))
    give(as_json, data, [m.text(len(paths) > 1, everything) for m in found], out, _FILE)
    if not everything and not as_json:
        remark("Every number with its convention: --all.")
    if not complete:
        raise KeyboardInterrupt
    return 0


def _trainings(run: Run, paths: tuple[str, ...], out: Path | None, as_json: bool) -> int:
    """Measure one training or several, epoch by epoch; a file that cannot be measured is one marked row."""
    folders = [os.path.isdir(path) for path in paths]
    if any(folders) and not all(folders):
        raise InvalidInputError(
            "--epochs takes the files of one training, or folders, one a training, but not both"
        )
    given = [(p, epoch_files(p)) for p in paths] if all(folders) else [(os.path.dirname(paths[0]), paths)]
    trainings, complete = [], True
    for name, files in given:
        training, complete = measure_training(run, name, files)
        trainings.append(training)
        if not complete:
            break
    data, epochs = trainings_json(trainings, complete), [e for t in trainings for e in t.epochs]
    if not any(epoch.metrics is not None for epoch in epochs):
        out = None
    if out is not None:
        from sphereufm.plots.features import trajectory_figure
        from sphereufm.report import trajectory_html

        _write(out, _TRAJECTORY, data, trajectory_html(trainings, data), trajectory_figure(trainings))
    titles = [[f"{training.name}:"] if len(trainings) > 1 else [] for training in trainings]
    lines = [
        line for title, t in zip(titles, trainings, strict=True) for line in (*title, *map(_line, t.epochs))
    ]
    give(as_json, data, lines, out, _TRAJECTORY)
    if not complete:
        raise KeyboardInterrupt
    return 2 if any(epoch.error is not None for epoch in epochs) else 0


def _line(epoch: Epoch) -> str:
    """The main numbers of an epoch in one line, or why there are none."""
    name = os.path.basename(epoch.path)
    if epoch.error is not None:
        return f"{name}  not measured: {epoch.error}"
    shown = (f"{key} {'-' if value is None else format(value, '.4g')}" for key, value in epoch.values.items())
    return f"{name}  {'  '.join(shown)}"


def _write(out: Path, names: tuple[str, ...], data: dict[str, Any], page: str, figure: Figure) -> None:
    """Write data, picture and page."""
    from sphereufm.plots.saving import save_figure

    write_json(out / names[0], data, indent=1)
    save_figure(figure, out / names[1])
    write_text(out / names[2], page)
