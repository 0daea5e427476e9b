"""What the figures of a landscape share: marks of kinds, axes of costs and indices, legends, numbers beside marks.

Margins are fixed and tick labels are plain text: laying a figure out and setting mathematics took most of the time of
a page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sphereufm.landscape.points import CriticalPointKind
from sphereufm.landscape.report.summary import KIND_NAMES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

# colour-blind safe (Okabe and Ito, 2008), and a shape of its own for each kind
STYLE: Mapping[CriticalPointKind, tuple[str, str]] = MappingProxyType(
    {
        CriticalPointKind.GLOBAL_MINIMUM: ("#009E73", "*"),
        CriticalPointKind.STRICT_SADDLE: ("#0072B2", "o"),
        CriticalPointKind.SPURIOUS_LOCAL_MINIMUM: ("#D55E00", "X"),
        CriticalPointKind.LOCAL_MINIMUM: ("#E69F00", "P"),
        CriticalPointKind.DEGENERATE: ("#CC79A7", "D"),
    }
)
# beyond this ratio of costs the axis is logarithmic
_LOG_RATIO = 1e3
# up to a ratio of its ends a logarithmic axis has ticks at these multiples of powers of ten
_BETWEEN = ((20.0, (1.0, 2.0, 5.0)), (100.0, (1.0, 3.0)))
# all figures of a page have one size
_SIZE = (7.2, 4.8)
_MARGINS = {"left": 0.13, "right": 0.97, "top": 0.92, "bottom": 0.25}
FONT = 11
_NUMBER_FONT = 9
# where a number may stand beside its mark, in points: the first place that is free is taken
_PLACES = ((5, 4, "left"), (-5, 4, "right"), (5, -11, "left"), (-5, -11, "right"), (16, 4, "left"))


def empty_axes() -> tuple[Figure, Axes]:
    """A figure of the common size with one pair of axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE)
    figure.subplots_adjust(**_MARGINS)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=FONT - 1)
    axes.xaxis.label.set_fontsize(FONT)
    axes.yaxis.label.set_fontsize(FONT)
    return figure, axes


def row_marks(rows: Iterable[int], table: str = "", copy: int = 0) -> str:
    """Name of an artist in an SVG: by it a page knows the rows of its marks, in the order of drawing.

    ``table`` is what the names of rows begin with, ``copy`` tells artists of the same rows apart.
    """
    return f"{table}rows_" + "_".join(map(str, rows)) + "_" * copy


def scale_costs(axes: Axes, costs: Iterable[float], heading: str) -> None:
    """Heading and scale of the vertical axis: logarithmic where positive costs are far apart."""
    listed = list(costs)
    if listed and min(listed) > 0.0 and max(listed) > _LOG_RATIO * min(listed):
        axes.set_yscale("log")
        plain_ticks(axes.yaxis)
    axes.set_ylabel(heading)


def plain_ticks(axis: Axis) -> None:
    """Plain numbers on a logarithmic axis: powers of ten, and numbers between them where there are few.

    To be called when the axis has its limits.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    low, high = axis.get_view_interval()
    for ratio, between in _BETWEEN:
        if low > 0.0 and high <= ratio * low:
            axis.set_major_locator(LogLocator(subs=between))
            break
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def whole_numbers(axis: Axis) -> None:
    """Ticks at whole numbers only."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def kind_legend(figure: Figure, kinds: Iterable[CriticalPointKind], families: bool = False) -> None:
    """Name every kind that is drawn, below the axes and off the data."""
    from matplotlib.lines import Line2D

    drawn = set(kinds)
    style: dict[str, Any] = {"linestyle": "none", "markersize": 8, "markeredgewidth": 0}
    handles = [
        Line2D([], [], color=colour, marker=marker, label=KIND_NAMES[kind], **style)
        for kind, (colour, marker) in STYLE.items()
        if kind in drawn
    ]
    if families:
        handles.append(Line2D([], [], color="#888888", linewidth=5, alpha=0.5, label="family"))
    if handles:
        figure.legend(handles=handles, loc="lower center", ncols=3, frameon=False, fontsize=FONT - 1)


def number_marks(axes: Axes, places: Mapping[int, tuple[float, float]]) -> None:
    """Write the number of its row beside each mark, where no other number stands; leave it out where there is no room.

    To be called when the axes have their limits.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    scale = figure.dpi / 72.0
    taken: list[tuple[float, float, float, float]] = []
    for row, place in places.items():
        text = str(row + 1)
        width, height = 0.65 * _NUMBER_FONT * len(text) * scale, _NUMBER_FONT * scale
        x, y = axes.transData.transform(place)
        for right, up, side in _PLACES:
            left = x + right * scale - (width if side == "right" else 0.0)
            box = (left, y + up * scale, left + width, y + up * scale + height)
            if not any(_overlap(box, other) for other in taken):
                taken.append(box)
                axes.annotate(
                    text, place, (right, up), textcoords="offset points", ha=side, fontsize=_NUMBER_FONT
                )
                break


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    """Whether two boxes (left, bottom, right, top) overlap."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
