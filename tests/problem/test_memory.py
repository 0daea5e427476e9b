"""A million samples under a stated memory budget, measured in a process of its own."""

import json
import subprocess
import sys

import pytest

SCRIPT = """
import json, resource, sys
import numpy as np
from sphereufm.problem.ufm import UFMProblem

N, K, d, budget = 1_000_000, 100, 16, int(sys.argv[1])
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
rng = np.random.default_rng(0)
problem = UFMProblem(class_sizes=(N // K,) * K, dim=d, tau=5, memory_budget=budget)
problem.blocks
X, U = np.empty((2, d, K + N))
for start in range(0, K + N, 1000):
    part, tangent = X[:, start : start + 1000], U[:, start : start + 1000]
    part[...] = rng.normal(size=part.shape)
    part /= np.sqrt((part * part).sum(axis=0))
    tangent[...] = rng.normal(size=part.shape)
    tangent -= part * (part * tangent).sum(axis=0)
before = peak()
point = problem.at(X)
cost, gradient, product, scale = point.cost, point.gradient, point.hessian_product(U), point.gradient_scale
image = point.multiplier_matrix @ scale
corner = point.multiplier_matrix.schur_complement(1.0)
after = peak()
sample = rng.integers(K, K + N, 200)
small = UFMProblem(labels=problem.labels[sample - K], classes=K, dim=d, tau=5)
columns = np.concatenate([np.arange(K), sample])
expected = small.at(X[:, columns]).gradient[:, K:] * 200 / N
print(json.dumps({
    "used": after - before,
    "point": X.nbytes,
    "error": float(np.abs(gradient[:, sample] - expected).max() / np.abs(expected).max()),
    "finite": bool(np.isfinite(product).all() and np.isfinite(image).all() and np.isfinite(corner).all()),
}))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kilobytes on Linux only")
@pytest.mark.parametrize("budget", [0, 64 << 20])
def test_a_million_samples_stay_within_the_stated_memory(budget):
    """Two arrays of the size of the point are asked for; all else fits the budget and 80 MB.

    The logits alone would take 800 MB.
    """
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(budget)], capture_output=True, text=True, check=True, timeout=300
    )
    measured = json.loads(run.stdout)
    used, asked = measured["used"] / 2**20, 2 * measured["point"] / 2**20
    print(f"peak above the inputs: {used:.0f} MiB, of which {asked:.0f} MiB are the answers")
    assert measured["used"] <= 2 * measured["point"] + budget + (80 << 20)
    assert measured["finite"]
    assert measured["error"] < 1e-12
