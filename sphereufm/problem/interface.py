"""What solvers and landscapes ask of a problem: a smooth cost on a product of spheres.

``problem.at(X)`` makes an :class:`Evaluation`, which shares whatever its answers have in common (one forward
pass).  Arrays carry batch axes first: ``X`` has shape ``(..., d, M)``.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from sphereufm.geometry.spheres import Array, ProductOfSpheres, column_lengths
from sphereufm.geometry.symmetry.groups import SymmetryGroup


class Evaluation(Protocol):
    """Everything a problem knows at one point, or at each of a stack of points."""

    @property
    def X(self) -> Array:
        """The point, shape ``(..., d, M)``, unit columns."""

    @property
    def cost(self) -> Array:
        """Cost, shape ``(...)``."""

    @property
    def gradient(self) -> Array:
        """Riemannian gradient, shape ``(..., d, M)``."""

    @property
    def gradient_scale(self) -> Array:
        """Positive scale of each column's gradient, shape ``(..., M)``; zero only where it underflows."""

    def hessian_product(self, U: Array) -> Array:
        """Riemannian Hessian applied to a tangent ``U``, shape ``(..., d, M)``."""


class SphereProblem(Protocol):
    """A smooth cost on a product of spheres with a declared symmetry group.

    What else it may know is optional: see :mod:`sphereufm.problem.capabilities`.
    """

    @property
    def spheres(self) -> ProductOfSpheres:
        """The manifold."""

    @property
    def symmetry(self) -> SymmetryGroup:
        """A group that leaves the cost unchanged."""

    def at(self, X: Array) -> Evaluation:
        """Evaluate at ``X``, shape ``(..., d, M)``."""


def relative_gradient_norm(point: Evaluation) -> Array:
    """Largest columnwise relative gradient norm, shape ``(...)``.

    The maximum over columns ``j`` of ``|grad_j| / gradient_scale_j``.  For the cross-entropy problem the
    scale is the sum of the absolute weights with which other columns pull at column ``j``; it means the same
    at every temperature, where a global scale hides a wrong column behind larger ones.  Where a scale has
    underflown to zero the result is infinite: nothing is known of that column.
    """
    return relative_length(column_lengths(point.gradient), point.gradient_scale)


def relative_length(lengths: Array, scale: Array) -> Array:
    """Largest ratio of columns' lengths to their scales, both ``(..., M)``; infinite where a scale is zero."""
    ratio = np.divide(lengths, scale, out=np.full_like(lengths, np.inf), where=scale > 0.0)
    return ratio.max(axis=-1)
