r"""Starts next to critical points that are known already: a cheap way to the orbits that random starts rarely meet.

From a critical point ``X`` of rank ``r`` three kinds of starts are made.

* *Flips*: one column is turned to its antipode.  Where the other columns pull along that column's line they
  still do, so that the flipped point is often nearly critical, with another index.
* *Steps*: a finite step along an eigenvector of the Hessian in ``R^r``, both ways.
* *Lifts*: a finite step out of the span of ``X`` along an eigenvector of the normal Hessian ``S``, into ``R^{r+1}``.

They depend on what was found before, hence on one another: what they lead to is no sample of anything, and
never enters an estimate of coverage.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sphereufm.geometry.spheres import Array, column_norms, retract
from sphereufm.geometry.symmetry.matching import position_labels
from sphereufm.geometry.tangent_spaces import from_coordinates
from sphereufm.landscape.points import embed
from sphereufm.problem import capabilities
from sphereufm.problem.interface import SphereProblem
from sphereufm.spectra.matrix import eigenpairs, hessian_matrix, idle_coordinates
from sphereufm.spectra.spectrum import normal_hessian

# Columns closer than this count as one place.
_SAME_PLACE = 1e-6
# Length of a step along an eigenvector, in radians for its longest column.
_STEP = 0.7
# Unknowns up to which eigenvectors are computed.
_EIGENVECTOR_LIMIT = 150
# Eigenvectors at either end of the spectrum along which steps are made.
_EIGENVECTORS = 6


def neighbouring_starts(problem: SphereProblem, X: Array, highest_rank: int) -> Iterator[Array]:
    """Yield starts next to one critical point.

    * ``problem``: in any dimension.
    * ``X``, shape ``(r, M)``: the point in its own span; as found where O(d) is no symmetry.
    * ``highest_rank``: lifts are made only up to this rank.

    Yields an array of shape ``(r, M)`` or ``(r + 1, M)``.
    """
    r = X.shape[0]
    orthogonal = problem.symmetry.orthogonal
    inner = capabilities.in_span(problem, r)
    if r > 1:
        yield from _flips(inner, X)
        yield from _steps(inner, X)
    if orthogonal and r < highest_rank:
        yield from _lifts(inner, X)


def _flips(problem: SphereProblem, X: Array) -> Iterator[Array]:
    """``X`` with one column turned around, one column for each place and cell kind."""
    labels = position_labels(X, problem.symmetry.permutations, _SAME_PLACE)
    for j in np.unique(labels, return_index=True)[1]:
        flipped = X.copy()
        flipped[:, j] *= -1.0
        yield flipped


def _steps(problem: SphereProblem, X: Array) -> Iterator[Array]:
    """Steps along the Hessian's eigenvectors at both ends of its spectrum, off the orbit."""
    if problem.spheres.dimension > _EIGENVECTOR_LIMIT:
        return
    vectors = eigenpairs(hessian_matrix(problem, X), idle_coordinates(problem, X))[1]
    for U in from_coordinates(X, _both_ends(vectors)):
        yield from _along(X, U)


def _lifts(problem: SphereProblem, X: Array) -> Iterator[Array]:
    """Steps out of the span along eigenvectors of the normal Hessian; both signs are one orbit."""
    if X.shape[1] > _EIGENVECTOR_LIMIT:
        return
    lifted = embed(X, len(X) + 1)
    for c in _both_ends(eigenpairs(normal_hessian(problem, X), X.T)[1]):
        yield next(_along(lifted, np.vstack([np.zeros_like(X), c])))


def _along(X: Array, U: Array) -> Iterator[Array]:
    """Points on both sides of ``X`` in the direction of a tangent ``U``."""
    longest = column_norms(U).max()
    for step in (_STEP, -_STEP):
        yield retract(X, step / longest * U)


def _both_ends(vectors: Array) -> Array:
    """The first and the last few eigenvectors."""
    return np.delete(vectors, slice(_EIGENVECTORS, -_EIGENVECTORS), axis=0)
