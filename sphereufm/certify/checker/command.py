"""The checker on the command line, where it runs alone."""

from __future__ import annotations

import sys

from sphereufm.certify.checker.face import check_file
from sphereufm.certify.checker.kernel import CheckError

CODES = {"PROVED": 0, "REFUTED": 1, "UNDECIDED": 3}


def main(words: list[str]) -> int:
    """Check one file and print what was found."""
    backend = words[words.index("--backend") + 1] if "--backend" in words[:-1] else "flint"
    files = [w for i, w in enumerate(words) if w != "--backend" and (i == 0 or words[i - 1] != "--backend")]
    if len(files) != 1:
        print("usage: python checker.py FILE [--backend flint|integers]", file=sys.stderr)
        return 2
    try:
        result = check_file(files[0], backend)
    except CheckError as error:
        print(f"{files[0]}: {error}", file=sys.stderr)
        return 2
    except Exception as defect:
        # Python's own exit code would be 1, which is for refutations only
        print(f"{files[0]}: internal error: {type(defect).__name__}: {defect}", file=sys.stderr)
        return 70
    print(f"instance: {result.instance} (sha256 {result.sha256})")
    for claim in result.claims:
        print(f"{claim.status} {claim.type}: {claim.text}")
    print(f"{result.status}: {result.row}")
    return CODES[result.status]
