"""Complete lists: boxes, processor seconds of search and check, and file sizes; the atlas of what is known completely.

    OMP_NUM_THREADS=1 python benchmarks/complete.py [--atlas FOLDER] [--peer] [--only NAME]

One line for each instance.  ``--atlas`` writes the certificates of the cross-entropy, and prints orbits by rank and
Morse index (ranks and indices numerical, in R^2).  ``--peer`` gives three classes at tau = 1 to a general branch and
prune: the same cost as an expression over plain angles, with derivatives by automatic differentiation and nothing known
of its structure.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from sphereufm import UFMProblem, hessian_spectrum, prove_complete
from sphereufm.certify.expressions import Cost, exp, fourth_powers, log, thomson
from sphereufm.certify.instances import ExpressionInstance
from sphereufm.complete import CompleteList
from sphereufm.geometry.symmetry.groups import numerical_rank

# class sizes, temperature, and weights of the samples or None; all in the plane
INSTANCES: list[tuple[tuple[int, ...], str, tuple[int, ...] | None]] = [
    *((sizes, tau, None) for sizes in ((1, 1), (2, 1), (2, 2)) for tau in ("3/10", "1")),
    *(((3, 3), tau, None) for tau in ("1/5", "1/2", "1")),
    *(((1, 1, 1), tau, None) for tau in ("1/2", "1", "3", "6", "12")),
    ((1, 1, 1), "1", (3, 4, 5)),
    ((1, 1, 2), "1", None),
    ((2, 2, 2), "1", None),
    ((1, 1, 1, 1), "1", None),
]


def as_expression(classes: int, tau: int) -> ExpressionInstance:
    """Return the same cost as a program of inner products."""
    cost = Cost(dim=2, columns=2 * classes)
    losses = []
    for y in range(classes):
        own = cost.gram(y, classes + y)
        losses.append(log(sum(exp(tau * (cost.gram(k, classes + y) - own)) for k in range(classes))))
    return cost.instance(sum(losses))


def own_costs() -> dict[str, ExpressionInstance]:
    """Return small costs of other people's fields."""
    rng = np.random.default_rng(0)
    cases = {f"fourth powers, n = {n}": fourth_powers(n) for n in (3, 4, 5, 6)}
    for n in (4, 5, 6):
        cost = Cost(dim=n, columns=1)
        A = rng.integers(-9, 10, (n, n))
        terms = [int(A[i, j] + A[j, i]) * cost.x(i, 0) * cost.x(j, 0) for i in range(n) for j in range(n)]
        cases[f"quadratic form, n = {n}"] = cost.instance(sum(terms))
    for n in (3, 4, 5):
        cost = Cost(dim=n, columns=1)
        T = rng.integers(-9, 10, (n, n, n))
        x = [cost.x(i, 0) for i in range(n)]
        cases[f"3-spin, n = {n}"] = cost.instance(
            sum(int(T[i, j, k]) * x[i] * x[j] * x[k] for i in range(n) for j in range(n) for k in range(n))
        )
    for n in (3, 5):
        cost = Cost(dim=2, columns=n)
        cases[f"Kuramoto ring of {n}"] = cost.instance(sum(-1 * cost.gram(i, (i + 1) % n) for i in range(n)))
    cost = Cost(dim=2, columns=5)
    J = rng.integers(-9, 10, (5, 5))
    glass = sum(int(J[i, j]) * cost.gram(i, j) for i in range(5) for j in range(i))
    cases["XY glass of 5"] = cost.instance(glass)
    cases["XY glass of 5 in a field"] = cost.instance(glass + sum((j + 1) * cost.x(0, j) for j in range(5)))
    cost = Cost(dim=3, columns=2)
    B = rng.integers(-9, 10, (3, 3))
    cases["bilinear form, 3 x 3"] = cost.instance(
        sum(int(B[i, j]) * cost.x(i, 0) * cost.x(j, 1) for i in range(3) for j in range(3))
    )
    cases["Thomson, N = 4"] = thomson(4)
    return cases


def measure(name: str, problem: Any, most_boxes: int = 2_000_000) -> CompleteList:
    """Prove one instance and print its line."""
    marks = {"begin": time.process_time()}

    def mark(stage: str, done: int, _: int) -> None:
        marks["check" if stage.startswith("check") and done == 0 else "end"] = time.process_time()

    found = prove_complete(problem, most_boxes=most_boxes, progress=mark)
    end = time.process_time()
    search = marks.get("check", end) - marks["begin"]
    check = end - marks["check"] if "check" in marks else 0.0
    size = len(found.certificate or b"") / 1000
    print(
        f"| {name} | {found.status.name} | {len(found.points)} | {found.boxes:,} | {search:.1f} | "
        f"{found.boxes / max(search, 1e-9) / 1000:.0f} | {check:.1f} | {size:.0f} |",
        flush=True,
    )
    return found


def by_rank_and_index(problem: UFMProblem, found: CompleteList) -> str:
    """Return how many orbits have each rank and Morse index."""
    count: Counter[tuple[int, int]] = Counter()
    for X in found.points:
        count[numerical_rank(X), hessian_spectrum(problem, X).morse_index] += 1
    return ", ".join(f"rank {r} index {i}: {n}" for (r, i), n in sorted(count.items()))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--atlas", type=Path)
    parser.add_argument("--peer", action="store_true")
    parser.add_argument("--only", default="", help="a part of the names of what is done alone")
    words = parser.parse_args()
    print("| instance | status | orbits | boxes | search, s | 1000 boxes/s | check, s | file, kB |")
    print("|---|---|---|---|---|---|---|---|")
    notes = []
    for sizes, tau, weights in INSTANCES:
        problem = UFMProblem(class_sizes=sizes, dim=2, tau=tau, weights=weights)
        title = f"class sizes {', '.join(map(str, sizes))}, tau = {tau}"
        title = title if weights is None else f"{title}, weights {weights}"
        if words.only not in title:
            continue
        found = measure(title, problem)
        if words.atlas is not None:
            words.atlas.mkdir(parents=True, exist_ok=True)
            name = "-".join(map(str, (*sizes, *(("weights", *weights) if weights else ()))))
            path = words.atlas / f"{name}_tau{tau.replace('/', '_')}.json"
            path.write_bytes(found.certificate or b"")
            notes.append(f"{title}: {by_rank_and_index(problem, found)}")
    for name, instance in own_costs().items():
        if words.only in name:
            measure(name, instance)
    if words.peer:
        measure("K = 3, n = 1, tau = 1 as an expression", as_expression(3, 1), most_boxes=100_000)
    print(*notes, sep="\n")


if __name__ == "__main__":
    main()
