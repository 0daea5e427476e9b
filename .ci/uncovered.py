"""Lines that no test reaches, from the last run with coverage: refusals and early ends counted, the rest named.

python -m pytest -q --cov=sphereufm --cov-report= && python .ci/uncovered.py
"""

import ast
from collections import Counter
from pathlib import Path

from coverage import Coverage

_LEAVING = (ast.Return, ast.Continue, ast.Break, ast.Pass)


def kinds(source):
    """What each line of a module does: refuse (raise), end early (return a name, a constant or nothing), or else."""
    found = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.stmt) and not hasattr(node, "body"):
            value = getattr(node, "value", None)
            early = isinstance(node, _LEAVING) and isinstance(value, ast.Constant | ast.Name | None)
            kind = "refusals" if isinstance(node, ast.Raise) else "early ends" if early else "others"
            found.update(dict.fromkeys(range(node.lineno, node.end_lineno + 1), kind))
    return found


def main():
    """Print a count for each room, and each line that is neither refusal nor early end."""
    data = Coverage()
    data.load()
    rooms, named = {}, []
    for file in sorted(data.get_data().measured_files()):
        missing, source = data.analysis2(file)[3], Path(file).read_text(encoding="utf-8")
        place = Path(file).relative_to(Path.cwd())
        found = kinds(source)
        for line in missing:
            kind = found.get(line, "others")
            rooms.setdefault(place.parts[1], Counter())[kind] += 1
            if kind == "others":
                named.append(f"{place}:{line}  {source.splitlines()[line - 1].strip()}")
    for room, counts in rooms.items():
        print(f"{room:16}", ", ".join(f"{n} {kind}" for kind, n in counts.items()))
    print(*named, sep="\n")


if __name__ == "__main__":
    main()
