"""What the figures of a landscape share: marks of kinds, axes of costs and indices, legends, texts beside marks.

Margins are fixed and tick labels are plain text: laying a figure out and setting mathematics took most of the time of
a page.
"""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator
from matplotlib.transforms import ScaledTranslation, blended_transform_factory

from sphereufm.landscape.points import CriticalPointKind, Entry
from sphereufm.landscape.report.summary import kind_name

_Place: TypeAlias = tuple[float, float]
_Box: TypeAlias = tuple[float, float, float, float]

# colour-blind safe (Okabe and Ito, 2008); dashes tell apart what shares a colour
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6BB1", "#999999")
DASHES = ("-", "--", ":", "-.")
# a shape of its own for each kind
STYLE: Mapping[CriticalPointKind, tuple[str, str]] = MappingProxyType(
    {
        CriticalPointKind.GLOBAL_MINIMUM: ("#009E73", "*"),
        CriticalPointKind.STRICT_SADDLE: ("#0072B2", "o"),
        CriticalPointKind.SPURIOUS_LOCAL_MINIMUM: ("#D55E00", "X"),
        CriticalPointKind.LOCAL_MINIMUM: ("#E69F00", "P"),
        CriticalPointKind.DEGENERATE: ("#CC79A7", "D"),
    }
)
# up to a ratio of its ends a logarithmic axis has ticks at these multiples of powers of ten
_BETWEEN = ((20.0, (1.0, 2.0, 5.0)), (100.0, (1.0, 3.0)))
# all figures of a page have one size
SIZE = (7.2, 5.2)
# where labels of axes stand: points below the axes, and a part of the figure's width
_X_LABEL, _Y_LABEL = 25.0, 0.035
# intervals between ticks at most, and their lengths up to powers of ten
_TICKS, _STEPS = 5, (1, 2, 5, 10)
_MARGINS = {"left": 0.15, "right": 0.97, "top": 0.92, "bottom": 0.31}
FONT = 13
COLUMNS = 3
_NUMBER_FONT = 10
# letters of a title in one line, and the part of the height that a further line takes
_TITLE_LETTERS, _TITLE_LINE = 60, 0.05
# half the width of a mark, in points
_MARK = 3.0
# where a text may stand beside its mark, in points: the first place that is free is taken
_PLACES = (
    *((5, 4, "left"), (-5, 4, "right"), (5, -12, "left"), (-5, -12, "right")),
    *((16, 4, "left"), (16, -12, "left"), (5, 18, "left"), (5, -26, "left")),
)
_NEAR = 4
# what matplotlib calls an artist without a name
_UNNAMED = re.compile(r"_child\d+|_nolegend_|")
BELOW = ((0, -14, "center"), (0, -25, "center"))


# of every figure: names of costs, units and solvers are a user's own, and a dollar in them begins no formula
plain_texts = mpl.rc_context({"text.parse_math": False})


def empty_axes(x: str, y: str, grid: bool = False) -> tuple[Figure, Axes]:
    """A figure of the common size with one pair of axes, and what they show."""
    figure = Figure(figsize=SIZE)
    figure.subplots_adjust(**_MARGINS)
    axes = bare(figure.add_subplot(), grid)
    axes.set(xlabel=x, ylabel=y)
    # to find places next to the tick labels would lay all of them out once more
    below = ScaledTranslation(0.0, -_X_LABEL / 72.0, figure.dpi_scale_trans)
    axes.xaxis.set_label_coords(0.5, 0.0, axes.transAxes + below)
    axes.yaxis.set_label_coords(_Y_LABEL, 0.5, blended_transform_factory(figure.transFigure, axes.transAxes))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(_TICKS, steps=_STEPS))
    return figure, axes


def constrained(width: float, height: float) -> Figure:
    """An empty figure, in inches, that lays itself out."""
    return Figure(figsize=(width, height), layout="constrained")


