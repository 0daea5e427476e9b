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
from typing import TYPE_CHECKING

import numpy as np

from sphereufm.errors import InvalidInputError, check_integer
from sphereufm.geometry.spheres import Array, normalize
from sphereufm.problem.theory.theorems import collapsed_point, has_equal_class_weights

if TYPE_CHECKING:
    from sphereufm.problem.ufm import UFMProblem


def orthogonal_collapsed_point(problem: UFMProblem) -> Array:
    """``W = e_1 1^T``, ``h_i = s_i e_2``, with signs such that ``sum_i omega_i s_i`` agrees for all classes.

    A member of the collapsed family.  At ``d = 2`` its Hessian is positive semidefinite, though the point is no
    minimiser: Theorem S fails there, and the point is degenerate.  Refused where ``d < 2``; and where neither all
    classes weigh the same nor equal samples make classes whose sizes have one parity, so that pairs of them cancel.
    """
    if problem.dim < 2:
        raise InvalidInputError(f"dim={problem.dim} must be at least 2; a line has no orthogonal directions")
    X = np.zeros(problem.shape)
    X[0, : problem.classes] = 1.0
    X[1, problem.classes :] = 1.0
    if not has_equal_class_weights(problem):
        cancel, odd = np.divmod(np.subtract(problem.class_sizes, min(problem.class_sizes)), 2)
        if odd.any() or problem.exact_weights is not None:
            raise InvalidInputError("no signs give every class the same weighted sum; this point needs them")
        for k, number in enumerate(cancel):
            X[1, problem.classes + np.flatnonzero(problem.labels == k)[:number]] = -1.0
    return X


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
