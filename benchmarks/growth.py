"""Growth of `verify` with K, n and d: processor time here and in another checkout, exponents, and a figure.

    python benchmarks/growth.py OTHER [--largest 40] [--loop 6] [--out benchmarks/growth.svg]

Standard effort, tau = 1, seed 0, without proofs; one process a landscape, one BLAS thread.  A series of the other
side ends with the first landscape that takes it more than ``--largest`` seconds.  An exponent is the slope of a line
through the logarithms.  ``--loop`` also times a plain multi-start loop over Pymanopt that minimises ``|grad f|^2 / 2``
from so many starts at K = 3, n = 1, d = 4, and says how long the starts would take that coverage needed here.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from verify_speed import run

HERE = Path(__file__).resolve().parents[1]
SERIES = {
    "K (n = 1, d = 4)": [(K, 1, 4) for K in (3, 4, 5, 6)],
    "n (K = 3, d = 4)": [(3, n, 4) for n in (1, 2, 3, 4)],
    "d (K = 4, n = 1)": [(4, 1, d) for d in (2, 3, 4, 5)],
}


def measured(root, cases, largest):
    """Seconds and rows of each landscape, until one takes too long."""
    found = []
    for case in cases:
        end = run(root, [*case, 1.0, "standard"], False)
        found.append((end["seconds"], len(end["rows"]), end["starts"]))
        if end["seconds"] > largest:
            break
    return found


def exponent(along, found):
    """Slope of log seconds by log size."""
    if len(found) < 2:
        return float("nan")
    return float(np.polyfit(np.log(along[: len(found)]), np.log([seconds for seconds, *_ in found]), 1)[0])


def figure(results, path):
    """One panel a series."""
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(9.0, 3.0), layout="constrained")
    for axes, (name, (along, sides)) in zip(
        drawing.subplots(1, 3, sharey=True), results.items(), strict=True
    ):
        for label, found in sides.items():
            axes.loglog(along[: len(found)], [seconds for seconds, *_ in found], "o-", label=label)
        axes.set_xticks(along, [str(x) for x in along], minor=False)
        axes.set_xticks([], minor=True)
        axes.set_xlabel(name)
    drawing.axes[0].set_ylabel("processor seconds")
    drawing.axes[0].legend()
    drawing.savefig(path)


def loop(starts):
    """Seconds a start of the plain loop, and how many of its starts converged."""
    from enumeration import TOLERANCE, looped

    from sphereufm import UFMProblem
    from sphereufm.problem.interface import relative_gradient_norm

    problem = UFMProblem(class_sizes=(1, 1, 1), dim=4, tau=1)
    begin = time.process_time()
    X, _ = looped(problem, problem.spheres.random_point(0, (starts,)))
    seconds = (time.process_time() - begin) / starts
    return seconds, int((relative_gradient_norm(problem.at(X)) <= TOLERANCE).sum())


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("other", type=Path)
    parser.add_argument("--largest", type=float, default=40.0)
    parser.add_argument("--loop", type=int, default=0)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    results = {}
    print("| K, n, d | rows | before | now | ratio |\n|---|---|---|---|---|")
    for name, cases in SERIES.items():
        along = [case["Knd".index(name[0])] for case in cases]
        before, now = measured(arguments.other, cases, arguments.largest), measured(HERE, cases, np.inf)
        results[name] = along, {"before": before, "now": now}
        for i, case in enumerate(cases):
            old = before[i][0] if i < len(before) else float("nan")
            new, rows, _ = now[i]
            print(
                f"| {', '.join(map(str, case))} | {rows} | {old:.2f} | {new:.2f} | {old / new:.1f} |",
                flush=True,
            )
        both = len(before)
        print(
            f"| exponent in {name} | | {exponent(along, before):.1f} | {exponent(along, now[:both]):.1f} | |"
        )
    if arguments.out:
        figure(results, arguments.out)
    if arguments.loop:
        seconds, reached = loop(arguments.loop)
        here, _, starts = results["K (n = 1, d = 4)"][1]["now"][0]
        print(f"plain loop: {seconds:.2f} s a start, {reached} of {arguments.loop} converged; ", end="")
        print(
            f"{starts} starts, as coverage needed here, would take {starts * seconds:.0f} s, here {here:.2f} s"
        )


if __name__ == "__main__":
    main()
