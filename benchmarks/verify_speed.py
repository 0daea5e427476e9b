"""`verify` against another checkout of the package: processor time, and whether the same orbits are found.

    python benchmarks/verify_speed.py OTHER [--proofs] [--runs 3] [--cases 3,1,4 6,1,4:2.0:quick ...]

OTHER is the root of the other checkout.  Each side runs in processes of its own, in turns, with one BLAS thread and one
worker; a ratio is that of the medians.  A row is a critical orbit by its cost (nine significant digits), rank, Morse
index and kind; families are distinguished by name, rows of one family count once.
"""

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from statistics import median

CASES = ("3,1,4", "3,2,4", "4,1,5", "5,1,6", "6,1,4", "4,2,5")

CHILD = """
import json, sys, time, inspect
K, n, d, tau, effort, proofs = json.loads(sys.argv[1])
from sphereufm import UFMProblem, verify_landscape
begin = time.process_time()
problem = UFMProblem(class_sizes=(n,) * K, dim=d, tau=tau)
one = {"workers": 1} if "workers" in inspect.signature(verify_landscape).parameters else {}
report = verify_landscape(problem, effort=effort, rng=0, **one)
if proofs:
    from sphereufm.landscape.proofs import prove_landscape
    from sphereufm.report.landscape import landscape_html
    report = prove_landscape(report)
    landscape_html(report)
seconds = time.process_time() - begin
rows = [
    f"family {p.name}" if hasattr(p, "name") else f"{p.cost:.9g} rank {p.rank} index {p.morse_index} {p.kind.name}"
    for p in report.critical
]
starts = sum(c.starts for c in report.coverage.values())
print(json.dumps({"seconds": seconds, "rows": rows, "verdict": report.verdict.name, "starts": starts,
                  "proved": report.proofs.proved if report.proofs else None}))
"""


def run(root, case, proofs):
    """One process of one side."""
    threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    words = json.dumps([*case, proofs])
    done = subprocess.run(
        [sys.executable, "-c", CHILD, words],
        env={**os.environ, **threads, "PYTHONPATH": str(root)},
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def parsed(text):
    """``K,n,d[:tau[:effort]]``."""
    shape, tau, effort = [*text.split(":"), *("1.0", "standard")[text.count(":") :]]
    return [*map(int, shape.split(",")), float(tau), effort]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("other", type=Path)
    parser.add_argument("--proofs", action="store_true", help="with proofs and the HTML report")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--cases", nargs="+", default=CASES)
    parser.add_argument("--show", action="store_true", help="print the rows that one side alone has")
    arguments = parser.parse_args()
    here = Path(__file__).resolve().parents[1]
    print("| K, n, d, tau, effort | other | here | ratio | rows | lost | new | starts | proved | verdicts |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for text in arguments.cases:
        case = parsed(text)
        sides = [], []
        for _ in range(arguments.runs):
            for root, ends in zip((arguments.other, here), sides, strict=True):
                ends.append(run(root, case, arguments.proofs))
        other, ours = (median(end["seconds"] for end in side) for side in sides)
        before, after = (Counter(side[0]["rows"]) for side in sides)
        a, b = sides[0][0], sides[1][0]
        print(
            f"| {', '.join(map(str, case))} | {other:.2f} | {ours:.2f} | {other / ours:.1f} | {before.total()}, "
            f"{after.total()} | {(before - after).total()} | {(after - before).total()} | "
            f"{a['starts']}, {b['starts']} | {a['proved']}, {b['proved']} | {a['verdict']}, {b['verdict']} |",
            flush=True,
        )
        if arguments.show:
            print("lost", *(before - after).elements(), sep="\n  ")
            print("new", *(after - before).elements(), sep="\n  ")


if __name__ == "__main__":
    main()
