"""The reports of features, comparisons and sweeps: one look, one skeleton, everything escaped and read back."""

import dataclasses
import json
import re

import numpy as np
import pytest
from browser import needs_browser, opened

from sphereufm import UFMProblem, verify_landscape
from sphereufm.comparison import SUITES, Rules, compare_solvers
from sphereufm.descents.connect import connect_landscape
from sphereufm.features import collapse_metrics, feature_set_from_arrays
from sphereufm.placement import LandscapePosition, position
from sphereufm.placement.trajectory import Measured, Training
from sphereufm.report import landscape_html, read_data
from sphereufm.report.comparison import comparison_html
from sphereufm.report.features import features_html, trajectory_html
from sphereufm.report.sweep import sweep_html

HARMFUL = "<script>alert(1)</script>&"


def measured():
    rng = np.random.default_rng(0)
    features = feature_set_from_arrays(
        np.repeat(np.eye(3), 4, axis=0) + 0.1 * rng.standard_normal((12, 3)),
        np.arange(12) // 4,
        classifier=np.eye(3),
    )
    return collapse_metrics(features), position(features, 2.0)


def features_page():
    metrics, place = measured()
    data = {"format": "sphereufm-features/1", **metrics.to_json(), **place.to_json(), "read": [HARMFUL]}
    return features_html(HARMFUL, metrics, place, data), data


def trajectory_page():
    metrics, place = measured()
    unknown = dataclasses.replace(metrics, nc3=None), LandscapePosition(reason=HARMFUL)
    data = {"format": "sphereufm-features/1", "epochs": [{"path": HARMFUL}, {"path": "b"}]}
    epochs = (
        Measured(path=HARMFUL, metrics=metrics, place=place),
        Measured(path="bad", error=HARMFUL),
        Measured(path="b", metrics=unknown[0], place=unknown[1]),
    )
    return trajectory_html([Training(name=HARMFUL, epochs=epochs)], data), data


def comparison_page():
    runs = compare_solvers(
        SUITES["small"][:1], ["lbfgs", "trust-region"], rules=Rules(starts=2, repeats=1), curves=True
    )
    runs.measurements[0] = dataclasses.replace(runs.measurements[0], note=HARMFUL, reached=False)
    return comparison_html(runs), json.loads(json.dumps(runs.to_json()))


def line(dim, tau, **changes):
    cell = {"classes": 3, "per_class": 1, "dim": dim, "tau": tau}
    done = {
        "cell": cell,
        "seed": 1,
        "status": "done",
        "seconds": 0.5,
        "verdict": "BENIGN",
        "basis": "theorem",
    }
    done |= {"kinds": {"GLOBAL_MINIMUM": 1, "STRICT_SADDLE": 12}, "proved": 13, "least_cost": 0.1}
    return {**done, "counterexample_status": None, **changes}


def sweep_page():
    spurious = {"verdict": "NOT_BENIGN", "basis": "counterexample", "counterexample_status": "PROVED"}
    index = [
        line(3, "1/3"),
        line(2, "12", **spurious),
        line(2, "50", **{**spurious, "counterexample_status": "NUMERICAL", "proved": 0}),
        line(2, "1", verdict="UNDECIDED", basis=None),
        line(2, "2", verdict="UNDECIDED", basis=None),
        {"cell": line(2, "9")["cell"], "seed": 2, "status": "failed", "reason": HARMFUL},
    ]
    return sweep_html(index), {"format": "sphereufm-sweep-index/1", "cells": index}


MAKERS = [features_page, trajectory_page, comparison_page, sweep_page]


@pytest.fixture(scope="module", params=MAKERS, ids=lambda make: make.__name__)
def made(request):
    return request.param()


def test_data_are_read_back_and_text_is_escaped(made, tmp_path):
    page, data = made
    (tmp_path / "report.html").write_text(page, encoding="utf-8")
    assert read_data(tmp_path / "report.html") == json.loads(json.dumps(data))
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&amp;" in page
    assert len(page) < 1_000_000


def test_figures_are_inline_and_nothing_is_loaded(made):
    page, _ = made
    assert page.count("<figcaption>") == page.count('role="img"') >= 1
    links = re.findall(r'(?:src|href)\s*=\s*["\'](?!#|data:)([^"\']*)', page)
    assert all(link.startswith("cells/") for link in links)
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def verdict(page):
    (text,) = re.findall(r'<p class="verdict[^"]*">(.*?)</p>', page)
    return text


def test_verdicts_of_features_have_the_main_numbers():
    metrics, place = measured()
    one, many = verdict(features_page()[0]), verdict(trajectory_page()[0])
    assert one.startswith(f"NC1 is {metrics.nc1:.4g}, NC2 is {metrics.nc2:.4g}")
    assert (
        f"at most {place.optimality_gap:.4g} nats above the least of these norms and this bias (numer" in one
    )
    on_spheres = dataclasses.replace(place, least_cost_range=None)
    data = {"format": "sphereufm-features/1", **metrics.to_json(), "read": []}
    assert "nats above the minimum (numerical" in verdict(features_html("one", metrics, on_spheres, data))
    assert "NC3 is undefined" in many
    assert "position on the landscape is unknown" in many


