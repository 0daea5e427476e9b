r"""Families of critical points that have no name: recognised by following null directions, and gathered by cost.

A null direction of the Hessian beyond the orbit need not be a direction of critical points.  So each is followed: from
``X`` a short geodesic along the null vector ``z``, then the Newton search back to a critical point.  This
*succeeds* if what is found has the same cost, its Gram matrix has moved as the step meant it to, and no curvature
of decided sign along ``z`` says that the gradient there is small only: then ``X`` lies on a curve of critical points
that is no orbit, as far as floating point can tell.  The number of independent null directions that can be followed is
the family's local dimension; it is compared with the nullity, which bounds it from above.

Points of one cost with such directions are entered as one family.  That they are connected is not claimed.  A family is
called ``nonisolated-k`` after its local dimension ``k`` modulo the orbit, or ``unresolved-k`` where a column that moves
freely in floats is known to be pulled by something below rounding: then these may be isolated points of one cost.
Where ``k`` equals the nullity the family is Morse-Bott: the signs of the other eigenvalues decide what it is, and one
without negative ones consists of local minimisers.  One member of larger nullity and no negative eigenvalue, and the
entry stays degenerate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array, retract
from sphereufm.geometry.symmetry.groups import numerical_rank
from sphereufm.geometry.tangent_spaces import from_coordinates
from sphereufm.landscape.orbits.lower import cost_noise
from sphereufm.landscape.points import CriticalFamily, CriticalPoint, CriticalPointKind, Entry, embed
from sphereufm.landscape.search.squared_gradient import find_critical_points
from sphereufm.problem import capabilities
from sphereufm.problem.interface import SphereProblem
from sphereufm.spectra.curvature_signs import curvature_signs
from sphereufm.spectra.matrix import eigenpairs, hessian_matrix, idle_coordinates
from sphereufm.tolerances import ROUNDINGS, SAME_COST

# Lengths of trial steps in radians (Frobenius norm of the tangent vector).
_STEPS = (0.05, 0.4)
# An eigenvalue below this fraction of the largest may belong to a null direction: near a singular stratum of
# a family others are as small as the square of the distance from it.
_SOFT = 1e-6
# Part of the intended movement that must be left after the way back.
_KEPT = 0.3
_MOST_DIRECTIONS = 16
_MIXTURES = 8
# Orbits that are tried at most: where more are degenerate, following all would take longer than the search.
_MOST_FOLLOWED = 200
_UNKNOWNS = 300
# A family is called the first of these that one of its exhibited members is.
_WORST_FIRST = (
    CriticalPointKind.DEGENERATE,
    CriticalPointKind.SPURIOUS_LOCAL_MINIMUM,
    CriticalPointKind.LOCAL_MINIMUM,
    CriticalPointKind.STRICT_SADDLE,
    CriticalPointKind.GLOBAL_MINIMUM,
)


def gather_families(problem: SphereProblem, points: Sequence[CriticalPoint]) -> list[Entry]:
    """Replace the orbits that belong to families without a name by those families.

    ``problem``: in ``R^d``.  Result: orbits with null directions that cannot be followed stay as they are, with
    their nullity.
    """
    dimensions = _dimensions(problem, points)
    levels: list[list[int]] = []
    for i in sorted(dimensions, key=lambda i: points[i].cost):
        if levels and _same(points[levels[-1][0]], points[i]):
            levels[-1].append(i)
        else:
            levels.append([i])
    isolated = [point for i, point in enumerate(points) if i not in dimensions]
    return [*isolated, *(_family(problem, points, level, dimensions) for level in levels)]


def _dimensions(problem: SphereProblem, points: Sequence[CriticalPoint]) -> dict[int, int]:
    """Local dimension of every orbit whose null directions can be followed, and of those that share its cost."""
    small = [i for i, point in enumerate(points) if point.X.size <= _UNKNOWNS]
    degenerate = [i for i in small if points[i].nullity > 0][:_MOST_FOLLOWED]
    found = {i: local_dimension(problem, points[i].X) for i in degenerate}
    # near a singular stratum a member's null direction may look merely soft
    members = [points[i] for i, dimension in found.items() if dimension]
    beside = [i for i in small if i not in found and any(_same(points[i], member) for member in members)]
    found |= {i: local_dimension(problem, points[i].X) for i in beside}
    return {i: dimension for i, dimension in found.items() if dimension}


def _same(a: CriticalPoint, b: CriticalPoint) -> bool:
    """Whether two costs agree to rounding, in the unit of the curvatures there."""
    unit = max(
        float(np.abs(values).max(initial=0.0))
        for point in (a, b)
        for values in (point.spectrum.eigenvalues, point.spectrum.normal_eigenvalues)
    )
    return abs(a.cost - b.cost) <= SAME_COST * unit + ROUNDINGS * max(abs(a.cost), abs(b.cost))


def _family(
    problem: SphereProblem, points: Sequence[CriticalPoint], level: list[int], dimensions: dict[int, int]
) -> CriticalFamily:
    """One entry for all members of a level."""
    members = [points[i] for i in level]
    dimension = min(dimensions[i] for i in level)
    fine = all(capabilities.pulls_are_rounding(problem, member.X) for member in members)
    name = f"{'unresolved' if fine else 'nonisolated'}-{dimension}"
    family = family_of(name, members, sum(member.hits for member in members))
    degenerate = [i for i in level if points[i].kind is CriticalPointKind.DEGENERATE]
    if not degenerate or any(points[i].nullity != dimensions[i] for i in degenerate):
        return family
    # Morse-Bott at each of them: local minimisers
    above = any(member.has_lower for member in members)
    kind = CriticalPointKind.SPURIOUS_LOCAL_MINIMUM if above else CriticalPointKind.LOCAL_MINIMUM
    return replace(family, kind=kind)


def family_of(name: str, members: Sequence[CriticalPoint], hits: int) -> CriticalFamily:
    """One entry for a family: degenerate if an exhibited member is."""
    kinds = {member.kind for member in members}
    best = min(members, key=lambda m: float("inf") if m.optimality_gap is None else m.optimality_gap)
    return CriticalFamily(
        name=name,
        cost=members[0].cost,
        members=tuple(members),
        kind=next(kind for kind in _WORST_FIRST if kind in kinds),
        hits=hits,
        optimality_gap=best.optimality_gap,
        gap_method=best.gap_method,
    )


def local_dimension(problem: SphereProblem, X: Array) -> int:
    """Count the null directions at ``X`` along which critical points of the same cost follow.

    ``problem``: in any dimension that ``X`` fits.  ``X``, shape ``(r, M)``: a critical point in its own span;
    as found where O(d) is no symmetry.  Returns zero for an isolated orbit.  At most 16 directions are tried.
    """
    d = problem.spheres.shape[0]
    inner = capabilities.in_span(problem, min(X.shape[0] + 1, d))
    Y = embed(X, inner.spheres.shape[0])
    rank = len(X) if problem.symmetry.orthogonal else numerical_rank(X)
    directions = null_directions(inner, Y, rank)[:_MOST_DIRECTIONS]
    count = len(directions)
    for length in _STEPS:
        followed = directions[_can_be_followed(inner, Y, directions, length)]
        if len(followed):
            return min(len(followed), count)
        # where branches of a family cross, null vectors may point between them
        directions = _mixed(directions)
    return 0


def _can_be_followed(problem: SphereProblem, X: Array, directions: Array, length: float) -> NDArray[np.bool_]:
    """Whether critical points of the same cost, degenerate too, lie in each direction."""
    if not len(directions):
        return np.zeros(0, dtype=np.bool_)
    steps = retract(np.broadcast_to(X, directions.shape), length * directions)
    search = find_critical_points(problem, steps, tolerance=1e-11)
    meant, left = _distance(problem, X, steps), _distance(problem, X, search.X)
    start = problem.at(X)
    before, after = float(start.cost), problem.at(search.X).cost
    same = np.abs(after - before) <= cost_noise(start) + ROUNDINGS * abs(before)
    followed = search.converged & same & (left >= _KEPT * meant)
    if followed.any():
        followed[followed] = curvature_signs(problem, X, directions[followed]).signs == 0
    for i in np.flatnonzero(followed):
        followed[i] = len(null_directions(problem, search.X[i], numerical_rank(search.X[i]))) > 0
    return followed


def _mixed(directions: Array) -> Array:
    """Random directions of the null space, where it has several."""
    if len(directions) < 2:
        return directions
    weights = np.random.default_rng(0).standard_normal((_MIXTURES, len(directions)))
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    return np.einsum("mk,kdj->mdj", weights, directions)


def null_directions(problem: SphereProblem, X: Array, rank: int) -> Array:
    """Null vectors of the Hessian beyond the orbit, orthonormal, shape ``(k, d, M)``.

    Directions out of the span count once here, though the Hessian repeats them for every further dimension.

    ``X``, shape ``(d, M)``; ``rank``: rank of ``X``.
    """
    values, vectors = eigenpairs(hessian_matrix(problem, X), idle_coordinates(problem, X, rank))
    size = np.abs(values).max(initial=0.0)
    if not capabilities.is_well_scaled(problem):
        # where the whole Hessian vanishes its eigenvalues are no measure of each other
        size = max(size, float(problem.at(X).gradient_scale.max()))
    return from_coordinates(X, vectors[np.abs(values) <= _SOFT * size])


def _distance(problem: SphereProblem, X: Array, Y: Array) -> Array:
    """How far each of ``Y`` is from ``X``: of Gram matrices where O(d) is a symmetry, else of the points."""
    if not problem.symmetry.has_rotations:
        return np.sqrt(np.square(Y - X).sum(axis=(-1, -2)))
    gap = np.swapaxes(Y, -1, -2) @ Y - X.T @ X
    return np.sqrt(np.square(gap).sum(axis=(-1, -2)))
