r"""Figures and tables of the experiments with real networks, from their stored results; nothing is trained.

::

    python benchmarks/paper/network_figures.py --out docs/images

Where a variant was trained at several rates, the one with the highest mean accuracy on the test images is shown: a
choice that favours every variant alike.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from drawing import axes_of, save

RESULTS = Path(__file__).with_name("network_results.json")
# colour-blind safe (Okabe and Ito, 2008)
COLOURS = ("#0072B2", "#56B4E9", "#D55E00", "#E69F00", "#009E73", "#CC79A7", "#000000")
# quantile 0.975 of Student's t with four degrees of freedom: five pairs
STUDENT = 2.776
LEVEL = "first_0.1"
USUAL_WIDTH = 128

Lines = list[dict[str, Any]]


def name_of(line: dict[str, Any]) -> str:
    """Of a variant, in words."""
    what = "normalised, tau = {:g}" if line["variant"] == "normalised" else "weight decay {:g}"
    what += ", bias" if line.get("bias") else ""
    loss = f"{line['loss']}: " if "loss" in line else ""
    return loss + what.format(line["strength"]) + (", ReLU features" if line.get("relu") else "")


def grouped(lines: Lines, key: Callable[[dict[str, Any]], Any]) -> dict[Any, Lines]:
    """Lines of equal key, in the order of first appearance."""
    found: dict[Any, Lines] = {}
    for line in lines:
        found.setdefault(key(line), []).append(line)
    return found


def best_rates(lines: Lines) -> dict[Any, Lines]:
    """For each setting but for rate and seed: the runs at the rate of highest mean accuracy."""
    names = ("data", "variant", "strength", "relu", "per_class", "width", "loss")
    found = {}
    for key, own in grouped(lines, lambda line: tuple(line.get(name) for name in names)).items():
        rates = grouped(own, lambda line: line["rate"]).values()
        found[key] = max(rates, key=lambda runs: statistics.mean(r.get("accuracy", 0.0) for r in runs))
    return found


def spread(runs: Lines, name: str) -> str:
    """Mean and standard deviation of an accuracy over the seeds, in percent; a run that failed has accuracy zero."""
    values = [100.0 * r.get(name, 0.0) for r in runs]
    return f"{statistics.mean(values):.1f} ± {statistics.stdev(values):.1f}" if len(values) > 1 else "-"


def middle(runs: Lines, name: str) -> str:
    """Median of what spans orders of magnitude."""
    values = [r[name] for r in runs if r.get(name) is not None]
    return f"{statistics.median(values):.2g}" if values else "-"


def reached(runs: Lines) -> str:
    """Median of the first epoch with NC1 below the level, and how many runs got there."""
    epochs = [r[LEVEL] for r in runs if r.get(LEVEL) is not None]
    if not epochs:
        return "never"
    count = "" if len(epochs) == len(runs) else f" ({len(epochs)} of {len(runs)})"
    return f"{statistics.median(epochs):g}{count}"


def table(lines: Lines, title: str, extra: str | None = None) -> None:
    """Print one experiment, a row for each variant."""
    head = [
        "variant",
        "rate",
        "epoch of NC1 < 0.1",
        "NC1",
        "NC2",
        "NC3",
        "accuracy",
        "nearest mean",
        "test NC1",
    ]
    if extra:
        head.insert(0, extra.replace("_", " "))
    print(f"\n{title}\n\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for runs in best_rates(lines).values():
        cells = [name_of(runs[0]), f"{runs[0]['rate']:g}", reached(runs)]
        cells += [middle(runs, name) for name in ("nc1", "nc2", "nc3")]
        cells += [spread(runs, "accuracy"), spread(runs, "mean_accuracy"), middle(runs, "test_nc1")]
        if extra:
            cells.insert(0, str(runs[0].get(extra, USUAL_WIDTH)))
        print(f"| {' | '.join(cells)} |")


def pairs(lines: Lines, first: tuple[str, float], second: tuple[str, float], title: str) -> None:
    """Print mean differences between two variants at equal seeds, with 95 % intervals of Student's t."""
    chosen = {
        (r[0]["variant"], r[0]["strength"]): r for r in best_rates(lines).values() if not r[0].get("relu")
    }
    if first not in chosen or second not in chosen:
        return
    for name in ("accuracy", "mean_accuracy"):
        others = {r["seed"]: r.get(name, 0.0) for r in chosen[second]}
        values = [100.0 * (r.get(name, 0.0) - others[r["seed"]]) for r in chosen[first]]
        half = STUDENT * statistics.stdev(values) / math.sqrt(len(values))
        print(f"{title}: {name} {statistics.mean(values):+.2f} ± {half:.2f} points")


def draw_band(
    ax: Any, x: Sequence[float], runs: Sequence[Sequence[float | None]], colour: str, label: str
) -> None:
    """Median over the seeds, and from the least to the largest."""
    places, low, mid, high = [], [], [], []
    for place, values in zip(x, zip(*runs, strict=True), strict=True):
        known = [v for v in values if v is not None]
        if known:
            places.append(place)
            low.append(min(known))
            mid.append(statistics.median(known))
            high.append(max(known))
    ax.plot(places, mid, ".-", color=colour, label=label, ms=4)
    ax.fill_between(places, low, high, color=colour, alpha=0.2, lw=0)


