"""Critical points per second: the batched search against a plain loop over Pymanopt.

Both sides get the same starts and the same tolerance on the relative gradient norm, in one run, with one BLAS thread
(set OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1). The loop is what a Pymanopt user would write: minimise
``|grad f|^2 / 2`` by trust regions, cost by autograd, one start after the other, until its own gradient is 1e-10.

    python benchmarks/enumeration.py [--batched 2048] [--looped 4]
"""

import argparse
import time
import warnings

import autograd.numpy as anp
import numpy as np
import pymanopt

from sphereufm.landscape.search.squared_gradient import find_critical_points
from sphereufm.problem.interface import relative_gradient_norm
from sphereufm.problem.ufm import UFMProblem

TOLERANCE = 1e-8


def squared_gradient(problem):
    """Pymanopt problem of ``|grad f|^2 / 2`` with everything by automatic differentiation."""
    manifold = pymanopt.manifolds.Oblique(problem.dim, problem.shape[1])
    K, tau, labels = problem.classes, problem.tau, problem.labels

    @pymanopt.function.autograd(manifold)
    def cost(X):
        W, H = X[:, :K], X[:, K:]
        Z = tau * anp.dot(W.T, H)
        E = anp.exp(Z - anp.max(Z, axis=0))
        G = tau * (E / anp.sum(E, axis=0) - np.eye(K)[:, labels]) * problem.weights
        gradient = anp.concatenate([anp.dot(H, G.T), anp.dot(W, G)], axis=1)
        tangent = gradient - X * anp.sum(X * gradient, axis=0)
        return 0.5 * anp.sum(tangent**2)

    return pymanopt.Problem(manifold, cost)


def batched(problem, starts):
    """Points per second of the package."""
    begin = time.perf_counter()
    search = find_critical_points(problem, starts, tolerance=TOLERANCE)
    return search.X, time.perf_counter() - begin


def looped(problem, starts):
    """The same by Pymanopt's trust regions, start by start."""
    inner = squared_gradient(problem)
    ends = []
    begin = time.perf_counter()
    for start in starts:
        optimizer = pymanopt.optimizers.TrustRegions(
            verbosity=0, min_gradient_norm=1e-10, max_iterations=300, max_time=60
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ends.append(optimizer.run(inner, initial_point=start).point)
    return np.array(ends), time.perf_counter() - begin


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batched", type=int, default=2048)
    parser.add_argument("--looped", type=int, default=4)
    chosen = parser.parse_args()
    problem = UFMProblem(class_sizes=(1, 1, 1), dim=4, tau=1)
    starts = problem.spheres.random_point(0, (chosen.batched,))
    batched(problem, starts[:8])  # imports and caches
    rates = {}
    for name, run, points in (
        ("batched", batched, starts),
        ("Pymanopt loop", looped, starts[: chosen.looped]),
    ):
        X, seconds = run(problem, points)
        reached = int((relative_gradient_norm(problem.at(X)) <= TOLERANCE).sum())
        rates[name] = reached / seconds
        print(
            f"{name:14s} {len(points):6d} starts, {reached:6d} reached, {seconds:8.3f} s, {rates[name]:10.2f} points/s"
        )
    if rates["Pymanopt loop"]:
        print(f"ratio {rates['batched'] / rates['Pymanopt loop']:.0f}")


if __name__ == "__main__":
    main()
