"""How many samples a class does a spurious minimiser need at ``d = K - 1``?  The branch of ``turned.py``, with proofs.

    python benchmarks/studies/edge.py --data benchmarks/studies/phase_diagram/edge.json --out docs/images/edge.svg

For each K and tau the branch is followed in the turned sample's weight until it stops to consist of minimisers. Then
certificates are made at the whole numbers of samples next to that edge, and checked by the independent checker: a
spurious minimiser at the smallest ``n`` that is proved, and whatever is proved of the branch's point at ``n - 1``.
Descents from near that point say where the landscape leads once the minimiser is gone. Last, the branch is followed in
tau at fixed ``n`` by the continuation of the package, which knows nothing of the fixed space: both must end at the same
place.

``--certificates FOLDER`` keeps all certificates, and the two of K = 4 that the documentation names: 114 samples a class
at tau = 3.6, and five weighted samples.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from matplotlib import rcParams
from matplotlib.figure import Figure
from scipy.optimize import minimize_scalar
from turned import branch_point, certificate, end_of_branch, merged_problem, weighted_certificate

from sphereufm import UFMProblem
from sphereufm.branches.bifurcation import crossing_between
from sphereufm.branches.continuation import BranchPoint, advance, start_state
from sphereufm.certify import Certificate, write_certificate
from sphereufm.certify.checker import check_bytes
from sphereufm.certify.json_format import certificate_to_json
from sphereufm.files import write_aside, write_text
from sphereufm.geometry.spheres import retract
from sphereufm.solvers.solve import solve_batch

CLASSES = (3, 4, 5, 6)
# temperatures over K - 1, where the branch begins
RATIOS = (1.02, 1.05, 1.1, 1.15, 1.2, 1.3, 1.4, 1.5, 1.6, 1.8, 2.0, 2.5, 3.0)
# numbers of samples beyond the edge that are tried for the smallest that is proved
_TRIED = 5
_DESCENTS = 40
_AWAY = 1e-3
_STEP = 0.02
_MOST_STEPS = 400
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")


@dataclass(frozen=True, kw_only=True)
class Edge:
    """One K and tau; what is proved of the branch's point at ``proved`` and at ``proved - 1`` samples a class."""

    classes: int
    tau: str
    kind: str
    kernel: int
    edge: float
    proved: int | None
    cost: float | None
    minimum: float
    below: str
    descents_to_minimum: int
    descents: int


@dataclass(frozen=True, kw_only=True)
class Window:
    """Temperatures between which the branch consists of minimisers at a fixed number of samples a class."""

    classes: int
    per_class: int
    tau_from: float
    tau_to: float
    kinds: tuple[str, str]
    largest_deviation: float


def main() -> None:
    """Compute, prove, check, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("results/edge.json"))
    parser.add_argument("--out", type=Path, default=Path("results/edge.svg"))
    parser.add_argument("--certificates", type=Path)
    words = parser.parse_args()
    edges, windows = [], []
    for K in CLASSES:
        best = lowest_temperature(K)
        taus = sorted({best, *(Fraction(f"{(K - 1) * ratio:.6g}") for ratio in RATIOS)})
        edges += [row for tau in taus if (row := edge_at(K, tau, words.certificates)) is not None]
        smallest = min(row.proved for row in edges if row.classes == K and row.proved is not None)
        windows += [window(K, n, best) for n in (smallest, 2 * smallest)]
        print(*edges[-len(taus) :], *windows[-2:], sep="\n", flush=True)
    if words.certificates is not None:
        keep(certificate(4, 114, Fraction(18, 5)), words.certificates, "sharpness-balanced")
        weighted = weighted_certificate(4, Fraction(15, 4), Fraction(1, 500))
        keep(weighted, words.certificates, "sharpness-weighted")
    data = {"edges": [asdict(row) for row in edges], "windows": [asdict(row) for row in windows]}
    words.data.parent.mkdir(parents=True, exist_ok=True)
    write_text(words.data, json.dumps(data, indent=1) + "\n")
    print(f"Written: {words.data}")
    draw(edges, words.out)


def lowest_temperature(K: int) -> Fraction:
    """The tau, to three digits after the point, at which the edge is lowest."""

    def edge(tau: float) -> float:
        end = end_of_branch(K, tau)
        return math.inf if end is None else math.log(end.per_class)

    bounds = (1.05 * (K - 1), 1.5 * (K - 1))
    found = minimize_scalar(edge, bounds=bounds, method="bounded", options={"xatol": 1e-4})
    return Fraction(f"{found.x:.3f}")


def edge_at(K: int, tau: Fraction, folder: Path | None) -> Edge | None:
    """The edge at one temperature, with proofs on both sides."""
    end = end_of_branch(K, float(tau))
    if end is None:
        return None
    first = max(math.ceil(end.per_class), 3)
    proved = next((n for n in range(first, first + _TRIED) if proves(K, n, tau, "spurious", folder)), None)
    n = first if proved is None else proved
    below = n - 1
    reached, tried = descents(K, below, float(tau))
    return Edge(
        classes=K,
        tau=str(float(tau)),
        kind=end.kind,
        kernel=end.kernel,
        edge=end.per_class,
        proved=proved,
        cost=float(merged_problem(K, tau, 1.0 / n).cost(branch_point(K, float(tau), n))),
        minimum=_simplex_cost(K, float(tau)),
        below=row_of(certificate(K, below, tau), folder, f"K{K}-tau{float(tau):g}-n{below}"),
        descents_to_minimum=reached,
        descents=tried,
    )


def proves(K: int, n: int, tau: Fraction, word: str, folder: Path | None) -> bool:
    """Whether the checker accepts that the branch's point is what a word says."""
    return word in row_of(certificate(K, n, tau), folder, f"K{K}-tau{float(tau):g}-n{n}")


