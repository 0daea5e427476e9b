r"""Krylov space of a Hessian and a gradient, and what can be minimised in it; one item at a time.

With an orthonormal basis ``Q`` of ``span(g, Hess g, ..)`` and ``T = Q^T Hess Q`` tridiagonal, both problems are
small:

    cubic:      min  |g| y_1 + y^T T y / 2 + sigma |y|^3 / 3         (regularisation sigma)
    residual:   min  |Hess Q y + g|                                  (MINRES)

A basis that was built for one ``sigma`` serves every other one: no Hessian product is spent twice.

References
----------
N. Agarwal, N. Boumal, B. Bullins, C. Cartis, *Adaptive regularization with cubics on manifolds*, Math. Program. 2021.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sphereufm.geometry.spheres import Array

__all__ = ["Krylov"]

# below this share of the largest entry of T the space is invariant
_INVARIANT = 1e-14
_SECULAR_STEPS = 60


class Krylov:
    """An orthonormal basis that grows by one Hessian product at a time.

    Parameters
    ----------
    gradient : ndarray, shape (d, M)
    product : callable
        Hessian product.

    Examples
    --------
    >>> space = Krylov(np.array([[1.0, 2.0]]), lambda U: U * np.array([[1.0, 4.0]]))
    >>> space.grow(), space.grow(), space.grow()
    (True, True, False)
    >>> space.combine(space.least_residual()[0])
    array([[-1. , -0.5]])
    """

    def __init__(self, gradient: Array, product: Callable[[Array], Array]) -> None:
        self.product = product
        self.norm = float(np.linalg.norm(gradient))
        self.basis = [gradient / self.norm] if self.norm > 0.0 else []
        self.diagonal: list[float] = []
        self.off: list[float] = []
        self.exhausted = self.norm == 0.0

    @property
    def size(self) -> int:
        """Dimension of the space."""
        return len(self.diagonal)

    @property
    def largest(self) -> float:
        """Largest entry of ``T`` in absolute value."""
        return max(*map(abs, self.diagonal), *self.off)

    def grow(self) -> bool:
        """Add one dimension; false if the space is invariant already."""
        if self.exhausted:
            return False
        image = self.product(self.basis[-1])
        self.diagonal.append(float(np.vdot(self.basis[-1], image)))
        for _ in range(2):
            for vector in self.basis:
                image = image - np.vdot(vector, image) * vector
        length = float(np.linalg.norm(image))
        self.off.append(length)
        if length <= _INVARIANT * self.largest or len(self.basis) == image.size:
            self.exhausted = True
            self.off[-1] = 0.0
        else:
            self.basis.append(image / length)
        return True

    def tridiagonal(self) -> Array:
        """``T``, shape (k, k)."""
        return np.diag(self.diagonal) + np.diag(self.off[:-1], 1) + np.diag(self.off[:-1], -1)

    def cubic(self, sigma: float) -> tuple[Array, float, float]:
        """Minimiser of the cubic model: ``y``, its value (without the cubic term), and the residual of the space.

        ``y = -|g| (T + lambda)^{-1} e_1`` with ``lambda = sigma |y| >= -lambda_min``, found by safeguarded Newton steps
        on ``1 / |y| - sigma / lambda``.
        """
        values, vectors = np.linalg.eigh(self.tridiagonal())
        c = self.norm * vectors[0]
        low = max(0.0, -float(values[0]))
        high = low + np.sqrt(sigma * self.norm) + 1e-300
        lam = high
        # keeps the hard case (a gradient without share in the bottom eigenvector) from dividing by zero
        floor = _INVARIANT * max(float(np.abs(values).max()), lam)
        for _ in range(_SECULAR_STEPS):
            shifted = np.maximum(values + lam, floor)
            z = c / shifted
            length = float(np.sqrt(z @ z))
            gap = lam - sigma * length
            if abs(gap) <= 1e-12 * lam:
                break
            low, high = (low, lam) if gap > 0.0 else (lam, high)
            # d|y| / d lambda = -sum z^2 / shifted / |y|
            slope = sigma / lam**2 + float(z @ (z / shifted)) / length**3
            newton = lam - (1.0 / length - sigma / lam) / slope
            lam = newton if low < newton < high else 0.5 * (low + high)
        y = -(vectors @ (c / np.maximum(values + lam, floor)))
        model = float(self.norm * y[0] + 0.5 * y @ (self.tridiagonal() @ y))
        return y, model, self.off[-1] * abs(float(y[-1]))

    def least_residual(self) -> tuple[Array, float]:
        """Minimiser ``y`` of ``|Hess Q y + g|``, and that residual."""
        k = self.size
        T = np.zeros((k + 1, k))
        T[:k] = self.tridiagonal()
        T[k, k - 1] = self.off[-1]
        right = np.zeros(k + 1)
        right[0] = -self.norm
        y = np.asarray(np.linalg.lstsq(T, right, rcond=1e-14)[0], dtype=np.float64)
        return y, float(np.linalg.norm(T @ y - right))

    def combine(self, y: Array) -> Array:
        """``Q y``."""
        return np.asarray(np.tensordot(y, np.array(self.basis[: y.size]), axes=1))
