r"""Closed-form kernels of ``f(W, H) = sum_i omega_i loss(tau_i W^T h_i, y_i)``, streamed over samples.

==============  ===============  ==========================================================
symbol          shape            meaning
==============  ===============  ==========================================================
``W``           ``(..., d, K)``  classifier
``H``           ``(..., d, N)``  features
``Z``           ``(..., K, N)``  logits ``tau_i W^T h_i``
``G``           ``(..., K, N)``  derivative by ``W^T H``: for cross-entropy ``tau (P - Y) diag(omega)``
``alpha``       ``(..., K)``     ``<w_k, (H G^T)_k>``
``beta``        ``(..., N)``     ``<h_i, (W G)_i>``
``U, V``        as ``W, H``      tangent direction
==============  ===============  ==========================================================

Riemannian gradient: ``H G^T - W diag(alpha)``, ``W G - H diag(beta)``.  Riemannian Hessian along
``(U, V)``: the projection of ``V G^T + H Gdot^T - U diag(alpha)`` and ``U G + W Gdot - V diag(beta)``.

A block holds about 65,000 logits, so that the elementwise passes between two matrix products stay in cache.
Temporary arrays are made once and used by all blocks: fresh memory costs more than the arithmetic done in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import prod

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array
from sphereufm.problem.losses.interface import BlockTerms, Loss, SampleBlock, block_from_labels, magnitude

_BLOCK_LOGITS = 1 << 16
_SMALLEST_BLOCK = 64
# entries that are scaled and subtracted at a time, so that the product stays in cache
_TILE = 1 << 16


def sample_blocks(
    labels: NDArray[np.intp], weights: Array, classes: int, tau: float, rates: Array | None = None
) -> tuple[SampleBlock, ...]:
    """Cut the samples into blocks of about 65,000 logits; ``rates`` are ``tau_i / tau`` if they differ."""
    step = max(_SMALLEST_BLOCK, _BLOCK_LOGITS // classes)
    blocks = []
    for start in range(0, labels.size, step):
        part = slice(start, start + step)
        rate = None if rates is None else rates[part]
        blocks.append(block_from_labels(labels[part], weights[part], tau, rate, start=start, classes=classes))
    return tuple(blocks)


def block_of(buffer: Array, shape: tuple[int, ...], samples: slice) -> Array:
    """A block's own part of a flat buffer of all blocks, each C-contiguous; ``shape``: axes before the samples."""
    rows = prod(shape)
    part = buffer[rows * samples.start : rows * samples.stop]
    return part.reshape(*shape, samples.stop - samples.start)


def forward(
    loss: Loss,
    W: Array,
    H: Array,
    blocks: tuple[SampleBlock, ...],
    *,
    keep: Array | None = None,
    bias: Array | None = None,
) -> Iterator[BlockTerms]:
    """Yield the forward pass block by block: one matrix product and one exponential.

    ``keep``, shape ``(prod(...) K N,)``, receives ``G`` of all blocks, in the layout of :func:`block_of`; ``bias``,
    shape ``(..., K)``, is added to the logits.  Without ``keep``, ``G`` shares its memory with the next block: use a
    block before asking for the next one.
    """
    tau_Wt = blocks[0].tau * W.mT
    shape = (*W.shape[:-2], W.shape[-1])
    margins = _room(shape, blocks)
    gradients = _room(shape, blocks) if keep is None else keep
    for block in blocks:
        Z = np.matmul(tau_Wt, H[..., block.samples], out=_part(margins, shape, block))
        if block.rates is not None:
            Z *= block.rates
        if bias is not None:
            Z += bias[..., :, None]
        G = _part(gradients, shape, block) if keep is None else block_of(keep, shape, block.samples)
        cost, G, state, E = loss.forward(Z, block, G)
        yield BlockTerms(block, cost, G, state, None if E is None else np.einsum("...kn,...kn->...n", G, E))


def forward_one(
    loss: Loss, W: Array, H: Array, blocks: tuple[SampleBlock, ...], bias: Array | None = None
) -> BlockTerms:
    """Forward pass of a problem with a single block, in memory of its own."""
    (block,) = blocks
    return BlockTerms(block, *loss.forward(logits(W, H, block, bias), block)[:3])


def logits(W: Array, H: Array, block: SampleBlock, bias: Array | None = None) -> Array:
    """Logits of one block, ``(..., K, n)``, in memory of their own."""
    Z = W.mT @ H[..., block.samples]
    Z *= block.temperatures
    if bias is not None:
        Z += bias[..., :, None]
    return Z


def curvatures(loss: Loss, term: BlockTerms, change: Array | float) -> Array:
    """Derivatives of ``G`` as one logit of each sample moves at the rate ``change``, shape ``(K, ..., K, n)``."""
    K = term.G.shape[-2]
    D = np.zeros((K, *term.G.shape))
    D[np.arange(K), ..., np.arange(K), :] = change
    return loss.curvature(term, D, term.block)


def total_cost(terms: Iterable[BlockTerms]) -> Array:
    """Weighted sum of the losses, shape ``(...)``."""
    return np.asarray(sum(term.cost @ term.block.weights for term in terms))


