r"""The multiplier matrix ``S`` of a point, and the bound on the global minimum that it gives.

``S = [[-diag(alpha), G], [G^T, -diag(beta)]]``, shape ``(M, M)``.  Cross-entropy is convex in the logits and
the logits are linear in the Gram matrix ``Q = X^T X``, so for every feasible point ``X'``

    f(X') >= f(X) + trace(S Q') / 2 >= f(X) + M min(0, lambda_min(S)) / 2.

This is weak duality for the semidefinite relaxation (see :mod:`~sphereufm.problem.theory.gap`).  ``S`` is kept as an
operator; it is made dense only when it is small.

With ``beta < sigma`` entrywise, ``S + sigma I`` is positive semidefinite exactly when the ``K x K`` Schur
complement ``diag(sigma - alpha) - G diag(1 / (sigma - beta)) G^T`` is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sphereufm.errors import InvalidInputError
from sphereufm.geometry.spheres import Array
from sphereufm.problem.losses.interface import BlockTerms

if TYPE_CHECKING:
    from sphereufm.problem.evaluation import UFMEvaluation

_DENSE_LIMIT = 600
_ZERO_SHIFT = 1e-15
_SHIFT_PRECISION = 1e-3


@dataclass(frozen=True, kw_only=True, eq=False)
class MultiplierMatrix:
    """``S`` at one point, as an operator; ``alpha``, shape ``(K,)``, and ``beta``, shape ``(N,)``."""

    alpha: Array
    beta: Array
    terms: Callable[[], Iterable[BlockTerms]]

    def __repr__(self) -> str:
        return f"<MultiplierMatrix ({self.size}, {self.size}), as an operator>"

    @property
    def size(self) -> int:
        """``M = K + N``."""
        return int(self.alpha.size + self.beta.size)

    @property
    def is_small(self) -> bool:
        """Whether eigenvalues of the whole matrix are worth their time."""
        return self.size <= _DENSE_LIMIT

    def __matmul__(self, c: Array) -> Array:
        """Return ``S c`` for ``c`` of shape ``(M,)`` or ``(M, m)``."""
        K = self.alpha.size
        multipliers = np.concatenate([self.alpha, self.beta])
        out = -(multipliers * c.T).T
        for term in self.terms():
            out[:K] += term.G @ c[term.block.columns]
            out[term.block.columns] += term.G.T @ c[:K]
        return out

    def dense(self) -> Array:
        """``S`` as an array, shape ``(M, M)``; refused beyond 20,000 columns (3 GB)."""
        if self.size > 20_000:
            raise InvalidInputError(f"size={self.size} must be at most 20000 for a dense S; use S @ vector")
        K = self.alpha.size
        S = np.diag(-np.concatenate([self.alpha, self.beta]))
        for term in self.terms():
            S[:K, term.block.columns] = term.G
            S[term.block.columns, :K] = term.G.T
        return S

    def schur_complement(self, shift: float) -> Array:
        """``diag(shift - alpha) - G diag(1 / (shift - beta)) G^T``, shape ``(K, K)``; ``shift`` exceeds ``beta``."""
        return _schur_complement(self.terms(), shift - self.alpha, shift - self.beta)

    def shifted_inverse(self, shift: Array) -> Callable[[Array], Array] | None:
        """``R -> R (S + diag(shift))^{-1}`` for ``R`` of shape ``(..., M)``; None where that is not definite in floats.

        Features are eliminated: one solve costs as much as two matrix products with ``G``.
        """
        K = self.alpha.size
        a, b = shift[:K] - self.alpha, shift[K:] - self.beta
        if not b.min() > 0.0:
            return None
        G = np.concatenate([term.G for term in self.terms()], axis=-1)
        scaled = G / b
        values, vectors = np.linalg.eigh(np.diag(a) - scaled @ G.T)
        if not values[0] > 0.0:
            return None
        inverse = (vectors / values) @ vectors.T

        def solve(R: Array) -> Array:
            left = (R[..., :K] - R[..., K:] @ scaled.T) @ inverse
            return np.concatenate([left, R[..., K:] / b - left @ scaled], axis=-1)

        return solve

    def min_eigenvalue(self) -> float:
        """Least eigenvalue of ``S`` in floating point (never above zero in exact arithmetic).

        Dense up to 600 columns; beyond, by bisection on the sign of the ``K x K`` Schur complement, rounded
        towards minus infinity: to 0.1 percent, or to 1e-15 of a bound of the norm, whichever is larger.
        """
        return float(np.linalg.eigvalsh(self.dense())[0]) if self.is_small else -self._least_shift()

    def least_eigenvector(self) -> Array:
        """Unit eigenvector of the least eigenvalue, shape ``(M,)``; beyond 600 columns from the Schur complement."""
        if self.is_small:
            return np.asarray(np.linalg.eigh(self.dense())[1][:, 0])
        K, c, shift = self.alpha.size, np.zeros(self.size), -self.min_eigenvalue()
        if not shift > self.beta.max():
            c[K + int(self.beta.argmax())] = 1.0
            return c
        c[:K] = np.linalg.eigh(self.schur_complement(shift))[1][:, 0]
        c[K:] = -(self @ c)[K:] / (shift - self.beta)
        return np.asarray(c / np.linalg.norm(c))

    def guaranteed_decrease(self) -> float:
        """Upper bound ``-M min(0, lambda_min) / 2`` on ``f(X) - min f``, in floating point: numerical, not proved.

        The least eigenvalue is lowered by its own rounding error, ``1e-15 M^(1/2)`` of the norm of ``S``.
        """
        slack = 1e-15 * np.sqrt(self.size) * self._norm_bound()
        return 0.5 * self.size * max(0.0, slack - self.min_eigenvalue())

    def is_psd(self, shift: float) -> bool:
        """Whether ``S + shift I`` is positive semidefinite in floating point."""
        if not shift > self.beta.max():
            return False
        return bool(np.linalg.eigvalsh(self.schur_complement(shift))[0] >= 0.0)

    def _norm_bound(self) -> float:
        """Largest absolute row sum, which bounds the spectral norm."""
        rows = np.abs(self.alpha)
        top = 0.0
        for term in self.terms():
            size = np.abs(term.G)
            rows = rows + size.sum(axis=1)
            top = max(top, float((size.sum(axis=0) + np.abs(self.beta[term.block.samples])).max()))
        return max(top, float(rows.max()))

    def _least_shift(self) -> float:
        """Approximate from above the least ``sigma >= 0`` with ``S + sigma I >= 0``."""
        norm = self._norm_bound()
        low, high = max(_ZERO_SHIFT * norm, float(self.beta.max())), norm
        if self.is_psd(_ZERO_SHIFT * norm):
            return _ZERO_SHIFT * norm
        while high > (1.0 + _SHIFT_PRECISION) * low:
            # by the geometric mean, since the least shift may be anywhere between rounding and the norm
            shift = float(np.sqrt(low * high))
            low, high = (low, shift) if self.is_psd(shift) else (shift, high)
        return high


def global_minima(point: UFMEvaluation, shift: float) -> NDArray[np.bool_]:
    """Where ``S + shift diag(scale) >= 0`` in floating point, for a convex loss; ``False`` means nothing.

    There ``f(X) - min f <= shift sum(scale) / 2``, numerically, with the gradient scales of the columns.  ``point``:
    at ``X`` of shape (d, M) or (B, d, M).  Returns an array of shape ``()`` or ``(B,)``.
    """
    K = point.problem.classes
    if not point.problem.loss.facts(K).convex:
        return np.zeros(point.X.shape[:-2], dtype=bool)
    scale = point.gradient_scale
    shifted = shift * scale - point.multipliers
    possible = np.asarray((shifted[..., K:] > 0.0).all(axis=-1) & (scale[..., :K] > 0.0).all(axis=-1))
    if not possible.any():
        return possible
    shifted, scale = (np.where(possible[..., None], each, 1.0) for each in (shifted, scale))
    C = _schur_complement(point.terms(), shifted[..., :K], shifted[..., K:])
    # one factor after the other, so that nothing underflows
    root = np.sqrt(scale[..., :K])
    least = np.linalg.eigvalsh(C / root[..., :, None] / root[..., None, :])[..., 0]
    return np.asarray(possible & (least >= 0.0))


def _schur_complement(terms: Iterable[BlockTerms], a: Array, b: Array) -> Array:
    """``diag(a) - G diag(1 / b) G^T``, shape ``(..., K, K)``."""
    C = a[..., :, None] * np.eye(a.shape[-1])
    for term in terms:
        C -= (term.G / b[..., None, term.block.samples]) @ term.G.mT
    return C
