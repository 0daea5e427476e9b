r"""Orthonormal bases of tangent spaces, by one Householder reflection a column.

For a unit vector ``x`` of ``R^d`` the reflection ``R = I - 2 v v^T / |v|^2`` with ``v = x + sign(x_0) e_0``
sends ``x`` to ``-sign(x_0) e_0``; its rows 1 .. d-1 are an orthonormal basis of the tangent space at ``x``.
Nothing is divided by a small number, so the basis is orthonormal to rounding everywhere.

========  =======================  ==========================================================================
symbol    shape                    meaning
========  =======================  ==========================================================================
``X``     ``(..., d, M)``          point
``T``     ``(..., M, d, d - 1)``   basis: column ``j`` of a tangent is ``T[j] @ c_j``
``c``     ``(..., M (d - 1))``     coordinates ``c_1, .., c_M`` of a tangent vector, as in the Hessian's matrix
========  =======================  ==========================================================================
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array
from sphereufm.geometry.symmetry.groups import vertical_basis


def tangent_bases(X: Array) -> Array:
    """Orthonormal basis of each column's tangent space, shape ``(..., M, d, d - 1)``."""
    V, half = _reflector(X)
    rows = np.swapaxes(V, -1, -2)
    d = X.shape[-2]
    T = -(rows[..., :, None] * rows[..., None, 1:]) / half[..., :, None, None]
    return T + np.eye(d)[:, 1:]


def to_coordinates(X: Array, U: Array) -> Array:
    """Coordinates of ``U``, shape ``(..., d, M)``, or of its tangent part; batch axes broadcast."""
    V, half = _reflector(X)
    inner = np.einsum("...dm,...dm->...m", V, U) / half
    c = U[..., 1:, :] - V[..., 1:, :] * inner[..., None, :]
    return np.swapaxes(c, -1, -2).reshape(*c.shape[:-2], c.shape[-1] * c.shape[-2])


def from_coordinates(X: Array, c: Array, used: NDArray[np.bool_] | None = None) -> Array:
    """Tangent vector ``(..., d, M)``; ``c`` may hold the coordinates ``used`` alone.  Batch axes broadcast."""
    d, M = X.shape[-2:]
    if used is not None:
        c, given = np.zeros((*c.shape[:-1], used.size)), c
        c[..., used] = given
    c = np.swapaxes(c.reshape(*c.shape[:-1], M, d - 1), -1, -2)
    V, half = _reflector(X)
    inner = np.einsum("...dm,...dm->...m", V[..., 1:, :], c) / half
    U = -V * inner[..., None, :]
    U[..., 1:, :] += c
    return U


def vertical_coordinates(X: Array, rank: int) -> Array:
    """Orthonormal basis of the tangent space of the O(d) orbit, in coordinates, shape ``(M (d - 1), k)``."""
    return to_coordinates(X, vertical_basis(X, rank)).T


def _reflector(X: Array) -> tuple[Array, Array]:
    """Householder vectors ``v`` (columns) and ``|v|^2 / 2 = 1 + |x_0|``."""
    V = X.copy()
    V[..., 0, :] += np.where(X[..., 0, :] < 0.0, -1.0, 1.0)
    return V, 1.0 + np.abs(X[..., 0, :])
