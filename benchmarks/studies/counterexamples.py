"""Certificates of spurious minimisers just outside the theorems, loss by loss and below the edge.

    python benchmarks/studies/counterexamples.py --out certificates

* ``squared-error-K3``: squared error at ``d = K = 3``, ``tau = 0.9``, class sizes 1, 1, 2: 0.1275 against 0.005;
* ``logistic-K4``: one against all at ``d = K = 4``, ``tau = 2.5``, five weighted samples: 0.811770 against 0.809569;
* ``minority-K4``: cross-entropy at the edge, class sizes 47, 47, 47, 1 at ``tau = 2.9``: 0.0840567 against 0.0553813;
* ``threshold-K4`` to ``threshold-K8``: the same 2 % above the temperatures at which such minimisers begin;
* ``sum-of-simplices-K6``: cross-entropy at ``d = 4 < K - 1``, ``tau = 1``: 2 + 4 at 0.937284 against 3 + 3 at 0.936054.
* ``smoothing-rest-K6``: no counterexample itself, but the critical point of the five light samples at which samples of
  the sixth class can rest (label smoothing above its threshold; the page of the theory).

Each is found anew by descents or from its construction, proved, and written only if the checker accepts it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from minority import certificate as minority_certificate
from simplex_products import point
from turned import exact_columns

from sphereufm import UFMProblem
from sphereufm.certify import Certificate, ExactInstance, ExactPoint, prove_point, write_certificate
from sphereufm.certify.checker import check_bytes
from sphereufm.certify.json_format import certificate_to_json
from sphereufm.geometry.spheres import Array
from sphereufm.landscape.search.squared_gradient import find_critical_points
from sphereufm.solvers.result import Settings
from sphereufm.solvers.solve import solve_batch

__all__ = ["certificates", "spurious_by_descent"]

SQUARED = UFMProblem(class_sizes=(1, 1, 2), dim=3, tau="0.9", loss="squared-error")
LOGISTIC = UFMProblem(
    labels=(0, 1, 2, 3, 1),
    dim=4,
    tau="2.5",
    weights=("0.2", "0.005", "0.58", "0.21", "0.01"),
    loss="logistic",
)
# the smallest n of the last class sizes n, ..., n, 1, as minority.py finds them
THRESHOLDS = {
    (4, "2.27"): 319,
    (5, "3.251"): 814,
    (6, "4.243"): 1986,
    (7, "5.241"): 4948,
    (8, "6.244"): 12441,
}
REST = UFMProblem(
    class_sizes=(1, 1, 1, 1, 1, 0), dim=7, tau="6.8", loss={"name": "label-smoothing", "smoothing": "0.01"}
)
DESCENTS = 100


def spurious_by_descent(problem: UFMProblem, descents: int = DESCENTS) -> tuple[Array, Array] | None:
    """The most frequent end of descents above the lowest, polished, and the lowest; None where all end alike."""
    runs = sorted(
        solve_batch(problem, descents, rng=0, settings=Settings(tolerance=1e-11)), key=lambda r: r.cost
    )
    above = [run for run in runs if run.cost > runs[0].cost * (1 + 1e-6)]
    if not above:
        return None
    costs = np.array([run.cost for run in above])
    often = np.argmax((np.abs(costs[:, None] - costs) < 1e-9).sum(axis=1))
    starts = np.array([above[often].X, runs[0].X])
    search = find_critical_points(problem, starts, tolerance=1e-14)
    return search.X[0], search.X[1]


def resting_point() -> Array:
    """In R^3: a pentagon of classifiers with their features, and the sixth classifier at the apex."""
    angles = 2.0 * np.pi * np.arange(5) / 5
    pentagon = np.array([np.cos(angles), np.sin(angles), np.zeros(5)])
    start = np.column_stack([pentagon, [0.0, 0.0, 1.0], pentagon])
    return find_critical_points(REST.in_dimension(3), start[None], tolerance=1e-13).X[0]


def certificates() -> Iterator[tuple[str, Certificate]]:
    """Each with the name of its file."""
    for name, problem in (("squared-error-K3", SQUARED), ("logistic-K4", LOGISTIC)):
        found = spurious_by_descent(problem)
        assert found is not None
        yield name, prove_point(ExactInstance.from_problem(problem), found[0], lower=found[1])
    minority = minority_certificate(4, Fraction(29, 10), 47)
    assert minority is not None
    yield "minority-K4", minority
    for (K, tau), n in THRESHOLDS.items():
        edge = minority_certificate(K, Fraction(tau), n)
        assert edge is not None
        yield f"threshold-K{K}", edge
    yield "smoothing-rest-K6", prove_point(ExactInstance.from_problem(REST), resting_point())
    sums = ExactInstance(classes=6, dim=4, class_sizes=(1,) * 6, tau=Fraction(1))
    here, lower_point = (ExactPoint(columns=exact_columns(point(s))) for s in ((2, 4), (3, 3)))
    yield "sum-of-simplices-K6", prove_point(sums, here, lower=lower_point)


def main() -> None:
    """Write what was accepted."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    for name, made in certificates():
        result = check_bytes(certificate_to_json(made).encode())
        print(f"{name}: {result.status}: {result.row}")
        if result.status == "PROVED":
            write_certificate(folder / f"{name}.json", made)


if __name__ == "__main__":
    main()
