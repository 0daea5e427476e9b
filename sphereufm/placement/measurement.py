"""The position of saved features and a classifier, normalised or not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sphereufm.errors import InvalidInputError
from sphereufm.features.feature_set import FeatureSet
from sphereufm.features.metrics.collapse import Measuring, begin
from sphereufm.features.metrics.result import CollapseMetrics
from sphereufm.features.metrics.statistics import ClassMoments
from sphereufm.features.metrics.streaming import Streaming
from sphereufm.geometry.spheres import Array, column_norms
from sphereufm.placement.landscape_position import LandscapePosition
from sphereufm.placement.layer import UnitLayer
from sphereufm.placement.ordinary import OrdinaryNetwork
from sphereufm.placement.sphere import UnitNetwork
from sphereufm.problem.arguments import Number
from sphereufm.problem.losses.cross_entropy import PLAIN, CrossEntropy
from sphereufm.problem.losses.interface import Loss
from sphereufm.problem.losses.registry import find_loss, loss_in_words
from sphereufm.problem.ufm import UFMProblem

IN_MEMORY = 1 << 25
"""Unknowns ``d (K + N)`` of a point that is kept in memory, several times over: 256 MB each."""

# norms of features that were normalised in half precision are off one by up to 5e-4, however they were saved
_UNIT_TOLERANCE = 1e-3
_NO_DIRECTION = "a feature or a classifier row is zero and cannot be normalised"


def position(
    features: FeatureSet,
    tau: Number | None = None,
    *,
    normalize: bool = False,
    weight_decay: tuple[float, float] | None = None,
    curvature: bool = True,
    loss: str | Mapping[str, Any] | Loss = PLAIN,
) -> LandscapePosition:
    """Place features and a classifier on the landscape of their own problem.

    Unit features and classifier rows (to 1e-3, or to twice the rounding of the type in which they were stored; they are
    then normalised exactly) without a bias are a point on the product of spheres.  So are features of one common
    length, where no ``tau`` is given: some networks fold ``tau`` into the features, and the length is ``tau``.
    Anything else is an ordinary network: its cost, and a bound for its own Frobenius norms.

    Parameters
    ----------
    features : FeatureSet
    tau : number, ``"fit"`` or None
        Inverse temperature of the network's logits.  For unit features ``"fit"`` and None fit it by the cost; where
        every sample is classified right the fit is unbounded, and there is no cost.  An ordinary network has
        ``tau = 1`` unless given.
    normalize : bool
        Divide features and classifier rows by their lengths, leave out the bias, and place that.
    weight_decay : (float, float), optional
        For ordinary networks: ``mu_W`` and ``mu_H`` of ``mu_W |W|^2 / 2 + mu_H |H|^2 / 2`` in the objective.
    curvature : bool
        Whether negative curvature is looked for, which may take seconds.
    loss : str, mapping or Loss
        As for :class:`~sphereufm.problem.ufm.UFMProblem`, for unit features; ``tau`` is fitted for cross-entropy alone,
        with or without a margin.

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
    what = Measuring(normalize=normalize, covariance=False, one_vs_rest=False)
    place = Placing(tau=tau, weight_decay=weight_decay, curvature=curvature, loss=find_loss(loss))
    if normalize and features.classifier is not None and not features.classifier.any(axis=1).all():
        return LandscapePosition(reason=_NO_DIRECTION)
    return measure(features, what, place)[1]


@dataclass(frozen=True, kw_only=True)
class Placing:
    """How features are placed: the options of :func:`position`."""

    tau: Number | None = None
    weight_decay: tuple[float, float] | None = None
    curvature: bool = True
    loss: Loss = PLAIN


