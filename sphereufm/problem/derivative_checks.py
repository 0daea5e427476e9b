r"""Do gradient and Hessian belong to the cost?  Checks that return results, for problems of any origin.

Along a geodesic ``c`` with ``c(0) = X``, ``c'(0) = U`` (which has no acceleration on the spheres)

    f(c(t)) = f(X) + t <grad, U> + t^2 / 2 <U, Hess U> + O(t^3):

the error of the first-order model falls like ``t^2``, that of the second-order model like ``t^3``.  The *observed
order* is the slope of ``log error`` against ``log t`` over the smallest steps that rounding has not reached.
Where rounding of the cost hides its changes (a constant of 1e13 in front, for example), the check is *inconclusive*.
Tangency of the derivatives, and linearity and symmetry of the Hessian, are measured beside it.

References
----------
N. Boumal, *An Introduction to Optimization on Smooth Manifolds*, 2023, sections 4.8 and 6.8.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from sphereufm.geometry.spheres import Array, as_generator, exponential, frobenius_norm, project
from sphereufm.problem.interface import SphereProblem
from sphereufm.problem.own_costs.as_problem import as_problem

_STEPS = np.logspace(-5.0, -0.5, 28)
# Points of the stretch over which a slope is fitted: a factor of about ten in the step.
_STRETCH = 7
# Errors below this many roundings of the cost say nothing.
_ROUNDINGS = 30.0
_ORDER_SLACK = 0.1
_RELATIVE = 1e-6
# changes of the cost have to exceed its rounding by this before a model that fits to rounding counts as exact
_OUT_OF_ROUNDING = 1e6
_TINY = sys.float_info.min


@dataclass(frozen=True, kw_only=True, eq=False)
class DerivativeCheck:
    """Outcome of a check; orders are slopes of ``log error`` against ``log step``."""

    #: The observed order is at least the expected one less 0.1, and the other errors are at most 1e-6.
    passed: bool
    #: Infinite where the model is exact to rounding, NaN where the cost is hardly a number.
    observed_order: float
    expected_order: float
    steps: Array  #: ``t`` in radians
    errors: Array  #: of the model at each step
    tangency_error: float  #: relative size of the part normal to the spheres
    linearity_error: float | None = None  #: of a Hessian, relative
    symmetry_error: float | None = None  #: likewise
    #: Rounding hides the cost's changes, so that neither order can be seen; ``passed`` is false then.  Leave constants
    #: out of the cost, or compare terms of one size.
    inconclusive: bool = False

    def __repr__(self) -> str:
        if self.inconclusive:
            return "<DerivativeCheck inconclusive: rounding of the cost hides its changes; leave constants out of it>"
        outcome = "passed" if self.passed else "failed"
        return (
            f"<DerivativeCheck {outcome}: order {self.observed_order:.2f}, expected {self.expected_order:g}>"
        )


def check_gradient(
    problem: SphereProblem, X: Array | None = None, *, rng: int | np.random.Generator = 0
) -> DerivativeCheck:
    """Compare the gradient with the cost along a random geodesic; the expected order is 2.

    Parameters
    ----------
    problem : SphereProblem
    X : ndarray, shape (d, M), optional
        Where; a random point if not given.
    rng : int or Generator
        For the point and the direction.

    Examples
    --------
    >>> from sphereufm.problem.ufm import UFMProblem
    >>> check = check_gradient(UFMProblem(class_sizes=(2, 2), dim=3, tau=1.0))
    >>> check.passed, round(check.observed_order, 1)
    (True, 2.0)
    """
    problem, X, (U, _) = _place(problem, X, rng)
    gradient = problem.at(X).gradient
    slope = float((gradient * U).sum())
    return _judged(problem, X, U, _STEPS * slope, _normal_part(X, gradient))


def check_hessian(
    problem: SphereProblem, X: Array | None = None, *, rng: int | np.random.Generator = 0
) -> DerivativeCheck:
    """Compare gradient and Hessian with the cost along a random geodesic; the expected order is 3.

    Parameters
    ----------
    problem, X, rng
        As in :func:`check_gradient`; two directions are drawn.

    Examples
    --------
    >>> from sphereufm.problem.ufm import UFMProblem
    >>> check_hessian(UFMProblem(class_sizes=(3, 1), dim=4, tau=5.0), rng=1).passed
    True
    """
    problem, X, (U, V) = _place(problem, X, rng)
    point = problem.at(X)
    HU, HV, HW = (point.hessian_product(T) for T in (U, V, 0.7 * U - 1.3 * V))
    slope, curvature = float((point.gradient * U).sum()), float((HU * U).sum())
    model = _STEPS * slope + 0.5 * _STEPS**2 * curvature
    linearity = _relative(HW - 0.7 * HU + 1.3 * HV, HW)
    across = abs(float((HU * V).sum()) - float((HV * U).sum()))
    symmetry = across / max(frobenius_norm(HU), frobenius_norm(HV), _TINY)
    return _judged(problem, X, U, model, _normal_part(X, HU), linearity, symmetry)


def _place(
    problem: SphereProblem, X: Array | None, rng: int | np.random.Generator
) -> tuple[SphereProblem, Array, tuple[Array, Array]]:
    """The problem, the given point or a random one, and two directions."""
    problem, generator = as_problem(problem), as_generator(rng)
    spheres = problem.spheres
    X = spheres.random_point(generator) if X is None else spheres.check_points(X)
    return problem, X, (spheres.random_tangent(generator, X), spheres.random_tangent(generator, X))


def _judged(
    problem: SphereProblem, X: Array, U: Array, model: Array, tangency: float, *more: float
) -> DerivativeCheck:
    """The outcome for a model of ``f(c(t)) - f(X)``; ``more`` are errors of a Hessian's linearity and symmetry."""
    points = exponential(np.broadcast_to(X, (len(_STEPS), *X.shape)), _STEPS[:, None, None] * U)
    before, after = float(problem.at(X).cost), problem.at(points).cost
    errors = np.abs(after - before - model)
    # beyond the domain of a cost there is nothing to see
    seen = np.isfinite(errors)
    rounding = float(np.finfo(np.float64).eps * np.abs([before, *after[seen]]).max())
    change = float(np.abs([(after - before)[seen], model[seen]]).max(initial=0.0))
    expected = 3.0 if more else 2.0
    linearity, symmetry = more or (None, None)
    order = _observed_order(_STEPS[seen], errors[seen], rounding)
    # the model fits to rounding only because the cost hardly changes beside it; no change at all is none
    hidden = np.isinf(order) and 0.0 < change < _OUT_OF_ROUNDING * rounding
    return DerivativeCheck(
        passed=not hidden
        and order >= expected - _ORDER_SLACK
        and all(error <= _RELATIVE for error in (tangency, *more)),
        inconclusive=bool(hidden),
        observed_order=order,
        expected_order=expected,
        steps=_STEPS,
        errors=errors,
        tangency_error=tangency,
        linearity_error=linearity,
        symmetry_error=symmetry,
    )


def _observed_order(steps: Array, errors: Array, rounding: float) -> float:
    """Slope over the smallest steps whose errors are all above rounding; infinite where there are none.

    NaN for too few steps: a cost that is hardly anywhere a number agrees with nothing.
    """
    if len(steps) < _STRETCH:
        return math.nan
    usable = sliding_window_view(errors > _ROUNDINGS * rounding, _STRETCH).all(axis=-1)
    if not usable.any():
        return float("inf")
    stretch = usable.argmax() + np.arange(_STRETCH)
    return float(np.polyfit(np.log(steps[stretch]), np.log(errors[stretch]), 1)[0])


def _normal_part(X: Array, U: Array) -> float:
    """Size of the part of a derivative that is normal to the spheres."""
    return _relative(U - project(X, U), U)


def _relative(part: Array, whole: Array) -> float:
    """Norm of a part relative to the whole."""
    return frobenius_norm(part) / max(frobenius_norm(whole), _TINY)
