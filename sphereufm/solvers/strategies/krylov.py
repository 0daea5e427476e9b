r"""Krylov spaces of Hessians and gradients, one for each item of a batch, and what can be minimised in them.

With an orthonormal basis ``Q`` of ``span(g, Hess g, ..)`` and ``T = Q^T Hess Q`` tridiagonal, both problems are
small:

    cubic:      min  |g| y_1 + y^T T y / 2 + sigma |y|^3 / 3         (regularisation sigma)
    residual:   min  |Hess Q y + g|                                  (MINRES)

A basis that was built for one ``sigma`` serves every other one: no Hessian product is computed twice.  Spaces of
different size are treated together: the smaller ``T`` are bordered by numbers that leave their part alone.

==========  ===============  ==========================================================
symbol      shape            meaning
==========  ===============  ==========================================================
``rows``    ``(b,)``         positions of some items in the batch
``y``       ``(b, k)``       coefficients, zero beyond the size of an item's space
==========  ===============  ==========================================================

References
----------
N. Agarwal, N. Boumal, B. Bullins, C. Cartis, *Adaptive regularization with cubics on manifolds*, Math. Program. 2021.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array
from sphereufm.solvers.oracle import Rows

# below this share of the largest entry of T the space is invariant
_INVARIANT = 1e-14
_SECULAR_STEPS = 60
_FIRST_ROOM = 8


@dataclass(slots=True, eq=False)
class Krylov:
    """Orthonormal bases that grow by one Hessian product at a time."""

    basis: Array  #: shape ``(B, room, d M)``
    #: ``diagonal`` and ``off``, shape ``(B, room)``: entries of ``T``.
    diagonal: Array
    off: Array
    size: NDArray[np.intp]  #: shape ``(B,)``: dimension of each space
    norm: Array  #: shape ``(B,)``: norm of each gradient
    #: Shape ``(B,)``: whether a space cannot grow: it is invariant, or the next product is not finite.
    exhausted: NDArray[np.bool_]
    shape: tuple[int, ...]  #: of a tangent vector

    @classmethod
    def of(cls, gradient: Array) -> Krylov:
        """Empty spaces of gradients, shape (B, d, M)."""
        B, *shape = gradient.shape
        basis, diagonal, off = (np.zeros((B, _FIRST_ROOM, *each)) for each in ((math.prod(shape),), (), ()))
        size = np.zeros(B, dtype=np.intp)
        space = cls(basis, diagonal, off, size, np.zeros(B), size > 0, tuple(shape))
        space.begin(np.arange(B), gradient)
        return space

    def begin(self, rows: Rows, gradient: Array) -> None:
        """Start the spaces of some items afresh, from their gradients, shape (b, d, M)."""
        flat = gradient.reshape(rows.size, self.basis.shape[2])
        norm = np.sqrt(np.einsum("bi,bi->b", flat, flat))
        self.basis[rows] = 0.0
        self.basis[rows, 0] = flat / np.where(norm > 0.0, norm, 1.0)[:, None]
        self.diagonal[rows] = self.off[rows] = 0.0
        self.size[rows], self.norm[rows], self.exhausted[rows] = 0, norm, norm == 0.0

    def largest(self, rows: Rows) -> Array:
        """Largest entry of each ``T`` in absolute value, shape (b,)."""
        return np.maximum(np.abs(self.diagonal[rows]).max(axis=1), self.off[rows].max(axis=1))

    def grow(self, rows: Rows, product: Callable[[Rows, Array], Array]) -> None:
        """Add one dimension to the spaces of some items, none of which is exhausted, by products with ``(rows, U)``."""
        last = self.basis[rows, self.size[rows]]
        image = product(rows, last.reshape(rows.size, *self.shape)).reshape(last.shape)
        known = np.isfinite(np.einsum("bi,bi->b", image, image))
        self.exhausted[rows] = ~known
        if known.any():
            self._extend(rows[known], last[known], image[known])

    def _extend(self, rows: Rows, last: Array, image: Array) -> None:
        """One step of the Lanczos process from the Hessian's ``image`` of each ``last`` vector, shape (b, d M)."""
        size = self.size[rows]
        Q = self._vectors(rows, int(size.max()) + 1)
        self.diagonal[rows, size] = np.einsum("bi,bi->b", last, image)
        for _ in range(2):
            image = image - ((Q @ image[:, :, None]).mT @ Q)[:, 0]
        length = np.sqrt(np.einsum("bi,bi->b", image, image))
        self.off[rows, size] = length
        full = (length <= _INVARIANT * self.largest(rows)) | (size + 1 == last.shape[1])
        self.exhausted[rows], self.size[rows] = full, size + 1
        self.off[rows[full], size[full]] = 0.0
        self._make_room(int(size.max()) + 2)
        more = ~full
        self.basis[rows[more], size[more] + 1] = image[more] / length[more, None]

    def ritz(self, rows: Rows) -> tuple[Array, Array]:
        """Eigenvalues, ascending, and eigenvectors of each ``T``; for spaces of one size."""
        return np.linalg.eigh(self._tridiagonal(rows, np.zeros(rows.size)))

    def cubic(self, rows: Rows, sigma: Array) -> tuple[Array, Array, Array]:
        """Minimisers of the cubic models: ``y``, values (without the cubic term), and the residuals of the spaces.

        ``y = -|g| (T + lambda)^{-1} e_1`` with ``lambda = sigma |y| >= -lambda_min``.
        """
        # a border of the size of T is no least eigenvalue, and e_1 has no share in it
        T = self._tridiagonal(rows, self.largest(rows))
        values, vectors = np.linalg.eigh(T)
        c = self.norm[rows, None] * vectors[:, 0]
        y = -(vectors @ _secular_solution(values, c, sigma)[:, :, None])[:, :, 0]
        size = self.size[rows]
        y[np.arange(y.shape[1]) >= size[:, None]] = 0.0
        model = self.norm[rows] * y[:, 0] + 0.5 * np.einsum("bi,bij,bj->b", y, T, y)
        items = np.arange(rows.size)
        return y, model, self.off[rows, size - 1] * np.abs(y[items, size - 1])

    def least_residual(self, rows: Rows) -> tuple[Array, Array]:
        """Minimisers ``y`` of ``|Hess Q y + g|``, and these residuals."""
        size, items = self.size[rows], np.arange(rows.size)
        square = self._tridiagonal(rows, np.zeros(rows.size))
        k = square.shape[1]
        T = np.concatenate([square, np.zeros((rows.size, 1, k))], axis=1)
        T[items, size, size - 1] = self.off[rows, size - 1]
        right = np.zeros((rows.size, k + 1, 1))
        right[:, 0, 0] = -self.norm[rows]
        y = np.linalg.pinv(T, rcond=1e-14) @ right
        return y[:, :, 0], np.linalg.norm((T @ y - right)[:, :, 0], axis=1)

    def combine(self, rows: Rows, y: Array) -> Array:
        """``Q y``, shape (b, d, M)."""
        Q = self._vectors(rows, y.shape[1])
        return (y[:, None, :] @ Q).reshape(rows.size, *self.shape)

    def _vectors(self, rows: Rows, count: int) -> Array:
        """The first vectors of some bases; zero where a basis has fewer."""
        everyone = rows.size == self.size.size
        return self.basis[:, :count] if everyone else self.basis[rows, :count]

    def _tridiagonal(self, rows: Rows, border: Array) -> Array:
        """``T`` of each item, shape (b, k, k), with ``border`` on the diagonal beyond an item's size."""
        size = self.size[rows, None]
        place = np.arange(int(size.max()))
        T = np.zeros((rows.size, place.size, place.size))
        T[:, place, place] = np.where(place < size, self.diagonal[rows, : place.size], border[:, None])
        beside = np.where(place[1:] < size, self.off[rows, : place.size - 1], 0.0)
        T[:, place[1:], place[:-1]] = T[:, place[:-1], place[1:]] = beside
        return T

    def _make_room(self, count: int) -> None:
        """Double the room for vectors where it is too small."""
        if count > self.basis.shape[1]:
            old = self.basis, self.diagonal, self.off
            self.basis, self.diagonal, self.off = (np.concatenate([x, np.zeros_like(x)], axis=1) for x in old)


