"""Prove that a list of critical points is complete: search, write a certificate, have it checked."""

from __future__ import annotations

from sphereufm.certify.complete.check import MOST_CLASSES, CompleteCheckError
from sphereufm.certify.complete.reading import NotProvedError, read_instance
from sphereufm.certify.instances import ExactInstance, ExpressionInstance
from sphereufm.complete.certificate import two_class_certificate
from sphereufm.complete.outcome import MOST_UNKNOWNS, CompleteList, checked, undecided
from sphereufm.complete.searches import search_own_cost, search_plane
from sphereufm.complete.two_classes import two_class_points
from sphereufm.errors import check_integer
from sphereufm.problem import capabilities
from sphereufm.problem.interface import SphereProblem
from sphereufm.problem.own_costs.as_problem import as_problem
from sphereufm.progress import Progress, silent


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
    check_integer("most_boxes", most_boxes, 1)
    given, advance = as_problem(problem), progress or silent
    try:
        return _proved(given, most_boxes, advance)
    except NotProvedError as error:
        return undecided(str(error))
    except CompleteCheckError as error:
        # what the format cannot hold, such as numbers of more digits than it has
        return undecided(f"the instance has no certificate of a complete list: {error}")


def _proved(problem: SphereProblem, most_boxes: int, advance: Progress) -> CompleteList:
    """Choose the method."""
    instance = capabilities.exact_instance(problem)
    if isinstance(instance, ExpressionInstance):
        return search_own_cost(instance, most_boxes, advance)
    plain = isinstance(instance, ExactInstance) and instance.loss == "cross-entropy"
    if not isinstance(instance, ExactInstance) or not plain or instance.rates or instance.bias:
        return undecided(
            "complete lists are for cross-entropy without a bias, of one tau, and for expressions"
        )
    if instance.classes == 2 and instance.dim >= 2:
        return checked(
            two_class_certificate(instance), two_class_points(read_instance(instance.to_json())), 0, advance
        )
    reason = _out_of_reach(instance)
    if reason:
        return undecided(reason)
    return search_plane(problem, most_boxes, advance)


def _out_of_reach(instance: ExactInstance) -> str:
    """Why the search in the plane would not prove completeness, or nothing."""
    labels = sorted(instance.label(i) for i in range(instance.samples))
    if not 2 <= instance.classes <= MOST_CLASSES or instance.dim < 2:
        return f"certificates of complete lists need K between 2 and {MOST_CLASSES}, and d >= 2"
    if instance.dim > 2 and not (instance.classes == 3 and labels == [0, 1, 2]):
        return (
            f"class sizes and d = {instance.dim}: critical points may leave the plane; complete lists reach K = 2, "
            "K = 3 with one sample a class, and d = 2"
        )
    unknowns = instance.classes - 1 + instance.samples
    if unknowns > MOST_UNKNOWNS:
        return f"the search has {unknowns} unknown angles, but at most {MOST_UNKNOWNS} are possible"
    return ""
