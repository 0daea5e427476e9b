r"""Experiments with real networks: which claims for normalised features hold for small networks on one processor.

Five experiments, five seeds each (:mod:`networks` says what is trained and measured):

``collapse``
    Normalised features against weight decay, all training images, final features linear or those of a ReLU.
``temperature``
    Normalised features at ``tau`` from 0.1 to 100, on the digits.
``samples``
    5 and 20 training images of each class.
``width``
    Random labels for 500 images of MNIST, hidden layers and features of equal width.
``losses``
    Cross-entropy, label smoothing 0.1, focal loss and squared error: normalised features, and weight decay with a bias.

Most variants are trained at two rates, since one rate favours one of them.  A run is added to the results as soon
as it is done; an interrupted program goes on where it was::

    python benchmarks/paper/network_experiments.py

This takes about half an hour on one idle core and needs the extra ``bench``.  ``network_figures.py`` makes the figures
and tables of the results, without training.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, fields
from itertools import product
from pathlib import Path
from typing import Any

from networks import LOSSES, Run, Setting, run

RESULTS = Path(__file__).with_name("network_results.json")
SEEDS = range(5)
LEVELS = (0.1, 0.01)
# of a curve that is kept
_POINTS = 40


def collapse(seed: int) -> Iterator[Setting]:
    """Normalised features against weight decay."""
    variants = (
        ("normalised", 1.0, False),
        ("normalised", 5.0, False),
        ("decay", 1e-4, False),
        ("decay", 5e-4, False),
        ("decay", 2e-3, False),
        ("normalised", 1.0, True),
        ("decay", 5e-4, True),
    )
    for data, epochs, rates in (("digits", 300, (0.1, 0.2)), ("mnist", 40, (0.03, 0.1))):
        for (variant, strength, relu), rate in product(variants, rates):
            yield Setting(
                data=data,
                variant=variant,
                strength=strength,
                relu=relu,
                rate=rate,
                epochs=epochs,
                seed=seed,
            )


def temperature(seed: int) -> Iterator[Setting]:
    """Normalised features at several inverse temperatures."""
    for tau, rate in product((0.1, 0.5, 1.0, 3.0, 10.0, 30.0, 100.0), (0.03, 0.3)):
        yield Setting(data="digits", variant="normalised", strength=tau, rate=rate, epochs=60, seed=seed)


def samples(seed: int) -> Iterator[Setting]:
    """Few images of each class."""
    variants = (("normalised", 1.0), ("normalised", 5.0), ("decay", 5e-4))
    for data, few, (variant, strength), rate in product(("digits", "mnist"), (5, 20), variants, (0.03, 0.1)):
        yield Setting(
            data=data,
            variant=variant,
            strength=strength,
            rate=rate,
            per_class=few,
            epochs=100,
            seed=seed,
        )


def width(seed: int) -> Iterator[Setting]:
    """Random labels and networks of several widths."""
    for size, (variant, strength) in product((16, 32, 64, 128), (("normalised", 1.0), ("decay", 5e-4))):
        yield Setting(
            data="mnist",
            variant=variant,
            strength=strength,
            rate=0.1,
            width=size,
            dim=size,
            per_class=50,
            random_labels=True,
            epochs=200,
            every=4,
            seed=seed,
        )


def losses(seed: int) -> Iterator[Setting]:
    """Every loss, on the spheres and with weight decay and a bias, as Zhou et al. (2022) train."""
    variants = (
        ("normalised", 1.0, False),
        ("normalised", 5.0, False),
        ("decay", 5e-4, False),
        ("decay", 5e-4, True),
    )
    # squared error has the target 1, which is the end of what a normalised network with tau = 1 can give
    for data, epochs, loss, (variant, strength, relu), rate in product(
        ("digits", "mnist"), (60,), LOSSES, variants, (0.03, 0.1)
    ):
        yield Setting(
            data=data,
            variant=variant,
            strength=strength,
            relu=relu,
            bias=variant == "decay",
            loss=loss,
            rate=rate,
            epochs=epochs,
            seed=seed,
        )


EXPERIMENTS = {
    "collapse": collapse,
    "temperature": temperature,
    "samples": samples,
    "width": width,
    "losses": losses,
}


def record(experiment: str, setting: Setting, result: Run | None) -> dict[str, Any]:
    """One line of the results: the setting where it is not the usual one, and rounded numbers."""
    usual = {f.name: f.default for f in fields(Setting)}
    line = {"experiment": experiment}
    line |= {name: value for name, value in asdict(setting).items() if value != usual[name]}
    if result is None:
        return line | {"failed": True}
    known = list(zip(result.epochs, result.nc1, strict=True))
    for level in LEVELS:
        reached = (epoch for epoch, value in known if value is not None and value < level)
        line[f"first_{level:g}"] = next(reached, None)
    numbers = asdict(result) | {name: getattr(result, name)[-1] for name in ("nc1", "nc2", "nc3")}
    line |= {name: _rounded(value) for name, value in numbers.items() if name != "epochs"}
    if experiment in ("collapse", "losses"):
        more = (result.nc2, result.nc3) if experiment == "losses" else ()
        line["curve"] = [
            [result.epochs[k], *(_rounded(values[k], 3) for values in (result.nc1, *more))]
            for k in _thinned(len(known), 12 if more else _POINTS)
        ]
    return line


def _thinned(length: int, points: int) -> list[int]:
    """Places of about so many points of a curve, denser at its beginning."""
    return sorted({round((length - 1) * (k / (points - 1)) ** 2) for k in range(points)})


def _rounded(value: float | None, digits: int = 5) -> float | None:
    """A number of few digits."""
    return None if value is None else float(f"{value:.{digits}g}")


def write(lines: list[dict[str, Any]]) -> None:
    """Write all results, one run a line, to a temporary name first."""
    aside = RESULTS.with_name("." + RESULTS.name)
    text = ",\n".join(json.dumps(line) for line in lines)
    aside.write_text(f"[\n{text}\n]\n", encoding="utf-8")
    aside.replace(RESULTS)


def main() -> None:
    """Train what is not in the results yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=EXPERIMENTS, help="one experiment")
    only = parser.parse_args().only
    lines = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else []
    heads = {_head(line) for line in lines}
    todo = [
        (name, setting)
        for name, make in EXPERIMENTS.items()
        if only in (None, name)
        for seed in SEEDS
        for setting in make(seed)
        if _head(record(name, setting, None)) not in heads
    ]
    for number, (name, setting) in enumerate(todo, start=1):
        print(f"{number} of {len(todo)}: {name} {setting}", file=sys.stderr, flush=True)
        try:
            result = run(setting)
        except RuntimeError as error:
            print(f"failed: {error}", file=sys.stderr)
            result = None
        lines.append(record(name, setting, result))
        write(lines)


def _head(line: dict[str, Any]) -> str:
    """What tells a run from the others."""
    names = ("experiment", *(f.name for f in fields(Setting)))
    return json.dumps({name: line.get(name) for name in names})


if __name__ == "__main__":
    main()
