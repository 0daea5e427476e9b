"""A bar draws what it hears on a terminal, or as lines; test_showing.py has notebooks."""

import sys

from sphereufm import UFMProblem, verify_landscape
from sphereufm.progress import Bar, Parts, drawn


def test_where_nobody_watches_there_are_lines_for_who_asked_and_nothing_else(capsys):
    lines = []
    with Bar(line=lines.append) as bar:
        part = Parts(bar, {"search": 1.0}).of("search")
        for done in range(101):
            part("rank 2", done, 100, "3 found")
    assert lines == ["rank 2: 0 of 1000; 3 found", "rank 2: 1000 of 1000; 3 found"]
    with drawn(True) as bar, drawn(None) as silent:
        bar("rank 2", 1, 1)
        silent("rank 2", 1, 1)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_sees_a_bar(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with drawn(True) as bar:
        bar("rank 2", 3, 10, "4 found")
    assert "rank 2" in (text := capsys.readouterr().err)
    assert "4 found" in text


def test_python_sees_the_plan_first(capsys):
    report = verify_landscape(
        UFMProblem(class_sizes=(1, 1), dim=3, tau=1), starts=8, prove=True, progress=True
    )
    assert capsys.readouterr().err.startswith("Plan: rank 2, rank 3")
    assert report.proofs.proved == len(report.critical)
