"""A saddle on the invertible branch of Theorem S's proof, in closed form: that branch is not vacuous."""

from __future__ import annotations

import math

import numpy as np

from sphereufm.errors import InvalidInputError
from sphereufm.geometry.spheres import Array, normalize
from sphereufm.problem.arguments import Number
from sphereufm.problem.ufm import UFMProblem


def invertible_branch_point(tau: Number = 1) -> tuple[UFMProblem, Array]:
    """Return the problem ``K = d = 3``, three samples a class, and a saddle with ``W`` invertible and ``alpha = 0``.

    In each class two features lie along ``w_y - mean(w)`` and one opposite.  With ``x = exp(-m)``, ``m`` the
    margin, the classifiers feel no pull when ``4 x / (1 + 2 x) = 2 / (2 + x)``, so ``x = (sqrt(3) - 1) / 2``, and the
    margin is ``tau sqrt(3 (1 - c) / 2)`` for classifiers of inner product ``c``.  Raises InvalidInputError if ``tau``
    is not above ``-2 log((sqrt(3) - 1) / 2) / 3``, about 0.67: then no ``c > -1/2`` solves it.

    Examples
    --------
    >>> problem, X = invertible_branch_point()
    >>> round(float(problem.cost(X)), 6), round(float(X[:, 0] @ X[:, 1]), 6)
    (0.988292, 0.32658)
    """
    problem = UFMProblem(class_sizes=(3, 3, 3), dim=3, tau=tau)
    margin = -math.log((math.sqrt(3.0) - 1.0) / 2.0)
    c = 1.0 - 2.0 * (margin / problem.tau) ** 2 / 3.0
    if c <= -0.5:
        raise InvalidInputError(f"tau={problem.tau} must exceed {margin / 1.5:.6f}; the branch starts there")
    # symmetric square root of the Gram matrix (1 - c) I + c 1 1^T
    mean = np.full((3, 3), 1.0 / 3.0)
    W = math.sqrt(1.0 - c) * (np.eye(3) - mean) + math.sqrt(1.0 + 2.0 * c) * mean
    H = normalize((np.eye(3) - mean)[:, problem.labels]) * np.tile([1.0, 1.0, -1.0], 3)
    return problem, np.concatenate([W, H], axis=1)
