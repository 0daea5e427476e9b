"""The four numbers of neural collapse in words, each with what it is at collapse."""

from __future__ import annotations

from sphereufm.features.metrics.result import CollapseMetrics

COLLAPSED = {"nc1": 0.0, "nc2": 0.0, "nc3": 0.0, "nc4": 1.0}
"""What each number is where features have collapsed."""

_WORDS = {
    "nc1": "spread of the samples about their class means, beside that of the class means",
    "nc2": "distance of the {frame} from a simplex frame",
    "nc3": "distance of classifier times class means from a simplex frame",
    "nc4": "share of samples whose nearest class mean is {choice}",
}
# where a number counts as near to collapse, and as half-way there
_NEAR, _HALF = 0.1, 0.5


def read(metrics: CollapseMetrics) -> list[str]:
    """Four lines."""
    given = "nc2_classifier" in metrics.variants
    filled = {
        "frame": "classifier" if given else "centred class means",
        "choice": "the classifier's choice" if given else "that of their label",
    }
    return [_line(metrics, name, text.format(**filled)) for name, text in _WORDS.items()]


def closeness(name: str, value: float | None) -> str:
    """``"near"``, ``"half"`` or ``"far"`` from collapse, ``"unknown"`` where the number is undefined.

    Examples
    --------
    >>> closeness("nc1", 0.004), closeness("nc4", 0.3), closeness("nc3", None)
    ('near', 'far', 'unknown')
    """
    if value is None:
        return "unknown"
    distance = abs(value - COLLAPSED[name])
    return "near" if distance <= _NEAR else "half" if distance <= _HALF else "far"


def _line(metrics: CollapseMetrics, name: str, words: str) -> str:
    """One number, what it is at collapse, and what it says."""
    value = getattr(metrics, name)
    if value is None:
        return f"{name.upper()} undefined: {metrics.undefined[name]}"
    return f"{name.upper()} {value:.4g} ({COLLAPSED[name]:g} at collapse): {words}"
