"""Starts that theory constructs, beside the random ones: points that a search would meet too rarely.

They are starts like any other: what they lead to is polished, classified and merged by the same code.
"""

from __future__ import annotations

from sphereufm.errors import InvalidInputError
from sphereufm.geometry.spheres import Array
from sphereufm.problem.interface import SphereProblem
from sphereufm.problem.theory.known_points import orthogonal_collapsed_point, turned_sample_point
from sphereufm.problem.theory.theorems import collapsed_point
from sphereufm.problem.ufm import UFMProblem

__all__ = ["constructed_starts"]


def constructed_starts(problem: SphereProblem) -> list[Array]:
    """Configurations near which critical points are known to lie, each of shape ``(d, M)``.

    For the cross-entropy problem: the collapsed point (global minimiser when balanced), the same with one
    sample turned around (at ``d = K - 1`` a spurious minimiser may lie nearby), and for ``K = d = 2`` the degenerate
    member of the collapsed classifiers.

    Examples
    --------
    >>> len(constructed_starts(UFMProblem(class_sizes=(1, 1, 1), dim=2, tau=1.0))) >= 2
    True
    """
    if not isinstance(problem, UFMProblem):
        return []
    starts = []
    for build in (collapsed_point, turned_sample_point, orthogonal_collapsed_point):
        try:
            starts.append(build(problem))
        except InvalidInputError:
            continue  # the construction needs other dimensions or class sizes
    return starts