def panels(figure: Figure, number: int) -> list[Axes]:
    """So many pairs of axes, three in a row."""
    columns = max(min(COLUMNS, number), 1)
    listed = figure.subplots(-(-number // columns), columns, squeeze=False).ravel()
    for axes in listed[number:]:
        axes.set_visible(False)
    return list(listed[:number])


def bare(axes: Axes, grid: bool = False) -> Axes:
    """Axes without a frame, with letters of one size."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=FONT - 1)
    for text in (axes.xaxis.label, axes.yaxis.label, axes.title):
        text.set_fontsize(FONT)
    if grid:
        axes.grid(alpha=0.25)
    return axes


def title(axes: Axes, text: str) -> None:
    """Write a title above the only axes of a figure, in as many lines as it takes; the axes make room for them."""
    lines = textwrap.wrap(text, _TITLE_LETTERS)
    # a place of its own: finding one off the ticks would lay the axes out once more
    axes.set_title("\n".join(lines), fontsize=FONT, y=1.0)
    axes.figure.subplots_adjust(top=_MARGINS["top"] - _TITLE_LINE * max(len(lines) - 1, 0))


def legend(figure: Figure, handles: Iterable[Artist] | None = None, where: str = "lower center") -> None:
    """Name what is drawn, each once, off the data, in as many columns as there is room for.

    ``handles``: by default those of all axes; then the figure has a constrained layout, and ``where`` is outside.
    """
    if handles is None:
        # matplotlib would leave out every name that begins with an underscore, not only its own
        handles = [h for axes in figure.axes for h in (*axes.lines, *axes.collections)]
        handles = [h for h in handles if not _UNNAMED.fullmatch(str(h.get_label()))]
    named: dict[str, Artist] = {}
    for handle in handles:
        named.setdefault(str(handle.get_label()), handle)
    if named:
        size = FONT - 1
        widest = 0.55 * size * max(map(len, named)) + 4.0 * size
        columns = max(1, min(4, int(72.0 * figure.get_figwidth() / widest)))
        style: dict[str, Any] = {"loc": where, "ncols": columns, "frameon": False, "fontsize": size}
        figure.legend(named.values(), named.keys(), **style)


def row_marks(rows: Iterable[int], table: str = "", copy: int = 0) -> str:
    """Name of an artist in an SVG: by it a page knows the rows of its marks, in the order of drawing.

    ``table`` is what the names of rows begin with, ``copy`` tells artists of the same rows apart.
    """
    return f"{table}rows_" + "_".join(map(str, rows)) + "_" * copy


def scale(axes: Axes, values: Iterable[float], ratio: float = 1e3) -> None:
    """Make the vertical axis logarithmic where all values are positive, and further apart than a ratio."""
    heights = [*values]
    if heights and min(heights) > 0.0 and max(heights) > ratio * min(heights):
        axes.set_yscale("log")
        plain_ticks(axes.yaxis)


def plain_ticks(axis: Axis) -> None:
    """Plain numbers on a logarithmic axis: powers of ten, and numbers between them where there are few.

    To be called when the axis has its limits.
    """
    low, high = axis.get_view_interval()
    for ratio, between in _BETWEEN:
        if low > 0.0 and high <= ratio * low:
            axis.set_major_locator(LogLocator(subs=between))
            break
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def whole_numbers(*axes: Axis) -> None:
    """Ticks at whole numbers only."""
    for axis in axes:
        axis.set_major_locator(MaxNLocator(_TICKS, steps=_STEPS, integer=True, min_n_ticks=1))


def signed_logarithms(axes: Axes, largest: float) -> None:
    """Scale the vertical axis by logarithms of sizes, linear in the last thousandth, with ticks at powers of ten."""
    high = math.floor(math.log10(largest))
    powers = [10.0**k for k in range(high - 3, high + 1)]
    axes.set_yscale("symlog", linthresh=powers[0])
    plain_ticks(axes.yaxis)
    axes.yaxis.set_major_locator(FixedLocator([*(-power for power in powers), 0.0, *powers]))


def draw_kinds(axes: Axes, entries: Sequence[Entry], places: Mapping[int, tuple[float, float]]) -> None:
    """A mark for each row that has a place, by its kind."""
    for kind, (colour, marker) in STYLE.items():
        rows = [row for row in places if entries[row].kind is kind]
        if rows:
            size = 110 if kind is CriticalPointKind.GLOBAL_MINIMUM else 36
            style: dict[str, Any] = {"c": colour, "marker": marker, "s": size, "alpha": 0.85, "linewidths": 0}
            axes.scatter(*zip(*map(places.get, rows), strict=True), gid=row_marks(rows), zorder=3, **style)


def kind_legend(figure: Figure, entries: Iterable[Entry], families: bool = False) -> None:
    """Name every kind that is drawn, below the axes and off the data."""
    drawn = {entry.kind: kind_name(entry) for entry in entries}
    style: dict[str, Any] = {"linestyle": "none", "markersize": 8, "markeredgewidth": 0}
    handles: list[Artist] = [
        Line2D([], [], color=colour, marker=marker, label=drawn[kind], **style)
        for kind, (colour, marker) in STYLE.items()
        if kind in drawn
    ]
    if families:
        handles.append(Line2D([], [], color="#888888", linewidth=5, alpha=0.5, label="family"))
    legend(figure, handles)


def label_marks(
    axes: Axes,
    labels: Iterable[tuple[str, _Place]],
    marks: Iterable[_Place],
    places: Sequence[tuple[int, int, str]] = _PLACES,
    heads: Iterable[_Place] = (),
) -> None:
    """Write texts beside their marks, off other marks and texts and the axis; leave out what has no room.

    To be called when the axes have their limits.  ``heads``: pixels in the heads of arrows, on which as
    few texts lie as may be.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    scale = figure.dpi / 72.0
    r = _MARK * scale
    taken = [(x - r, y - r, x + r, y + r) for x, y in map(axes.transData.transform, marks)]
    crossed = [(x - r, y - r, x + r, y + r) for x, y in heads]
    for text, place in labels:
        width, height = 0.62 * _NUMBER_FONT * len(text) * scale, _NUMBER_FONT * scale
        x, y = axes.transData.transform(place)
        free = []
        for far, (right, up, side) in enumerate(places):
            left = x + right * scale - width * {"left": 0.0, "center": 0.5, "right": 1.0}[side]
            box = (left, y + up * scale, left + width, y + up * scale + height)
            inside = box[0] >= axes.bbox.x0 and box[2] <= figure.bbox.width
            if inside and not any(_overlap(box, other) for other in taken):
                hidden = sum(_overlap(box, other) for other in crossed)
                free.append((far // _NEAR, hidden, far, box, (right, up), side))
        if free:
            *_, box, offset, side = min(free)
            taken.append(box)
            style: dict[str, Any] = {"ha": side, "fontsize": _NUMBER_FONT}
            axes.annotate(text, place, offset, textcoords="offset points", **style)


def _overlap(a: _Box, b: _Box) -> bool:
    """Whether two boxes (left, bottom, right, top) overlap."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
