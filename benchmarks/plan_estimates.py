"""Whether the plan's estimates hold: processor seconds of searches against the ranges that the plan states.

OPENBLAS_NUM_THREADS=1 python benchmarks/plan_estimates.py [EFFORT ...]
"""

import sys
import time

from sphereufm import UFMProblem, plan_landscape, verify_landscape

PROBLEMS = [
    ((1, 1), 3, 1),
    ((1, 1, 1), 2, 12),
    ((2, 2, 2), 4, 1),
    ((3, 3, 3), 2, 5),
    ((5, 5, 5), 3, 2),
    ((1,) * 4, 3, 3.6),
    ((1,) * 4, 5, 1),
    ((2,) * 4, 5, 1),
    ((1,) * 5, 6, 1),
    ((1,) * 6, 4, 1),
    ((1,) * 7, 3, 2),
]


def main(efforts: list[str]) -> None:
    time.perf_counter = time.process_time  # other work on the machine shall not count
    for sizes, dim, tau in PROBLEMS:
        problem = UFMProblem(class_sizes=sizes, dim=dim, tau=tau)
        plan = plan_landscape(problem)
        for effort in efforts:
            begun = time.process_time()
            verify_landscape(problem, effort=effort)
            seconds = time.process_time() - begun
            least, most = plan.seconds[effort]
            holds = "" if least <= seconds <= most else "  OUTSIDE"
            print(f"{sizes} d={dim} tau={tau} {effort}: {seconds:.2f} s of {least:.2f} to {most:.2f}{holds}")


if __name__ == "__main__":
    main(sys.argv[1:] or ["quick", "standard"])
