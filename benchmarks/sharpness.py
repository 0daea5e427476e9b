"""Prove that ``d >= K`` in Theorem S cannot be lowered to ``d >= K - 1``: two spurious local minimisers, K = 4, d = 3.

    python benchmarks/sharpness.py --folder tests/data/certificates

Both points: classifiers at a simplex frame, every feature at its classifier but for one sample, which starts at the
opposite of its classifier. Its own cost has a strict local minimum there when ``tau > K - 1``; where it weighs little,
a spurious minimiser lies near. The lower point is the simplex frame with every feature at its classifier.

* ``sharpness-balanced.json``: n = 114 samples a class, equal weights, tau = 18/5 (460 columns, nine of them distinct);
* ``sharpness-weighted.json``: five samples of weights 1, 1, 1, 1, 1/500, tau = 15/4.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from sphereufm import UFMProblem, simplex_etf
from sphereufm.certify import Certificate, ExactInstance, ExactPoint, prove_point, write_certificate
from sphereufm.geometry.spheres import Array
from sphereufm.landscape.newton import find_critical_points

LABELS = (0, 1, 2, 3, 3)
Groups = tuple[tuple[tuple[int, int], ...], ...]


def turned_minimiser(tau: Fraction, weights: Sequence[Fraction]) -> Array:
    """Return the critical point near the simplex frame with the last of five samples turned around, shape (3, 9)."""
    problem = UFMProblem(labels=LABELS, classes=4, dim=3, tau=tau, weights=weights)
    W = simplex_etf(4, 3)
    start = np.concatenate([W, W[:, LABELS]], axis=1)
    start[:, -1] *= -1.0
    search = find_critical_points(problem, start[None], tolerance=1e-13, max_iterations=200)
    return search.X[0]


def exact(X: Array, groups: Groups | None) -> ExactPoint:
    """Return float columns as an exact point."""
    columns = tuple(tuple(Fraction(float(value)) for value in column) for column in X.T)
    return ExactPoint(columns=columns, groups=groups)


def prove(
    instance: ExactInstance, tau: Fraction, weights: Sequence[Fraction], groups: Groups | None
) -> Certificate:
    """Return the certificate of one spurious minimiser."""
    W = simplex_etf(4, 3)
    lower = exact(np.concatenate([W, W[:, LABELS]], axis=1), groups)
    return prove_point(instance, exact(turned_minimiser(tau, weights), groups), lower=lower)


def balanced(n: int = 114, tau: Fraction = Fraction(18, 5)) -> Certificate:
    """Return the certificate of n samples a class; identical samples are merged."""
    instance = ExactInstance(classes=4, dim=3, class_sizes=(n,) * 4, tau=tau)
    groups = (((0, n),), ((n, 2 * n),), ((2 * n, 3 * n),), ((3 * n, 4 * n - 1),), ((4 * n - 1, 4 * n),))
    sizes = [Fraction(group[0][1] - group[0][0]) for group in groups]
    return prove(instance, tau, sizes, groups)


def weighted(tau: Fraction = Fraction(15, 4), last: Fraction = Fraction(1, 500)) -> Certificate:
    """Return the certificate of five samples, the last one light."""
    weights = (Fraction(1),) * 4 + (last,)
    instance = ExactInstance(classes=4, dim=3, class_sizes=(1, 1, 1, 2), tau=tau, weights=weights)
    return prove(instance, tau, weights, None)


def main() -> None:
    """Write both certificates and say what they claim."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in (("balanced", balanced), ("weighted", weighted)):
        start = time.perf_counter()
        certificate = make()
        write_certificate(folder / f"sharpness-{name}.json", certificate)
        claims = ", ".join(type(claim).__name__ for claim in certificate.claims)
        print(
            f"{name}: cost {certificate.cost:.7f}, {claims or certificate.reason}, {time.perf_counter() - start:.2f} s"
        )


if __name__ == "__main__":
    main()
