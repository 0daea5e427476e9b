"""Every work that a page or a docstring cites has an address."""

import ast
from pathlib import Path

from cited import WORKS, linked, unknown

ROOT = Path(__file__).resolve().parents[1]


def texts():
    """Pages and docstrings that cite something, with their file."""
    for page in sorted(ROOT.glob("docs/**/*.md")):
        yield page.name, page.read_text(encoding="utf-8")
    for module in sorted(ROOT.glob("sphereufm/**/*.py")):
        source = module.read_text(encoding="utf-8")
        for node in (
            ast.walk(ast.parse(source)) if "\nReferences" in source or "    References" in source else ()
        ):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                yield module.name, ast.get_docstring(node) or ""


def test_every_cited_work_has_an_address():
    assert [(name, title) for name, text in texts() for title in unknown(text)] == []


def test_a_title_becomes_a_link_wherever_its_line_breaks():
    text = "D. J. Wales, *Energy\n  Landscapes*, 2003, *so it is*."
    assert linked(text, "`{title} <{address}>`__") == (
        f"D. J. Wales, `Energy Landscapes <{WORKS['Energy Landscapes']}>`__, 2003, *so it is*."
    )
    assert unknown("Text.\n\nReferences\n----------\nA. Nobody, *A new\n  work*, 2003.\n") == ["A new work"]
