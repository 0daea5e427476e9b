"""``sphereufm features``: how collapsed saved features are, and where they stand on the landscape."""

from __future__ import annotations

import json
from typing import Any

import click

from sphereufm.cli.options import json_option

__all__ = ["features"]


@click.command(epilog="Example: sphereufm features features.npz --tau 5")
@click.argument("file", metavar="FILE")
@click.option("--labels", metavar="FILE|KEY", help="Labels: another file, or a key in FILE.")
@click.option(
    "--classifier", metavar="FILE|KEY", help="Last layer's weights: another file, or a key in FILE."
)
@click.option("--bias", metavar="FILE|KEY", help="Last layer's bias: another file, or a key in FILE.")
@click.option("--tau", metavar="t", help="Inverse temperature that multiplied the logits in training.")
@json_option
def features(
    file: str, labels: str | None, classifier: str | None, bias: str | None, tau: str | None, as_json: bool
) -> int:
    """Measure neural collapse in saved features (.npy or .npz, rows are samples)."""
    from sphereufm.features import collapse_metrics, load_features
    from sphereufm.landscape.position import position

    data = load_features(file, labels=labels, classifier=classifier, bias=bias)
    metrics = collapse_metrics(data)
    place = position(data, tau)
    report: dict[str, Any] = {**metrics.to_json(), **place.to_json()}
    if as_json:
        click.echo(json.dumps(report, allow_nan=False))
        return 0
    for line in data.chosen:
        click.echo(line)
    click.echo(str(metrics))
    click.echo(str(place))
    return 0
