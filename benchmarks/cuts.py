"""Max-cut relaxations on graphs like those of the G-set: the proved value here, beside the value that CVXPY returns.

Graphs: a torus with weights 1 and -1 (like G11) and a random graph of density 0.06 (like G1), small.  Ours: `solve` on
unit columns of R^r, r about sqrt(2 n), and `prove_gap`, whose certificate the independent checker reads; the minimum
of the semidefinite program then lies in [cost - gap, cost].  CVXPY: `min <A, G> / 2, diag(G) = 1, G >= 0`, in floats,
with Clarabel (whose memory grows with the fourth power of the nodes, to 19 GB at 196) or SCS to 1e-5.  Processor
seconds, one run each; needs `pip install cvxpy`, and OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 for figures like those
of the README.

    python benchmarks/cuts.py [--side 8] [--nodes 60] [--solver CLARABEL|SCS]
"""

import argparse
import time

import numpy as np

from sphereufm import solve
from sphereufm.certify import GapClaim, prove_gap
from sphereufm.certify.checker import check_bytes
from sphereufm.certify.expressions import max_cut
from sphereufm.certify.json_format import certificate_to_json


def torus(side, rng):
    """A square grid that closes in itself, weights 1 and -1."""
    n = side * side
    A = np.zeros((n, n), dtype=int)
    for i in range(n):
        for j in ((i + side) % n, i - i % side + (i + 1) % side):
            A[i, j] = A[j, i] = rng.choice((-1, 1))
    return A


def sparse(n, rng):
    """A random graph of density 0.06, weights 1."""
    A = np.triu(rng.random((n, n)) < 0.06, 1).astype(int)
    return A + A.T


def seconds(function, *arguments):
    """What a function returns, and its processor seconds."""
    begin = time.process_time()
    answer = function(*arguments)
    return answer, time.process_time() - begin


def relaxation(A, solver):
    """The value that CVXPY returns."""
    import cvxpy

    G = cvxpy.Variable(A.shape, PSD=True)
    program = cvxpy.Problem(cvxpy.Minimize(cvxpy.sum(cvxpy.multiply(A / 2, G))), [cvxpy.diag(G) == 1])
    return program.solve(solver=solver, **({"eps": 1e-5} if solver == "SCS" else {}))


def main():
    """Print one line a graph."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--side", type=int, default=8)
    parser.add_argument("--nodes", type=int, default=60)
    parser.add_argument("--solver", choices=("CLARABEL", "SCS"), default="CLARABEL")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    graphs = {
        f"torus {options.side} x {options.side}": torus(options.side, rng),
        f"random, {options.nodes} nodes": sparse(options.nodes, rng),
    }
    for name, A in graphs.items():
        instance = max_cut(A.tolist(), dim=int(np.ceil(np.sqrt(2 * len(A)))))
        end, search = seconds(solve, instance)
        certificate, proof = seconds(prove_gap, instance, end.X)
        result, check = seconds(check_bytes, certificate_to_json(certificate).encode())
        gap = float(certificate.find(GapClaim).gap)
        value, theirs = seconds(relaxation, A, options.solver)
        print(
            f"{name}, r = {instance.dim}: {result.status}, minimum in [{end.cost - gap:.9f}, {end.cost:.9f}] (search "
            f"{search:.2f} s, proof {proof:.2f} s, check {check:.2f} s); CVXPY {value:.9f} ({theirs:.2f} s)",
            flush=True,
        )


if __name__ == "__main__":
    main()
