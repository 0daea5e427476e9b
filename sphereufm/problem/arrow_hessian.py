r"""The Riemannian Hessian of a problem of normalised features as a bordered block-diagonal ("arrow") matrix.

In coordinates of an orthonormal tangent basis (``T_k`` at ``w_k``, ``R_i`` at ``h_i``; ``e = d - 1`` coordinates a
column) the features do not see each other, so the Hessian is

    [ A    B        ]     A   (..., K e, K e)
    [ B^T  diag(C_i)]     B   (..., N, K e, e), block i couples all classifiers with h_i
                          C   (..., N, e, e)

    A_kl  = tau^2 sum_i omega_i (C_i)_kl T_k^T h_i h_i^T T_l - alpha_k delta_kl I
    B_i,k = tau^2 omega_i T_k^T h_i (W C_i e_k)^T R_i + G_ki T_k^T R_i
    C_i   = tau^2 omega_i R_i^T W C_i W^T R_i - beta_i I

where ``C_i`` on the right is the second derivative of the sample's loss by its logits, ``diag(p_i) - p_i p_i^T`` for
cross-entropy.  Systems with the Hessian plus a multiple of the identity are solved by eliminating the features:
``O(N)`` work for fixed ``K`` and ``d``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sphereufm.geometry.spheres import Array
from sphereufm.geometry.tangent_spaces import tangent_bases
from sphereufm.problem import kernels
from sphereufm.problem.losses.logits import get_own, set_own

if TYPE_CHECKING:
    from sphereufm.problem.evaluation import UFMEvaluation

# Shift of the approximate inverse, as a share of its size; doubled until it is definite.
_SHIFT = 1e-3
_DOUBLINGS = 60


@dataclass(frozen=True, eq=False, slots=True)
class ArrowHessian:
    """Blocks of the Hessian in tangent coordinates; coordinates of a vector have shape ``(..., M, e)``."""

    A: Array  #: shape ``(..., K e, K e)``
    B: Array  #: shape ``(..., N, K e, e)``
    C: Array  #: shape ``(..., N, e, e)``

    def scaled(self, s: Array) -> ArrowHessian:
        """``diag(s) Hess diag(s)`` for one factor a column, shape ``(..., M)``."""
        e = self.C.shape[-1]
        K = self.A.shape[-1] // e
        s_W, s_H = np.repeat(s[..., :K], e, axis=-1), s[..., K:]
        return ArrowHessian(
            self.A * s_W[..., :, None] * s_W[..., None, :],
            self.B * s_W[..., None, :, None] * s_H[..., None, None],
            # one factor after the other: their square may overflow where C is tiny
            self.C * s_H[..., None, None] * s_H[..., None, None],
        )

    def damped_newton_step(self, g: Array, sigma: Array) -> Array:
        """``-Re (Hess + i sigma)^{-1} g = -Hess (Hess^2 + sigma^2)^{-1} g``, shape ``(..., M, e)``; ``sigma > 0``.

        This is the Levenberg-Marquardt step for ``|g|^2 / 2`` with damping ``sigma^2``, without squaring the
        condition number, and with the arrow's sparsity.
        """
        e, p, batch = self.C.shape[-1], self.A.shape[-1], self.A.shape[:-2]
        shift = 1j * sigma[..., None, None]
        inverse = where_regular(np.linalg.inv, self.C + shift[..., None, :, :] * np.eye(e))
        g_W, g_H = g[..., : p // e, :].reshape(*batch, p), g[..., p // e :, :]
        BC = self.B @ inverse
        # sum over samples as one product: (p, N e) @ (N e, p)
        wide = BC.swapaxes(-3, -2).reshape(*batch, p, -1)
        wide_B = self.B.swapaxes(-3, -2).reshape(*batch, p, -1)
        schur = self.A + shift * np.eye(p) - wide @ wide_B.mT
        right = g_W - (wide @ g_H.reshape(*batch, -1, 1))[..., 0]
        s_W = where_regular(np.linalg.solve, schur, right[..., None])
        coupled = g_H[..., None] - self.B.mT @ s_W[..., None, :, :]
        s_H = (inverse @ coupled)[..., 0]
        return -np.concatenate([s_W[..., 0].reshape(*batch, p // e, e), s_H], axis=-2).real

    def dense(self) -> Array:
        """Return the whole matrix, shape ``(..., M e, M e)``, columns ordered by sphere and then coordinate."""
        p, e, N = self.A.shape[-1], self.C.shape[-1], self.C.shape[-3]
        batch = self.A.shape[:-2]
        full = np.zeros((*batch, p + N * e, p + N * e))
        full[..., :p, :p] = self.A
        border = self.B.swapaxes(-3, -2).reshape(*batch, p, N * e)
        full[..., :p, p:] = border
        full[..., p:, :p] = border.mT
        tail = full[..., p:, p:]
        for i in range(N):
            tail[..., i * e : (i + 1) * e, i * e : (i + 1) * e] = self.C[..., i, :, :]
        return full


def where_regular(solve: Callable[..., Array], *stacks: Array) -> Array:
    """What a function of matrices answers, NaN for those that are singular in floats: there no step can be told."""
    try:
        return solve(*stacks)
    except np.linalg.LinAlgError:
        if stacks[0].ndim == 2:
            return np.full_like(stacks[-1], np.nan)
        return np.array([where_regular(solve, *items) for items in zip(*stacks, strict=True)])


def arrow_hessian(point: UFMEvaluation) -> ArrowHessian:
    """Assemble the Hessian's blocks at a point, or at each of a stack of points, ``d >= 2``."""
    K, e = point.problem.classes, point.problem.dim - 1
    T = tangent_bases(point.X)
    T_W, R = T[..., :K, :, :], T[..., K:, :, :]
    H, G, curvature = point.H, point.G.mT, _curvature(point)
    batch = H.shape[:-2]
    rows = T_W.mT.reshape(*batch, K * e, -1)
    Th = (H.mT @ rows.mT).reshape(*batch, -1, K, e)
    A = _sum_classifier_blocks(curvature, Th)
    A[..., np.arange(K * e), np.arange(K * e)] -= np.repeat(point.alpha, e, axis=-1)
    curved, C = _seen_by_features(point, curvature, R)
    B = Th[..., :, :, :, None] * curved[..., :, :, None, :]
    frames = rows @ R.swapaxes(-3, -2).reshape(*batch, R.shape[-2], -1)
    frames = frames.reshape(*batch, K, e, -1, e).swapaxes(-2, -3).swapaxes(-3, -4)
    B = (B + G[..., None, None] * frames).reshape(*batch, G.shape[-2], K * e, e)
    return ArrowHessian(A, B, C)


