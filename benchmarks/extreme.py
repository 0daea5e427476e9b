"""The ten lowest Hessian eigenvalues at 100 classes and some 5,000 samples in R^128: time and peak memory.

    python benchmarks/extreme.py [--balanced]

Unbalanced: class sizes drawn from 10 to 90 (5,074 samples), the minimiser found by ``barzilai-borwein``.  Balanced: the
collapsed point, 652,800 unknowns, where the spectrum is known in closed form.  tau = 10.
"""

import argparse
import resource
import time

import numpy as np

from sphereufm import UFMProblem, collapsed_point, hessian_extreme, solve


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--balanced", action="store_true")
    if parser.parse_args().balanced:
        problem = UFMProblem(class_sizes=(50,) * 100, dim=128, tau=10)
        X = collapsed_point(problem)
    else:
        sizes = np.random.default_rng(0).integers(10, 91, 100)
        problem = UFMProblem(class_sizes=tuple(map(int, sizes)), dim=128, tau=10)
        X = solve(problem, rng=1, solver="barzilai-borwein").X
    wall, processor = time.perf_counter(), time.process_time()
    found = hessian_extreme(problem, X, 10)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{problem.samples} samples, {wall:.1f} s, {processor:.1f} s of processor time, {memory:.2f} GiB")
    print(
        f"converged {found.converged}, {found.products} Hessian products (of parts), largest residual ",
        end="",
    )
    print(f"{found.residuals.max():.1e}")
    print("eigenvalues", found.eigenvalues)


if __name__ == "__main__":
    main()
