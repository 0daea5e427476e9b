"""Files are replaced whole or not at all."""

import os

import pytest

from sphereufm.errors import OutputError
from sphereufm.files import write_aside, write_text


def test_text_is_written_and_replaced(tmp_path):
    for text in ("first", "zweiter, \u00fc"):
        write_text(tmp_path / "a.txt", text)
        assert (tmp_path / "a.txt").read_text(encoding="utf-8") == text
    write_text(tmp_path / "a.txt", os.fsdecode(b"name \xff"))
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "name \\udcff"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_what_was_there_survives_a_failure(tmp_path, error):
    write_text(tmp_path / "a.txt", "whole")

    def fail(aside):
        aside.write_text("half")
        raise error

    with pytest.raises(error):
        write_aside(tmp_path / "a.txt", fail)
    assert (tmp_path / "a.txt").read_text() == "whole"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("name", ["no/such/folder/a.txt", "a-file/a.txt"])
def test_places_that_cannot_be_written_are_named(tmp_path, name):
    (tmp_path / "a-file").write_text("")
    with pytest.raises(OutputError, match=r"a\.txt cannot be written"):
        write_text(tmp_path / name, "x")


def test_links_stay_and_what_they_name_is_replaced(tmp_path):
    for name in ("there.txt", "not yet.txt"):
        (tmp_path / f"link to {name}").symlink_to(tmp_path / name)
    (tmp_path / "there.txt").write_text("old")
    for name in ("there.txt", "not yet.txt"):
        write_text(tmp_path / f"link to {name}", "new")
        assert (tmp_path / f"link to {name}").is_symlink()
        assert (tmp_path / name).read_text() == "new"


def test_links_that_name_no_place_are_left_alone(tmp_path):
    (tmp_path / "itself").symlink_to(tmp_path / "itself")
    (tmp_path / "one").symlink_to("other")
    (tmp_path / "other").symlink_to("one")
    (tmp_path / "far").symlink_to(tmp_path / "no folder" / "a.txt")
    names = {path.name for path in tmp_path.iterdir()}
    for name in names:
        with pytest.raises(OutputError, match=f"{name} cannot be written"):
            write_text(tmp_path / name, "text")
    assert {path.name for path in tmp_path.iterdir() if path.is_symlink()} == names


def test_a_pipe_is_written_to_and_stays_one(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_text(tmp_path / "pipe", "text")
        assert os.read(reader, 9) == b"text"
    finally:
        os.close(reader)
    assert (tmp_path / "pipe").is_fifo()
