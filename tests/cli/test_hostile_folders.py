"""``check`` on folders whose files, and whose files' names, are meant to break it."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from running import run

from sphereufm import UFMProblem
from sphereufm.certify import ExactInstance, prove_benign, prove_point
from sphereufm.certify.checker import check_file
from sphereufm.certify.expressions import thomson
from sphereufm.certify.json_format import write_certificate
from sphereufm.landscape.points import KINDS, embed
from sphereufm.landscape.verify import verify_landscape

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=12)


@pytest.fixture
def folder(tmp_path):
    write_certificate(
        tmp_path / "good.json", prove_benign(ExactInstance(classes=2, dim=3, class_sizes=(1, 1), tau=1))
    )
    (tmp_path / "loop.json").symlink_to("loop.json")
    return tmp_path


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=ANY_TEXT, named=ANY_TEXT, form=ANY_TEXT)
@example(name="loop.json", named="\x1b[31m", form="\ud800")
@example(name="\0", named="", form="")
@example(name="a" * 5000, named="a" * 5000, form="a" * 5000)
@example(name="../" * 2000, named="", form="x\nPROVED")
def test_what_files_say_of_themselves_is_one_printable_line(folder, capsys, name, named, form):
    landscape = {"format": "sphereufm-landscape/1", "proofs": {"instance_sha256": named}}
    names = [{"certificate": name}, {"certificate": "good.json"}]
    (folder / "a.json").write_text(json.dumps(landscape | {"critical": names}))
    (folder / "b.json").write_text(json.dumps({"format": form}))
    code, out, err = run(capsys, "check", str(folder))
    assert (code, err) == (2, "")
    assert out.replace("\n", "").isprintable()
    assert all(
        line.startswith((str(folder), "  ", "1 of ", "no certificates: 2 files")) for line in out.splitlines()
    )


@pytest.mark.parametrize("name", ["a" * 5000, "/x", ""])
def test_names_that_no_file_has_are_unreadable(folder, capsys, name):
    code, out, _ = run(capsys, "check", str(folder / "loop.json"), f"{folder}/good.json{name}")
    assert (code, out.count("UNREADABLE")) == (2, 2 if name else 1)


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="file names are bytes on Linux")
def test_names_in_another_encoding_are_printed(folder):
    os.replace(folder / "good.json", os.fsencode(folder) + b"/\xe9.json")
    words = [sys.executable, "-m", "sphereufm", "check", folder / os.fsdecode(b"\xe9.json")]
    done = subprocess.run(words, env=os.environ | {"PYTHONIOENCODING": "utf-8:strict"}, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"\udce9.json: PROVED" in done.stdout


def edited(path, change):
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def proved_points(landscape):
    for row in landscape["critical"]:
        yield from (e for e in [row, *(row.get("members") or [])] if e["sentence"] and "members" not in e)


@pytest.fixture(scope="module")
def lists(tmp_path_factory):
    """Landscapes with certificates: one with a complete list, one of a cost of one's own, one of a finite set."""
    folder = tmp_path_factory.mktemp("lists")
    problems = {"ufm": UFMProblem(class_sizes=(1, 1), dim=2, tau=1), "own": thomson(3, 5)}
    problems["finite"] = UFMProblem(class_sizes=(1, 1), dim=1, tau=1)
    for name, problem in problems.items():
        report = verify_landscape(problem, starts=9, complete=name == "ufm", prove=folder / name)
        report.save(folder / name / "landscape.json")
    return folder


@pytest.mark.parametrize("name", ["ufm", "own", "finite"])
def test_a_landscape_and_its_certificates_belong_together(lists, capsys, tmp_path, name):
    folder = tmp_path / name
    shutil.copytree(lists / name, folder)
    code, out, _ = run(capsys, "check", str(folder))
    assert (code, "MISMATCH" in out) == (0, False)
    landscape = folder / "landscape.json"
    whole = landscape.read_text()
    for i, point in enumerate(proved_points(json.loads(whole))):
        others = {"STRICT_SADDLE": "strict saddle", "LOCAL_MINIMUM": "local minimiser"}
        others.pop(point["kind"], None)
        kind, sentence = others.popitem()
        for change in (
            {"kind": kind},
            {"sentence": sentence},
            {"kind": kind, "sentence": sentence},
            {"kind": []},
        ):
            edited(landscape, lambda data, i=i, change=change: list(proved_points(data))[i].update(change))
            code, out, _ = run(capsys, "check", str(folder))
            assert (code, out.count("does not prove what")) == (2, 1)
            landscape.write_text(whole)
    other = {"exact_tau": "7", "program": [["gram", 0, 1]]}
    edited(
        landscape,
        lambda data: data["problem"].update({k: v for k, v in other.items() if k in data["problem"]}),
    )
    code, out, _ = run(capsys, "check", str(folder))
    assert (code, "the problem it states has the hash" in out) == (2, True)


