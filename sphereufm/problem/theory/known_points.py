r"""Critical points that are known in closed form, and starts next to spurious minimisers.

They show where Theorem S is sharp, and that no branch of its proof is vacuous:

* collapsed classifiers, ``W = w 1^T``: critical when ``sum_i G_ki h_i`` is parallel to ``w`` for every class;
* a simplex frame with one sample turned to ``-w_y``: at ``d = K - 1`` a spurious minimiser lies next to it when the
  sample is light enough and ``tau > K - 1``;
* a saddle with ``W`` invertible and ``alpha = 0``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from sphereufm.errors import InvalidInputError, check_integer
from sphereufm.geometry.spheres import Array, normalize
from sphereufm.problem.theory.theorems import collapsed_point

if TYPE_CHECKING:
    from sphereufm.problem.ufm import UFMProblem

# different signed sums of a class that are kept; equal weights have one more than the class has samples
_MOST_SUMS = 4096


def orthogonal_collapsed_point(problem: UFMProblem) -> Array:
    """``W = e_1 1^T``, ``h_i = s_i e_2``, with signs such that ``sum_i omega_i s_i`` agrees for all classes.

    A member of the collapsed family.  At ``d = 2`` its Hessian is positive semidefinite, though the point is no
    minimiser: Theorem S fails there, and the point is degenerate.  With equal weights such signs exist exactly where
    all class sizes have the same parity; then all of them but 0 or 1 in each class cancel.  Refused where ``d < 2``, or
    no such signs were found (of weights with very many different sums not all are tried).
    """
    if problem.dim < 2:
        raise InvalidInputError(f"dim={problem.dim} must be at least 2; a line has no orthogonal directions")
    X = np.zeros(problem.shape)
    X[0, : problem.classes] = 1.0
    X[1, problem.classes :] = _balancing_signs(problem)
    return X


def _balancing_signs(problem: UFMProblem) -> Array:
    """Signs for which every class has the same weighted sum, the largest that is possible."""
    weights = problem.exact_weights or [Fraction(1)] * problem.samples
    members = [np.flatnonzero(problem.labels == k).tolist() for k in range(problem.classes)]
    steps = [_reachable([weights[i] for i in samples]) for samples in members]
    common = set.intersection(*(set(levels[-1]) for levels in steps))
    if not common:
        raise InvalidInputError("no signs give every class the same weighted sum; this point needs them")
    signs = np.ones(problem.samples)
    for samples, levels in zip(members, steps, strict=True):
        total = max(common)
        for i, before in zip(reversed(samples), reversed(levels[:-1]), strict=True):
            signs[i] = 1.0 if total - weights[i] in before else -1.0
            total -= int(signs[i]) * weights[i]
    return signs


def _reachable(weights: list[Fraction]) -> list[set[Fraction]]:
    """Signed sums of the first 0, 1, 2, ... weights; of very many only some."""
    levels = [{Fraction(0)}]
    for w in weights:
        sums = {s + w for s in levels[-1]} | {s - w for s in levels[-1]}
        levels.append(set(sorted(sums, key=abs)[:_MOST_SUMS]))
    return levels


def turned_sample_point(problem: UFMProblem, sample: int | None = None) -> Array:
    """A collapsed point, ``d >= K - 1``, with one sample turned to ``-w_y``: the lightest one, if none is named.

    Not critical, but at ``d = K - 1 >= 3`` and ``tau > K - 1`` a nondegenerate spurious minimiser lies nearby when
    the sample carries little weight (``K = 4``, ``tau = 3.6``: one of 114 in its class is light enough).  In ``d >= K``
    the sample can turn around through the further dimension.
    """
    i = int(problem.weights.argmin()) if sample is None else check_integer("sample", sample, 0)
    if i >= problem.samples:
        raise InvalidInputError(f"sample={i} must be below N={problem.samples}")
    X = collapsed_point(problem)
    X[:, problem.classes + i] *= -1.0
    return X


def constructed_starts(problem: UFMProblem) -> Iterator[Array]:
    """Configurations near which critical points are known to lie, each of shape ``(d, K + N)``.

    The collapsed point (global minimiser when balanced), the same with one sample turned around (at ``d = K - 1`` a
    spurious minimiser may lie nearby), and for ``K = d = 2`` the degenerate member of the collapsed classifiers.
    """
    for build in (collapsed_point, turned_sample_point, orthogonal_collapsed_point):
        with suppress(InvalidInputError):  # the construction needs other dimensions or class sizes
            yield build(problem)


def invertible_branch_point(problem: UFMProblem) -> Array:
    """A saddle with ``W`` invertible and ``alpha = 0``, where ``K = d = 3`` with three samples a class.

    In each class two features lie along ``w_y - mean(w)`` and one opposite.  With ``x = exp(-m)``, ``m`` the
    margin, the classifiers feel no pull when ``4 x / (1 + 2 x) = 2 / (2 + x)``, so ``x = (sqrt(3) - 1) / 2``, and the
    margin is ``tau sqrt(3 (1 - c) / 2)`` for classifiers of inner product ``c``.  Raises InvalidInputError if ``tau``
    is not above ``-2 log((sqrt(3) - 1) / 2) / 3``, about 0.67: then no ``c > -1/2`` solves it.

    Examples
    --------
    >>> from sphereufm.problem.ufm import UFMProblem
    >>> problem = UFMProblem(class_sizes=(3, 3, 3), dim=3, tau=1)
    >>> round(float(problem.cost(invertible_branch_point(problem))), 6)
    0.988292
    """
    if problem.class_sizes != (3, 3, 3) or problem.dim != 3:
        raise InvalidInputError(
            f"class_sizes={problem.class_sizes}, dim={problem.dim}: three of all are needed"
        )
    margin = -math.log((math.sqrt(3.0) - 1.0) / 2.0)
    c = 1.0 - 2.0 * (margin / problem.tau) ** 2 / 3.0
    if c <= -0.5:
        raise InvalidInputError(f"tau={problem.tau} must exceed {margin / 1.5:.6f}; the branch starts there")
    # symmetric square root of the Gram matrix (1 - c) I + c 1 1^T
    mean = np.full((3, 3), 1.0 / 3.0)
    W = math.sqrt(1.0 - c) * (np.eye(3) - mean) + math.sqrt(1.0 + 2.0 * c) * mean
    H = normalize((np.eye(3) - mean)[:, problem.labels]) * np.tile([1.0, 1.0, -1.0], 3)
    return np.concatenate([W, H], axis=1)
