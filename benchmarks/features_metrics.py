r"""NC1 to NC4 against the two-pass computation of the released code of Yaras et al. (2022), written plainly in NumPy.

The reference makes the class means, then the whole ``d x d`` matrices ``Sigma_W`` and ``Sigma_B`` block by block in
double precision, and ``tr(Sigma_W pinv(Sigma_B)) / K``; ours also counts nearest class means and the classifier's
choices (NC4), which the reference leaves out.  Both read the same file in one run, with one BLAS thread each::

    python benchmarks/features_metrics.py --samples 160000 --dim 2048 --classes 100 --folder FOLDER

``--scale`` measures ours alone, against the time to read the file and the matrix products that NC1 to NC4 need::

    python benchmarks/features_metrics.py --samples 1281167 --dim 2048 --classes 1000 --folder FOLDER --scale

``--position`` measures metrics and position on the landscape together, as ``sphereufm features`` does, of unit features
at ``tau = 5``, against reading the file once and the four matrix products of both: with the class means, with the
classifier, and the two of the gradient.  ``--bias`` measures an ordinary network with a bias and unbalanced classes
instead, which asks for the best bias too (``--noise 0.02`` for nearly collapsed features).

The file is made in pieces (float32, class means at distance one, noise of 0.3 an entry) and removed at the end.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import scipy.linalg
from threadpoolctl import threadpool_limits

from sphereufm.features import collapse_metrics, load_features
from sphereufm.features.metrics import Streaming
from sphereufm.features.metrics.collapse import Measuring
from sphereufm.placement.layer import Placing
from sphereufm.placement.measurement import measure

ROWS = 8192


def _clock() -> float:
    """Seconds of processor time of this process; the machine may be shared.  Workers are timed by the wall."""
    return time.perf_counter() if "--workers" in sys.argv else time.process_time()


def make(paths: tuple[Path, Path, Path], options: argparse.Namespace) -> None:
    """Write features, labels and classifier; classes of unequal size where there is a bias."""
    samples, dim, classes = options.samples, options.dim, options.classes
    rng = np.random.default_rng(0)
    means = (rng.standard_normal((classes, dim)) / np.sqrt(2 * dim)).astype(np.float32)
    shares = np.linspace(1.0, 5.0, classes) if options.bias else np.ones(classes)
    labels = rng.choice(classes, samples, p=shares / shares.sum())
    features = np.lib.format.open_memmap(paths[0], mode="w+", dtype=np.float32, shape=(samples, dim))
    for start in range(0, samples, ROWS):
        y = labels[start : start + ROWS]
        noise = rng.standard_normal((y.size, dim), dtype=np.float32)
        features[start : start + ROWS] = means[y] + np.float32(options.noise) * noise
    features.flush()
    np.save(paths[1], labels)
    np.save(paths[2], means * np.float32(options.scale_classifier))


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
    begin = _clock()
    for number in range(2):
        with open(path, "rb", buffering=0) as handle:
            handle.seek(H.offset)
            for _ in range(N // 512):
                handle.readinto(memoryview(buffer).cast("B"))
                if number:
                    Z = buffer.astype(np.float64) @ B
                    _ = Z[:, : classes - 1] @ C
                    _ = Z[:, : classes - 1].T @ Z[:, : classes - 1]
    return _clock() - begin


def placed(paths: tuple[Path, Path, Path], options: argparse.Namespace) -> dict[str, float | None]:
    """Metrics and position, features normalised on the way unless there is a bias."""
    bias = np.random.default_rng(1).standard_normal(options.classes) if options.bias else None
    what = Measuring(normalize=not options.bias, covariance=False, one_vs_rest=False)
    place = Placing(tau=None if options.bias else 5, curvature=False)
    data = load_features(paths[0], paths[1], paths[2], bias)
    metrics, where = measure(data, what, place, Streaming(workers=options.workers))
    found = {"nc1": metrics.nc1, "cost": where.cost, "gap": where.optimality_gap}
    return found | (
        {"free_bias_gap": where.free_bias_gap} if options.bias else {"distance": where.collapsed_distance}
    )


def products(paths: tuple[Path, Path, Path]) -> float:
    """Seconds to read the file once, to multiply ``B^T H``, ``W^T H``, ``W G`` and ``H G^T``."""
    H, W = np.load(paths[0], mmap_mode="r"), np.load(paths[2]).astype(np.float64)
    both = np.concatenate([W, W])
    buffer = np.empty((512, H.shape[1]), np.float32)
    begin = _clock()
    with open(paths[0], "rb", buffering=0) as handle:
        handle.seek(H.offset)
        for _ in range(len(H) // 512):
            handle.readinto(memoryview(buffer).cast("B"))
            block = buffer.astype(np.float64)
            G = (block @ both.T)[:, : len(W)]
            _ = G @ W
            _ = G.T @ block
    return _clock() - begin


def timed(function, *arguments):  # type: ignore[no-untyped-def]
    """Result and seconds."""
    begin = _clock()
    result = function(*arguments)
    return result, _clock() - begin


def main() -> None:
    """Read the options, make the file, measure, remove it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samples", type=int, default=160_000)
    parser.add_argument("--dim", type=int, default=2048)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--folder", type=Path, default=Path("."))
    parser.add_argument("--threads", type=int, default=1, help="BLAS threads")
    parser.add_argument("--workers", type=int, default=1, help="processes of ours")
    parser.add_argument("--position", action="store_true", help="metrics and position together")
    parser.add_argument("--bias", action="store_true", help="an ordinary network, unbalanced, with a bias")
    parser.add_argument(
        "--noise", type=float, default=0.3, help="of each entry, beside means at distance one"
    )
    parser.add_argument(
        "--scale-classifier", type=float, default=1.0, help="length of the classifier rows, about"
    )
    parser.add_argument("--scale", action="store_true", help="ours alone, against reading and products")
    options = parser.parse_args()
    os.makedirs(options.folder, exist_ok=True)
    names = ("features.npy", "labels.npy", "classifier.npy")
    paths = (options.folder / names[0], options.folder / names[1], options.folder / names[2])
    # in a process of its own, so that its memory does not count as ours
    maker = get_context("spawn").Process(target=make, args=(paths, options))
    maker.start()
    maker.join()
    try:
        with threadpool_limits(options.threads):
            found, seconds = (
                timed(placed, paths, options)
                if options.position or options.bias
                else timed(ours, paths, options.workers)
            )
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            print(f"ours       {seconds:7.1f} s  {found}")
            if options.scale or options.position or options.bias:
                least = (
                    products(paths) if options.position or options.bias else floor(paths[0], options.classes)
                )
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