def row_of(made: Certificate | None, folder: Path | None, name: str) -> str:
    """What the checker says of a certificate; it is kept if there is a folder."""
    if made is None:
        return "the branch has no point here"
    if not made.claims:
        return f"UNDECIDED: {made.reason}"
    result = check_bytes(certificate_to_json(made).encode())
    keep(made, folder, name)
    return f"{result.status}: {result.row}"


def keep(made: Certificate | None, folder: Path | None, name: str) -> None:
    """Write a certificate, if there is a folder."""
    if folder is not None and made is not None:
        folder.mkdir(parents=True, exist_ok=True)
        write_certificate(folder / f"{name}.json", made)


def descents(K: int, n: int, tau: float) -> tuple[int, int]:
    """How many descents from near the branch's point at ``n`` samples end at the cost of the simplex frame."""
    problem, X = merged_problem(K, tau, 1.0 / n), branch_point(K, tau, n)
    rng = np.random.default_rng(0)
    starts = [retract(X, _AWAY * problem.spheres.random_tangent(rng, X)) for _ in range(_DESCENTS)]
    lowest = _simplex_cost(K, tau)
    ends = solve_batch(problem, np.array(starts), rng=0)
    return sum(abs(end.cost - lowest) <= 1e-6 * lowest for end in ends), len(starts)


def _simplex_cost(K: int, tau: float) -> float:
    """Cost of the simplex frame with every feature at its classifier."""
    return math.log1p((K - 1) * math.exp(-tau * K / (K - 1)))


def window(K: int, n: int, tau: Fraction) -> Window:
    """Follow the branch in tau at fixed ``n``, both ways from ``tau``, with the general continuation."""
    problem, X = merged_problem(K, tau, 1.0 / n), branch_point(K, float(tau), n)
    ends = [_end(problem, start_state(problem, X, math.log(tau), forwards)) for forwards in (False, True)]
    edges = [end_of_branch(K, end.tau) for _, end in ends]
    deviation = max(abs(edge.per_class / n - 1.0) if edge is not None else math.inf for edge in edges)
    return Window(
        classes=K,
        per_class=n,
        tau_from=ends[0][1].tau,
        tau_to=ends[1][1].tau,
        kinds=(ends[0][0], ends[1][0]),
        largest_deviation=deviation,
    )


def _end(problem: UFMProblem, state: BranchPoint) -> tuple[str, BranchPoint]:
    """First place at which an eigenvalue crosses zero or the branch turns back."""
    for _ in range(_MOST_STEPS):
        after = advance(problem, state, _STEP)
        if after is None:
            return "lost", state
        crossings = crossing_between(problem, state, after, _STEP)
        if crossings:
            return crossings[0].kind, crossings[0].state
        state = after
    return "not reached", state


def draw(edges: list[Edge], path: Path) -> None:
    """Samples a class against temperature: curves are edges, marks proofs."""
    rcParams["svg.hashsalt"] = "sphereufm"
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    for K, colour in zip(CLASSES, _COLOURS, strict=True):
        rows = [row for row in edges if row.classes == K]
        ratios = [float(row.tau) / (K - 1) for row in rows]
        axes.plot(ratios, [row.edge for row in rows], color=colour, lw=1.2, label=f"K = {K}")
        for x, row in zip(ratios, rows, strict=True):
            if row.proved is not None:
                axes.plot(x, row.proved, "o", color=colour, ms=4)
    axes.set(xlabel="tau / (K - 1)", ylabel="samples a class", yscale="log")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, title="d = K - 1")
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"Date": None}  # the same bytes for the same data
    write_aside(path, lambda aside: figure.savefig(aside, format=path.suffix[1:], metadata=metadata))
    print(f"Written: {path}")


if __name__ == "__main__":
    main()
