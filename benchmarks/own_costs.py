"""Own costs from one expression against the same cost through Pymanopt and autograd: processor seconds of a search.

Both sides run in one process with default effort, the expression three times (median), search and proofs apart, the
other side once, without proofs. Set OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1.

    python benchmarks/own_costs.py [--expression-only]
"""

import argparse
import itertools
import time

import autograd.numpy as anp
import numpy as np
import pymanopt

from sphereufm import SymmetryGroup, from_pymanopt, prove_landscape, verify_landscape
from sphereufm.certify.expressions import Cost, fourth_powers, max_cut


def cases():
    """Name, expression, and the same for autograd."""
    rng = np.random.default_rng(0)
    cost = Cost(dim=6, columns=1)
    triples = list(itertools.combinations_with_replacement(range(6), 3))
    weights = [int(1000 * w) for w in rng.standard_normal(len(triples))]
    spins = cost.instance(
        sum(
            w * (cost.x(i, 0) * cost.x(j, 0) * cost.x(k, 0))
            for w, (i, j, k) in zip(weights, triples, strict=True)
        )
    )
    index, w = np.array(triples).T, np.array(weights, float)
    sphere = pymanopt.manifolds.Sphere
    yield (
        "cubic spins, 5-sphere",
        spins,
        sphere(6),
        lambda x: anp.sum(w * x[index[0]] * x[index[1]] * x[index[2]]),
        None,
    )
    A = rng.integers(-3, 4, (6, 6))
    A = np.triu(A, 1) + np.triu(A, 1).T
    cut = max_cut(A.tolist(), dim=3)
    oblique = pymanopt.manifolds.Oblique(3, 6)
    yield (
        "max-cut, 6 columns in R^3",
        cut,
        oblique,
        lambda X: 0.5 * anp.sum(A * anp.dot(X.T, X)),
        SymmetryGroup.rotations(6),
    )
    yield "fourth powers, 3-sphere", fourth_powers(4), sphere(4), lambda x: -anp.sum(x**4), None


def seconds(function, *arguments):
    """What a function returns, and its processor seconds."""
    begin = time.process_time()
    answer = function(*arguments)
    return answer, time.process_time() - begin


def main():
    """Print one line a cost."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--expression-only", action="store_true")
    options = parser.parse_args()
    for name, expression, manifold, cost, symmetry in cases():
        searches, proofs = [], []
        for _ in range(3):
            report, search = seconds(verify_landscape, expression)
            proved, proof = seconds(prove_landscape, report)
            searches.append(search)
            proofs.append(proof)
        line = f"{name}: {proved.proofs.proved} of {proved.proofs.rows} rows proved, "
        line += f"search {np.median(searches):.2f} s, proofs {np.median(proofs):.2f} s"
        if not options.expression_only:
            own = from_pymanopt(
                pymanopt.Problem(manifold, pymanopt.function.autograd(manifold)(cost)), symmetry
            )
            other, time_other = seconds(verify_landscape, own)
            line += f"; through autograd {len(other.critical)} rows, search {time_other:.1f} s"
        print(line, flush=True)


if __name__ == "__main__":
    main()
