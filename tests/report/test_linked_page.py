"""Figures and table of a report in a headless browser: hover, click, filter, keyboard, and the width of a phone."""

import re

import pytest
from browser import needs_browser, opened

from sphereufm import UFMProblem, verify_landscape
from sphereufm.descents.connect import connect_landscape
from sphereufm.report import landscape_html, read_data
from sphereufm.report.sweep import save_cell_pages, sweep_html
from sphereufm.sweeps import SweepGrid, run_sweep
from sphereufm.sweeps.run import SweepSettings

TOOLS = """
const fire = (target, type, more = {}) => target.dispatchEvent(new PointerEvent(type, { bubbles: true, ...more }));
const press = (target, key) => target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
const tipText = () => document.querySelector(".tip").hidden ? "" : document.querySelector(".tip").textContent;
const litRows = () => [...document.querySelectorAll("tr.lit")].map((row) => row.id);
const litMarks = () => {
  const marks = [...document.querySelectorAll("[data-row].lit:not([data-to])")];
  return [...new Set(marks.map((mark) => mark.dataset.row))];
};
const shown = () => [...document.querySelectorAll("#rows tbody tr:not(.detail)")].filter((row) => !row.hidden);
const choose = (control, value) => {
  control.value = value;
  control.dispatchEvent(new Event("input", { bubbles: true }));
};
"""


@pytest.fixture(scope="module")
def report():
    return connect_landscape(
        verify_landscape(UFMProblem(class_sizes=(1, 1, 1), dim=2, tau=12), effort="quick")
    )


@pytest.fixture(scope="module")
def page(report):
    return landscape_html(report)


def test_the_verdict_leads_to_its_counterexample_and_the_table_comes_first(report, page):
    (row,) = re.findall(r'<p class="verdict bad">NOT_BENIGN: <a href="#row-(\d+)">row \1</a>', page)
    assert report.critical[int(row) - 1].kind.name in ("SPURIOUS_LOCAL_MINIMUM", "DEGENERATE")
    assert page.index(f'<tr id="row-{row}">') < page.index("<figure")


@needs_browser
def test_marks_and_rows_answer_hover_click_and_keys(report, page, tmp_path):
    seen = opened(
        page,
        tmp_path / "report.html",
        TOOLS
        + """
const marks = [...document.querySelectorAll(`[data-row]:not([style*="transparent"])`)];
seen.rows = [...new Set(marks.map((mark) => Number(mark.dataset.row)))].filter(Number.isInteger).sort((a, b) => a - b);
seen.figures = [...document.querySelectorAll("figure svg")].map((svg) => svg.querySelectorAll("[data-row]").length);
seen.silent = marks.filter((one) => {
  fire(one, "pointerover", { clientX: 5, clientY: 5 });
  return !tipText() || !litRows().length || !one.classList.contains("lit");
}).length;
const arrow = document.querySelector("[data-to]");
fire(arrow, "pointerover", { clientX: 5, clientY: 5 });
seen.arrow = [tipText(), Number(arrow.dataset.row), Number(arrow.dataset.to)];
const curve = marks.find((one) => one.dataset.row.startsWith("strata-"));
curve.dispatchEvent(new MouseEvent("click", { bubbles: true }));
seen.stratum = document.activeElement.id;
const mark = marks.find((one) => one.dataset.row === "1");
fire(mark, "pointerover", { clientX: 5, clientY: 5 });
seen.hover = [tipText(), litRows(), litMarks()];
fire(document.body, "pointerover");
seen.away = [tipText(), litRows(), litMarks()];
fire(document.getElementById("row-3").cells[2], "pointerover");
seen.row = [tipText(), litRows(), litMarks()];
mark.dispatchEvent(new MouseEvent("click", { bubbles: true }));
seen.opened = document.querySelector("tr.detail").previousElementSibling.id;
document.querySelector(".verdict a").click();
seen.after = document.querySelectorAll("tr.detail").length;
const stop = document.querySelector('[data-row="0"][tabindex="0"]');
stop.dispatchEvent(new FocusEvent("focusin", { bubbles: true }));
seen.focus = [tipText(), stop.getAttribute("role"), stop.getAttribute("aria-label")];
press(stop, "Enter");
seen.entered = [...document.querySelectorAll("tr.detail")].map((row) => row.previousElementSibling.id);
press(stop, "Escape");
seen.escaped = tipText();
seen.strips = document.querySelectorAll("tr.detail svg.strip").length;
""",
    )
    assert seen["rows"] == list(range(len(report.critical)))
    assert len(seen["figures"]) == 6
    assert min(seen["figures"]) > 0
    assert seen["silent"] == 0
    text, source, target = seen["arrow"]
    assert re.fullmatch(f"descents from row {source + 1}, .* status NUMERICAL; to row {target + 1}, .*", text)
    assert (source, target) in [(edge.source, edge.target) for edge in report.connections.edges]
    assert seen["stratum"] == "strata-row-1"
    text, rows, marks = seen["hover"]
    assert text.startswith("row 2, cost ")
    assert "Morse index 0" in text
    assert "spurious local minimiser" in text
    assert (rows, marks) == (["row-2"], ["1"])
    assert seen["away"] == ["", [], []]
    assert seen["row"] == ["", ["row-3"], ["2"]]
    assert seen["opened"] == "row-2"
    assert seen["after"] == 1
    assert seen["focus"][0].startswith("row 1, ")
    assert seen["focus"][1:] == ["button", seen["focus"][0]]
    assert seen["entered"] == ["row-1", "row-2"]
    assert seen["escaped"] == ""
    assert seen["strips"] == 2


