"""Claim ``strict_saddle``: one direction whose Rayleigh quotient is negative over a whole box.

Floats propose the steepest direction of each form; balls verify it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np
from flint import arb, arb_mat
from numpy.typing import NDArray

from sphereufm.certify.balls import UFMEvaluation, floats
from sphereufm.certify.certificate import StrictSaddleClaim
from sphereufm.certify.exact import round_dyadic
from sphereufm.certify.prove.index import Neighbourhood

DIRECTION_BITS = 24


def prove_strict_saddle(near: Neighbourhood) -> StrictSaddleClaim | None:
    """Return the claim with the most negative curvature found, over the whole box; None if no form gives one."""
    claims = [claim for claim in _candidates(near) if claim is not None]
    return min(claims, key=lambda claim: claim.curvature, default=None)


def _candidates(near: Neighbourhood) -> Iterator[StrictSaddleClaim | None]:
    """Yield a claim, or None, for each form that the point offers."""
    evaluation = near.evaluation
    if len(near.columns[0]) > 1:
        yield _tangent(near)
    if not isinstance(evaluation, UFMEvaluation):
        return
    if near.codimension:
        yield _normal(near, evaluation)
    for group, count in enumerate(evaluation.problem.counts):
        if count > 1 and len(near.columns[0]) > 1:
            yield _split_tangent(near, evaluation, group)
        if count > 1 and near.codimension:
            beta = evaluation.multipliers[evaluation.problem.classes + group]
            r = len(near.columns[0])
            still = [[0.0] * (r + 1)] * len(near.columns)
            yield _claim(near, -beta / count, [*still, [0.0] * r + [1.0]], group)


def _tangent(near: Neighbourhood) -> StrictSaddleClaim | None:
    """Steepest direction of the merged Hessian."""
    X = floats(near.evaluation.X)
    r, M = X.shape
    H = floats(near.form)
    weights = np.repeat(near.problem.multiplicities, r)
    for j in range(M):
        _project_block(H, X[:, j], slice(j * r, j * r + r))
    direction = _steepest(H, weights).reshape(M, r)
    vectors = [
        _projected(x, d)
        for x, d in zip(near.evaluation.X.transpose().tolist(), direction.tolist(), strict=True)
    ]
    squares = [sum((a * a for a in v), arb(0)) for v in vectors]
    norm = sum((m * square for m, square in zip(near.problem.multiplicities, squares, strict=True)), arb(0))
    value = _quadratic(near.form, [a for v in vectors for a in v])
    return _claim(near, value / norm, direction.tolist())


def _normal(near: Neighbourhood, evaluation: UFMEvaluation) -> StrictSaddleClaim | None:
    """Steepest direction of S, in a dimension that the point does not use."""
    S, counts = arb_mat(evaluation.S), near.problem.multiplicities
    direction = _steepest(floats(S), np.array(counts))
    norm = sum((m * arb(c) ** 2 for m, c in zip(counts, direction, strict=True)), arb(0))
    value = _quadratic(S, [arb(c) for c in direction])
    r = len(near.columns[0])
    return _claim(near, value / norm, [[0.0] * r + [c] for c in direction.tolist()])


def _split_tangent(near: Neighbourhood, evaluation: UFMEvaluation, group: int) -> StrictSaddleClaim | None:
    """Steepest direction that tells the samples of a group apart, within R^r."""
    B, h = arb_mat(evaluation.split_block(group)), evaluation.h[group]
    matrix = floats(B)
    _project_block(matrix, np.array([float(a) for a in h]), slice(0, len(h)))
    direction = _steepest(matrix, np.ones(len(h)))
    vector = _projected(h, direction.tolist())
    norm = sum((a * a for a in vector), arb(0))
    still = [[0.0] * len(h)] * len(near.columns)
    return _claim(near, _quadratic(B, vector) / norm, [*still, direction.tolist()], group)


def _claim(
    near: Neighbourhood, quotient: arb, direction: list[list[float]], apart: int | None = None
) -> StrictSaddleClaim | None:
    """Return the claim if the Rayleigh quotient is proved negative, with a little room for other roundings."""
    if not quotient < 0:
        return None
    mantissa, power = quotient.upper().man_exp()
    curvature = round_dyadic(Fraction(int(mantissa)) * Fraction(2) ** int(power), DIRECTION_BITS)
    curvature -= curvature / (1 << 12)
    return StrictSaddleClaim(
        radius=near.radius,
        curvature=round_dyadic(curvature, DIRECTION_BITS + 12),
        direction=tuple(tuple(Fraction(x) for x in column) for column in direction),
        apart=apart,
    )


def _steepest(H: NDArray[np.float64], weights: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return a float minimiser of ``v^T H v / sum weights v^2``, rounded to few bits."""
    roots = np.sqrt(weights.astype(np.float64))
    if not np.isfinite(H).all():
        return np.zeros(len(roots))
    scaled = H / np.outer(roots, roots)
    size = np.abs(scaled).max() or 1.0
    vector = np.linalg.eigh((scaled + scaled.T) / (2 * size))[1][:, 0] / roots
    step = 2.0 ** (np.ceil(np.log2(np.abs(vector).max())) - DIRECTION_BITS)
    rounded: NDArray[np.float64] = np.round(vector / step) * step
    return rounded


def _project_block(H: NDArray[np.float64], x: NDArray[np.float64], block: slice) -> None:
    """Replace H by ``P H P`` in place, for the projection on the tangent space of x in one block."""
    H[block] -= np.outer(x, x @ H[block])
    H[:, block] -= np.outer(H[:, block] @ x, x)


def _projected(x: Sequence[arb], d: Sequence[float]) -> list[arb]:
    """Return ``d - <x, d> x`` in balls."""
    along = sum((a * b for a, b in zip(x, d, strict=True)), arb(0))
    return [b - along * a for a, b in zip(x, d, strict=True)]


def _quadratic(A: arb_mat, v: Sequence[arb]) -> arb:
    """Return ``v^T A v``."""
    column = arb_mat([[a] for a in v])
    return (column.transpose() * (A * column))[0, 0]
