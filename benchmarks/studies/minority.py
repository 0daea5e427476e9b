r"""Spurious minimisers at ``d = K - 1`` from class sizes ``n, ..., n, 1``: where the last class's sample is trapped.

    python benchmarks/studies/minority.py --data benchmarks/studies/phase_diagram/minority.json

In the limit of many samples the light class does not count: the others take the minimum of their own problem with
an empty class, ``w_k = (cos(phi) u_k, sin(phi))`` with a simplex frame ``u`` and ``w_K = -e``.  The sample of the
last class sits at ``e``, and the trace of its block in the Hessian is positive where ``tau (1 - sin(phi)) > K -
2``: from that temperature on a minimiser of the sample's own term, hence a spurious minimiser of ``f`` for large
``n``.  For whole ``n`` the critical point near it is found by Newton's method in the merged problem (one sample a
class, the light one with the weight ``1 / n`` of the others), its index counted, and both sides of the smallest
``n`` are proved: a spurious minimiser at ``n``, what the branch's point is at ``n - 1``.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from scipy.optimize import brentq
from turned import exact_columns

from sphereufm import UFMProblem, simplex_etf
from sphereufm.certify import Certificate, ExactInstance, ExactPoint, IndexClaim, SpuriousClaim, prove_point
from sphereufm.certify.checker import check_bytes
from sphereufm.certify.json_format import certificate_to_json
from sphereufm.files import write_text
from sphereufm.geometry.spheres import Array
from sphereufm.landscape.search.squared_gradient import find_critical_points
from sphereufm.spectra.spectrum import hessian_spectrum

__all__ = ["certificate", "limit_classifiers", "smallest", "threshold", "trapped_point"]

CLASSES = (4, 5, 6, 7, 8)
# over the threshold of the limit
RATIOS = (1.02, 1.05, 1.1, 1.2, 1.3, 1.5)
MOST = 100_000


@dataclass(frozen=True, kw_only=True)
class Minority:
    """One K and tau: the smallest ``n`` at which the sample is trapped, with what is proved there and at ``n - 1``."""

    classes: int
    tau: str
    threshold: float
    smallest: int | None
    cost: float | None
    least: float | None
    proved: str
    below: str


def limit_classifiers(K: int, tau: float) -> Array:
    """``W`` at the minimum of the problem whose last class is empty, shape ``(K - 1, K)``."""
    start = simplex_etf(K, K - 1)
    empty = UFMProblem(class_sizes=(1,) * (K - 1) + (0,), dim=K - 1, tau=tau)
    X = np.concatenate([start, start[:, :-1]], axis=1)
    search = find_critical_points(empty, X[None], tolerance=1e-12)
    return search.X[0, :, :K]


def threshold(K: int) -> float:
    """Least ``tau`` at which the sample is trapped in the limit (numerical)."""

    def excess(tau: float) -> float:
        W = limit_classifiers(K, tau)
        return tau * (1.0 + float(W[:, 0] @ W[:, -1])) - (K - 2)

    return float(brentq(excess, (K - 2) / 2, 2.0 * K, xtol=1e-10))


def trapped_point(K: int, tau: Fraction, n: int) -> tuple[UFMProblem, Array] | None:
    """The merged problem and its critical point near the limit's, with the light sample opposite to its classifier."""
    problem = UFMProblem(class_sizes=(1,) * K, dim=K - 1, tau=tau, weights=(n,) * (K - 1) + (1,))
    W = limit_classifiers(K, float(tau))
    start = np.concatenate([W, W[:, :-1], -W[:, -1:]], axis=1)
    search = find_critical_points(problem, start[None], tolerance=1e-13, max_iterations=400)
    X = search.X[0]
    near = bool(search.converged[0]) and float(X[:, K - 1] @ X[:, -1]) < -0.5
    return (problem, X) if near else None


def _is_trapped(K: int, tau: Fraction, n: int) -> bool:
    """Whether the branch's point is a nondegenerate local minimiser, in floating point."""
    found = trapped_point(K, tau, n)
    if found is None:
        return False
    spectrum = hessian_spectrum(*found, K - 1)
    return spectrum.morse_index == 0 and spectrum.nullity == 0


def smallest(K: int, tau: Fraction) -> int | None:
    """Smallest ``n`` up to 100,000 at which the sample is trapped, by bisection; None where there is none."""
    low, high = 1, MOST
    if not _is_trapped(K, tau, high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _is_trapped(K, tau, middle) else (middle, high)
    return high


def certificate(K: int, tau: Fraction, n: int) -> Certificate | None:
    """Prove what can be proved of the branch's point for class sizes ``n, ..., n, 1``; None where there is no point."""
    found = trapped_point(K, tau, n)
    if found is None:
        return None
    problem, X = found
    below = X.copy()
    below[:, -1] *= -1.0
    lower = find_critical_points(problem, below[None], tolerance=1e-12).X[0]
    starts = [n * k for k in range(K - 1)] + [n * (K - 1)]
    stops = [*starts[1:], n * (K - 1) + 1]
    groups = tuple(((start, stop),) for start, stop in zip(starts, stops, strict=True))
    instance = ExactInstance(classes=K, dim=K - 1, class_sizes=(n,) * (K - 1) + (1,), tau=tau)
    here, other = (ExactPoint(columns=exact_columns(Y), groups=groups) for Y in (X, lower))
    return prove_point(instance, here, lower=other)


def _said(made: Certificate | None) -> str:
    """What an accepted certificate says, in a word."""
    if made is None or not made.claims:
        return ""
    if check_bytes(certificate_to_json(made).encode()).status != "PROVED":
        return ""
    if made.find(SpuriousClaim) is not None:
        return "spurious minimiser"
    index = made.find(IndexClaim)
    return "strict saddle" if index is None or index.index > 0 else "local minimiser"


def _study(K: int, tau: Fraction, start: float) -> Minority:
    """One line of the table."""
    n = smallest(K, tau)
    if n is None:
        return Minority(
            classes=K,
            tau=str(tau),
            threshold=start,
            smallest=None,
            cost=None,
            least=None,
            proved="",
            below="",
        )
    made = certificate(K, tau, n)
    found = trapped_point(K, tau, n)
    assert found is not None
    problem, X = found
    below = X.copy()
    below[:, -1] *= -1.0
    least = float(problem.cost(find_critical_points(problem, below[None], tolerance=1e-12).X[0]))
    return Minority(
        classes=K,
        tau=str(tau),
        threshold=start,
        smallest=n,
        cost=float(problem.cost(X)),
        least=least,
        proved=_said(made),
        below=_said(certificate(K, tau, n - 1)) if n > 1 else "",
    )


def main() -> None:
    """Print the table, and write it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--classes", type=int, nargs="*", default=CLASSES)
    words = parser.parse_args()
    lines = []
    for K in words.classes:
        start = threshold(K)
        for ratio in RATIOS:
            tau = Fraction(round(1000 * ratio * start), 1000)
            lines.append(_study(K, tau, start))
            print(lines[-1])
    if words.data is not None:
        write_text(words.data, json.dumps([asdict(line) for line in lines], indent=1) + "\n")


if __name__ == "__main__":
    main()
