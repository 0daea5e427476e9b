"""A bar draws what it hears: in a notebook, on a terminal, or as lines."""

import re
import sys
from types import SimpleNamespace

from sphereufm import UFMProblem, verify_landscape
from sphereufm.progress import Bar, Parts, drawn


class Notebook:
    """What the bar sees of a notebook, and what a reader would."""

    def __init__(self, monkeypatch):
        self.shown = []
        shell = SimpleNamespace(kernel=object())
        monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
        monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=self.display))

    def display(self, data, *, raw, display_id):
        self.update(data, raw=raw)
        return self

    def update(self, data, *, raw):
        self.shown.append(data)


def test_a_notebook_sees_the_plan_and_one_bar(monkeypatch, capsys):
    notebook = Notebook(monkeypatch)
    problem = UFMProblem(class_sizes=(1, 1), dim=3, tau=1)
    verify_landscape(problem, starts=8, prove=True, progress=True)
    assert capsys.readouterr().err.startswith("Plan: rank 2, rank 3")
    bars = [data["text/html"] for data in notebook.shown if "text/html" in data]
    values = [int(re.search(r"value=(\d+) max=1000", bar)[1]) for bar in bars]
    assert values == sorted(values)
    assert values[-1] == 1000
    assert {"rank 2", "classify", "prove"} <= {bar.split("> ")[1].split(":")[0] for bar in bars}
    assert notebook.shown[-1] == {"text/plain": ""}


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
