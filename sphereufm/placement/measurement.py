"""The position of saved features and a classifier, normalised or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

from sphereufm.errors import InvalidInputError, check_array
from sphereufm.features.feature_set import FeatureSet
from sphereufm.features.metrics.collapse import Measuring, begin, check_features
from sphereufm.features.metrics.result import CollapseMetrics
from sphereufm.features.metrics.streaming import Streaming
from sphereufm.placement.landscape_position import LandscapePosition
from sphereufm.placement.layer import UNIT_TOLERANCE, Given, Placing
from sphereufm.placement.ordinary import OrdinaryNetwork
from sphereufm.placement.sphere import UnitNetwork
from sphereufm.placement.temperature import FittedNetwork
from sphereufm.problem.arguments import Number, exact_temperature
from sphereufm.problem.losses.cross_entropy import PLAIN, CrossEntropy
from sphereufm.problem.losses.interface import Loss
from sphereufm.problem.losses.registry import find_loss, loss_in_words

Network: TypeAlias = FittedNetwork | UnitNetwork | OrdinaryNetwork

_NO_CLASSIFIER = "no classifier was given; use --classifier FILE or KEY"
# squares of what it multiplies stay finite
_LARGEST = 1e100
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
        Inverse temperature of the logits.  For unit features ``"fit"`` and None fit it by the cost; where every sample
        is classified right the fit is unbounded, and there is no cost.  An ordinary network has 1 unless given.
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
    check_features("features", features)
    if features.classifier is None:  # nothing that the file could say would give a position
        return LandscapePosition(reason=_NO_CLASSIFIER)
    if normalize and not features.classifier.any(axis=1).all():
        return LandscapePosition(reason=_NO_DIRECTION)
    return measure(features, what, place)[1]


def measure(
    features: FeatureSet, what: Measuring, place: Placing, streaming: Streaming | None = None
) -> tuple[CollapseMetrics, LandscapePosition]:
    """Measure collapse and the position on the landscape in the same two passes.

    One more pass is made where ``tau`` was fitted, or where the point fits the memory and is looked at whole; two where
    the best bias is looked for and the logits of all samples do not fit.
    """
    if place.tau is not None and place.tau != "fit":
        _as_float(place.tau)
    if place.weight_decay is not None:
        place = replace(place, weight_decay=_two_positive(place.weight_decay))
    begun = begin(features, replace(what, identity=repr(place)), streaming)
    if features.classifier is None:
        network: Network | str = _NO_CLASSIFIER
    else:
        network = _network(Given(features, features.classifier.T, begun.frame.moments, place, what.normalize))
    if isinstance(network, str):
        return begun.measure()[0], LandscapePosition(reason=network)
    metrics, found = begun.measure(network.companion)
    position = network.position(found, partial(begun.passes.more, begun.frame))
    notes = (*_notes(network.given), *position.notes)
    return metrics, replace(position, normalized=what.normalize, notes=notes)


def _network(given: Given) -> Network | str:
    """What kind of network it is, or why it has no position."""
    tau, decay, loss = given.place.tau, given.place.weight_decay, given.place.loss
    if given.normalize and not given.moments.norms[0] > 0.0:
        return _NO_DIRECTION
    common = given.common_length
    unit = given.normalize or (common is not None and abs(common - 1.0) <= given.tolerance)
    if not unit and common is not None and tau is None and decay is None:  # tau is folded into the features
        return UnitNetwork(given=given, tau=common, tau_source="feature-length")
    if not unit:
        return _ordinary(given)
    if decay is not None:
        raise InvalidInputError(
            f"weight_decay={decay} is for networks that normalise nothing, but these features and classifiers have "
            "unit length; leave it out"
        )
    if tau not in (None, "fit"):
        return UnitNetwork(given=given, tau=tau, tau_source="given")
    if not isinstance(loss, CrossEntropy) or loss.offsets is not None:
        return f"tau is fitted for cross-entropy without offsets alone; give --tau for {loss.name}"
    return FittedNetwork(given=given)


def _ordinary(given: Given) -> OrdinaryNetwork | str:
    """A network that normalises nothing."""
    tau, loss = given.place.tau, given.place.loss
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
    known, source = (1.0, "one") if tau is None else (_as_float(tau), "given")
    return OrdinaryNetwork(given=given, tau=known, tau_source=source)


def _notes(given: Given) -> tuple[str, ...]:
    """What a reader must know of the loss and of tolerances."""
    loss = given.place.loss
    notes: tuple[str, ...] = () if loss == PLAIN else (f"the loss is {loss_in_words(loss)}",)
    if given.tolerance > UNIT_TOLERANCE and given.common_length is not None and not given.normalize:
        notes += (
            f"stored in a short format: lengths that differ by up to {100 * given.tolerance:.2g} % are taken for "
            "equal, and features and classifier are divided by them",
        )
    return notes


def _two_positive(decay: tuple[float, float]) -> tuple[float, float]:
    """Weights of decay in double precision, if they are two positive numbers."""
    pair = check_array("weight_decay", decay)
    if pair.shape != (2,) or not (pair > 0.0).all():
        raise InvalidInputError(
            f"weight_decay={decay} must be two positive numbers; give --weight-decay MU_W MU_H"
        )
    return float(pair[0]), float(pair[1])


def _as_float(tau: Number) -> float:
    """One ``tau`` for all samples, as a double, if a problem would take it."""
    try:
        known = float(exact_temperature(tau))
    except InvalidInputError as error:
        raise InvalidInputError(f"{error}; give it as --tau t, or --tau fit") from error
    if known > _LARGEST:
        raise InvalidInputError(f"tau={tau!r} must be at most {_LARGEST:g}; give a smaller --tau")
    return known
