"""Where a trained network's last layer stands on the landscape: the one place where features and problems meet."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from sphereufm.features.feature_set import FeatureSet
from sphereufm.features.readers import finite_blocks
from sphereufm.geometry.spheres import Array, column_norms, tangent_norm
from sphereufm.problem.gap import optimality_gap
from sphereufm.problem.interface import relative_gradient_norm
from sphereufm.problem.ufm import Number, UFMProblem

__all__ = ["LandscapePosition", "position"]

# norms of features saved in half precision are off one by up to 5e-4
_UNIT_TOLERANCE = 1e-3
_ROWS = 8192


@dataclass(frozen=True, kw_only=True)
class LandscapePosition:
    """Cost, gradient and guaranteed gap of a network's features and classifier.

    Attributes
    ----------
    cost, gradient_norm, relative_gradient_norm : float or None
        In nats; Riemannian, Frobenius norm; None where the landscape does not speak of these features.
    optimality_gap : float or None
        Upper bound on the distance of the cost from the global minimum over all unit features and
        classifiers, in nats (numerical).
    gap_method : str or None
    reason : str or None
        Why there is no position.
    """

    cost: float | None = None
    gradient_norm: float | None = None
    relative_gradient_norm: float | None = None
    optimality_gap: float | None = None
    gap_method: str | None = None
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the values as JSON data."""
        return {
            "cost": self.cost,
            "gradient_norm": self.gradient_norm,
            "relative_gradient_norm": self.relative_gradient_norm,
            "optimality_gap": self.optimality_gap,
            "gap_method": self.gap_method,
            "position_reason": self.reason,
        }

    def __str__(self) -> str:
        if self.cost is None:
            return f"position on the landscape: none; {self.reason}"
        return (
            f"position on the landscape: cost {self.cost:.6g} nats, gradient norm {self.gradient_norm:.3g} "
            f"(relative {self.relative_gradient_norm:.3g}),\n"
            f"  guaranteed optimality gap {self.optimality_gap:.4g} nats (numerical; method: {self.gap_method})"
        )


def position(features: FeatureSet, tau: Number | None) -> LandscapePosition:
    """Place normalised features and a classifier on the landscape of their own problem.

    Parameters
    ----------
    features : FeatureSet
        Unit features and classifier rows (to 1e-3; they are then normalised exactly), and no bias.
    tau : number or None
        Inverse temperature of the network's logits.

    Returns
    -------
    LandscapePosition
        Without values, and with the reason, where features or classifier are not normalised, the classifier or
        ``tau`` is missing, or a bias is present.

    Raises
    ------
    InvalidInputError
        If ``tau`` is not positive, or the features hold NaN or infinite entries.

    Examples
    --------
    >>> from sphereufm.features import feature_set_from_arrays
    >>> data = feature_set_from_arrays([[1.0, 0.0], [-1.0, 0.0]], [0, 1], [[1.0, 0.0], [-1.0, 0.0]])
    >>> round(position(data, 1).cost, 6)
    0.126928
    """
    if features.classifier is None:
        return LandscapePosition(reason="no classifier was given; use --classifier FILE or KEY")
    if features.bias is not None and np.abs(features.bias).max() > 0.0:
        return LandscapePosition(reason="the last layer has a bias, which the model on spheres has not")
    W = features.classifier.T
    if (reason := _norm_reason("classifier rows", column_norms(W))) is not None:
        return LandscapePosition(reason=reason)
    H = np.concatenate([block for block in finite_blocks(features.features, _ROWS)], dtype=np.float64).T
    if (reason := _norm_reason("features", column_norms(H))) is not None:
        return LandscapePosition(reason=reason)
    if tau is None:
        return LandscapePosition(reason="tau is not known; use --tau with the value used in training")
    return _evaluate(features, np.concatenate([W, H], axis=1), tau)


def _norm_reason(name: str, norms: Array) -> str | None:
    """Say that norms are not one, None where they are."""
    low, high = float(norms.min()), float(norms.max())
    if max(abs(low - 1.0), abs(high - 1.0)) <= _UNIT_TOLERANCE:
        return None
    hint = ""
    if high - low <= 2.0 * _UNIT_TOLERANCE * high and low > 0.0:
        hint = "; they are equal, so a temperature may be folded in: divide by it and give it as --tau"
    return f"{name} are not normalised (norms {low:.4g} to {high:.4g}){hint}"


def _evaluate(features: FeatureSet, X: Array, tau: Number) -> LandscapePosition:
    """Cost, gradient and gap at the normalised point."""
    problem = UFMProblem(labels=features.labels, classes=features.classes, dim=X.shape[0], tau=tau)
    point = problem.at(X / column_norms(X))
    gap = optimality_gap(problem, point.X)
    relative = float(relative_gradient_norm(point))
    return LandscapePosition(
        cost=float(point.cost),
        gradient_norm=float(tangent_norm(point.gradient)),
        relative_gradient_norm=relative if math.isfinite(relative) else None,
        optimality_gap=gap.value,
        gap_method=gap.method,
    )
