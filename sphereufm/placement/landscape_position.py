"""What is known of a network's position: numbers, their meaning, and their printed form."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

_SOURCES = {"one": "since none was given", "feature-length": "the length of the features"}

_LINES = {
    "least_cost_range": "the least cost of these norms and this bias lies between {least_cost_range[0]:.6g} and "
    "{least_cost_range[1]:.6g}",
    "free_bias_gap": "over any bias too: at most {free_bias_gap:.4g} above the least cost",
    "nonnegative_gap": "at most {nonnegative_gap:.4g} above the best cost of nonnegative features",
    "regularised_gap": "with weight decay: at most {regularised_gap:.4g} above the minimum",
    "least_margin": "least margin {least_margin:.4g}; no point has more than {largest_margin:.4g}",
    "collapsed_distance": "distance from the nearest collapsed point: {collapsed_distance:.4g} a column",
    "negative_curvature": "negative curvature met: {negative_curvature:.3g}",
}


@dataclass(frozen=True, kw_only=True)
class LandscapePosition:
    """Cost, gradient and optimality gap of a network's features and classifier."""

    cost: float | None = None
    #: Riemannian, Frobenius norm, in the cost's unit; None for ordinary networks.
    gradient_norm: float | None = None
    relative_gradient_norm: float | None = None
    #: Upper bound on the distance of the cost from the global minimum (numerical): over all unit features and unit
    #: classifiers, or, for an ordinary network, over all with its Frobenius norms and its bias.
    optimality_gap: float | None = None
    #: What gave it: ``"closed-form"`` (balanced classes), ``"multiplier-bound"``, ``"cost"`` or, for an ordinary
    #: network, ``"norm-bound"``.
    gap_method: str | None = None
    #: For an ordinary network with a bias: the same over all biases as well.
    free_bias_gap: float | None = None
    #: For an ordinary network: between which numbers the least cost for these norms and this bias lies; the upper one
    #: is attained, so their distance says how tight the gap can be.
    least_cost_range: tuple[float, float] | None = None
    #: For entrywise nonnegative (ReLU) features and balanced classes: bound on the distance from the best cost that
    #: they can have, of unit length or, for an ordinary network, of these norms and with any bias.
    nonnegative_gap: float | None = None
    #: Root mean square distance of a column (feature or classifier row) from the nearest collapsed point; differences
    #: of squares resolve it to about 1e-8.
    collapsed_distance: float | None = None
    #: The most negative curvature that a short search met; None, which shows nothing, where it met none or the point is
    #: too large for a search.
    negative_curvature: float | None = None
    #: With weight decay: bound for the regularised objective, over all biases where the network has one.
    regularised_gap: float | None = None
    #: For unit features whose ``tau`` was to be fitted: the least of ``<w_y - w_j, h>`` over samples and other classes,
    #: and what no point exceeds, ``K / (K - 1)``.
    least_margin: float | None = None
    largest_margin: float | None = None
    tau: float | None = None  #: inverse temperature that was used
    #: ``"given"``, ``"fitted"``, ``"feature-length"`` (of features that all have it), for ordinary networks ``"one"``,
    #: or ``"unbounded"``: the cost falls for ever as ``tau`` grows, so that no ``tau`` is fitted and there is no cost.
    tau_source: str | None = None
    #: Whether features and classifier were divided by their lengths here (a bias left out).
    normalized: bool = False
    cost_unit: str = "nats"  #: unit of costs and gaps; empty where the loss has none
    reason: str | None = None  #: why there is no position
    notes: tuple[str, ...] = ()  #: what a reader must know

    def to_json(self) -> dict[str, Any]:
        """Return the values as JSON data."""
        data = asdict(self)
        data["position_normalized"] = data.pop("normalized")
        data["position_reason"] = data.pop("reason")
        data["position_notes"] = list(data.pop("notes"))
        return data

    @property
    def facts(self) -> list[str]:
        """The temperature, or why there is no position; what is known; what a reader must know."""
        if self.cost is None:
            lines = [f"none; {self.reason}"]
        else:
            source = _SOURCES.get(self.tau_source or "", self.tau_source)
            here = "; features and classifier divided by their lengths here" if self.normalized else ""
            over = "" if self.least_cost_range is None else " over all of these norms and this bias"
            unit = f" {self.cost_unit}" if self.cost_unit else ""
            steep = "" if self.gradient_norm is None else f", gradient norm {self.gradient_norm:.3g}"
            if self.relative_gradient_norm is not None:
                steep += f" (relative {self.relative_gradient_norm:.3g})"
            lines = [
                f"tau = {self.tau:.6g}, {source}{here}",
                f"cost {self.cost:.6g}{unit}{steep}",
                f"optimality gap at most {self.optimality_gap:.4g}{unit}{over} (numerical; method: {self.gap_method})",
            ]
        known = {name: value for name, value in asdict(self).items() if value is not None}
        lines += [text.format(**known) for name, text in _LINES.items() if name in known]
        return [*lines, *self.notes]

    def __str__(self) -> str:
        first, *others = self.facts
        head = f": {first}" if self.cost is None else f" ({first}):"
        return "\n  ".join([f"position on the landscape{head}", *others])
