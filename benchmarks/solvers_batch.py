"""256 starts in one batch against the same solver in a loop over the starts; processor time, one BLAS thread.

Run ``python benchmarks/solvers_batch.py`` for the table.
"""

from __future__ import annotations

import time

import numpy as np
from threadpoolctl import threadpool_limits

from sphereufm.problem.ufm import UFMProblem
from sphereufm.solvers import SOLVERS, solve, solve_batch

STARTS = 256


def compare(solver: str) -> tuple[float, float, bool]:
    """Seconds of the batch, seconds of the loop, and whether both ended at the same costs (to 1e-12)."""
    problem = UFMProblem(class_sizes=(1,) * 4, dim=5, tau=5.0)
    starts = problem.spheres.random_point(0, (STARTS,))
    solve_batch(problem, starts[:2], solver=solver)
    begun = time.process_time()
    together = solve_batch(problem, starts, solver=solver)
    middle = time.process_time()
    alone = [solve(problem, start, solver=solver) for start in starts]
    ended = time.process_time()
    same = np.allclose([r.cost for r in together], [r.cost for r in alone], rtol=1e-12)
    return middle - begun, ended - middle, bool(same)


def main() -> None:
    """Print the table."""
    with threadpool_limits(limits=1):
        for solver in SOLVERS:
            batch, loop, same = compare(solver)
            print(
                f"{solver:20s} batch {batch:6.3f} s  loop {loop:6.3f} s  ratio {loop / batch:5.1f}  same {same}"
            )


if __name__ == "__main__":
    main()
