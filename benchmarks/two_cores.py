"""`sphereufm verify` with proofs, descents and pages by one process and by two, in turns: wall time on a quiet machine.

    python benchmarks/two_cores.py [--case 6,1,4] [--runs 3] [--workers 2]

Both sides leave the same report, which is compared (the folders are temporary).  BLAS has one thread on both sides.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median


def run(case, workers, folder):
    """Seconds by the wall of one command."""
    K, n, d = case.split(",")
    words = ["verify", "--classes", K, "--per-class", n, "--dim", d, "--tau", "1", "--workers", str(workers)]
    begun = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "sphereufm", *words, "--out", str(folder)],
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        check=False,  # the exit code is the verdict
    )
    return time.perf_counter() - begun


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--case", default="6,1,4")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    times = {1: [], chosen.workers: []}
    for number in range(chosen.runs):
        with tempfile.TemporaryDirectory() as place:
            folders = [Path(place) / str(workers) for workers in times]
            for workers, folder in zip(times, folders, strict=True):
                times[workers].append(run(chosen.case, workers, folder))
            first, second = ((folder / "landscape.json").read_bytes() for folder in folders)
        print(
            f"run {number + 1}:",
            *(f"{workers} worker(s) {found[-1]:.2f} s," for workers, found in times.items()),
        )
        if first != second:
            print("the reports differ")
    one, more = map(median, times.values())
    print(
        f"{chosen.case}: medians {one:.2f} and {more:.2f} s, {one / more:.2f} times as fast with {chosen.workers}"
    )


if __name__ == "__main__":
    main()
