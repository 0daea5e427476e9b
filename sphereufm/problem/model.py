r"""The data of a problem of normalised features: labels, weights, temperatures and loss, exact and in floats.

``f(W, H) = sum_i omega_i loss(tau_i W^T h_i, y_i)`` over unit columns ``W``, ``(d, K)``, and ``H``, ``(d, N)``.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, fields
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array, ProductOfSpheres
from sphereufm.geometry.symmetry.groups import ColumnPermutations, SymmetryGroup
from sphereufm.problem.kernels import sample_blocks
from sphereufm.problem.losses.interface import Loss, SampleBlock

MOST_SIZES_SHOWN = 12


@dataclass(frozen=True, kw_only=True, eq=False)
class UFMModel:
    """What a cost is made of; checked by :class:`~sphereufm.problem.ufm.UFMProblem`, which holds one.

    * ``classes`` and ``dim``: ``K`` and ``d``.
    * ``exact_tau``: the largest ``tau_i``.
    * ``labels``, shape ``(N,)``.
    * ``weights``, shape ``(N,)``: ``omega``, of sum one.
    * ``exact_weights``, or None: relative sample weights, where they differ.
    * ``exact_rates``, or None: ``tau_i / tau`` of each sample, where they differ.
    * ``memory_budget``: bytes that a kept forward pass may take.
    """

    classes: int
    dim: int
    exact_tau: Fraction
    labels: NDArray[np.intp]
    weights: Array
    exact_weights: tuple[Fraction, ...] | None
    exact_rates: tuple[Fraction, ...] | None
    loss: Loss
    memory_budget: int

    def __reduce__(self) -> tuple[Any, ...]:
        # what is derived from the fields is made again on the other side
        return _rebuild, ({field.name: getattr(self, field.name) for field in fields(self)},)

    def __repr__(self) -> str:
        few = self.classes <= MOST_SIZES_SHOWN
        sizes = (
            f"class_sizes={self.class_sizes}" if few else f"classes={self.classes}, samples={self.samples}"
        )
        tau = self.tau if Fraction(self.tau) == self.exact_tau else self.exact_tau
        weights = "" if self.exact_weights is None else f", weights=<{self.samples} values>"
        rates = "" if self.exact_rates is None else f", rates=<{self.samples} values>"
        return f"UFMModel({sizes}, dim={self.dim}, tau={tau}{rates}{weights}, loss={self.loss.name!r})"

    @cached_property
    def tau(self) -> float:
        """The largest ``tau_i``, to the nearest double."""
        return float(self.exact_tau)

    @property
    def samples(self) -> int:
        """Number of samples ``N``."""
        return int(self.labels.size)

    @cached_property
    def class_sizes(self) -> tuple[int, ...]:
        """Samples of each class."""
        return tuple(int(n) for n in np.bincount(self.labels, minlength=self.classes))

    @cached_property
    def spheres(self) -> ProductOfSpheres:
        """The oblique manifold OB(d, K + N)."""
        return ProductOfSpheres.oblique(self.dim, self.classes + self.samples)

    @cached_property
    def symmetry(self) -> SymmetryGroup:
        """O(d), samples of one class that count alike, and classes that do."""
        cells: list[dict[tuple[Fraction, Fraction], list[int]]] = [{} for _ in range(self.classes)]
        for i, (y, kind) in enumerate(zip(self.labels.tolist(), self.sample_kinds, strict=True)):
            cells[y].setdefault(kind, []).append(self.classes + i)
        own = self.loss.facts(self.classes).class_kinds
        blocks, kinds = [], list[Hashable]()
        for k, groups in enumerate(cells):
            ordered = sorted(groups.items())
            blocks.append(((k,), *(tuple(columns) for _, columns in ordered)))
            multiset = tuple((kind, len(columns)) for kind, columns in ordered)
            kinds.append(multiset if own is None else (own[k], *multiset))
        return SymmetryGroup(True, ColumnPermutations(tuple(blocks), tuple(kinds)))

    @property
    def sample_kinds(self) -> list[tuple[Fraction, Fraction]]:
        """Weight and rate of each sample."""
        ones = (Fraction(1),) * self.samples
        return list(zip(self.exact_weights or ones, self.exact_rates or ones, strict=True))

    @cached_property
    def blocks(self) -> tuple[SampleBlock, ...]:
        """The samples cut into blocks that stay in cache."""
        rates = None if self.exact_rates is None else np.array([float(r) for r in self.exact_rates])
        return sample_blocks(self.labels, self.weights, self.classes, self.tau, rates)


def _rebuild(values: dict[str, Any]) -> UFMModel:
    """Inverse of pickling: arrays come out of a pickle writeable."""
    for value in values.values():
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
    return UFMModel(**values)
