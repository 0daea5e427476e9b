"""The position of saved features and a classifier, normalised or not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sphereufm.errors import InvalidInputError
from sphereufm.features.feature_set import FeatureSet
from sphereufm.features.metrics.collapse import Measuring, measure_collapse
from sphereufm.features.metrics.companion import Companion
from sphereufm.features.metrics.result import CollapseMetrics
from sphereufm.features.metrics.statistics import ClassMoments
from sphereufm.features.metrics.streaming import Streaming
from sphereufm.geometry.spheres import Array, column_norms
from sphereufm.placement.landscape_position import LandscapePosition
from sphereufm.placement.layer import Layer
from sphereufm.placement.ordinary import ordinary_position
from sphereufm.placement.ordinary_sums import OrdinarySums
from sphereufm.placement.sphere import IN_MEMORY, ClassSums, SphereSums, distance_of, sphere_position
from sphereufm.placement.temperature import Margins, fit_temperature
from sphereufm.problem.arguments import Number
from sphereufm.problem.losses.cross_entropy import PLAIN, CrossEntropy
from sphereufm.problem.losses.interface import Loss
from sphereufm.problem.losses.registry import find_loss, loss_in_words
from sphereufm.problem.ufm import UFMProblem

# norms of features that were normalised in half precision are off one by up to 5e-4, however they were saved
_UNIT_TOLERANCE = 1e-3
_NO_DIRECTION = "a feature or a classifier row is zero and cannot be normalised"
_UNBOUNDED = (
    "the fitted tau is unbounded: every sample is classified right, so the cost falls for ever as tau grows, "
    "and the features do not tell which tau was used; give --tau with the value used in training"
)
_NO_BETTER_THAN_CHANCE = (
    "the cost is least at tau = 0: the classifier is no better than chance on these labels; check that labels "
    "and classifier belong together, or give --tau"
)


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
    if features.classifier is None or (normalize and not features.classifier.any(axis=1).all()):
        return _Plan(features, place, normalize).finish()
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
    plan = _Plan(features, place, what.normalize)
    metrics = measure_collapse(features, replace(what, identity=repr(place)), streaming, plan.begin)
    return metrics, plan.finish()


class _Plan:
    """What kind of point it is, after the first pass has measured lengths, and what the second gathers for it."""

    def __init__(self, features: FeatureSet, place: Placing, normalize: bool) -> None:
        self.features, self.place, self.normalize = features, place, normalize
        self.given = None if place.tau is None or place.tau == "fit" else place.tau
        if self.given is not None:
            _as_float(self.given)
        self.tolerance = max(_UNIT_TOLERANCE, 2.0 * features.rounding)
        self.companion: Companion | None = None
        self.reason: str | None = None
        self.layer: Layer | None = None
        self.common: float | None = None
        self.tau: Number | None = None
        if features.classifier is None:
            self.reason = "no classifier was given; use --classifier FILE or KEY"
            return
        self.W = features.classifier.T
        self.rows = column_norms(self.W)
        if normalize and not (self.rows > 0.0).all():
            self.reason = _NO_DIRECTION

    def begin(self, moments: ClassMoments) -> Companion | None:
        """Choose the kind of point, and the companion of the second pass."""
        if self.reason is not None:
            return None
        self.squares, self.nonnegative = moments.squares, moments.least_entry >= 0.0
        if self.normalize and not moments.norms[0] > 0.0:
            self.reason = _NO_DIRECTION
            return None
        self.common = self._common_length(*moments.norms)
        unit = self.normalize or (self.common is not None and abs(self.common - 1.0) <= self.tolerance)
        folded = self.common is not None and self.place.tau is None and self.place.weight_decay is None
        if unit or folded:
            self.companion = self._on_spheres(unit, moments.base)
        else:
            self.companion = self._ordinary()
        return self.companion

    def _on_spheres(self, unit: bool, base: Array) -> Companion | None:
        """Unit features: sums of the position, margins where ``tau`` is not known, nothing where it fits the memory."""
        decay, loss = self.place.weight_decay, self.place.loss
        if decay is not None:
            raise InvalidInputError(
                f"weight_decay={decay} is for networks that normalise nothing, but these features and classifiers have "
                "unit length; leave it out"
            )
        (d, K), N = self.W.shape, self.features.labels.size
        W = np.ascontiguousarray(self.W / self.rows)
        self.layer = Layer(features=self.features, W=W, bias=None, unit=True)
        self.tau, self.source = (self.given, "given") if unit else (self.common, "feature-length")
        lengths, classes = np.ones(K) if self.normalize else self.rows, ClassSums(base=base)
        if self.tau is not None and d * (K + N) <= IN_MEMORY:
            return None
        if self.tau is not None:
            tau = _as_float(self.tau)
            return SphereSums(
                W=W, row_lengths=lengths, samples=N, tau=tau, classes=classes, loss=loss
            ).fresh()
        if not isinstance(loss, CrossEntropy) or loss.offsets is not None:
            self.reason = f"tau is fitted for cross-entropy without offsets alone; give --tau for {loss.name}"
            return None
        margin = self._margin
        return Margins(row_lengths=lengths, dim=d, samples=N, classes=classes, margin=margin).fresh()

    def _ordinary(self) -> Companion | None:
        """A network that normalises nothing."""
        decay = self.place.weight_decay
        if self.place.loss != PLAIN:
            self.reason = (
                f"the position of a network that normalises nothing is known for plain cross-entropy, not "
                f"{loss_in_words(self.place.loss)}; leave out --loss and its options, or use --normalize"
            )
            return None
        if self.place.tau == "fit":
            self.reason = (
                "tau is fitted for unit features only: in an ordinary network it is part of the classifier's norm; "
                "leave --tau out, or use --normalize"
            )
            return None
        if decay is not None and not all(math.isfinite(value) and value > 0.0 for value in decay):
            raise InvalidInputError(
                f"weight_decay={decay} must be two positive numbers; give --weight-decay MU_W MU_H"
            )
        W = np.ascontiguousarray(self.W)
        self.layer = Layer(features=self.features, W=W, bias=self.features.bias, unit=False)
        self.tau, self.source = (1.0, "one") if self.given is None else (self.given, "given")
        return OrdinarySums.of(self.layer, _as_float(self.tau))

    def finish(self) -> LandscapePosition:
        """The position, when the second pass is over."""
        layer, tau, sums = self.layer, self.tau, self.companion
        if self.reason is not None or layer is None:
            return LandscapePosition(reason=self.reason)
        known: dict[str, Any] = {"tau_source": self.source, "normalized": self.normalize}
        if isinstance(sums, OrdinarySums):
            decay, value = self.place.weight_decay, _as_float(sums.tau)
            found = ordinary_position(layer, value, self.squares, decay, self.nonnegative, sums)
            return replace(found, tau=value, **known, notes=self._notes())
        if isinstance(sums, Margins):
            fit = fit_temperature(sums)
            present = np.unique(self.features.labels).size
            known |= {
                "tau_source": "fitted",
                "least_margin": fit.least_margin,
                "largest_margin": present / (present - 1) - self._margin,
            }
            if fit.tau is None:
                C = sums.classes.total(sums.gathered.added) + layer.W.T
                return LandscapePosition(
                    **known | {"tau_source": "unbounded" if fit.unbounded else None},
                    collapsed_distance=distance_of(C, self.features.labels.size),
                    reason=_UNBOUNDED if fit.unbounded else _NO_BETTER_THAN_CHANCE,
                    notes=self._notes(),
                )
            tau = fit.tau
        assert tau is not None
        found = sphere_position(
            layer,
            tau,
            self.nonnegative,
            curvature=self.place.curvature,
            sums=sums if isinstance(sums, SphereSums) else None,
            loss=self.place.loss,
        )
        return replace(found, **known, tau=_as_float(tau), notes=(*self._notes(), *found.notes))

    @property
    def _margin(self) -> float:
        """What the loss takes off the own cosine."""
        loss = self.place.loss
        return float(loss.margin) if isinstance(loss, CrossEntropy) else 0.0

    def _notes(self) -> tuple[str, ...]:
        """What a reader must know of the loss and of tolerances."""
        loss = self.place.loss
        notes: tuple[str, ...] = () if loss == PLAIN else (f"the loss is {loss_in_words(loss)}",)
        if self.tolerance > _UNIT_TOLERANCE and self.common is not None and not self.normalize:
            notes += (
                f"stored in a short format: lengths that differ by up to {100 * self.tolerance:.2g} % are taken for "
                "equal, and features and classifier are divided by them",
            )
        return notes

    def _common_length(self, low: float, high: float) -> float | None:
        """The length of all features, where they have one, classifier rows have length one and there is no bias."""
        bias, middle = self.features.bias, 0.5 * (low + high)
        biased = bias is not None and float(np.abs(bias).max()) > 0.0
        if biased or float(np.abs(self.rows - 1.0).max()) > self.tolerance or not low > 0.0:
            return None
        return middle if high - low <= 2.0 * self.tolerance * middle else None


def _as_float(tau: Number) -> float:
    """``tau`` as a double, if a problem would take it."""
    try:
        return UFMProblem(class_sizes=(1, 1), dim=1, tau=tau).tau
    except InvalidInputError as error:
        raise InvalidInputError(f"{error}; give it as --tau t, or --tau fit") from error
