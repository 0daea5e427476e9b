"""Complete lists in landscapes, on the command line and in files."""

import json
from dataclasses import replace

import numpy as np
import pytest
from cli.running import FAST, run

from sphereufm import UFMProblem, load_report, prove_complete, prove_landscape, verify_landscape
from sphereufm.certify.certificate import ProofStatus
from sphereufm.certify.expressions import Cost, exp
from sphereufm.complete.outcome import CompleteList
from sphereufm.landscape.complete_list import _sign_changes, completeness_of, is_benign
from sphereufm.landscape.points import CriticalPoint, CriticalPointKind, Status
from sphereufm.landscape.report.landscape_report import Completeness
from sphereufm.landscape.report.summary import summarise
from sphereufm.plots.searched import boxes_left_figure
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


def test_a_continuum_is_drawn_where_it_was_not_settled(report, tmp_path):
    cost = Cost(dim=2, columns=4)
    ring = ExpressionProblem(instance=cost.instance(sum(cost.gram(i, (i + 1) % 4) for i in range(4))))
    found = completeness_of(ring, [], prove_complete(ring, most_boxes=3000))[0]
    replace(report, completeness=found).save(tmp_path / "landscape.json")
    again = load_report(tmp_path / "landscape.json")
    assert again.completeness.left == found.left
    assert "angle of x_2 in [" in found.region
    names, low, high = found.left.values()
    assert (np.array(high) >= np.array(low)).all()
    panels = boxes_left_figure(again).axes
    assert [axes.get_xlabel() for axes in panels] == names[:-1]
    assert {len(axes.collections[0].get_paths()) for axes in panels} == {len(low)}


def row(kind, status, x=1.0):
    X = np.array([[x], [np.sqrt(1 - x**2)], [0.0]])
    return CriticalPoint(
        X=X, cost=1.0, relative_gradient_norm=0.0, rank=1, spectrum=None, kind=kind, status=status
    )


SADDLE, MINIMUM = CriticalPointKind.STRICT_SADDLE, CriticalPointKind.LOCAL_MINIMUM


def line():
    cost = Cost(dim=3, columns=1)
    return ExpressionProblem(instance=cost.instance(cost.x(0, 0) ** 2 + cost.x(1, 0)))


@pytest.mark.parametrize(
    ("rows", "benign"),
    [
        # one orbit that is no proved saddle is the least, whatever is proved of it
        ([row(SADDLE, Status.PROVED), row(MINIMUM, Status.NUMERICAL)], True),
        # a change of sign that keeps the cost carries one minimiser into the other
        ([row(MINIMUM, Status.PROVED), row(MINIMUM, Status.PROVED, -1.0)], True),
        ([row(MINIMUM, Status.PROVED), row(MINIMUM, Status.PROVED, 0.5)], False),
        ([row(SADDLE, Status.NUMERICAL), row(MINIMUM, Status.PROVED, 0.5)], False),
        ([row(CriticalPointKind.GLOBAL_MINIMUM, Status.PROVED, x) for x in (1.0, 0.5)], True),
        ([row(SADDLE, Status.PROVED)], False),
    ],
)
def test_a_complete_list_is_benign_where_all_but_the_least_are_proved_saddles(rows, benign):
    whole = Completeness(status="PROVED", statement="", decides=True)
    assert is_benign(line(), rows, whole) is benign
    assert not is_benign(line(), rows, replace(whole, decides=False))
    assert not is_benign(line(), rows, replace(whole, status="UNDECIDED"))
    assert not is_benign(line(), rows, None)


def test_a_complete_list_that_was_not_reached_is_named(monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("sphereufm.landscape.verify.prove_complete", interrupted)
    report = verify_landscape(UFMProblem(class_sizes=(1, 1), dim=2, tau=1), complete=True, starts=3)
    assert any("not searched, or not to the end: the complete list" in note for note in report.notes)


def test_a_row_stands_for_one_proved_orbit_only():
    # a saddle and a minimiser closer than floats tell rows apart
    close = np.array([[1.0, np.cos(4e-7), -1.0], [0.0, np.sin(4e-7), 0.0], [0.0] * 3])
    rows = [row(SADDLE, Status.PROVED), row(MINIMUM, Status.PROVED, -1.0)]
    for apart in (True, False):
        points = tuple(close[:, [k]] for k in ((0, 2) if apart else (0, 1, 2)))
        proved = CompleteList(
            status=ProofStatus.PROVED,
            statement="",
            points=points,
            costs=(1.0,) * len(points),
            collapsed_are_saddles=True,
            certificate=b"",
        )
        completeness, notes = completeness_of(line(), rows, proved)
        assert (completeness.decides, not notes) == (apart, apart)
        assert is_benign(line(), rows, completeness) is apart
    assert completeness_of(line(), [], proved)[0].decides is False


@pytest.mark.parametrize("seed", range(5))
def test_changes_of_sign_that_are_found_keep_the_cost(seed):
    rng = np.random.default_rng(seed)
    cost = Cost(dim=3, columns=2)
    x = [[cost.x(a, j) for j in range(2)] for a in range(3)]
    terms = [
        x[0][0] * x[1][0],
        cost.gram(0, 1) ** 2,
        x[2][1] ** 4 / (2 + x[0][1] ** 2),
        exp(x[1][1] * x[1][0]),
        x[2][0] ** 3,
    ]
    chosen = rng.permutation(len(terms))[: 1 + seed % 3]
    problem = ExpressionProblem(instance=cost.instance(sum(terms[k] for k in chosen) + 0))
    X = problem.spheres.random_point(rng)
    found = _sign_changes(problem.exact_instance())
    assert len(found) > 1
    for D in found:
        assert problem.at(D * X).cost == pytest.approx(problem.at(X).cost, abs=1e-12)


@pytest.mark.parametrize("tau", [0.5, 2.0])
def test_two_classes_in_the_plane_are_benign_where_no_theorem_reaches(tau):
    report = prove_landscape(
        verify_landscape(UFMProblem(class_sizes=(2, 1), dim=2, tau=tau), starts=4, complete=True)
    )
    assert (report.verdict.name, report.basis) == ("BENIGN", "completeness")
    # a row is missing: nothing follows
    less = replace(report, critical=report.critical[1:])
    assert not is_benign(
        report.problem,
        less.critical,
        completeness_of(less.problem, less.critical, prove_complete(less.problem))[0],
    )


def test_an_own_cost_has_its_points_as_rows():
    cost = Cost(dim=3, columns=1)
    A = [[2, 1, 0], [1, -3, 1], [0, 1, 5]]
    terms = [A[i][j] * cost.x(i, 0) * cost.x(j, 0) for i in range(3) for j in range(3) if A[i][j]]
    report = verify_landscape(ExpressionProblem(instance=cost.instance(sum(terms))), starts=8, complete=True)
    assert (report.completeness.status, len(report.critical)) == ("PROVED", 6)
    assert not any("proved orbits" in note for note in report.notes)
    assert (report.verdict.name, prove_landscape(report).basis) == ("UNDECIDED", "completeness")
