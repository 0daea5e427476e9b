"""A bar draws what it hears on a terminal, or as lines; test_showing.py has notebooks."""

import sys

import pytest

from sphereufm import UFMProblem, connect_landscape, prove_landscape, verify_landscape
from sphereufm.progress import Bar, Parts, TimeLimitReached, drawn, silent, until


def test_where_nobody_watches_there_are_lines_for_who_asked_and_nothing_else(capsys):
    lines = []
    with Bar(line=lines.append) as bar:
        part = Parts(bar, {"search": 1.0}).of("search")
        for done in range(101):
            part("rank 2", done, 100, "3 found")
    assert lines == ["rank 2: 0 of 1000; 3 found", "rank 2: 1000 of 1000; 3 found"]
    with drawn(True) as bar, drawn(None) as nobody:
        bar("rank 2", 1, 1)
        nobody("rank 2", 1, 1)
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


@pytest.mark.parametrize("run", [prove_landscape, connect_landscape])
@pytest.mark.parametrize("limit", [None, 60.0])
def test_what_a_notebook_draws_reaches_its_end(monkeypatch, run, limit):
    heard = []
    monkeypatch.setattr("sphereufm.progress.notebook_bar", lambda: lambda *words: heard.append(words))
    run(
        verify_landscape(UFMProblem(class_sizes=(1, 1), dim=3, tau=1.0), starts=2, progress=silent),
        time_limit=limit,
    )
    assert [done for _, done, *_ in heard] == sorted(done for _, done, *_ in heard)
    assert heard[-1][1] == heard[-1][2] > 0


def test_work_that_is_done_is_no_longer_limited():
    heard = []
    watched = until(lambda *words: heard.append(words), 1e-9)
    with pytest.raises(TimeLimitReached):
        watched("stage", 1, 2)
    watched("stage", 2, 2)
    assert len(heard) == 2
