"""Hostile files never win: one clear error each, within 5 seconds and 200 MB, and nothing else touched."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import hostile_files  # noqa: E402
import hostile_torch  # noqa: E402

from sphereufm.errors import UnreadableFileError  # noqa: E402
from sphereufm.features.readers import open_arrays  # noqa: E402
from sphereufm.features.readers.isolated import parent as isolated  # noqa: E402

if not sys.platform.startswith("linux"):
    pytest.skip("the limits are those of Linux", allow_module_level=True)

SECONDS, MEMORY = 5.0, 200_000_000


def run(folder, lines):
    """Reports of the worker, one for each line."""
    done = subprocess.run(
        [sys.executable, str(HERE / "hostile_worker.py")],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        cwd=folder,
        check=True,
        timeout=300,
    )
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(reports) == len(lines)
    return reports


def failures(reports, seconds=SECONDS):
    """What broke a promise, in words."""
    found = []
    for report in reports:
        label = os.path.basename(report["path"])
        if report["code"] != 2:
            found.append(f"{label}: exit code {report['code']}, {report['message']}")
        if report["events"]:
            found.append(f"{label}: touched {report['events']}")
        if report["seconds"] > seconds or report["memory"] > MEMORY:
            found.append(f"{label}: {report['seconds']:.1f} s, {report['memory'] / 1e6:.0f} MB")
    return found


def snapshot(folder):
    """Every path below a folder with its size and time of change."""
    return {
        path: (path.lstat().st_size, path.lstat().st_mtime_ns) for path in sorted(Path(folder).rglob("*"))
    }


def check_corpus(folder, cases):
    paths = hostile_files.write(str(folder), cases)
    before = snapshot(folder)
    reports = run(folder, [f"whole {path}" for path in paths])
    assert failures(reports) == []
    assert snapshot(folder) == before
    for report in reports:
        assert report["message"].isprintable()
        assert len(report["message"]) < 700
        assert report["message"].startswith(("UnreadableFileError: ", "InvalidInputError: "))


def test_corpus(tmp_path):
    cases = hostile_files.corpus()
    assert len(cases) > 350
    check_corpus(tmp_path, cases)


def test_corpus_of_libraries(tmp_path):
    pytest.importorskip("h5py")
    pytest.importorskip("pyarrow")
    check_corpus(tmp_path, hostile_files.corpus_of_libraries())


def test_the_worker_sees_what_it_should(tmp_path):
    """The check itself can fail: a good file is read, and that counts as a failure here."""
    np.save(tmp_path / "good.npy", np.ones((3, 2)))
    np.savez(tmp_path / "good.npz", x=np.ones((3, 2)))
    good, pieces = run(tmp_path, [f"whole {tmp_path}/good.npy", f"truncate {tmp_path}/good.npy"])
    assert (good["code"], good["events"]) == (0, [])
    assert failures([good]) != []
    assert (pieces["code"], pieces["message"]) == (2, "176 pieces")


def small_files(folder):
    """A small good file of every format."""
    x, y = np.arange(6, dtype=np.float32).reshape(2, 3), np.array([0, 1])
    np.save(folder / "a.npy", x)
    np.savez(folder / "a.npz", x=x, y=y)
    np.savez_compressed(folder / "b.npz", x=x, y=y)
    (folder / "a.pt").write_bytes(hostile_torch.torch_zip({"x": hostile_torch.tensor(), "y": [0, 1]}))
    (folder / "b.pt").write_bytes(hostile_torch.torch_legacy([hostile_torch.legacy_tensor()]))
    header = b'{"x":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}'
    (folder / "a.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + x.tobytes())
    return [folder / name for name in ("a.npy", "a.npz", "b.npz", "a.pt", "b.pt", "a.safetensors")]


def small_library_files(folder):
    """The same for the formats that libraries read."""
    h5py = pytest.importorskip("h5py")
    pyarrow = pytest.importorskip("pyarrow")
    feather = pytest.importorskip("pyarrow.feather")
    parquet = pytest.importorskip("pyarrow.parquet")
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    with h5py.File(folder / "a.h5", "w", libver="latest") as file:
        file["x"] = x
        file.create_dataset("y", data=x, chunks=(1, 3), compression="gzip", shuffle=True)
    table = pyarrow.table({"x": list(x), "y": [0, 1]})
    parquet.write_table(table, folder / "a.parquet")
    feather.write_feather(table, folder / "a.feather")
    feather.write_feather(table, folder / "b.feather", compression="uncompressed")
    return [folder / name for name in ("a.h5", "a.parquet", "a.feather", "b.feather")]


@pytest.mark.parametrize("action", ["truncate", "flip"])
def test_every_byte(tmp_path, action):
    lines = [f"{action} {path}" for path in small_files(tmp_path)]
    assert failures(run(tmp_path, lines), seconds=120.0) == []


@pytest.mark.parametrize("action", ["truncate", pytest.param("flip", marks=pytest.mark.slow)])
def test_every_byte_of_library_formats(tmp_path, action):
    lines = [f"{action} {path}" for path in small_library_files(tmp_path)]
    assert failures(run(tmp_path, lines), seconds=120.0) == []


@pytest.mark.parametrize(
    "death", ["os.abort()", "os._exit(0)", "print('[]', flush=True)", "print('{\"arrays\": 7}')"]
)
def test_a_library_that_dies_is_an_error(tmp_path, monkeypatch, death):
    """Whatever becomes of the child, the caller sees one error and no process is left."""
    monkeypatch.setattr(isolated, "_START", f"import os; print('ready', flush=True); {death}")
    monkeypatch.setattr(isolated.importlib.util, "find_spec", lambda name: name)
    (tmp_path / "x.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(UnreadableFileError, match=r"crashed|holds no arrays"):
        open_arrays(tmp_path / "x.h5")


def test_a_process_that_does_not_start_blames_nothing_on_the_file(tmp_path, monkeypatch):
    """A broken installation, or one that is being replaced, is no damaged file."""
    monkeypatch.setattr(isolated, "_START", "from sphereufm import nothing_of_this_name")
    monkeypatch.setattr(isolated.importlib.util, "find_spec", lambda name: name)
    (tmp_path / "x.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(UnreadableFileError, match=r"could not start \(ImportError: .*\); try again"):
        open_arrays(tmp_path / "x.h5")


def test_the_library_process_runs_the_code_of_its_parent(tmp_path, monkeypatch):
    """Another copy of the package on the path of modules is not taken for this one."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = np.ones((3, 2))
    (tmp_path / "other" / "sphereufm").mkdir(parents=True)
    (tmp_path / "other" / "sphereufm" / "__init__.py").write_text("raise ImportError('another copy')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "other"))
    assert open_arrays(tmp_path / "x.h5")["x"].shape == (3, 2)


def test_the_library_process_ignores_the_working_directory(tmp_path, monkeypatch):
    """A file named like the library beside the data is not imported."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = np.ones((3, 2))
    for name in ("h5py", "numpy", "sphereufm", "json"):
        (tmp_path / f"{name}.py").write_text("open('sprung', 'w')\n")
    monkeypatch.chdir(tmp_path)
    assert open_arrays("x.h5")["x"].shape == (3, 2)
    assert not (tmp_path / "sprung").exists()


def test_messages_reach_the_command_line(tmp_path):
    """The command answers a hostile file with exit code 2 and one line, without a traceback."""
    pytest.importorskip("sphereufm.cli")
    pytest.importorskip("sphereufm.features.metrics")
    hostile_files.write(str(tmp_path), {"x.pt": hostile_files.corpus()["call-00-os.system.zip.pt"]})
    done = subprocess.run(
        [sys.executable, "-m", "sphereufm", "features", str(tmp_path / "x.pt")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 2
    assert "is refused" in done.stderr
    assert "Traceback" not in done.stderr
