"""README and documentation say what is true: their Python runs, their commands run, their links lead somewhere."""

import doctest
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)

try:
    from sphereufm.cli import main  # noqa: F401
except ImportError:
    CLI_EXISTS = False
else:
    CLI_EXISTS = True

needs_cli = pytest.mark.skipif(not CLI_EXISTS, reason="sphereufm.cli does not exist yet")


@dataclass(frozen=True, kw_only=True)
class Command:
    """One ``$`` line of a console block, with what must follow it."""

    line: str
    output: str
    exit_code: int


def blocks(page: Path, language: str) -> list[str]:
    return [body for tag, body in FENCE.findall(page.read_text(encoding="utf-8")) if tag == language]


def commands(block: str) -> list[Command]:
    """Split a console block; ``$ echo $?`` and the number below it give the exit code of the line before."""
    found: list[Command] = []
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        line, _, output = part.partition("\n")
        if line == "echo $?":
            last = found.pop()
            found.append(Command(line=last.line, output=last.output, exit_code=int(output)))
        else:
            found.append(Command(line=line, output=output, exit_code=0))
    return found


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def test_console_blocks_are_split_with_exit_codes() -> None:
    found = commands("$ a b\nout\n$ c\n$ echo $?\n3\n")
    assert [(c.line, c.output, c.exit_code) for c in found] == [("a b", "out\n", 0), ("c", "", 3)]


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "python")], ids=name)
def test_python_of_the_page_runs(page: Path) -> None:
    text = "\n".join(blocks(page, "python"))
    test = doctest.DocTestParser().get_doctest(text, {}, name(page), str(page), 0)
    assert test.examples, "Python on a page is written as a session with >>>, so that it can be tested"
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    runner.run(test, out=report.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(report)


@needs_cli
@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "console")], ids=name)
def test_commands_of_the_page_run(page: Path, tmp_path: Path) -> None:
    # commands of one page share a directory that looks like a clone, and run in the page's order
    if (ROOT / "tests" / "data").exists():
        shutil.copytree(ROOT / "tests" / "data", tmp_path / "tests" / "data")
    elif "tests/data" in page.read_text(encoding="utf-8"):
        pytest.skip("tests/data does not exist yet")
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    for block in blocks(page, "console"):
        for command in commands(block):
            done = subprocess.run(
                ["bash", "-c", command.line],
                cwd=tmp_path,
                env=os.environ | {"PATH": places},
                capture_output=True,
                text=True,
                check=False,
            )
            context = f"$ {command.line}\n{done.stdout}{done.stderr}"
            assert done.returncode == command.exit_code, context
            if command.output:
                assert doctest.OutputChecker().check_output(command.output, done.stdout, doctest.ELLIPSIS), (
                    context
                )


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_relative_links_lead_to_files(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    downloads = re.findall(r"\{download\}`[^<`]*<([^>]+)>`", text)
    targets = downloads + re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", text))
    local = [t.partition("#")[0] for t in targets if not re.match(r"[a-z]+:|#", t)]
    missing = [t for t in local if not (page.parent / t).exists()]
    if not CLI_EXISTS:  # the command that draws it
        missing = [t for t in missing if t != "docs/images/landscape.png"]
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


@needs_cli
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


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "toml")], ids=name)
def test_grids_of_the_page_can_be_read(page: Path, tmp_path: Path) -> None:
    from sphereufm.sweeps import read_grid

    for block in blocks(page, "toml"):
        (tmp_path / "grid.toml").write_text(block, encoding="utf-8")
        assert read_grid(tmp_path / "grid.toml")
