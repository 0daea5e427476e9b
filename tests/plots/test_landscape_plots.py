"""Figures of a landscape draw every row, eigenvalue, descent and discovery that they say they draw."""

import dataclasses
import functools
import importlib
import pkgutil
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.text import Text

from sphereufm import UFMProblem, plots, verify_landscape
from sphereufm.descents.connect import connect_landscape
from sphereufm.landscape.points import CriticalFamily
from sphereufm.landscape.report.connections import Connection, Connections
from sphereufm.landscape.report.summary import KIND_NAMES
from sphereufm.plots.axes import empty_axes, label_marks
from sphereufm.plots.configurations import configurations_figure, drawable_rows
from sphereufm.plots.connections import connections_figure, disconnectivity_figure
from sphereufm.plots.landscape import landscape_figure, spectra_figure
from sphereufm.plots.saving import page_svg
from sphereufm.plots.searched import coverage_figure
from sphereufm.problem.losses.label_smoothing import LabelSmoothing


@pytest.fixture(scope="module")
def report():
    found = verify_landscape(UFMProblem(class_sizes=(1, 1, 1), dim=2, tau=12), effort="quick")
    return connect_landscape(found)


def marks(axes):
    """All places of scattered marks."""
    return np.concatenate([c.get_offsets() for c in axes.collections if isinstance(c, PathCollection)])


def in_order(axes, report):
    """Row and place of each mark, as the name of its artist tells a page."""
    for collection in axes.collections:
        rows = [int(row) for row in collection.get_gid().removeprefix("rows_").split("_")]
        yield from zip(rows, collection.get_offsets()[:, 0], strict=True)


def test_the_fingerprint_has_a_mark_or_a_bar_for_each_row(report):
    (axes,) = landscape_figure(report).axes
    points = [e for e in report.critical if not isinstance(e, CriticalFamily)]
    families = [e for e in report.critical if isinstance(e, CriticalFamily)]
    assert sorted(map(tuple, marks(axes))) == sorted((e.morse_index, e.cost) for e in points)
    assert {text.get_text() for text in axes.texts} <= {family.name for family in families}
    bars = [tuple(np.rint(line.get_xdata())) for line in axes.lines]
    assert sorted(bars) == sorted(family.morse_index for family in families)
    (legend,) = axes.figure.legends
    kinds = {text.get_text() for text in legend.get_texts()}
    assert {"global minimiser", "strict saddle", "spurious local minimiser"} <= kinds


def test_an_empty_report_is_drawn():
    empty = verify_landscape(UFMProblem(class_sizes=(1, 1), dim=2, tau=1), starts=1)
    empty = dataclasses.replace(empty, critical=(), coverage={})
    for draw in (
        landscape_figure,
        spectra_figure,
        coverage_figure,
        connections_figure,
        disconnectivity_figure,
    ):
        assert len(draw(empty).axes) == 1


def test_spectra_have_every_eigenvalue(report):
    (axes,) = spectra_figure(report).axes
    (collection,) = axes.collections
    drawn = collection.get_offsets()
    assert set(drawn[:, 0]) == set(range(1, len(report.critical) + 1))
    assert all(row + 1 == x for row, x in in_order(axes, report))
    for row, entry in enumerate(report.critical, start=1):
        column = drawn[drawn[:, 0] == row]
        spectra = [m.spectrum for m in (entry.members if isinstance(entry, CriticalFamily) else (entry,))]
        values = np.concatenate(
            [part for s in spectra for part in (s.eigenvalues, s.normal_eigenvalues[: 999 * s.normal_copies])]
        )
        for value in values:
            assert np.abs(column[:, 1] - value).min() <= 1e-9 * (1 + abs(value))


def test_an_arrow_for_each_connection(report):
    (axes,) = connections_figure(report).axes
    arrows = [text for text in axes.texts if text.arrow_patch is not None]
    assert len(arrows) == len(report.connections.edges)
    assert len(marks(axes)) == len(report.critical)
    assert sorted(marks(axes)[:, 1]) == sorted(e.cost for e in report.critical)
    # from the higher to the lower
    assert all(arrow.xyann[1] > arrow.xy[1] for arrow in arrows)
    numbers = {text.get_text() for text in axes.texts} - {""}
    assert numbers <= {str(row + 1) for row in range(len(report.critical))}
    assert len(numbers) >= len(report.critical) - 2
    assert all(x == np.min(report.critical[row].morse_index) for row, x in in_order(axes, report))


