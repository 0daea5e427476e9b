"""The inverse temperature of a network, where the features tell it.

The cost is convex in ``tau``.  Where some sample is not classified right it has a minimum, and the network's
temperature was presumably near it.  Where every sample is, the cost falls for ever as ``tau`` grows, and near collapse
no other property of the point depends on ``tau`` either: then nothing is fitted, and the fit says that it is unbounded.
What remains is the least margin ``min_i min_j <w_{y_i} - w_j, h_i>``, ``j != y_i``, by which the cost falls: about
``exp(-tau margin)``.  On spheres no point has a larger one than ``K / (K - 1)``, K the classes that have samples.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from sphereufm.features.metrics.companion import Companion, Gathered, View
from sphereufm.placement.landscape_position import LandscapePosition
from sphereufm.placement.layer import Given, UnitLayer
from sphereufm.placement.sphere import UnitNetwork
from sphereufm.problem.losses.cross_entropy import CrossEntropy

_LOW, _HIGH = 1e-4, 1e6
# kept in memory, in single precision: 128 MB
_MOST_MARGINS = 1 << 25
_COLUMNS = 1 << 12
_UNBOUNDED = (
    "the fitted tau is unbounded: every sample is classified right, so the cost falls for ever as tau grows, "
    "and the features do not tell which tau was used; give --tau with the value used in training"
)
_NO_BETTER_THAN_CHANCE = (
    "the cost is least at tau = 0: the classifier is no better than chance on these labels; check that labels "
    "and classifier belong together, or give --tau"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Margins:
    """``a_ij - a_{y_i i}`` of all samples, or of evenly spaced ones: a companion of the metrics' second pass.

    Those of ``kept``, shape ``(K, n)``, are in single precision, since a fit needs no more.
    """

    layer: UnitLayer
    margin: float = 0.0  #: what the loss takes off the own cosine

    def begin(self, found: Gathered) -> None:
        """Nothing yet."""
        self.layer.begin(found)
        found.largest["minus_margin"] = -np.inf
        found.joined["kept"] = []

    def add(self, found: Gathered, view: View) -> None:
        """Gather a block."""
        A, inverse = self.layer.cosines(view)
        own = (view.labels, np.arange(len(view.labels)))
        differences = A - A[own] + self.margin
        differences[own] = 0.0
        # which sample of how many is kept; the least margin is of all
        stride = 1 + len(A) * self.layer.samples // _MOST_MARGINS
        kept = differences[:, -view.rows.start % stride :: stride]
        found.joined["kept"].append(kept.astype(np.float32))
        differences[own] = -np.inf
        found.raise_to("minus_margin", differences.max())
        self.layer.add(found, view, inverse)


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedNetwork:
    """Unit features and classifiers, whose ``tau`` is to be fitted."""

    given: Given

    @cached_property
    def companion(self) -> Margins:
        """What the second pass gathers."""
        loss = self.given.place.loss
        margin = float(loss.margin) if isinstance(loss, CrossEntropy) else 0.0
        return Margins(layer=UnitLayer.of(self.given), margin=margin)

    def position(self, found: Gathered, more: Callable[[Companion], Gathered]) -> LandscapePosition:
        """Where it stands at the fitted ``tau``, for which ``more`` makes one more pass."""
        tau, present = fit_temperature(found), int(self.given.moments.present.sum())
        margins: dict[str, Any] = {
            "least_margin": -found.largest["minus_margin"],
            "largest_margin": present / (present - 1) - self.companion.margin,
        }
        if tau is None or math.isinf(tau):
            return LandscapePosition(
                tau_source=None if tau is None else "unbounded",
                collapsed_distance=self.companion.layer.distance(found),
                reason=_NO_BETTER_THAN_CHANCE if tau is None else _UNBOUNDED,
                **margins,
            )
        network = UnitNetwork(given=self.given, tau=tau, tau_source="fitted")
        return replace(network.position(more(network.companion), more), **margins)


def fit_temperature(found: Gathered) -> float | None:
    """The ``tau`` that minimises the cost, to about ten digits; a bias is left out.

    Infinite where every sample is classified right (or so nearly that the minimum lies above 1e6); None where the
    classifier is no better than chance, so that the cost is least at ``tau = 0``.
    """
    # one array, however many a checkpoint has joined already: sums in another order have other last bits
    margins, low, high = found.whole("kept"), math.log(_LOW), math.log(_HIGH)
    if found.largest["minus_margin"] <= 0.0 or _slope(high, margins) < 0.0:
        return math.inf
    if _slope(low, margins) >= 0.0:
        return None
    return math.exp(brentq(_slope, low, high, args=(margins,), xtol=1e-12))


def _slope(log_tau: float, margins: NDArray[np.float32]) -> float:
    """Derivative ``sum_i sum_j p_ij (a_ij - a_{y_i i})`` of the cost by ``tau``, up to a positive factor."""
    total, tau = 0.0, math.exp(log_tau)
    for block in np.array_split(margins, 1 + margins.shape[1] // _COLUMNS, axis=1):
        Z = tau * block.astype(np.float64)
        P = np.exp(Z - Z.max(axis=0))
        total += float(((P * block).sum(axis=0) / P.sum(axis=0)).sum())
    return total
