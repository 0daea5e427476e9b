"""Every file format is on its page, has a schema, and what the commands write is accepted by it."""

import copy
import json
import re
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from sphereufm.certify.large_gap.check import prove_large_gap
from sphereufm.cli import main

ROOT = Path(__file__).resolve().parents[1]
SCHEMAS = ROOT / "docs" / "schemas"
PAGE = (ROOT / "docs" / "file-formats.md").read_text(encoding="utf-8")
PROBLEM = ["--classes", "2", "--per-class", "1", "--dim", "3", "--tau", "1"]
SAVED = {"features": np.array([[1.0, 0.1], [1.0, 0.0], [-1.0, 0.1], [-1.0, 0.0]]), "labels": [0, 0, 1, 1]}
SAVED |= {"classifier": np.array([[1.0, 0.0], [-1.0, 0.0]])}
RUNS = {
    "verify": ["verify", *PROBLEM, "--starts", "5"],
    "solve": ["solve", *PROBLEM],
    "branches": [
        "branches",
        *PROBLEM[:4],
        "--dim",
        "2",
        "--tau-from",
        "0.9",
        "--tau-to",
        "1",
        "--effort",
        "quick",
    ],
    "compare": ["compare", *PROBLEM, "--solvers", "lbfgs,newton", "--starts", "1", "--repeats", "1"],
    "sweep": [
        "sweep",
        *PROBLEM[:4],
        "--dim",
        "2,3",
        "--tau",
        "1",
        "--starts",
        "3",
        "--workers",
        "1",
        "--no-proofs",
    ],
}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """All JSON files of one run of each command, by format."""
    folder = tmp_path_factory.mktemp("formats")
    np.savez(folder / "saved.npz", **SAVED)
    for name, words in {**RUNS, "features": ["features", str(folder / "saved.npz")]}.items():
        with pytest.raises(SystemExit) as stop:
            main([*words, "--out", str(folder / name), "--quiet"])
        assert stop.value.code == 0
    found = {}
    for path in folder.rglob("*.json"):
        data = json.loads(path.read_text(encoding="utf-8"))
        found.setdefault(data["format"], []).append(data)
    return found


def validator(kind):
    schema = json.loads((SCHEMAS / f"{kind}.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def in_source():
    """Formats named as texts of the package."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "sphereufm").rglob("*.py")]
    return {name for text in texts for name in re.findall(r'"(sphereufm-[a-z-]+/\d+)"', text)}


def test_every_format_of_the_source_is_on_the_page_with_its_schema():
    rows = dict(
        re.findall(r"^\| `(sphereufm-[a-z-]+/\d+)` \|.*<schemas/([a-z-]+)\.schema\.json>", PAGE, re.M)
    )
    assert rows.keys() == in_source()
    assert sorted(rows.values()) == sorted(p.name.removesuffix(".schema.json") for p in SCHEMAS.iterdir())
    for name, kind in rows.items():
        assert re.fullmatch(rf"sphereufm-{kind}/\d+", name)


@pytest.mark.parametrize(
    "kind",
    [
        "landscape",
        "certificate",
        "solution",
        "branches",
        "comparison",
        "features",
        "cell",
        "sweep-index",
        "sweep",
    ],
)
def test_what_the_commands_write_is_accepted_and_less_is_not(written, kind):
    check = validator(kind)
    documents = next(found for name, found in written.items() if name.startswith(f"sphereufm-{kind}/"))
    for data in documents:
        check.validate(data)
        assert not check.is_valid({**data, "format": "sphereufm-other/1"})
        assert not check.is_valid({k: v for k, v in data.items() if k != "format"})


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("solution", ("cost",), "low"),
        ("solution", ("calls", "cost"), -1),
        ("solution", ("X",), [1.0]),
        ("branches", ("branches", 0, "points", 0, "morse_index"), 0.5),
        ("branches", ("branches", 0, "ends"), ["one"]),
        ("comparison", ("measurements", 0, "reached"), "yes"),
        ("comparison", ("rules", "starts"), 0),
        ("features", ("class_counts", 0), -3),
        ("features", ("tau_source",), "guessed"),
        ("cell", ("verdict",), "MAYBE"),
        ("cell", ("status",), "failed"),
        ("sweep-index", ("cells", 0, "cell", "tau"), 1.0),
        ("sweep", ("seed",), -1),
    ],
)
def test_what_the_schemas_forbid(written, kind, path, value):
    data = copy.deepcopy(written[f"sphereufm-{kind}/1"][0])
    place = data
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert not validator(kind).is_valid(data)


def test_features_of_several_files_and_of_epochs(capsys, tmp_path):
    for epoch in (1, 2):
        np.savez(tmp_path / f"{epoch}.npz", **SAVED)
    for words in ([str(tmp_path), "--epochs"], [str(tmp_path / "1.npz"), str(tmp_path / "2.npz")]):
        with pytest.raises(SystemExit):
            main(["features", *words, "--tau", "5", "--json"])
        data = json.loads(capsys.readouterr().out)
        validator("features").validate(data)
        assert not validator("features").is_valid({k: v for k, v in data.items() if k != "complete"})


@pytest.mark.parametrize(
    ("classifier", "words", "source"),
    [
        (SAVED["classifier"], [], "one"),
        (SAVED["classifier"], ["--normalize"], "unbounded"),
        (SAVED["classifier"], ["--normalize", "--tau", "2"], "given"),
        (np.array([[1.0, 0.0], [1.0, 0.1]]), ["--normalize"], "fitted"),
        (None, [], None),
    ],
)
def test_features_say_where_the_temperature_is_from(capsys, tmp_path, classifier, words, source):
    arrays = {key: value for key, value in SAVED.items() if key != "classifier"}
    np.savez(tmp_path / "f.npz", **arrays, **({} if classifier is None else {"classifier": classifier}))
    with pytest.raises(SystemExit):
        main(["features", str(tmp_path / "f.npz"), *words, "--json"])
    data = json.loads(capsys.readouterr().out)
    validator("features").validate(data)
    assert data["tau_source"] == source


def test_a_solution_on_standard_output_is_one_without_its_point(capsys):
    with pytest.raises(SystemExit):
        main([*RUNS["solve"], "--json"])
    data = json.loads(capsys.readouterr().out)
    validator("solution").validate(data)
    assert "X" not in data


def test_a_large_gap_is_accepted(tmp_path):
    arrays = {"classifier": np.eye(3), "features": np.eye(3), "labels": np.arange(3)}
    for name, values in arrays.items():
        np.save(tmp_path / f"{name}.npy", values)
    prove_large_gap(tmp_path / "gap.json", tau=2, **{name: f"{name}.npy" for name in arrays})
    data = json.loads((tmp_path / "gap.json").read_text(encoding="utf-8"))
    validator("large-gap").validate(data)
    assert not validator("large-gap").is_valid({**data, "gap": 0.5})
