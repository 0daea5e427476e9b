r"""Normalised features against weight decay in a real network, and the choice of temperature.

The network of ``benchmarks/train_digits.py`` on scikit-learn's handwritten digits, five seeds: normalised at several
inverse temperatures ``tau``, against the same network with weight decay, nothing normalised and its classifier free.
Features of every epoch are measured by :func:`sphereufm.collapse_metrics` and placed by :func:`sphereufm.position`.

Needs the extra ``bench`` (CPU torch, scikit-learn)::

    python benchmarks/paper/network_digits.py --data network_digits.json
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
from argparse import Namespace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from sphereufm import collapse_metrics, load_features, position

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import train_digits

TAUS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 100.0)
DECAYS = (1e-4, 1e-3)
LEVEL = 0.1


def run(variant: str, epochs: int, seed: int, **changes: float) -> dict[str, float | None]:
    """Train once; the first epoch with NC1 below 0.1, and the last epoch's measures."""
    with TemporaryDirectory() as folder:
        fixed = {"dim": 32, "tau": 1.0, "decay": 0.0, "linear": True, "every_epoch": True}
        options = Namespace(**(fixed | changes), seed=seed, epochs=epochs, out=Path(folder))
        accuracy = train_digits.train(variant, options)
        files = sorted((Path(folder) / variant).iterdir())
        measured = [collapse_metrics(load_features(f), covariance=False, one_vs_rest=False) for f in files]
        place = position(load_features(files[-1]), options.tau if variant == "normalised" else None)
    reached = [k for k, m in enumerate(measured, start=1) if m.nc1 is not None and m.nc1 < LEVEL]
    last = measured[-1]
    return {
        "first_epoch": reached[0] if reached else None,
        "nc1": last.nc1,
        "nc2": last.nc2,
        "nc3": last.nc3,
        "gap": place.optimality_gap,
        "cost": place.cost,
        "accuracy": accuracy,
    }


def row(name: str, runs: list[dict[str, float | None]]) -> str:
    """Means and standard deviations over the seeds, as a row of a table."""
    first = [r["first_epoch"] for r in runs if r["first_epoch"] is not None]
    shown = (
        f"{statistics.median(first):g} ({len(first)} of {len(runs)})"
        if first
        else f"never (0 of {len(runs)})"
    )
    cells = []
    for key in ("nc1", "nc2", "nc3", "gap", "accuracy"):
        values = [value for r in runs if (value := r[key]) is not None]
        spread = statistics.stdev(values) if len(values) > 1 else math.nan
        cells.append(f"{statistics.mean(values):.3g} +- {spread:.1g}" if values else "-")
    return f"| {name} | {shown} | {' | '.join(cells)} |"


def main() -> None:
    """Train all variants and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--data", type=Path, help="write the numbers as JSON")
    options = parser.parse_args()
    torch.set_num_threads(1)
    results: dict[str, list[dict[str, float | None]]] = {}
    for tau in TAUS:
        name = f"normalised, tau = {tau:g}"
        results[name] = [run("normalised", options.epochs, s, tau=tau) for s in range(options.seeds)]
    for decay in DECAYS:
        for linear in (True, False):
            name = f"weight decay {decay:g}, {'linear' if linear else 'ReLU'} features"
            results[name] = [
                run("plain", options.epochs, s, decay=decay, linear=linear) for s in range(options.seeds)
            ]
    print(f"| variant | first epoch with NC1 < {LEVEL} | NC1 | NC2 | NC3 | gap (nats) | test accuracy |")
    print("|---|---|---|---|---|---|---|")
    for name, runs in results.items():
        print(row(name, runs), flush=True)
    if options.data is not None:
        aside = options.data.with_name(f".{options.data.name}.tmp")
        aside.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        os.replace(aside, options.data)


if __name__ == "__main__":
    main()
