r"""Closed-form kernels of ``f(W, H) = sum_i omega_i loss(tau W^T h_i, y_i)``, streamed over samples.

==============  ===============  ==========================================================
symbol          shape            meaning
==============  ===============  ==========================================================
``W``           ``(..., d, K)``  classifier
``H``           ``(..., d, N)``  features
``Z``           ``(..., K, N)``  logits ``tau W^T H``
``G``           ``(..., K, N)``  ``tau (P - Y) diag(omega)``
``alpha``       ``(..., K)``     ``<w_k, (H G^T)_k>``
``beta``        ``(..., N)``     ``<h_i, (W G)_i>``
``U, V``        as ``W, H``      tangent direction
==============  ===============  ==========================================================

Riemannian gradient: ``H G^T - W diag(alpha)``, ``W G - H diag(beta)``.  Riemannian Hessian along
``(U, V)``: the projection of ``V G^T + H Gdot^T - U diag(alpha)`` and ``U G + W Gdot - V diag(beta)``.  Inner products with features
are taken in the space of the ``K`` logits (``<h_i, W g_i> = sum_k G_ki Z_ki / tau``), which costs ``K N`` and
not ``d N``.

A block holds about 65,000 logits, so that the elementwise passes between two matrix products stay in cache.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array, project
from sphereufm.problem.losses import LogitTerms, Loss

__all__ = [
    "SampleBlock",
    "evaluate",
    "forward",
    "gradient_scales",
    "hessian_product",
    "sample_blocks",
]

_BLOCK_LOGITS = 1 << 16
_SMALLEST_BLOCK = 64


@dataclass(frozen=True, eq=False, slots=True)
class SampleBlock:
    """A run of samples with what each kernel needs of their labels and weights.

    Attributes
    ----------
    samples : slice
        Which columns of ``H``.
    flat : ndarray of int, shape (n,)
        Place of each sample's own class in the flattened ``(K, n)`` block.
    weights, scale : ndarray, shape (n,)
        ``omega_i`` and ``tau omega_i``.
    """

    samples: slice
    flat: NDArray[np.intp]
    weights: Array
    scale: Array


def sample_blocks(
    labels: NDArray[np.intp], weights: Array, classes: int, tau: float
) -> tuple[SampleBlock, ...]:
    """Cut the samples into blocks of about 65,000 logits.

    Examples
    --------
    >>> len(sample_blocks(np.zeros(1000, dtype=np.intp), np.full(1000, 1e-3), 655, 1.0))
    10
    """
    step = max(_SMALLEST_BLOCK, _BLOCK_LOGITS // classes)
    blocks = []
    for start in range(0, labels.size, step):
        samples = slice(start, min(start + step, labels.size))
        n = samples.stop - start
        flat = labels[samples] * n + np.arange(n)
        blocks.append(SampleBlock(samples, flat, weights[samples], tau * weights[samples]))
    return tuple(blocks)


def forward(
    loss: Loss, W: Array, H: Array, tau: float, blocks: Iterable[SampleBlock]
) -> Iterator[LogitTerms]:
    """Yield the forward pass block by block: one matrix product and one exponential."""
    tau_Wt = tau * np.swapaxes(W, -1, -2)
    for block in blocks:
        yield loss.forward(tau_Wt @ H[..., block.samples], block.flat, block.scale)


def evaluate(
    terms: Iterable[LogitTerms], blocks: Iterable[SampleBlock], W: Array, H: Array, tau: float
) -> tuple[Array, Array, Array, Array]:
    """Cost, Riemannian gradient and multipliers from one pass over the forward terms.

    Returns
    -------
    cost : ndarray, shape (...)
    gradient : ndarray, shape (..., d, K + N)
    alpha : ndarray, shape (..., K)
    beta : ndarray, shape (..., N)
    """
    K, N = W.shape[-1], H.shape[-1]
    W = np.ascontiguousarray(W)
    gradient = np.empty((*W.shape[:-1], K + N))
    gradient_W = np.zeros(W.shape)
    beta = np.empty((*W.shape[:-2], N))
    cost = np.zeros(W.shape[:-2])
    for term, block in zip(terms, blocks, strict=True):
        i = block.samples
        H_block = H[..., i]
        cost += term.cost @ block.weights
        gradient_W += H_block @ np.swapaxes(term.G, -1, -2)
        beta[..., i] = np.einsum("...kn,...kn->...n", term.G, term.E) / tau
        pull = W @ term.G
        np.subtract(pull, H_block * beta[..., None, i], out=gradient[..., K + i.start : K + i.stop])
    alpha = np.einsum("...dk,...dk->...k", W, gradient_W)
    np.subtract(gradient_W, W * alpha[..., None, :], out=gradient[..., :K])
    return cost, gradient, alpha, beta


def hessian_product(
    terms: Iterable[LogitTerms],
    blocks: Iterable[SampleBlock],
    X: Array,
    U: Array,
    multipliers: tuple[Array, Array],
    model: tuple[Loss, float],
) -> Array:
    """Riemannian Hessian applied to the tangent ``U``, six matrix products a pass.

    Parameters
    ----------
    terms, blocks
        Forward pass at ``X`` and its blocks.
    X, U : ndarray, shape (..., d, K + N)
        Point and tangent vector; batch axes broadcast.
    multipliers : tuple of ndarray
        ``(alpha, beta)``.
    model : tuple
        ``(loss, tau)``.
    """
    alpha, beta = multipliers
    loss, tau = model
    K = alpha.shape[-1]
    W, H, U_W, V = X[..., :K], X[..., K:], np.ascontiguousarray(U[..., :K]), U[..., K:]
    W = np.ascontiguousarray(W)
    Wt, Ut = np.swapaxes(W, -1, -2), np.swapaxes(U_W, -1, -2)
    out = np.empty(np.broadcast_shapes(X.shape, U.shape))
    out_W = -U_W * alpha[..., None, :]
    for term, block in zip(terms, blocks, strict=True):
        i = block.samples
        H_block, V_block = H[..., i], V[..., i]
        D = Ut @ H_block
        normal = np.einsum("...kn,...kn->...n", term.G, D)
        D += Wt @ V_block
        G_dot = loss.curvature(term, D, block.flat, tau, block.scale)
        normal += np.einsum("...kn,...kn->...n", G_dot, term.E) / tau
        out_W = out_W + (V_block @ np.swapaxes(term.G, -1, -2) + H_block @ np.swapaxes(G_dot, -1, -2))
        change = U_W @ term.G
        change += W @ G_dot
        change -= V_block * beta[..., None, i]
        np.subtract(change, H_block * normal[..., None, :], out=out[..., K + i.start : K + i.stop])
    out[..., :K] = project(W, out_W)
    return out


def gradient_scales(terms: Iterable[LogitTerms], blocks: Iterable[SampleBlock]) -> Array:
    """Sums of ``|G|`` over samples (for each ``w_k``) and over classes (for each ``h_i``), ``(..., K + N)``."""
    rows: Array | None = None
    columns = []
    for term, _ in zip(terms, blocks, strict=True):
        size = np.abs(term.G)
        total = size.sum(axis=-1)
        rows = total if rows is None else rows + total
        columns.append(size.sum(axis=-2))
    assert rows is not None
    return np.concatenate([rows, *columns], axis=-1)
