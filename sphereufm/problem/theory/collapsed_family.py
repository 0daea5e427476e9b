r"""Families of critical points that are not single orbits, recognised by exact structure.

*Collapsed classifiers*: all ``w_k`` equal one ``w``, for a loss that ignores a common shift of the logits.  Then all
logits of a sample are equal, ``f`` is one number (``log K`` for cross-entropy), ``G`` is a constant ``G_0``, every
``beta_i`` vanishes, and ``X`` is critical exactly when each ``sum_i (G_0)_ki h_i`` is a multiple of ``w``: linear
conditions on the parts of ``H`` normal to ``w``.  The family has several strata (rank one up to ``min(d, N - K + 2)``
when no class is empty) and large dimension; multi-start counts drown in it unless it is merged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sphereufm.geometry.spheres import Array

if TYPE_CHECKING:
    from sphereufm.problem.ufm import UFMProblem

__all__ = ["COLLAPSED_CLASSIFIERS", "family_name"]

COLLAPSED_CLASSIFIERS = "collapsed-classifiers"

# A search stops this close to a member; classifiers of other critical points differ by far more.
_SAME_CLASSIFIER = 1e-5
_SAME_COST = 1e-8


def family_name(problem: UFMProblem, X: Array, cost: float) -> str | None:
    """Name of the family that a critical point belongs to, None for an isolated orbit.

    Parameters
    ----------
    problem : UFMProblem
    X : ndarray, shape (r, M)
        A critical point to the search's tolerance.
    cost : float

    Notes
    -----
    The test asks for coincident classifiers and for the family's cost, so that the nearly collapsed points that
    abound at large ``tau`` (some pairs of columns coincide, not all classifiers) are not taken for members.

    Examples
    --------
    >>> from sphereufm.problem.ufm import UFMProblem
    >>> problem = UFMProblem(class_sizes=(1, 1), dim=3, tau=1.0)
    >>> X = np.ones((1, 4))
    >>> family_name(problem, X, float(problem.in_dimension(1).cost(X)))
    'collapsed-classifiers'
    """
    W = X[:, : problem.classes]
    if (
        np.abs(W - W[:, :1]).max() > _SAME_CLASSIFIER
        or not problem.loss.facts(problem.classes).shift_invariant
    ):
        return None
    # the logits of each sample are equal: any such point has the family's cost
    level = float(problem.in_dimension(1).cost(np.ones((1, problem.shape[1]))))
    return COLLAPSED_CLASSIFIERS if abs(cost - level) <= _SAME_COST * level else None