def draw_collapse(lines: Lines, path: Path) -> None:
    """NC1 against the epoch, a panel for each data set."""
    figure, axes = axes_of("epoch", "NC1 (training images)", columns=2, width=9.6)
    shown = [
        ("normalised", 1.0, None),
        ("normalised", 5.0, None),
        ("decay", 5e-4, None),
        ("decay", 5e-4, True),
    ]
    for ax, (data, own) in zip(axes, grouped(lines, lambda line: line["data"]).items(), strict=True):
        ax.set_title(data, fontsize=10)
        chosen = {(r[0]["variant"], r[0]["strength"], r[0].get("relu")): r for r in best_rates(own).values()}
        for key, colour in zip(shown, COLOURS, strict=False):
            runs = [r for r in chosen[key] if "curve" in r]
            epochs = [epoch for epoch, _ in runs[0]["curve"]]
            draw_band(ax, epochs, [[v for _, v in r["curve"]] for r in runs], colour, name_of(runs[0]))
        ax.set_xscale("log")
        ax.set_yscale("log")
    axes[0].legend(frameon=False, fontsize=8)
    save(figure, path)


def draw_losses(lines: Lines, path: Path) -> None:
    """NC1, NC2 and NC3 against the epoch on MNIST, a row for each variant and a line for each loss."""
    own = [line for line in lines if line["data"] == "mnist"]
    variants = grouped(own, lambda line: (line["variant"], line["strength"], line.get("relu")))
    rows = [
        variants[key] for key in (("normalised", 1.0, None), ("normalised", 5.0, None), ("decay", 5e-4, True))
    ]
    figure, axes = axes_of("epoch", "", columns=3, width=9.6, rows=len(rows))
    for row, chosen in zip(axes, rows, strict=True):
        for runs, colour in zip(best_rates(chosen).values(), COLOURS[::2], strict=False):
            kept = [r for r in runs if "curve" in r]
            epochs = [point[0] for point in kept[0]["curve"]]
            for k, ax in enumerate(row, start=1):
                values = [[point[k] for point in r["curve"]] for r in kept]
                draw_band(ax, epochs, values, colour, kept[0].get("loss", "cross-entropy"))
        for k, ax in enumerate(row, start=1):
            ax.set(xscale="log", yscale="log")
            ax.set_title(f"NC{k}; {name_of({**chosen[0], 'loss': ''})[2:]}", fontsize=8)
    axes[0][0].legend(frameon=False, fontsize=7)
    save(figure, path)


def draw_against(lines: Lines, over: str, xlabel: str, names: Sequence[tuple[str, str]], path: Path) -> None:
    """Measures against a parameter, a panel for each, a line for each variant."""
    figure, axes = axes_of(xlabel, "", columns=len(names), width=4.8 * len(names))
    variants = grouped(lines, lambda line: line["variant"] if over == "strength" else name_of(line))
    for ax, (name, label) in zip(axes, names, strict=True):
        for (variant, own), colour in zip(variants.items(), COLOURS[::2], strict=False):
            chosen = sorted(best_rates(own).values(), key=lambda runs: runs[0].get(over, USUAL_WIDTH))
            x = [runs[0].get(over, USUAL_WIDTH) for runs in chosen]
            draw_band(
                ax,
                x,
                list(zip(*[[r.get(name) for r in runs] for runs in chosen], strict=True)),
                colour,
                variant,
            )
        ax.set_xscale("log")
        ax.set_ylabel(label)
        if name != "accuracy" and name != "train_accuracy":
            ax.set_yscale("log")
    if len(variants) > 1:
        axes[0].legend(frameon=False, fontsize=8)
    save(figure, path)


def main() -> None:
    """Print the tables and draw the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder of the figures")
    out = parser.parse_args().out
    experiments = grouped(json.loads(RESULTS.read_text(encoding="utf-8")), lambda line: line["experiment"])
    for data, lines in grouped(experiments["collapse"], lambda line: line["data"]).items():
        table(lines, f"Normalised features against weight decay, {data}")
        for tau in (1.0, 5.0):
            pairs(lines, ("normalised", tau), ("decay", 5e-4), f"tau = {tau:g} against decay 5e-4, {data}")
    table(experiments["temperature"], "Temperature, digits")
    for data, lines in grouped(experiments["samples"], lambda line: line["data"]).items():
        table(lines, f"Few images of each class, {data}", "per_class")
        for few, own in grouped(lines, lambda line: line["per_class"]).items():
            for tau in (1.0, 5.0):
                pairs(
                    own,
                    ("normalised", tau),
                    ("decay", 5e-4),
                    f"tau = {tau:g} against decay, {data}, {few} images",
                )
    table(experiments["width"], "Random labels", "width")
    for data, lines in grouped(experiments["losses"], lambda line: line["data"]).items():
        table(lines, f"Loss by loss, {data}")
    draw_losses(experiments["losses"], out / "network-losses.svg")
    draw_collapse(experiments["collapse"], out / "network-collapse.svg")
    draw_against(
        experiments["temperature"],
        "strength",
        "tau",
        (("nc1", "NC1"), ("nc3", "NC3"), ("accuracy", "test accuracy")),
        out / "network-temperature.svg",
    )
    draw_against(
        experiments["width"],
        "width",
        "width",
        (("nc1", "NC1"), ("train_accuracy", "training accuracy")),
        out / "network-width.svg",
    )


if __name__ == "__main__":
    main()
