"""``sphereufm features``: how collapsed saved features are, and where they stand on the landscape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import sphereufm.cli.options as options
from sphereufm.cli.printing import give, remark
from sphereufm.errors import InvalidInputError
from sphereufm.files import write_json, write_text

_SOURCES = {
    "--labels FILE|KEY|none": "Labels: another file (CSV too), a key in PATH, or none: the classifier's choices.",
    "--classifier FILE|KEY|none": "Last layer's weights: another file, a key in PATH, or none.",
    "--bias FILE|KEY": "Last layer's bias: another file, or a key in PATH.",
    "--train FILE": "Training features: PATH is held out, and measured by the class means of FILE.",
    "--train-labels FILE|KEY": "Labels of the training features, where they do not tell.",
    "--tau t|fit": "Inverse temperature that multiplied the logits in training, or fit.",
    "--scheduler ADDRESS": "Dask scheduler whose workers share the file.",
    "--checkpoint FILE": "Keep what was done in FILE; an interrupted run resumes from it.",
}
_REPEATED = {
    "--ignore-label LABEL": "Leave out samples of this label (repeatable).",
    "--ood FILE": "Features of unknown data: how well they are distinguished from PATH (repeatable).",
}


def _named(words: dict[str, str], **settings: Any) -> options.Decorator:
    """Options by their flag, with what stands for a value behind it, and what they are for."""
    split = [(*flag.split(), text) for flag, text in words.items()]
    return options.together(
        *(click.option(flag, metavar=value, help=text, **settings) for flag, value, text in split)
    )


@click.command(
    short_help="Measure neural collapse in saved features.",
    epilog="Example: sphereufm features features.npz --tau 5",
)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path())
@_named(_SOURCES)
@_named(_REPEATED, multiple=True)
@click.option("--remap-labels", is_flag=True, help="Number the labels that occur from 0.")
@click.option(
    "--epochs",
    is_flag=True,
    help="PATH is a folder with one file an epoch (or the files; several folders are several trainings).",
)
@click.option("--classes", type=int, metavar="K", help="Number of classes, where labels do not tell.")
@click.option("--pool", type=click.Choice(["mean"]), help="Average features (N, C, H, W) over places.")
@click.option(
    "--transpose",
    type=click.Choice(["features", "classifier"]),
    multiple=True,
    help="These lie in columns: (d, N) or (d, K).",
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
@click.option("--all", "everything", is_flag=True, help="Print every number with its convention.")
@click.option("--workers", type=int, default=1, show_default=True, help="Threads that share the work.")
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
    if given["train_labels"] is not None and given["train"] is None:
        raise InvalidInputError(
            "--train-labels are those of the features of --train; give it, or leave them out"
        )
    if epochs and (given["train"] or given["ood"]):
        raise InvalidInputError(
            "--train and --ood are for one state of a network; leave them out with --epochs"
        )
    names = ("features.json", "trajectory.png" if epochs else "features.png", "report.html")
    options.prepare_output(out, names, force)
    loss = options.loss_from_options(given["loss"], {key: given[key] for key in options.LOSS_PARAMETERS})

    from sphereufm.cli.feature_results import Run, measure_files, measure_trainings

    run = Run(options=given, loss=loss, quick=epochs)
    found = measure_trainings(run, paths) if epochs else measure_files(run, paths, everything)
    errors = [file.error for file in found.files]
    if None not in errors:
        out = None
    if out is not None:
        from sphereufm.plots.saving import save_figure

        page, figure = found.draw()
        write_json(out / names[0], found.data, indent=1)
        save_figure(figure, out / names[1])
        write_text(out / names[2], page)
    give(as_json, found.data, found.lines, out, names)
    if not (epochs or everything or as_json):
        remark("Every number with its convention: --all.")
    if not found.complete:
        raise KeyboardInterrupt
    return 2 if any(errors) else 0
