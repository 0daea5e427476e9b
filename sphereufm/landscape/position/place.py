"""The position of saved features and a classifier, normalised or not."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sphereufm.errors import check_positive
from sphereufm.features.feature_set import FeatureSet
from sphereufm.geometry.spheres import Array, column_norms
from sphereufm.landscape.position.layer import Layer, Lengths, feature_lengths
from sphereufm.landscape.position.ordinary import ordinary_position
from sphereufm.landscape.position.sphere import sphere_position
from sphereufm.landscape.position.temperature import fit_temperature
from sphereufm.problem.ufm import Number, UFMProblem

__all__ = ["LandscapePosition", "position"]

# norms of features saved in half precision are off one by up to 5e-4
_UNIT_TOLERANCE = 1e-3


@dataclass(frozen=True, kw_only=True)
class LandscapePosition:
    """Cost, gradient and guaranteed gap of a network's features and classifier.

    Attributes
    ----------
    cost, gradient_norm, relative_gradient_norm : float or None
        In nats; Riemannian, Frobenius norm; the gradient is None for ordinary networks.
    optimality_gap : float or None
        Upper bound on the distance of the cost from the global minimum, in nats (numerical): over all unit features
        and unit classifiers, or, for an ordinary network, over all with its Frobenius norms and its bias.
    gap_method : str or None
        ``"norm-bound"`` for an ordinary network.
    nonnegative_gap : float or None
        For entrywise nonnegative (ReLU) unit features: distance from the best cost that such features can have.
    collapsed_distance : float or None
        Root mean square distance of a column (feature or classifier row) from the nearest collapsed point.
    negative_curvature : float or None
        The most negative curvature that a short search met; None where it met none or the point is too large for a
        search, which shows nothing.
    regularised_gap : float or None
        With weight decay on classifier and features: bound for the regularised objective.
    tau : float or None
        Inverse temperature that was used.
    tau_source : str or None
        ``"given"``, ``"fitted"`` or, for ordinary networks, ``"one"``.
    normalized : bool
        Whether features and classifier were divided by their lengths here (and a bias left out).
    reason : str or None
        Why there is no position.
    """

    cost: float | None = None
    gradient_norm: float | None = None
    relative_gradient_norm: float | None = None
    optimality_gap: float | None = None
    gap_method: str | None = None
    nonnegative_gap: float | None = None
    collapsed_distance: float | None = None
    negative_curvature: float | None = None
    regularised_gap: float | None = None
    tau: float | None = None
    tau_source: str | None = None
    normalized: bool = False
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the values as JSON data."""
        data = asdict(self)
        data["position_normalized"] = data.pop("normalized")
        data["position_reason"] = data.pop("reason")
        return data

    def __str__(self) -> str:
        if self.cost is None:
            return f"position on the landscape: none; {self.reason}"
        head = f"position on the landscape (tau = {self.tau:.6g}, {self.tau_source}"
        head += "; features and classifier divided by their lengths here" if self.normalized else ""
        return "\n  ".join([f"{head}):", *self._lines()])

    def _lines(self) -> list[str]:
        """One line for each fact that is known."""
        lines = [f"cost {self.cost:.6g} nats"]
        if self.gradient_norm is not None:
            lines[0] += (
                f", gradient norm {self.gradient_norm:.3g} (relative {self.relative_gradient_norm:.3g})"
            )
        over = " over all of these norms and this bias" if self.gap_method == "norm-bound" else ""
        lines.append(
            f"guaranteed optimality gap {self.optimality_gap:.4g} nats{over} (numerical; method: {self.gap_method})"
        )
        if self.nonnegative_gap is not None:
            lines.append(f"above the best cost of nonnegative features: {self.nonnegative_gap:.4g} nats")
        if self.collapsed_distance is not None:
            lines.append(f"distance from the nearest collapsed point: {self.collapsed_distance:.4g} a column")
        if self.negative_curvature is not None:
            lines.append(f"negative curvature met: {self.negative_curvature:.3g}")
        if self.regularised_gap is not None:
            lines.append(f"with weight decay: at most {self.regularised_gap:.4g} above the minimum")
        return lines


