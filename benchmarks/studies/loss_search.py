"""A bounded search for spurious local minimisers of every loss, where no theorem speaks.

    python benchmarks/studies/loss_search.py --instances 12 --out certificates

For each loss and each pair K, d below: instances with class sizes of one or two, weights from 1/1000 to 1 and tau from
1/2 to 12 at random, logarithmically, without those that a theorem decides; DESCENTS descents each.  Where one ends
above another, both ends are polished and the upper one is handed to the prover.  Printed: instances, descents, and how
many instances have a PROVED spurious minimiser; the first of each loss and pair is written.  A search that finds none
proves nothing.
"""

from __future__ import annotations

import argparse
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from counterexamples import spurious_by_descent

from sphereufm import UFMProblem
from sphereufm.certify import Certificate, ExactInstance, prove_point, write_certificate
from sphereufm.certify.checker import check_bytes
from sphereufm.certify.json_format import certificate_to_json

DESCENTS = 30
PAIRS = ((3, 2), (3, 3), (4, 3), (4, 4), (5, 4))
LOSSES: dict[str, dict[str, Any]] = {
    "focal": {"name": "focal", "focusing": "2"},
    "label-smoothing": {"name": "label-smoothing", "smoothing": "0.1"},
    "squared-error": {"name": "squared-error"},
    "logistic": {"name": "logistic"},
    "arcface": {"name": "arcface"},
    "margin": {"name": "cross-entropy", "margin": "0.35"},
}


def random_instance(K: int, d: int, loss: dict[str, Any], rng: np.random.Generator) -> UFMProblem:
    """Class sizes, weights and tau at random, with few digits."""
    sizes = rng.integers(1, 3, K)
    weights = [Fraction(round(10 ** rng.uniform(0, 3)), 1000) for _ in range(sizes.sum())]
    tau = Fraction(round(100 * 2 ** rng.uniform(-1, 3.6)), 100)
    return UFMProblem(class_sizes=sizes.tolist(), dim=d, tau=tau, weights=weights, loss=loss)


def spurious(problem: UFMProblem) -> Certificate | None:
    """A certificate of a spurious minimiser that the checker accepts."""
    found = spurious_by_descent(problem, DESCENTS)
    if found is None:
        return None
    certificate = prove_point(ExactInstance.from_problem(problem), found[0], lower=found[1])
    result = check_bytes(certificate_to_json(certificate).encode())
    return certificate if result.row == "spurious local minimiser" else None


def main() -> None:
    """Search, count, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--instances", type=int, default=40, help="for each loss and pair")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    for name, loss in LOSSES.items():
        for K, d in PAIRS:
            rng = np.random.default_rng([K, d])
            drawn = [random_instance(K, d, loss, rng) for _ in range(given.instances)]
            open_ones = [problem for problem in drawn if not problem.benign_theorem().applies]
            found = [spurious(problem) for problem in open_ones]
            proved = [certificate for certificate in found if certificate]
            print(
                f"{name}, K = {K}, d = {d}: {len(open_ones)} instances, {len(open_ones) * DESCENTS} descents, "
                f"{len(proved)} PROVED spurious",
                flush=True,
            )
            if proved:
                write_certificate(given.out / f"{name}-K{K}-d{d}.json", proved[0])


if __name__ == "__main__":
    main()
