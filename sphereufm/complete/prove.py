"""Prove that a list of critical points is complete: search, write a certificate, have it checked."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from sphereufm.certify.checker.kernel import CheckError, Undecided, require
from sphereufm.certify.complete.check import check_reach, own_charts
from sphereufm.certify.complete.coulomb import Coulomb
from sphereufm.certify.complete.reading import (
    CLOSED_FORM,
    OWN_COST,
    Instance,
    read_instance,
    read_program,
)
from sphereufm.certify.complete.two_classes import two_class_orbits
from sphereufm.certify.instances import ExactInstance, ExpressionInstance
from sphereufm.complete.outcome import CompleteList, checked, undecided
from sphereufm.complete.searches import search_charts, search_plane
from sphereufm.errors import check_integer
from sphereufm.geometry.spheres import Array
from sphereufm.geometry.symmetry.groups import SymmetryGroup
from sphereufm.problem import capabilities
from sphereufm.problem.interface import SphereProblem
from sphereufm.problem.own_costs.as_problem import as_problem
from sphereufm.progress import Progress, silent

# columns of the points of a list, 16 bytes each in the plane
_MOST_COLUMNS = 10**8


def prove_complete(
    problem: SphereProblem | ExpressionInstance,
    *,
    most_boxes: int = 2_000_000,
    progress: Progress | None = None,
) -> CompleteList:
    """Prove that a list of critical points is complete, on a small instance.

    Two classes need no search: every critical point is given in closed form.  Three classes of one sample each are
    searched in the plane, which holds all critical points in every dimension; other instances in ``R^2``.  A cost given
    as an expression is searched in charts, up to some five unknowns, if its critical points are isolated.

    Parameters
    ----------
    problem : SphereProblem or ExpressionInstance
        A :class:`~sphereufm.problem.ufm.UFMProblem` with the cross-entropy loss, or a cost of
        :mod:`sphereufm.certify.expressions`.
    most_boxes : int
        Work after which the search is stopped.
    progress : callable, optional
        ``progress(stage, boxes done, boxes known of, detail)``.

    Returns
    -------
    CompleteList
        Failure is a result: UNDECIDED, with the region where the search was stopped.

    Raises
    ------
    InvalidInputError
        If ``most_boxes`` is below one, or it is no problem.

    Examples
    --------
    >>> from sphereufm.problem.ufm import UFMProblem
    >>> found = prove_complete(UFMProblem(class_sizes=(1, 1), dim=3, tau=1))
    >>> found.status.name, len(found.points)
    ('PROVED', 3)
    """
    most_boxes = check_integer("most_boxes", most_boxes, 1)
    instance, advance = capabilities.exact_instance(as_problem(problem)), progress or silent
    try:
        if isinstance(instance, ExpressionInstance):
            return _own_cost(instance, most_boxes, advance)
        if isinstance(instance, ExactInstance):
            return _cross_entropy(instance, most_boxes, advance)
        return undecided("complete lists are for cross-entropy and for expressions")
    except Undecided as error:
        return undecided(str(error))
    except CheckError as error:
        # what the format cannot hold, such as numbers of more digits than it has
        return undecided(f"the instance has no certificate of a complete list: {error}")


# as in the checker, balls may overflow
@np.errstate(over="ignore", invalid="ignore")
def _own_cost(instance: ExpressionInstance, most_boxes: int, advance: Progress) -> CompleteList:
    """Search for the critical points of an expression; four charges are told apart up to O(3) and permutations."""
    every = own_charts(read_program(instance.to_json()))
    four_charges = isinstance(every[0], Coulomb)
    found = search_charts(instance, every, {"method": OWN_COST[four_charges]}, most_boxes, advance)
    return replace(found, symmetry=SymmetryGroup.full(4)) if four_charges else found


def _cross_entropy(instance: ExactInstance, most_boxes: int, advance: Progress) -> CompleteList:
    """Take the closed form, or search in the plane."""
    p = read_instance(instance.to_json())
    if p.classes == 2 and p.dim >= 2:
        return checked(instance, {"method": CLOSED_FORM}, two_class_points(p), 0, advance)
    check_reach(p)
    return search_plane(instance, p, most_boxes, advance)


def two_class_points(p: Instance) -> list[Array]:
    """Return one point ``[W H]`` of R^2 for each critical orbit of two classes with distinct classifiers, by cost.

    Every feature is ``h_i = s_i (w_y - w_j) / r``, a sign s_i and ``r = |w_1 - w_2|``; docs/complete.md, section 1.
    """
    points, orbits = [], two_class_orbits(p)
    many = f"there are {len(orbits)} critical orbits, of {p.classes + len(p.labels)} columns each: too many to list"
    require(len(orbits) * len(p.labels) <= _MOST_COLUMNS, many)
    for _, pattern, r in orbits:
        H, half = np.zeros((2, len(p.labels))), float(r) / 2
        for (y, w), samples in p.blocks.items():
            H[0, samples] = np.repeat([1, -1], [pattern[y, w], len(samples) - pattern[y, w]]) * (1 - 2 * y)
        height = math.sqrt(max(1 - half**2, 0.0))
        points.append(np.column_stack([[half, height], [-half, height], H]))
    return points
