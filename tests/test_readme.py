"""README and documentation say what is true: their Python runs, their commands run, their links lead somewhere."""

import doctest
import json
import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest
import record
from record import PAGES, ROOT

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(page: Path, language: str) -> list[str]:
    return [body for tag, body in FENCE.findall(page.read_text(encoding="utf-8")) if tag == language]


class Checker(doctest.OutputChecker):
    """Takes outputs for the same whose words and numbers are; nothing is left out."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return super().check_output(want, got, optionflags) or record.same_values(want, got)


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def test_console_blocks_are_split_with_exit_codes() -> None:
    found = record.commands("$ a b\nout\n$ c\n$ echo $?\n3\n")
    assert [(c.line, c.output, c.exit_code) for c in found] == [("a b", "out\n", 0), ("c", "", 3)]


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "python")], ids=name)
def test_python_of_the_page_runs(page: Path) -> None:
    text = "\n".join(blocks(page, "python"))
    test = doctest.DocTestParser().get_doctest(text, {}, name(page), str(page), 0)
    assert test.examples, "Python on a page is written as a session with >>>, so that it can be tested"
    report: list[str] = []
    runner = doctest.DocTestRunner(checker=Checker())
    runner.run(test, out=report.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(report)


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "console")], ids=name)
def test_commands_of_the_page_run(page: Path, tmp_path: Path) -> None:
    # commands of one page share a directory that looks like a clone, and run in the page's order
    folder = record.clone(tmp_path / "clone")
    for block in blocks(page, "console"):
        for command in record.commands(block):
            done = record.run(command, folder)
            context = f"$ {command.line}\n{done.output}"
            assert done.exit_code == command.exit_code, context
            assert record.same_words(command.output, done.output), (
                f"{context}\nto record it: python docs/record.py"
            )


def test_outputs_are_the_same_if_their_words_are() -> None:
    assert record.same_words("cost 1.25 (3 s)\n", "cost  1.5e-3 (40 s)")
    assert not record.same_words("cost 1.25 PROVED", "cost 1.25 numerical")
    assert not record.same_words("a ... z", "a b z")
    assert record.same_values("index 3 within 2.2e-16: 0.4580", "index 3 within 4.4e-16:  0.45801")
    assert not record.same_values("index 3", "index 2")
    assert not record.same_values("index 3", "index 3 of 4")


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_relative_links_lead_to_files(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    downloads = re.findall(r"\{download\}`[^<`]*<([^>]+)>`", text)
    targets = downloads + re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", text))
    local = [t.partition("#")[0] for t in targets if not re.match(r"[a-z]+:|#", t)]
    # figures that the build draws are checked by the build
    missing = [t for t in local if not t.startswith("images/drawn/") and not (page.parent / t).exists()]
    assert missing == []


def test_readme_has_exactly_two_set_up_lines() -> None:
    lines = re.findall(
        r"^python3 -m venv .*$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert [line.count("sphereufm verify") for line in lines] == [1, 0]
    assert [line.count("pytest") for line in lines] == [0, 1]
    for line in lines:
        subprocess.run(["bash", "-n", "-c", line], check=True)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_set_up_lines_are_the_readmes(page: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    lines = re.findall(r"^python3 -m venv .*$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert [line for line in lines if line not in readme] == []


def test_ci_takes_the_set_up_lines_from_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "readme_line 'sphereufm verify'" in script
    assert "readme_line 'pytest'" in script
    assert "-m pytest" not in script, "the test command is written in README.md alone"


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "json")], ids=name)
def test_json_examples_parse(page: Path) -> None:
    for block in blocks(page, "json"):
        assert json.loads(block)


def test_exit_codes_are_the_same_in_readme_and_documentation() -> None:
    def codes(page: Path) -> list[str]:
        return re.findall(r"^\| (\d+) \|", page.read_text(encoding="utf-8"), re.MULTILINE)

    assert codes(ROOT / "README.md") == codes(ROOT / "docs" / "command-line.md")
    assert codes(ROOT / "README.md") == ["0", "1", "2", "3", "70", "130"]


def shell_lines(page: Path) -> list[list[str]]:
    """Words of the page's lines that call sphereufm and are not run by these tests."""
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    return [shlex.split(line, comments=True) for line in lines if line.startswith("sphereufm ")]


@pytest.mark.parametrize("page", [p for p in PAGES if shell_lines(p)], ids=name)
def test_shell_lines_of_the_page_are_understood(page: Path) -> None:
    from sphereufm.cli import cli

    for words in shell_lines(page):
        command = cli.commands[words[1]]
        context = click.Context(command, info_name=words[1])
        given, rest, _ = command.make_parser(context).parse_args(
            words[2:]
        )  # refuses options that do not exist
        assert rest == []
        assert given


def test_table_of_proofs_has_every_formal_theorem_and_every_certificate() -> None:
    page = (ROOT / "docs" / "what-is-proved.md").read_text(encoding="utf-8")
    formal = (ROOT / "docs" / "formal" / "Theorems.v").read_text(encoding="utf-8")
    theorems = set(re.findall(r"^(?:Theorem|Lemma) (\w+)", formal, re.MULTILINE))
    files = {path.name for path in (ROOT / "tests" / "data" / "certificates").glob("*.json")}
    further = {path.name for path in (ROOT / "tests" / "data" / "counterexamples").glob("*.json")}
    assert {"benign_S", "sharpness-balanced.json"} <= theorems | files
    named = set(re.findall(r"`([\w.-]+)`", page))
    assert theorems | files <= named
    assert {
        name for name in named if name.startswith("benign_") or name.endswith("K4.json")
    } <= theorems | files | further


def grids(page: Path) -> list[str]:
    """TOML of sweeps; that of costs is no grid."""
    return [block for block in blocks(page, "toml") if "per_class" in block]


@pytest.mark.parametrize("page", [p for p in PAGES if grids(p)], ids=name)
def test_grids_of_the_page_can_be_read(page: Path, tmp_path: Path) -> None:
    from sphereufm.sweeps import read_grid

    for block in grids(page):
        (tmp_path / "grid.toml").write_text(block, encoding="utf-8")
        assert read_grid(tmp_path / "grid.toml")