@needs_browser
def test_rows_are_filtered_and_searched_and_their_marks_fade(report, page, tmp_path):
    seen = opened(
        page,
        tmp_path / "report.html",
        TOOLS
        + """
const [rank, index, kind, status] = document.querySelectorAll(".filters select");
seen.choices = [...kind.options].map((option) => option.textContent);
choose(kind, "strict saddle");
seen.saddles = shown().map((row) => row.cells[7].textContent);
seen.count = document.querySelector(".filters output").textContent;
const faded = [...document.querySelectorAll("[data-row].dim:not([data-to])")].map((mark) => Number(mark.dataset.row));
seen.faded = [...new Set(faded)];
choose(index, "1");
seen.both = shown().map((row) => [row.cells[5 - 1].textContent, row.cells[7].textContent]);
choose(kind, ""); choose(index, "");
choose(document.querySelector(".filters input"), "COLLAPSED");
seen.searched = shown().map((row) => row.cells[7].textContent);
choose(document.querySelector(".filters input"), "");
seen.all = shown().length;
seen.words = [...status.options].map((option) => option.textContent);
""",
    )
    kinds = {"strict saddle", "global minimiser", "spurious local minimiser"}
    assert kinds < set(seen["choices"])
    assert set(seen["saddles"]) == {"strict saddle"}
    assert seen["count"] == f"{len(seen['saddles'])} of {len(report.critical)} rows"
    assert len(seen["faded"]) == len(report.critical) - len(seen["saddles"])
    assert all(both == ["1", "strict saddle"] for both in seen["both"])
    assert [text for text in seen["searched"] if "collapsed classifiers" not in text] == []
    assert seen["searched"]
    assert seen["all"] == len(report.critical)
    assert seen["words"] == ["all", "NUMERICAL"]


@needs_browser
def test_on_a_phone_kind_and_status_stay_in_sight(page, tmp_path):
    seen = opened(
        page,
        tmp_path / "report.html",
        """
const cells = [...document.querySelectorAll("#rows tbody tr:first-child td")];
seen.shown = cells.map((cell) => cell.offsetWidth > 0);
seen.right = Math.max(...cells.map((cell) => cell.getBoundingClientRect().right));
seen.width = innerWidth;
""",
        ["--window-size=500,900"],
    )
    assert [k for k, sight in enumerate(seen["shown"]) if not sight] == [2, 5, 6, 9]
    assert seen["right"] <= seen["width"] + 1


def test_every_cell_of_a_sweep_has_a_page_of_its_landscape(tmp_path):
    grid = SweepGrid(classes="2", per_class="1", dim="2..3", tau="5")
    index = run_sweep(grid, tmp_path, SweepSettings(starts=3, proofs=False))
    save_cell_pages(index, tmp_path)
    for address in re.findall(r'href="(cells/[^"]*report\.html)"', sweep_html(index)):
        page = (tmp_path / address).read_text(encoding="utf-8")
        assert "<figure" not in page
        assert read_data(tmp_path / address)["format"] == "sphereufm-landscape/1"
    assert len(list(tmp_path.glob("cells/*/report.html"))) == len(index) == 2
