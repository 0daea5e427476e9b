r"""Starts with a prescribed symmetry: a cheap way to symmetric classes whose basins random starts rarely meet.

For a permutation ``s`` of the group with order ``m``, and ``Q`` in O(r) with ``Q^m = I``, the points with ``Q X[:, s] =
X`` are the fixed-point set of a cyclic group.  Cost, gradient and Newton step respect it (symmetric criticality), so
a search that starts there stays there (to rounding), in a space of some ``1 / m`` of the dimensions, whatever the
sizes of basins outside.  No coordinates of that space are needed: a random point is averaged over the cyclic group
and its columns are normalised.

Unlike in the spaces of :mod:`~sphereufm.landscape.fixed_spaces.spaces`, samples of a class need not be equal
here, and a
permutation may move classes and samples together.  What such starts lead to is no sample of the random search, and
never enters an estimate of coverage.

References
----------
R. S. Palais, *The principle of symmetric criticality*, Communications in Mathematical Physics 1979.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array, column_norms, normalize
from sphereufm.problem.interface import SphereProblem

__all__ = ["symmetric_starts"]

# An averaged column shorter than this has no direction of its own.
_SHORTEST = 1e-3
# Draws a start after which nothing more is hoped for: most averages of some groups vanish.
_DRAWS = 20
# Share of turned planes among the invariant subspaces of a random rotation.
_TURNS = 0.6


def symmetric_starts(problem: SphereProblem, rng: np.random.Generator, count: int) -> Array:
    """Random points that a cyclic group of permutations with rotations leaves alone.

    Parameters
    ----------
    problem : SphereProblem
    rng : Generator
    count : int

    Returns
    -------
    ndarray, shape (at most count, d, M)
        None where the group has no permutation but the identity.

    Examples
    --------
    >>> from sphereufm.problem.ufm import UFMProblem
    >>> problem = UFMProblem(class_sizes=(2, 2), dim=3, tau=1.0)
    >>> symmetric_starts(problem, np.random.default_rng(0), 5).shape
    (5, 3, 6)
    """
    found: list[Array] = []
    d, M = problem.spheres.shape
    if problem.symmetry.permutations.order > 1:
        for _ in range(_DRAWS * count):
            s = problem.symmetry.permutations.random(rng)
            order = _order(s)
            if order == 1:
                continue
            Q = _root_of_unity(rng, d, order) if problem.symmetry.orthogonal else np.eye(d)
            X = _average(problem.spheres.random_point(rng), Q, s, order)
            if column_norms(X).min() > _SHORTEST:
                found.append(normalize(X))
            if len(found) == count:
                break
    return np.array(found).reshape(-1, d, M)


def _order(s: NDArray[np.intp]) -> int:
    """Least ``m > 0`` with ``s^m`` the identity."""
    power, m = s, 1
    while (power != np.arange(s.size)).any():
        power, m = power[s], m + 1
    return m


def _average(X: Array, Q: Array, s: NDArray[np.intp], order: int) -> Array:
    """Sum of the images of ``X`` under the cyclic group."""
    total, image = np.zeros_like(X), X
    for _ in range(order):
        total = total + image
        image = Q @ image[:, s]
    return total


def _root_of_unity(rng: np.random.Generator, d: int, order: int) -> Array:
    """Random orthogonal ``Q`` with ``Q^order = I``: turned planes, fixed and reflected lines, in a random frame."""
    blocks = np.eye(d)
    i = 0
    while i < d:
        if i + 1 < d and rng.random() < _TURNS:
            angle = 2.0 * np.pi * rng.integers(order) / order
            c, s = np.cos(angle), np.sin(angle)
            blocks[i : i + 2, i : i + 2] = [[c, -s], [s, c]]
            i += 2
        else:
            blocks[i, i] = -1.0 if order % 2 == 0 and rng.random() < 0.5 else 1.0
            i += 1
    frame = np.linalg.qr(rng.standard_normal((d, d)))[0]
    return np.asarray(frame @ blocks @ frame.T)
