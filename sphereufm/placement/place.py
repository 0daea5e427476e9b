"""The position of saved features and a classifier, normalised or not."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np

from sphereufm.errors import InvalidInputError, check_positive
from sphereufm.features.feature_set import FeatureSet
from sphereufm.geometry.spheres import Array, column_norms
from sphereufm.placement.landscape_position import LandscapePosition
from sphereufm.placement.layer import Layer, Lengths, feature_lengths
from sphereufm.placement.ordinary import ordinary_position
from sphereufm.placement.sphere import collapsed_distance, sphere_position
from sphereufm.placement.temperature import TemperatureFit, fit_temperature
from sphereufm.problem.ufm import Number, UFMProblem

__all__ = ["position"]

# norms of features saved in half precision are off one by up to 5e-4
_UNIT_TOLERANCE = 1e-3


def position(
    features: FeatureSet,
    tau: Number | None = None,
    *,
    normalize: bool = False,
    weight_decay: tuple[float, float] | None = None,
    curvature: bool = True,
) -> LandscapePosition:
    """Place features and a classifier on the landscape of their own problem.

    Unit features and classifier rows (to 1e-3; they are then normalised exactly) without a bias are a point on the
    product of spheres.  So are features of one common length, where no ``tau`` is given: some networks fold ``tau``
    into the features, and the length is ``tau``.  Anything else is an ordinary network: its cost, and a bound for its
    own Frobenius norms.

    Parameters
    ----------
    features : FeatureSet
    tau : number, ``"fit"`` or None
        Inverse temperature of the network's logits.  For unit features ``"fit"`` and None fit it by the cost; where
        every sample is classified right the fit is unbounded, and there is no cost.  An ordinary network has
        ``tau = 1`` unless told.
    normalize : bool
        Divide features and classifier rows by their lengths, leave out the bias, and place that.
    weight_decay : (float, float), optional
        For ordinary networks: ``mu_W`` and ``mu_H`` of ``mu_W |W|^2 / 2 + mu_H |H|^2 / 2`` in the objective.

    curvature : bool
        Whether negative curvature is looked for, which may take seconds.

    Returns
    -------
    LandscapePosition
        Without a cost, and with the reason, where the classifier is missing, ``tau`` cannot be fitted, or a vector
        that is to be normalised is zero.

    Raises
    ------
    InvalidInputError
        If ``tau`` or ``weight_decay`` is not positive, the features hold NaN or infinite entries, or weight decay is
        given for normalised features, whose norms are fixed.

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
    length = _common_length(features, lengths, rows)
    unit = normalize or (length is not None and abs(length - 1.0) <= _UNIT_TOLERANCE)
    if unit or (length is not None and tau is None and weight_decay is None):
        layer = Layer(features=features, W=np.ascontiguousarray(W / rows), bias=None, unit=True)
        if weight_decay is not None:
            raise InvalidInputError(
                f"weight_decay={weight_decay} is for networks that normalise nothing, but these features and "
                "classifiers have unit length; leave it out"
            )
        known, source = (given, "given") if unit else (length, "feature-length")
        return _on_spheres(layer, known, source, lengths.nonnegative, normalize, curvature)
    layer = Layer(features=features, W=np.ascontiguousarray(W), bias=features.bias, unit=False)
    return _ordinary(layer, given, tau == "fit", lengths, weight_decay)


def _on_spheres(
    layer: Layer, tau: Number | None, source: str, nonnegative: bool, normalize: bool, curvature: bool
) -> LandscapePosition:
    """Position of unit features; ``source`` says where ``tau`` is from."""
    used, margins = tau, dict[str, Any]()
    if used is None:
        fit = fit_temperature(layer)
        used, margins = fit.tau, _margins(layer, fit)
        if used is None:
            return _unfitted(layer, fit, margins, normalize)
    found = asdict(sphere_position(layer, used, nonnegative, curvature=curvature))
    if not math.isfinite(found["relative_gradient_norm"]):
        found["relative_gradient_norm"] = None
    return LandscapePosition(
        **found,
        **margins,
        tau=_as_float(used),
        tau_source="fitted" if tau is None else source,
        normalized=normalize,
    )


def _margins(layer: Layer, fit: TemperatureFit) -> dict[str, Any]:
    """The least margin, and the largest that any point can have."""
    present = np.unique(layer.features.labels).size
    return {"least_margin": fit.least_margin, "largest_margin": present / (present - 1)}


def _unfitted(
    layer: Layer, fit: TemperatureFit, margins: dict[str, Any], normalize: bool
) -> LandscapePosition:
    """What can be said of unit features where no ``tau`` minimises the cost."""
    if fit.unbounded:
        reason = (
            "the fitted tau is unbounded: every sample is classified right, so the cost falls for ever as tau grows, "
            "and the features do not tell which tau was used; give --tau with the value used in training"
        )
    else:
        reason = (
            "the cost is least at tau = 0: the classifier is no better than chance on these labels; check that labels "
            "and classifier belong together, or give --tau"
        )
    return LandscapePosition(
        **margins,
        collapsed_distance=collapsed_distance(layer),
        tau_source="unbounded" if fit.unbounded else None,
        normalized=normalize,
        reason=reason,
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
    found = ordinary_position(layer, used, lengths.squares, decay, lengths.nonnegative)
    return LandscapePosition(**asdict(found), tau=used, tau_source="one" if tau is None else "given")


def _common_length(features: FeatureSet, lengths: Lengths, rows: Array) -> float | None:
    """The length of all features, where they have one, classifier rows have length one and there is no bias."""
    if features.bias is not None and float(np.abs(features.bias).max()) > 0.0:
        return None
    off = max(abs(float(rows.min()) - 1.0), abs(float(rows.max()) - 1.0))
    if off > _UNIT_TOLERANCE or not lengths.low > 0.0:
        return None
    middle = 0.5 * (lengths.low + lengths.high)
    return middle if lengths.high - lengths.low <= 2.0 * _UNIT_TOLERANCE * middle else None


def _checked(tau: Number) -> Number:
    """``tau`` if a problem would take it."""
    UFMProblem(class_sizes=(1, 1), dim=1, tau=tau)
    return tau


def _as_float(tau: Number) -> float:
    """``tau`` as a double."""
    return UFMProblem(class_sizes=(1, 1), dim=1, tau=tau).tau
