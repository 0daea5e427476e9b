r"""NC1 to NC4 against the two-pass computation of the released code of Yaras et al. (2022), written plainly in NumPy.

The reference makes the class means, then the whole ``d x d`` matrices ``Sigma_W`` and ``Sigma_B`` block by block in
double precision, and ``tr(Sigma_W pinv(Sigma_B)) / K``; ours also counts nearest class means and the classifier's
choices (NC4), which the reference leaves out.  Both read the same file in one run, with one BLAS thread each::

    python benchmarks/features_metrics.py --samples 160000 --dim 2048 --classes 100 --folder FOLDER

``--scale`` measures ours alone, against the time to read the file and the matrix products that NC1 to NC4 need::

    python benchmarks/features_metrics.py --samples 1281167 --dim 2048 --classes 1000 --folder FOLDER --scale

``--position`` measures the position on the landscape instead, of unit features at ``tau = 5``, against reading the file
once and the three matrix products that a cost with its gradient needs.

The file is made in pieces (float32, class means at distance one, noise of 0.3 an entry) and removed at the end.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import scipy.linalg
from threadpoolctl import threadpool_limits

from sphereufm import position
from sphereufm.features import collapse_metrics, load_features
from sphereufm.features.metrics import Streaming

ROWS = 8192


def make(paths: tuple[Path, Path, Path], samples: int, dim: int, classes: int) -> None:
    """Write features, labels and classifier."""
    rng = np.random.default_rng(0)
    means = (rng.standard_normal((classes, dim)) / np.sqrt(2 * dim)).astype(np.float32)
    labels = rng.integers(0, classes, samples)
    features = np.lib.format.open_memmap(paths[0], mode="w+", dtype=np.float32, shape=(samples, dim))
    for start in range(0, samples, ROWS):
        y = labels[start : start + ROWS]
        noise = rng.standard_normal((y.size, dim), dtype=np.float32)
        features[start : start + ROWS] = means[y] + np.float32(0.3) * noise
    features.flush()
    np.save(paths[1], labels)
    np.save(paths[2], means)


def reference(paths: tuple[Path, Path, Path], classes: int) -> dict[str, float]:
    """Two passes, whole matrices."""
    H, y, W = (np.load(path, mmap_mode="r") for path in paths)
    N, d = H.shape
    sums, counts = np.zeros((classes, d)), np.bincount(y, minlength=classes)
    for start in range(0, N, ROWS):
        block, labels = H[start : start + ROWS].astype(np.float64), y[start : start + ROWS]
        for k in range(classes):
            sums[k] += block[labels == k].sum(axis=0)
    means = sums / counts[:, None]
    within = np.zeros((d, d))
    for start in range(0, N, ROWS):
        residual = H[start : start + ROWS].astype(np.float64) - means[y[start : start + ROWS]]
        within += residual.T @ residual
    centred = means - sums.sum(axis=0) / N
    between = centred.T @ centred / classes
    weights = np.asarray(W, dtype=np.float64)

    def distance(product: np.ndarray) -> float:
        frame = (np.eye(classes) - 1 / classes) / np.sqrt(classes - 1)
        return float(np.linalg.norm(product / np.linalg.norm(product) - frame))

    return {
        "nc1": float(np.trace(within / N @ scipy.linalg.pinv(between)) / classes),
        "nc2": distance(weights @ weights.T),
        "nc3": distance(weights @ means.T),
    }


def ours(paths: tuple[Path, Path, Path], workers: int) -> dict[str, float]:
    """Measures of the package."""
    data = load_features(paths[0], paths[1], paths[2])
    found = collapse_metrics(data, covariance=False, one_vs_rest=False, streaming=Streaming(workers=workers))
    return {name: getattr(found, name) for name in ("nc1", "nc2", "nc3", "nc4")}


def floor(path: Path, classes: int) -> float:
    """Seconds to read the file twice and to make the necessary products once.

    Residuals with the K - 1 directions of the class means and with the classifier, coordinates with the K class means.
    """
    rng = np.random.default_rng(0)
    H = np.load(path, mmap_mode="r")
    N, d = H.shape
    B, C = rng.standard_normal((d, 2 * classes - 1)), rng.standard_normal((classes - 1, classes))
    buffer = np.empty((512, d), np.float32)
    begin = time.perf_counter()
    for number in range(2):
        with open(path, "rb", buffering=0) as handle:
            handle.seek(H.offset)
            for _ in range(N // 512):
                handle.readinto(memoryview(buffer).cast("B"))
                if number:
                    Z = buffer.astype(np.float64) @ B
                    _ = Z[:, : classes - 1] @ C
                    _ = Z[:, : classes - 1].T @ Z[:, : classes - 1]
    return time.perf_counter() - begin


def placed(paths: tuple[Path, Path, Path]) -> dict[str, float | None]:
    """Cost and gap of the features, normalised on the way."""
    found = position(load_features(paths[0], paths[1], paths[2]), 5, normalize=True)
    return {"cost": found.cost, "gap": found.optimality_gap, "distance": found.collapsed_distance}


def products(paths: tuple[Path, Path, Path]) -> float:
    """Seconds to read the file once and to multiply ``W^T H``, ``W G`` and ``H G^T``."""
    H, W = np.load(paths[0], mmap_mode="r"), np.load(paths[2]).astype(np.float64)
    begin = time.perf_counter()
    for start in range(0, len(H), 512):
        block = H[start : start + 512].astype(np.float64)
        G = block @ W.T
        _ = G @ W
        _ = G.T @ block
    return time.perf_counter() - begin


def timed(function, *arguments):  # type: ignore[no-untyped-def]
    """Result and seconds."""
    begin = time.perf_counter()
    result = function(*arguments)
    return result, time.perf_counter() - begin


def main() -> None:
    """Read the options, make the file, measure, remove it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samples", type=int, default=160_000)
    parser.add_argument("--dim", type=int, default=2048)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--folder", type=Path, default=Path("."))
    parser.add_argument("--threads", type=int, default=1, help="BLAS threads")
    parser.add_argument("--workers", type=int, default=1, help="processes of ours")
    parser.add_argument("--position", action="store_true", help="the position on the landscape alone")
    parser.add_argument("--scale", action="store_true", help="ours alone, against reading and products")
    options = parser.parse_args()
    os.makedirs(options.folder, exist_ok=True)
    names = ("features.npy", "labels.npy", "classifier.npy")
    paths = (options.folder / names[0], options.folder / names[1], options.folder / names[2])
    # in a process of its own, so that its memory does not count as ours
    maker = get_context("spawn").Process(
        target=make, args=(paths, options.samples, options.dim, options.classes)
    )
    maker.start()
    maker.join()
    try:
        with threadpool_limits(options.threads):
            found, seconds = timed(placed, paths) if options.position else timed(ours, paths, options.workers)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            print(f"ours       {seconds:7.1f} s  {found}")
            if options.scale or options.position:
                least = products(paths) if options.position else floor(paths[0], options.classes)
                print(
                    f"floor      {least:7.1f} s  ratio {seconds / least:.2f}; peak of the process {peak:.2f} GiB"
                )
                return
            wanted, reference_seconds = timed(reference, paths, options.classes)
            print(f"reference  {reference_seconds:7.1f} s  {wanted}")
            worst = max(abs(found[name] / value - 1) for name, value in wanted.items())
            print(
                f"reference / ours = {reference_seconds / seconds:.2f}; largest relative difference {worst:.1e}"
            )
    finally:
        for path in paths:
            path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