def test_the_tree_has_a_leaf_for_each_minimiser_and_meets_at_the_barrier(report):
    (axes,) = disconnectivity_figure(report).axes
    assert [text.get_text() for text in axes.texts] == [str(row + 1) for row in report.minimisers]
    level = [line.get_ydata()[0] for line in axes.lines if len(set(line.get_ydata())) == 1]
    lowest = min(report.critical[row].cost for row in report.minimisers)
    assert level == [merge.cost - lowest for merge in report.merges]
    assert sorted(marks(axes)[:, 1]) == sorted(
        report.critical[row].cost - lowest for row in report.minimisers
    )


def test_branches_do_not_cross_and_unjoined_ones_stay_apart(report):
    minimum = report.critical[0]
    rows = [dataclasses.replace(minimum, cost=float(k)) for k in range(5)]
    saddle = next(e for e in report.critical if e.kind.name == "STRICT_SADDLE")
    rows += [dataclasses.replace(saddle, cost=cost) for cost in (10.0, 20.0)]
    edges = tuple(Connection(source=s, target=t, descents=1) for s, t in ((5, 0), (5, 3), (6, 1), (6, 4)))
    found = Connections(edges=edges, sources=2, skipped=0, descents=4, unfinished=0, unlisted=0)
    tree = dataclasses.replace(report, critical=tuple(rows), connections=found)
    (axes,) = disconnectivity_figure(tree).axes
    place = {text.get_text(): text.xy[0] for text in axes.texts}
    assert abs(place["1"] - place["4"]) == 1
    assert abs(place["2"] - place["5"]) == 1
    bars = [tuple(line.get_xdata()) for line in axes.lines if len(set(line.get_ydata())) == 1]
    assert len(bars) == 2
    (a, b), (c, d) = sorted(bars)
    assert b < c
    assert a < b
    assert c < d


def test_a_curve_for_each_stratum_that_ends_at_its_orbits(report):
    (axes,) = coverage_figure(report).axes
    assert len(axes.lines) == len(report.coverage)
    for line, (name, coverage) in zip(axes.lines, report.coverage.items(), strict=True):
        assert line.get_label() == name
        assert line.get_xdata()[-1] == coverage.converged
        assert line.get_ydata()[-1] == coverage.orbits
        assert (np.diff(line.get_ydata()) >= 0).all()


def test_a_dollar_in_a_name_begins_no_formula(report, monkeypatch):
    monkeypatch.setattr("sphereufm.problem.capabilities.title", lambda _: r"a $x^{$ $\frac")
    monkeypatch.setattr("sphereufm.problem.capabilities.cost_unit", lambda _: r"$\bad$")
    for draw in (landscape_figure, connections_figure, disconnectivity_figure):
        assert r"$\bad$" in page_svg(functools.partial(draw, report), "one")
    assert "$x^{$" in page_svg(functools.partial(landscape_figure, report), "one")
    drawing = [
        draw
        for module in pkgutil.iter_modules(plots.__path__)
        for name, draw in vars(importlib.import_module(f"sphereufm.plots.{module.name}")).items()
        if name.endswith("_figure") and name != "save_figure"
    ]
    assert [draw for draw in drawing if not hasattr(draw, "__wrapped__")] == []


@pytest.mark.parametrize("draw", [landscape_figure, spectra_figure, connections_figure, coverage_figure])
def test_page_figures_are_xml_with_the_page_colour_and_ids_of_their_own(report, draw):
    svg = page_svg(lambda: draw(report), "one")
    root = ElementTree.fromstring(svg.replace("xlink:href", "href"))
    assert root.tag.endswith("svg")
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert ids
    assert all(name.startswith("one-") for name in ids)
    assert "currentColor" in svg
    assert "<style" not in svg


