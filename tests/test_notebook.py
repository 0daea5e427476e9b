"""What a notebook shows: well-formed tables with everything escaped."""

import dataclasses
from xml.etree import ElementTree

import numpy as np
import pytest

from sphereufm import (
    UFMProblem,
    collapse_metrics,
    embed,
    hessian_spectrum,
    trace_branches,
    verify_landscape,
)
from sphereufm.comparison import SUITES, Rules, compare_solvers
from sphereufm.features import feature_set_from_arrays
from sphereufm.notebook import counted


def parsed(thing):
    """Caption and cells of the table; a document that is not well-formed is refused."""
    table = ElementTree.fromstring(thing._repr_html_().replace("<br>", "<br/>"))
    caption = "\n".join(table.find("caption").itertext())
    return caption, [[cell.text or "" for cell in row] for row in table.iter("tr")]


@pytest.fixture(scope="module")
def report():
    return verify_landscape(UFMProblem(class_sizes=(1, 1, 1), dim=3, tau=1), starts=24, rng=0)


def test_a_report_has_its_verdict_and_a_row_for_each_class(report):
    caption, (headings, *rows) = parsed(report)
    assert caption.startswith("class sizes 1,1,1, d = 3, tau = 1\nBENIGN: by Theorem S")
    assert "lower bound" in caption
    assert len(rows) == len(report.critical)
    assert rows[0][headings.index("cost (nats)")] == "0.368981"
    assert any("strict saddle (collapsed classifiers)" in row for row in rows)


def test_notes_are_escaped(report):
    harmful = dataclasses.replace(report, notes=("<script>alert(1)</script> & more",))
    assert "<script" not in harmful._repr_html_()
    assert parsed(harmful)[0].endswith("<script>alert(1)</script> & more")


def test_a_spectrum_counts_every_eigenvalue(report):
    problem = report.problem
    saddle = next(entry for entry in report.critical if entry.rank == 2 and entry.morse_index > 0)
    spectrum = hessian_spectrum(problem, embed(saddle.X, 3))
    caption, (_, *rows) = parsed(spectrum)
    values = [float(value) for value, _ in rows]
    assert caption.startswith(f"Morse index {saddle.morse_index}, ")
    assert values == sorted(values)
    # the tangent space of six spheres, less the orbit
    assert sum(int(copies) for _, copies in rows) == 6 * 2 - spectrum.orbit_dimension
    assert sum(int(copies) for value, copies in rows if float(value) < -1e-9) == spectrum.morse_index


def test_metrics_say_why_a_number_is_undefined():
    features = np.array([[1.0, 0.1], [1.0, -0.1], [-1.0, 0.0], [-1.0, 0.0]])
    caption, (_, *rows) = parsed(collapse_metrics(feature_set_from_arrays(features, labels=[0, 0, 1, 1])))
    assert caption.startswith("Collapse of 4 samples")
    assert ["nc3", "undefined", "no classifier was given"] in rows
    assert ["nc1_trace_ratio", "0.005"] in [row[:2] for row in rows]


def test_branches_and_comparisons_are_tables():
    branches = trace_branches(UFMProblem(class_sizes=(1, 1), dim=2, tau=1), 0.5, 1.0, effort="quick")
    caption, (headings, *rows) = parsed(branches)
    assert caption.startswith(branches.counts + ", tau from 0.5 to 1")
    assert [row[headings.index("branch")] for row in rows] == [str(b.number) for b in branches.branches]
    runs = compare_solvers(SUITES["small"][:1], ["lbfgs"], rules=Rules(starts=2, repeats=1))
    runs.measurements[1] = dataclasses.replace(runs.measurements[1], reached=False, charged=60.0)
    _, (_, *rows) = parsed(runs)
    (row,) = rows
    assert row[:2] == ["lbfgs", "1 of 2"]
    # four digits are shown
    assert float(row[2]) == pytest.approx((runs.measurements[0].charged * 60.0) ** 0.5, rel=1e-3)


@pytest.mark.parametrize("number", [0, 1, 2, 1000])
def test_only_one_of_a_thing_is_singular(number):
    words = counted(number, "box", "boxes")
    assert words.endswith(" box") == (number == 1)
    assert int(words.partition(" ")[0].replace(",", "")) == number


@pytest.fixture(scope="module")
def kernel():
    """A notebook's kernel, without a notebook."""
    pytest.importorskip("ipykernel")
    manager, client = pytest.importorskip("jupyter_client.manager").start_new_kernel(kernel_name="python3")
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


@pytest.mark.parametrize("given", ["", ", progress=True"])
def test_a_kernel_draws_one_bar_and_the_table(kernel, given):
    shown = []
    code = f"""
from sphereufm import UFMProblem, verify_landscape
verify_landscape(UFMProblem(class_sizes=(1, 1), dim=3, tau=1), starts=8, prove=True{given})
"""
    reply = kernel.execute_interactive(code, output_hook=shown.append, timeout=60)
    assert reply["content"]["status"] == "ok"
    kinds = [message["msg_type"] for message in shown]
    assert kinds.count("display_data") == 1
    assert "<progress" in shown[kinds.index("display_data")]["content"]["data"]["text/html"]
    bars = [m["content"]["transient"]["display_id"] for m in shown if m["msg_type"].endswith("display_data")]
    assert len(set(bars)) == 1
    last = shown[-1 - kinds[::-1].index("update_display_data")]["content"]["data"]["text/html"]
    assert 'value="1000" max="1000"' in last
    (table,) = (m["content"]["data"]["text/html"] for m in shown if m["msg_type"] == "execute_result")
    assert "Theorem S" in table