def test_a_cost_without_a_unit_is_not_said_to_be_in_nats():
    metrics, place = measured()
    place = dataclasses.replace(place, cost_unit="")
    data = {"format": "sphereufm-features/1", **metrics.to_json(), **place.to_json(), "read": []}
    assert "nats" not in features_html("one.npz", metrics, place, data).replace("nonnegative", "")
    assert "nats" not in str(place)


def test_verdicts_of_comparisons_and_sweeps_count():
    assert verdict(comparison_page()[0]) == (
        "lbfgs reached a relative gradient norm of 1e-09 in 1 of 2 runs; trust-region reached it in 2 of 2 runs."
    )
    assert verdict(sweep_page()[0]) == (
        "Of 6 cells 1 BENIGN by theorem, 2 NOT_BENIGN (the counterexample PROVED in 1, numerical in 1), "
        "2 UNDECIDED, 1 failed."
    )


def test_a_sweep_leads_to_the_files_of_its_cells():
    page, _ = sweep_page()
    links = re.findall(r'href="(cells/[^"]+)"', page)
    assert [link for link in links if link.endswith(".json")] == [
        f"cells/K3-n1-d{name}.json"
        for name in ("3-tau1over3", "2-tau12", "2-tau50", "2-tau1", "2-tau2", "2-tau9")
    ]
    assert [link for link in links if link.endswith("/")] == [
        f"cells/K3-n1-d{name}/certificates/" for name in ("3-tau1over3", "2-tau12", "2-tau1", "2-tau2")
    ]


def landscape_page():
    report = connect_landscape(verify_landscape(UFMProblem(class_sizes=(1, 1, 1), dim=2, tau=12), starts=20))
    return landscape_html(report), {}


@needs_browser
@pytest.mark.parametrize("make", [sweep_page, landscape_page])
def test_a_printed_page_is_whole_black_and_without_controls(make, tmp_path):
    seen = opened(
        make()[0].replace("@media print", "@media all"),
        tmp_path / "report.html",
        """
const shown = (one) => one.getClientRects().length > 0;
seen.controls = [...document.querySelectorAll(".filters, .hint, .tip, select, input")].filter(shown).length;
seen.wide = [...document.querySelectorAll("table, figure, pre, p")].filter(
  (one) => one.getBoundingClientRect().right > document.body.getBoundingClientRect().right + 1).length;
seen.scrolls = [...document.querySelectorAll(".scroll, pre")].map((one) => getComputedStyle(one).overflowX);
seen.inks = [...document.querySelectorAll("td, th, td button, th button, a")].map((one) => getComputedStyle(one).color);
seen.rows = [...document.querySelectorAll("tbody tr")].filter((row) => !shown(row)).length;
seen.columns = [...document.querySelectorAll("tbody tr:first-child td")].filter((cell) => !shown(cell)).length;
seen.figures = [...document.querySelectorAll("figure")].filter(shown).length;
""",
        # a sheet of A4 without its margins
        ["--window-size=718,1000"],
    )
    assert (seen["controls"], seen["wide"], seen["rows"], seen["columns"]) == (0, 0, 0, 0)
    assert set(seen["scrolls"]) == {"visible"}
    assert set(seen["inks"]) == {"rgb(0, 0, 0)"}
    assert seen["figures"] > 0


@needs_browser
def test_a_browser_links_every_mark_with_its_row_and_sorts_every_table(made, tmp_path):
    seen = opened(
        made[0],
        tmp_path / "report.html",
        """
const fire = (one, type) => one.dispatchEvent(new PointerEvent(type, { bubbles: true, clientX: 5, clientY: 5 }));
seen.named = [...document.querySelectorAll('figure svg [id*="rows_"]')].map((group) => {
  const [, table, numbers] = /^[^-]+-(.*)rows_(.*)$/.exec(group.id);
  const own = [group, ...group.querySelectorAll("[data-row]")].map((part) => part.dataset.row);
  return group.querySelector("image") || numbers.split("_").every((number) => !number || own.includes(table + number));
}).filter((whole) => !whole).length;
seen.marks = [...document.querySelectorAll("[data-row]")].map((mark) => {
  fire(mark, "pointerover");
  const lit = [...document.querySelectorAll("tr.lit")], tip = document.querySelector(".tip");
  const named = !tip.hidden && tip.textContent.includes(lit[0].cells[0].textContent);
  fire(mark, "click");
  return [lit.length, named, document.activeElement.closest("tr") === lit[0]];
});
seen.tables = [...document.querySelectorAll("table")].map((table) => [...table.tHead.rows[0].cells].map((head, k) => {
  head.firstElementChild.click();
  return [...table.tBodies[0].rows].map((row) => row.cells[k].dataset.key ?? row.cells[k].textContent);
}));
""",
    )
    assert seen["named"] == 0
    assert seen["marks"]
    assert all(mark == [1, True, True] for mark in seen["marks"])
    assert seen["tables"]
    for table in seen["tables"]:
        for column in table:
            try:
                keys = [float(value) for value in column]
            except ValueError:
                continue
            assert keys == sorted(keys)