def test_configurations_are_drawn_on_the_circle_and_on_the_sphere():
    report = verify_landscape(UFMProblem(class_sizes=(1, 1, 1, 1), dim=3, tau=1), starts=12)
    rows = drawable_rows(report)
    figure = configurations_figure(report)
    (axes,) = figure.axes
    titles = [text.get_text() for text in axes.texts]
    assert titles == [f"row {k + 1}, rank {p.rank}" for k, p in rows]
    assert {point.rank for _, point in rows} == {2, 3}
    drawn = {one.get_gid(): one for one in axes.collections}
    for row, point in rows:
        circle, *others = [np.array(line) for line in drawn[f"rows_{row}_"].get_segments()]
        centre = circle[:-1].mean(axis=0)
        places = np.array(drawn[f"rows_{row}__"].get_offsets()) - centre
        assert len(places) == 8
        if point.rank == 2:
            assert np.allclose(places, point.X.T)
        # a projection of unit vectors: all inside, the inner products not larger than in space
        assert (np.linalg.norm(places, axis=1) <= 1 + 1e-3).all()
        assert np.allclose(np.linalg.norm(circle - centre, axis=1), 1)
        assert len(others) == 4 + 2 * (point.rank == 3)


def test_the_view_of_the_sphere_is_a_rotation():
    from sphereufm.plots.configurations import _VIEW

    assert np.allclose(_VIEW @ _VIEW.T, np.eye(3), atol=2e-3)
    assert np.linalg.det(_VIEW) > 0


def written(figure):
    """All texts of a figure as a page shows them, each with its box in pixels."""
    FigureCanvasAgg(figure).draw()
    texts = [one for one in figure.findobj(Text) if one.get_text().strip() and one.get_visible()]
    return [(one, one.get_window_extent()) for one in texts]


@functools.cache
def connected(tau):
    """A landscape in the plane with its descents."""
    return connect_landscape(verify_landscape(UFMProblem(class_sizes=(1, 1, 1), dim=2, tau=tau), starts=12))


@pytest.mark.parametrize("tau", ["0.001", "12", "40"])
@pytest.mark.parametrize(
    "draw", [landscape_figure, spectra_figure, connections_figure, coverage_figure, disconnectivity_figure]
)
def test_ticks_are_plain_and_whole_and_numbers_do_not_collide(draw, tau):
    figure = draw(connected(tau))
    texts = written(figure)
    assert not [one.get_text() for one, _ in texts if "$" in one.get_text() or "times" in one.get_text()]
    axes = figure.axes[0]
    if draw is not disconnectivity_figure:
        low, high = axes.get_xlim()
        ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
        assert ticks
        assert all(float(tick).is_integer() for tick in ticks)
    numbers = [box for one, box in texts if one in axes.texts and one.get_text().isdigit()]
    for k, box in enumerate(numbers):
        assert not any(box.overlaps(other) for other in numbers[:k])
    # ticks beyond the limits have labels, too, which are not drawn
    ticked = {*axes.get_xticklabels(), *axes.get_yticklabels()}
    for one, box in texts:
        if one in ticked:
            continue
        assert figure.bbox.contains(*box.min), one.get_text()
        assert figure.bbox.contains(*box.max), one.get_text()


@pytest.mark.parametrize("sizes", [(1, 1), (7, 5, 3, 2, 2, 1, 1, 1, 1), (1234,) * 9])
@pytest.mark.parametrize("loss", ["cross-entropy", LabelSmoothing(smoothing=0.1234)])
def test_a_title_of_any_length_is_inside_and_off_the_axes(report, sizes, loss):
    problem = UFMProblem(class_sizes=sizes, dim=17, tau=0.00123456, loss=loss)
    # the figure asks the report for its problem's name, and for no point of it
    figure = landscape_figure(dataclasses.replace(report, problem=problem, critical=(), connections=None))
    (axes,) = figure.axes
    box = next(box for one, box in written(figure) if one is axes.title)
    assert figure.bbox.contains(*box.min)
    assert figure.bbox.contains(*box.max)
    assert not box.overlaps(axes.bbox)
    title = "".join(axes.get_title().split())
    assert title.endswith(report.verdict.name)
    assert ",".join(map(str, sizes)) in title


