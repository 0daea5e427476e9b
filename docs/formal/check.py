"""Build the formal proofs and say what they rest on: ``python docs/formal/check.py`` (needs Coq, see README.md).

Three things are checked: no source leaves a proof open or assumes anything (`source_defects`); everything builds; and
Coq's own account (`Print Assumptions`) of every theorem in Theorems.v names no axiom beyond those of assumptions.txt.
Exit code 0 if all holds, 1 if not, 3 if Coq is not installed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
FORBIDDEN = re.compile(
    r"\b(Admitted|admit|give_up|Axioms?|Parameters?|Conjectures?|Primitive|bypass_check|Unset Guard|Unset Positivity"
    r"|Unset Universe)\b"
)


def without_comments(text: str) -> str:
    """Coq source without its comments, which nest."""
    kept, depth = [], 0
    for piece in re.split(r"(\(\*|\*\))", text):
        depth += {"(*": 1, "*)": -1}.get(piece, 0)
        if depth == 0 and piece != "*)":
            kept.append(piece)
    return "".join(kept)


def source_defects(folder: Path = HERE) -> list[str]:
    """Sentences on open proofs and assumptions in the sources, and on files that are not built."""
    sources = sorted(folder.glob("*.v"))
    listed = [line for line in (folder / "_CoqProject").read_text().split() if line.endswith(".v")]
    defects = [
        f"{path.name}: the word {word} is not allowed"
        for path in sources
        for word in sorted(set(FORBIDDEN.findall(without_comments(path.read_text()))))
    ]
    if sorted(listed) != [path.name for path in sources]:
        defects.append("_CoqProject does not list exactly the .v files of this folder")
    return defects


def theorems(folder: Path = HERE) -> list[str]:
    """Names of the theorems, in the order of Theorems.v."""
    return re.findall(r"^Theorem (\w+)", without_comments((folder / "Theorems.v").read_text()), re.MULTILINE)


def axioms(text: str) -> set[str]:
    """Axioms with their types, one string each, from the output of Print Assumptions."""
    entries = re.sub(r"\n\s+", " ", text).splitlines()
    return {
        entry for entry in entries if entry and entry not in ("Axioms:", "Closed under the global context")
    }


def coq_is_installed() -> bool:
    """Whether Coq, in the version that the proofs are written for, and the libraries that they use are there."""
    if not shutil.which("coqc"):
        return False
    version = subprocess.run(["coqc", "-print-version"], capture_output=True, text=True).stdout
    if not version.startswith("8.16"):
        return False
    where = subprocess.run(["coqc", "-where"], capture_output=True, text=True).stdout.strip()
    return all(
        (Path(where) / "user-contrib" / "mathcomp" / part).exists()
        for part in ("analysis", "algebra_tactics")
    )


def run(*command: str, folder: Path) -> str:
    """Output of a command, which must succeed."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def main() -> int:
    """Check the sources, build them in a folder of their own, and compare assumptions."""
    if defects := source_defects():
        print(*defects, sep="\n")
        return 1
    if not coq_is_installed():
        print(
            "Coq 8.16 or mathcomp is not installed: the formal proofs were NOT checked (docs/formal/README.md says how)"
        )
        return 3
    allowed = axioms((HERE / "assumptions.txt").read_text())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in [*HERE.glob("*.v"), HERE / "_CoqProject"]:
            shutil.copy(path, folder)
        run("coq_makefile", "-f", "_CoqProject", "-o", "Makefile", folder=folder)
        run("make", "-j2", folder=folder)
        question = "From Sphere Require Theorems.\n" + "".join(
            f"Print Assumptions Theorems.{theorem}.\n" for theorem in theorems(folder)
        )
        (folder / "Question.v").write_text(question)
        found = axioms(run("coqc", "-w", "none", "-R", ".", "Sphere", "Question.v", folder=folder))
    if found - allowed:
        print("the theorems rest on more than assumptions.txt:", *sorted(found - allowed), sep="\n  ")
        return 1
    print(f"{len(theorems())} theorems, no axiom but the {len(allowed)} of assumptions.txt")
    return 0


if __name__ == "__main__":
    sys.exit(main())
