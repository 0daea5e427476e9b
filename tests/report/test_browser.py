"""Reports in a headless browser: no errors, no requests; they sort, open, turn, and stay responsive."""

import dataclasses
import time
from contextlib import redirect_stdout
from io import StringIO

import numpy as np
import pytest
from browser import needs_browser, opened
from own_problems import fourth_powers

from sphereufm import UFMProblem, verify_landscape
from sphereufm.descents.connect import connect_landscape
from sphereufm.landscape.points import CriticalFamily
from sphereufm.problem.losses.cross_entropy import CrossEntropy
from sphereufm.report import landscape_html

pytestmark = needs_browser


@pytest.fixture(scope="module")
def report():
    return verify_landscape(UFMProblem(class_sizes=(1, 1, 1, 1), dim=3, tau="3/2"), starts=12)


@pytest.fixture(scope="module")
def page(report):
    return landscape_html(report)


def test_it_sorts_opens_and_closes(report, page, tmp_path):
    seen = opened(
        page,
        tmp_path / "report.html",
        """
const rows = () => [...document.querySelectorAll("#rows tbody tr:not(.detail)")];
const column = (k) => rows().map((row) => row.cells[k].textContent);
const head = (k) => document.querySelectorAll("#rows thead button")[k];
head(9).click(); seen.hits = column(9).map(Number);
head(9).click(); seen.down = column(9).map(Number);
head(7).click(); seen.kinds = column(7);
seen.sorted = [...document.querySelectorAll("th")].map((th) => th.getAttribute("aria-sort"));
const button = document.querySelector("#rows tbody button");
button.click();
head(1).click();
const detail = document.querySelector("tr.detail");
seen.follows = detail.previousElementSibling.querySelector("button") === button;
seen.expanded = button.getAttribute("aria-expanded");
button.click();
seen.left = document.querySelectorAll("tr.detail").length;
seen.focusable = [...document.querySelectorAll("button, a, summary")].every((one) => one.tabIndex === 0);
""",
    )
    assert seen["hits"] == sorted(entry.hits for entry in report.critical)
    assert seen["down"] == seen["hits"][::-1]
    assert seen["kinds"] == sorted(seen["kinds"])
    assert [k for k, way in enumerate(seen["sorted"]) if way is not None] == [7]
    assert seen["follows"]
    assert seen["expanded"] == "true"
    assert seen["left"] == 0
    assert seen["focusable"]


@pytest.mark.parametrize("loss", ["cross-entropy", "margin"])
def test_an_open_row_has_everything_and_its_python_rebuilds_the_point(loss, tmp_path):
    given = loss if loss == "cross-entropy" else CrossEntropy(margin="1/4")
    problem = UFMProblem(class_sizes=(1, 1, 1, 1), dim=3, tau="3/2", loss=given)
    report = verify_landscape(problem, starts=12 if loss == "cross-entropy" else 3)
    page = landscape_html(report)
    seen = opened(
        page,
        tmp_path / "report.html",
        """
seen.rows = data.critical.map((entry, index) => {
  const button = document.querySelector(`#rows button[data-index="${index}"]`);
  button.click();
  const detail = button.closest("tr").nextElementSibling;
  detail.querySelectorAll("details").forEach((details) => { details.dispatchEvent(new Event("toggle")); });
  return { text: detail.textContent, python: [...detail.querySelectorAll(".python")].map((pre) => pre.textContent),
    drawings: detail.querySelectorAll(".configuration").length };
});
""",
    )
    rebuilt = 0
    for row, entry in zip(seen["rows"], report.critical, strict=True):
        members = entry.members[:6] if isinstance(entry, CriticalFamily) else (entry,)
        assert len(row["python"]) == len(members)
        assert row["drawings"] == sum(member.rank in (2, 3) for member in members)
        for heading in ("Isotropy", "Certificate", "Hessian spectrum", "Gram matrix"):
            assert heading in row["text"]
        for code, member in zip(row["python"], members, strict=True):
            names = {}
            with redirect_stdout(StringIO()):
                exec(code, names)
            assert np.array_equal(names["X"][: member.rank], member.X)
            assert names["X"].shape == (3, 8)
            assert names["cost"] == pytest.approx(member.cost, rel=1e-12)
            rebuilt += 1
    assert rebuilt >= len(report.critical)


def test_a_problem_of_the_users_own_has_a_report_too(tmp_path):
    quartic = verify_landscape(fourth_powers(3), starts=60)
    bounded = [dataclasses.replace(entry, optimality_gap=0.5, gap_method="one") for entry in quartic.critical]
    quartic = dataclasses.replace(quartic, critical=tuple(bounded))
    seen = opened(
        landscape_html(connect_landscape(quartic)),
        tmp_path / "report.html",
        """
document.querySelectorAll("#rows tbody button").forEach((button) => button.click());
seen.python = [...document.querySelectorAll("tr.detail .python")].map((pre) => pre.textContent);
seen.drawings = document.querySelectorAll("svg.configuration").length;
seen.nats = document.querySelector("main").textContent.includes("nats");
""",
    )
    assert not seen["nats"]
    assert len(seen["python"]) == seen["drawings"] == len(quartic.critical)
    for code, entry in zip(seen["python"], quartic.critical, strict=True):
        names = {}
        exec(code, names)
        assert np.array_equal(names["X"], entry.X)
        assert names["cost"] == entry.cost


