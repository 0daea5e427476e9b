"""The gallery's examples teach one thing each, run as they stand, and leave their output uncommitted."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

GALLERY = Path(__file__).resolve().parents[1] / "docs" / "gallery"
EXAMPLES = sorted(GALLERY.glob("*.py"))


def test_there_is_a_gallery():
    assert len(EXAMPLES) >= 6


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_an_example_has_a_title_text_and_only_names_that_exist(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    title, rule, blank, *text = (ast.get_docstring(tree) or "").splitlines()
    assert set(rule) == {"="}
    assert len(rule) == len(title)
    assert blank == ""
    assert text
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    for node in imports:
        if node.module.startswith("sphereufm"):
            module = __import__(node.module, fromlist=[alias.name for alias in node.names])
            assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_an_example_runs(path):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
    done = subprocess.run(
        [sys.executable, path.name], cwd=GALLERY, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_what_the_gallery_writes_is_ignored_by_git():
    ignored = (GALLERY.parents[1] / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert "docs/examples/" in ignored