def feature_blocks(point: UFMEvaluation) -> Array:
    """The blocks ``C_i`` alone, shape ``(..., N, e, e)``, in the bases of :func:`tangent_bases`."""
    R = tangent_bases(point.H)
    return _seen_by_features(point, _curvature(point), R)[1]


def mean_curvature(point: UFMEvaluation) -> Array:
    """Mean over all directions of each column's own curvature by the logits, shape ``(..., K + N)``.

    For ``w_k`` that is ``tau^2 sum_i omega_i (C_i)_kk / d``; for ``h_i`` it is ``tau^2 omega_i trace(W C_i W^T) / d``,
    for cross-entropy up to a part of second order in the probability of the wrong classes, which is left out.
    """
    problem = point.problem
    parts = (
        _softmax_parts(point) if problem.loss.facts(problem.classes).probability else _general_parts(point)
    )
    return np.asarray(np.concatenate(parts, axis=-1) / problem.dim)


def _softmax_parts(point: UFMEvaluation) -> tuple[Array, Array]:
    """Sums over samples and over classes from ``G`` alone."""
    gram = point.W.mT @ point.W
    classifiers: Array | float = 0.0
    features = []
    for term in point.terms():
        block = term.block
        P = term.G / block.scale
        set_own(P, block.flat, -get_own(P, block.flat))
        squares = 2.0 - 2.0 * gram[..., block.labels]
        scale = block.temperatures * block.scale
        features.append(scale * (P * squares).sum(axis=-2))
        # p (1 - p) is the same for the own class with the wrong ones' probability in place of p
        classifiers = classifiers + (scale * P * (1.0 - P)).sum(axis=-1)
    return np.asarray(classifiers), np.concatenate(features, axis=-1)


def _general_parts(point: UFMEvaluation) -> tuple[Array, Array]:
    """The same for any loss, one class at a time: ``O(K^2 N)``."""
    problem, W = point.problem, point.W
    gram = W.mT @ W
    classifiers, features = np.zeros(point.alpha.shape), np.zeros(point.beta.shape)
    for term in point.terms():
        for k in range(problem.classes):
            D = np.zeros(term.G.shape)
            D[..., k, :] = term.block.temperatures
            C = problem.loss.curvature(term, D, term.block)
            classifiers[..., k] += C[..., k, :].sum(axis=-1)
            features[..., term.block.samples] += (gram[..., k, :][..., None, :] @ C)[..., 0, :]
    return classifiers, features


def approximate_inverse(point: UFMEvaluation, root: Array) -> Callable[[Array], Array] | None:
    """Inverse of the multiplier matrix plus mean curvatures, shifted until it is positive definite; at one point.

    Columns are scaled by ``root``, shape ``(M,)``, the Hessian by ``1 / root`` on both sides.  Takes and returns
    vectors of shape ``(..., M)``; None where no shift is large enough.
    """
    S, t, metric = point.multiplier_matrix, mean_curvature(point), np.square(root)
    shift = _SHIFT * float((np.abs(point.multipliers) / metric).max())
    for _ in range(_DOUBLINGS):
        solve = S.shifted_inverse(t + shift * metric)
        if solve is not None:
            break
        shift *= 2.0
    return None if solve is None else lambda R: solve(R * root) * root


def _curvature(point: UFMEvaluation) -> Array:
    """``tau_i^2 omega_i C_i`` of every sample, shape ``(..., N, K, K)``."""
    loss = point.problem.loss
    parts = [kernels.curvatures(loss, term, term.block.temperatures) for term in point.terms()]
    return np.moveaxis(np.concatenate(parts, axis=-1), (0, -1), (-1, -3))


def _seen_by_features(point: UFMEvaluation, curvature: Array, R: Array) -> tuple[Array, Array]:
    """``tau^2 omega_i C_i W^T R_i``, shape ``(..., N, K, e)``, and the features' blocks."""
    Rw = R.mT @ point.W[..., None, :, :]
    curved = curvature @ Rw.mT
    C = Rw @ curved - point.beta[..., None, None] * np.eye(R.shape[-1])
    return curved, C


def _sum_classifier_blocks(curvature: Array, Th: Array) -> Array:
    """``sum_i (C_i)_kl (T_k^T h_i) (T_l^T h_i)^T`` as one ``(K e, K e)`` matrix."""
    *batch, N, K, e = Th.shape
    right = (curvature[..., :, :, :, None] * Th[..., :, None, :, :]).reshape(*batch, N, K, K * e)
    left = Th.swapaxes(-3, -2).swapaxes(-2, -1)
    A = left @ right.swapaxes(-3, -2)
    return A.reshape(*batch, K * e, K * e)
