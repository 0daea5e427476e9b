"""Figures of features, training runs, branches and sweeps draw what was measured."""

import dataclasses
import re
from io import BytesIO

import numpy as np
import pytest
from matplotlib.figure import Figure

from sphereufm import UFMProblem, trace_branches
from sphereufm.branches.report import BranchEvent
from sphereufm.comparison import SUITES, Rules, compare_solvers
from sphereufm.errors import InvalidInputError
from sphereufm.features import collapse_metrics, feature_set_from_arrays
from sphereufm.placement import LandscapePosition
from sphereufm.placement.trajectory import Measured, Training
from sphereufm.plots.branches import branch_figure
from sphereufm.plots.comparison import convergence_figure, profiles_figure
from sphereufm.plots.features import cosine_bins, features_figure, trajectory_figure
from sphereufm.plots.saving import save_figure
from sphereufm.plots.sweeps import phase_diagram_figure


@pytest.fixture(scope="module")
def metrics():
    rng = np.random.default_rng(0)
    H = np.repeat(np.eye(4), 5, axis=0) + 0.2 * rng.standard_normal((20, 4))
    return collapse_metrics(feature_set_from_arrays(H, np.arange(20) // 5))


@pytest.mark.parametrize("noise", [0.0, 1e-16, 1e-15, 1e-14, 1e-8, 1.0])
@pytest.mark.parametrize("classes", [2, 3, 5])
def test_every_pair_of_classes_is_in_a_bar_however_collapsed(classes, noise):
    rng = np.random.default_rng(classes)
    H = np.repeat(np.eye(classes), 2, axis=0)
    found = collapse_metrics(
        feature_set_from_arrays(H + noise * rng.standard_normal(H.shape), np.repeat(np.arange(classes), 2))
    )
    assert sum(count for *_, count in cosine_bins(found)) == classes * (classes - 1) // 2


@pytest.mark.parametrize("middle", [0.0, 1.0])
def test_a_class_without_direction_is_in_no_bar(middle, tmp_path):
    """Of classes at -1, 0 and 1 the middle one is the mean of all; of equal classes none has a direction."""
    H = np.outer([1.0, 0.0, -1.0], [middle, 0.0]).repeat(2, axis=0)
    found = collapse_metrics(feature_set_from_arrays(H, np.repeat(np.arange(3), 2)))
    assert sum(count for *_, count in cosine_bins(found)) == middle
    save_figure(features_figure(found), tmp_path / "drawn.png")


def test_features_have_their_cosines_and_spectra(metrics):
    gram, histogram, spectrum, by_class, _ = features_figure(metrics).axes
    units = metrics.means / np.linalg.norm(metrics.means, axis=1, keepdims=True)
    cosines = units @ units.T
    assert np.allclose(gram.images[0].get_array(), cosines)
    assert sum(bar.get_height() for bar in histogram.patches) == 6
    assert histogram.lines[0].get_xdata()[0] == pytest.approx(-1 / 3)
    between, within = spectrum.lines
    assert np.allclose(between.get_ydata(), metrics.between_spectrum[metrics.between_spectrum > 0])
    assert np.allclose(within.get_ydata(), metrics.within_spectrum[metrics.within_spectrum > 0])
    assert np.allclose(by_class.lines[0].get_ydata(), metrics.class_nc1)


def test_a_trajectory_leaves_out_what_is_undefined(metrics):
    first = dataclasses.replace(metrics, nc1=1.0, nc2=0.5, nc3=None)
    second = dataclasses.replace(metrics, nc1=0.1, nc2=0.0, nc3=None)
    epochs = (
        Measured(path="3", metrics=first, place=LandscapePosition(cost=1.0, optimality_gap=0.3)),
        Measured(path="4", error="it is damaged"),
        Measured(path="9", metrics=second, place=LandscapePosition(reason="no classifier")),
    )
    axes, lower = trajectory_figure([Training(name="run", epochs=epochs)]).axes
    drawn = {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in axes.lines}
    assert drawn == {
        "NC1": ([3, 9], [1.0, 0.1]),
        "NC2": ([3], [0.5]),
        "optimality gap (numerical)": ([3], [0.3]),
    }
    assert [line.get_label() for line in lower.lines] == ["NC4"]
    both = [Training(name=name, epochs=epochs) for name in ("one", "two")]
    overlaid = trajectory_figure(both).axes[0]
    assert len({line.get_linestyle() for line in overlaid.lines}) == 2
    (legend,) = overlaid.figure.legends
    named = [text.get_text() for text in legend.get_texts()]
    assert len(named) == len(set(named))
    assert {"NC1", "NC4", "one", "two"} <= set(named)


def test_branches_have_all_their_points_and_events():
    report = trace_branches(UFMProblem(class_sizes=(1, 1), dim=2, tau=1), 0.5, 1.0, effort="quick")
    events = tuple(
        BranchEvent(kind=kind, tau=tau, cost=cost, branch=0, kernel=1)
        for kind, tau, cost in (
            ("fold", 0.7, 0.2),
            ("bifurcation", 0.8, 0.3),
            ("rank", 0.9, 0.4),
            ("fold", 0.6, 0.5),
        )
    )
    report = dataclasses.replace(report, events=events)
    axes = branch_figure(report).axes[0]
    assert len(axes.collections) == len(report.branches)
    for lines, branch in zip(axes.collections, report.branches, strict=True):
        segments = lines.get_segments()
        assert len(segments) == len(branch.points) - 1
        assert np.allclose(segments[0][0], [branch.points[0].tau, branch.points[0].cost])
        assert np.allclose(segments[-1][1], [branch.points[-1].tau, branch.points[-1].cost])
    assert len(axes.lines) == 3
    marks = sorted((x, y) for line in axes.lines for x, y in zip(*line.get_data(), strict=True))
    assert marks == sorted((event.tau, event.cost) for event in report.events)


def test_the_phase_diagram_has_one_mark_a_cell_in_the_style_of_its_answer():
    def line(dim, tau, **rest):
        return {"cell": {"classes": 3, "per_class": 1, "dim": dim, "tau": tau}, "status": "done", **rest}

    spurious = {"verdict": "NOT_BENIGN"}
    index = [
        line(3, "1/2", verdict="BENIGN"),
        line(
            2, "2", **spurious, counterexample_status="PROVED", counterexample_kind="SPURIOUS_LOCAL_MINIMUM"
        ),
        line(2, "4", **spurious, counterexample_status="NUMERICAL", counterexample_kind="DEGENERATE"),
        line(2, "5", **spurious, counterexample_status="PROVED", kinds={"DEGENERATE": 1}),
        line(2, "8", verdict="UNDECIDED"),
        line(2, "16", verdict="UNDECIDED") | {"status": "failed"},
    ]
    figure = phase_diagram_figure(index)
    (axes,) = figure.axes
    drawn = {c.get_label(): [tuple(place) for place in c.get_offsets()] for c in axes.collections}
    assert drawn == {
        "benign": [(0.5, 3.0)],
        "spurious minimiser, PROVED": [(2.0, 2.0)],
        "degenerate point, PROVED": [(5.0, 2.0)],
        "degenerate point, numerical": [(4.0, 2.0)],
        "undecided: nothing found, no theorem": [(8.0, 2.0)],
        "failed": [(16.0, 2.0)],
    }
    assert {text.get_text() for text in figure.legends[0].get_texts()} == set(drawn)


def overlaps(texts):
    """Pairs of shown texts that lie over one another, once the figure is drawn."""
    shown = [text for text in texts if text.get_text() and text.get_visible()]
    boxes = [text.get_window_extent() for text in shown]
    return [
        (shown[i].get_text(), shown[j].get_text())
        for i in range(len(boxes))
        for j in range(i)
        if boxes[i].overlaps(boxes[j])
    ]


def other_figures():
    cells = [(K, d, tau) for K in (3, 4) for d in (2, 3) for tau in ("1", "2", "5", "12")]
    yield phase_diagram_figure(
        [
            {
                "cell": {"classes": K, "per_class": 1, "dim": d, "tau": tau},
                "status": "done",
                "verdict": "BENIGN",
            }
            for K, d, tau in cells
        ]
    )
    branches = trace_branches(UFMProblem(class_sizes=(1, 1), dim=2, tau=1), 0.5, 1.0, effort="quick")
    event = BranchEvent(kind="fold", tau=0.7, cost=0.2, branch=0, kernel=1)
    yield branch_figure(dataclasses.replace(branches, events=(event,)))
    runs = compare_solvers(
        SUITES["small"][:2], ["lbfgs"], rules=Rules(starts=1, repeats=1, tolerance=1e-3), curves=True
    )
    yield from (profiles_figure(runs), convergence_figure(runs))


def test_ticks_are_plain_numbers_texts_do_not_collide_and_legends_lie_off_the_data():
    for figure in other_figures():
        figure.savefig(BytesIO(), dpi=100)
        for axes in figure.axes:
            ticks = [*axes.get_xticklabels(), *axes.get_yticklabels()]
            assert all(re.fullmatch(r"[-\u2212]?[\d.]*(e-\d+)?", text.get_text()) for text in ticks)
            assert all(text.get_fontsize() >= 9 for text in ticks)
            for legend in figure.legends:
                assert not legend.get_window_extent().overlaps(axes.patch.get_window_extent())
            for axis in (axes.xaxis, axes.yaxis):
                low, high = sorted(axis.get_view_interval())
                shown = [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
                assert overlaps(shown) == []


def test_legends_have_every_name_a_solver_may_have():
    names = ["_mine", "$x^{$", "<b>"]
    peers = dict.fromkeys(names, lambda problem, start, gauge: gauge.look(start))
    rules = Rules(starts=1, repeats=1, limit=1.0)
    runs = compare_solvers(SUITES["small"][:1], names, peers=peers, rules=rules, curves=True)
    figure = profiles_figure(runs)
    figure.savefig(BytesIO())
    assert [text.get_text() for text in figure.legends[0].get_texts()] == names


def test_a_figure_is_written_whole_or_not_at_all(tmp_path, metrics):
    save_figure(features_figure(metrics), tmp_path / "one.png")
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")
    for name, form in (("two.png", "neither"), ("two.json", None)):
        with pytest.raises(InvalidInputError, match="must be one of"):
            save_figure(features_figure(metrics), tmp_path / name, form=form)
    assert [path.name for path in tmp_path.iterdir()] == ["one.png"]


def test_a_figure_has_the_form_of_its_name(tmp_path):
    starts = {"a.svg": b"<?xml", "b.PNG": b"\x89PNG", "c.pdf": b"%PDF", "d": b"\x89PNG"}
    for name, start in starts.items():
        save_figure(Figure(figsize=(1, 1)), tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(start)
    save_figure(Figure(figsize=(1, 1)), tmp_path / "e.dat", form="SVG")
    assert (tmp_path / "e.dat").read_bytes().startswith(b"<?xml")
