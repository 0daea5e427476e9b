r"""Critical points that are known in closed form, and starts next to spurious minimisers.

They show where Theorem S is sharp, and that no branch of its proof is vacuous:

* collapsed classifiers, see below;
* a simplex frame with one sample turned to ``-w_y``: at ``d = K - 1`` a spurious minimiser lies next to it when the
  sample is light enough and ``tau > K - 1``;
* a saddle with ``W`` invertible and ``alpha = 0``.

Families of critical points that are not single orbits are recognised by exact structure.

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

import math
import sys
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from sphereufm.errors import InvalidInputError, check_integer
from sphereufm.geometry.spheres import Array, column_norms, normalize
from sphereufm.problem.theory.theorems import collapsed_point, has_equal_class_weights
from sphereufm.tolerances import FAMILY_COST

if TYPE_CHECKING:
    from sphereufm.problem.losses.interface import LossFacts
    from sphereufm.problem.ufm import UFMProblem

COLLAPSED_CLASSIFIERS = "collapsed-classifiers"
LEAST_LOSS = "least-loss"

# Signed sums that are kept for each sample of all, but some for each however many there are; equal weights have one
# more than the class has samples.
_MOST_SUMS, _LEAST_SUMS = 400_000, 64
# A search stops this close to a member; classifiers of other critical points differ by far more.
_SAME_CLASSIFIER = 1e-5
# Where the family is singular the gradient falls with the square of the distance: points this close, whose cost is the
# family's to rounding, are members too.
_NEAR_CLASSIFIER, _ROUNDING = 1e-3, 1e-14
# of the sum of sizes: some roundings of what was added up
_ROUNDING_PULL = 1e-13
# Cost above the floor that a search leaves: the square of its relative gradient norm, with room.
_NO_EXCESS = 1e-17


def orthogonal_collapsed_point(problem: UFMProblem) -> Array:
    """``W = e_1 1^T``, ``h_i = s_i e_2``, with signs such that ``sum_i omega_i s_i`` agrees for all classes.

    A member of the collapsed family.  At ``d = 2`` its Hessian is positive semidefinite, though the point is no
    minimiser: Theorem S fails there, and the point is degenerate.  Refused where ``d < 2``, or no such signs were
    found: with equal weights they exist exactly where all class sizes have the same parity.
    """
    if problem.dim < 2:
        raise InvalidInputError(f"dim={problem.dim} must be at least 2; a line has no orthogonal directions")
    X = np.zeros(problem.shape)
    X[0, : problem.classes] = 1.0
    X[1, problem.classes :] = 1.0
    if not has_equal_class_weights(problem):
        X[1, problem.classes :] = _balancing_signs(problem)
    return X


def _balancing_signs(problem: UFMProblem) -> Array:
    """Signs for which every class has the same weighted sum, the largest that is found."""
    exact = problem.exact_weights or (Fraction(1),) * problem.samples
    # whole numbers: sums of fractions would be reduced each time
    unit = math.lcm(*(w.denominator for w in exact))
    weights = [int(w * unit) for w in exact]
    most = max(_LEAST_SUMS, _MOST_SUMS // problem.samples)
    # signed sums of each class, with the last sample, its sign and the same of the sum before
    reached: list[dict[int, Any]] = []
    for k in range(problem.classes):
        sums: dict[int, Any] = {0: None}
        for i in np.flatnonzero(problem.labels == k).tolist():
            w = weights[i]
            longer = {s + sign * w: (i, sign, before) for s, before in sums.items() for sign in (-1, 1)}
            sums = {s: longer[s] for s in sorted(longer, key=abs)[:most]}
        reached.append(sums)
    common = set(reached[0]).intersection(*reached)
    if not common:
        raise InvalidInputError("no signs give every class the same weighted sum; this point needs them")
    signs = np.ones(problem.samples)
    for sums in reached:
        last = sums[max(common)]
        while last:
            i, signs[i], last = last
    return signs


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