def position(
    features: FeatureSet,
    tau: Number | None = None,
    *,
    normalize: bool = False,
    weight_decay: tuple[float, float] | None = None,
) -> LandscapePosition:
    """Place features and a classifier on the landscape of their own problem.

    Unit features and classifier rows (to 1e-3; they are then normalised exactly) without a bias are a point on the
    product of spheres.  Anything else is an ordinary network: its cost, and a bound for its own Frobenius norms.

    Parameters
    ----------
    features : FeatureSet
    tau : number, ``"fit"`` or None
        Inverse temperature of the network's logits.  For unit features ``"fit"`` and None fit it by the cost; that is
        impossible where every sample is classified right.  An ordinary network has ``tau = 1`` unless told.
    normalize : bool
        Divide features and classifier rows by their lengths, leave out the bias, and place that.
    weight_decay : (float, float), optional
        For ordinary networks: ``mu_W`` and ``mu_H`` of ``mu_W |W|^2 / 2 + mu_H |H|^2 / 2`` in the objective.

    Returns
    -------
    LandscapePosition
        Without values, and with the reason, where the classifier is missing, ``tau`` cannot be fitted, or a vector
        that is to be normalised is zero.

    Raises
    ------
    InvalidInputError
        If ``tau`` or ``weight_decay`` is not positive, or the features hold NaN or infinite entries.

    Examples
    --------
    >>> from sphereufm.features import feature_set_from_arrays
    >>> data = feature_set_from_arrays([[1.0, 0.0], [-1.0, 0.0]], [0, 1], [[1.0, 0.0], [-1.0, 0.0]])
    >>> round(position(data, 1).cost, 6)
    0.126928
    """
    given = None if tau is None or tau == "fit" else _checked(tau)
    if features.classifier is None:
        return LandscapePosition(reason="no classifier was given; use --classifier FILE or KEY")
    W = features.classifier.T
    lengths, rows = feature_lengths(features), column_norms(W)
    if normalize and not (lengths.low > 0.0 and (rows > 0.0).all()):
        return LandscapePosition(reason="a feature or a classifier row is zero and cannot be normalised")
    if normalize or _is_unit(features, lengths, rows):
        layer = Layer(features=features, W=np.ascontiguousarray(W / rows), bias=None, unit=True)
        return _on_spheres(layer, given, lengths.nonnegative, normalize)
    layer = Layer(features=features, W=np.ascontiguousarray(W), bias=features.bias, unit=False)
    return _ordinary(layer, given, tau == "fit", lengths, weight_decay)


def _on_spheres(layer: Layer, tau: Number | None, nonnegative: bool, normalize: bool) -> LandscapePosition:
    """Position of unit features."""
    used = fit_temperature(layer) if tau is None else tau
    if used is None:
        return LandscapePosition(
            reason="tau is not known and cannot be fitted, since every sample is classified right: the cost falls for "
            "ever as tau grows; use --tau with the value used in training"
        )
    found = asdict(sphere_position(layer, used, nonnegative))
    if not math.isfinite(found["relative_gradient_norm"]):
        found["relative_gradient_norm"] = None
    return LandscapePosition(
        **found,
        tau=_as_float(used),
        tau_source="fitted" if tau is None else "given",
        normalized=normalize,
    )


def _ordinary(
    layer: Layer, tau: Number | None, fit: bool, lengths: Lengths, decay: tuple[float, float] | None
) -> LandscapePosition:
    """Position of a network that normalises nothing."""
    if fit:
        return LandscapePosition(
            reason="tau is fitted for unit features only: in an ordinary network it is part of the classifier's norm; "
            "leave --tau out, or use --normalize"
        )
    if decay is not None:
        decay = (check_positive("weight_decay", decay[0]), check_positive("weight_decay", decay[1]))
    used = 1.0 if tau is None else _as_float(tau)
    found = ordinary_position(layer, used, lengths.squares, decay)
    return LandscapePosition(
        cost=found.cost,
        optimality_gap=found.gap,
        gap_method="norm-bound",
        regularised_gap=found.regularised_gap,
        tau=used,
        tau_source="one" if tau is None else "given",
    )


def _is_unit(features: FeatureSet, lengths: Lengths, rows: Array) -> bool:
    """Whether features and classifier lie on spheres and there is no bias."""
    if features.bias is not None and float(np.abs(features.bias).max()) > 0.0:
        return False
    off = max(abs(value - 1.0) for value in (lengths.low, lengths.high, float(rows.min()), float(rows.max())))
    return off <= _UNIT_TOLERANCE


def _checked(tau: Number) -> Number:
    """``tau`` if a problem would take it."""
    UFMProblem(class_sizes=(1, 1), dim=1, tau=tau)
    return tau


def _as_float(tau: Number) -> float:
    """``tau`` as a double."""
    return UFMProblem(class_sizes=(1, 1), dim=1, tau=tau).tau
