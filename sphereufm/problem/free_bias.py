r"""A free bias: ``b`` in ``R^K`` is added to all logits and minimised out, ``f(W, H) = min over b of f(W, H, b)``.

The loss is convex in ``b``.  At the minimiser ``sum_i G_i / tau_i = 0``; gradient, multipliers and the bound on the
minimum are those of fixed logits ``tau_i W^T h_i + b``.  Second derivatives see the bias move: with ``C_i`` the
weighted curvature of sample ``i`` by its logits and ``B = sum_i C_i``, a change ``D`` of the logits becomes ``D + b'``,
``b' = -B^{-1} sum_i C_i D_i``.  So critical points, their index and their strict saddles are those of ``f(W, H, b)``.

Newton's method with steps ``s -> log(1 + s)``, in the largest entry: these go down wherever third derivatives are
bounded by second ones, as in sums of exponentials, however small the cost.  Large ``tau`` are reached by doubling.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sphereufm.errors import InvalidInputError
from sphereufm.geometry.spheres import Array
from sphereufm.problem import kernels
from sphereufm.problem.arrow_hessian import where_regular
from sphereufm.problem.losses.interface import BlockTerms, Loss, LossFacts, magnitude

if TYPE_CHECKING:
    from sphereufm.problem.evaluation import UFMEvaluation

_MOST_STEPS = 300
_TOLERANCE = 1e-14
# of the sum of absolute terms: what rounding leaves of the gradient, and what is no longer a minimum
_ROUNDING, _MINIMAL = 2e-16, 1e-6
# A temperature whose minimiser is found at once; from one to the next, twice as high, a few rough steps follow it.
_EASY, _ROUGHLY, _FEW_STEPS = 64.0, 0.5, 20
# Passes for classes that pull at next to nothing, once the others are at their minimum; some never come to rest.
_SETTLING = 40
# Passes that need no look at what rounding leaves while steps go on.
_UNSEEN = 6
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
        """``B^{-1} r`` for ``r`` of shape ``(..., K)``, of mean zero if shifts are ignored; NaN if singular."""
        # the last entry is left at zero, which makes B definite; in units of its diagonal nothing underflows
        last = self.curvature.shape[-1] - self.blind
        B = self.curvature[..., :last, :last]
        root = np.sqrt(np.maximum(np.diagonal(B, axis1=-2, axis2=-1), 0.0))
        root[root == 0.0] = np.inf
        scaled = B / root[..., :, None] / root[..., None, :]
        scaled = scaled + np.where(root < np.inf, _RIDGE, 1.0)[..., :, None] * np.eye(last)
        x = np.zeros(r.shape)
        right = (r[..., :last] / root)[..., None]
        x[..., :last] = where_regular(np.linalg.solve, scaled, right)[..., 0] / root
        return x - x.sum(axis=-1, keepdims=True) / r.shape[-1] if self.blind else x


def free_bias(point: UFMEvaluation) -> FreeBias:
    """The minimiser over ``b`` at a point, or at each of a stack of points; NaN where it was not found."""
    problem = point.problem
    before = np.zeros((*point.X.shape[:-2], problem.classes))
    found = FreeBias(before, before, problem.loss.facts(problem.classes).shift_invariant)
    halvings = max(0, math.ceil(math.log2(problem.tau) - math.log2(_EASY)))
    for h in range(halvings, 0, -1):
        found, _ = _minimised(point, found, 0.5**h, _ROUGHLY, _FEW_STEPS)
        # the minimiser is nearly linear in tau
        step = 2.0 * (found.value - before) if h < halvings else 0.0
        before, found = found.value, replace(found, value=found.value + step)
    found, is_minimal = _minimised(point, found, 1.0, 0.0, _MOST_STEPS)
    return found if is_minimal.all() else replace(found, value=np.where(is_minimal, found.value, np.nan))


def _minimised(
    point: UFMEvaluation, start: FreeBias, share: float, near: float, most: int
) -> tuple[FreeBias, NDArray[np.bool_]]:
    """Newton's method at a share of ``tau``, until steps are below ``near`` or rounding; and where it is at the end."""
    loss, b, K = point.problem.loss, start.value, point.problem.classes
    blocks = point.problem.blocks
    if share < 1.0:
        blocks = tuple(replace(x, tau=share * x.tau, scale=share * x.scale) for x in blocks)
    settled, unit, turned = 0, np.eye(K), (*range(1, b.ndim + 1), 0)
    for n in range(most):
        r, B = np.zeros(b.shape), np.zeros((*b.shape, K))
        terms = partial(kernels.forward, loss, point.W, point.H, blocks, bias=b)
        # several blocks may not fit into memory together
        kept = list(terms()) if len(blocks) == 1 else None
        for term in kept or terms():
            tau = term.block.temperatures
            r += (term.G / tau).sum(axis=-1)
            B += kernels.curvatures(loss, term, 1.0 / tau).sum(axis=-1).transpose(turned)
        pull = np.abs(r)
        found = FreeBias(b, B + _PULL * pull[..., :, None] * unit, start.blind)
        step = found.solve(-r)
        length = np.abs(step).max(axis=-1, keepdims=True)
        # logits are as large as this, and have its rounding
        reach = 1.0 + share * point.problem.tau + np.abs(b).max(axis=-1, keepdims=True)
        moves = length > (near or _TOLERANCE * reach)
        if n >= min(_UNSEEN, most - 1) or not moves.any():
            size = np.asarray(sum(_sizes(loss, term) for term in kept or terms()))
            is_minimal = (pull <= _MINIMAL * size.max(axis=-1, keepdims=True)).all(axis=-1, keepdims=True)
            settled = settled + is_minimal
            is_rounding = (pull <= _ROUNDING * reach * size).all(axis=-1, keepdims=True)
            moves &= ~(is_minimal & (is_rounding | (settled > _SETTLING)))
            if not moves.any():
                break
        # what has settled stays: rounding would carry it away while the others of a stack move
        safe = np.where(moves, length, 1.0)
        b = b + np.where(moves, step * (np.log1p(safe) / safe), 0.0)
    return found, is_minimal


def _sizes(loss: Loss, term: BlockTerms) -> Array:
    """Sums of absolute terms of the gradient, shape ``(..., K)``."""
    return np.asarray((magnitude(loss, term, term.block) / term.block.temperatures).sum(axis=-1))
