"""From rows to certificates: statuses, files and verdicts follow what a checker accepts, and nothing else."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from sphereufm import UFMProblem
from sphereufm.certify import Certificate, ExactInstance, StrictSaddleClaim, prove_point, read_certificate
from sphereufm.errors import OutputError
from sphereufm.landscape import proofs
from sphereufm.landscape.points import CriticalFamily, CriticalPointKind, LandscapeVerdict, Status
from sphereufm.landscape.proofs import CERTIFICATES, KINDS, accepted, prove_landscape
from sphereufm.landscape.report.landscape_report import load_report
from sphereufm.landscape.report.verdict import ContradictionError, conclude
from sphereufm.landscape.verify import verify_landscape
from sphereufm.problem.theory.theorems import theorem_s

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def benign():
    return verify_landscape(UFMProblem(class_sizes=(1, 1, 1), dim=4, tau=1), starts=60)


@pytest.fixture(scope="module")
def plane():
    return verify_landscape(UFMProblem(class_sizes=(1, 1, 1), dim=2, tau=12), starts=150)


@pytest.fixture
def refusing(monkeypatch):
    monkeypatch.setattr(proofs, "accepted", lambda certificate: None)


def test_every_row_of_a_benign_landscape_is_proved(benign, tmp_path):
    proved = prove_landscape(benign, tmp_path)
    assert {entry.status for entry in proved.critical} == {Status.PROVED}
    assert (proved.verdict, proved.basis) == (LandscapeVerdict.BENIGN, "theorem")
    assert proved.proofs.basis_status == "BY_THEOREM"
    assert proved.proofs.proved == proved.proofs.rows == len(benign.critical)
    for entry in proved.critical:
        members = entry.members if isinstance(entry, CriticalFamily) else [entry]
        for point in members:
            certificate = read_certificate(tmp_path / point.certificate)
            assert KINDS[point.sentence] is point.kind
            assert certificate.cost == pytest.approx(point.cost, rel=1e-9)
    assert read_certificate(tmp_path / proved.proofs.theorem_certificate).point is None


def test_nothing_is_proved_that_the_checker_refuses(benign, plane, refusing, tmp_path):
    for report in (benign, plane):
        proved = prove_landscape(report, tmp_path)
        assert Status.PROVED not in {entry.status for entry in proved.critical}
        assert proved.proofs.proved == 0
        assert proved.proofs.basis_status in (None, "NUMERICAL")
    assert list(tmp_path.rglob("*.json")) == []


def test_proved_counterexample_gives_the_verdict(plane):
    proved = prove_landscape(plane)
    assert (proved.verdict, proved.proofs.basis_status) == (LandscapeVerdict.NOT_BENIGN, "PROVED")
    spurious = [e for e in proved.critical if e.kind is CriticalPointKind.SPURIOUS_LOCAL_MINIMUM]
    assert [round(e.cost, 6) for e in spurious] == [0.456902]
    assert spurious[0].status is Status.PROVED
    assert spurious[0].certificate is None


def test_numerical_counterexample_is_said_to_be_numerical(plane, refusing):
    proved = prove_landscape(plane)
    assert (proved.verdict, proved.proofs.basis_status) == (LandscapeVerdict.NOT_BENIGN, "NUMERICAL")
    assert sum("numerical" in note for note in proved.notes) == 1


@pytest.fixture(scope="module")
def degenerate():
    return verify_landscape(UFMProblem(class_sizes=(2, 2), dim=2, tau=5), starts=20)


def test_degenerate_rows_decide_nothing_without_a_proof(degenerate, refusing):
    assert degenerate.verdict is LandscapeVerdict.NOT_BENIGN
    proved = prove_landscape(degenerate)
    assert (proved.verdict, proved.basis) == (LandscapeVerdict.UNDECIDED, None)
    assert any("degenerate" in note for note in proved.notes)


def test_one_proved_degenerate_member_gives_the_verdict(degenerate):
    proved = prove_landscape(degenerate)
    assert (proved.verdict, proved.proofs.basis_status) == (LandscapeVerdict.NOT_BENIGN, "PROVED")
    rows = [entry for entry in proved.critical if entry.kind is CriticalPointKind.DEGENERATE]
    assert [row.status for row in rows] == [Status.PROVED]


def test_proved_contradiction_of_the_theorem_is_loud(benign):
    theorem = theorem_s(benign.problem)
    row = replace(benign.critical[1], kind=CriticalPointKind.SPURIOUS_LOCAL_MINIMUM, status=Status.PROVED)
    with pytest.raises(ContradictionError, match="Theorem S"):
        conclude([row], theorem, proofs=True)
    numerical = conclude([replace(row, status=Status.NUMERICAL)], theorem, proofs=True)
    assert numerical.verdict is LandscapeVerdict.BENIGN
    assert "Theorem S excludes" in numerical.note


def test_interruption_keeps_what_was_written(benign, tmp_path):
    def stop(stage, done, total):
        if done == 3:
            raise KeyboardInterrupt

    proved = prove_landscape(benign, tmp_path, progress=stop)
    assert not proved.complete
    assert [entry.status is Status.PROVED for entry in proved.critical[:4]] == [True, True, True, False]
    assert sorted(path.name for path in tmp_path.rglob("*.json")) == [
        "001.json",
        "002.json",
        "003.json",
        "theorem.json",
    ]
    assert any("interrupted" in note for note in proved.notes)


def test_certificates_of_an_earlier_report_are_removed(benign, tmp_path):
    folder = tmp_path / "certificates"
    (folder / "777").mkdir(parents=True)
    for name in ("999.json", "777/001.json", "mine.json"):
        (folder / name).write_text("{}")
    prove_landscape(benign, tmp_path)
    assert not (folder / "999.json").exists()
    assert not (folder / "777" / "001.json").exists()
    assert (folder / "mine.json").exists()


def test_what_a_user_keeps_beside_certificates_stays(benign, tmp_path):
    names = ("1x.json", "2024-notes.json", "12.json", "note.json", "001/mine.json", "2024/001.txt", "099")
    for name in names:
        path = tmp_path / CERTIFICATES / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    old = [tmp_path / CERTIFICATES / name for name in ("098.json", "001/099.json", "complete.json")]
    for path in old:
        path.write_text("old")
    prove_landscape(benign, tmp_path)
    assert {(tmp_path / CERTIFICATES / name).read_text() for name in names} == {"mine"}
    assert not any(path.exists() for path in old)


@pytest.mark.parametrize("kind", ["a folder", "a file", "too long"])
def test_a_place_without_room_for_certificates_is_refused(benign, tmp_path, kind):
    place = tmp_path / ("x" * 300 if kind == "too long" else "out")
    if kind != "too long":
        place.mkdir()
    if kind == "a folder":
        (place / CERTIFICATES / "001.json").mkdir(parents=True)
    if kind == "a file":
        (place / CERTIFICATES).write_text("mine")
    with pytest.raises(OutputError, match="path="):
        prove_landscape(benign, place)


def test_report_with_proofs_is_written_and_read_back(benign, tmp_path):
    proved = prove_landscape(benign, tmp_path)
    proved.save(tmp_path / "landscape.json")
    data = json.loads((tmp_path / "landscape.json").read_text(encoding="utf-8"))
    schema = json.loads((ROOT / "docs" / "schemas" / "landscape.schema.json").read_text(encoding="utf-8"))
    assert data["proofs"]["proved"] == len(benign.critical)
    jsonschema.Draft202012Validator(schema["properties"]["proofs"] | {"$defs": schema["$defs"]}).validate(
        data["proofs"]
    )
    again = load_report(tmp_path / "landscape.json")
    assert again.proofs == proved.proofs
    assert [entry.certificate for entry in again.critical] == [entry.certificate for entry in proved.critical]


def test_saddle_without_existence_proves_no_row():
    problem = UFMProblem(class_sizes=(1, 1, 1), dim=3, tau=1)
    certificate = prove_point(ExactInstance.from_problem(problem), problem.spheres.random_point(0))
    assert accepted(certificate) not in KINDS
    critical = prove_point(ExactInstance.from_problem(problem), np.array([[1.0, 1, -1, 1, 1, 1]]))
    assert accepted(critical) == "strict saddle"
    alone = replace(critical, claims=tuple(c for c in critical.claims if isinstance(c, StrictSaddleClaim)))
    assert alone.claims
    assert accepted(alone) not in KINDS


def test_certificate_without_claims_is_not_accepted():
    instance = ExactInstance.from_problem(UFMProblem(class_sizes=(1, 1), dim=2, tau=1))
    assert not accepted(Certificate(instance=instance, point=None, claims=()))


def test_problems_without_ball_formulas_come_back_with_a_note(benign):
    again = prove_landscape(replace(benign, problem=object()))
    assert again.proofs is None
    assert again.critical == benign.critical
    assert "ball formulas" in again.notes[-1]
    long = verify_landscape(
        UFMProblem(class_sizes=(1, 1), dim=2, tau=f"1/{10**70 + 1}"), starts=3, prove=True
    )
    assert any("at most 200 digits" in note for note in long.notes)


def test_a_degenerate_point_without_a_lower_one_decides_nothing(plane):
    lowest = replace(plane.critical[0], kind=CriticalPointKind.DEGENERATE, status=Status.NUMERICAL)
    assert conclude([lowest], None).verdict is LandscapeVerdict.UNDECIDED
    above = replace(lowest, cost=lowest.cost + 0.1)
    assert conclude([lowest, above], None).verdict is LandscapeVerdict.NOT_BENIGN


def test_a_row_that_is_not_proved_says_why(plane, refusing):
    """Families are said to be numerical by their members; the checker's refusal is a reason of its own."""
    reasons = [entry.reason for entry in prove_landscape(plane).critical]
    assert all(reasons)


def test_the_checker_gives_the_sentence_and_no_other_is_known(plane):
    for entry in prove_landscape(plane).critical:
        if entry.status is Status.PROVED:
            assert KINDS[entry.sentence] is entry.kind
            assert entry.reason == ""
        else:
            assert entry.sentence == ""
            assert entry.reason