def measure(
    features: FeatureSet, what: Measuring, place: Placing, streaming: Streaming | None = None
) -> tuple[CollapseMetrics, LandscapePosition]:
    """Measure collapse and the position on the landscape in the same two passes.

    One more pass is made where ``tau`` was fitted, or where the point fits the memory and is looked at whole; two where
    the best bias is looked for and the logits of all samples do not fit.
    """
    if place.tau is not None and place.tau != "fit":
        _as_float(place.tau)
    begun = begin(features, replace(what, identity=repr(place)), streaming)
    plan = _Plan(features=features, moments=begun.frame.moments, place=place, normalize=what.normalize)
    network = plan.network()
    if isinstance(network, str):
        return begun.measure()[0], LandscapePosition(reason=network)
    metrics, found = begun.measure(network.companion)
    position = network.position(found, begun.more)
    return metrics, replace(position, normalized=what.normalize, notes=(*plan.notes, *position.notes))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Plan:
    """What kind of point it is, after the first pass has measured lengths."""

    features: FeatureSet
    moments: ClassMoments
    place: Placing
    normalize: bool

    def network(self) -> UnitNetwork | OrdinaryNetwork | str:
        """The network, or why it has no position."""
        if self.features.classifier is None:
            return "no classifier was given; use --classifier FILE or KEY"
        W = self.features.classifier.T
        if self.normalize and not self.moments.norms[0] > 0.0:
            return _NO_DIRECTION
        rows, common = column_norms(W), self._common_length
        unit = self.normalize or (common is not None and abs(common - 1.0) <= self._tolerance)
        if unit or (common is not None and self.place.tau is None and self.place.weight_decay is None):
            return self._on_spheres(W / rows, rows, None if unit else common)
        return self._ordinary(W)

    def _on_spheres(self, W: Array, rows: Array, folded: float | None) -> UnitNetwork | str:
        """Unit features and classifiers; ``folded``: their length where it stands for ``tau``."""
        place, (d, K), N = self.place, W.shape, self.features.labels.size
        if place.weight_decay is not None:
            raise InvalidInputError(
                f"weight_decay={place.weight_decay} is for networks that normalise nothing, but these features and "
                "classifiers have unit length; leave it out"
            )
        loss, tau = place.loss, folded if place.tau is None else place.tau
        if tau in (None, "fit") and not (isinstance(loss, CrossEntropy) and loss.offsets is None):
            return f"tau is fitted for cross-entropy without offsets alone; give --tau for {loss.name}"
        lengths = np.ones(K) if self.normalize else rows
        return UnitNetwork(
            features=self.features,
            layer=UnitLayer(
                W=np.ascontiguousarray(W), row_lengths=lengths, base=self.moments.base, samples=N
            ),
            tau=None if tau == "fit" else tau,
            tau_source="given" if folded is None else "feature-length",
            loss=loss,
            whole=d * (K + N) <= IN_MEMORY,
            curvature=place.curvature,
            nonnegative=self.moments.least_entry >= 0.0,
        )

    def _ordinary(self, W: Array) -> OrdinaryNetwork | str:
        """A network that normalises nothing."""
        tau, decay, loss = self.place.tau, self.place.weight_decay, self.place.loss
        if loss != PLAIN:
            return (
                f"the position of a network that normalises nothing is known for plain cross-entropy, not "
                f"{loss_in_words(loss)}; leave out --loss and its options, or use --normalize"
            )
        if tau == "fit":
            return (
                "tau is fitted for unit features only: in an ordinary network it is part of the classifier's norm; "
                "leave --tau out, or use --normalize"
            )
        if decay is not None and not all(math.isfinite(value) and value > 0.0 for value in decay):
            raise InvalidInputError(
                f"weight_decay={decay} must be two positive numbers; give --weight-decay MU_W MU_H"
            )
        return OrdinaryNetwork(
            features=self.features,
            W=W,
            tau=1.0 if tau is None else _as_float(tau),
            tau_source="one" if tau is None else "given",
            feature_squares=self.moments.squares,
            nonnegative=self.moments.least_entry >= 0.0,
            weight_decay=decay,
        )

    @property
    def _tolerance(self) -> float:
        """Relative differences of lengths that count as none."""
        return max(_UNIT_TOLERANCE, 2.0 * self.features.rounding)

    @property
    def _common_length(self) -> float | None:
        """The length of all features, where they have one, classifier rows have length one and there is no bias."""
        W, bias, (low, high) = self.features.classifier, self.features.bias, self.moments.norms
        middle = 0.5 * (low + high)
        if W is None or (bias is not None and bias.any()) or not low > 0.0:
            return None
        if np.abs(np.linalg.norm(W, axis=1) - 1.0).max() > self._tolerance:
            return None
        return middle if high - low <= 2.0 * self._tolerance * middle else None

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know of the loss and of tolerances."""
        loss = self.place.loss
        notes: tuple[str, ...] = () if loss == PLAIN else (f"the loss is {loss_in_words(loss)}",)
        if self._tolerance > _UNIT_TOLERANCE and self._common_length is not None and not self.normalize:
            notes += (
                f"stored in a short format: lengths that differ by up to {100 * self._tolerance:.2g} % are taken for "
                "equal, and features and classifier are divided by them",
            )
        return notes


def _as_float(tau: Number) -> float:
    """``tau`` as a double, if a problem would take it."""
    try:
        return UFMProblem(class_sizes=(1, 1), dim=1, tau=tau).tau
    except InvalidInputError as error:
        raise InvalidInputError(f"{error}; give it as --tau t, or --tau fit") from error
