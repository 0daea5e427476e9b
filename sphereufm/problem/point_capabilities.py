"""What a point may know beyond its cost and derivatives, and the one place that asks.

A point, as ``problem.at(X)`` makes it, offers a capability by having its method: ``SolvesShifted``
(``shifted_hessian()``), ``KnowsItsHessian`` (``tangent_hessian()``), ``KnowsNormalHessian`` (``normal_hessian()``),
``ShowsMinimisers`` (``global_minima(shift)``) and ``InvertsHessian`` (``approximate_inverse(root)``).  What a problem
may know is asked in :mod:`~sphereufm.problem.capabilities`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array
from sphereufm.problem.interface import Evaluation

Operator = Callable[[Array], Array]


class ShiftedHessian(Protocol):
    """A Hessian in coordinates ``(..., M, e)`` whose shifted systems can be solved."""

    def scaled(self, s: Array) -> ShiftedHessian:
        """``diag(s) Hess diag(s)``, one factor a column, shape ``(..., M)``."""

    def damped_newton_step(self, g: Array, sigma: Array) -> Array:
        """``-Re (Hess + i sigma)^{-1} g``, shape ``(..., M, e)``."""

    def dense(self) -> Array:
        """The whole matrix, shape ``(..., M e, M e)``."""


@runtime_checkable
class SolvesShifted(Protocol):
    """A point whose Hessian has a structure that makes shifted systems cheap."""

    def shifted_hessian(self) -> ShiftedHessian:
        """The Hessian in that form."""


@runtime_checkable
class KnowsItsHessian(Protocol):
    """A point that assembles its Hessian in tangent coordinates by itself."""

    def tangent_hessian(self) -> Array:
        """The whole matrix, shape ``(..., M e, M e)``."""


@runtime_checkable
class KnowsNormalHessian(Protocol):
    """A point that knows the curvature in dimensions which its columns do not use."""

    def normal_hessian(self) -> Array:
        """``S`` with ``Hess[a c^T, a c^T] = c^T S c``, shape ``(M, M)``."""


@runtime_checkable
class ShowsMinimisers(Protocol):
    """A point that can show (in floating point) that it is a global minimiser."""

    def global_minima(self, shift: float) -> NDArray[np.bool_]:
        """Where that is shown up to ``shift`` in each column's scale, shape ``(...)``; ``False`` means nothing."""


@runtime_checkable
class InvertsHessian(Protocol):
    """A point with an operator near the inverse of its Hessian."""

    def approximate_inverse(self, root: Array) -> Operator | None:
        """Positive definite, for columns scaled by ``root``, shape ``(M,)``; None where there is none."""


def shifted_hessian(point: Evaluation) -> ShiftedHessian | None:
    """The Hessian with its structure."""
    return point.shifted_hessian() if isinstance(point, SolvesShifted) else None


def tangent_hessian(point: Evaluation) -> Array | None:
    """The whole Hessian, as the point assembles it."""
    return point.tangent_hessian() if isinstance(point, KnowsItsHessian) else None


def normal_hessian(point: Evaluation) -> Array | None:
    """The curvature in unused dimensions."""
    return point.normal_hessian() if isinstance(point, KnowsNormalHessian) else None


def global_minima(point: Evaluation, shift: float = 1e-7) -> NDArray[np.bool_]:
    """Where the points show that they are global minimisers, shape ``(...)``."""
    if isinstance(point, ShowsMinimisers):
        return point.global_minima(shift)
    return np.zeros(point.X.shape[:-2], dtype=bool)


def approximate_inverse(point: Evaluation, root: Array) -> Operator | None:
    """An operator near the inverse of the Hessian."""
    return point.approximate_inverse(root) if isinstance(point, InvertsHessian) else None
