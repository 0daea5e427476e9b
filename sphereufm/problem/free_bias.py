r"""A free bias: ``b`` in ``R^K`` is added to all logits and minimised out, ``f(W, H) = min over b of f(W, H, b)``.

The loss is convex in ``b``.  At the minimiser ``sum_i G_i / tau_i = 0``; gradient, multipliers and the bound on the
minimum are those of fixed logits ``tau_i W^T h_i + b``.  Second derivatives see the bias move: with ``C_i`` the
weighted curvature of sample ``i`` by its logits and ``B = sum_i C_i``, a change ``D`` of the logits becomes ``D + b'``,
``b' = -B^{-1} sum_i C_i D_i``.  So critical points, their index and their strict saddles are those of ``f(W, H, b)``.

Newton's method with steps ``s -> log(1 + s)``, in the largest entry: these go down wherever third derivatives are
bounded by second ones, as in sums of exponentials, however small the cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sphereufm.errors import InvalidInputError
from sphereufm.geometry.spheres import Array
from sphereufm.problem import kernels
from sphereufm.problem.losses.interface import LossFacts

if TYPE_CHECKING:
    from sphereufm.problem.evaluation import UFMEvaluation

_MOST_STEPS = 300
_TOLERANCE = 1e-14
# Where probabilities underflow B falls apart: shares of its diagonal, and of the gradient, that keep steps finite.
_RIDGE = 1e-14
_PULL = 1e-12


def check_bias(name: str, facts: LossFacts, sizes: NDArray[np.intp]) -> None:
    """Refuse a free bias whose minimiser may not be unique, or may not exist."""
    if not facts.convex:
        raise InvalidInputError(
            f"bias=True: {name} is not convex in the logits, so a free bias has no unique minimiser; leave the bias out"
        )
    if not (sizes > 0).all():
        raise InvalidInputError(
            f"bias=True: class {int(sizes.argmin())} has no sample, so its bias falls without end; leave the class out"
        )


@dataclass(frozen=True, eq=False)
class FreeBias:
    """The minimiser and how it moves."""

    value: Array  #: shape ``(..., K)``: ``b``, of mean zero where the loss ignores a common shift
    curvature: Array  #: shape ``(..., K, K)``: ``B``, positive definite but for common shifts
    blind: bool  #: whether the loss ignores common shifts

    def solve(self, r: Array) -> Array:
        """``B^{-1} r`` for ``r`` of shape ``(..., K)``, of mean zero where shifts are ignored."""
        # the last entry is left at zero, which makes B definite; in units of its diagonal nothing underflows
        last = self.curvature.shape[-1] - self.blind
        B = self.curvature[..., :last, :last]
        root = np.sqrt(np.maximum(np.diagonal(B, axis1=-2, axis2=-1), 0.0))
        root = np.where(root > 0.0, root, np.inf)
        scaled = B / root[..., :, None] / root[..., None, :]
        scaled = scaled + np.where(root < np.inf, _RIDGE, 1.0)[..., :, None] * np.eye(last)
        x = np.zeros(r.shape)
        x[..., :last] = np.linalg.solve(scaled, (r[..., :last] / root)[..., None])[..., 0] / root
        return x - x.mean(axis=-1, keepdims=True) if self.blind else x


def free_bias(point: UFMEvaluation) -> FreeBias:
    """The minimiser over ``b`` at a point, or at each of a stack of points."""
    problem = point.problem
    K, loss, blocks = problem.classes, problem.loss, problem.blocks
    b = np.zeros((*point.X.shape[:-2], K))
    blind = loss.facts(K).shift_invariant
    for _ in range(_MOST_STEPS):
        r, B = np.zeros(b.shape), np.zeros((*b.shape, K))
        for term in kernels.forward(loss, point.W, point.H, blocks, bias=b):
            r += (term.G / term.block.temperatures).sum(axis=-1)
            C = kernels.curvatures(loss, term, 1.0 / term.block.temperatures)
            B += np.moveaxis(C.sum(axis=-1), 0, -1)
        found = FreeBias(b, B + _PULL * np.abs(r)[..., :, None] * np.eye(K), blind)
        step = found.solve(-r)
        size = np.abs(step).max(axis=-1, keepdims=True)
        if not (size > _TOLERANCE * (1.0 + np.abs(b).max(axis=-1, keepdims=True))).any():
            break
        b = b + step * np.where(size > 0.0, np.log1p(size) / np.where(size > 0.0, size, 1.0), 1.0)
    return found