def _secular_solution(values: Array, c: Array, sigma: Array) -> Array:
    """``c / (values + lambda)`` with ``lambda = sigma |c / (values + lambda)| >= -lambda_min``, shape (b, k).

    The unknown is ``mu = lambda - max(0, -lambda_min)``: in the hard case (a gradient with little share in the bottom
    eigenvector) ``values + lambda`` would cancel.
    """
    least = np.maximum(0.0, -values[:, 0])
    above = values + least[:, None]
    # |c / (values + lambda)| <= |c| / mu
    norm = np.sqrt(np.einsum("bi,bi->b", c, c))
    high = np.sqrt(sigma * norm) + 1e-300
    floor = low = _INVARIANT * np.maximum(np.abs(values).max(axis=1), high)
    mu = np.maximum(high, floor)
    for _ in range(_SECULAR_STEPS):
        shifted = above + mu[:, None]
        z = c / shifted
        length = np.sqrt(np.einsum("bi,bi->b", z, z))
        lam = least + mu
        gap = lam - sigma * length
        # below the floor lambda is not felt
        off = (np.abs(gap) > 1e-12 * lam) & ((gap < 0.0) | (mu > floor))
        if not off.any():
            break
        low, high = np.where(gap > 0.0, low, mu), np.where(gap > 0.0, mu, high)
        # Newton for lambda / |y| = sigma, where d|y| / d lambda = -sum z^2 / shifted / |y|
        bend = np.einsum("bi,bi->b", z, z / shifted) / length**2
        newton = np.maximum(mu - gap / (1.0 + lam * bend), floor)
        inside = (low <= newton) & (newton < high)
        mu = np.where(off, np.where(inside, newton, 0.5 * (low + high)), mu)
    return z
