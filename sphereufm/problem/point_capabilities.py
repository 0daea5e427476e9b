"""What a point may know beyond its cost and derivatives, and the one place that asks.

A point, as ``problem.at(X)`` makes it, offers a capability by having its method: ``shifted_hessian()``, whose systems
can be solved, ``tangent_hessian()``, ``normal_hessian()`` in dimensions that it does not use, ``global_minima(shift)``
and ``approximate_inverse(root)``.  What a problem may know is asked in :mod:`~sphereufm.problem.capabilities`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array
from sphereufm.problem.capabilities import ask
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


def shifted_hessian(point: Evaluation) -> ShiftedHessian | None:
    """The Hessian with its structure."""
    return ask(point, "shifted_hessian")


def tangent_hessian(point: Evaluation) -> Array | None:
    """The whole Hessian, as the point assembles it."""
    return ask(point, "tangent_hessian")


def normal_hessian(point: Evaluation) -> Array | None:
    """The curvature in unused dimensions."""
    return ask(point, "normal_hessian")


def global_minima(point: Evaluation, shift: float = 1e-7) -> NDArray[np.bool_]:
    """Where the points show that they are global minimisers, shape ``(...)``."""
    shown: NDArray[np.bool_] | None = ask(point, "global_minima", shift)
    return np.zeros(point.X.shape[:-2], dtype=bool) if shown is None else shown


def approximate_inverse(point: Evaluation, root: Array) -> Operator | None:
    """An operator near the inverse of the Hessian."""
    return ask(point, "approximate_inverse", root)