def evaluate(terms: Iterable[BlockTerms], X: Array, classes: int) -> tuple[Array, Array, Array]:
    """Cost ``(...)``, Riemannian gradient ``(..., d, K + N)`` and multipliers ``(..., K + N)`` from one pass.

    ``beta`` is ``sum_k G_ki Z_ki / tau_i`` where the terms know that sum: ``K N`` multiplications, not ``d N``.
    """
    W = np.ascontiguousarray(X[..., :classes])
    cost: Array | float = 0.0
    gradient = np.empty(X.shape)
    gradient_W = None
    betas = []
    for term in terms:
        block = term.block
        cost = cost + term.cost @ block.weights
        pull = X[..., block.columns] @ term.G.mT
        gradient_W = pull if gradient_W is None else np.add(gradient_W, pull, out=gradient_W)
        np.matmul(W, term.G, out=gradient[..., block.columns])
        if term.tau_beta is not None:
            betas.append(term.tau_beta / block.temperatures)
    gradient[..., :classes] = gradient_W
    if betas:
        alpha = _column_products(W, gradient[..., :classes])
        multipliers = np.concatenate([alpha, *betas], axis=-1)
    else:
        multipliers = _column_products(X, gradient)
    _subtract_scaled(gradient, X, multipliers)
    return np.asarray(cost), gradient, multipliers


def logit_changes(X: Array, U: Array, blocks: tuple[SampleBlock, ...]) -> Iterator[Array]:
    """Yield the change of each block's logits along ``U``, in memory that the next shares."""
    tau, K = blocks[0].tau, blocks[0].columns.start
    tau_Wt, tau_Ut = tau * X[..., :K].mT, tau * U[..., :K].mT
    shape = (*np.broadcast_shapes(X.shape, U.shape)[:-2], K)
    first, second = _room(shape, blocks), _room(shape, blocks)
    for block in blocks:
        D = np.matmul(tau_Ut, X[..., block.columns], out=_part(first, shape, block))
        D += np.matmul(tau_Wt, U[..., block.columns], out=_part(second, shape, block))
        if block.rates is not None:
            D *= block.rates
        yield D


def hessian_product(
    terms: Iterable[BlockTerms],
    blocks: tuple[SampleBlock, ...],
    X: Array,
    U: Array,
    multipliers: Array | None,
    model: tuple[Loss, Array | None],
) -> Array:
    """Hessian at ``X`` applied to ``U``, both ``(..., d, K + N)``, batch axes broadcast; six matrix products a pass.

    The Riemannian one along a tangent with ``multipliers``, shape ``(..., K + N)``, else the Euclidean one; ``model``:
    the loss, and the change of a free bias along ``U``, or none.
    """
    loss, bias = model
    K = blocks[0].columns.start
    W, U_W = np.ascontiguousarray(X[..., :K]), np.ascontiguousarray(U[..., :K])
    out = np.empty(np.broadcast_shapes(X.shape, U.shape))
    out_W = np.zeros((*out.shape[:-1], K))
    shape = out.shape[:-1]
    images = _room(shape, blocks)
    for term, D in zip(terms, logit_changes(X, U, blocks), strict=True):
        block, columns = term.block, term.block.columns
        if bias is not None:
            D += bias[..., :, None]
        G_dot = loss.curvature(term, D, block)
        out_W += U[..., columns] @ term.G.mT
        out_W += X[..., columns] @ G_dot.mT
        change = np.matmul(U_W, term.G, out=out[..., columns])
        change += np.matmul(W, G_dot, out=_part(images, shape, block))
    out[..., :K] = out_W
    if multipliers is not None:
        _subtract_scaled(out, U, multipliers)
        _subtract_scaled(out, X, _column_products(X, out))
    return out


def gradient_scales(loss: Loss, terms: Iterable[BlockTerms]) -> Array:
    """Sums of the size of ``G`` over samples (one for each ``w_k``) and over classes (for each ``h_i``)."""
    rows: Array | float = 0.0
    columns = []
    for term in terms:
        size = magnitude(loss, term, term.block)
        rows = rows + np.add.reduce(size, axis=-1)
        columns.append(np.add.reduce(size, axis=-2))
    return np.concatenate([np.asarray(rows), *columns], axis=-1)


def _room(shape: tuple[int, ...], blocks: tuple[SampleBlock, ...]) -> Array:
    """Memory of the size of the first, largest block, which all use."""
    return np.empty(prod(shape) * blocks[0].flat.size)


def _part(room: Array, shape: tuple[int, ...], block: SampleBlock) -> Array:
    """As much of it as a block needs, C-contiguous, with arbitrary content."""
    return block_of(room, shape, slice(0, block.flat.size))


def _column_products(X: Array, Y: Array) -> Array:
    """Inner products of columns, shape ``(..., M)``."""
    return np.einsum("...dm,...dm->...m", X, Y)


def _subtract_scaled(out: Array, U: Array, factors: Array) -> None:
    """Subtract from ``out`` the columns of ``U`` times their factors, ``(..., M)``, a few rows at a time."""
    d, M = out.shape[-2:]
    if d * M <= _TILE:
        out -= U * factors[..., None, :]
        return
    height = max(1, _TILE // M)
    for top in range(0, d, height):
        rows = slice(top, top + height)
        part = out[..., rows, :]
        part -= U[..., rows, :] * factors[..., None, :]