def test_a_configuration_turns_by_mouse_and_by_keyboard(report, page, tmp_path):
    index = next(i for i, e in enumerate(report.critical) if e.rank == 3)
    seen = opened(
        page,
        tmp_path / "report.html",
        f"""
document.querySelector('#rows button[data-index="{index}"]').click();
const svg = document.querySelector("svg.configuration");
const marks = () => [...svg.querySelectorAll(".place circle")].map((c) => [c.getAttribute("cx"), c.getAttribute("cy")]);
const press = (key) => svg.dispatchEvent(new KeyboardEvent("keydown", {{ key, bubbles: true, cancelable: true }}));
const point = (target, type, clientX, clientY) =>
  target.dispatchEvent(new PointerEvent(type, {{ clientX, clientY, bubbles: true }}));
seen.tab = svg.tabIndex;
seen.first = marks();
press("ArrowLeft"); seen.pressed = marks();
press("Home"); seen.home = marks();
point(svg, "pointerdown", 50, 50); point(window, "pointermove", 90, 60); seen.dragged = marks();
point(window, "pointerup", 90, 60); point(window, "pointermove", 150, 150); seen.after = marks();
""",
    )
    assert seen["tab"] == 0
    assert seen["pressed"] != seen["first"]
    assert seen["home"] == seen["first"]
    assert seen["dragged"] not in (seen["first"], seen["pressed"])
    assert seen["after"] == seen["dragged"]


def test_a_label_that_is_a_script_stays_text(report, tmp_path):
    label = "</script><script>document.body.id = 'harmed'</script><img src=x onerror=\"document.body.id = 'harmed'\">"
    family = next(entry for entry in report.critical if isinstance(entry, CriticalFamily))
    harmful = dataclasses.replace(
        report,
        critical=(
            dataclasses.replace(family, name=label),
            dataclasses.replace(report.critical[0], certificate=label, claims=(label,), gap_method=label),
        ),
        notes=(label,),
    )
    seen = opened(
        landscape_html(harmful),
        tmp_path / "report.html",
        """
document.querySelectorAll("#rows tbody button").forEach((button) => button.click());
seen.harmed = document.body.id;
seen.images = document.images.length;
seen.texts = document.body.innerHTML.split("&lt;img src=x").length - 1;
seen.link = document.querySelector("tr.detail a").protocol;
""",
    )
    assert seen["harmed"] == ""
    assert seen["images"] == 0
    assert seen["texts"] >= 5
    assert seen["link"] == "file:"


def test_two_thousand_rows_sort_filter_and_open(report, tmp_path, record_property):
    rows = (report.critical * (2000 // len(report.critical) + 1))[:2000]
    page = landscape_html(dataclasses.replace(report, critical=rows))
    begun = time.perf_counter()
    seen = opened(
        page,
        tmp_path / "report.html",
        """
seen.loaded = performance.now();
const begun = performance.now();
document.querySelectorAll("#rows thead button")[9].click();
document.body.offsetHeight;
seen.sorting = performance.now() - begun;
const rows = [...document.querySelectorAll("#rows tbody tr")];
seen.hits = rows.map((row) => Number(row.cells[9].textContent));
rows[1000].querySelector("button").click();
seen.details = document.querySelectorAll("tr.detail").length;
document.querySelectorAll("tr.detail").forEach((row) => row.remove());
const filtering = performance.now(), search = document.querySelector(".filters input");
search.value = "global";
search.dispatchEvent(new Event("input", { bubbles: true }));
document.body.offsetHeight;
seen.filtering = performance.now() - filtering;
seen.found = rows.filter((row) => !row.hidden && !row.textContent.toLowerCase().includes("global")).length;
seen.shown = rows.filter((row) => !row.hidden).length;
""",
    )
    for name in ("loaded", "sorting", "filtering"):
        record_property(f"milliseconds_{name}", round(seen[name]))
    record_property("seconds_with_browser", round(time.perf_counter() - begun, 1))
    assert len(seen["hits"]) == 2000
    assert seen["hits"] == sorted(seen["hits"])
    assert seen["details"] == 1
    assert (seen["found"], 0 < seen["shown"] < 2000) == (0, True)


def test_it_follows_a_dark_screen(page, tmp_path):
    script = "seen.ground = getComputedStyle(document.querySelector('thead th')).backgroundColor;"
    script += "seen.ink = getComputedStyle(document.querySelector('figure svg text')).fill;"
    light = opened(page, tmp_path / "light.html", script)
    dark = opened(page, tmp_path / "dark.html", script, ["--blink-settings=preferredColorScheme=0"])
    assert light == {"ground": "rgb(255, 255, 255)", "ink": "rgb(0, 0, 0)"}
    assert dark["ink"] == "rgb(255, 255, 255)"
    assert dark["ground"] != light["ground"]
