r"""Points that show by their multiplier matrix that they are global minimisers, in floating point.

Where the loss is convex in the logits: if ``S + sigma diag(scale)`` is positive semidefinite for a small ``sigma``, the
point is a global minimiser within
``sigma sum(scale) / 2``.  With ``beta`` below the shift that is a question about a ``K x K`` Schur complement.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sphereufm.problem.evaluation import UFMEvaluation


def global_minima(point: UFMEvaluation, shift: float) -> NDArray[np.bool_]:
    """Where the multiplier matrix shows, up to a small shift, that a point is a global minimiser.

    Numerical: ``f(X) - min f <= shift sum(scale) / 2`` in floating point.  ``False`` means nothing.

    ``point``: at ``X`` of shape (d, M) or (B, d, M); ``shift``: share of a column's scale by which S may fall
    short of being positive semidefinite.  Returns an array of shape ``()`` or ``(B,)``.
    """
    K = point.problem.classes
    if not point.problem.loss.facts(K).convex:
        return np.zeros(point.X.shape[:-2], dtype=bool)
    scale = point.gradient_scale
    # in units of the largest scale, so that nothing underflows
    unit = scale.max(axis=-1, keepdims=True)
    scale = scale / unit
    low = shift * scale[..., K:] - point.beta / unit
    possible = (low > 0.0).all(axis=-1) & (scale[..., :K] > 0.0).all(axis=-1)
    if not possible.any():
        return np.asarray(possible)
    low[~possible] = 1.0
    C = (shift * scale[..., :K] - point.alpha / unit)[..., :, None] * np.eye(K)
    for term, block in zip(point.terms(), point.problem.blocks, strict=True):
        G = term.G / unit[..., None]
        C -= (G / low[..., None, block.samples]) @ np.swapaxes(G, -1, -2)
    root = np.sqrt(np.where(possible[..., None], scale[..., :K], 1.0))
    return np.asarray(
        possible & (np.linalg.eigvalsh(C / (root[..., :, None] * root[..., None, :]))[..., 0] >= 0.0)
    )
