"""One file of all modules of the checker, to be copied anywhere and run alone.

python -m sphereufm.certify.alone > checker.py
"""

from __future__ import annotations

from pathlib import Path

# each needs only those before it
MODULES = (
    "kernel",
    "calculus",
    "programs",
    "newton",
    "losses",
    "reading",
    "place",
    "words",
    "claims",
    "families",
    "integers",
    "face",
)


def alone() -> str:
    """Return the text of the one file."""
    folder = Path(__file__).parent / "checker"
    parts = [f'"""{(folder / "__init__.py").read_text(encoding="utf-8").split(chr(34) * 3)[1]}"""\n']
    parts.append("from __future__ import annotations\n")
    for name in MODULES:
        parts.append(f"\n# --- {name}\n" + _own((folder / f"{name}.py").read_text(encoding="utf-8")))
    parts.append('\nif __name__ == "__main__":\n    sys.exit(main(sys.argv[1:]))\n')
    return "".join(parts)


def _own(source: str) -> str:
    """A module without what only matters inside the package."""
    lines, inside = [], False
    for line in source.splitlines(keepends=True):
        starts = line.startswith(("from sphereufm.", "from __future__"))
        if not (starts or inside):
            lines.append(line)
        inside = (starts and line.rstrip().endswith("(")) or (inside and line.rstrip() != ")")
    return "".join(lines)


if __name__ == "__main__":
    print(alone(), end="")
