"""One wording: what the summary says, and that every face says exactly that."""

import dataclasses
import re
from html import unescape

import pytest
from own_problems import fourth_powers

from sphereufm import LandscapeVerdict, UFMProblem, prove_landscape, verify_landscape
from sphereufm.landscape.points import CriticalPointKind, Status
from sphereufm.landscape.report.landscape_report import ProofSummary
from sphereufm.landscape.report.summary import summarise
from sphereufm.notebook import counted
from sphereufm.plots.landscape import landscape_figure
from sphereufm.report import landscape_html


@pytest.fixture(scope="module")
def plane():
    return verify_landscape(UFMProblem(class_sizes=(1, 1, 1), dim=2, tau=12), effort="quick")


@pytest.fixture(scope="module")
def benign():
    return prove_landscape(verify_landscape(UFMProblem(class_sizes=(1, 1), dim=3, tau=1), starts=10))


def test_every_face_says_the_same(plane, capsys, monkeypatch):
    from sphereufm.cli.printing import say
    from sphereufm.cli.verify import _lines, _table

    monkeypatch.setenv("COLUMNS", "200")  # wide enough for headings in one line
    summary = summarise(plane)
    say(_table(summary), _lines(summary))
    faces = {
        "command line": capsys.readouterr().out,
        "page": unescape(re.sub("<[^>]*>", "", landscape_html(plane))),
        "notebook": unescape(re.sub("<[^>]*>", "", plane._repr_html_())),
    }
    met = [*summary.notes, *(met for _, met in summary.strata)]
    for text in faces.values():
        for said in (summary.title, summary.verdict, summary.sentence, summary.proofs, *met):
            assert said in text
        assert all(heading in text for heading in summary.headings)
    assert landscape_figure(plane).axes[0].get_ylabel() == summary.cost_heading


def test_the_counterexample_is_named_with_its_row_and_how_far_it_is_known(plane):
    summary = summarise(plane)
    assert plane.critical[summary.row].kind is CriticalPointKind.SPURIOUS_LOCAL_MINIMUM
    assert summary.sentence.startswith(f"row {summary.row + 1} is a spurious local minimiser")
    assert summary.sentence.endswith("(numerically)")
    proved = summarise(prove_landscape(plane))
    assert proved.sentence.endswith("(PROVED)")
    assert summarise(dataclasses.replace(plane, critical=())).sentence.startswith("a critical point")


def test_a_proved_row_says_what_the_checker_said(benign):
    for entry, row in zip(benign.critical, summarise(benign).rows, strict=True):
        assert row["kind"].startswith(entry.sentence)
        assert entry.sentence


def test_a_theorem_is_proved_for_the_instance_by_its_certificate_alone(benign):
    assert "PROVED for this instance" in summarise(benign).sentence
    without = dataclasses.replace(benign.proofs, basis_status=None)
    assert "PROVED" not in summarise(dataclasses.replace(benign, proofs=without)).sentence


def test_rows_are_counted_by_their_status(plane):
    first, second, *others = plane.critical
    mixed = (
        dataclasses.replace(first, status=Status.PROVED),
        dataclasses.replace(second, status=Status.UNDECIDED),
        *others,
    )
    n = len(mixed)
    proofs = ProofSummary(rows=n, proved=1, basis_status="NUMERICAL")
    said = summarise(dataclasses.replace(plane, critical=mixed, proofs=proofs)).proofs
    assert said == f"Of {n} rows 1 PROVED one by one, {n - 2} numerical, 1 UNDECIDED."
    assert summarise(dataclasses.replace(plane, critical=(first,))).proofs.startswith("1 row;")


def test_an_undecided_landscape_claims_nothing(plane):
    undecided = dataclasses.replace(plane, verdict=LandscapeVerdict.UNDECIDED, basis=None)
    summary = summarise(undecided)
    assert summary.row is None
    assert "no theorem applies" in summary.sentence


def test_costs_above_the_minimum_tell_rows_apart_that_costs_do_not():
    report = verify_landscape(UFMProblem(class_sizes=(1, 1, 1), dim=3, tau="0.001"), starts=10)
    rows = summarise(report).rows
    costs = {f"{row['cost']:.6g}" for row in rows}
    above = {f"{row['above']:.6g}" for row in rows}
    assert len(costs) < len(above)
    assert min(row["above"] for row in rows) == 0.0


def test_a_cost_of_ones_own_has_no_unit_and_no_name_of_ours():
    summary = summarise(verify_landscape(fourth_powers(3), starts=6))
    assert summary.cost_heading == "cost"
    assert "Problem" not in summary.title


@pytest.mark.parametrize(("number", "text"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows")])
def test_one_thing_has_no_plural(number, text):
    assert counted(number, "row") == text
