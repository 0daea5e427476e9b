"""Few samples a class at ``d = K - 1 >= 3``: is there a spurious minimiser? A search, with exact counts.

    python benchmarks/studies/few_samples.py --data benchmarks/studies/phase_diagram/few_samples.json

Nothing is known for small ``n`` there: Theorem S needs ``d >= K``, and the branch of ``edge.py`` needs many samples.
For each (K, n, tau) half of the descents start at random, and half near what is a spurious minimiser for large ``n``:
the simplex frame with some samples turned to their opposites (each with probability 1/2, at least one), everything
then moved at random, by normal steps of 0.1 in each entry. A descent by trust regions goes on past saddles and counts
as converged at a relative gradient norm of 1e-9. The global minimum is known, so a converged end above it by more
than a millionth of itself is a candidate, which is then classified and, where it is a minimiser, proved. A search
that finds none proves nothing.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from sphereufm import UFMProblem, collapsed_point
from sphereufm.certify import ExactInstance, SpuriousClaim, prove_point
from sphereufm.files import write_text
from sphereufm.geometry.spheres import Array, retract
from sphereufm.landscape.proofs import accepted
from sphereufm.problem.theory.theorems import global_minimum
from sphereufm.solvers.result import SolverResult
from sphereufm.solvers.solve import solve_batch
from sphereufm.spectra.spectrum import hessian_spectrum

CLASSES = (4, 5, 6)
PER_CLASS = (1, 2, 3, 4, 5, 6)
TAUS = ("1", "1.5", "2", "3", "4", "5", "6", "8", "10", "14", "20", "40")
_ABOVE = 1e-6
_MOVED = 0.1


@dataclass(frozen=True, kw_only=True)
class Searched:
    """One (K, n, tau): descents, how many converged, how many of those ended above the global minimum, and as what."""

    classes: int
    per_class: int
    tau: str
    descents: int
    converged: int
    above: int
    saddles: int
    minimisers: int
    proved: int


def search(K: int, n: int, tau: str, count: int) -> Searched:
    """Descend from ``count`` starts."""
    problem = UFMProblem(class_sizes=(n,) * K, dim=K - 1, tau=tau)
    rng = np.random.default_rng([K, n, TAUS.index(tau) if tau in TAUS else len(TAUS)])
    starts = np.concatenate(
        [problem.spheres.random_point(rng, (count - count // 2,)), turned_starts(problem, rng, count // 2)]
    )
    ends = [end for end in solve_batch(problem, starts, rng=rng) if end.stop_reason.converged]
    lowest = global_minimum(problem)
    assert lowest is not None
    above = [end for end in ends if end.cost > (1.0 + _ABOVE) * lowest]
    kinds = Counter(kind_of(problem, end) for end in above)
    return Searched(
        classes=K,
        per_class=n,
        tau=tau,
        descents=count,
        converged=len(ends),
        above=len(above),
        saddles=kinds["saddle"],
        minimisers=kinds["minimiser"] + kinds["proved minimiser"],
        proved=kinds["proved minimiser"],
    )


def turned_starts(problem: UFMProblem, rng: np.random.Generator, count: int) -> Array:
    """The simplex frame with random samples turned around, moved a little; shape ``(count, d, M)``."""
    turned = rng.random((count, problem.samples)) < 0.5
    turned[np.arange(count), rng.integers(problem.samples, size=count)] = True
    X = np.repeat(collapsed_point(problem)[None], count, axis=0)
    X[:, :, problem.classes :] *= np.where(turned, -1.0, 1.0)[:, None, :]
    moves = rng.standard_normal(X.shape) * _MOVED
    return retract(X, moves - X * (X * moves).sum(axis=1, keepdims=True))


def kind_of(problem: UFMProblem, end: SolverResult) -> str:
    """What a converged end above the global minimum is."""
    spectrum = hessian_spectrum(problem, end.X, int(np.linalg.matrix_rank(end.X, tol=1e-6)))
    if spectrum.morse_index:
        return "saddle"
    made = prove_point(ExactInstance.from_problem(problem), end.X, lower=collapsed_point(problem))
    found = made.find(SpuriousClaim) is not None and accepted(made)
    return "proved minimiser" if found else "minimiser"


def main(words: Sequence[str] | None = None) -> None:
    """Search everything, and write the counts as they come."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("results/few_samples.json"))
    parser.add_argument("--descents", type=int, default=1024, help="for each K, n, tau")
    given = parser.parse_args(words)
    given.data.parent.mkdir(parents=True, exist_ok=True)
    rows: list[Searched] = []
    for K in CLASSES:
        for n in PER_CLASS:
            rows += [search(K, n, tau, given.descents) for tau in TAUS]
            write_text(given.data, json.dumps([asdict(row) for row in rows], indent=1) + "\n")
            print(f"K={K} n={n}", totals(rows), flush=True)


def totals(rows: Sequence[Searched]) -> dict[str, int]:
    """Sums of all counts."""
    names = ("descents", "converged", "above", "saddles", "minimisers", "proved")
    return {name: sum(getattr(row, name) for row in rows) for name in names}


if __name__ == "__main__":
    main()
