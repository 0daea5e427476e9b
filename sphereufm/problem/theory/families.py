r"""Families of critical points that are not single orbits, recognised by exact structure.

*Collapsed classifiers*: all ``w_k`` equal one ``w``, for a loss that ignores a common shift of the logits.  Then all
logits of a sample are equal, ``f`` is one number (``log K`` for cross-entropy), ``G`` is a constant ``G_0``, every
``beta_i`` vanishes, and ``X`` is critical exactly when each ``sum_i (G_0)_ki h_i`` is a multiple of ``w``: linear
conditions on the parts of ``H`` normal to ``w``.  The family has several strata (rank one up to ``min(d, N - K + 2)``
when no class is empty) and large dimension; multi-start counts drown in it unless it is merged.

*Least loss*: every sample reaches the minimum of its own loss, where ``G = 0``.  Then the point is a global minimiser,
and for generic classifiers each feature is bound by ``c`` equations alone, ``c = K - 1`` where the loss ignores a
common shift, else ``K``: the family has dimension ``K (d - 1) + N (d - 1 - c)``, less that of an orbit.  For label
smoothing that is ``tau <w_y - w_j, h_i> = delta`` for all ``j != y``; it needs ``2 tau >= delta``.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np

from sphereufm.geometry.spheres import Array, column_norms
from sphereufm.tolerances import FAMILY_COST

if TYPE_CHECKING:
    from sphereufm.problem.losses.interface import LossFacts
    from sphereufm.problem.ufm import UFMProblem

COLLAPSED_CLASSIFIERS = "collapsed-classifiers"
LEAST_LOSS = "least-loss"

# A search stops this close to a member; classifiers of other critical points differ by far more.
_SAME_CLASSIFIER = 1e-5
# Where the family is singular the gradient falls with the square of the distance: points this close, whose cost is the
# family's to rounding, are members too.
_NEAR_CLASSIFIER, _ROUNDING = 1e-3, 1e-14
# of the sum of sizes: some roundings of what was added up
_ROUNDING_PULL = 1e-13
# Cost above the floor that a search leaves: the square of its relative gradient norm, with room.
_NO_EXCESS = 1e-17


def family_name(problem: UFMProblem, X: Array, cost: float) -> str | None:
    """The family of a critical point ``X``, shape ``(r, M)``, to the search's tolerance; None for an isolated orbit.

    Returns ``"collapsed-classifiers"``, or ``"least-loss-k"`` with the family's dimension ``k`` modulo rotations.  All
    classifiers have to coincide, and the cost to be the family's, so that the nearly collapsed points that abound at
    large ``tau`` are not taken for members.
    """
    facts = problem.loss.facts(problem.classes)
    reach = sys.float_info.max if problem.bias else problem.tau * (1.0 + FAMILY_COST)
    if 0.0 < facts.vanishes_from <= reach and problem.spheres.dimension:
        dimension = _least_loss_dimension(problem, facts)
        if dimension > 0 and problem.in_dimension(X.shape[0]).at(X).excess <= _NO_EXCESS:
            return f"{LEAST_LOSS}-{dimension}"
    W = X[:, : problem.classes]
    apart = np.abs(W - W[:, :1]).max()
    if not facts.shift_invariant or apart > _NEAR_CLASSIFIER:
        return None
    # the logits of each sample are equal: any such point has the family's cost
    level = float(problem.in_dimension(1).cost(np.ones((1, problem.shape[1]))))
    slack = FAMILY_COST if apart <= _SAME_CLASSIFIER else _ROUNDING
    return COLLAPSED_CLASSIFIERS if abs(cost - level) <= slack * level else None


def pulls_are_rounding(problem: UFMProblem, X: Array) -> bool:
    """Whether some feature of a point, shape ``(r, M)``, is pulled by no more than rounding, though it is pulled.

    ``W g_i`` is a sum of differences ``w_k - w_y`` with positive weights, for losses whose slopes are ``p - e_y``:
    unit vectors are extreme, so it vanishes for collapsed classifiers alone.  What it is there, floats cannot tell.
    """
    if not problem.loss.facts(problem.classes).probability:
        return False
    point = problem.in_dimension(X.shape[0]).at(X)
    pulls = column_norms(X[:, : problem.classes] @ point.G)
    return bool((pulls <= _ROUNDING_PULL * np.abs(point.G).sum(0)).any())


def _least_loss_dimension(problem: UFMProblem, facts: LossFacts) -> int:
    """Dimension modulo rotations of the family in which every sample reaches its minimum, for generic classifiers."""
    K, N, d = problem.classes, problem.samples, problem.dim
    equations = K - 1 if facts.shift_invariant else K
    rank = min(d, K + N)
    # the members' biases move along
    bias = equations if problem.bias else 0
    return K * (d - 1) + bias + N * (d - 1 - equations) - rank * (2 * d - rank - 1) // 2