def test_a_number_does_not_lie_on_the_heads_of_arrows_where_there_is_another_place():
    _, axes = empty_axes("", "")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    for place in [(0.2, 0.5), (0.8, 0.5)]:
        x, y = axes.transData.transform(place)
        label_marks(axes, [("1", place)], [place], heads=[(x + 15, y + 15)] if place[0] > 0.5 else [])
    assert [text.get_position()[0] > 0 for text in axes.texts] == [True, False]


def test_legends_name_every_kind_and_lie_off_the_data(report):
    for draw in (landscape_figure, spectra_figure, connections_figure, disconnectivity_figure):
        figure = draw(report)
        FigureCanvasAgg(figure).draw()
        (legend,) = figure.legends
        box = legend.get_window_extent()
        assert not box.overlaps(figure.axes[0].bbox)
        rows = report.minimisers if draw is disconnectivity_figure else range(len(report.critical))
        kinds = {KIND_NAMES[report.critical[row].kind] for row in rows}
        assert kinds <= {text.get_text() for text in legend.get_texts()}


def test_figures_of_a_page_have_one_size(report):
    draws = (landscape_figure, spectra_figure, connections_figure, coverage_figure, configurations_figure)
    assert len({tuple(draw(report).get_size_inches()) for draw in draws}) == 1


@pytest.mark.parametrize("seed", range(6))
def test_every_barrier_of_a_tree_is_seen_however_many_decades_lie_between(report, seed):
    minimum, saddle = report.critical[0], next(e for e in report.critical if e.kind.name == "STRICT_SADDLE")
    rng = np.random.default_rng(seed)
    count, low = int(rng.integers(2, 12)), -float(rng.integers(1, 14))
    leaves = np.sort([0.0, *10.0 ** rng.uniform(low, 1, count - 1)])
    barriers = [max(leaves[k : k + 2]) + 10.0 ** rng.uniform(low, 2) for k in range(count - 1)]
    rows = [dataclasses.replace(minimum, cost=cost) for cost in leaves]
    rows += [dataclasses.replace(saddle, cost=cost) for cost in barriers]
    ends = [(count + k, leaf) for k in range(count - 1) for leaf in (k, k + 1)]
    edges = tuple(Connection(source=s, target=t, descents=1) for s, t in ends)
    found = Connections(edges=edges, sources=1, skipped=0, descents=1, unfinished=0, unlisted=0)
    figure = disconnectivity_figure(dataclasses.replace(report, critical=tuple(rows), connections=found))
    texts = written(figure)
    (axes,) = figure.axes
    stems = [axes.transData.transform(line.get_xydata()) for line in axes.lines]
    lengths = [abs(stem[1, 1] - stem[0, 1]) for stem in stems if stem[0, 0] == stem[1, 0]]
    # each merge joins two branches; the whole tree ends in one more
    assert len(lengths) == 2 * (count - 1) + 1
    assert min(lengths) > 3.0
    ticks = [box for one, box in texts if one in axes.get_yticklabels()]
    assert not any(box.overlaps(other) for k, box in enumerate(ticks) for other in ticks[:k])


def unlinked(figure):
    """What is drawn at data and has no row's name; lines for the reader's eye stand across the whole axes."""
    for axes in figure.axes:
        if (axes.get_gid() or "").startswith("rows_"):
            continue
        arrows = [text.arrow_patch for text in axes.texts if getattr(text, "arrow_patch", None) is not None]
        for one in (*axes.lines, *axes.collections, *axes.patches, *arrows):
            across = one.get_transform() in (
                axes.get_xaxis_transform("grid"),
                axes.get_yaxis_transform("grid"),
            )
            if not across and "rows_" not in (one.get_gid() or ""):
                yield one


@pytest.mark.parametrize(
    "draw",
    [
        landscape_figure,
        spectra_figure,
        connections_figure,
        coverage_figure,
        configurations_figure,
        disconnectivity_figure,
    ],
)
def test_every_mark_knows_its_row(report, draw):
    figure = draw(report)
    assert list(unlinked(figure)) == []
    names = re.findall(r'id="one-(\S*rows_\S*)"', page_svg(lambda: figure, "one"))
    assert names
    assert len(names) == len(set(names))