def test_a_complete_list_of_another_instance_is_named(lists, capsys, tmp_path):
    folder = tmp_path / "ufm"
    shutil.copytree(lists / "ufm", folder)
    edited(folder / "certificates/complete.json", lambda data: data["instance"].update(tau="2"))
    code, out, _ = run(capsys, "check", str(folder))
    assert (code, "complete.json: MISMATCH: is of another instance" in out) == (2, True)


def family(landscape):
    return next(row for row in landscape["critical"] if row.get("members"))


@pytest.mark.parametrize(
    ("change", "count"),
    [
        (lambda data: family(data).update(kind="GLOBAL_MINIMUM"), 1),
        (lambda data: family(data).update(kind="STRICT_SADDLE", sentence="strict saddle"), 1),
        (lambda data: family(data).update(sentence="global minimiser"), 1),
        (lambda data: family(data).update(sentence=[{}]), 1),
        (lambda data: family(data).update(members=[]), 1),
        (lambda data: family(data).update(certificate=None), 1),
        # a row that says nothing of proofs need name none
        (lambda data: family(data).update(kind="GLOBAL_MINIMUM", status="NUMERICAL"), 0),
        (lambda data: family(data).update(certificate=None, status="NUMERICAL"), 0),
        (lambda data: [point.update(certificate=None) for point in proved_points(data)], 4),
        (lambda data: family(data)["members"][0].update(certificate=None, kind="GLOBAL_MINIMUM"), 1),
        (lambda data: next(proved_points(data)).update(certificate="certificates"), 1),
        (lambda data: next(proved_points(data)).update(certificate="/"), 1),
        (lambda data: family(data).update(certificate="certificates/098"), 1),
        (lambda data: family(data).update(certificate="certificates/001.json"), 1),
        (lambda data: data["complete"].update(certificate=None), 1),
        (lambda data: data["proofs"].update(basis_status="BY_THEOREM"), 1),
    ],
)
def test_what_is_called_proved_is_proved(lists, capsys, tmp_path, change, count):
    folder = tmp_path / "ufm"
    shutil.copytree(lists / "ufm", folder)
    edited(folder / "landscape.json", change)
    code, out, _ = run(capsys, "check", str(folder))
    assert (code, out.count("MISMATCH") + out.count("MISSING")) == (2 if count else 0, count)


def test_a_critical_point_is_a_local_minimum_of_finite_sets_alone(lists, capsys, tmp_path):
    for name, code in (("ufm", 2), ("finite", 0)):
        folder = tmp_path / name
        shutil.copytree(lists / name, folder)
        point = next(proved_points(json.loads((folder / "landscape.json").read_text())))
        weak = {"kind": "LOCAL_MINIMUM", "sentence": "critical point of rank one"}
        edited(folder / "landscape.json", lambda data, weak=weak: next(proved_points(data)).update(weak))
        ones = {"rank": 1, "columns": [["1"]] * 4, "groups": None, "scales": [0] * 4}
        claims = {"point": ones, "claims": [{"type": "rank_one"}]}
        edited(folder / point["certificate"], lambda data, claims=claims: data.update(claims))
        assert run(capsys, "check", str(folder))[0] == code


def test_a_minimum_of_fewer_dimensions_is_none_of_more(lists, capsys, tmp_path):
    shutil.copytree(lists / "own", tmp_path / "own")
    turn = 2 * np.pi / 3 * np.arange(3)
    for dim, code in ((2, 2), (3, 0)):
        # three charges fill the plane: what is proved there says nothing of a third direction
        path = tmp_path / "own/certificates/001.json"
        write_certificate(
            path, prove_point(thomson(3, dim), embed(np.array([np.cos(turn), np.sin(turn)]), dim))
        )
        sentence = check_file(path).row
        change = {"kind": KINDS[sentence].name, "sentence": sentence, "certificate": "certificates/001.json"}
        edited(tmp_path / "own/landscape.json", lambda data, row=change: data["critical"][0].update(row))
        found, out, _ = run(capsys, "check", str(tmp_path / "own"))
        assert (found, "of another instance" in out) == (code, code == 2)
