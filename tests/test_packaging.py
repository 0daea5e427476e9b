"""The package as it is installed: version, types, command, lightness; and the files that tell others about it."""

import configparser
import importlib.metadata
import importlib.resources
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import sphereufm

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("autograd", "dask", "flint", "matplotlib", "pymanopt", "torch")


@pytest.fixture(scope="module")
def setup() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def test_version_is_the_same_everywhere(setup: configparser.ConfigParser) -> None:
    assert setup["metadata"]["version"] == "attr: sphereufm.version.__version__"
    assert importlib.metadata.version("sphereufm") == sphereufm.__version__
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (.+)$", citation, re.MULTILINE)[1] == sphereufm.__version__  # type: ignore[index]
    changes = (ROOT / "docs" / "changes.md").read_text(encoding="utf-8")
    assert re.search(r"^## (\S+)", changes, re.MULTILINE)[1] == sphereufm.__version__  # type: ignore[index]


def test_every_dependency_is_named_with_its_licence(setup: configparser.ConfigParser) -> None:
    page = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
    named = set(re.findall(r"[\w-]+", " ".join(re.findall(r"^\| ([^|]+) \|", page, re.MULTILINE))))
    lines = [setup["options"]["install_requires"], *setup["options.extras_require"].values()]
    needed = {re.split(r"[><=]", line)[0].strip() for text in lines for line in text.split("\n") if line}
    assert needed - named == set()


def test_types_are_announced() -> None:
    assert (importlib.resources.files("sphereufm") / "py.typed").is_file()


def test_console_script_leads_to_a_function() -> None:
    (entry,) = importlib.metadata.entry_points(group="console_scripts", name="sphereufm")
    assert entry.value == "sphereufm.cli:main"
    pytest.importorskip("sphereufm.cli")
    assert callable(entry.load())


def test_import_is_light() -> None:
    probe = f"import sphereufm, sys; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_of_the_command_is_light() -> None:
    pytest.importorskip("sphereufm.cli")
    probe = f"import sphereufm.cli, sys; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("extra", ["test", "docs"])
def test_extras_are_declared_with_lower_bounds(setup: configparser.ConfigParser, extra: str) -> None:
    requirements = setup["options.extras_require"][extra].split()
    assert requirements
    assert [r for r in requirements if ">=" not in r] == []


def test_ci_is_executable() -> None:
    assert os.stat(ROOT / ".ci" / "run").st_mode & stat.S_IXUSR
    subprocess.run(["bash", "-n", str(ROOT / ".ci" / "run")], check=True)


def test_threads_and_hypothesis_are_pinned() -> None:
    from hypothesis import settings

    assert os.environ["OPENBLAS_NUM_THREADS"] == os.environ["OMP_NUM_THREADS"] == "1"
    assert settings.default is not None
    assert settings.default.deadline is None


def test_every_page_is_in_a_table_of_contents() -> None:
    docs = ROOT / "docs"
    listed = set()
    for page in docs.glob("**/*.md"):
        for body in re.findall(
            r"^```\{toctree\}\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE
        ):
            entries = [line for line in body.splitlines() if line and not line.startswith(":")]
            listed |= {(page.parent / f"{entry}.md").resolve() for entry in entries}
    pages = {p for p in docs.glob("**/*.md") if p != docs / "index.md" and "_build" not in p.parts}
    assert {str(p) for p in pages - listed} == set()
