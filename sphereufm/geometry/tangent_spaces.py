r"""Orthonormal bases of tangent spaces, by one Householder reflection a column.

For a unit vector ``x`` of ``R^d`` the reflection ``R = I - 2 v v^T / |v|^2`` with ``v = x + sign(x_0) e_0``
sends ``x`` to ``-sign(x_0) e_0``; its rows 1 .. d-1 are an orthonormal basis of the tangent space at ``x``.
Nothing is divided by a small number, so the basis is orthonormal to rounding everywhere.

========  ======================  ==================================================
symbol    shape                   meaning
========  ======================  ==================================================
``X``     ``(..., d, M)``         point
``T``     ``(..., M, d, d - 1)``  basis: column ``j`` of a tangent is ``T[j] @ c[:, j]``
``c``     ``(..., d - 1, M)``     coordinates of a tangent vector
========  ======================  ==================================================
"""

from __future__ import annotations

import numpy as np

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
    """Coordinates ``(..., d - 1, M)`` of a tangent ``U`` at ``X`` in the basis of :func:`tangent_bases`.

    For a general array ``U`` these are the coordinates of its tangent part.
    """
    V, half = _reflector(X)
    inner = np.einsum("...dm,...dm->...m", V, U) / half
    return U[..., 1:, :] - V[..., 1:, :] * inner[..., None, :]


def from_coordinates(X: Array, c: Array) -> Array:
    """Tangent vector ``(..., d, M)`` at ``X`` with the given coordinates."""
    V, half = _reflector(X)
    inner = np.einsum("...dm,...dm->...m", V[..., 1:, :], c) / half
    U = -V * inner[..., None, :]
    U[..., 1:, :] += c
    return U


def vertical_coordinates(X: Array, rank: int) -> Array:
    """Orthonormal basis of the tangent space of the O(d) orbit, in coordinates, shape ``(M (d - 1), k)``.

    Rows are ordered by column of ``X`` and then by coordinate, as in the Hessian's matrix.
    """
    basis = vertical_basis(X, rank)
    coordinates = to_coordinates(np.broadcast_to(X, basis.shape), basis)
    return np.swapaxes(coordinates, -1, -2).reshape(len(basis), -1).T


def _reflector(X: Array) -> tuple[Array, Array]:
    """Householder vectors ``v`` (columns) and ``|v|^2 / 2 = 1 + |x_0|``."""
    V = X.copy()
    V[..., 0, :] += np.where(X[..., 0, :] < 0.0, -1.0, 1.0)
    return V, 1.0 + np.abs(X[..., 0, :])
