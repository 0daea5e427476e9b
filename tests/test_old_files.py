"""Files that version 0.1.0 wrote: reports, certificates and sweep folders are still read, checked and resumed."""

import json
import shutil
from pathlib import Path

import jsonschema
import pytest

from sphereufm import UFMProblem, load_report, prove_landscape, verify_landscape
from sphereufm.certify.checker import CheckError, check_bytes, check_file
from sphereufm.certify.convert import convert
from sphereufm.certify.json_format import certificate_to_json
from sphereufm.landscape.proofs import KINDS
from sphereufm.plots.sweeps import phase_diagram_figure
from sphereufm.report import landscape_html, read_data
from sphereufm.sweeps import SweepGrid, run_sweep
from sphereufm.sweeps.run import SweepSettings

OLD = Path(__file__).parent / "data" / "0.1.0"
CERTIFICATES = sorted((OLD / "landscape" / "certificates").rglob("*.json"))
SCHEMA = Path(__file__).parents[1] / "docs" / "schemas" / "landscape.schema.json"


@pytest.fixture(scope="module")
def report():
    return load_report(OLD / "landscape" / "landscape.json")


def holds(new, old):
    """Whether data has everything that the old data had; keys may have joined."""
    if isinstance(old, dict):
        return old.keys() <= new.keys() and all(holds(new[key], old[key]) for key in old)
    if isinstance(old, list):
        return len(new) == len(old) and all(map(holds, new, old))
    return new == old


def test_a_report_reads_back_as_it_was(report):
    again = report.to_json()
    data = {**json.loads((OLD / "landscape" / "landscape.json").read_text()), "version": again["version"]}
    data["finished"] = data.pop("complete")  # which says now whether the list is proved complete
    data["theorem"].pop("name")  # all that do not apply are named now
    data["problem"]["loss"] = {"name": data["problem"]["loss"]}  # with its parameters now
    assert holds(again, data)
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(again)


def test_a_report_is_shown_proved_and_searched_from(report, tmp_path):
    page = tmp_path / "report.html"
    page.write_text(landscape_html(report), encoding="utf-8")
    assert read_data(page) == report.to_json()
    assert prove_landscape(report).proofs.proved == report.proofs.proved
    starts = [entry.X for entry in report.critical if hasattr(entry, "X")]
    found = verify_landscape(report.problem, starts=1, initial_points=starts)
    assert {round(x.cost, 9) for x in report.critical if hasattr(x, "X")} <= {
        round(entry.cost, 9) for entry in found.critical
    }


@pytest.mark.parametrize("path", CERTIFICATES, ids=lambda path: path.stem)
def test_a_certificate_of_format_1_is_converted_and_proved(path, report):
    rows = {point.certificate: point.kind for e in report.critical for point in getattr(e, "members", (e,))}
    with pytest.raises(CheckError, match="format"):
        check_file(path)
    result = check_bytes(certificate_to_json(convert(path.read_bytes())).encode())
    assert result.status == "PROVED"
    assert KINDS[result.row] is rows[str(path.relative_to(OLD / "landscape"))]


def test_a_sweep_goes_on_where_it_was_and_computes_nothing_again(tmp_path):
    folder = tmp_path / "sweep"
    shutil.copytree(OLD / "sweep", folder)
    before = {path.name: path.read_bytes() for path in (folder / "cells").glob("*.json")}
    settings, done = SweepSettings(starts=4), []
    grid = SweepGrid(classes="2", per_class="1", dim="2..3", tau="5")
    index = run_sweep(grid, folder, settings, progress=lambda *now: done.append(now))
    assert done == []
    assert {path.name: path.read_bytes() for path in (folder / "cells").glob("*.json")} == before
    assert [line["verdict"] for line in index] == [
        line["verdict"] for line in json.loads((OLD / "sweep" / "index.json").read_text())["cells"]
    ]
    assert phase_diagram_figure(index).axes
    wider = SweepGrid(classes="2", per_class="1", dim="2..3", tau="5,6")
    assert len(run_sweep(wider, folder, settings)) == 4


def test_the_landscape_of_a_cell_can_be_loaded(tmp_path):
    cell = json.loads((OLD / "sweep" / "cells" / "K2-n1-d3-tau5.json").read_text())
    (tmp_path / "landscape.json").write_text(json.dumps(cell["landscape"]))
    report = load_report(tmp_path / "landscape.json")
    assert repr(report.problem) == repr(UFMProblem(class_sizes=(1, 1), dim=3, tau=5))
    assert report.verdict.name == cell["verdict"]
