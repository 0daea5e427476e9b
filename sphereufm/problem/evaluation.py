"""One point of a problem of normalised features, with everything that a single forward pass gives.

The forward pass (logits, exponentials) is kept when its arrays fit the problem's memory budget, and recomputed
block by block where they do not; the answers are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from sphereufm.errors import InvalidInputError
from sphereufm.geometry.spheres import Array
from sphereufm.problem import arrow_hessian, kernels
from sphereufm.problem.arrow_hessian import ArrowHessian
from sphereufm.problem.free_bias import FreeBias, free_bias
from sphereufm.problem.losses.interface import BlockTerms, SampleBlock, excess, log_cost
from sphereufm.problem.multipliers import MultiplierMatrix, global_minima

if TYPE_CHECKING:
    from sphereufm.problem.ufm import UFMProblem

# of each logit that is kept: one entry of G
_BYTES = 8


class UFMEvaluation:
    """Cost, gradient, Hessian products and multipliers at ``X``, shape ``(..., d, K + N)``.

    Made by :meth:`UFMProblem.at`; attributes are computed when first asked for.
    """

    def __init__(self, problem: UFMProblem, X: Array) -> None:
        self.problem = problem
        self.X = X
        # plain attributes: a cached_property takes a lock in Python 3.11, which shows at small sizes
        self._kept: tuple[BlockTerms, ...] | None = None
        self._cost: Array | None = None
        self._derivatives: tuple[Array, Array] | None = None
        self._scale: Array | None = None

    def __repr__(self) -> str:
        return f"<UFMEvaluation at {self.X.shape} of {self.problem!r}>"

    @property
    def W(self) -> Array:
        """Classifiers, a view of shape ``(..., d, K)``."""
        return self.X[..., : self.problem.classes]

    @property
    def H(self) -> Array:
        """Features, a view of shape ``(..., d, N)``."""
        return self.X[..., self.problem.classes :]

    @property
    def cost(self) -> Array:
        """Cost in nats, shape ``(...)``."""
        if self._cost is None:
            self._cost = kernels.total_cost(self.terms())
        return self._cost

    @cached_property
    def log_cost(self) -> Array:
        """Natural logarithm of the cost, shape ``(...)``; finite also where the cost underflows."""
        loss, blocks = self.problem.loss, self.problem.blocks
        parts = [log_cost(loss, self.logits(block), block) + np.log(block.weights) for block in blocks]
        return np.asarray(np.logaddexp.reduce(np.concatenate(parts, axis=-1), axis=-1))

    @cached_property
    def excess(self) -> Array:
        """Cost above the floor of the loss, shape ``(...)``, without cancellation."""
        loss, blocks = self.problem.loss, self.problem.blocks
        return np.asarray(sum(excess(loss, self.logits(block), block) @ block.weights for block in blocks))

    def logits(self, block: SampleBlock) -> Array:
        """Logits of one block, in memory of their own."""
        return kernels.logits(self.W, self.H, block, self.bias)

    @property
    def bias(self) -> Array | None:
        """The minimising bias of a problem with a free one, shape ``(..., K)``."""
        return None if self._free_bias is None else self._free_bias.value

    @cached_property
    def _free_bias(self) -> FreeBias | None:
        """The minimising bias, and how it moves."""
        return free_bias(self) if self.problem.bias else None

    @property
    def gradient(self) -> Array:
        """Riemannian gradient, shape ``(..., d, K + N)``."""
        return self._first_order[0]

    @property
    def alpha(self) -> Array:
        """Sphere multipliers of the classifiers, shape ``(..., K)``."""
        return self.multipliers[..., : self.problem.classes]

    @property
    def beta(self) -> Array:
        """Sphere multipliers of the features, shape ``(..., N)``."""
        return self.multipliers[..., self.problem.classes :]

    @property
    def multipliers(self) -> Array:
        """``(alpha, beta)`` in one array, shape ``(..., K + N)``."""
        return self._first_order[1]

    @property
    def gradient_scale(self) -> Array:
        """Sums of the size of ``G`` that pull at each column, shape ``(..., K + N)``."""
        if self._scale is None:
            self._scale = kernels.gradient_scales(self.problem.loss, self.terms())
        return self._scale

    @property
    def euclidean_gradient(self) -> Array:
        """Gradient in the surrounding space, shape ``(..., d, K + N)``."""
        return self.gradient + self.X * self.multipliers[..., None, :]

    def hessian_product(self, U: Array) -> Array:
        """Riemannian Hessian applied to a tangent ``U``; shapes ``(..., d, K + N)``, batch axes broadcast."""
        # the multipliers first: where nothing was kept yet, they make the pass that keeps it
        return self._hessian_product(U, self.multipliers)

    def euclidean_hessian_product(self, U: Array) -> Array:
        """Derivative of :attr:`euclidean_gradient` along any ``U``; shapes as in :meth:`hessian_product`."""
        return self._hessian_product(U, None)

    def _hessian_product(self, U: Array, multipliers: Array | None) -> Array:
        """Riemannian with the multipliers, Euclidean without."""
        loss, blocks, bias = self.problem.loss, self.problem.blocks, None
        if self._free_bias is not None:
            changes = kernels.logit_changes(self.X, U, blocks)
            pulls = [
                (loss.curvature(term, D, term.block) / term.block.temperatures).sum(axis=-1)
                for term, D in zip(self.terms(), changes, strict=True)
            ]
            bias = -self._free_bias.solve(np.sum(pulls, axis=0))
        return kernels.hessian_product(self.terms(), blocks, self.X, U, multipliers, (loss, bias))

    @property
    def multiplier_matrix(self) -> MultiplierMatrix:
        """``S`` as an operator, at one point."""
        if self.X.ndim != 2:
            raise InvalidInputError(f"X has shape {self.X.shape}; S is given for one point (d, M) at a time")
        return MultiplierMatrix(alpha=self.alpha, beta=self.beta, terms=self.terms)

    @property
    def G(self) -> Array:
        """Derivative by ``W^T H``, assembled, shape ``(..., K, N)``; for cross-entropy ``tau (P - Y) diag(omega)``."""
        G = np.empty((*self.X.shape[:-2], self.problem.classes, self.problem.samples))
        for term in self.terms():
            G[..., term.block.samples] = term.G
        return G

    # What a point knows beyond its derivatives: see sphereufm.problem.capabilities.
    global_minima = global_minima
    approximate_inverse = arrow_hessian.approximate_inverse

    def shifted_hessian(self) -> ArrowHessian | None:
        """Its blocks; none with a free bias, which couples all features."""
        return arrow_hessian.arrow_hessian(self) if self._free_bias is None else None

    def normal_hessian(self) -> Array:
        """The multiplier matrix, dense."""
        return self.multiplier_matrix.dense()

    @property
    def _first_order(self) -> tuple[Array, Array]:
        """Gradient and multipliers; the cost comes with them."""
        if self._derivatives is None:
            cost, *derivatives = kernels.evaluate(self.terms(), self.X, self.problem.classes)
            if self._cost is None:
                self._cost = cost
            self._derivatives = derivatives[0], derivatives[1]
        return self._derivatives

    def terms(self) -> Iterable[BlockTerms]:
        """Forward terms block by block, kept when they fit the memory budget."""
        if self._kept is not None:
            return self._kept
        problem, X = self.problem, self.X
        points = 1 if X.ndim == 2 else X.size // (X.shape[-2] * X.shape[-1])
        logits = points * problem.classes * problem.labels.size
        arguments = problem.loss, self.W, self.H, problem.blocks
        if _BYTES * logits > problem.memory_budget:
            return kernels.forward(*arguments, bias=self.bias)
        if len(problem.blocks) == 1:
            self._kept = (kernels.forward_one(*arguments, self.bias),)
            return self._kept
        return self._recorded(kernels.forward(*arguments, keep=np.empty(logits), bias=self.bias))

    def _recorded(self, stream: Iterable[BlockTerms]) -> Iterator[BlockTerms]:
        """Pass terms on as they are made, so that each block is used in cache, and keep the complete list."""
        seen = []
        for term in stream:
            seen.append(term)
            yield term
        self._kept = tuple(seen)
