"""The inverse temperature of a network, where the features tell it.

The cost is convex in ``tau``.  Where some sample is not classified right it has a minimum, and the network's
temperature was presumably near it.  Where every sample is, the cost falls for ever as ``tau`` grows, and near collapse
no other property of the point depends on ``tau`` either: then nothing is fitted, and the fit says that it is unbounded.
What remains is the least margin ``min_i min_j <w_{y_i} - w_j, h_i>``, ``j != y_i``, by which the cost falls: about
``exp(-tau margin)``.  On spheres no point has a larger one than ``K / (K - 1)``, K the classes that have samples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sphereufm.features.metrics.companion import View
from sphereufm.geometry.spheres import Array
from sphereufm.placement.sphere import add_class_sums

_LOW, _HIGH = 1e-4, 1e6
_STEPS = 80
# kept in memory, in single precision: 512 MB
_MOST_MARGINS = 1 << 27
_COLUMNS = 1 << 14


@dataclass(frozen=True, kw_only=True)
class TemperatureFit:
    """The ``tau`` that minimises a cost, or why there is none.

    ``unbounded``: whether the cost falls for ever as ``tau`` grows.  ``least_margin``: by how much the least
    well classified sample is classified right; negative if it is not.
    """

    tau: float | None
    unbounded: bool
    least_margin: float


@dataclass(kw_only=True, eq=False)
class Margins:
    """``a_ij - a_{y_i i}`` of all samples, or of evenly spaced blocks: a companion of the metrics' second pass."""

    row_lengths: Array  #: shape ``(K,)``: lengths of the classifiers with which a view's products are made
    #: ``dim`` and ``samples``: d and N.
    dim: int
    samples: int
    kept: list[NDArray[np.float32]]  #: shape ``(K, n)``: in single precision, since a fit needs no more
    least: float
    C: Array  #: shape ``(K, d)``: class sums of the unit features, for the distance from collapse
    seen: int = 0
    margin: float = 0.0  #: what the loss takes off the own cosine

    @classmethod
    def of(cls, row_lengths: Array, dim: int, samples: int, margin: float = 0.0) -> Margins:
        """Nothing yet."""
        return cls(
            row_lengths=row_lengths,
            dim=dim,
            samples=samples,
            kept=[],
            least=np.inf,
            C=np.zeros((len(row_lengths), dim)),
            margin=margin,
        )

    @property
    def stride(self) -> int:
        """Which block of how many is kept; the least margin is of all samples."""
        return 1 + len(self.row_lengths) * self.samples // _MOST_MARGINS

    def maker(self) -> Callable[[], Margins]:
        """What makes an empty one of the same kind."""
        return partial(Margins.of, self.row_lengths, self.dim, self.samples, self.margin)

    def add(self, view: View) -> None:
        """Gather a block."""
        y, columns = view.labels, np.arange(len(view.labels))
        inverse = np.ones(len(y)) if view.lengths is None else 1.0 / view.lengths
        A = (view.products * inverse[:, None] / self.row_lengths).T
        differences = A - A[y, columns] + self.margin
        differences[y, columns] = 0.0
        if self.seen % self.stride == 0:
            self.kept.append(differences.astype(np.float32))
        self.seen += 1
        differences[y, columns] = -np.inf
        self.least = min(self.least, -float(differences.max()))
        add_class_sums(self.C, view)

    def absorb(self, other: Margins) -> None:
        """Gather what another has."""
        self.kept += other.kept
        self.least = min(self.least, other.least)
        self.C = self.C + other.C

    def arrays(self) -> dict[str, Any]:
        """What was gathered."""
        return {"kept": np.concatenate(self.kept, axis=1), "least": self.least, "C": self.C}

    def restore(self, arrays: Mapping[str, Any]) -> None:
        """Take up what was gathered before."""
        whole = arrays["kept"]
        self.kept = np.array_split(whole, 1 + whole.shape[1] // _COLUMNS, axis=1)
        self.least, self.C = float(arrays["least"]), np.array(arrays["C"])


def fit_temperature(margins: Margins) -> TemperatureFit:
    """Minimise the cost over ``tau``, to about ten digits; a bias is left out.

    Result: without ``tau`` where every sample is classified right (or so nearly that the minimum lies above
    1e6), and where the classifier is no better than chance, so that the cost is least at ``tau = 0``.

    Notes
    -----
    Bisection on the sign of the derivative ``sum_i omega_i sum_j p_ij (a_ij - a_{y_i i})``, ``a = W^T H``.
    """
    blocks, least = margins.kept, margins.least
    low, high = _LOW, _HIGH
    unbounded = least >= 0.0 or _slope(blocks, high) < 0.0
    if unbounded or _slope(blocks, low) >= 0.0:
        return TemperatureFit(tau=None, unbounded=unbounded, least_margin=least)
    for _ in range(_STEPS):
        middle = float(np.sqrt(low * high))
        if _slope(blocks, middle) < 0.0:
            low = middle
        else:
            high = middle
    return TemperatureFit(tau=high, unbounded=False, least_margin=least)


def _slope(margins: list[NDArray[np.float32]], tau: float) -> float:
    """Derivative of the cost by ``tau``, up to a positive factor."""
    total = 0.0
    for block in margins:
        Z = tau * block.astype(np.float64)
        P = np.exp(Z - Z.max(axis=0))
        total += float(((P * block).sum(axis=0) / P.sum(axis=0)).sum())
    return total
