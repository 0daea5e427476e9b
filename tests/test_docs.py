"""Pages as text: prose wraps at 120 columns (code, tables, links that stand alone and mathematics may be longer)."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/**/*.md")])
FREE = re.compile(r"\s*(\||#|<|!?\[|=|>)")


def prose(text):
    """Lines outside of code, numbered from one."""
    fence = ""
    for number, line in enumerate(text.splitlines(), 1):
        mark = re.match(r"\s*(`{3,}|~{3,}|:{3,}|\$\$)", line)
        if mark and line.rstrip().endswith("$$") and len(line.strip()) > 2:
            continue
        if mark and (not fence or mark[1].startswith(fence)):
            fence = "" if fence else mark[1]
        elif not fence and not FREE.match(line) and not line.startswith("    "):
            yield number, line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_prose_wraps(page):
    long = [number for number, line in prose(page.read_text(encoding="utf-8")) if len(line) > 120]
    assert long == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_term_of_a_definition_list_runs_into_its_definition(page):
    """Wrapped as a paragraph it would be shown as one."""
    lines = prose(page.read_text(encoding="utf-8"))
    assert [number for number, line in lines if re.match(r"[a-zA-Z ]+ : \S", line)] == []
