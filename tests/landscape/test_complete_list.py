"""Complete lists in landscapes, on the command line and in files."""

import json

import pytest
from cli.running import FAST, run

from sphereufm import UFMProblem, load_report, prove_landscape, verify_landscape
from sphereufm.certify.expressions import Cost
from sphereufm.landscape.points import CriticalPoint, CriticalPointKind, LandscapeVerdict, Status
from sphereufm.landscape.report.summary import summarise
from sphereufm.landscape.report.verdict import conclude
from sphereufm.problem.expressions.expression_problem import ExpressionProblem


@pytest.fixture(scope="module")
def report():
    """Two classes: known in closed form."""
    return verify_landscape(UFMProblem(class_sizes=(2, 1), dim=3, tau=0.5), starts=4, complete=True)


def test_every_proved_orbit_is_a_row_and_no_row_is_another(report):
    rows = [entry for entry in report.critical if isinstance(entry, CriticalPoint)]
    assert (report.completeness.status, report.completeness.orbits, len(rows)) == ("PROVED", 8, 8)
    assert report.notes == ()


def test_the_bound_on_what_is_unseen_gives_way_to_the_fact(report):
    facts = "\n".join(summarise(report).facts)
    assert "exactly one of these 8 critical orbits" in facts
    assert "lower bound" not in facts
    assert "unseen" not in facts
    plain = verify_landscape(report.problem, starts=4)
    assert "lower bound" in "\n".join(summarise(plain).facts)


def test_the_report_and_its_certificate_are_written_and_read(report, tmp_path, capsys):
    proved = prove_landscape(report, tmp_path)
    proved.save(tmp_path / "landscape.json")
    again = load_report(tmp_path / "landscape.json")
    assert again.completeness == proved.completeness
    assert again.completeness.certificate == "certificates/complete.json"
    data = json.loads(run(capsys, "check", "--json", str(tmp_path))[1])
    assert [r["status"] for r in data if r["file"].endswith("complete.json")] == ["PROVED"]
    (tmp_path / again.completeness.certificate).unlink()
    assert run(capsys, "check", str(tmp_path))[0] == 2


def test_the_command_says_what_is_proved_and_refuses_what_contradicts(capsys):
    words = ("verify", *FAST, "--starts", "4", "--complete")
    assert "exactly one of these 3 critical orbits" in " ".join(run(capsys, *words)[1].split())
    code, _, error = run(capsys, *words, "--no-proofs")
    assert code == 2
    assert "--no-proofs" in error


def test_what_is_not_proved_complete_stays_a_lower_bound():
    report = verify_landscape(UFMProblem(class_sizes=(2, 2, 2), dim=3, tau=1), starts=2, complete=True)
    facts = "\n".join(summarise(report).facts)
    assert report.completeness.status == "UNDECIDED"
    assert "lower bound" in facts
    assert "complete list: UNDECIDED: " in facts


@pytest.mark.parametrize(
    ("kind", "status", "verdict"),
    [
        (CriticalPointKind.STRICT_SADDLE, Status.PROVED, LandscapeVerdict.BENIGN),
        (CriticalPointKind.STRICT_SADDLE, Status.NUMERICAL, LandscapeVerdict.UNDECIDED),
        (CriticalPointKind.LOCAL_MINIMUM, Status.PROVED, LandscapeVerdict.UNDECIDED),
    ],
)
def test_a_complete_list_without_a_bad_point_is_a_verdict_only_where_all_is_proved(kind, status, verdict):
    entry = CriticalPoint(
        X=None, cost=1.0, relative_gradient_norm=0.0, rank=1, spectrum=None, kind=kind, status=status
    )
    conclusion = conclude([entry], None, proofs=True, complete=True)
    assert conclusion.verdict is verdict
    assert conclude([entry], None, proofs=True).verdict is LandscapeVerdict.UNDECIDED


def test_an_own_cost_has_its_points_as_rows():
    cost = Cost(dim=3, columns=1)
    A = [[2, 1, 0], [1, -3, 1], [0, 1, 5]]
    terms = [A[i][j] * cost.x(i, 0) * cost.x(j, 0) for i in range(3) for j in range(3) if A[i][j]]
    report = verify_landscape(ExpressionProblem(instance=cost.instance(sum(terms))), starts=8, complete=True)
    assert (report.completeness.status, len(report.critical)) == ("PROVED", 6)
    assert not any("proved orbits" in note for note in report.notes)
