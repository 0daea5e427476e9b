"""Landscapes of optimisation problems on products of spheres: find, classify, prove.

Public names are imported when they are first used, so that ``import sphereufm`` stays quick.  The stub file beside this
one says, to type checkers too, where each of them is.
"""

import ast
from importlib import import_module
from pathlib import Path
from typing import Any

_HOME = {
    public.name: node.module
    for node in ast.parse(Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8")).body
    if isinstance(node, ast.ImportFrom)
    for public in node.names
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
