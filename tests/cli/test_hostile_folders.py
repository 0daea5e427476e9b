"""``check`` on folders whose files, and whose files' names, are meant to break it."""

import json
import os
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from running import run

from sphereufm.certify import ExactInstance, prove_benign
from sphereufm.certify.json_format import write_certificate

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
