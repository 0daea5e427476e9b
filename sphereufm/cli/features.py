"""``sphereufm features``: how collapsed saved features are, and where they stand on the landscape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import sphereufm.cli.options as options
from sphereufm.errors import InvalidInputError


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
@options.loss
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
@options.output
@options.as_json
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
    names = ("features.json", "trajectory.png" if epochs else "features.png", "report.html")
    options.prepare_output(out, names, force)
    loss = options.loss_from_options(given["loss"], {key: given[key] for key in options.LOSS_PARAMETERS})

    from sphereufm.cli.feature_results import Results, Run, show_files, show_trainings

    run = Run(options=given, loss=loss, quick=epochs)
    results = Results(folder=out, names=names, as_json=as_json)
    return show_trainings(run, paths, results) if epochs else show_files(run, paths, results, everything)
