"""Claim ``strict_saddle``: one direction whose Rayleigh quotient is negative over a whole box.

Floats propose the steepest direction of each form; balls verify it.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from flint import arb_mat
from numpy.typing import NDArray

from sphereufm.certify.certificate import StrictSaddleClaim
from sphereufm.certify.checker.calculus import Evaluated
from sphereufm.certify.checker.claims import rayleigh
from sphereufm.certify.checker.place import Place
from sphereufm.certify.exact import round_dyadic
from sphereufm.certify.prove.attempts import dyadic
from sphereufm.certify.prove.gap import multiplier_floats
from sphereufm.certify.prove.inertia import floats

DIRECTION_BITS = 24
# rows of a dense matrix whose eigenvectors are a matter of seconds
MOST_ROWS = 2000
Array = NDArray[np.float64]


def prove_strict_saddle(at: Place, radius: Fraction) -> StrictSaddleClaim | None:
    """Return the claim with the most negative curvature found, over the whole box; None if no form gives one.

    Telling merged samples apart gives no more: their forms are diagonal blocks of the merged ones (Lemma 1).
    """
    r, M = at.point.rank, len(at.point.columns)
    directions = [_tangent(at, radius)] if r > 1 and r * M <= MOST_ROWS else []
    if r < at.p.dim and not at.p.program and M <= MOST_ROWS:
        directions.append(_normal(at, radius))
    claims = [_claim(at, radius, direction) for direction in directions]
    return min((claim for claim in claims if claim), key=lambda claim: claim.curvature, default=None)


def _tangent(at: Place, radius: Fraction) -> Array:
    """Steepest direction of the merged Hessian, a row for each column of the point."""
    e = at.around(radius).unit
    X, H, r = floats(arb_mat(e.X)), _hessian_floats(e), e.r
    for j, x in enumerate(X):
        block = slice(j * r, j * r + r)
        H[block] -= np.outer(x, x @ H[block])
        H[:, block] -= np.outer(H[:, block] @ x, x)
    return _steepest(H, np.repeat(at.point.sizes, r)).reshape(-1, r)


def _hessian_floats(e: Evaluated) -> Array:
    """The matrix of ``Hess[V, V]`` in floats: a direction need not be exact."""
    moved, bend = np.zeros((len(e.first), len(e.X), e.r)), np.zeros((len(e.first),) * 2)
    places = {leaf: n for n, leaf in enumerate(e.first)}
    for leaf, n in places.items():
        for a, x in e.movers(leaf).items():
            moved[n, a] = [float(t) for t in x]
        for other, c in e.second.get(leaf, {}).items():
            bend[n, places[other]] = float(c)
    flat = moved.reshape(len(places), -1)
    return flat.T @ bend @ flat + np.kron(multiplier_floats(e), np.eye(e.r))


def _normal(at: Place, radius: Fraction) -> Array:
    """Steepest direction of S, in a dimension that the point does not use."""
    e = at.around(radius).unit
    direction = _steepest(multiplier_floats(e), np.array(at.point.sizes))
    return np.pad(direction[:, None], ((0, 0), (e.r, 0)))


def _claim(at: Place, radius: Fraction, direction: Array) -> StrictSaddleClaim | None:
    """Return the claim if the Rayleigh quotient is proved negative, with a little room for other roundings."""
    exact = [[Fraction(x) for x in column] for column in direction.tolist()]
    form, length = rayleigh(at, radius, exact)
    if not (form < 0 and length > 0):
        return None
    curvature = round_dyadic(dyadic((form / length).upper()), DIRECTION_BITS)
    curvature -= curvature / (1 << 12)
    return StrictSaddleClaim(
        radius=radius,
        curvature=round_dyadic(curvature, DIRECTION_BITS + 12),
        direction=tuple(map(tuple, exact)),
    )


def _steepest(H: Array, weights: NDArray[np.generic]) -> Array:
    """Return a float minimiser of ``v^T H v / sum weights v^2``, rounded to few bits."""
    roots = np.sqrt(weights.astype(np.float64))
    if not np.isfinite(H).all():
        return np.zeros(len(roots))
    scaled = H / np.outer(roots, roots)
    size = np.abs(scaled).max() or 1.0
    vector = np.linalg.eigh((scaled + scaled.T) / (2 * size))[1][:, 0] / roots
    step = 2.0 ** (np.ceil(np.log2(np.abs(vector).max())) - DIRECTION_BITS)
    rounded: Array = np.round(vector / step) * step
    return rounded
