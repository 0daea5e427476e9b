"""Time the prover and the independent checker together, on critical points of growing size.

    OMP_NUM_THREADS=1 python benchmarks/proofs.py [--large]

One core, BLAS on one thread; processor time, which a shared machine changes little. ``unknowns`` are the entries
``r M`` of the point in its own space. Every sample has a weight of its own, so that no two are merged. ``--large``
adds one point of about 600 unknowns and the gap at the collapsed minimiser of 100 classes with 4,900 samples, equal
samples merged.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from sphereufm import UFMProblem
from sphereufm.certify import Certificate, ExactInstance, prove_gap, prove_point
from sphereufm.certify.checker import check_bytes
from sphereufm.certify.json_format import certificate_to_json
from sphereufm.geometry.spheres import Array
from sphereufm.landscape.search.squared_gradient import find_critical_points
from sphereufm.problem.theory.theorems import collapsed_point


def weighted(sizes: tuple[int, ...], dim: int, tau: str = "3/2") -> UFMProblem:
    """Return a problem whose samples all have different weights."""
    weights = [Fraction(100 + i, 100) for i in range(sum(sizes))]
    return UFMProblem(class_sizes=sizes, dim=dim, tau=tau, weights=weights)


def points(problem: UFMProblem, count: int) -> Iterator[Array]:
    """Yield critical points of full rank, not collapsed, from starts around neural collapse; at most ``count``."""
    found = 0
    for batch in range(20):
        noise = np.random.default_rng(batch).standard_normal((8, *problem.shape)) / np.sqrt(problem.dim)
        starts = collapsed_point(problem) + 0.7 * noise
        starts /= np.linalg.norm(starts, axis=1, keepdims=True)
        search = find_critical_points(problem, starts, tolerance=1e-12, max_iterations=500)
        for X in search.X[search.converged]:
            # members of the collapsed family have a shorter proof of their own
            collapsed = abs(problem.cost(X) - np.log(problem.classes)) < 1e-6
            if np.linalg.matrix_rank(X, tol=1e-6) == problem.dim and not collapsed:
                yield X
                found += 1
                if found == count:
                    return


def timed(make: object, *arguments: object) -> tuple[Certificate, float, float, str]:
    """Return a certificate, the seconds of prover and of checker, and what the checker says."""
    start = time.process_time()
    certificate = make(*arguments)  # type: ignore[operator]
    middle = time.process_time()
    result = check_bytes(certificate_to_json(certificate).encode())
    return certificate, middle - start, time.process_time() - middle, result.status


def report(name: str, problem: UFMProblem, count: int) -> None:
    """Print medians over critical points of one problem."""
    instance = ExactInstance.from_problem(problem)
    runs = [timed(prove_point, instance, X) for X in points(problem, count)]
    if not runs:
        print(f"{name}: no critical point of full rank was found")
        return
    prover, checker = (statistics.median(run[i] for run in runs) for i in (1, 2))
    total = statistics.median(run[1] + run[2] for run in runs)
    proved = sum(run[3] == "PROVED" for run in runs)
    print(
        f"{name}: {proved} of {len(runs)} PROVED; median prover {prover * 1e3:.0f} ms, checker {checker * 1e3:.0f} ms, "
        f"together {total * 1e3:.0f} ms",
        flush=True,
    )


def gap(K: int, n: int, dim: int) -> None:
    """Print the time of the gap at the collapsed minimiser."""
    problem = UFMProblem(class_sizes=(n,) * K, dim=dim, tau=5)
    certificate, prover, checker, status = timed(
        prove_gap, ExactInstance.from_problem(problem), collapsed_point(problem)
    )
    claim = certificate.claims[0]
    print(
        f"gap at the collapsed minimiser, K = {K}, M = {K + K * n}: {float(claim.gap):.3g} nats, {status}; "
        f"prover {prover:.1f} s, checker {checker:.1f} s"
    )


def main() -> None:
    """Print one line for each size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--large", action="store_true")
    large = parser.parse_args().large
    report("40 unknowns (K = 5, N = 5, d = 4)", weighted((1, 1, 1, 1, 1), 4), 15)
    report("126 unknowns (K = 7, N = 14, d = 6)", weighted((2,) * 7, 6), 11)
    if large:
        gap(100, 49, 99)
        report("600 unknowns (K = 7, N = 93, d = 6)", weighted((14, 14, 13, 13, 13, 13, 13), 6), 1)


if __name__ == "__main__":
    main()
