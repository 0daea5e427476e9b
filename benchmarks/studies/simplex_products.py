r"""Local minimisers below the edge, ``d < K - 1``, in closed form: orthogonal sums of simplices, one sample a class.

    python benchmarks/studies/simplex_products.py --data benchmarks/studies/phase_diagram/simplex_products.json

Split ``K = k_1 + ... + k_m`` into parts of at least two classes, give each part a simplex frame in a space of its own,
all orthogonal to each other, and put ``H = W``: a point of rank ``d = K - m``.  By its symmetry it is critical at every
``tau``, and it costs

    (1 / K) sum_j k_j log(1 + (k_j - 1) exp(-tau k_j / (k_j - 1)) + (K - k_j) exp(-tau)).

Its index is counted over a range of ``tau``, the ends of the ranges in which it is a local minimiser are found by
bisection (numerical), and so are the places where two splits of one ``(K, d)`` cost the same; certificates are made at
sample points: a spurious minimiser where another split is lower, else a local minimiser.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
from scipy.optimize import brentq
from turned import exact_columns

from sphereufm import UFMProblem, simplex_etf
from sphereufm.certify import ExactInstance, ExactPoint, IndexClaim, SpuriousClaim, prove_point
from sphereufm.certify.checker import check_bytes
from sphereufm.certify.json_format import certificate_to_json
from sphereufm.files import write_text
from sphereufm.geometry.spheres import Array
from sphereufm.spectra.spectrum import hessian_spectrum

__all__ = ["cost", "crossing", "is_minimiser", "point", "proved", "ranges", "splits"]

Split = tuple[int, ...]
MOST_CLASSES = 8
SAMPLES = (1, 3, 6)
TAUS = tuple(np.geomspace(0.02, 60.0, 70).tolist())


@dataclass(frozen=True, kw_only=True)
class Line:
    """One split: where it is a local minimiser, and what is proved in the middle of each range and at 1, 3 and 6."""

    classes: int
    dim: int
    split: Split
    ranges: tuple[tuple[float, float], ...]
    proved: tuple[tuple[str, str], ...]


def splits(K: int, m: int, least: int = 2) -> Iterator[Split]:
    """Ways to write ``K`` as a sum of ``m`` parts of at least two, ascending."""
    if m == 1:
        if least <= K:
            yield (K,)
        return
    for first in range(least, K // m + 1):
        for rest in splits(K - first, m - 1, first):
            yield (first, *rest)


def cost(split: Split, tau: float) -> float:
    """The closed form."""
    K = sum(split)
    parts = (k * math.log1p((k - 1) * math.exp(-tau * k / (k - 1)) + (K - k) * math.exp(-tau)) for k in split)
    return sum(parts) / K


def point(split: Split) -> Array:
    """``[W H]`` in ``R^(K - m)``."""
    K = sum(split)
    W = np.zeros((K - len(split), K))
    row = column = 0
    for k in split:
        W[row : row + k - 1, column : column + k] = simplex_etf(k, k - 1)
        row, column = row + k - 1, column + k
    return np.concatenate([W, W], axis=1)


def _problem(split: Split, tau: float | Fraction) -> UFMProblem:
    """One sample a class."""
    return UFMProblem(class_sizes=(1,) * sum(split), dim=sum(split) - len(split), tau=tau)


def is_minimiser(split: Split, tau: float) -> bool:
    """Whether the point is a nondegenerate local minimiser, in floating point."""
    X = point(split)
    spectrum = hessian_spectrum(_problem(split, tau), X, len(X))
    return spectrum.morse_index == 0 and spectrum.nullity == 0


def ranges(split: Split) -> tuple[tuple[float, float], ...]:
    """Ranges of ``tau`` in which it is one; an end at 0.02 or 60 is the end of the search."""
    there = [is_minimiser(split, tau) for tau in TAUS]
    ends = [TAUS[0]] if there[0] else []
    for (low, before), (high, after) in pairwise(zip(TAUS, there, strict=True)):
        if before != after:
            ends.append(_change(lambda tau: is_minimiser(split, tau), low, high))
    ends += [TAUS[-1]] if there[-1] else []
    return tuple(zip(ends[::2], ends[1::2], strict=True))


def _change(asked: Callable[[float], bool], low: float, high: float) -> float:
    """Place where the answer changes, by bisection."""
    first = asked(low)
    for _ in range(40):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if asked(middle) == first else (low, middle)
    return high


def crossing(one: Split, other: Split) -> list[float]:
    """Temperatures at which two splits cost the same."""

    def difference(tau: float) -> float:
        return cost(one, tau) - cost(other, tau)

    return [
        float(brentq(difference, low, high))
        for low, high in pairwise(TAUS)
        if difference(low) * difference(high) < 0.0
    ]


def proved(split: Split, tau: Fraction) -> str:
    """What an accepted certificate says of the point: a spurious minimiser where another split is lower."""
    K, m = sum(split), len(split)
    best = min(splits(K, m), key=lambda other: cost(other, float(tau)))
    instance = ExactInstance.from_problem(_problem(split, tau))
    here, lower = (ExactPoint(columns=exact_columns(point(s)), groups=None) for s in (split, best))
    made = prove_point(instance, here, lower=None if best == split else lower)
    if not made.claims or check_bytes(certificate_to_json(made).encode()).status != "PROVED":
        return ""
    if made.find(SpuriousClaim) is not None:
        return "spurious minimiser"
    index = made.find(IndexClaim)
    return "local minimiser" if index is not None and index.index == 0 else "critical"


def _line(split: Split) -> Line:
    """One line of the table."""
    found = ranges(split)
    middles = (Fraction(round(100 * math.sqrt(low * high)), 100) for low, high in found)
    within = (Fraction(tau) for tau in SAMPLES if any(low < tau < high for low, high in found))
    taus = sorted({*middles, *within})
    return Line(
        classes=sum(split),
        dim=sum(split) - len(split),
        split=split,
        ranges=found,
        proved=tuple((str(tau), proved(split, tau)) for tau in taus),
    )


def main() -> None:
    """Print the table, and write it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--classes", type=int, default=MOST_CLASSES)
    words = parser.parse_args()
    lines, crossings = [], []
    for K in range(4, words.classes + 1):
        for m in range(2, K // 2 + 1):
            known = list(splits(K, m))
            for split in known:
                lines.append(_line(split))
                print(lines[-1])
            for one, other in combinations(known, 2):
                crossings.append({"one": one, "other": other, "tau": crossing(one, other)})
                print(crossings[-1])
    if words.data is not None:
        data = {"splits": [asdict(line) for line in lines], "crossings": crossings}
        write_text(words.data, json.dumps(data, indent=1) + "\n")


if __name__ == "__main__":
    main()
