"""Check the gap of a large point in floating point with error bounds, against the matrix products that it needs.

    python benchmarks/large_gap.py --classes 1000 --dim 512 --samples 1000000 --folder /tmp/large

The point: a simplex frame in ``R^d`` (random classifiers where ``d < K - 1``) with every feature at its classifier but
moved a little, all distinct, in float32; made in pieces.  The
matrix products: ``A = H W^T``, ``G W`` and ``C = G^T G`` on blocks of the same size that stay in memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path

import numpy as np

from sphereufm import simplex_etf
from sphereufm.certify.large_gap.bounds import BLOCK
from sphereufm.certify.large_gap.check import check_large_gap, prove_large_gap


def make(folder: Path, K: int, d: int, N: int, distance: float) -> dict[str, str]:
    """Write classifier, features and labels; return the files' names."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    W = np.ascontiguousarray(simplex_etf(K, d).T) if d >= K - 1 else rng.standard_normal((K, d))
    W /= np.linalg.norm(W, axis=1)[:, None]
    y = np.arange(N) % K
    np.save(folder / "classifier.npy", W)
    np.save(folder / "labels.npy", y)
    features = np.lib.format.open_memmap(folder / "features.npy", mode="w+", dtype=np.float32, shape=(N, d))
    for first in range(0, N, 1 << 15):
        part = slice(first, min(first + (1 << 15), N))
        features[part] = W[y[part]] + distance * rng.standard_normal((part.stop - first, d), dtype=np.float32)
    features.flush()
    return {"classifier": "classifier.npy", "features": "features.npy", "labels": "labels.npy"}


def products(K: int, d: int, N: int, blocks: int = 5) -> float:
    """Seconds of the three matrix products of a pass, from a few blocks."""
    rng = np.random.default_rng(0)
    H, W, G = (rng.standard_normal(shape) for shape in ((BLOCK, d), (K, d), (BLOCK, K)))
    seconds = []
    for _ in range(blocks + 1):
        start = time.perf_counter()
        _ = H @ W.T
        _ = G @ W
        _ = G.T @ G
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds[1:])) * N / BLOCK


def main() -> None:
    """Make, prove with one pass, check, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--tau", default="5")
    parser.add_argument("--distance", type=float, default=1e-4)
    parser.add_argument("--refinements", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path("results/large_gap"))
    o = parser.parse_args()
    names = make(o.folder, o.classes, o.dim, o.samples, o.distance)
    path = o.folder / "gap.json"
    prove_large_gap(path, tau=o.tau, refinements=o.refinements, **names)
    start = time.perf_counter()
    result = check_large_gap(path)
    seconds = time.perf_counter() - start
    needed = products(o.classes, o.dim, o.samples)
    print(result)
    report = {
        "classes": o.classes,
        "dim": o.dim,
        "samples": o.samples,
        "seconds": seconds,
        "matrix_products": needed,
        "ratio": seconds / needed,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
