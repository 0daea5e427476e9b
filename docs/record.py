"""Console blocks of the pages with what their commands print: recorded by this script, compared by tests and builds.

``python docs/record.py`` runs the ``$`` lines of every page, a page at a time in a folder that looks like a clone, and
writes what they print below them; ``python docs/record.py PAGE...`` does some pages only.  An output that still holds
stays as it is.  Two outputs of commands are the same if their words are: numbers count as numbers only, since their
last digits, times and hits differ between processors.  Those of Python have the same numbers, too, to three digits; of
numbers below a millionth, which are roundings, only that they are.
"""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
COLUMNS = "120"


@dataclass(frozen=True, kw_only=True)
class Command:
    """One ``$`` line of a console block, with what must follow it."""

    line: str
    output: str
    exit_code: int


def commands(block: str) -> list[Command]:
    """Split a console block; ``$ echo $?`` and the number below it give the exit code of the line before."""
    found: list[Command] = []
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        line, _, output = part.partition("\n")
        if line == "echo $?":
            found.append(replace(found.pop(), exit_code=int(output)))
        else:
            found.append(Command(line=line, output=output, exit_code=0))
    return found


def run(command: Command, folder: Path) -> Command:
    """What the command prints and how it ends, in a folder; no colours, a fixed width."""
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        ["bash", "-c", command.line],
        cwd=folder,
        env=os.environ | {"PATH": places, "COLUMNS": COLUMNS, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    text = done.stdout if done.returncode != 2 else done.stderr
    lines = "".join(line.rstrip() + "\n" for line in text.strip("\n").splitlines())
    return replace(command, output=lines, exit_code=done.returncode)


def same_words(expected: str, printed: str) -> bool:
    """Whether two outputs have the same words."""
    return _words(expected) == _words(printed)


def same_values(expected: str, printed: str) -> bool:
    """Whether two outputs have the same words and numbers."""
    numbers = ([float(text) for text in NUMBER.findall(output)] for output in (expected, printed))
    return same_words(expected, printed) and all(
        max(abs(a), abs(b)) < 1e-6 or math.isclose(a, b, rel_tol=1e-3) for a, b in zip(*numbers, strict=True)
    )


def _words(text: str) -> str:
    """The text with numbers made equal, white space and rules folded."""
    return " ".join(NUMBER.sub("#", re.sub(r"[─━│┃]+", " ", text)).split())


def clone(folder: Path) -> Path:
    """Make a folder look like a clone, as far as the pages need it."""
    shutil.copytree(ROOT / "tests" / "data", folder / "tests" / "data")
    return folder


def recorded(page: str) -> str:
    """The text of a page with every console block's output as it is printed now."""
    with tempfile.TemporaryDirectory() as name:
        folder = clone(Path(name))
        return CONSOLE.sub(lambda match: _block(match[1], folder), page)


def _block(body: str, folder: Path) -> str:
    lines = []
    for command in commands(body):
        done = run(command, folder)
        if done.exit_code != command.exit_code:
            raise SystemExit(
                f"$ {command.line}\nexit code {done.exit_code}, not {command.exit_code}\n{done.output}"
            )
        shown = command if same_words(command.output, done.output) else done
        lines.append(f"$ {command.line}\n{shown.output}")
        if command.exit_code:
            lines.append(f"$ echo $?\n{command.exit_code}\n")
    return "```console\n" + "".join(lines) + "```"


def main() -> None:
    """Record the pages named, or all."""
    for page in [Path(name).resolve() for name in sys.argv[1:]] or PAGES:
        before = page.read_text(encoding="utf-8")
        if (after := recorded(before)) != before:
            page.write_text(after, encoding="utf-8")
            print(f"{page.relative_to(ROOT)}: recorded")


if __name__ == "__main__":
    main()
