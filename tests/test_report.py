"""The HTML report: whole, escaped, and alive in a browser where one is installed."""

import dataclasses
import json
import re
import shutil
import subprocess

import pytest

from sphereufm import UFMProblem, load_report, verify_landscape
from sphereufm.report import landscape_html, save_html

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# what a reader does, appended to the page: sort by hits, open the first row; the title tells what happened
READER = """<script>
const errors = [];
window.onerror = (message) => errors.push(message);
document.querySelectorAll("thead button")[8].click();
const hits = [...document.querySelectorAll("tbody tr")].map((row) => Number(row.cells[8].textContent));
document.querySelector("tbody button").click();
document.title = JSON.stringify({
  errors, hits, detail: document.querySelectorAll("tr.detail pre").length, rows: hits.length,
  requests: performance.getEntriesByType("resource").length,
});
</script></body>"""


@pytest.fixture(scope="module")
def report():
    return verify_landscape(UFMProblem(class_sizes=(1, 1, 1), dim=3, tau=2), starts=40)


def embedded(page):
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(text)


def test_the_data_is_embedded_and_reads_back(report, tmp_path):
    save_html(report, tmp_path / "report.html")
    data = embedded((tmp_path / "report.html").read_text())
    assert data == json.loads(json.dumps(report.to_json()))
    (tmp_path / "landscape.json").write_text(json.dumps(data))
    assert len(load_report(tmp_path / "landscape.json").critical) == len(report.critical)


def test_one_row_a_class_and_the_verdict_in_words(report):
    page = landscape_html(report)
    assert page.count("data-index=") == len(report.critical)
    assert "BENIGN: Theorem S" in page
    assert len(page) < 1_000_000


def test_text_is_escaped(report):
    page = landscape_html(dataclasses.replace(report, notes=("</script><script>alert(1)</script>",)))
    assert "<script>alert" not in page
    assert embedded(page)["notes"] == ["</script><script>alert(1)</script>"]


def test_nothing_is_loaded_from_elsewhere(report):
    page = landscape_html(report)
    assert not re.findall(r'(?:src|href)\s*=\s*["\'](?!#|data:)', page)
    assert "default-src 'none'" in page


def opened(page, place):
    """What the reader's script reports from a headless browser."""
    place.write_text(page.replace("</body>", READER))
    done = subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", place.as_uri()],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    (title,) = re.findall(r"<title>(\{.*?\})</title>", done.stdout)
    return json.loads(title)


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
@pytest.mark.parametrize("copies", [1, 200])
def test_a_browser_sorts_and_opens_rows_without_errors_or_requests(report, tmp_path, copies):
    many = dataclasses.replace(report, critical=report.critical * copies)
    found = opened(landscape_html(many), tmp_path / "report.html")
    assert found["errors"] == []
    assert found["requests"] == 0
    assert found["rows"] == len(many.critical)
    assert found["hits"] == sorted(found["hits"])
    assert found["detail"] >= 1
