"""What is known of the collapse of features: the numbers, their conventions, and their printed form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sphereufm.features.metrics.companion import Array
from sphereufm.features.metrics.statistics import Frame
from sphereufm.notebook import counted, html_table, shown

COLLAPSED = {"nc1": 0.0, "nc2": 0.0, "nc3": 0.0, "nc4": 1.0}
"""What each number is where features have collapsed."""

COVARIANCE_DIMENSION = 512
"""The whole covariance costs d^2 a sample: up to this dimension it is cheap."""
ONE_VS_REST_CLASSES = 1024
"""One-vs-rest distances are K programs of K variables each: seconds up to here."""

_WORDS = {
    "nc1": "spread of the samples about their class means, beside that of the class means",
    "nc2": "distance of the {frame} from a simplex frame",
    "nc3": "distance of classifier times class means from a simplex frame",
    "nc4": "share of samples whose nearest class mean is {choice}",
}
_OWN_LABEL = "that of their label"
# where a number counts as near to collapse, and as half-way there
_NEAR, _HALF = 0.1, 0.5
_HELD_OUT = {
    "nc1": "tr(Sigma_W pinv(Sigma_B)) / K; Sigma_B and class means of the training, Sigma_W of these about them",
    "means": "class means, NC2 and NC3 are those of the training features",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class CollapseMetrics:
    """How collapsed features are, with the conventions of each number; None where it is undefined."""

    nc1: float | None
    nc2: float | None
    nc3: float | None
    nc4: float | None
    class_counts: tuple[int, ...]  #: samples of each class
    variants: dict[str, float | None]  #: the same ideas by other conventions
    conventions: dict[str, str]  #: formula and convention of each number that needs one
    undefined: dict[str, str]  #: the reason for each None
    notes: tuple[
        str, ...
    ]  #: what a reader must know: empty classes, zero features, a frame that cannot exist
    normalized: bool  #: whether rows were divided by their lengths before anything was measured
    means: Array  #: class means about the sample mean, in a basis of their span, shape ``(K, r)``
    #: Eigenvalues of the covariance within classes, descending: on that span, unless the whole one was measured.
    within_spectrum: Array
    between_spectrum: Array  #: eigenvalues of the covariance between classes, descending
    class_nc1: Array  #: shape ``(K,)``: NC1 with the scatter of each class alone; NaN where there is none
    class_cosines: Array  #: shape ``(K,)``: of each classifier row with the centred mean of its class, or NaN

    @property
    def main(self) -> dict[str, float | None]:
        """NC1 to NC4 by name."""
        return {name: getattr(self, name) for name in COLLAPSED}

    @property
    def rows(self) -> list[tuple[str, float | None, str]]:
        """Each number with its convention, or why it is undefined."""
        remarks = self.conventions | self.undefined
        return [(name, value, remarks.get(name, "")) for name, value in (self.main | self.variants).items()]

    def to_json(self) -> dict[str, Any]:
        """Return the numbers and their conventions as JSON data."""
        return {
            **self.main,
            "class_counts": list(self.class_counts),
            "normalized": self.normalized,
            "variants": dict(self.variants),
            "conventions": dict(self.conventions),
            "undefined": dict(self.undefined),
            "notes": list(self.notes),
            "per_class": {"nc1": _numbers(self.class_nc1), "classifier_cosine": _numbers(self.class_cosines)},
            "spectra": {"between": _numbers(self.between_spectrum), "within": _numbers(self.within_spectrum)},
        }

    def __repr__(self) -> str:
        values = ", ".join(f"{name} {shown(value)}" for name, value in self.main.items())
        return f"<CollapseMetrics of {counted(sum(self.class_counts), 'sample')}: {values}>"

    def __str__(self) -> str:
        lines = [f"{name}  {_shown(v):<12} {self.conventions[name]}" for name, v in self.main.items()]
        lines += [f"  {name}: {_shown(value)}" for name, value in self.variants.items() if value is not None]
        lines += [f"undefined: {name}: {reason}" for name, reason in self.undefined.items()]
        counts = self.class_counts
        shown = ", ".join(map(str, counts)) if len(counts) <= 20 else f"{min(counts)} to {max(counts)} each"
        return "\n".join([*lines, f"samples of the {len(counts)} classes: {shown}", *self.notes])

    def _repr_html_(self) -> str:
        """Return the table that a notebook shows: each number with its convention, or why it is undefined."""
        caption = "\n".join([f"Collapse of {counted(sum(self.class_counts), 'sample')}", *self.notes])
        rows = [(name, _shown(value), remark) for name, value, remark in self.rows]
        return html_table(caption, ("measure", "value", "convention"), rows)


def read(metrics: CollapseMetrics) -> list[str]:
    """The four numbers in words, each with what it is at collapse."""
    given = "nc2_classifier" in metrics.variants
    words = {
        "frame": "classifier" if given else "centred class means",
        "choice": "the classifier's choice" if given else _OWN_LABEL,
    }
    return [
        f"{name.upper()} undefined: {metrics.undefined[name]}"
        if value is None
        else f"{name.upper()} {value:.4g} ({COLLAPSED[name]:g} at collapse): {_WORDS[name].format(**words)}"
        for name, value in metrics.main.items()
    ]


def conventions(given: bool, normalize: bool, held_out: bool) -> dict[str, str]:
    """Formula and conventions, as printed; ``given``: whether there is a classifier."""
    frame = "classifier rows, not centred" if given else "class means about the sample mean"
    choice = "the classifier's choice" + (" (bias left out)" if normalize else " (with its bias)")
    said = {
        "nc1": "tr(Sigma_W pinv(Sigma_B)) / K; Sigma_W over samples, Sigma_B over classes about the sample mean",
        "nc2": f"distance of the normalised Gram matrix from a simplex frame's; of the {frame}",
        "nc3": "the same distance for classifier times class means, not centred",
        "nc4": f"share of samples whose nearest class mean is {choice if given else _OWN_LABEL}",
        "features": "rows divided by their lengths" if normalize else "as saved",
    }
    return said | (_HELD_OUT if held_out else {})


def why_undefined(name: str, frame: Frame, hulls: bool) -> str:
    """Why a number is not known; ``hulls``: whether one-vs-rest distances were computed."""
    if name == "nc3" and frame.classifier is None:
        return "no classifier was given"
    if name.startswith("one_vs_rest") and not hulls:
        return f"not computed above {ONE_VS_REST_CLASSES} classes unless asked for"
    if name in ("vci", "effective_rank_within") and not frame.full:
        return f"not computed above d={COVARIANCE_DIMENSION} unless the covariance is asked for"
    if name == "effective_rank_within":
        return "no sample differs from its class mean"
    if not frame.sizes.size:
        return "all class means coincide"
    if name == "vci":
        return "the scatter is known to rounding only where it counts; rescale or whiten the features"
    return "two vectors coincide, or one is zero"


def closeness(name: str, value: float | None) -> str:
    """``"near"``, ``"half"`` or ``"far"`` from collapse, ``"unknown"`` where the number is undefined."""
    if value is None:
        return "unknown"
    distance = abs(value - COLLAPSED[name])
    return "near" if distance <= _NEAR else "half" if distance <= _HALF else "far"


def _numbers(values: Array) -> list[float | None]:
    """Values as JSON data, null for those that are not there."""
    return [float(value) if np.isfinite(value) else None for value in values]


def _shown(value: float | None) -> str:
    """A number, or the word undefined."""
    return "undefined" if value is None else f"{value:.6g}"
