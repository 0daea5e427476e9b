"""The report of a landscape: whole, escaped, and read back without a browser."""

import dataclasses
import json
import re

import pytest

from sphereufm import UFMProblem, load_report, verify_landscape
from sphereufm.descents.connect import connect_landscape
from sphereufm.errors import UnreadableFileError
from sphereufm.landscape.points import CriticalPoint
from sphereufm.landscape.proofs import prove_landscape
from sphereufm.report import landscape_html, read_data, save_html


@pytest.fixture(scope="module")
def report():
    return connect_landscape(verify_landscape(UFMProblem(class_sizes=(1, 1, 1), dim=3, tau=2), starts=20))


@pytest.fixture(scope="module")
def page(report):
    return landscape_html(report)


def brief(report):
    """The same with three rows and two pictures, quickly drawn."""
    return dataclasses.replace(report, critical=report.critical[:3], coverage={}, connections=None)


def verdict(page):
    (text,) = re.findall(r'<p class="verdict[^"]*">(.*?)</p>', page)
    return text


def test_the_data_is_embedded_and_reads_back(report, page, tmp_path):
    (tmp_path / "report.html").write_text(page, encoding="utf-8")
    data = read_data(tmp_path / "report.html")
    assert data == json.loads(json.dumps(report.to_json()))
    (tmp_path / "landscape.json").write_text(json.dumps(data))
    assert len(load_report(tmp_path / "landscape.json").critical) == len(report.critical)


@pytest.mark.parametrize(
    "content", ["", "<html></html>", '<script type="application/json" id="data">[</script>']
)
def test_a_file_without_data_is_refused(content, tmp_path):
    (tmp_path / "page.html").write_text(content)
    with pytest.raises(UnreadableFileError):
        read_data(tmp_path / "page.html")
    with pytest.raises(UnreadableFileError):
        read_data(tmp_path / "missing.html")


def test_one_row_an_orbit_and_a_small_page(report, page):
    assert page.count("data-index=") == len(report.critical)
    assert page.count("<figure>") == page.count("<figcaption>") == page.count('role="img"') == 5
    assert len(page) < 1_000_000


def test_a_proved_row_carries_its_claims(tmp_path):
    report = verify_landscape(UFMProblem(class_sizes=(1, 1), dim=3, tau=1), starts=10)
    proved = prove_landscape(report, str(tmp_path))
    data = proved.to_json()
    assert {"critical", "index", "global_minimum"} & set(data["critical"][0]["claims"])
    for entry in data["critical"]:
        if entry["certificate"].endswith(".json"):
            written = json.loads((tmp_path / entry["certificate"]).read_text())
            assert [claim["type"] for claim in written["claims"]] == entry["claims"]
    proved.save(tmp_path / "landscape.json")
    again = load_report(tmp_path / "landscape.json")
    assert again.critical[0].claims == proved.critical[0].claims
    assert "PROVED for this instance" in verdict(landscape_html(proved))


def test_text_is_escaped(report, tmp_path):
    harmful = "</script><script>alert(1)</script>"
    page = landscape_html(dataclasses.replace(brief(report), notes=(harmful,)))
    assert "<script>alert" not in page
    (tmp_path / "report.html").write_text(page)
    assert read_data(tmp_path / "report.html")["notes"] == [harmful]


def test_nothing_is_loaded_from_elsewhere(page):
    assert not re.findall(r'(?:src|href)\s*=\s*["\'](?!#|data:)', page)
    assert "default-src 'none'" in page


def test_ids_are_unique_and_figures_follow_the_colour_of_the_text(page):
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    for use in re.findall(r'(?:href="#|url\(#)([^")]+)', page):
        assert use in ids
    assert "currentColor" in page
    assert "#010203" not in page


@pytest.mark.parametrize("tau", [200, 800])
def test_costs_that_underflow_are_reported_and_read_back(tau, tmp_path):
    report = verify_landscape(UFMProblem(class_sizes=(1, 1, 1), dim=3, tau=tau), starts=3)
    report.save(tmp_path / "landscape.json")
    save_html(brief(report), tmp_path / "report.html")
    assert load_report(tmp_path / "landscape.json").to_json() == report.to_json()
    assert read_data(tmp_path / "report.html") == brief(report).to_json()
    norms = [entry.relative_gradient_norm for entry in report.critical if isinstance(entry, CriticalPoint)]
    assert (max(norms) == float("inf")) == (tau == 800)
